#include "search/allocate.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.h"

namespace lowbit::search {
namespace {

using Wide = __int128;

constexpr uint64_t kMostBytes = uint64_t{1} << 60;  // products with losses below 2^61 stay within 127 bits
constexpr double kMostLoss = 1e300;                 // differences and sums of losses stay finite
constexpr size_t kMostStates = size_t{1} << 22;     // 16 bytes each, over all layers of one pass
constexpr uint64_t kMostWork = uint64_t{1} << 27;   // states looked at in one pass

// A choice worth considering. `units` is its loss above the least of the site, as an integer (see in_units).
struct Option {
  uint64_t bytes;
  double excess;
  uint32_t index;
  int64_t units;
};

using Options = std::vector<Option>;  // ascending in bytes, strictly descending in loss

Status check_sites(std::span<const Site> sites) {
  uint64_t total = 0;
  for (const Site& site : sites) {
    if (site.choices.empty()) return errorf("site {}: no choice to take from", site.name);
    uint64_t most = 0;
    for (const Choice& choice : site.choices) {
      if (!(std::abs(choice.loss) <= kMostLoss)) {
        return errorf("site {}: a loss of {}, expected a finite number", site.name, choice.loss);
      }
      most = std::max(most, choice.bytes);
    }
    if (most > kMostBytes - total) return errorf("site {}: more than 2^60 bytes in all", site.name);
    total += most;
  }
  return {};
}

// Only choices that no other of the site beats in both bytes and loss; of equals the lowest index.
Options undominated(const Site& site) {
  double least = site.choices[0].loss;
  for (const Choice& choice : site.choices) least = std::min(least, choice.loss);
  Options all;
  for (uint32_t i = 0; i < site.choices.size(); ++i) {
    all.push_back({site.choices[i].bytes, site.choices[i].loss - least, i, 0});
  }
  std::sort(all.begin(), all.end(), [](const Option& a, const Option& b) {
    if (a.bytes != b.bytes) return a.bytes < b.bytes;
    return a.excess != b.excess ? a.excess < b.excess : a.index < b.index;
  });
  Options kept;
  for (const Option& option : all) {
    if (kept.empty() || option.excess < kept.back().excess) kept.push_back(option);
  }
  return kept;
}

// Counts losses in a power of two such that `limit` becomes 2^59 to 2^60, without the options that lose more than it
// or whose gain over a smaller one is below the unit. A power of two keeps small integers and their ties exact.
std::vector<Options> in_units(const std::vector<Options>& sites, double limit) {
  int exponent = 0;
  std::frexp(limit, &exponent);
  std::vector<Options> result;
  for (const Options& site : sites) {
    Options kept;
    for (Option option : site) {
      if (option.excess > limit) continue;
      option.units = static_cast<int64_t>(std::nearbyint(std::ldexp(option.excess, 60 - exponent)));
      if (kept.empty() || option.units < kept.back().units) kept.push_back(option);
    }
    result.push_back(std::move(kept));
  }
  return result;
}

// Lower convex hull of (bytes, units) as positions in the options; points on its edges are kept.
std::vector<uint32_t> convex_hull(const Options& site) {
  std::vector<uint32_t> hull;
  for (uint32_t i = 0; i < site.size(); ++i) {
    while (hull.size() >= 2) {
      const Option& a = site[hull[hull.size() - 2]];
      const Option& b = site[hull.back()];
      const Wide left = Wide(a.units - b.units) * Wide(site[i].bytes - b.bytes);
      const Wide right = Wide(b.units - site[i].units) * Wide(b.bytes - a.bytes);
      if (left >= right) break;
      hull.pop_back();
    }
    hull.push_back(i);
  }
  return hull;
}

// A step along the hull of one site: `bytes` more for `gain` less loss.
struct Step {
  uint32_t site, to;
  int64_t bytes, gain;
};

std::vector<Step> steps_by_price(const std::vector<Options>& sites) {
  std::vector<Step> steps;
  for (uint32_t s = 0; s < sites.size(); ++s) {
    const auto hull = convex_hull(sites[s]);
    for (size_t i = 1; i < hull.size(); ++i) {
      const Option& from = sites[s][hull[i - 1]];
      const Option& to = sites[s][hull[i]];
      steps.push_back({s, hull[i], static_cast<int64_t>(to.bytes - from.bytes), from.units - to.units});
    }
  }
  std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
    const Wide left = Wide(a.gain) * b.bytes;
    const Wide right = Wide(b.gain) * a.bytes;
    if (left != right) return left > right;
    return a.site != b.site ? a.site < b.site : a.to < b.to;
  });
  return steps;
}

