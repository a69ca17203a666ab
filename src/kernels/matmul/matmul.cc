#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/bits.h"
#include "kernels/list.h"
#include "kernels/matmul/args.h"
#include "kernels/matmul/floating.h"
#include "kernels/matmul/groups.h"
#include "kernels/matmul/pack.h"
#include "kernels/matmul/plan.h"
#include "kernels/matmul/plane_plan.h"
#include "tensor/codes_block.h"
#include "tensor/planes.h"

namespace lowbit::kernels {

namespace {

using tensor::kRowBlock;
using tensor::PackedMatrix;

// Of entries: two levels of scales and of minima, and zero points.
constexpr int64_t kMostRanges = 6;

// Buffers of one thread, kept between calls.
struct Scratch {
  std::vector<uint8_t> panel;
  std::vector<float> acc, out;
  GroupValues groups;
  std::vector<int32_t> offsets;
};

Scratch& scratch() {
  static thread_local Scratch s;
  return s;
}

// ---- integer arithmetic ----

// The integer products of one part with some activations.
struct IntegerPart {
  Isa isa;
  const PartPlan& plan;
  const PackedActivations& x;

  const PackedMatrix& matrix() const { return *plan.matrix; }
  const uint8_t* packed(int64_t block) const {
    return reinterpret_cast<const uint8_t*>(matrix().bytes().data()) + block * block_bytes();
  }

  // What weights bring to the stretches of some row blocks, from `index` of those loaded.
  StretchArgs stretch_args(int64_t index, const Scratch& s) const {
    const int64_t count = plan.groups * kRowBlock, at = index * count;
    StretchArgs out = {};
    out.stretches = plan.stretches.data();
    out.stretch_count = std::ssize(plan.stretches);
    out.scales = s.groups.scales.data() + at;
    if (matrix().format().has_zero_point()) out.offsets = s.offsets.data() + at;
    out.paired = plan.paired;
    if (matrix().format().has_minimum()) out.minimums = s.groups.minimums.data() + at;
    out.group_step = count;
    out.activations = x.sums;
    return out;
  }

  const uint8_t* unpack(int64_t block, int64_t blocks, int64_t first_step, int64_t steps, Scratch& s) const {
    uint8_t* panels = sized(s.panel, blocks * steps * 512);
    for (int64_t b = 0; b < blocks; ++b) {
      k_unpack.at(isa)({packed(block + b), first_step, steps, plan.width, plan.map, plan.flip, plan.map_table.data(),
                        panels + b * steps * 512});
    }
    return panels;
  }

  // Row blocks [block, block + blocks): out[token][out_stride], 16 for each block.
  void run(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
    switch (x.order) {
      case Order::rows:
        load_scales(block, blocks, scratch());
        return run_unaligned(block, blocks, out, out_stride);
      case Order::fused:
        return run_fused(block, blocks, out, out_stride);
      case Order::tiles:
        load_scales(block, blocks, scratch());
        return run_tiles(block, blocks, out, out_stride);
      case Order::planes:
        load_scales(block, blocks, scratch());
        return run_planes(block, blocks, out, out_stride);
    }
  }

 private:
  void load_scales(int64_t block, int64_t blocks, Scratch& s) const {
    load_groups(isa, plan, block, blocks, s.groups);
    if (!matrix().format().has_zero_point()) return;
    const int64_t count = blocks * plan.groups * kRowBlock;
    int32_t* offsets = sized(s.offsets, count);
    for (int64_t i = 0; i < count; ++i) {
      const int32_t offset = -static_cast<int32_t>(s.groups.zeros[static_cast<size_t>(i)]);
      offsets[i] = plan.paired ? pair_of_offset(offset) : offset;
    }
  }

  // Where the entries of a row block lie; gives how many ranges.
  int64_t entries_of(int64_t block, std::array<MemoryRange, kMostRanges>& ranges) const {
    int64_t count = 0;
    if (block >= ceil_div(matrix().rows(), kRowBlock)) return 0;
    for (const std::vector<EntryPass>* passes : {&plan.scales, &plan.minimums, &plan.zeros}) {
      for (const EntryPass& pass : *passes) {
        if (pass.block_bytes == 0 || count == kMostRanges) continue;
        const uint8_t* begin = pass.section + block * pass.block_bytes;
        ranges[static_cast<size_t>(count++)] = {begin, begin + pass.block_bytes};
      }
    }
    return count;
  }

