// Every operation on rows, on every ISA, against plain loops in the words of args.h.
#include "kernels/rows/rows.h"

#include <gtest/gtest.h>

#include <cstring>

#include "arith/functions.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

using test::first_difference;
using test::normals;

constexpr int64_t kCounts[] = {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 47, 48, 64, 100, 257};
constexpr float kUntouched = -777.0f;

// Numbers at the ends of fp32 among ordinary ones.
std::vector<float> rough(int64_t count, Rng& rng) {
  static constexpr float kEnds[] = {0.0f,   -0.0f,  1e-45f, -1e-45f, 0x1p-126f,  0x1p-101f, 3e38f,
                                    -3e38f, -87.0f, 87.5f,  88.0f,   -87.00001f, 1e-30f,    -104.0f};
  std::vector<float> out = normals(count, rng);
  for (float& v : out) {
    const uint64_t kind = rng.below(6);
    if (kind == 0) v = kEnds[rng.below(std::size(kEnds))];
    if (kind == 1) v *= 40.0f;
  }
  return out;
}

float tree(float (&lane)[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

TEST(Rows, RmsNorm) {
  Rng rng(1);
  for (const int64_t cols : kCounts) {
    const int64_t rows = 3;
    const std::vector<float> x = normals(rows * cols, rng), weight = normals(cols, rng);
    std::vector<float> expected(x.size() + 1, kUntouched);
    for (int64_t r = 0; r < rows; ++r) {
      float lane[16] = {};
      for (int64_t i = 0; i < cols; ++i) lane[i % 16] = std::fma(x[r * cols + i], x[r * cols + i], lane[i % 16]);
      const float scale = 1.0f / std::sqrt(tree(lane) / static_cast<float>(cols) + 1e-5f);
      for (int64_t i = 0; i < cols; ++i) expected[r * cols + i] = x[r * cols + i] * scale * weight[i];
    }
    for (const Isa isa : offered_isas()) {
      std::vector<float> y(x.size() + 1, kUntouched);
      rms_norm(isa, {rows, cols, x.data(), weight.data(), 1e-5f, y.data()});
      EXPECT_EQ(first_difference(y, expected), -1) << isa_name(isa) << ", " << cols << " columns";
    }
  }
}

TEST(Rows, SiluGateAndAdd) {
  Rng rng(2);
  for (const int64_t count : kCounts) {
    const std::vector<float> a = rough(count, rng), b = rough(count, rng);
    std::vector<float> gated(a.size() + 1, kUntouched), sums = gated;
    for (int64_t i = 0; i < count; ++i) {
      gated[i] = arith::silu(a[i]) * b[i];
      sums[i] = a[i] + b[i];
    }
    for (const Isa isa : offered_isas()) {
      std::vector<float> y(a.size() + 1, kUntouched);
      silu_gate(isa, {count, a.data(), b.data(), y.data()});
      EXPECT_EQ(first_difference(y, gated), -1) << isa_name(isa) << ", " << count;
      add(isa, {count, a.data(), b.data(), y.data()});
      EXPECT_EQ(first_difference(y, sums), -1) << isa_name(isa) << ", " << count;
    }
  }
}

TEST(Rows, LayerNormAndBias) {
  Rng rng(7);
  for (const int64_t cols : kCounts) {
    const int64_t rows = 3;
    const std::vector<float> x = normals(rows * cols, rng), weight = normals(cols, rng);
    std::vector<float> expected(x.size() + 1, kUntouched), sums = expected;
    for (int64_t r = 0; r < rows; ++r) {
      float sum[16] = {}, squares[16] = {};
      for (int64_t i = 0; i < cols; ++i) sum[i % 16] += x[r * cols + i];
      const float mean = tree(sum) / static_cast<float>(cols);
      for (int64_t i = 0; i < cols; ++i) {
        const float d = x[r * cols + i] - mean;
        squares[i % 16] = std::fma(d, d, squares[i % 16]);
      }
      const float scale = 1.0f / std::sqrt(tree(squares) / static_cast<float>(cols) + 1e-5f);
      for (int64_t i = 0; i < cols; ++i) {
        expected[r * cols + i] = (x[r * cols + i] - mean) * scale * weight[i];
        sums[r * cols + i] = x[r * cols + i] + weight[i];
      }
    }
    for (const Isa isa : offered_isas()) {
      std::vector<float> y(x.size() + 1, kUntouched);
      layer_norm(isa, {rows, cols, x.data(), weight.data(), 1e-5f, y.data()});
      EXPECT_EQ(first_difference(y, expected), -1) << isa_name(isa) << ", " << cols << " columns";
      bias(isa, {rows, cols, x.data(), weight.data(), y.data()});
      EXPECT_EQ(first_difference(y, sums), -1) << isa_name(isa) << ", " << cols << " columns";
    }
  }
}

TEST(Rows, MultiplyScaleAndCombine) {
  Rng rng(8);
  for (const int64_t count : kCounts) {
    const std::vector<float> a = rough(count, rng), b = rough(count, rng), weights = normals(5, rng);
    const std::vector<float> parts = normals(5 * count, rng);
    std::vector<float> products(a.size() + 1, kUntouched), scaled = products, mixed = products;
    for (int64_t i = 0; i < count; ++i) {
      products[i] = a[i] * b[i];
      scaled[i] = a[i] * 0.3f;
      mixed[i] = 0.0f;
      for (int64_t s = 0; s < 5; ++s) mixed[i] = std::fma(weights[s], parts[s * count + i], mixed[i]);
    }
    for (const Isa isa : offered_isas()) {
      std::vector<float> y(a.size() + 1, kUntouched);
      multiply(isa, {count, a.data(), b.data(), y.data()});
      EXPECT_EQ(first_difference(y, products), -1) << isa_name(isa) << ", " << count;
      scale(isa, {count, a.data(), 0.3f, y.data()});
      EXPECT_EQ(first_difference(y, scaled), -1) << isa_name(isa) << ", " << count;
      combine(isa, {count, 5, weights.data(), parts.data(), y.data()});
      EXPECT_EQ(first_difference(y, mixed), -1) << isa_name(isa) << ", " << count;
    }
  }
}

// Three endings of every sign, exponent and seven bits of the fraction; NaN and infinities among them.
std::vector<float> whole_range() {
  std::vector<float> x;
  for (uint32_t high = 0; high < 0x10000; ++high) {
    for (const uint32_t low : {0u, 0x5A5Bu, 0xFFFFu}) x.push_back(std::bit_cast<float>(high << 16 | low));
  }
  x.resize(x.size() - 3);  // no multiple of 16
  return x;
}

TEST(Rows, GeluAndSoftcapOverTheWholeRange) {
  const std::vector<float> x = whole_range();
  const auto count = static_cast<int64_t>(x.size());
  std::vector<float> by_tanh(x.size()), by_erf(x.size()), capped(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    by_tanh[i] = arith::gelu_tanh(x[i]);
    by_erf[i] = arith::gelu_erf(x[i]);
    capped[i] = arith::softcap(x[i], 30.0f);
  }
  for (const Isa isa : offered_isas()) {
    std::vector<float> y(x.size());
    gelu_tanh(isa, {count, x.data(), y.data()});
    EXPECT_EQ(first_difference(y, by_tanh), -1) << isa_name(isa);
    gelu_erf(isa, {count, x.data(), y.data()});
    EXPECT_EQ(first_difference(y, by_erf), -1) << isa_name(isa);
    softcap(isa, {count, x.data(), 30.0f, y.data()});
    EXPECT_EQ(first_difference(y, capped), -1) << isa_name(isa);
  }
}

TEST(Rows, ExpOverTheWholeRange) {
  const std::vector<float> x = whole_range();
  for (const float shift : {0.0f, 1.25f, -3.0f}) {
    std::vector<float> expected(x.size());
    for (size_t i = 0; i < x.size(); ++i) expected[i] = arith::exp(x[i] - shift);
    for (const Isa isa : offered_isas()) {
      std::vector<float> y(x.size());
      exp_shifted(isa, {static_cast<int64_t>(x.size()), x.data(), shift, y.data()});
      const int64_t at = first_difference(y, expected);
      EXPECT_EQ(at, -1) << isa_name(isa) << ": exp(" << x[at] << " - " << shift << ")";
    }
  }
}

TEST(Rows, Rope) {
  Rng rng(3);
  for (const int64_t dim : {2, 4, 6, 10, 16, 30, 32, 34, 64, 128}) {
    for (const bool halves : {false, true}) {
      const int64_t heads = 3, turned = dim >= 10 && dim % 3 == 1 ? dim / 2 / 2 * 2 : dim, half = turned / 2;
      const std::vector<float> x = normals(heads * dim, rng), c = normals(half, rng), s = normals(half, rng);
      std::vector<float> expected = x;
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t i = 0; i < half; ++i) {
          const int64_t first = h * dim + (halves ? i : 2 * i), second = halves ? first + half : first + 1;
          expected[first] = std::fma(x[first], c[i], -(x[second] * s[i]));
          expected[second] = std::fma(x[first], s[i], x[second] * c[i]);
        }
      }
      for (const Isa isa : offered_isas()) {
        std::vector<float> y(x.size());
        rope(isa, {heads, dim, turned, halves, x.data(), c.data(), s.data(), y.data()});
        EXPECT_EQ(first_difference(y, expected), -1) << isa_name(isa) << ", " << dim << " wide, halves " << halves;
      }
    }
  }
}

