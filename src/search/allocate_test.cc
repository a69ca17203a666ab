#include "search/allocate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "base/rng.h"

namespace lowbit::search {
namespace {

struct Best {
  bool any = false;
  double loss = 0.0;
  uint64_t bytes = 0;
  std::vector<uint32_t> choice;
};

// Every combination, in lexicographic order, so that the first of equals has the lowest indices.
Best brute_force(const std::vector<Site>& sites, uint64_t budget) {
  Best best;
  std::vector<uint32_t> choice(sites.size(), 0);
  while (true) {
    uint64_t bytes = 0;
    double loss = 0.0;
    for (size_t s = 0; s < sites.size(); ++s) {
      bytes += sites[s].choices[choice[s]].bytes;
      loss += sites[s].choices[choice[s]].loss;
    }
    const bool better = !best.any || loss < best.loss || (loss == best.loss && bytes < best.bytes);
    if (bytes <= budget && better) best = {true, loss, bytes, choice};
    size_t s = sites.size();
    while (s > 0 && ++choice[s - 1] == sites[s - 1].choices.size()) choice[--s] = 0;
    if (s == 0) return best;
  }
}

// An independent bound: the Lagrangian dual in doubles, its price found by bisection.
double dual_bound(const std::vector<Site>& sites, uint64_t budget) {
  double low = 0.0, high = 1.0, best = -std::numeric_limits<double>::infinity();
  for (int i = 0; i < 300; ++i) {
    const double price = 0.5 * (low + high);
    double value = -price * static_cast<double>(budget);
    uint64_t bytes = 0;
    for (const Site& site : sites) {
      double least = std::numeric_limits<double>::infinity();
      uint64_t size = 0;
      for (const Choice& c : site.choices) {
        const double cost = c.loss + price * static_cast<double>(c.bytes);
        if (cost < least) least = cost, size = c.bytes;
      }
      value += least;
      bytes += size;
    }
    best = std::max(best, value);
    (bytes > budget ? low : high) = price;
  }
  return best;
}

uint64_t least_bytes(const std::vector<Site>& sites) {
  uint64_t sum = 0;
  for (const Site& site : sites) {
    uint64_t least = site.choices[0].bytes;
    for (const Choice& c : site.choices) least = std::min(least, c.bytes);
    sum += least;
  }
  return sum;
}

uint64_t most_bytes(const std::vector<Site>& sites) {
  uint64_t sum = 0;
  for (const Site& site : sites) {
    uint64_t most = 0;
    for (const Choice& c : site.choices) most = std::max(most, c.bytes);
    sum += most;
  }
  return sum;
}

// Tensors of a few sizes, bits per weight from 2 to 8, loss about a * 4^-bits with noise.
std::vector<Site> tensors(size_t count, size_t choices, uint64_t seed, bool distinct_sizes) {
  Rng rng(seed);
  std::vector<Site> sites;
  for (size_t s = 0; s < count; ++s) {
    const uint64_t weights = distinct_sizes ? 1000000 + rng.below(100000000) : 331776 * (1 + rng.below(3));
    const double scale = std::exp(2.0 * rng.normal());
    Site site{"site" + std::to_string(s), {}};
    for (size_t i = 0; i < choices; ++i) {
      const double bits = 2.0 + 6.0 * static_cast<double>(i) / static_cast<double>(choices);
      const double loss = scale * std::pow(4.0, -bits) * std::exp(0.3 * rng.normal());
      site.choices.push_back({static_cast<uint64_t>(static_cast<double>(weights) * bits / 8.0), loss});
    }
    sites.push_back(site);
  }
  return sites;
}

TEST(Allocate, MatchesBruteForceWithTies) {
  Rng rng(1);
  size_t solved = 0;
  for (int round = 0; round < 6000; ++round) {
    std::vector<Site> sites(1 + rng.below(5));
    const uint64_t size_range = round % 3 == 0 ? 4 : round % 3 == 1 ? 30 : 100000000;
    const uint64_t loss_range = round % 2 ? 6 : 1000;
    for (Site& site : sites) {
      for (uint64_t i = 1 + rng.below(6); i > 0; --i) {
        const double loss = static_cast<double>(rng.below(loss_range)) - 2.0;  // integers: sums are exact
        site.choices.push_back({rng.below(size_range), loss});
      }
    }
    const uint64_t budget = rng.below(most_bytes(sites) + 2);
    const Best best = brute_force(sites, budget);
    const auto got = allocate(sites, budget);
    ASSERT_EQ(got.ok(), best.any) << round;
    if (!best.any) continue;
    ++solved;
    ASSERT_EQ(got->choice, best.choice) << round;
    ASSERT_EQ(got->bytes, best.bytes);
    ASSERT_EQ(got->loss, best.loss);
    ASSERT_EQ(got->gap, 0.0);
    ASSERT_LE(got->bound, got->loss);
  }
  EXPECT_GT(solved, 2000u);
}

TEST(Allocate, MatchesBruteForceOnRealLossesOfManyMagnitudes) {
  Rng rng(2);
  for (int round = 0; round < 3000; ++round) {
    std::vector<Site> sites(1 + rng.below(5));
    for (Site& site : sites) {
      for (uint64_t i = 2 + rng.below(5); i > 0; --i) {
        site.choices.push_back({rng.below(100000000), std::exp((round % 4) * 6.0 * rng.normal())});
      }
    }
    const uint64_t least = least_bytes(sites);
    const uint64_t budget = least + rng.below(most_bytes(sites) - least + 1);
    const Best best = brute_force(sites, budget);
    const auto got = allocate(sites, budget);
    ASSERT_TRUE(got.ok() && best.any);
    ASSERT_LE(got->bytes, budget);
    ASSERT_LE(got->loss, best.loss * (1.0 + 1e-14)) << round;
    ASSERT_LE(got->bound, best.loss * (1.0 + 1e-14));
  }
}

TEST(Allocate, LargeInstancesAreSolvedAndCloseToTheDualBound) {
  for (const bool distinct : {false, true}) {
    for (const double share : {0.1, 0.35, 0.6, 0.9}) {
      const auto sites = tensors(400, 20, distinct ? 3 : 4, distinct);
      const uint64_t least = least_bytes(sites);
      const auto budget = least + static_cast<uint64_t>(share * static_cast<double>(most_bytes(sites) - least));
      const auto got = allocate(sites, budget);
      ASSERT_TRUE(got.ok());
      const double dual = dual_bound(sites, budget);
      EXPECT_LE(got->bytes, budget);
      EXPECT_EQ(got->gap, 0.0);
      EXPECT_GE(got->loss, dual * (1.0 - 1e-9));
      EXPECT_LE(got->loss, dual * 1.001);
      EXPECT_NEAR(got->bound, dual, 1e-9 * dual);
      RecordProperty("relative_gap", std::to_string(got->loss / dual - 1.0));
    }
  }
}

// Subset sum: every byte is worth the same, sizes are distinct and large.
std::vector<Site> one_price(size_t count) {
  Rng rng(5);
  std::vector<Site> sites(count);
  for (Site& site : sites) {
    const uint64_t size = 1 + rng.below(uint64_t{1} << 50);
    site.choices = {{0, static_cast<double>(size)}, {size, 0.0}};
  }
  return sites;
}

TEST(Allocate, BytesOfOnePriceEndWithAStatedGap) {
  const auto sites = one_price(60);
  const uint64_t most = most_bytes(sites);
  for (const uint64_t budget : {most / 2 + 1, most - most / 100}) {
    const auto got = allocate(sites, budget);
    ASSERT_TRUE(got.ok());
    EXPECT_LE(got->bytes, budget);
    EXPECT_GE(got->gap, 0.0);
    EXPECT_LE(got->gap, 1e-4 * got->loss);
    EXPECT_LE(got->gap, got->loss - got->bound);
  }
}

TEST(Allocate, DegenerateCases) {
  const auto none = allocate({}, 0);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->choice.empty());

