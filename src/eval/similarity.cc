#include "eval/similarity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "eval/moments.h"

namespace lowbit::eval {
namespace {

constexpr size_t kShown = 200;  // bytes of a text that are kept for people

struct Texts {
  std::vector<std::string> texts;
  std::vector<int64_t> lines;
};

Texts texts_of(std::string_view text) {
  Texts out;
  int64_t number = 0;
  for (const std::string_view line : runtime::lines_of(text)) {
    ++number;
    if (line.find_first_not_of(" \t\v\f") == std::string_view::npos) continue;
    out.texts.emplace_back(line);
    out.lines.push_back(number);
  }
  return out;
}

using Vectors = std::vector<std::vector<float>>;

Result<Vectors> vectors_of(const runtime::Engine& engine, const graph::NumericPolicy& policy, const Texts& texts,
                           SimilarityResult* counts, const ProgressFn& progress) {
  const models::Model& model = engine.opened.model;
  const auto in_file = [&](const std::string& problem) {
    return errorf("{}: {}", engine.opened.file->path(), problem);
  };
  std::vector<runtime::SentenceIds> ids;
  for (size_t i = 0; i < texts.texts.size(); ++i) {
    auto read = runtime::sentence_ids(model, *engine.tokenizer, texts.texts[i]);
    if (!read.ok()) return in_file(fmt::format("line {}: {}", texts.lines[i], read.message()));
    if (counts != nullptr) {
      counts->tokens += std::ssize(read->ids);
      counts->cut += read->cut > 0 ? 1 : 0;
    }
    ids.push_back(std::move(read).value());
  }
  LOWBIT_ASSIGN(const auto executor, engine.executor_for(policy, active_isa()));
  auto vectors = runtime::sentence_vectors(model, *executor, ids, progress);
  if (!vectors.ok()) return in_file(vectors.message());
  return vectors;
}

Status check_models(const runtime::Engine& model, const runtime::Engine& base) {
  for (const runtime::Engine* engine : {&model, &base}) {
    if (engine->opened.model.encoder) continue;
    return errorf("{}: a {} predicts tokens and an encoder does not: the two cannot be compared",
                  engine->opened.file->path(), engine->opened.model.architecture);
  }
  if (model.executor->vocabulary() == base.executor->vocabulary()) return {};
  return errorf("{}: its vectors have {} values, those of the base {} have {}", model.opened.file->path(),
                model.executor->vocabulary(), base.opened.file->path(), base.executor->vocabulary());
}

// The beginning of a text, whole characters.
std::string beginning(const std::string& text) {
  size_t end = std::min(text.size(), kShown);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + (end < text.size() ? "..." : "");
}

void add_neighbours(const Vectors& here, const Vectors& there, ThreadPool& pool, SimilarityResult& result) {
  const size_t count = std::min(here.size(), static_cast<size_t>(kNeighbourTexts));
  if (count < 3) {
    result.neighbour_agreement = result.neighbour_stderr = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  const auto mine = nearest_neighbours(std::span(here).first(count), pool);
  const auto other = nearest_neighbours(std::span(there).first(count), pool);
  std::vector<double> same;
  for (size_t i = 0; i < count; ++i) same.push_back(mine[i] == other[i] ? 1.0 : 0.0);
  result.neighbour_agreement = mean(same);
  result.neighbour_stderr = standard_error(same);
}

}  // namespace

std::vector<size_t> nearest_neighbours(std::span<const std::vector<float>> vectors, ThreadPool& pool) {
  std::vector<double> lengths;
  for (const auto& vector : vectors) {
    double squares = 0.0;
    for (const float v : vector) squares += static_cast<double>(v) * static_cast<double>(v);
    lengths.push_back(squares > 0.0 ? std::sqrt(squares) : 1.0);
  }
  std::vector<size_t> nearest(vectors.size(), 0);
  pool.parallel_for(std::ssize(vectors), 8, [&](int64_t begin, int64_t end, int) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      double best = -std::numeric_limits<double>::infinity();
      for (size_t j = 0; j < vectors.size(); ++j) {
        if (j == i) continue;
        // Four chains, in a fixed order.
        double sums[4] = {};
        for (size_t k = 0; k < vectors[i].size(); ++k) {
          sums[k % 4] += static_cast<double>(vectors[i][k]) * static_cast<double>(vectors[j][k]);
        }
        const double near = (sums[0] + sums[1] + sums[2] + sums[3]) / lengths[j];
        if (near > best) {
          best = near;
          nearest[i] = j;
        }
      }
    }
  });
  return nearest;
}

Result<SimilarityResult> compare_vectors(const runtime::Engine& model, const runtime::Engine& base,
                                         const std::string& text, const SimilarityOptions& options,
                                         const graph::NumericPolicy& policy, const ProgressFn& progress) {
  LOWBIT_TRY(check_models(model, base));
  const Texts texts = texts_of(text);
  if (texts.texts.empty()) return errorf("the text has no line that is not blank");
  const graph::NumericPolicy reference = graph::NumericPolicy::reference();
  SimilarityResult result;
  result.texts = std::ssize(texts.texts);
  LOWBIT_ASSIGN(const Vectors here,
                vectors_of(model, options.reference ? reference : policy, texts, &result, progress));
  LOWBIT_ASSIGN(const Vectors there, vectors_of(base, reference, texts, nullptr, progress));
  for (size_t i = 0; i < here.size(); ++i) {
    // What rounding the vectors to float adds beyond 1 is no similarity.
    result.cosines.push_back(std::clamp(runtime::cosine(here[i], there[i]), -1.0, 1.0));
  }
  result.cosine_mean = mean(result.cosines);
  result.cosine_stderr = standard_error(result.cosines);
  result.cosine_min = *std::min_element(result.cosines.begin(), result.cosines.end());
  add_neighbours(here, there, *model.pool, result);
  std::vector<size_t> order(here.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return result.cosines[a] < result.cosines[b]; });
  for (size_t i = 0; i < std::min(order.size(), static_cast<size_t>(options.worst)); ++i) {
    result.worst.push_back({texts.lines[order[i]], result.cosines[order[i]], beginning(texts.texts[order[i]])});
  }
  return result;
}

}  // namespace lowbit::eval
