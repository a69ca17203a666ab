#include "kernels/matmul/integer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bits.h"
#include "kernels/list.h"
#include "kernels/matmul/asked_ahead.h"
#include "kernels/matmul/groups.h"
#include "tensor/codes_block.h"
#include "tensor/planes.h"

namespace lowbit::kernels {

using tensor::kRowBlock;

// Codes of an item of work for few tokens, where there are many.
constexpr int64_t kLeastBytes = 1 << 14;

// Buffers of one thread, kept between calls.
struct IntegerPart::Scratch {
  std::vector<uint8_t> panel;
  std::vector<float> acc;
  GroupValues groups;
  std::vector<int32_t> offsets;
  std::vector<float> results;  // of a register tile
};

IntegerPart::Scratch& IntegerPart::scratch() {
  static thread_local Scratch s;
  return s;
}

const uint8_t* IntegerPart::packed(int64_t block) const {
  return reinterpret_cast<const uint8_t*>(matrix().bytes().data()) + block * block_bytes();
}

int64_t IntegerPart::blocks_at_once(int64_t count, int threads) const {
  // Of panes many: the tokens' codes, which come from far, pass by once for each item.
  if (x_.order == Order::panes) return std::clamp<int64_t>(count / (int64_t{8} * threads), 2, 16);
  // Many items for each thread, so that one that is held up keeps nobody waiting, of several row blocks where there
  // are enough.
  const int64_t tile = by_chunks(x_.order) ? plan_.row_tile : 1;
  // Nor should the way to an item of few tokens cost as much as the item.
  const int64_t some = std::min(kLeastBytes / block_bytes(), count / (int64_t{4} * threads));
  const int64_t least = by_chunks(x_.order) ? 1 : std::clamp<int64_t>(some, 1, 4);
  return std::clamp<int64_t>(count / (int64_t{16} * threads) / tile, least, 4) * tile;
}

// What weights bring to the stretches of some row blocks, from `index` of those loaded.
StretchArgs IntegerPart::stretch_args(int64_t index, Scratch& s) const {
  const int64_t count = plan_.groups * kRowBlock, at = index * count;
  StretchArgs out = {};
  out.stretches = plan_.stretches.data();
  out.stretch_count = std::ssize(plan_.stretches);
  out.long_spans = plan_.long_spans;
  out.scales = s.groups.scales.data() + at;
  if (matrix().format().has_zero_point()) out.offsets = s.offsets.data() + at;
  out.paired = plan_.paired;
  if (matrix().format().has_minimum()) out.minimums = s.groups.minimums.data() + at;
  out.group_step = count;
  out.activations = x_.sums;
  out.results = sized_lines(s.results, kTileResults);
  return out;
}

// The same of a chunk.
StretchArgs IntegerPart::chunk_args(int64_t index, const DotChunk& c, Scratch& s) const {
  StretchArgs out = stretch_args(index, s);
  out.stretches += c.first_stretch;
  out.stretch_count = c.stretches;
  out.activations = x_.sums.from(c.first_stretch * x_.tokens);
  return out;
}

const uint8_t* IntegerPart::unpack(const CodeBytes& bytes, int64_t block, int64_t blocks, const DotChunk& c,
                                   int64_t step, Scratch& s) const {
  uint8_t* panels = sized_lines(s.panel, blocks * step);
  for (int64_t b = 0; b < blocks; ++b) {
    k_unpack.at(isa_)({packed(block + b), c.first_step, c.steps, plan_.width, bytes.map, bytes.flip,
                       bytes.table.data(), panels + b * step});
  }
  return panels;
}

void IntegerPart::run(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
  switch (x_.order) {
    case Order::rows:
      load_scales(block, blocks, scratch());
      return run_unaligned(block, blocks, out, out_stride);
    case Order::fused:
    case Order::few:
      return run_fused(block, blocks, out, out_stride);
    case Order::tiles:
      load_scales(block, blocks, scratch());
      return run_tiles(block, blocks, out, out_stride);
    case Order::panes:
      load_scales(block, blocks, scratch());
      return run_panes(block, blocks, out, out_stride);
    case Order::planes:
      load_scales(block, blocks, scratch());
      return run_planes(block, blocks, out, out_stride);
  }
}

void IntegerPart::load_scales(int64_t block, int64_t blocks, Scratch& s) const {
  load_groups(isa_, plan_, block, blocks, s.groups);
  if (!matrix().format().has_zero_point()) return;
  const int64_t count = blocks * plan_.groups * kRowBlock;
  int32_t* offsets = sized(s.offsets, count);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t offset = -static_cast<int32_t>(s.groups.zeros[static_cast<size_t>(i)]);
    offsets[i] = plan_.paired ? pair_of_offset(offset) : offset;
  }
}