  int64_t block_bytes() const { return tensor::row_block_code_bytes(plan.width, matrix().cols()); }

  // Columns outside, row blocks inside: activations of a chunk stay in the second-level cache, codes of two row
  // blocks in the first.
  void run_tiles(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
    Scratch& s = scratch();
    const int64_t pairs = ceil_div(blocks, plan.row_tile), width = plan.row_tile * kRowBlock;
    // Sums of chunks go to and fro: they should lie together.
    float* sums = plan.chunks.size() > 1 ? sized(s.acc, pairs * x.tokens * width) : nullptr;
    for (size_t i = 0; i < plan.chunks.size(); ++i) {
      const DotChunk& c = plan.chunks[i];
      DotArgs args = {};
      args.first_stretch = c.first_stretch;
      args.row_stretches = std::ssize(plan.stretches);
      args.units = c.steps * tensor::kStepUnits;
      args.first_unit = c.first_step * tensor::kStepUnits;
      args.row_units = x.code_stride / tensor::kUnitColumns;
      args.signed_codes = plan.signed_codes;
      args.tokens = x.tokens;
      args.codes = x.codes;
      args.plane = x.plane;
      args.word_units = plan.word_units;
      args.sums_stride = width;
      const bool last = i + 1 == plan.chunks.size();
      for (int64_t p = 0; p < pairs; ++p) {
        const int64_t first = p * plan.row_tile;
        args.blocks = std::min(plan.row_tile, blocks - first);
        args.stretch = stretch_args(first, s);
        args.stretch.stretches += c.first_stretch;
        args.stretch.stretch_count = c.stretches;
        args.panels = unpack(block + first, args.blocks, c.first_step, c.steps, s);
        args.sums = i > 0 ? sums + p * x.tokens * width : nullptr;
        args.out = last ? out + first * kRowBlock : sums + p * x.tokens * width;
        args.out_stride = last ? out_stride : width;
        const bool more = p + 1 < pairs;
        ask_ahead(more || last ? block + first + plan.row_tile : block, more ? c : plan.chunks[last ? 0 : i + 1],
                  args);
        k_dot.at(isa)(args);
      }
    }
  }

  // The codes that are unpacked next.
  void ask_ahead(int64_t block, const DotChunk& chunk, DotArgs& args) const {
    if (block * kRowBlock >= matrix().rows()) return;
    args.ahead = packed(block) + tensor::step_bytes(plan.width, chunk.first_step);
    args.ahead_bytes = tensor::step_bytes(plan.width, chunk.steps);
    args.ahead_step = block_bytes();
  }

  void run_fused(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
    Scratch& s = scratch();
    const bool halves = plan.half_scales && x.tokens <= kFusedTokens;
    for (int64_t b = 0; b < blocks; ++b) {
      if (!halves) load_scales(block + b, 1, s);
      StretchArgs stretch = stretch_args(0, s);
      if (halves) {
        const EntryPass& pass = plan.scales.front();
        stretch.halves = reinterpret_cast<const uint16_t*>(pass.section + (block + b) * pass.block_bytes);
      }
      std::array<MemoryRange, kMostRanges> ahead;
      const int64_t ranges = entries_of(block + b + 1, ahead);
      k_fused.at(isa)({stretch, packed(block + b), plan.width, plan.map, plan.flip, plan.map_table.data(),
                       plan.signed_codes, plan.fused_units, x.tokens, x.codes, x.code_stride, x.plane,
                       plan.word_units, out + b * kRowBlock, out_stride, ahead.data(), ranges});
    }
  }

  void run_planes(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
    PlanesArgs args = {};
    args.form = plan.planes.form;
    args.planes = plan.planes.planes;
    std::memcpy(args.factors, plan.planes.factors, sizeof args.factors);
    args.row_steps = tensor::padded_units(matrix().cols()) / tensor::kStepUnits;
    args.tokens = x.tokens;
    args.codes = x.codes;
    args.out_stride = out_stride;
    for (int64_t b = 0; b < blocks; ++b) {
      args.stretch = stretch_args(b, scratch());
      args.packed = packed(block + b);
      args.out = out + b * kRowBlock;
      k_planes.at(isa)(args);
    }
  }

