#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bits.h"
#include "kernels/gemm/gemm.h"
#include "kernels/list.h"
#include "kernels/matmul/args.h"
#include "kernels/matmul/plan.h"
#include "tensor/codes_block.h"
#include "tensor/group_values.h"
#include "tensor/planes.h"

namespace lowbit::kernels {

namespace {

using tensor::kRowBlock;
using tensor::PackedMatrix;

// Tokens up to which codes are not unpacked to memory, and up to which four row blocks are taken together.
constexpr int64_t kFusedTokens = 4;

// Buffers of one thread, kept between calls.
struct Scratch {
  std::vector<uint8_t> panel;
  std::vector<float> values, scales, minimums, zeros, out;
  std::vector<int16_t> zero_points;
  std::vector<int32_t> offsets, sums, starts;
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

// Scales, minima and zero points of `blocks` row blocks, each [groups][16].
void load_groups(Isa isa, const PartPlan& plan, int64_t block, int64_t blocks, Scratch& s) {
  const PackedMatrix& w = *plan.matrix;
  const int64_t count = plan.groups * kRowBlock;
  float* scales = sized(s.scales, blocks * count);
  if (plan.simple_scales) {
    const auto& section = w.layout().scales[0];
    const auto* in = reinterpret_cast<const uint8_t*>(w.section(section).data()) + block * count * section.bits / 8;
    k_group_scales.at(isa)(
        {in, plan.scale_kind, plan.scale_table, blocks * plan.groups, plan.tensor_scale, plan.unit, scales});
    if (!w.format().has_minimum() && !w.format().has_zero_point()) return;
  }
  float* minimums = sized(s.minimums, blocks * count);
  int16_t* zeros = sized(s.zero_points, blocks * count);
  const auto n = static_cast<size_t>(count);
  for (int64_t b = 0; b < blocks; ++b) {
    tensor::group_values(w, block + b, {scales + b * count, n},
                         w.format().has_minimum() ? std::span(minimums + b * count, n) : std::span<float>(),
                         w.format().has_zero_point() ? std::span(zeros + b * count, n) : std::span<int16_t>());
  }
  if (plan.unit == 1.0f) return;
  for (int64_t i = 0; i < blocks * count; ++i) scales[i] *= plan.unit;
}

// ---- integer arithmetic ----

// Stretches that begin inside a unit (groups of no multiple of 4): plain loops over the panel, the same definition.
void dot_unaligned(const DotArgs& g, const std::vector<int64_t>& bounds, int signed_bias) {
  for (int64_t t = 0; t < g.tokens; ++t) {
    const int8_t* a = g.codes + t * g.code_stride;
    const auto code = [&](int64_t c) { return g.plane == 0 ? a[c] : 128 * a[g.plane + c] + a[c]; };
    for (int64_t r = 0; r < kRowBlock; ++r) {
      float acc = 0.0f;
      for (int64_t s = 0; s < g.stretch.stretch_count; ++s) {
        const int64_t at = int64_t{16} * g.stretch.stretches[s].weight_group + r;
        const int32_t total = g.stretch.sums[t * g.stretch.sum_stride + s];
        int32_t sum = g.stretch.starts == nullptr ? 0 : g.stretch.starts[t * g.stretch.sum_stride + s];
        if (g.stretch.offsets != nullptr) sum += g.stretch.offsets[at] * total;
        for (int64_t c = bounds[static_cast<size_t>(s)]; c < bounds[static_cast<size_t>(s) + 1]; ++c) {
          sum += (g.panels[c / 4 * 64 + r * 4 + c % 4] - signed_bias) * code(c);
        }
        const float activation = g.stretch.activation_scales[t * g.stretch.scale_stride + g.stretch.stretches[s].activation_group];
        acc = std::fma(static_cast<float>(sum), g.stretch.scales[at] * activation, acc);
        if (g.stretch.minimums != nullptr) acc = std::fma(static_cast<float>(total), g.stretch.minimums[at] * activation, acc);
      }
      g.out[t * g.out_stride + r] = acc;
    }
  }
}

// The integer products of one part with some activations.
struct IntegerPart {
  Isa isa;
  const PartPlan& plan;
  const Activations& x;
  const int32_t* sums;    // [tokens][stretches]
  const int32_t* starts;  // likewise, or null

  const PackedMatrix& matrix() const { return *plan.matrix; }
  int bits() const { return matrix().format().element.bits; }
  const uint8_t* packed(int64_t block) const {
    return reinterpret_cast<const uint8_t*>(matrix().bytes().data()) +
           block * tensor::row_block_code_bytes(bits(), matrix().cols());
  }

