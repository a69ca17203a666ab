// One format per site under a budget of bytes: the multiple-choice knapsack, solved exactly, and its trade-off curve.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace lowbit::search {

// One way to store a site. The unit of loss is the caller's (for example nats of KL); losses of sites add up.
struct Choice {
  uint64_t bytes = 0;
  double loss = 0.0;
};

// A place where exactly one choice is taken. Tied tensors are one site with the bytes of what is really stored.
struct Site {
  std::string name;
  std::vector<Choice> choices;
};

struct Allocation {
  std::vector<uint32_t> choice;  // one index into choices per site
  uint64_t bytes = 0;            // sum over the sites
  double loss = 0.0;             // sum over the sites, added in order
  double bound = 0.0;            // no allocation, not even one that mixes the choices of a site, loses less than this
  double gap = 0.0;              // loss is at most this much above the least possible; 0: proven optimal
};

// The allocation of least total loss with at most budget_bytes. Ties: fewest bytes, then the lowest choice indices
// (of the first site, then of the second, ...).
//
// Exact: losses are counted in integers. The unit is at most 2^-49 of what the result loses above the best choice
// everywhere, a power of two (so integers and their ties stay exact); the result is optimal to within the number of
// sites times that. Only an instance made to be hard (many sites of distinct sizes that all trade bytes at nearly one
// price) can exceed the memory set aside, 64 MB; then gap says how far from optimal the result can be at most.
//
// Errors: a site without choices, a loss that is not a finite number, sizes beyond 2^60 bytes in all, or a budget
// below the least bytes possible (the sentence says how many).
Result<Allocation> allocate(std::span<const Site> sites, uint64_t budget_bytes);

struct ParetoPoint {
  uint64_t bytes = 0;
  double loss = 0.0;
};

// The convex hull of the whole trade-off, ascending in bytes from the smallest allocation to the one of least loss:
// each point is optimal for its own bytes. Thinned to at most `points` (at least 2), about evenly spaced in bytes,
// both ends kept. The same errors as allocate.
Result<std::vector<ParetoPoint>> frontier(std::span<const Site> sites, size_t points);

}  // namespace lowbit::search
