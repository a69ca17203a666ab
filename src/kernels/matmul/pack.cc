#include "kernels/matmul/pack.h"

#include <atomic>
#include <cstring>

#include "base/bits.h"
#include "kernels/list.h"
#include "kernels/matmul/groups.h"
#include "kernels/matmul/plane_plan.h"
#include "tensor/codes_block.h"
#include "tensor/planes.h"

namespace lowbit::kernels {

namespace {

// Tokens up to which codes are not unpacked to memory where tiles of kFewTile are there.
constexpr int64_t kFewTokens = 24;

// What one call makes of its activations, kept between calls of a thread.
struct CallScratch {
  std::vector<int8_t> codes;
  std::vector<float> scales, totals;
  std::vector<int32_t> sums, starts;
  // What they were made of, where that has a stamp.
  uint64_t stamp = 0;
  Isa isa = Isa::portable;
  Order order = Order::rows;
  int32_t base = 0;
  int64_t tile = 1;
  bool paired = false, minima = false;
  std::vector<DotStretch> stretches;
  std::vector<int64_t> bounds;  // stretches that begin inside a unit differ in these alone

  bool holds(Isa on, const PartPlan& plan, const Activations& x, Order in) const {
    return x.stamp != 0 && x.stamp == stamp && on == isa && in == order && in != Order::planes && plan.base == base &&
           plan.token_tile == tile && plan.paired == paired && plan.matrix->format().has_minimum() == minima &&
           plan.stretches == stretches && plan.bounds == bounds;
  }
  void remember(Isa on, const PartPlan& plan, const Activations& x, Order in) {
    stamp = x.stamp;
    if (stamp == 0) return;
    isa = on, order = in, base = plan.base, tile = plan.token_tile, paired = plan.paired;
    minima = plan.matrix->format().has_minimum();
    stretches = plan.stretches;
    bounds = plan.bounds;
  }
};

CallScratch& call_scratch() {
  static thread_local CallScratch s;
  return s;
}

Order order_of(const PartPlan& plan, const Activations& x) {
  if (!plan.aligned) return Order::rows;
  if (counts_bits(plan, x.tokens)) return Order::planes;
  if (plan.fused_units == 0) return Order::tiles;
  // Where tokens are fused one by one, digits would be taken again for each.
  if (plan.width == kTrits && plan.few_tile == 0 && x.tokens > 2) return Order::tiles;
  if (x.tokens <= kFusedTokens) return Order::fused;
  return plan.few_tile > 0 && x.plane == 0 && x.tokens <= kFewTokens ? Order::fused : Order::tiles;
}

// Sums of one token over all stretches.
void sum_token(Isa isa, const PartPlan& plan, const Activations& x, int64_t token, int32_t* sums) {
  const auto count = std::ssize(plan.stretches);
  if (plan.aligned) {
    return k_sums.at(isa)(
        {plan.stretches.data(), count, 1, x.codes + token * x.code_stride, x.code_stride, x.plane, sums});
  }
  for (int64_t i = 0; i < count; ++i) {
    int32_t sum = 0;
    for (int64_t c = plan.bounds[static_cast<size_t>(i)]; c < plan.bounds[static_cast<size_t>(i) + 1]; ++c)
      sum += x.code(token, c);
    sums[i] = sum;
  }
}

// The codes of a tile's tokens, four columns of each after the other.
void interleave(const int8_t* from, int64_t stride, int64_t tokens, int64_t units, int8_t* out) {
  for (int64_t t = 0; t < tokens; ++t, from += stride) {
    for (int64_t u = 0; u < units; ++u) std::memcpy(out + 4 * (u * tokens + t), from + 4 * u, 4);
  }
}

// Tiles of at most `tile` tokens, behind each other for the columns of a chunk.
struct Packing {
  Isa isa;
  const PartPlan& plan;
  const Activations& x;
  Order order;
  std::span<const DotChunk> chunks;
  int64_t units;  // of a row
  int8_t* codes;  // null: stay where they are
  float* scales;
  int32_t *sums, *starts;
  float* totals;  // or null

