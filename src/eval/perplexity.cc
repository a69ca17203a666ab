#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "arith/functions.h"
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
};

// Everything about one chunk, computed by the two executors.
class ChunkRun {
 public:
  ChunkRun(exec::Executor& executor, int64_t context) : executor_(executor), cache_(executor.new_cache(context)) {}

  // Logits of the scored predictions: rows for positions first .. context - 2.
  Status run(std::span<const int32_t> tokens, int64_t scored, std::vector<float>& logits) {
    cache_.truncate(0);
    const exec::Segment segment{tokens, &cache_, scored + 1};
    return executor_.forward({&segment, 1}, logits);
  }

 private:
  exec::Executor& executor_;
  exec::Cache cache_;
};

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

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double v : values) sum += v;
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

double standard_error(const std::vector<double>& values) {
  if (values.size() < 2) return 0.0;
  const double m = mean(values);
  double squares = 0.0;
  for (const double v : values) squares += (v - m) * (v - m);
  return std::sqrt(squares / static_cast<double>(values.size() - 1) / static_cast<double>(values.size()));
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
  if (options.context < 4) return errorf("--context is {}; at least 4 tokens are needed", options.context);
  if (base != nullptr) LOWBIT_TRY(check_same_vocabulary(model, *base));
  LOWBIT_ASSIGN(const auto chunks, chunk_tokens(*model.tokenizer, text, options.context, options.chunks));
  LOWBIT_ASSIGN(auto executor,
                model.executor_for(options.reference ? graph::NumericPolicy::reference() : policy, active_isa()));
  std::unique_ptr<exec::Executor> base_executor;
  if (base != nullptr) {
    LOWBIT_ASSIGN(base_executor, base->executor_for(graph::NumericPolicy::reference(), active_isa()));
  }
  ChunkRun run(*executor, options.context);
  std::optional<ChunkRun> base_run;
  if (base != nullptr) base_run.emplace(*base_executor, options.context);

  Collector collector;
  collector.result.context = options.context;
  collector.result.has_base = base != nullptr;
  const int64_t scored = options.context - 1 - options.context / 2;
  const auto vocabulary = static_cast<size_t>(executor->vocabulary());
  std::vector<float> logits, base_logits;
  std::vector<Position> positions(static_cast<size_t>(scored));
  for (size_t c = 0; c < chunks.size(); ++c) {
    report_progress(progress, "evaluating", static_cast<double>(c), static_cast<double>(chunks.size()));
    LOWBIT_TRY(run.run(chunks[c], scored, logits));
    if (base != nullptr) LOWBIT_TRY(base_run->run(chunks[c], scored, base_logits));
    const auto row = [&](const std::vector<float>& all, int64_t i) {
      return std::span(all).subspan(static_cast<size_t>(i) * vocabulary, vocabulary);
    };
    model.pool->parallel_for(scored, 4, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        Position& p = positions[static_cast<size_t>(i)];
        const auto next = static_cast<size_t>(chunks[c][static_cast<size_t>(options.context - scored + i)]);
        const LogSoftmax soft(row(logits, i));
        p.nll = soft.norm() - row(logits, i)[next];
        if (base == nullptr) continue;
        const LogSoftmax base_soft(row(base_logits, i));
        p.nll_base = base_soft.norm() - row(base_logits, i)[next];
        p.kl = kl_divergence(row(base_logits, i), base_soft, row(logits, i), soft);
        p.agree = argmax(row(base_logits, i)) == argmax(row(logits, i));
      }
    });
    collector.add_chunk(positions);
    if (base == nullptr) continue;
    for (int64_t i = 0; i < scored; ++i) {
      const double kl = positions[static_cast<size_t>(i)].kl;
      auto& worst = collector.result.worst;
      if (static_cast<int64_t>(worst.size()) >= options.worst && (worst.empty() || kl <= worst.back().kl)) continue;
      const int64_t at = options.context - scored + i;
      const std::span<const int32_t> ids(chunks[c]);
      const int64_t from = std::max<int64_t>(0, at - 24);
      keep_worst(
          worst,
          {static_cast<int64_t>(c), at, kl,
           model.tokenizer->decode(ids.subspan(static_cast<size_t>(from), static_cast<size_t>(at - from)), true),
           std::string(model.tokenizer->token_bytes(ids[static_cast<size_t>(at)])),
           guesses(*model.tokenizer, row(base_logits, i), options.top),
           guesses(*model.tokenizer, row(logits, i), options.top)},
          options.worst);
    }
  }
  report_progress(progress, "evaluating", static_cast<double>(chunks.size()), static_cast<double>(chunks.size()));
  return collector.finish();
}

}  // namespace lowbit::eval