  StretchArgs stretch_args(int64_t blocks, Scratch& s) const {
    const int64_t count = plan.groups * kRowBlock;
    const bool zeros = matrix().format().has_zero_point();
    int32_t* offsets = nullptr;
    if (zeros) {
      offsets = sized(s.offsets, blocks * count);
      for (int64_t i = 0; i < blocks * count; ++i) offsets[i] = -s.zero_points[static_cast<size_t>(i)];
    }
    const auto stretches = std::ssize(plan.stretches);
    return {plan.stretches.data(),
            stretches,
            s.scales.data(),
            offsets,
            matrix().format().has_minimum() ? s.minimums.data() : nullptr,
            count,
            x.scales,
            x.groups(),
            sums,
            starts,
            stretches};
  }

  const uint8_t* unpack(int64_t block, int64_t blocks, int64_t first_step, int64_t steps, Scratch& s) const {
    uint8_t* panels = sized(s.panel, blocks * steps * 512);
    for (int64_t b = 0; b < blocks; ++b) {
      k_unpack.at(isa)({packed(block + b) + first_step * 64 * bits(), steps, bits(), plan.map, plan.flip,
                        plan.map_table.data(), panels + b * steps * 512});
    }
    return panels;
  }

  // Row blocks [block, block + blocks): out[token][out_stride], 16 for each block.
  void run(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
    Scratch& s = scratch();
    load_groups(isa, plan, block, blocks, s);
    const StretchArgs stretch = stretch_args(blocks, s);
    if (!plan.aligned) return run_unaligned(block, blocks, stretch, out, out_stride);
    if (plan.fused_units != 0 && x.tokens <= kFusedTokens) {
      for (int64_t b = 0; b < blocks; ++b) run_fused(block + b, b, stretch, out + b * kRowBlock, out_stride);
      return;
    }
    for (const DotChunk& chunk : plan.chunks) {
      const uint8_t* panels = unpack(block, blocks, chunk.first_step, chunk.steps, s);
      DotArgs args = dot_args(stretch, panels, chunk.steps, blocks, out, out_stride);
      args.first_unit = chunk.first_step * tensor::kStepUnits;
      args.stretch.stretches += chunk.first_stretch;
      args.stretch.stretch_count = chunk.stretches;
      args.stretch.sums += chunk.first_stretch;
      if (starts != nullptr) args.stretch.starts += chunk.first_stretch;
      args.resume = chunk.first_stretch > 0;
      k_dot.at(isa)(args);
    }
  }

 private:
  DotArgs dot_args(const StretchArgs& stretch, const uint8_t* panels, int64_t steps, int64_t blocks, float* out,
                   int64_t out_stride) const {
    return {stretch, panels,  steps * 512,   0,       blocks, plan.signed_codes, x.tokens,
            x.codes, x.code_stride, x.plane, false, out,    out_stride};
  }

  void run_fused(int64_t block, int64_t index, StretchArgs stretch, float* out, int64_t out_stride) const {
    stretch.scales += index * stretch.group_step;
    if (stretch.offsets != nullptr) stretch.offsets += index * stretch.group_step;
    if (stretch.minimums != nullptr) stretch.minimums += index * stretch.group_step;
    k_fused.at(isa)({stretch, packed(block), bits(), plan.map, plan.flip, plan.map_table.data(), plan.signed_codes,
                     plan.fused_units, x.tokens, x.codes, x.code_stride, out, out_stride});
  }

