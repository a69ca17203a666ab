#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "arith/functions.h"
#include "eval/moments.h"
#include "kernels/rows/rows.h"

namespace lowbit::eval {
namespace {

// exp(x) for x <= 0 in double, from the defined exp2.
double exp_negative(double x) { return x < -700.0 ? 0.0 : arith::exp2(x * 1.4426950408889634074); }
double log_natural(double x) { return arith::log2(x) * 0.69314718055994530942; }

int32_t argmax(std::span<const float> row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

struct Position {
  double nll = 0.0, nll_base = 0.0, kl = 0.0;
  bool agree = false;
  bool finite = true, base_finite = true;  // else the others mean nothing
};

// A model that reads chunks piece by piece.
struct Reader {
  Reader(const runtime::Engine& e, std::unique_ptr<exec::Executor> x, int64_t context)
      : engine(&e), executor(std::move(x)), cache(executor->new_cache(context)) {}

  Status feed(std::span<const int32_t> tokens, bool scored) {
    const exec::Segment segment{tokens, &cache, scored ? static_cast<int64_t>(tokens.size()) : 0};
    return executor->forward({&segment, 1}, logits);
  }
  // Logits after token i of the last piece.
  std::span<const float> row(int64_t i) const {
    const auto vocabulary = static_cast<size_t>(executor->vocabulary());
    return std::span(logits).subspan(static_cast<size_t>(i) * vocabulary, vocabulary);
  }

  const runtime::Engine* engine;
  std::unique_ptr<exec::Executor> executor;
  exec::Cache cache;
  std::vector<float> logits;
};

bool finite(std::span<const float> row) {
  return std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); });
}

