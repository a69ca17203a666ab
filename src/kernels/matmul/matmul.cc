#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bits.h"
#include "kernels/gemm/gemm.h"
#include "kernels/list.h"
#include "kernels/matmul/args.h"
#include "tensor/codes_block.h"
#include "tensor/group_values.h"

namespace lowbit::kernels {

namespace {

using tensor::kRowBlock;
using tensor::PackedMatrix;

// The largest u8 code that dot() of an ISA sums exactly (kDotMax of simd/<isa>.h).
constexpr int kDotMax[] = {255, 128, 255};

// Buffers of one thread, kept between calls.
struct Scratch {
  std::vector<uint8_t> panel;
  std::vector<float> values, scales, minimums, zeros, out;
  std::vector<int16_t> zero_points;
  std::vector<int32_t> offsets;
};

Scratch& scratch() {
  static thread_local Scratch s;
  return s;
}

template <class T>
T* sized(std::vector<T>& buffer, int64_t count) {
  if (buffer.size() < static_cast<size_t>(count)) buffer.resize(static_cast<size_t>(count));
  return buffer.data();
}

// What is the same for all row blocks of one part.
struct PartPlan {
  Arithmetic arithmetic = Arithmetic::floating;
  const formats::IntegerForm* form = nullptr;
  CodeMap map = CodeMap::exclusive_or;
  uint8_t flip = 0;
  std::vector<uint8_t> map_table;  // integer: code -> integer - least
  std::vector<float> value_table;  // floating: code -> value, 256 entries
  bool signed_codes = false;
  int64_t group = 0, groups = 0;  // of the innermost scales
  std::vector<DotStretch> stretches;
  std::vector<int64_t> bounds;  // the same in columns, for stretches that do not start at a unit
  bool aligned = true;
  std::vector<int32_t> sums;  // [tokens][stretches]
};

void plan_code_map(const formats::ElementFormat& element, PartPlan& plan) {
  const formats::IntegerForm& form = *plan.form;
  const uint32_t count = element.code_count();
  plan.map_table.assign(256, 0);
  for (uint32_t c = 0; c < count && c < form.integers.size(); ++c) {
    plan.map_table[c] = static_cast<uint8_t>(form.integers[c] - form.least);
  }
  for (const uint32_t flip : {0u, count / 2}) {
    bool linear = true;
    for (uint32_t c = 0; c < count && linear; ++c) linear = plan.map_table[c] == (c ^ flip);
    if (linear) {
      plan.map = CodeMap::exclusive_or;
      plan.flip = static_cast<uint8_t>(flip);
      return;
    }
  }
  plan.map = count <= 16 ? CodeMap::lookup16 : count <= 64 ? CodeMap::lookup64 : CodeMap::lookup256;
}

void plan_stretches(const PackedMatrix& w, const Activations& x, PartPlan& plan) {
  const int64_t cols = w.cols();
  plan.bounds.push_back(0);
  for (int64_t begin = 0; begin < cols;) {
    const int64_t end = std::min({(begin / plan.group + 1) * plan.group, (begin / x.group + 1) * x.group,
                                  begin + longest_stretch(x.format), cols});
    plan.aligned = plan.aligned && begin % 4 == 0;
    plan.stretches.push_back({static_cast<int32_t>(begin / 4), static_cast<int32_t>(ceil_div(end, 4)),
                              static_cast<int32_t>(begin / plan.group), static_cast<int32_t>(begin / x.group)});
    plan.bounds.push_back(end);
    begin = end;
  }
}

void plan_sums(const Activations& x, ThreadPool& pool, PartPlan& plan) {
  const auto count = static_cast<int64_t>(plan.stretches.size());
  plan.sums.resize(static_cast<size_t>(x.tokens * count));
  pool.parallel_for(x.tokens, 32, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t s = 0; s < count; ++s) {
        int32_t sum = 0;
        for (int64_t c = plan.bounds[static_cast<size_t>(s)]; c < plan.bounds[static_cast<size_t>(s) + 1]; ++c)
          sum += x.code(t, c);
        plan.sums[static_cast<size_t>(t * count + s)] = sum;
      }
    }
  });
}

