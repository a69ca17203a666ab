#include "kernels/matmul/small_floats.h"

#include <gtest/gtest.h>

#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

std::span<const float> values_of(std::string_view element) {
  return formats::decode_table(formats::parse_element(element).value());
}

TEST(SmallFloats, AreFoundWhereAnExponentAndAMantissaGiveAllValues) {
  for (const char* element : {"e8m0", "e4m3fn", "ue4m3", "e3m2", "e2m3", "e2m1"}) {
    const std::span<const float> values = values_of(element);
    const auto found = small_float_of(values);
    ASSERT_TRUE(found) << element;
    for (size_t c = 0; c < values.size(); ++c) {
      const float value = simd::small_float(static_cast<int32_t>(c), *found);
      EXPECT_TRUE(test::same_bits(value, values[c])) << element << " " << c;
    }
  }
  // With infinities, with NaN in the place of -0, and no floats at all.
  for (const char* element : {"e5m2", "e4m3", "e4m3fnuz", "nf4", "int8", "posit8"}) {
    EXPECT_FALSE(small_float_of(values_of(element))) << element;
  }
}

// NaN among the weights makes its row NaN and no other; few tokens and many.
TEST(SmallFloats, NaNsOfWeightsReachTheirRowsAlone) {
  Rng rng(4);
  const formats::Format format = test::format_of("e4m3fn/32:f32"), f32 = test::format_of("f32");
  constexpr int64_t kRows = 48, kCols = 96;
  tensor::Codes codes = test::random_codes(format, kRows, kCols, rng);
  codes.codes[5 * kCols + 7] = 0x7F;
  codes.codes[21 * kCols + 64] = 0xFF;
  tensor::Weight weight;
  weight.shape = {kRows, kCols};
  weight.parts.push_back(tensor::PackedMatrix::allocate(format, kRows, kCols).value());
  tensor::pack_rows(codes, 0, kRows, weight.parts[0]);
  ThreadPool pool(1);
  for (const int64_t tokens : {1, 2, 3, 4, 9}) {
    const auto x = test::activations(f32, tokens, kCols, test::normals(tokens * kCols, rng));
    std::vector<float> expected(static_cast<size_t>(tokens * kRows));
    matmul_oracle(weight, x->view, expected.data(), kRows);
    EXPECT_EQ(std::ranges::count_if(expected, [](float v) { return v != v; }), 2 * tokens);
    for (const Isa isa : offered_isas()) {
      std::vector<float> out(expected.size());
      matmul(isa, weight, x->view, pool, out.data(), kRows);
      EXPECT_EQ(test::first_difference(out, expected), -1) << isa_name(isa) << " " << tokens;
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels
