#include "runtime/sampler.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/rows/rows.h"

namespace lowbit::runtime {
namespace {

// Ids by their logits, sorted only as far as somebody looks: mostly a few of many thousands are asked for.
class Ranking {
 public:
  explicit Ranking(std::span<const float> logits) : logits_(logits), ids_(logits.size()) {
    std::iota(ids_.begin(), ids_.end(), 0);
  }

  // The id at a place of the order: greatest logit first, lower id first on ties.
  size_t at(size_t place) {
    while (place >= sorted_) grow();
    return static_cast<size_t>(ids_[place]);
  }

 private:
  void grow() {
    const size_t next = std::min(ids_.size(), std::max<size_t>(256, 4 * sorted_));
    const auto before = [this](int32_t a, int32_t b) {
      const float x = logits_[static_cast<size_t>(a)], y = logits_[static_cast<size_t>(b)];
      return x != y ? x > y : a < b;
    };
    const auto from = ids_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    const auto to = ids_.begin() + static_cast<std::ptrdiff_t>(next);
    if (to != ids_.end()) std::nth_element(from, to, ids_.end(), before);
    std::sort(from, to, before);
    sorted_ = next;
  }

  std::span<const float> logits_;
  std::vector<int32_t> ids_;
  size_t sorted_ = 0;
};

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

// exp((logit - greatest) / temperature) of each.
std::vector<float> exponentials(std::span<const float> logits, double temperature) {
  const float most = *std::max_element(logits.begin(), logits.end());
  std::vector<float> p(logits.size());
  for (size_t i = 0; i < p.size(); ++i) p[i] = static_cast<float>((logits[i] - most) / temperature);
  kernels::exp_shifted(active_isa(), {static_cast<int64_t>(p.size()), p.data(), 0.0f, p.data()});
  return p;
}

// In order of ids, in 16 lanes of double by id mod 16, then lane by lane.
double sum_of(std::span<const float> p) {
  double lane[16] = {}, sum = 0.0;
  for (size_t i = 0; i < p.size(); ++i) lane[i % 16] += static_cast<double>(p[i]);
  for (const double v : lane) sum += v;
  return sum;
}

// How many of the best remain, and their sum.
struct Kept {
  size_t count = 0;
  double sum = 0.0;
};

// top-k, then top-p and min-p. Sums are best first, but that of all tokens (see sum_of).
Kept cut_tail(Ranking& ranking, std::span<const float> p, const SamplingOptions& options) {
  const size_t most = options.top_k > 0 ? std::min(p.size(), static_cast<size_t>(options.top_k)) : p.size();
  Kept all{most, 0.0};
  if (most == p.size()) {
    all.sum = sum_of(p);
  } else {
    for (size_t i = 0; i < most; ++i) all.sum += static_cast<double>(p[ranking.at(i)]);
  }
  if (options.top_p >= 1.0 && options.min_p <= 0.0) return all;
  const double enough = options.top_p < 1.0 ? options.top_p * all.sum : std::numeric_limits<double>::infinity();
  const double least = options.min_p * static_cast<double>(p[ranking.at(0)]);
  Kept kept;
  while (kept.count < most) {
    const auto next = static_cast<double>(p[ranking.at(kept.count)]);
    if (kept.count > 0 && (next < least || kept.sum >= enough)) break;
    kept.sum += next;
    ++kept.count;
  }
  return kept;
}

}  // namespace

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> history) {
  const std::vector<float> values = penalized(logits, history, options_);
  if (options_.temperature <= 0.0 || options_.top_k == 1) {
    return static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
  }
  const std::vector<float> p = exponentials(values, options_.temperature);
  Ranking ranking(values);
  const Kept kept = cut_tail(ranking, p, options_);
  double left = rng_.uniform() * kept.sum;
  for (size_t i = 0; i < kept.count; ++i) {
    left -= static_cast<double>(p[ranking.at(i)]);
    if (left < 0.0) return static_cast<int32_t>(ranking.at(i));
  }
  return static_cast<int32_t>(ranking.at(kept.count - 1));
}

}  // namespace lowbit::runtime