  // Stretches that begin inside a unit (groups of no multiple of 4): plain loops, the same definition.
  void run_unaligned(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
    const int64_t steps = tensor::padded_units(matrix().cols()) / tensor::kStepUnits;
    for (int64_t b = 0; b < blocks; ++b) {
      const uint8_t* panel = unpack(block + b, 1, 0, steps, scratch());
      for (int64_t t = 0; t < x.tokens; ++t) {
        for (int64_t r = 0; r < kRowBlock; ++r) out[t * out_stride + b * kRowBlock + r] = unaligned(b, panel, t, r);
      }
    }
  }

  float unaligned(int64_t index, const uint8_t* panel, int64_t t, int64_t r) const {
    const StretchArgs g = stretch_args(index, scratch());
    const int8_t* a = x.codes + t * x.code_stride;
    const auto code = [&](int64_t c) { return x.plane == 0 ? a[c] : 128 * a[x.plane + c] + a[c]; };
    const int bias = plan.signed_codes ? 128 : 0;
    float acc = 0.0f;
    for (int64_t s = 0; s < g.stretch_count; ++s) {
      const int64_t at = int64_t{16} * g.stretches[s].weight_group + r, entry = t * g.stretch_count + s;
      const int32_t total = g.activations.sums[entry];
      int32_t sum = g.activations.starts[entry];
      if (g.offsets != nullptr) sum += g.offsets[at] * total;
      for (int64_t c = plan.bounds[static_cast<size_t>(s)]; c < plan.bounds[static_cast<size_t>(s) + 1]; ++c) {
        sum += (panel[c / 4 * 64 + r * 4 + c % 4] - bias) * code(c);
      }
      const float activation = g.activations.scales[entry];
      acc = std::fma(static_cast<float>(sum), g.scales[at] * activation, acc);
      if (g.minimums != nullptr) acc = std::fma(static_cast<float>(total), g.minimums[at] * activation, acc);
    }
    return acc;
  }
};

// ---- rows of a weight ----

// Natural number of a packed row.
int64_t natural_row(const tensor::Weight& weight, int64_t packed) {
  return weight.row_order.empty() ? packed : weight.row_order[static_cast<size_t>(packed)];
}

// Rows [begin, end) of a weight, wanted for some activations.
struct RowRange {
  Isa isa;
  const tensor::Weight& weight;
  int64_t begin, end;
  const Activations& x;
  float* out;
  int64_t out_stride;

  bool holds(int64_t row) const { return row >= begin && row < end; }

  // Some row blocks of a part whose first row is packed row `packed`. body(target, stride) writes their products.
  template <class Body>
  void run(const PackedMatrix& part, int64_t block, int64_t blocks, int64_t packed, const Body& body) const {
    const int64_t width = blocks * kRowBlock, rows = std::min(width, part.rows() - block * kRowBlock);
    bool wanted = false;
    for (int64_t r = 0; r < rows && !wanted; ++r) wanted = holds(natural_row(weight, packed + r));
    if (!wanted) return;
    if (rows == width && weight.row_order.empty() && packed >= begin && packed + width <= end) {
      return body(out + packed - begin, out_stride);
    }
    float* target = sized(scratch().out, x.tokens * width);
    body(target, width);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t natural = natural_row(weight, packed + r);
      if (!holds(natural)) continue;
      for (int64_t t = 0; t < x.tokens; ++t) out[t * out_stride + natural - begin] = target[t * width + r];
    }
  }
};

// Row blocks [from, to) of one part whose first row is packed row `first_row`, `at_once` to an item of work.
template <class Part>
void run_blocks(const RowRange& range, const PackedMatrix& part, const Part& products, int64_t at_once, int64_t from,
                int64_t to, int64_t first_row, ThreadPool& pool) {
  pool.parallel_for(ceil_div(to - from, at_once), 1, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t block = from + i * at_once, blocks = std::min(at_once, to - block);
      range.run(part, block, blocks, first_row + block * kRowBlock,
                [&](float* out, int64_t stride) { products.run(block, blocks, out, stride); });
    }
  });
}