using Positions = std::vector<uint32_t>;  // one position in the options per site

// The linear relaxation: `base` takes the best steps until `split`, the first that does not fit; `good` goes on
// with those that still do.
struct Relaxation {
  Positions base, good;
  std::optional<Step> split;
  int64_t slack = 0;  // bytes that base leaves unused
};

Relaxation relax(const std::vector<Options>& sites, uint64_t budget) {
  Relaxation result;
  uint64_t least = 0;
  for (const Options& site : sites) least += site.front().bytes;
  LOWBIT_CHECK(least <= budget);
  // Beyond the sum of all sizes a budget says nothing.
  int64_t left = static_cast<int64_t>(std::min(budget - least, kMostBytes));
  result.base.assign(sites.size(), 0);
  std::vector<char> stopped(sites.size(), 0);
  for (const Step& step : steps_by_price(sites)) {
    if (stopped[step.site]) continue;
    Positions& positions = result.split ? result.good : result.base;
    if (step.bytes <= left) {
      left -= step.bytes;
      positions[step.site] = step.to;
      continue;
    }
    stopped[step.site] = 1;
    if (!result.split) {
      result.split = step;
      result.slack = left;
      result.good = result.base;
    }
  }
  if (!result.split) {
    result.good = result.base;
    result.slack = left;
  }
  return result;
}

double excess_of(const std::vector<Options>& sites, const Positions& positions) {
  double sum = 0.0;
  for (size_t s = 0; s < sites.size(); ++s) sum += sites[s][positions[s]].excess;
  return sum;
}

// Dynamic program over the sites, last to first, on lists of undominated partial allocations, kept only while the
// Lagrangian bound at the price of the split step allows an end within `limit` of the bound. Everything is counted
// relative to the base allocation.
class Program {
 public:
  Program(const std::vector<Options>& sites, const Relaxation& relaxation)
      : sites_(sites),
        base_(relaxation.base),
        slack_(relaxation.slack),
        price_bytes_(relaxation.split->bytes),
        price_gain_(relaxation.split->gain) {}

  enum class Outcome { found, none, too_large };

  // All allocations that lose at most `limit` units more than the bound are considered. `slop`: a partial
  // allocation may be dropped for one that is no larger and loses up to this much more.
  Outcome run(int64_t limit, int64_t slop) {
    limit_units_ = limit;
    limit_ = Wide(limit) * price_bytes_;
    slop_ = slop;
    select_moves();
    layers_.assign(1, {State{0, 0}});
    layer_of_.assign(sites_.size() + 1, 0);
    size_t states = 1;
    work_ = 0;
    for (size_t s = sites_.size(); s-- > 0;) {
      layer_of_[s] = layer_of_[s + 1];
      if (moves_[s].size() == 1 && moves_[s][0].bytes == 0) continue;
      std::vector<State> next = extend(s, layers_.back());
      states += next.size();
      if (next.empty()) return Outcome::none;
      if (states > kMostStates || work_ > kMostWork) return Outcome::too_large;
      layers_.push_back(std::move(next));
      layer_of_[s] = static_cast<uint32_t>(layers_.size() - 1);
    }
    if (!admissible(layers_.back().back(), 0)) return Outcome::none;
    return Outcome::found;
  }

  // After `found`: the best end, traced from the first site so that it takes the lowest indices.
  Positions trace() const {
    State state = layers_[layer_of_[0]].back();  // most bytes of an undominated list: least loss
    Positions positions;
    for (size_t s = 0; s < sites_.size(); ++s) {
      const auto& before = layers_[layer_of_[s + 1]];
      const Move* taken = nullptr;
      State rest{};
      for (const Move& move : moves_[s]) {
        const State wanted{state.bytes - move.bytes, state.units - move.units};
        const auto found = std::lower_bound(before.begin(), before.end(), wanted, less);
        if (found == before.end() || found->bytes != wanted.bytes || found->units != wanted.units) continue;
        if (taken && index(s, *taken) < index(s, move)) continue;
        taken = &move;
        rest = wanted;
      }
      LOWBIT_CHECK(taken != nullptr);
      positions.push_back(taken->position);
      state = rest;
    }
    return positions;
  }

 private:
  struct State {
    int64_t bytes, units;
  };
  struct Move {
    int64_t bytes, units;
    uint32_t position;
  };

  static bool less(const State& a, const State& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.units < b.units;
  }
  uint32_t index(size_t site, const Move& move) const { return sites_[site][move.position].index; }
  // What a partial allocation loses to the Lagrangian optimum, times price_bytes_; never negative.
  Wide regret(int64_t bytes, int64_t units) const { return Wide(units) * price_bytes_ + Wide(bytes) * price_gain_; }