// Every size of a block, in numbers that fill no vector, at addresses that fit none; into another row and in place.
TEST(Rows, Hadamard) {
  Rng rng(9);
  for (int64_t n = 1; n <= 1024; n *= 2) {
    for (const int64_t blocks : {1, 2, 3, 5, 9}) {
      const int64_t count = blocks * n;
      const std::vector<float> x = rough(count + 1, rng);
      std::vector<float> expected(x.begin() + 1, x.end());
      for (int64_t distance = 1; distance < n; distance *= 2) {
        for (int64_t i = 0; i < count; ++i) {
          if (i / distance % 2 == 1) continue;
          const float a = expected[i], b = expected[i + distance];
          expected[i] = a + b;
          expected[i + distance] = a - b;
        }
      }
      for (float& v : expected) v *= static_cast<float>(1.0 / std::sqrt(static_cast<double>(n)));
      for (const Isa isa : offered_isas()) {
        std::vector<float> y(x.size() + 2, kUntouched), in_place = x;
        hadamard(isa, {count, n, x.data() + 1, y.data() + 1});
        EXPECT_EQ(first_difference(std::span(y).subspan(1, expected.size()), expected), -1)
            << isa_name(isa) << ", " << blocks << " blocks of " << n;
        EXPECT_EQ(y.front(), kUntouched);
        EXPECT_EQ(y.back(), kUntouched);
        hadamard(isa, {count, n, in_place.data() + 1, in_place.data() + 1});
        EXPECT_EQ(first_difference(std::span(in_place).subspan(1), expected), -1)
            << isa_name(isa) << ", " << blocks << " blocks of " << n << " in place";
      }
    }
  }
}

