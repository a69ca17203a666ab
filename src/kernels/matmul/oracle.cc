#include <algorithm>
#include <cmath>

#include "kernels/matmul/matmul.h"

namespace lowbit::kernels {
namespace {

// Effective scale, minimum and zero point of a group of one row, combined over the levels as format.h says.
struct Group {
  float scale = 1.0f, minimum = 0.0f;
  int zero = 0;
};

int64_t columns_of(int64_t group, int64_t cols) { return group > 0 ? std::min(group, cols) : cols; }

float entry(const formats::ElementFormat& element, const std::vector<uint32_t>& codes, size_t at) {
  return element.bits == 32 ? std::bit_cast<float>(codes[at]) : element.decode(codes[at]);
}

Group group_of(const formats::Format& format, const tensor::Codes& codes, int64_t row, int64_t col, int64_t cols) {
  Group g;
  for (size_t level = 0; level < format.levels.size(); ++level) {
    const formats::ScaleLevel& l = format.levels[level];
    const int64_t width = columns_of(l.group, cols);
    const int64_t groups = (cols + width - 1) / width;
    const size_t at = l.group == formats::kGroupTensor ? 0 : static_cast<size_t>(row * groups + col / width);
    const float scale = entry(l.scale, codes.scales[level], at);
    g.scale = level == 0 ? scale : g.scale * scale;
    if (l.minimum) {
      const float minimum = entry(*l.minimum, codes.minimums[level], at);
      g.minimum = level == 0 ? minimum : g.minimum * minimum;
    } else if (level > 0 && format.has_minimum()) {
      g.minimum *= scale;
    }
    if (l.zero_point) g.zero = static_cast<int>(format.element.decode(codes.minimums[0][at]));
  }
  return g;
}

// row: counted in codes.
float integer_output(const formats::Format& format, const tensor::Codes& codes, int64_t row, int64_t cols,
                     const Activations& x, int64_t token) {
  const formats::IntegerForm& form = *formats::integer_form(format.element);
  const int64_t weight_group = format.is_plain() ? cols : columns_of(format.levels[0].group, cols);
  float acc = 0.0f, inner = 0.0f, totals = 0.0f;
  for (int64_t begin = 0; begin < cols;) {
    const int64_t end = std::min({(begin / weight_group + 1) * weight_group, (begin / x.group + 1) * x.group,
                                  begin + longest_stretch(*x.format), cols});
    const Group g = group_of(format, codes, row, begin, cols);
    int64_t sum = 0, total = 0;
    for (int64_t c = begin; c < end; ++c) {
      const int64_t a = x.code(token, c);
      sum += (form.integers[codes.codes[static_cast<size_t>(row * cols + c)]] - g.zero) * a;
      total += a;
    }
    const float scale = g.scale * std::ldexp(1.0f, form.exponent);
    const float activation = x.scales[token * x.groups() + begin / x.group];
    inner = std::fma(static_cast<float>(sum), activation, inner);
    totals = std::fma(static_cast<float>(total), activation, totals);
    if (end == cols || end % weight_group == 0 || end % 128 == 0) {
      acc = std::fma(scale, inner, acc);
      if (format.has_minimum()) acc = std::fma(g.minimum, totals, acc);
      inner = totals = 0.0f;
    }
    begin = end;
  }
  return acc;
}

}  // namespace

void matmul_oracle(const tensor::Weight& weight, const Activations& x, float* out, int64_t out_stride) {
  int64_t packed_row = 0;
  std::vector<float> values(static_cast<size_t>(weight.cols()));
  for (const tensor::PackedMatrix& part : weight.parts) {
    const bool integer = arithmetic_of(part.format(), *x.format) == Arithmetic::integer;
    tensor::Codes codes;  // of the row's block
    for (int64_t r = 0; r < part.rows(); ++r, ++packed_row) {
      const int64_t row = weight.row_order.empty() ? packed_row : weight.row_order[static_cast<size_t>(packed_row)];
      if (integer && r % tensor::kRowBlock == 0) {
        codes = tensor::unpack_rows(part, r, std::min(r + tensor::kRowBlock, part.rows()));
      }
      if (!integer) tensor::dequantize_rows(part, r, r + 1, values.data());
      for (int64_t t = 0; t < x.tokens; ++t) {
        float acc = 0.0f;
        if (integer) {
          acc = integer_output(part.format(), codes, r % tensor::kRowBlock, part.cols(), x, t);
        } else {
          for (int64_t c = 0; c < part.cols(); ++c)
            acc = std::fma(values[static_cast<size_t>(c)], x.values[t * x.cols + c], acc);
        }
        out[t * out_stride + row] = acc;
      }
    }
  }
}

}  // namespace lowbit::kernels