  // The options of each site that an allocation within the limit can take, and what the sites before it can add.
  void select_moves() {
    moves_.assign(sites_.size(), {});
    low_.assign(sites_.size() + 1, 0);
    high_.assign(sites_.size() + 1, 0);
    spared_.assign(sites_.size() + 1, 0);
    for (size_t s = 0; s < sites_.size(); ++s) {
      const Option& base = sites_[s][base_[s]];
      for (uint32_t i = 0; i < sites_[s].size(); ++i) {
        const Option& option = sites_[s][i];
        const int64_t bytes = static_cast<int64_t>(option.bytes) - static_cast<int64_t>(base.bytes);
        const int64_t units = option.units - base.units;
        if (regret(bytes, units) <= limit_) moves_[s].push_back({bytes, units, i});
      }
      low_[s + 1] = low_[s] + moves_[s].front().bytes;
      high_[s + 1] = high_[s] + moves_[s].back().bytes;
      spared_[s + 1] = spared_[s] - moves_[s].back().units;
    }
  }

  // Whether the sites before `first` can still bring the state to an end within budget and limit.
  bool admissible(const State& state, size_t first) const {
    if (state.bytes + low_[first] > slack_) return false;
    if (state.units - spared_[first] > limit_units_) return false;  // also keeps every sum of units below 2^63
    const int64_t unused = std::max<int64_t>(0, slack_ - state.bytes - high_[first]);
    return regret(state.bytes, state.units) + Wide(unused) * price_gain_ <= limit_;
  }

  std::vector<State> extend(size_t site, const std::vector<State>& before) {
    std::vector<State> result, shifted, merged;
    for (const Move& move : moves_[site]) {
      if (result.size() > kMostStates || work_ > kMostWork) break;  // run() then gives up
      shifted.clear();
      for (const State& state : before) {
        const State moved{state.bytes + move.bytes, state.units + move.units};
        if (admissible(moved, site)) shifted.push_back(moved);
      }
      merge_undominated(result, shifted, merged);
      std::swap(result, merged);
      work_ += before.size() + result.size();
    }
    return result;
  }

  // Two lists ascending in bytes into one; a state stays only if it loses less than all that are no larger.
  void merge_undominated(const std::vector<State>& a, const std::vector<State>& b, std::vector<State>& out) const {
    out.clear();
    auto x = a.begin();
    auto y = b.begin();
    while (x != a.end() || y != b.end()) {
      const bool first = y == b.end() || (x != a.end() && less(*x, *y));
      const State& next = first ? *x++ : *y++;
      if (out.empty() || next.units < out.back().units - slop_) out.push_back(next);
    }
  }

  const std::vector<Options>& sites_;
  const Positions& base_;
  const int64_t slack_;
  const int64_t price_bytes_, price_gain_;
  int64_t limit_units_ = 0;
  Wide limit_ = 0;  // times price_bytes_, as regret()
  int64_t slop_ = 0;
  uint64_t work_ = 0;
  std::vector<std::vector<Move>> moves_;
  std::vector<int64_t> low_, high_;  // least and most bytes that the sites before can add
  std::vector<int64_t> spared_;      // most units that they can take away
  std::vector<std::vector<State>> layers_;
  std::vector<uint32_t> layer_of_;
};

struct Solution {
  Positions positions;
  int64_t gap_units = 0;
};

int64_t units_of(const std::vector<Options>& sites, const Positions& positions) {
  int64_t sum = 0;
  for (size_t s = 0; s < sites.size(); ++s) sum += sites[s][positions[s]].units;
  return sum;
}

// Units by which the relaxed optimum lies below base, rounded down (the bound stays a bound when rounded up).
int64_t relaxed_gain(const Relaxation& relaxation) {
  return static_cast<int64_t>(Wide(relaxation.slack) * relaxation.split->gain / relaxation.split->bytes) + 1;
}

// Widens the limit until an allocation lies within it: the first found is optimal, for all others lose more.
Solution solve(const std::vector<Options>& sites, const Relaxation& relaxation) {
  const int64_t base = units_of(sites, relaxation.base);
  const int64_t good = units_of(sites, relaxation.good);
  const int64_t whole = good - (base - relaxed_gain(relaxation));  // the good allocation is within this limit
  const auto count = static_cast<int64_t>(sites.size());
  Program program(sites, relaxation);
  for (int64_t slop = 0; slop <= whole / count;
       slop = slop == 0 ? std::max<int64_t>(1, whole / count >> 20) : slop * 8) {
    for (int64_t limit = whole >> 12;; limit = std::min(whole, limit * 2 + 1)) {
      const auto outcome = program.run(limit + slop * count, slop);
      if (outcome == Program::Outcome::found) return {program.trace(), slop * count};
      if (outcome == Program::Outcome::too_large) break;
      LOWBIT_CHECK(limit < whole);
    }
  }
  return {relaxation.good, whole};
}