// The matrix by its definition: entry (i, j) is (-1)^popcount(i & j) / sqrt(n). Small integers make all sums exact.
TEST(Rows, HadamardIsTheMatrixAndItsOwnInverse) {
  Rng rng(10);
  for (int64_t n = 1; n <= 256; n *= 4) {  // sqrt(n) is a power of two
    std::vector<float> x(static_cast<size_t>(n)), expected(x.size(), 0.0f);
    for (float& v : x) v = static_cast<float>(rng.below(21)) - 10.0f;
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t j = 0; j < x.size(); ++j) expected[i] += std::popcount(i & j) % 2 == 0 ? x[j] : -x[j];
      expected[i] /= std::sqrt(static_cast<float>(n));
    }
    for (const Isa isa : offered_isas()) {
      std::vector<float> y = x;
      hadamard(isa, {n, n, y.data(), y.data()});
      EXPECT_EQ(y, expected) << isa_name(isa) << ", " << n;
      hadamard(isa, {n, n, y.data(), y.data()});
      EXPECT_EQ(y, x) << isa_name(isa) << ", " << n;
    }
  }
}

// Row lengths 1 to 70 with anything in the padding and in front of the first position that counts; values that
// underflow and equal maxima.
TEST(Rows, Softmax) {
  Rng rng(4);
  for (int64_t count = 1; count <= 70; ++count) {
    for (const float cap : {0.0f, 7.0f}) {
      const float scale = count % 3 == 0 ? 1.0f : count % 3 == 1 ? 0.125f : 3.7f;
      for (const int64_t first : {int64_t{0}, static_cast<int64_t>(rng.below(static_cast<uint64_t>(count)))}) {
        std::vector<float> scores = normals((count + 15) / 16 * 16, rng);
        for (float& v : scores) v *= rng.below(3) == 0 ? 100.0f : 2.0f;
        scores[static_cast<size_t>(first) + rng.below(static_cast<uint64_t>(count - first))] = scores[first];
        for (size_t i = 0; i < scores.size(); ++i) {
          const auto at = static_cast<int64_t>(i);
          if (at >= count || at < first) scores[i] = i % 2 == 0 ? 1e30f : NAN;
        }
        std::vector<float> expected(static_cast<size_t>(count), 0.0f);
        float greatest = -INFINITY, lane[16] = {};
        for (int64_t i = first; i < count; ++i) {
          expected[i] = scores[i] * scale;
          if (cap > 0.0f) expected[i] = arith::softcap(expected[i], cap);
          greatest = std::max(greatest, expected[i]);
        }
        for (int64_t i = first; i < count; ++i) lane[i % 16] += expected[i] = arith::exp(expected[i] - greatest);
        const float expected_sum = tree(lane);
        for (const Isa isa : offered_isas()) {
          std::vector<float> y = scores;
          float sum = 0.0f;
          softmax(isa, {count, scale, y.data(), &sum, first, cap});
          EXPECT_EQ(first_difference(std::span(y).first(static_cast<size_t>(count)), expected), -1)
              << isa_name(isa) << ", " << first << " to " << count;
          EXPECT_TRUE(test::same_bits(sum, expected_sum)) << isa_name(isa) << ", " << first << " to " << count;
        }
      }
    }
  }
}