  const std::vector<Site> empty = {{"blk.0.attn_q.weight", {}}};
  EXPECT_NE(allocate(empty, 10).message().find("blk.0.attn_q.weight"), std::string::npos);

  const std::vector<Site> bad = {{"bad", {{1, std::nan("")}}}};
  EXPECT_NE(allocate(bad, 10).message().find("bad"), std::string::npos);
  const std::vector<Site> infinite = {{"far", {{1, std::numeric_limits<double>::infinity()}}}};
  EXPECT_FALSE(allocate(infinite, 10).ok());
  const std::vector<Site> huge = {{"a", {{uint64_t{1} << 60, 0.0}}}, {"b", {{1, 0.0}}}};
  EXPECT_NE(allocate(huge, 10).message().find("2^60"), std::string::npos);

  const std::vector<Site> sites = {{"a", {{10, 1.0}, {20, 0.5}}}, {"b", {{7, 1.0}, {7, 1.0}, {30, 1.0}}}};
  const auto tight = allocate(sites, 17);
  ASSERT_TRUE(tight.ok());
  EXPECT_EQ(tight->choice, (std::vector<uint32_t>{0, 0}));
  const auto less = allocate(sites, 16);
  ASSERT_FALSE(less.ok());
  EXPECT_NE(less.message().find("17 bytes"), std::string::npos) << less.message();
  const auto ample = allocate(sites, std::numeric_limits<uint64_t>::max());
  ASSERT_TRUE(ample.ok());
  EXPECT_EQ(ample->choice, (std::vector<uint32_t>{1, 0}));
  EXPECT_EQ(ample->bytes, 27u);
  EXPECT_EQ(ample->loss, 1.5);