std::vector<WorstPosition::Guess> guesses(const text::Tokenizer& tokenizer, std::span<const float> row, int64_t top) {
  std::vector<int32_t> ids(row.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto count = static_cast<std::ptrdiff_t>(std::min<size_t>(static_cast<size_t>(top), ids.size()));
  std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](int32_t a, int32_t b) {
    const float x = row[static_cast<size_t>(a)], y = row[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  const double norm = LogSoftmax(row).norm();
  std::vector<WorstPosition::Guess> result;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const int32_t id = ids[static_cast<size_t>(i)];
    result.push_back({std::string(tokenizer.token_bytes(id)), exp_negative(row[static_cast<size_t>(id)] - norm)});
  }
  return result;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

// Collects positions and makes the summary.
struct Collector {
  EvalResult result;
  std::vector<double> nll, nll_base, kl;
  int64_t agreed = 0;
  int64_t worst = 0;

  void add_chunk(const std::vector<Position>& positions) {
    ChunkResult chunk;
    if (result.kl_by_position.empty()) result.kl_by_position.assign(positions.size(), 0.0);
    for (size_t i = 0; i < positions.size(); ++i) {
      const Position& p = positions[i];
      nll.push_back(p.nll);
      nll_base.push_back(p.nll_base);
      kl.push_back(p.kl);
      agreed += p.agree ? 1 : 0;
      chunk.nll += p.nll;
      chunk.nll_base += p.nll_base;
      chunk.kl += p.kl;
      result.kl_by_position[i] += p.kl;
    }
    const auto n = static_cast<double>(positions.size());
    result.per_chunk.push_back({chunk.nll / n, chunk.nll_base / n, chunk.kl / n});
  }

  EvalResult finish() {
    result.tokens = static_cast<int64_t>(nll.size());
    result.chunks = static_cast<int64_t>(result.per_chunk.size());
    result.perplexity = std::exp(mean(nll));
    result.perplexity_stderr = result.perplexity * standard_error(nll);
    if (!result.has_base) return std::move(result);
    result.perplexity_base = std::exp(mean(nll_base));
    result.kl_mean = mean(kl);
    result.kl_stderr = standard_error(kl);
    result.kl_median = quantile(kl, 0.5);
    result.kl_p99 = quantile(kl, 0.99);
    result.kl_max = quantile(kl, 1.0);
    result.top1_agreement = static_cast<double>(agreed) / static_cast<double>(result.tokens);
    for (double& v : result.kl_by_position) v /= static_cast<double>(result.chunks);
    return std::move(result);
  }
};

Status check_same_vocabulary(const runtime::Engine& model, const runtime::Engine& base) {
  const std::string& path = model.opened.file->path();
  if (model.executor->vocabulary() != base.executor->vocabulary()) {
    return errorf("{}: its vocabulary has {} tokens, that of the base {} has {}", path, model.executor->vocabulary(),
                  base.opened.file->path(), base.executor->vocabulary());
  }
  for (int32_t id = 0; id < model.tokenizer->size() && id < base.tokenizer->size(); ++id) {
    if (model.tokenizer->token_bytes(id) != base.tokenizer->token_bytes(id)) {
      return errorf("{}: token {} differs from that of the base {}", path, id, base.opened.file->path());
    }
  }
  return {};
}

void keep_worst(std::vector<WorstPosition>& list, WorstPosition candidate, int64_t limit) {
  list.push_back(std::move(candidate));
  std::stable_sort(list.begin(), list.end(),
                   [](const WorstPosition& a, const WorstPosition& b) { return a.kl > b.kl; });
  if (static_cast<int64_t>(list.size()) > limit) list.pop_back();
}

// The context that was asked for, checked.
Result<int64_t> chunk_length(int64_t asked, const runtime::Engine& model, const runtime::Engine* base) {
  constexpr int64_t kUsual = 512, kLeast = 4;
  if (asked != 0 && asked < kLeast) return errorf("--context is {}; at least {} tokens are needed", asked, kLeast);
  int64_t length = asked != 0 ? asked : kUsual;
  for (const runtime::Engine* engine : {&model, base}) {
    if (engine == nullptr || length <= engine->opened.model.context) continue;
    if (asked != 0 || engine->opened.model.context < kLeast) {
      return errorf("{}: --context {} is more than the {} tokens that the model was trained for",
                    engine->opened.file->path(), length, engine->opened.model.context);
    }
    length = engine->opened.model.context;
  }
  return length;
}

// One chunk after the other, read by the model and the base; only the logits of one piece are held.
struct ChunkRun {
  const EvalOptions& options;
  Reader& model;
  Reader* base;
  std::vector<WorstPosition>& worst;
  std::vector<Position> positions;  // of the last chunk

  // on_progress: the share of the chunk that is done.
  Status run(std::span<const int32_t> ids, int64_t chunk, const std::function<void(double)>& on_progress) {
    const auto context = static_cast<int64_t>(ids.size()), scored = context - 1 - context / 2;
    positions.clear();
    model.cache.truncate(0);
    if (base != nullptr) base->cache.truncate(0);
    // The last token is never fed: nothing is asked after it.
    for (int64_t begin = 0; begin + 1 < context;) {
      on_progress(static_cast<double>(begin) / static_cast<double>(context));
      const int64_t first = context - 1 - scored;
      const int64_t end =
          begin < first ? std::min(begin + runtime::kChunk, first) : std::min(begin + kPiece, context - 1);
      const auto piece = ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      LOWBIT_TRY(model.feed(piece, begin >= first));
      if (base != nullptr) LOWBIT_TRY(base->feed(piece, begin >= first));
      if (begin >= first) LOWBIT_TRY(score(ids, chunk, begin, end));
      begin = end;
    }
    return {};
  }

 private:
  // Predictions after the tokens [begin, end), whose logits are held.
  Status score(std::span<const int32_t> ids, int64_t chunk, int64_t begin, int64_t end) {
    const size_t known = positions.size();
    positions.resize(known + static_cast<size_t>(end - begin));
    model.engine->pool->parallel_for(end - begin, 4, [&](int64_t from, int64_t to, int) {
      for (int64_t i = from; i < to; ++i) {
        positions[known + static_cast<size_t>(i)] =
            position(i, static_cast<size_t>(ids[static_cast<size_t>(begin + i + 1)]));
      }
    });
    for (int64_t i = 0; i < end - begin; ++i) {
      const Position& p = positions[known + static_cast<size_t>(i)];
      if (!p.finite || !p.base_finite) {
        return errorf(
            "{}: after {} tokens of chunk {} the model's logits are no finite numbers, so its weights are damaged",
            (p.finite ? base : &model)->engine->opened.file->path(), begin + i + 1, chunk + 1);
      }
      if (base != nullptr) keep_if_worst(ids, chunk, begin + i + 1, i, p.kl);
    }
    return {};
  }

  Position position(int64_t i, size_t next) const {
    Position p;
    const std::span<const float> row = model.row(i);
    p.finite = finite(row);
    if (base != nullptr) p.base_finite = finite(base->row(i));
    if (!p.finite || !p.base_finite) return p;
    const LogSoftmax soft(row);
    p.nll = soft.norm() - static_cast<double>(row[next]);
    if (base == nullptr) return p;
    const std::span<const float> base_row = base->row(i);
    const LogSoftmax base_soft(base_row);
    p.nll_base = base_soft.norm() - static_cast<double>(base_row[next]);
    p.kl = kl_divergence(base_row, base_soft, row, soft);
    p.agree = argmax(base_row) == argmax(row);
    return p;
  }

  void keep_if_worst(std::span<const int32_t> ids, int64_t chunk, int64_t at, int64_t row, double kl) {
    if (static_cast<int64_t>(worst.size()) >= options.worst && (worst.empty() || kl <= worst.back().kl)) return;
    const text::Tokenizer& tokenizer = *model.engine->tokenizer;
    const auto from = static_cast<size_t>(std::max<int64_t>(0, at - 24)), place = static_cast<size_t>(at);
    keep_worst(worst,
               {chunk, at, kl, tokenizer.decode(ids.subspan(from, place - from), true),
                std::string(tokenizer.token_bytes(ids[place])), guesses(tokenizer, base->row(row), options.top),
                guesses(tokenizer, model.row(row), options.top)},
               options.worst);
  }
};

}  // namespace

LogSoftmax::LogSoftmax(std::span<const float> logits) : exponentials_(logits.size()) {
  most_ = *std::max_element(logits.begin(), logits.end());
  kernels::exp_shifted(active_isa(),
                       {static_cast<int64_t>(logits.size()), logits.data(), most_, exponentials_.data()});
  // Sums in 16 lanes of double keep a fixed order.
  double lane[16] = {};
  for (size_t i = 0; i < logits.size(); ++i) lane[i % 16] += static_cast<double>(exponentials_[i]);
  for (const double v : lane) sum_ += v;
  norm_ = static_cast<double>(most_) + log_natural(sum_);
}

double kl_divergence(std::span<const float> p, const LogSoftmax& p_soft, std::span<const float> q,
                     const LogSoftmax& q_soft) {
  // sum p_i (log p_i - log q_i) = sum p_i (p_logit - q_logit) - norm_p + norm_q
  const std::span<const float> e = p_soft.exponentials();
  double lane[16] = {};
  for (size_t i = 0; i < p.size(); ++i) {
    lane[i % 16] += static_cast<double>(e[i]) * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
  }
  double sum = 0.0;
  for (const double v : lane) sum += v;
  return std::max(sum / p_soft.sum() - p_soft.norm() + q_soft.norm(), 0.0);
}

Result<std::vector<std::vector<int32_t>>> chunk_tokens(const text::Tokenizer& tokenizer, const std::string& text,
                                                       int64_t context, int64_t chunks) {
  if (chunks == 0) return errorf("--chunks is 0; at least 1 is needed");
  std::vector<int32_t> ids = tokenizer.encode(text, {false, tokenizer.adds_bos(), nullptr});
  const auto available = static_cast<int64_t>(ids.size()) / context;
  if (available == 0) {
    return errorf("the text has {} tokens, fewer than one chunk of {}: give a longer text or a smaller --context",
                  ids.size(), context);
  }
  const int64_t count = chunks < 0 ? available : std::min(chunks, available);
  std::vector<std::vector<int32_t>> result;
  for (int64_t c = 0; c < count; ++c) {
    result.emplace_back(ids.begin() + c * context, ids.begin() + (c + 1) * context);
    if (tokenizer.adds_bos() && tokenizer.bos() >= 0) result.back()[0] = tokenizer.bos();
  }
  return result;
}

Result<EvalResult> evaluate(const runtime::Engine& model, const runtime::Engine* base, const std::string& text,
                            const EvalOptions& options, const graph::NumericPolicy& policy,
                            const ProgressFn& progress) {
  for (const runtime::Engine* engine : {&model, base}) {
    if (engine == nullptr || !engine->opened.model.encoder) continue;
    return errorf("{}: an encoder predicts no tokens, so it has no perplexity", engine->opened.file->path());
  }
  LOWBIT_ASSIGN(const int64_t context, chunk_length(options.context, model, base));
  if (base != nullptr) LOWBIT_TRY(check_same_vocabulary(model, *base));
  LOWBIT_ASSIGN(const auto chunks, chunk_tokens(*model.tokenizer, text, context, options.chunks));
  const graph::NumericPolicy reference = graph::NumericPolicy::reference();
  LOWBIT_ASSIGN(auto executor, model.executor_for(options.reference ? reference : policy, active_isa()));
  Reader reader(model, std::move(executor), context);
  std::optional<Reader> base_reader;
  if (base != nullptr) {
    LOWBIT_ASSIGN(auto base_executor, base->executor_for(reference, active_isa()));
    base_reader.emplace(*base, std::move(base_executor), context);
  }
  Collector collector;
  collector.result.context = context;
  collector.result.has_base = base != nullptr;
  const auto total = static_cast<double>(chunks.size());
  ChunkRun run{options, reader, base_reader ? &*base_reader : nullptr, collector.result.worst, {}};
  for (size_t c = 0; c < chunks.size(); ++c) {
    LOWBIT_TRY(run.run(chunks[c], static_cast<int64_t>(c), [&](double share) {
      report_progress(progress, "evaluating", static_cast<double>(c) + share, total);
    }));
    collector.add_chunk(run.positions);
  }
  report_progress(progress, "evaluating", total, total);
  return collector.finish();
}

}  // namespace lowbit::eval