int64_t IntegerPart::block_bytes() const { return tensor::row_block_code_bytes(plan_.width, matrix().cols()); }

// The codes that are unpacked next.
template <class Args>
void IntegerPart::ask_ahead(int64_t block, const DotChunk& chunk, Args& args) const {
  if (block * kRowBlock >= matrix().rows()) return;
  args.ahead = packed(block) + tensor::step_bytes(plan_.width, chunk.first_step);
  args.ahead_bytes = tensor::step_bytes(plan_.width, chunk.steps);
  args.ahead_step = block_bytes();
}

// Columns outside, row blocks inside: activations of a chunk stay in the second-level cache, codes of two row
// blocks in the first.
void IntegerPart::run_tiles(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
  Scratch& s = scratch();
  const int64_t pairs = ceil_div(blocks, plan_.row_tile), width = plan_.row_tile * kRowBlock;
  // Sums of chunks go to and fro: they should lie together.
  float* sums = plan_.chunks.size() > 1 ? sized_lines(s.acc, pairs * x_.tokens * width) : nullptr;
  for (size_t i = 0; i < plan_.chunks.size(); ++i) {
    const DotChunk& c = plan_.chunks[i];
    DotArgs args = {};
    args.units = c.steps * tensor::kStepUnits;
    args.first_unit = c.first_step * tensor::kStepUnits;
    args.signed_codes = plan_.signed_codes;
    args.tokens = x_.tokens;
    args.codes = x_.codes + tensor::kUnitColumns * args.first_unit * x_.tokens;
    args.plane = x_.plane;
    args.word_units = plan_.word_units;
    args.sums_stride = width;
    const bool last = i + 1 == plan_.chunks.size();
    for (int64_t p = 0; p < pairs; ++p) {
      const int64_t first = p * plan_.row_tile;
      args.blocks = std::min(plan_.row_tile, blocks - first);
      args.stretch = chunk_args(first, c, s);
      args.panels = unpack(plan_.bytes, block + first, args.blocks, c, 64 * args.units, s);
      args.sums = i > 0 ? sums + p * x_.tokens * width : nullptr;
      args.out = last ? out + first * kRowBlock : sums + p * x_.tokens * width;
      args.out_stride = last ? out_stride : width;
      const bool more = p + 1 < pairs;
      ask_ahead(more || last ? block + first + plan_.row_tile : block, more ? c : plan_.chunks[last ? 0 : i + 1],
                args);
      k_dot.at(isa_)(args);
    }
  }
}

// The same by panes: those of all row blocks lie together, tokens outside, row blocks inside.
void IntegerPart::run_panes(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
  Scratch& s = scratch();
  const int64_t units = int64_t{1} << plan_.pane_shift;
  float* sums = plan_.chunks.size() > 1 ? sized_lines(s.acc, blocks * x_.tokens * kRowBlock) : nullptr;
  for (size_t i = 0; i < plan_.chunks.size(); ++i) {
    const DotChunk& c = plan_.chunks[i];
    const bool last = i + 1 == plan_.chunks.size();
    PaneDotArgs args = {};
    args.stretch = chunk_args(0, c, s);
    args.blocks = blocks;
    args.step = units * tensor::kUnitColumns * kRowBlock * plan_.chunk_panes;
    args.signed_weights = plan_.signed_panes;
    args.pane_shift = plan_.pane_shift;
    args.panes = unpack(plan_.pane_bytes, block, blocks, c, args.step, s);
    args.tokens = x_.tokens;
    args.codes = x_.codes + c.first_step * tensor::kColumnStep * x_.tokens;
    args.sums = i > 0 ? sums : nullptr;
    args.kept = last ? nullptr : sums;
    args.out = out;
    args.out_stride = out_stride;
    ask_ahead(last ? block + blocks : block, plan_.chunks[last ? 0 : i + 1], args);
    k_pane_dot.at(isa_)(args);
  }
}

// The entries of a row block where they lie in the weight.
void IntegerPart::point_to_entries(int64_t block, EntriesInPlace& args) const {
  const auto entries = [block](const EntryPass& pass) { return pass.section + block * pass.block_bytes; };
  const auto halves = [&](const EntryPass& pass) { return reinterpret_cast<const uint16_t*>(entries(pass)); };
  const EntryPass& scale = plan_.scales.front();
  if (plan_.in_place == InPlace::coded) {
    for (int i = 0; i < 2; ++i) {
      const std::vector<EntryPass>& passes = i == 0 ? plan_.scales : plan_.minimums;
      args.coded[i] = entries(passes[0]);
      args.outer[i] = halves(passes[1]);
    }
    args.bits = scale.bits;
    args.span = plan_.scales[1].span;
    args.coded_ahead = scale.block_bytes;
    args.outer_ahead = plan_.scales[1].block_bytes / 2;
    return;
  }
  if (plan_.in_place == InPlace::bytes) {
    args.bytes = entries(scale);
    args.small = *plan_.scale_bytes;
    return;
  }
  args.unit = scale.unit;
  args.halves = halves(scale);
  if (plan_.in_place == InPlace::half_minima) args.half_minimums = halves(plan_.minimums.front());
}