  void tile(int64_t token, int64_t size) const {
    static thread_local std::vector<int32_t> token_sums;
    const auto count = std::ssize(plan.stretches);
    for (int64_t t = 0; t < size; ++t) {
      const int32_t* own = sized(token_sums, count);
      sum_token(isa, plan, x, token + t, token_sums.data());
      for (const DotChunk& c : chunks) {
        entries(token + t, own, c, c.first_stretch * x.tokens + token * c.stretches + t, size);
      }
    }
    if (order == Order::planes) return planes(token, size);
    for (int64_t p = 0; codes != nullptr && p < code_planes(*x.format); ++p) {
      const int8_t* from = x.codes + token * x.code_stride + p * x.plane;
      int8_t* to = codes + tensor::kUnitColumns * units * p * x.tokens;
      for (const DotChunk& c : chunks) {
        const int64_t first = c.first_step * tensor::kColumnStep, cols = c.steps * tensor::kColumnStep;
        interleave(from + first, x.code_stride, size, cols / tensor::kUnitColumns,
                   to + first * x.tokens + cols * token);
      }
    }
  }

 private:
  // What the stretches of a chunk take of one token, whose sums are `own`.
  void entries(int64_t token, const int32_t* own, const DotChunk& c, int64_t at, int64_t step) const {
    const float* from = x.scales + token * x.groups();
    for (int64_t i = c.first_stretch; i < c.first_stretch + c.stretches; ++i, at += step) {
      scales[at] = from[plan.stretches[static_cast<size_t>(i)].activation_group];
      sums[at] = plan.paired ? pair_of_sum(own[i]) : own[i];
      starts[at] = start(static_cast<size_t>(i), own[i]);
      if (totals != nullptr) totals[at] = static_cast<float>(own[i]);
    }
  }
  void planes(int64_t token, int64_t size) const {
    const int64_t steps = units / tensor::kStepUnits;
    int8_t* out = codes + 4 * steps * plan.planes.planes * token;
    for (int64_t t = 0; t < size; ++t) {
      k_pack_planes.at(isa)({x.codes + (token + t) * x.code_stride, steps, plan.planes.form, plan.planes.planes,
                             plan.planes.binary, out + 4 * t, 4 * size});
    }
  }
  int32_t start(size_t stretch, int32_t sum) const {
    if (order != Order::planes) return plan.base * sum;
    return start_of_planes(plan.planes, sum, plan.bounds[stretch + 1] - plan.bounds[stretch]);
  }
};

}  // namespace

uint64_t new_stamp() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

bool is_packed(Isa isa, const PartPlan& plan, const Activations& x) {
  return call_scratch().holds(isa, plan, x, order_of(plan, x));
}

PackedActivations pack(Isa isa, const PartPlan& plan, const Activations& x, ThreadPool& pool) {
  CallScratch& s = call_scratch();
  PackedActivations out;
  out.tokens = x.tokens;
  out.order = order_of(plan, x);
  // Rows are tiles of one token.
  const bool rows = out.order == Order::rows || (out.order == Order::fused && x.tokens <= kFusedTokens);
  const int64_t tile = rows                         ? 1
                       : out.order == Order::fused  ? plan.few_tile
                       : out.order == Order::planes ? plan.planes.tile
                                                    : plan.token_tile;
  const int64_t entries = x.tokens * std::ssize(plan.stretches);
  const int64_t units = tensor::padded_units(x.cols), bytes = x.tokens * units * tensor::kUnitColumns;
  int8_t* codes = rows ? nullptr : sized(s.codes, bytes * code_planes(*x.format));
  const bool minima = plan.matrix->format().has_minimum();
  const DotChunk row = {0, std::ssize(plan.stretches), 0, units / tensor::kStepUnits};
  const Packing packing{isa,
                        plan,
                        x,
                        out.order,
                        out.order == Order::tiles ? plan.chunks : std::span(&row, 1),
                        units,
                        codes,
                        sized(s.scales, entries),
                        sized(s.sums, entries),
                        sized(s.starts, entries),
                        minima ? sized(s.totals, entries) : nullptr};
  if (!s.holds(isa, plan, x, out.order)) {
    pool.parallel_for(ceil_div(x.tokens, tile), std::max<int64_t>(1, 32 / tile),
                      [&](int64_t begin, int64_t end, int) {
                        int64_t i = 0;
                        for_each_tile(x.tokens, tile, [&](int64_t token, int64_t size) {
                          if (i >= begin && i < end) packing.tile(token, size);
                          ++i;
                        });
                      });
    s.remember(isa, plan, x, out.order);
  }
  out.codes = rows ? x.codes : codes;
  out.plane = rows || x.plane == 0 ? x.plane : bytes;
  out.code_stride = rows ? x.code_stride : units * tensor::kUnitColumns;
  out.sums = {packing.scales, packing.sums, packing.starts, packing.totals};
  return out;
}

}  // namespace lowbit::kernels