  void run_unaligned(int64_t block, int64_t blocks, const StretchArgs& all, float* out, int64_t out_stride) const {
    const int64_t steps = tensor::padded_units(matrix().cols()) / tensor::kStepUnits;
    for (int64_t b = 0; b < blocks; ++b) {
      StretchArgs stretch = all;
      stretch.scales += b * stretch.group_step;
      if (stretch.offsets != nullptr) stretch.offsets += b * stretch.group_step;
      if (stretch.minimums != nullptr) stretch.minimums += b * stretch.group_step;
      const uint8_t* panels = unpack(block + b, 1, 0, steps, scratch());
      dot_unaligned(dot_args(stretch, panels, steps, 1, out + b * kRowBlock, out_stride), plan.bounds,
                    plan.signed_codes ? 128 : 0);
    }
  }
};

// Sums of activations over the stretches of a plan, and what they start the products with.
void sum_stretches(Isa isa, const PartPlan& plan, const Activations& x, ThreadPool& pool, Scratch& s) {
  const auto count = std::ssize(plan.stretches);
  int32_t* sums = sized(s.sums, x.tokens * count);
  int32_t* starts = sized(s.starts, x.tokens * count);
  pool.parallel_for(x.tokens, 32, [&](int64_t begin, int64_t end, int) {
    if (plan.aligned) {
      k_sums.at(isa)({plan.stretches.data(), count, end - begin, x.codes + begin * x.code_stride, x.code_stride, x.plane,
                      sums + begin * count});
    } else {
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t i = 0; i < count; ++i) {
          int32_t sum = 0;
          for (int64_t c = plan.bounds[static_cast<size_t>(i)]; c < plan.bounds[static_cast<size_t>(i) + 1]; ++c)
            sum += x.code(t, c);
          sums[t * count + i] = sum;
        }
      }
    }
    for (int64_t i = begin * count; i < end * count; ++i) starts[i] = plan.base * sums[i];
  });
}

// ---- floating arithmetic ----

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

void floating_block(Isa isa, const PartPlan& plan, int64_t block, const Activations& x, float* out,
                    int64_t out_stride) {
  Scratch& s = scratch();
  const PackedMatrix& w = *plan.matrix;
  const bool plain = w.format().is_plain();
  if (!plain) load_groups(isa, plan, block, 1, s);
  float* values = sized(s.values, ceil_div(w.cols(), 4) * 4 * kRowBlock);
  const int bits = w.format().element.bits;
  if (bits > 8) {
    decode_words(w, block, plan, s, values);
  } else {
    const bool zeros = w.format().has_zero_point();
    if (zeros) {
      float* z = sized(s.zeros, plan.groups * kRowBlock);
      for (int64_t i = 0; i < plan.groups * kRowBlock; ++i)
        z[i] = static_cast<float>(s.zero_points[static_cast<size_t>(i)]);
    }
    const int64_t steps = tensor::padded_units(w.cols()) / tensor::kStepUnits;
    uint8_t* panel = sized(s.panel, steps * 512);
    const auto* packed = reinterpret_cast<const uint8_t*>(w.bytes().data());
    k_unpack.at(isa)({packed + block * tensor::row_block_code_bytes(bits, w.cols()), steps, bits,
                      CodeMap::exclusive_or, 0, nullptr, panel});
    k_decode.at(isa)({panel, w.cols(), plan.group, plan.value_table.data(), bits <= 4,
                      plain ? nullptr : s.scales.data(), w.format().has_minimum() ? s.minimums.data() : nullptr,
                      zeros ? s.zeros.data() : nullptr, values});
  }
  for (int64_t t = 0; t < x.tokens; ++t) std::fill_n(out + t * out_stride, kRowBlock, 0.0f);
  gemm(isa, {x.tokens, kRowBlock, w.cols(), x.values, x.cols, 1, values, kRowBlock, out, out_stride});
}

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

// Row blocks [from, to) of one part whose first row is packed row `first_row`.
void run_part(const RowRange& range, const PartPlan& plan, int64_t from, int64_t to, int64_t first_row,
              ThreadPool& pool) {
  const bool integer = plan.arithmetic == Arithmetic::integer;
  const Activations& x = range.x;
  Scratch& own = scratch();
  if (integer) sum_stretches(range.isa, plan, x, pool, own);
  const IntegerPart products{range.isa, plan, x, own.sums.data(), plan.base == 0 ? nullptr : own.starts.data()};
  const int64_t at_once = !integer ? 1 : x.tokens <= kFusedTokens ? 4 : 2;
  const int64_t items = ceil_div(to - from, at_once);
  // Several items for each thread, so that one that is held up keeps nobody waiting; not more, so that the rows of one
  // are read in order.
  const int64_t grain = std::max<int64_t>(1, items / (int64_t{8} * pool.size()));
  pool.parallel_for(items, grain, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t block = from + i * at_once, blocks = std::min(at_once, to - block);
      range.run(*plan.matrix, block, blocks, first_row + block * kRowBlock, [&](float* out, int64_t stride) {
        if (integer) {
          products.run(block, blocks, out, stride);
        } else {
          floating_block(range.isa, plan, block, x, out, stride);
        }
      });
    }
  });
}

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

Product::Product(Isa isa, const tensor::Weight& weight, const formats::Format& activation)
    : isa_(isa), weight_(&weight) {
  for (const PackedMatrix& part : weight.parts) parts_.push_back(plan_part(isa, part, activation));
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
  matmul_rows(isa, weight, 0, weight.rows(), x, pool, out, out_stride);
}

void matmul_rows(Isa isa, const tensor::Weight& weight, int64_t begin, int64_t end, const Activations& x,
                 ThreadPool& pool, float* out, int64_t out_stride) {
  Product(isa, weight, x.format).run(begin, end, x, pool, out, out_stride);
}

}  // namespace lowbit::kernels