PartPlan plan_part(Isa isa, const PackedMatrix& w, const Activations& x, ThreadPool& pool) {
  PartPlan plan;
  plan.arithmetic = arithmetic_of(w.format(), x.format);
  plan.group = tensor::value_group_columns(w);
  plan.groups = tensor::value_groups(w);
  const formats::ElementFormat& element = w.format().element;
  if (plan.arithmetic == Arithmetic::integer) {
    plan.form = formats::integer_form(element);
    plan_code_map(element, plan);
    plan.signed_codes = plan.form->most - plan.form->least > kDotMax[static_cast<int>(isa)];
    plan_stretches(w, x, plan);
    plan_sums(x, pool, plan);
  } else if (element.bits <= 8) {
    const std::span<const float> table = formats::decode_table(element);
    plan.value_table.assign(256, 0.0f);
    std::copy(table.begin(), table.end(), plan.value_table.begin());
  }
  return plan;
}

void load_groups(const PackedMatrix& w, int64_t block, const PartPlan& plan, Scratch& s) {
  const int64_t count = plan.groups * kRowBlock;
  float* scales = sized(s.scales, count);
  float* minimums = sized(s.minimums, count);
  int16_t* zeros = sized(s.zero_points, count);
  const auto n = static_cast<size_t>(count);
  tensor::group_values(w, block, {scales, n}, w.format().has_minimum() ? std::span(minimums, n) : std::span<float>(),
                       w.format().has_zero_point() ? std::span(zeros, n) : std::span<int16_t>());
}

const uint8_t* unpack_block(Isa isa, const PackedMatrix& w, int64_t block, CodeMap map, uint8_t flip,
                            const uint8_t* table, Scratch& s) {
  const int bits = w.format().element.bits;
  const int64_t steps = tensor::padded_units(w.cols()) / 8;
  uint8_t* panel = sized(s.panel, steps * 512);
  const auto* packed = reinterpret_cast<const uint8_t*>(w.bytes().data());
  k_unpack.at(isa)(
      {packed + block * tensor::row_block_code_bytes(bits, w.cols()), steps, bits, map, flip, table, panel});
  return panel;
}

// Stretches that begin inside a unit (groups of no multiple of 4): plain loops over the panel, the same definition.
void dot_unaligned(const DotArgs& g, const std::vector<int64_t>& bounds, int signed_bias) {
  for (int64_t t = 0; t < g.tokens; ++t) {
    const int8_t* a = g.codes + t * g.code_stride;
    const auto code = [&](int64_t c) { return g.plane == 0 ? a[c] : 128 * a[g.plane + c] + a[c]; };
    for (int64_t r = 0; r < kRowBlock; ++r) {
      float acc = 0.0f;
      for (int64_t s = 0; s < g.stretch_count; ++s) {
        const int64_t at = int64_t{16} * g.stretches[s].weight_group + r;
        const int32_t total = g.sums[t * g.stretch_count + s];
        int32_t sum = g.offsets == nullptr ? 0 : g.offsets[at] * total;
        for (int64_t c = bounds[static_cast<size_t>(s)]; c < bounds[static_cast<size_t>(s) + 1]; ++c) {
          sum += (g.panel[c / 4 * 64 + r * 4 + c % 4] - signed_bias) * code(c);
        }
        const float activation = g.activation_scales[t * g.scale_stride + g.stretches[s].activation_group];
        acc = std::fma(static_cast<float>(sum), g.scales[at] * activation, acc);
        if (g.minimums != nullptr) acc = std::fma(static_cast<float>(total), g.minimums[at] * activation, acc);
      }
      g.out[t * g.out_stride + r] = acc;
    }
  }
}