Allocation finish(std::span<const Site> sites, const std::vector<Options>& options, const Positions& positions) {
  Allocation result;
  for (size_t s = 0; s < sites.size(); ++s) {
    const uint32_t index = options[s][positions[s]].index;
    result.choice.push_back(index);
    result.bytes += sites[s].choices[index].bytes;
    result.loss += sites[s].choices[index].loss;
  }
  result.bound = result.loss;
  return result;
}

Result<std::vector<Options>> prepare(std::span<const Site> sites) {
  LOWBIT_TRY(check_sites(sites));
  std::vector<Options> options;
  for (const Site& site : sites) options.push_back(undominated(site));
  return options;
}

double most_excess(const std::vector<Options>& sites) {
  double sum = 0.0;
  for (const Options& site : sites) sum += site.front().excess;
  return sum;
}

}  // namespace

Result<Allocation> allocate(std::span<const Site> sites, uint64_t budget_bytes) {
  LOWBIT_ASSIGN(const auto all, prepare(sites));
  uint64_t least = 0, most = 0;
  Positions best;
  for (const Options& site : all) {
    least += site.front().bytes;
    most += site.back().bytes;
    best.push_back(static_cast<uint32_t>(site.size() - 1));
  }
  if (least > budget_bytes) {
    return errorf("a budget of {} bytes cannot be met: the least possible is {} bytes", budget_bytes, least);
  }
  if (most <= budget_bytes) return finish(sites, all, best);

  // Losses far above that of a good allocation would waste the integers' range: narrow until they fit it.
  double stake = most_excess(all);
  std::vector<Options> options;
  Relaxation relaxation;
  Solution solution;
  const auto narrow = [&](const Positions& positions) {
    const double found = excess_of(options, positions) * (1.0 + 1e-9);
    if (!(found < stake / 1024 && found > 0.0)) return false;
    stake = found;
    return true;
  };
  while (true) {
    options = in_units(all, stake);
    relaxation = relax(options, budget_bytes);
    if (narrow(relaxation.good)) continue;
    if (!relaxation.split) return finish(sites, options, relaxation.base);
    solution = solve(options, relaxation);
    if (!narrow(solution.positions)) break;
  }

  Allocation result = finish(sites, options, solution.positions);
  int exponent = 0;
  std::frexp(stake, &exponent);
  const int64_t above =
      units_of(options, solution.positions) - units_of(options, relaxation.base) + relaxed_gain(relaxation);
  result.bound = result.loss - std::ldexp(static_cast<double>(above), exponent - 60);
  result.gap = std::ldexp(static_cast<double>(std::min(above, solution.gap_units)), exponent - 60);
  return result;
}

Result<std::vector<ParetoPoint>> frontier(std::span<const Site> sites, size_t points) {
  LOWBIT_CHECK(points >= 2);
  LOWBIT_ASSIGN(auto options, prepare(sites));
  const double stake = most_excess(options);
  if (stake > 0.0) options = in_units(options, stake);
  ParetoPoint point;
  Positions positions(options.size(), 0);
  for (size_t s = 0; s < options.size(); ++s) {
    point.bytes += options[s][0].bytes;
    point.loss += sites[s].choices[options[s][0].index].loss;
  }
  std::vector<ParetoPoint> all = {point};
  for (const Step& step : steps_by_price(options)) {
    const Option& from = options[step.site][positions[step.site]];
    const Option& to = options[step.site][step.to];
    point.bytes += to.bytes - from.bytes;
    point.loss += to.excess - from.excess;
    positions[step.site] = step.to;
    all.push_back(point);
  }
  if (all.size() <= points) return all;
  std::vector<ParetoPoint> thinned;
  const uint64_t first = all.front().bytes;
  const double spacing = static_cast<double>(all.back().bytes - first) / static_cast<double>(points - 1);
  for (const ParetoPoint& p : all) {
    const bool due = static_cast<double>(p.bytes - first) >= spacing * static_cast<double>(thinned.size());
    if (due && thinned.size() + 1 < points) thinned.push_back(p);
  }
  thinned.push_back(all.back());
  return thinned;
}

}  // namespace lowbit::search