  const std::vector<Site> no_loss = {{"a", {{10, 0.0}, {20, 0.0}}}, {"b", {{5, 0.0}, {3, 0.0}}}};
  EXPECT_EQ(allocate(no_loss, 1000)->choice, (std::vector<uint32_t>{0, 1}));
  const std::vector<Site> wide = {{"a", {{0, 1e299}, {9, 0.0}}}, {"b", {{0, 1e-290}, {2, 0.0}}}};
  EXPECT_EQ(allocate(wide, 10)->choice, (std::vector<uint32_t>{1, 0}));
}

TEST(Frontier, IsConvexAndEachPointOptimal) {
  const auto sites = tensors(12, 8, 6, true);
  const auto curve = frontier(sites, 1000);
  ASSERT_TRUE(curve.ok());
  ASSERT_GT(curve->size(), 20u);
  EXPECT_EQ(curve->front().bytes, least_bytes(sites));
  for (size_t i = 0; i < curve->size(); ++i) {
    const ParetoPoint& p = (*curve)[i];
    const auto best = allocate(sites, p.bytes);
    ASSERT_TRUE(best.ok());
    EXPECT_NEAR(best->loss, p.loss, 1e-12 * p.loss + 1e-15);
    if (i < 2) continue;
    const ParetoPoint &a = (*curve)[i - 2], &b = (*curve)[i - 1];
    const double before = (a.loss - b.loss) / static_cast<double>(b.bytes - a.bytes);
    const double after = (b.loss - p.loss) / static_cast<double>(p.bytes - b.bytes);
    EXPECT_GE(before, after * (1.0 - 1e-9));
  }
  const auto few = frontier(sites, 10);
  ASSERT_TRUE(few.ok());
  EXPECT_LE(few->size(), 10u);
  EXPECT_GE(few->size(), 5u);
  EXPECT_EQ(few->front().bytes, curve->front().bytes);
  EXPECT_EQ(few->back().bytes, curve->back().bytes);
  EXPECT_EQ(frontier({}, 2)->size(), 1u);
}

}  // namespace
}  // namespace lowbit::search