void integer_block(Isa isa, const PackedMatrix& w, int64_t block, const PartPlan& plan, const Activations& x,
                   float* out, int64_t out_stride) {
  Scratch& s = scratch();
  load_groups(w, block, plan, s);
  const int64_t count = plan.groups * kRowBlock;
  const float unit = std::ldexp(1.0f, plan.form->exponent);
  if (unit != 1.0f) {
    for (int64_t i = 0; i < count; ++i) s.scales[static_cast<size_t>(i)] *= unit;
  }
  const int base = plan.form->least + (plan.signed_codes ? 128 : 0);
  const bool zeros = w.format().has_zero_point();
  const bool offset = base != 0 || zeros;
  int32_t* offsets = sized(s.offsets, count);
  for (int64_t i = 0; i < count; ++i) offsets[i] = base - (zeros ? s.zero_points[static_cast<size_t>(i)] : 0);
  const uint8_t* panel = unpack_block(isa, w, block, plan.map, plan.flip, plan.map_table.data(), s);
  DotArgs args{panel,
               plan.signed_codes,
               plan.stretches.data(),
               static_cast<int64_t>(plan.stretches.size()),
               s.scales.data(),
               offset ? offsets : nullptr,
               w.format().has_minimum() ? s.minimums.data() : nullptr,
               x.tokens,
               x.codes,
               x.code_stride,
               x.scales,
               x.groups(),
               plan.sums.data(),
               out,
               out_stride,
               x.plane};
  if (plan.aligned) {
    k_dot.at(isa)(args);
  } else {
    dot_unaligned(args, plan.bounds, plan.signed_codes ? 128 : 0);
  }
}

// Elements of more than 8 bits: words by columns, 16 rows together.
void decode_words(const PackedMatrix& w, int64_t block, const PartPlan& plan, const Scratch& s, float* values) {
  const formats::ElementFormat& element = w.format().element;
  const auto* bytes = reinterpret_cast<const uint8_t*>(w.bytes().data());
  const int64_t count = w.cols() * kRowBlock;
  if (element.bits == 32) {
    std::memcpy(values, bytes + block * count * 4, static_cast<size_t>(count) * 4);
  } else {
    const std::span<const float> table = formats::decode_table(element);
    const uint8_t* words = bytes + block * count * 2;
    for (int64_t i = 0; i < count; ++i) {
      uint16_t word;
      std::memcpy(&word, words + 2 * i, 2);
      values[i] = table[word];
    }
  }
  if (w.format().is_plain()) return;
  for (int64_t c = 0; c < w.cols(); ++c) {
    for (int64_t r = 0; r < kRowBlock; ++r) {
      const auto at = static_cast<size_t>(c / plan.group * kRowBlock + r);
      float& v = values[c * kRowBlock + r];
      if (w.format().has_zero_point()) v -= static_cast<float>(s.zero_points[at]);
      v = w.format().has_minimum() ? std::fma(v, s.scales[at], s.minimums[at]) : v * s.scales[at];
    }
  }
}