void IntegerPart::run_fused(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
  Scratch& s = scratch();
  // `few` reads scales of one kind alone where they lie.
  const bool few = x_.order == Order::few, halves = plan_.in_place == InPlace::halves && plan_.scales[0].as_it_is();
  const bool in_place = few ? halves : plan_.in_place != InPlace::nothing;
  if (!in_place) load_scales(block, blocks, s);
  StretchArgs stretch = stretch_args(0, s);
  if (in_place) point_to_entries(block, stretch.in_place);
  (few ? k_few : k_fused)
      .at(isa_)({stretch,
                 packed(block),
                 blocks,
                 block_bytes(),
                 plan_.width,
                 packed(0),
                 asked_ahead(isa_, x_.tokens),
                 plan_.choice.shifts != 0,
                 plan_.bytes.map,
                 plan_.bytes.flip,
                 plan_.bytes.table.data(),
                 plan_.signed_codes,
                 plan_.fused_units,
                 x_.tokens,
                 x_.codes,
                 x_.code_stride,
                 x_.plane,
                 plan_.word_units,
                 out,
                 out_stride});
}

void IntegerPart::ask_first(int64_t block) const {
  if (x_.order != Order::fused && x_.order != Order::few) return;
  const uint8_t* at = packed(block);
  const int64_t bytes = first_bytes(asked_ahead(isa_, x_.tokens));
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i, 0, 2);
}

void IntegerPart::run_planes(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
  PlanesArgs args = {};
  args.form = plan_.planes.form;
  args.planes = plan_.planes.planes;
  std::memcpy(args.factors, plan_.planes.factors, sizeof args.factors);
  args.row_steps = tensor::padded_units(matrix().cols()) / tensor::kStepUnits;
  args.tokens = x_.tokens;
  args.codes = x_.codes;
  args.out_stride = out_stride;
  args.ahead = asked_ahead(isa_, x_.tokens).near;
  for (int64_t b = 0; b < blocks; ++b) {
    args.stretch = stretch_args(b, scratch());
    args.packed = packed(block + b);
    args.out = out + b * kRowBlock;
    k_planes.at(isa_)(args);
  }
}

// Stretches that begin inside a unit (groups of no multiple of 4): plain loops, the same definition.
void IntegerPart::run_unaligned(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
  const int64_t steps = tensor::padded_units(matrix().cols()) / tensor::kStepUnits;
  for (int64_t b = 0; b < blocks; ++b) {
    const uint8_t* panel = unpack(plan_.bytes, block + b, 1, {0, 0, 0, steps}, 512 * steps, scratch());
    for (int64_t t = 0; t < x_.tokens; ++t) {
      for (int64_t r = 0; r < kRowBlock; ++r) out[t * out_stride + b * kRowBlock + r] = unaligned(b, panel, t, r);
    }
  }
}

float IntegerPart::unaligned(int64_t index, const uint8_t* panel, int64_t t, int64_t r) const {
  const StretchArgs g = stretch_args(index, scratch());
  const int8_t* a = x_.codes + t * x_.code_stride;
  const auto code = [&](int64_t c) { return x_.plane == 0 ? a[c] : 128 * a[x_.plane + c] + a[c]; };
  const int bias = plan_.signed_codes ? 128 : 0;
  float acc = 0.0f, inner = 0.0f;
  for (int64_t s = 0; s < g.stretch_count; ++s) {
    const int64_t at = int64_t{16} * g.stretches[s].weight_group + r, entry = t * g.stretch_count + s;
    const int32_t total = g.activations.sums[entry];
    int32_t sum = g.activations.starts[entry];
    if (g.offsets != nullptr) sum += g.offsets[at] * total;
    for (int64_t c = plan_.bounds[static_cast<size_t>(s)]; c < plan_.bounds[static_cast<size_t>(s) + 1]; ++c) {
      sum += (panel[c / 4 * 64 + r * 4 + c % 4] - bias) * code(c);
    }
    inner = std::fma(static_cast<float>(sum), g.activations.scales[entry], inner);
    if (!g.stretches[s].ends_span) continue;
    acc = std::fma(g.scales[at], inner, acc);
    if (g.minimums != nullptr) acc = std::fma(g.minimums[at], g.activations.totals[entry], acc);
    inner = 0.0f;
  }
  return acc;
}

}  // namespace lowbit::kernels
