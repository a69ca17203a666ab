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

}  // namespace
}  // namespace lowbit::kernels