void floating_block(Isa isa, const PackedMatrix& w, int64_t block, const PartPlan& plan, const Activations& x,
                    float* out, int64_t out_stride) {
  Scratch& s = scratch();
  const bool plain = w.format().is_plain();
  if (!plain) load_groups(w, block, plan, s);
  float* values = sized(s.values, ceil_div(w.cols(), 4) * 4 * kRowBlock);
  if (w.format().element.bits > 8) {
    decode_words(w, block, plan, s, values);
  } else {
    const bool zeros = w.format().has_zero_point();
    if (zeros) {
      float* z = sized(s.zeros, plan.groups * kRowBlock);
      for (int64_t i = 0; i < plan.groups * kRowBlock; ++i)
        z[i] = static_cast<float>(s.zero_points[static_cast<size_t>(i)]);
    }
    const uint8_t* panel = unpack_block(isa, w, block, CodeMap::exclusive_or, 0, nullptr, s);
    k_decode.at(isa)({panel, w.cols(), plan.group, plan.value_table.data(), w.format().element.bits <= 4,
                      plain ? nullptr : s.scales.data(), w.format().has_minimum() ? s.minimums.data() : nullptr,
                      zeros ? s.zeros.data() : nullptr, values});
  }
  for (int64_t t = 0; t < x.tokens; ++t) std::fill_n(out + t * out_stride, kRowBlock, 0.0f);
  gemm(isa, {x.tokens, kRowBlock, w.cols(), x.values, x.cols, 1, values, kRowBlock, out, out_stride});
}

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

  // One block of a part whose first row is packed row `packed`.
  void run(const PackedMatrix& part, const PartPlan& plan, int64_t block, int64_t packed) const {
    const int64_t rows = std::min(kRowBlock, part.rows() - block * kRowBlock);
    bool wanted = false;
    for (int64_t r = 0; r < rows; ++r) wanted = wanted || holds(natural_row(weight, packed + r));
    if (!wanted) return;
    const bool direct = rows == kRowBlock && weight.row_order.empty() && packed >= begin && packed + kRowBlock <= end;
    float* target = direct ? out + packed - begin : sized(scratch().out, x.tokens * kRowBlock);
    const int64_t stride = direct ? out_stride : kRowBlock;
    (plan.arithmetic == Arithmetic::integer ? integer_block : floating_block)(isa, part, block, plan, x, target,
                                                                              stride);
    if (direct) return;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t natural = natural_row(weight, packed + r);
      if (!holds(natural)) continue;
      for (int64_t t = 0; t < x.tokens; ++t) out[t * out_stride + natural - begin] = target[t * kRowBlock + r];
    }
  }
  bool holds(int64_t row) const { return row >= begin && row < end; }
};

}  // namespace

bool is_integer_activation(const formats::Format& activation) {
  return activation.levels.size() == 1 && activation.element.is_integer() && activation.element.is_signed &&
         activation.element.bits >= 2 && activation.element.bits <= 14 && !activation.levels[0].minimum &&
         !activation.levels[0].zero_point && activation.levels[0].group != formats::kGroupTensor;
}

int32_t largest_code(const formats::Format& activation) { return (1 << (activation.element.bits - 1)) - 1; }

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

void matmul(Isa isa, const tensor::Weight& weight, const Activations& x, ThreadPool& pool, float* out,
            int64_t out_stride) {
  matmul_rows(isa, weight, 0, weight.rows(), x, pool, out, out_stride);
}

void matmul_rows(Isa isa, const tensor::Weight& weight, int64_t begin, int64_t end, const Activations& x,
                 ThreadPool& pool, float* out, int64_t out_stride) {
  LOWBIT_CHECK(x.cols == weight.cols() && begin >= 0 && end <= weight.rows());
  const RowRange range{isa, weight, begin, end, x, out, out_stride};
  int64_t first_row = 0;
  for (const PackedMatrix& part : weight.parts) {
    const bool ordered = weight.row_order.empty();
    const int64_t from = ordered ? std::clamp<int64_t>(begin - first_row, 0, part.rows()) : 0;
    const int64_t to = ordered ? std::clamp<int64_t>(end - first_row, 0, part.rows()) : part.rows();
    if (from < to) {
      const PartPlan plan = plan_part(isa, part, x, pool);
      LOWBIT_CHECK(plan.arithmetic == Arithmetic::integer || x.values != nullptr);
      const int64_t first_block = from / kRowBlock, blocks = ceil_div(to, kRowBlock) - first_block;
      pool.parallel_for(blocks, std::max<int64_t>(1, std::min<int64_t>(8, blocks / 16)),
                        [&](int64_t first, int64_t last, int) {
                          for (int64_t b = first_block + first; b < first_block + last; ++b) {
                            range.run(part, plan, b, first_row + b * kRowBlock);
                          }
                        });
    }
    first_row += part.rows();
  }
}

}  // namespace lowbit::kernels
