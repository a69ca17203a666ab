#include "runtime/sampler.h"

#include <algorithm>

#include "arith/functions.h"

namespace lowbit::runtime {
namespace {

struct Candidate {
  int32_t id;
  float logit;
  double p;
};

// Greatest logit first, lower id first on ties: a total order, so that sorting is the same everywhere.
bool before(const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }

std::vector<float> penalized(std::span<const float> logits, std::span<const int32_t> history,
                             const SamplingOptions& options) {
  std::vector<float> result(logits.begin(), logits.end());
  if (options.repetition_penalty == 1.0) return result;
  const size_t window = std::min(history.size(), static_cast<size_t>(std::max(options.penalty_window, 0)));
  std::vector<int32_t> seen(history.end() - static_cast<std::ptrdiff_t>(window), history.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  const auto penalty = static_cast<float>(options.repetition_penalty);
  for (const int32_t id : seen) {
    if (id < 0 || static_cast<size_t>(id) >= result.size()) continue;
    float& logit = result[static_cast<size_t>(id)];
    logit = logit > 0.0f ? logit / penalty : logit * penalty;
  }
  return result;
}

// Cuts the sorted list by top-p and min-p; probabilities are relative to the best and summed best first.
void cut_tail(std::vector<Candidate>& list, const SamplingOptions& options) {
  double total = 0.0;
  for (const Candidate& c : list) total += c.p;
  double sum = 0.0;
  size_t keep = 0;
  while (keep < list.size()) {
    const bool likely = list[keep].p >= options.min_p * list[0].p;
    if (keep > 0 && (!likely || sum >= options.top_p * total)) break;
    sum += list[keep].p;
    ++keep;
  }
  list.resize(keep);
}

}  // namespace

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> history) {
  const std::vector<float> values = penalized(logits, history, options_);
  if (options_.temperature <= 0.0 || options_.top_k == 1) {
    return static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
  }
  std::vector<Candidate> list(values.size());
  for (size_t i = 0; i < values.size(); ++i) list[i] = {static_cast<int32_t>(i), values[i], 0.0};
  const size_t keep = options_.top_k > 0 ? std::min(list.size(), static_cast<size_t>(options_.top_k)) : list.size();
  std::partial_sort(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(keep), list.end(), before);
  list.resize(keep);
  for (Candidate& c : list) {
    c.p = arith::exp(static_cast<float>((c.logit - list[0].logit) / options_.temperature));
  }
  cut_tail(list, options_);
  double total = 0.0;
  for (const Candidate& c : list) total += c.p;
  double left = rng_.uniform() * total;
  for (const Candidate& c : list) {
    left -= c.p;
    if (left < 0.0) return c.id;
  }
  return list.back().id;
}

}  // namespace lowbit::runtime
