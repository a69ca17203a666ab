#include "kernels/matmul/pack.h"

#include <atomic>
#include <cmath>
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

// Tokens from which panes are worth their making.
constexpr int64_t kPanesFrom = 32;

// Whether sums of activations are wanted: panes hold whole integers, so that sums bring only what a group adds.
bool wants_sums(const PartPlan& plan, Order order) {
  const formats::Format& format = plan.matrix->format();
  return order != Order::panes || format.has_minimum() || format.has_zero_point();
}

// What one call makes of its activations, kept between calls of a thread.
struct CallScratch {
  std::vector<int8_t> codes;
  std::vector<float> scales, totals;
  std::vector<int32_t> sums, starts;
  // What they were made of, where that has a stamp.
  uint64_t stamp = 0;
  int64_t before = 0, tokens = 0;
  Isa isa = Isa::portable;
  Order order = Order::rows;
  int32_t base = 0;
  bool paired = false, minima = false, summed = false;
  std::vector<DotStretch> stretches;
  std::vector<int64_t> bounds;  // stretches that begin inside a unit differ in these alone

  bool holds(Isa on, const PartPlan& plan, const Activations& x, Order in) const {
    return x.stamp != 0 && x.stamp == stamp && x.before == before && x.tokens == tokens && on == isa && in == order &&
           in != Order::planes && plan.base == base && plan.paired == paired &&
           plan.matrix->format().has_minimum() == minima && wants_sums(plan, in) == summed &&
           plan.stretches == stretches && plan.bounds == bounds;
  }
  void remember(Isa on, const PartPlan& plan, const Activations& x, Order in) {
    stamp = x.stamp;
    if (stamp == 0) return;
    before = x.before, tokens = x.tokens;
    isa = on, order = in, base = plan.base, paired = plan.paired;
    minima = plan.matrix->format().has_minimum();
    summed = wants_sums(plan, in);
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
  if (goes_by_panes(plan, x.tokens)) return Order::panes;
  if (plan.fused_units == 0) return Order::tiles;
  // Where tokens are fused one by one, digits would be taken again for each.
  if (plan.width == kTrits && plan.few_tile == 0 && x.tokens > 2) return Order::tiles;
  // Of two planes `fused` takes tokens one by one.
  const bool by_tiles = plan.few_tile > 0 && x.plane != 0 && 2 * x.tokens >= plan.few_tile;
  if (x.tokens <= kFusedTokens && !by_tiles) return Order::fused;
  return plan.few_tile > 0 && x.tokens <= kFewTokens ? Order::few : Order::tiles;
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
  bool summed = wants_sums(plan, order);

  bool by_columns() const { return order == Order::tiles || order == Order::few; }

  // Chunks [first, last) of some tokens.
  void tile(int64_t token, int64_t size, int64_t first, int64_t last) const {
    static thread_local std::vector<int32_t> tile_sums;
    int32_t* own = sized(tile_sums, std::ssize(plan.stretches) * size);  // [stretch][token]
    if (order == Order::planes) planes(token, size);
    if (!by_columns() && summed) sum_rows(token, size, own);
    for (const DotChunk& c : chunks.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first))) {
      if (order == Order::panes) panes(token, size, c);
      if (by_columns()) columns(token, size, c);
      if (by_columns()) sum_columns(token, size, c, own);
      entries(token, size, c, own);
    }
  }

 private:
  // Where the codes of a chunk's columns lie for tokens from `token` on.
  int8_t* place(int64_t token, const DotChunk& c, int p) const {
    const int64_t first = c.first_step * tensor::kColumnStep, cols = c.steps * tensor::kColumnStep;
    return codes + tensor::kUnitColumns * units * p * x.tokens + first * x.tokens + cols * token;
  }
  void columns(int64_t token, int64_t size, const DotChunk& c) const {
    for (int p = 0; p < code_planes(*x.format); ++p) {
      const int8_t* from = x.codes + token * x.code_stride + p * x.plane + c.first_step * tensor::kColumnStep;
      k_interleave.at(isa)({from, x.code_stride, size, c.steps * tensor::kStepUnits, place(token, c, p)});
    }
  }
  void panes(int64_t token, int64_t size, const DotChunk& c) const {
    plan.pane_shift == kPaneShift ? panes_of<64>(token, size, c) : panes_of<32>(token, size, c);
  }
  template <int64_t Pane>
  void panes_of(int64_t token, int64_t size, const DotChunk& c) const {
    const int64_t first = c.first_step * tensor::kColumnStep, cols = c.steps * tensor::kColumnStep;
    const int8_t* from = x.codes + token * x.code_stride + first;
    int8_t* out = codes + first * x.tokens + token * ceil_div(cols, Pane) * Pane;
    for (int64_t i = 0; i + Pane <= cols; i += Pane) {
      for (int64_t t = 0; t < size; ++t, out += Pane) std::memcpy(out, from + t * x.code_stride + i, Pane);
    }
    const int64_t rest = cols % Pane;
    if (rest == 0) return;
    for (int64_t t = 0; t < size; ++t, out += Pane) {
      std::memcpy(out, from + t * x.code_stride + cols - rest, static_cast<size_t>(rest));
      std::memset(out + rest, 0, static_cast<size_t>(Pane - rest));
    }
  }
  void sum_columns(int64_t token, int64_t size, const DotChunk& c, int32_t* own) const {
    int32_t* at = own + c.first_stretch * size;
    for (int p = 0; p < code_planes(*x.format); ++p) {
      // The upper plane is the second.
      const int64_t count = c.stretches * size;
      static thread_local std::vector<int32_t> upper;
      int32_t* to = p == 0 ? at : sized(upper, count);
      k_tile_sums.at(isa)({plan.stretches.data() + c.first_stretch, c.stretches, c.first_step * tensor::kStepUnits,
                           c.steps * tensor::kStepUnits, size, place(token, c, p), to});
      for (int64_t i = 0; p > 0 && i < count; ++i) at[i] += 128 * to[i];
    }
  }
  void sum_rows(int64_t token, int64_t size, int32_t* own) const {
    static thread_local std::vector<int32_t> row;
    const auto count = std::ssize(plan.stretches);
    for (int64_t t = 0; t < size; ++t) {
      sum_token(isa, plan, x, token + t, sized(row, count));
      for (int64_t i = 0; i < count; ++i) own[i * size + t] = row[static_cast<size_t>(i)];
    }
  }
  // What the stretches of a chunk take.
  void entries(int64_t token, int64_t size, const DotChunk& c, const int32_t* own) const {
    int64_t at = c.first_stretch * x.tokens + token * c.stretches;
    const float* from = x.scales + token * x.groups();
    const bool shared = std::ssize(plan.stretches) != x.groups();  // a scale, by several stretches
    if (!shared) {
      k_interleave.at(isa)(
          {from + c.first_stretch, static_cast<int64_t>(sizeof(float)) * x.groups(), size, c.stretches, scales + at});
    }
    if (!shared && !summed) return;
    for (int64_t i = c.first_stretch; i < c.first_stretch + c.stretches; ++i) {
      const int64_t group = plan.stretches[static_cast<size_t>(i)].activation_group;
      const bool goes_on = i > 0 && !plan.stretches[static_cast<size_t>(i) - 1].ends_span;
      for (int64_t t = 0; t < size; ++t, ++at) {
        if (shared) scales[at] = from[t * x.groups() + group];
        if (!summed) continue;
        const int32_t sum = own[i * size + t];
        sums[at] = plan.paired ? pair_of_sum(sum) : sum;
        starts[at] = start(static_cast<size_t>(i), sum);
        if (totals == nullptr) continue;
        totals[at] = std::fma(static_cast<float>(sum), scales[at], goes_on ? totals[at - size] : 0.0f);
      }
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

bool goes_by_panes(const PartPlan& plan, int64_t tokens) {
  return plan.chunk_panes > 0 && tokens >= kPanesFrom && (plan.choice.short_tiles != 0 || !plan.has_short_panes());
}

uint64_t new_stamp() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

bool is_packed(Isa isa, const PartPlan& plan, const Activations& x) {
  const Order order = order_of(plan, x);
  return call_scratch().holds(isa, plan, by_rows(order) ? x.all() : x, order);
}

PackedActivations pack(Isa isa, const PartPlan& plan, const Activations& some, ThreadPool& pool) {
  CallScratch& s = call_scratch();
  PackedActivations out;
  out.tokens = some.tokens;
  out.order = order_of(plan, some);
  // Rows are tiles of one token.
  const bool rows = by_rows(out.order);
  const Activations x = rows ? some.all() : some;
  const int64_t tile = rows                         ? 1
                       : out.order == Order::few    ? plan.few_tile
                       : out.order == Order::panes  ? kPaneTokens
                       : out.order == Order::planes ? plan.planes.tile
                                                    : plan.token_tile;
  const int64_t entries = x.tokens * std::ssize(plan.stretches), tiles = tiles_of(x.tokens, tile);
  // A single tile of whole rows lies as if it were by chunks.
  const bool one_tile = tiles == 1 && out.order == Order::few;
  const int64_t units = tensor::padded_units(x.cols), whole = out.order == Order::panes ? 1 << plan.pane_shift : 1;
  const int64_t bytes = x.tokens * ceil_div(units, whole) * whole * tensor::kUnitColumns;
  int8_t* codes = rows ? nullptr : sized_lines(s.codes, bytes * code_planes(*x.format));
  const bool minima = plan.matrix->format().has_minimum();
  const DotChunk row = {0, std::ssize(plan.stretches), 0, units / tensor::kStepUnits};
  const Packing packing{isa,
                        plan,
                        x,
                        out.order,
                        by_chunks(out.order) || one_tile ? plan.chunks : std::span(&row, 1),
                        units,
                        codes,
                        sized(s.scales, entries + kPaneTokens),
                        sized(s.sums, entries + kPaneTokens),
                        sized(s.starts, entries),
                        minima ? sized(s.totals, entries + kPaneTokens) : nullptr};
  if (!s.holds(isa, plan, x, out.order)) {
    // Threads share tiles, of a single one its chunks.
    const auto chunks = std::ssize(packing.chunks), parts = tiles == 1 && packing.by_columns() ? chunks : 1;
    pool.parallel_for(tiles * parts, std::max<int64_t>(1, 32 / tile / parts), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const TileOfTokens some = tile_at(x.tokens, tiles, i / parts);
        const int64_t first = i % parts;
        packing.tile(some.first, some.size, first, parts == 1 ? chunks : first + 1);
      }
    });
    s.remember(isa, plan, x, out.order);
  }
  out.codes = rows ? some.codes : codes;
  out.plane = rows || x.plane == 0 ? x.plane : bytes;
  out.code_stride = rows ? x.code_stride : units * tensor::kUnitColumns;
  out.sums = {packing.scales, packing.sums, packing.starts, packing.totals};
  if (rows) out.sums = out.sums.from(some.before * std::ssize(plan.stretches));
  return out;
}

}  // namespace lowbit::kernels
