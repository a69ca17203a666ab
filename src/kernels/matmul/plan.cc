#include "kernels/matmul/plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/bits.h"
#include "formats/codebook.h"
#include "kernels/list.h"
#include "kernels/matmul/plane_plan.h"
#include "kernels/matmul/small_floats.h"
#include "tensor/codes_block.h"
#include "tensor/group_values.h"
#include "tensor/planes.h"

namespace lowbit::kernels {

namespace {

using tensor::PackedMatrix;

static_assert(kTrits == tensor::kTrits && kTritSteps == tensor::kTritSteps);
static_assert(kTritBytes == tensor::step_bytes(kTrits, kTritSteps));

// Units whose sums of 16 bits are worth it at least: those that `fused` takes at once.
constexpr int64_t kHalfStep = 4;

// Columns unpacked together, about: with two row blocks a third of the first-level cache. A row is divided evenly,
// for what a chunk costs beside its columns.
constexpr int64_t kChunkColumns = 512;

// Bytes integer - least.
CodeBytes code_bytes(const formats::ElementFormat& element, const formats::IntegerForm& form, int32_t least) {
  const uint32_t count = formats::is_ternary(element) ? 3 : element.code_count();
  CodeBytes out;
  out.table.assign(256, 0);
  for (uint32_t c = 0; c < count && c < form.integers.size(); ++c)
    out.table[c] = static_cast<uint8_t>(form.integers[c] - least);
  for (const uint32_t flip : {0u, count / 2}) {
    bool linear = true;
    for (uint32_t c = 0; c < count && linear; ++c) linear = out.table[c] == (c ^ flip);
    if (!linear) continue;
    out.flip = static_cast<uint8_t>(flip);
    return out;
  }
  out.map = count <= 16 ? CodeMap::lookup16 : count <= 64 ? CodeMap::lookup64 : CodeMap::lookup256;
  return out;
}

// A span ends at multiples of so many columns, or where the weight's scale does.
constexpr int64_t kSpanColumns = 128;

void plan_stretches(int64_t cols, const formats::Format& activation, PartPlan& plan) {
  const int64_t given = activation.levels[0].group;
  const int64_t group = given > 0 ? std::min(given, cols) : cols;
  plan.bounds.push_back(0);
  for (int64_t begin = 0; begin < cols;) {
    const int64_t end = std::min({(begin / plan.group + 1) * plan.group, (begin / group + 1) * group,
                                  begin + longest_stretch(activation), cols});
    plan.aligned = plan.aligned && begin % 4 == 0;
    const bool ends = end == cols || end % plan.group == 0 || end % kSpanColumns == 0;
    plan.stretches.push_back({static_cast<int32_t>(begin / 4), static_cast<int32_t>(ceil_div(end, 4)),
                              static_cast<int32_t>(begin / plan.group), static_cast<int32_t>(begin / group), ends});
    plan.long_spans = plan.long_spans || !ends;
    plan.bounds.push_back(end);
    begin = end;
  }
}

void plan_chunks(int64_t cols, PartPlan& plan) {
  const int64_t steps = tensor::padded_units(cols) / tensor::kStepUnits;
  const int64_t chunks = std::max<int64_t>(1, (cols + kChunkColumns / 2) / kChunkColumns);
  const int64_t columns = ceil_div(cols, chunks);
  DotChunk chunk;
  for (int64_t s = 0; s < std::ssize(plan.stretches); ++s) {
    const int64_t unit = plan.stretches[static_cast<size_t>(s)].begin_unit;
    const int64_t step = unit / tensor::kStepUnits;
    const bool begins = s > 0 && plan.stretches[static_cast<size_t>(s) - 1].ends_span;
    if (begins && unit % tensor::kStepUnits == 0 && (step - chunk.first_step) * tensor::kColumnStep >= columns) {
      chunk.steps = step - chunk.first_step;
      plan.chunks.push_back(chunk);
      chunk = {s, 0, step, 0};
    }
    ++chunk.stretches;
  }
  chunk.steps = steps - chunk.first_step;
  plan.chunks.push_back(chunk);
}

// Whether all stretches but the last one are the same number of whole panes.
bool fill_panes(const PartPlan& plan, int shift) {
  const int64_t panes = panes_of(plan.stretches[0], shift);
  int64_t begin = 0;
  for (const DotStretch& s : plan.stretches) {
    if (s.begin_unit != begin || panes_of(s, shift) > panes) return false;
    begin += panes << shift;
  }
  return true;
}

// Where codes fit the bytes of panes as whole numbers, of either sign.
void plan_panes(const formats::ElementFormat& element, const formats::IntegerForm& form,
                const formats::Format& activation, PartPlan& plan) {
  plan.signed_panes = form.least >= INT8_MIN && form.most <= INT8_MAX;
  const bool fits = plan.signed_panes || (form.least >= 0 && form.most <= UINT8_MAX);
  if (!fits || !plan.aligned || code_planes(activation) != 1) return;
  for (const int shift : {kPaneShift, kShortPaneShift}) {
    if (!fill_panes(plan, shift)) continue;
    int64_t stretches = 0;
    for (const DotChunk& c : plan.chunks) stretches = std::max(stretches, c.stretches);
    plan.pane_shift = shift;
    plan.pane_bytes = code_bytes(element, form, 0);
    plan.chunk_panes = stretches * panes_of(plan.stretches[0], shift);
    return;
  }
}

// All stretches but the last of one length, of 16 columns or a multiple of 32.
int64_t fused_units(const PartPlan& plan) {
  const DotStretch& first = plan.stretches[0];
  const int64_t units = first.end_unit;
  if (plan.stretches.size() > 1 && units != 4 && units % 8 != 0) return 0;
  for (size_t s = 0; s + 1 < plan.stretches.size(); ++s) {
    if (plan.stretches[s].end_unit - plan.stretches[s].begin_unit != units) return 0;
    if (plan.bounds[s + 1] != 4 * plan.stretches[s].end_unit) return 0;
  }
  return units;
}

bool begin_at_steps(const PartPlan& plan) {
  return plan.aligned && std::all_of(plan.stretches.begin(), plan.stretches.end(),
                                     [](const DotStretch& s) { return s.begin_unit % tensor::kStepUnits == 0; });
}

bool can_fuse(const PartPlan& plan) {
  if (plan.width == kTrits) {
    return plan.bytes.map == CodeMap::exclusive_or && plan.bytes.flip == 0 &&
           (plan.stretches.size() == 1 || plan.stretches[0].end_unit % 8 == 0);
  }
  return plan.bytes.map != CodeMap::lookup256;
}

// Two's complement in all its codes.
bool are_signed_bytes(std::span<const float> values) {
  if (values.size() != 256) return false;
  for (size_t c = 0; c < values.size(); ++c) {
    if (values[c] != static_cast<float>(static_cast<int8_t>(c))) return false;
  }
  return true;
}

// How the kernel reads entries of an element; nullopt: it does not.
std::optional<EntryPass> entry_pass(const formats::ElementFormat& element) {
  static const formats::ElementFormat f16 = formats::parse_element("f16").value();
  static const formats::ElementFormat bf16 = formats::parse_element("bf16").value();
  EntryPass pass;
  pass.bits = element.bits;
  if (element.bits == 32) {
    pass.kind = EntryKind::f32;
  } else if (element == f16) {
    pass.kind = EntryKind::f16;
  } else if (element == bf16) {
    pass.kind = EntryKind::bf16;
  } else if (element.is_integer() && !element.is_signed && element.bits <= 8 && element.decode(1) == 1.0f) {
    pass.kind = EntryKind::code;
  } else if (element.bits <= 8 || element.bits == 16) {
    const std::span<const float> table = formats::decode_table(element);
    pass.kind = element.bits == 16        ? EntryKind::table16
                : are_signed_bytes(table) ? EntryKind::signed_code
                                          : EntryKind::table8;
    pass.table = table.data();
    if (element.bits <= 8) pass.small = small_float_of(table);
  } else {
    return std::nullopt;
  }
  if (element.bits <= 8) pass.halves = upper_halves(element.code_count(), pass.table);
  return pass;
}

// The passes of one kind of entry; false where the kernel cannot read some level.
bool plan_entries(const PackedMatrix& w, int64_t groups, bool minimums, std::vector<EntryPass>& out) {
  const tensor::PackedLayout& layout = w.layout();
  for (size_t i = 0; i < layout.scales.size(); ++i) {
    const formats::ScaleLevel& level = w.format().levels[i];
    const bool own = minimums && level.minimum;
    const tensor::PackedLayout::Section& section = own ? layout.minimums[i] : layout.scales[i];
    std::optional<EntryPass> pass = entry_pass(own ? *level.minimum : level.scale);
    if (!pass) return false;
    pass->section = reinterpret_cast<const uint8_t*>(w.section(section).data());
    if (section.groups == 0) {
      // One entry for all rows: a constant of the pass before, or of a pass that reads nothing.
      const formats::ElementFormat& element = own ? *level.minimum : level.scale;
      uint32_t code = 0;
      std::memcpy(&code, pass->section, ceil_div(element.bits, 8));
      const float value = element.bits == 32 ? bits_float(code) : element.decode(code & (element.code_count() - 1));
      if (out.empty()) {
        out.push_back({});
        out.back().span = groups;
      }
      LOWBIT_CHECK(out.back().factor == 1.0f);
      out.back().factor = value;
      continue;
    }
    pass->block_bytes = section.groups * 2 * section.bits;
    pass->span = i == 0 ? 1 : section.groups == 1 ? groups : section.group / layout.scales[0].group;
    out.push_back(*pass);
  }
  return true;
}

// An entry for each group.
bool is_direct(const std::vector<EntryPass>& passes) {
  return passes.size() == 1 && passes[0].span == 1 && passes[0].block_bytes > 0;
}
bool are_halves(const std::vector<EntryPass>& passes) {
  return is_direct(passes) && passes[0].kind == EntryKind::f16 && passes[0].factor == 1.0f;
}

// Whole numbers for each group times f16 of several.
bool are_coded(const std::vector<EntryPass>& passes, int64_t groups) {
  if (passes.size() != 2 || passes[0].kind != EntryKind::code || passes[1].kind != EntryKind::f16) return false;
  const auto plain = [](const EntryPass& p) { return p.as_it_is() && p.block_bytes > 0; };
  return plain(passes[0]) && plain(passes[1]) && passes[0].span == 1 && passes[1].span % 4 == 0 && groups % 4 == 0;
}

// all_kinds: entries_in_place of MatmulTraits.
InPlace in_place(bool all_kinds, PartPlan& plan) {
  if (!plan.zeros.empty()) return InPlace::nothing;
  const bool halves = are_halves(plan.scales), as_they_are = halves && plan.scales[0].as_it_is();
  if (!plan.minimums.empty()) {
    if (all_kinds && as_they_are && are_halves(plan.minimums)) return InPlace::half_minima;
    const bool coded = are_coded(plan.scales, plan.groups) && are_coded(plan.minimums, plan.groups) &&
                       plan.scales[0].bits == plan.minimums[0].bits && plan.scales[1].span == plan.minimums[1].span;
    return all_kinds && coded ? InPlace::coded : InPlace::nothing;
  }
  if (as_they_are || (all_kinds && halves)) return InPlace::halves;
  const EntryPass& scale = plan.scales[0];
  const bool bytes = is_direct(plan.scales) && scale.kind == EntryKind::table8 && scale.bits == 8 && scale.small;
  if (!all_kinds || !bytes || !bytes_in_place(plan.width)) return InPlace::nothing;
  plan.scale_bytes = scaled(*scale.small, 256, scale.factor, scale.unit);
  return plan.scale_bytes ? InPlace::bytes : InPlace::nothing;
}

void plan_scales(const MatmulTraits& traits, const PackedMatrix& w, PartPlan& plan) {
  if (w.format().is_plain()) return;
  const bool read = plan_entries(w, plan.groups, false, plan.scales) &&
                    (!w.format().has_minimum() || plan_entries(w, plan.groups, true, plan.minimums));
  std::optional<EntryPass> zeros;
  if (w.format().has_zero_point()) {
    zeros = entry_pass(w.format().element);
    const tensor::PackedLayout::Section& section = w.layout().minimums[0];
    if (zeros && section.groups > 0) {
      zeros->section = reinterpret_cast<const uint8_t*>(w.section(section).data());
      zeros->block_bytes = section.groups * 2 * section.bits;
      plan.zeros.push_back(*zeros);
    }
  }
  if (!read || (w.format().has_zero_point() && plan.zeros.empty())) {
    plan.scales.clear();
    return;
  }
  plan.scales.back().unit = plan.unit;
  plan.in_place = in_place(traits.entries_in_place, plan);
}

}  // namespace

MatmulTraits traits_of(Isa isa) {
  MatmulTraits traits = {};
  k_traits.at(isa)({&traits});
  return traits;
}

std::vector<uint8_t> upper_halves(uint32_t count, const float* table) {
  std::vector<uint8_t> halves(512, 0);
  for (uint32_t code = 0; code < count; ++code) {
    const uint32_t value = float_bits(table != nullptr ? table[code] : static_cast<float>(code));
    if ((value & 0xFFFF) != 0) return {};
    halves[code] = static_cast<uint8_t>(value >> 16);
    halves[256 + code] = static_cast<uint8_t>(value >> 24);
  }
  return halves;
}

PartPlan plan_part(Isa isa, const PackedMatrix& matrix, const formats::Format& activation,
                   const KernelChoice& choice) {
  const MatmulTraits traits = traits_of(isa);
  PartPlan plan;
  plan.choice = choice;
  plan.matrix = &matrix;
  plan.row_tile = traits.row_tile;
  plan.token_tile = traits.token_tile;
  plan.few_tile = traits.few_tile;
  plan.arithmetic = arithmetic_of(matrix.format(), activation);
  plan.group = tensor::value_group_columns(matrix);
  plan.groups = tensor::value_groups(matrix);
  const formats::ElementFormat& element = matrix.format().element;
  if (plan.arithmetic == Arithmetic::integer) {
    const formats::IntegerForm& form = *formats::integer_form(element);
    plan.bytes = code_bytes(element, form, form.least);
    plan.signed_codes = form.most - form.least > traits.dot_max;
    if (traits.word_sums && code_planes(activation) == 1) {
      const int64_t units = INT16_MAX / std::max(1, 2 * (form.most - form.least) * largest_code(activation));
      plan.word_units = units >= tensor::kStepUnits ? units / tensor::kStepUnits * tensor::kStepUnits
                                                    : units / kHalfStep * kHalfStep;
    }
    plan.base = form.least + (plan.signed_codes ? 128 : 0);
    plan.unit = std::ldexp(1.0f, form.exponent);
    plan_stretches(matrix.cols(), activation, plan);
    if (plan.long_spans) plan.token_tile = traits.span_tile;
    plan_chunks(matrix.cols(), plan);
    if (isa >= Isa::amx) plan_panes(element, form, activation, plan);
    int64_t longest = 0;
    for (const DotStretch& s : plan.stretches) longest = std::max<int64_t>(longest, 4 * (s.end_unit - s.begin_unit));
    plan.paired =
        matrix.format().has_zero_point() && plan.aligned && longest * largest_code(activation) < kPairedSums;
    plan.width = tensor::code_width(element);
    if (plan.aligned && can_fuse(plan)) plan.fused_units = fused_units(plan);
    plan.few_by_shifts = traits.few_tile > 0 && plan.fused_units > 0 && plan.width < 8;
    // Binary activations count differences, and what lies behind the last column of a file's row may be anything.
    const bool whole = !is_binary_activation(activation) || matrix.cols() % tensor::kColumnStep == 0;
    if (whole && begin_at_steps(plan) && plan.width != kTrits)
      plan.planes = plan_planes(traits.plane_room, element, form, activation);
  } else {
    plan.floats = plan_floats(isa, matrix, plan.group, activation);
  }
  plan_scales(traits, matrix, plan);
  return plan;
}

}  // namespace lowbit::kernels