void run_part(const RowRange& range, const PartPlan& plan, int64_t from, int64_t to, int64_t first_row,
              ThreadPool& pool) {
  const Activations& x = range.x;
  const PackedMatrix& part = *plan.matrix;
  if (plan.arithmetic == Arithmetic::floating) {
    const FloatPart products(range.isa, plan, x, pool);
    const int64_t at_once = products.blocks_at_once(to - from, pool.size());
    return run_blocks(range, part, products, at_once, from, to, first_row, pool);
  }
  const PackedActivations packed = pack(range.isa, plan, x, pool);
  const IntegerPart products{range.isa, plan, packed};
  // Many items for each thread, so that one that is held up keeps nobody waiting, of several row blocks where there
  // are enough.
  const int64_t tile = packed.order == Order::tiles ? plan.row_tile : 1;
  const int64_t share = (to - from) / (int64_t{16} * pool.size());
  run_blocks(range, part, products, std::clamp<int64_t>(share / tile, 1, 4) * tile, from, to, first_row, pool);
}

}  // namespace

bool is_binary_activation(const formats::Format& activation) {
  return is_integer_activation(activation) && activation.element.bits == 1;
}

bool is_integer_activation(const formats::Format& activation) {
  const formats::ElementFormat& e = activation.element;
  const bool integers = e.is_integer() && e.is_signed && e.bits >= 2 && e.bits <= 14;
  const bool binary = e.bits == 1 && e.decode(0) == -1.0f && e.decode(1) == 1.0f;
  return (integers || binary) && activation.levels.size() == 1 && !activation.levels[0].minimum &&
         !activation.levels[0].zero_point && activation.levels[0].group != formats::kGroupTensor;
}

int32_t largest_code(const formats::Format& activation) {
  return activation.element.bits == 1 ? 1 : (1 << (activation.element.bits - 1)) - 1;
}

int code_planes(const formats::Format& activation) { return activation.element.bits > 8 ? 2 : 1; }

int64_t longest_stretch(const formats::Format& activation) {
  return code_planes(activation) == 1 ? int64_t{1} << 16 : int64_t{1} << 10;
}

Arithmetic arithmetic_of(const formats::Format& weight, const formats::Format& activation) {
  return is_integer_activation(activation) && weight.element.bits <= 8 &&
                 formats::integer_form(weight.element) != nullptr
             ? Arithmetic::integer
             : Arithmetic::floating;
}

Product::Product(Isa isa, const tensor::Weight& weight, const formats::Format& activation)
    : isa_(isa), weight_(&weight) {
  for (const PackedMatrix& part : weight.parts) {
    parts_.push_back(plan_part(isa, part, activation, {}));
    if (parts_.back().planes.pairs > 0) parts_.back().plane_limits = plane_limits(isa);
  }
}

Product::Product(Isa isa, const tensor::Weight& weight, const formats::Format& activation, const PlaneLimits& limits)
    : isa_(isa), weight_(&weight) {
  for (const PackedMatrix& part : weight.parts) parts_.push_back(plan_part(isa, part, activation, limits));
}

bool Product::counts_bits(int64_t tokens) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const PartPlan& plan) { return kernels::counts_bits(plan, tokens); });
}

Product::~Product() = default;
Product::Product(Product&&) noexcept = default;
Product& Product::operator=(Product&&) noexcept = default;
int64_t Product::rows() const { return weight_->rows(); }

void Product::run(int64_t begin, int64_t end, const Activations& x, ThreadPool& pool, float* out,
                  int64_t out_stride) const {
  LOWBIT_CHECK(x.cols == weight_->cols() && begin >= 0 && end <= weight_->rows());
  const RowRange range{isa_, *weight_, begin, end, x, out, out_stride};
  const bool ordered = weight_->row_order.empty();
  int64_t first_row = 0;
  for (const PartPlan& plan : parts_) {
    LOWBIT_CHECK(plan.arithmetic == Arithmetic::integer || x.values != nullptr);
    const int64_t rows = plan.matrix->rows();
    const int64_t from = ordered ? std::clamp<int64_t>(begin - first_row, 0, rows) : 0;
    const int64_t to = ordered ? std::clamp<int64_t>(end - first_row, 0, rows) : rows;
    if (from < to) run_part(range, plan, from / kRowBlock, ceil_div(to, kRowBlock), first_row, pool);
    first_row += rows;
  }
}

void matmul(Isa isa, const tensor::Weight& weight, const Activations& x, ThreadPool& pool, float* out,
            int64_t out_stride) {
  Product(isa, weight, *x.format).run(0, weight.rows(), x, pool, out, out_stride);
}

}  // namespace lowbit::kernels