struct Quantized {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  bool operator==(const Quantized&) const = default;
};

Quantized run_quantize(Isa isa, const formats::Format& format, int64_t rows, int64_t cols,
                       const std::vector<float>& x) {
  const formats::ScaleLevel& level = format.levels[0];
  const int64_t group = level.group > 0 ? level.group : cols, plane = (cols + 31) / 32 * 32;
  const int64_t stride = plane * code_planes(format);
  Quantized out{std::vector<int8_t>(static_cast<size_t>(rows * stride), 99),
                std::vector<float>(static_cast<size_t>(rows * ((cols + group - 1) / group)))};
  quantize(isa,
           {rows, cols, group, x.data(), largest_code(format), &level.scale,
            [](const void* scale, float v) {
              return tensor::stored_scale(*static_cast<const formats::ElementFormat*>(scale), v);
            },
            out.codes.data(), stride, out.scales.data(), stride > plane ? plane : 0, is_binary_activation(format)});
  return out;
}

constexpr const char* kIntegerFormats[] = {"int8/32:f32",  "int8/64:f16",  "int8/row:f32",  "int6/32:f32",
                                           "int8/16:bf16", "int4/7:f32",   "int2/3:f16",    "int8/128:e8m0",
                                           "int14/32:f32", "int9/row:f16", "binary/32:f32", "binary/row:f16"};

TEST(Rows, QuantizeGivesTheCodesOfTheDefinition) {
  Rng rng(5);
  for (const char* name : kIntegerFormats) {
    const formats::Format format = test::format_of(name);
    for (const int64_t cols : kCounts) {
      const int64_t rows = 3;
      std::vector<float> x = normals(rows * cols, rng);
      for (float& v : x) {
        if (rng.below(9) == 0) v = 0.5f * static_cast<float>(rng.below(5));  // ties
        if (rng.below(30) == 0) v *= 1e-20f;
      }
      for (int64_t i = 0; i < cols; ++i) x[i] *= i < cols / 2 ? 0.0f : 1e-33f;  // groups of nothing, or nearly
      const auto expected = test::activations(format, rows, cols, x);
      for (const Isa isa : offered_isas()) {
        const Quantized got = run_quantize(isa, format, rows, cols, x);
        EXPECT_EQ(got.codes, expected->codes) << name << ", " << isa_name(isa) << ", " << cols;
        EXPECT_EQ(first_difference(got.scales, expected->scales), -1)
            << name << ", " << isa_name(isa) << ", " << cols;
      }
    }
  }
}

// Halves between two codes go to the even one.
TEST(Rows, QuantizeRoundsTiesToEven) {
  const std::vector<float> x = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f};
  for (const Isa isa : offered_isas()) {
    const Quantized got = run_quantize(isa, test::format_of("int8/row:f32"), 1, 9, x);
    EXPECT_EQ(std::vector<int8_t>(got.codes.begin(), got.codes.begin() + 9),
              (std::vector<int8_t>{127, 0, 2, 2, 0, -2, -2, 126, -126}));
    EXPECT_EQ(std::vector<int8_t>(got.codes.begin() + 9, got.codes.end()), std::vector<int8_t>(23, 0));
    EXPECT_EQ(got.scales, std::vector<float>{1.0f});
  }
}

// Infinities and NaN have no meaning here, but the same one everywhere.
TEST(Rows, QuantizeOfNonFiniteValuesIsTheSameOnEveryIsa) {
  std::vector<float> x = {1.0f, NAN, -2.0f, INFINITY, 3.0f, -INFINITY, NAN, 0.0f, 5.0f, 1e38f, NAN, NAN, NAN};
  for (const char* name : kIntegerFormats) {
    const auto expected = test::activations(test::format_of(name), 1, 13, x);
    for (const Isa isa : offered_isas()) {
      const Quantized got = run_quantize(isa, test::format_of(name), 1, 13, x);
      EXPECT_EQ(got.codes, expected->codes) << name << ", " << isa_name(isa);
      EXPECT_EQ(first_difference(got.scales, expected->scales), -1) << name << ", " << isa_name(isa);
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels
