#include "eval/array_cast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/bits.h"
#include "base/rng.h"
#include "eval/array_values.h"
#include "formats/array.h"
#include "formats/exact.h"
#include "io/test_files.h"
#include "tensor/cast.h"

namespace lowbit::eval {
namespace {

using io::NpyType;

constexpr NpyType kAll[] = {NpyType::float32, NpyType::uint8,   NpyType::uint16,
                            NpyType::uint32,  NpyType::float16, NpyType::float64};

formats::Format format(std::string_view text) {
  if (auto element = formats::parse_element(text); element.ok()) return {*element, {}};
  return formats::parse_format(text).value();
}

template <class T>
io::NpyView view(NpyType type, std::vector<int64_t> shape, const std::vector<T>& values, bool fortran = false) {
  io::NpyView out;
  out.type = type;
  out.shape = std::move(shape);
  out.fortran_order = fortran;
  out.data = std::as_bytes(std::span(values));
  return out;
}

template <class T>
std::vector<T> read(const io::NpyView& array) {
  std::vector<T> out(static_cast<size_t>(array.elements()));
  if (!out.empty()) std::memcpy(out.data(), array.data.data(), array.data.size());
  return out;
}

struct Cast {
  io::NpyView values, codes;
  CastStatistics statistics;
};

class ArrayCast : public testing::Test {
 protected:
  Cast cast(const io::NpyView& in, const std::string& to, const formats::CastPolicy& policy = {}, uint64_t seed = 0,
            int threads = 2) {
    const CastOptions options{format(to), policy, seed, formats::ScaleRule::automatic, &pools_[threads - 1]};
    const NpyType type = casts_to_float(options.format) ? NpyType::float32 : NpyType::float64;
    auto values = io::NpyWriter::create(folder_ / "v.npy", type, in.shape, in.fortran_order).value();
    const bool plain = options.format.is_plain();
    auto codes =
        io::NpyWriter::create(folder_ / "c.npy", code_type(options.format.element), in.shape, in.fortran_order)
            .value();
    auto done = cast_array(in, options, values, plain ? &codes : nullptr);
    EXPECT_TRUE(done.ok());
    EXPECT_TRUE(values.commit().ok());
    Cast out;
    out.statistics = *done;
    out.values = io::map_npy(folder_ / "v.npy", {kAll, true}).value();
    if (plain) {
      EXPECT_TRUE(codes.commit().ok());
      out.codes = io::map_npy(folder_ / "c.npy", {kAll, true}).value();
    }
    return out;
  }

  const io::test::TemporaryFolder folder_;
  ThreadPool pools_[3]{ThreadPool(1), ThreadPool(2), ThreadPool(3)};
};

template <class T>
std::vector<uint32_t> codes_of(const io::NpyView& array) {
  const auto narrow = read<T>(array);
  return {narrow.begin(), narrow.end()};
}

std::vector<uint32_t> any_codes(const io::NpyView& array) {
  if (array.type == NpyType::uint8) return codes_of<uint8_t>(array);
  return array.type == NpyType::uint16 ? codes_of<uint16_t>(array) : codes_of<uint32_t>(array);
}

// Every number by encode(), from each type, with values of every kind.
TEST_F(ArrayCast, EqualsEncodingOneByOne) {
  Rng rng(7);
  std::vector<double> wide = {0.0, -0.0, HUGE_VAL, -HUGE_VAL, NAN, 1e300, -1e-300, 0x1p-149, 448, 464, 464.0001};
  while (wide.size() < 30000) wide.push_back(std::ldexp(rng.normal(), static_cast<int>(rng.below(40)) - 20));
  const std::vector<float> narrow(wide.begin(), wide.end());
  for (const char* name : {"e4m3fn", "e5m2", "posit16", "int8", "nf4", "tf32", "f32", "e12m3", "uint4", "e8m0"}) {
    for (const char* round : {"rne", "rz", "odd", "sr", "sr-8c"}) {
      const formats::Format f = format(name);
      const formats::CastPolicy policy = formats::parse_policy(round, "none").value();
      const auto check = [&](const Cast& got, const auto& in) {
        const auto codes = any_codes(got.codes);
        const bool is_float = got.values.type == NpyType::float32;
        for (size_t i = 0; i < in.size(); ++i) {
          const uint32_t code =
              formats::encode(f.element, static_cast<double>(in[i]), policy, formats::random_word(5, i));
          ASSERT_EQ(codes[i], code) << name << " " << round << " " << i << " " << in[i];
        }
        for (size_t i = 0; i < in.size(); ++i) {
          const double value = formats::decode_exact(f.element, codes[i]).to_double();
          const double stored = is_float ? read<float>(got.values)[i] : read<double>(got.values)[i];
          ASSERT_TRUE(stored == value || (std::isnan(stored) && std::isnan(value))) << name << " " << i;
          if (i == 300) break;
        }
      };
      check(cast(view(NpyType::float64, {30, 1000}, wide), name, policy, 5), wide);
      check(cast(view(NpyType::float32, {30000}, narrow), name, policy, 5), narrow);
    }
  }
}

TEST_F(ArrayCast, DoublesAreRoundedOnce) {
  const std::vector<double> x = {1.0625 + 0x1p-40};  // a tie once it is a float
  EXPECT_EQ(read<float>(cast(view(NpyType::float64, {1}, x), "e4m3fn").values)[0], 1.125f);
}

TEST_F(ArrayCast, HalvesAndShapes) {
  const std::vector<uint16_t> halves = {0x3C00, 0xC000, 0x7C00, 0x7E00, 0x0001, 0x6400};
  const Cast got = cast(view(NpyType::float16, {1, 3, 2}, halves, true), "f16");
  EXPECT_EQ(got.values.shape, (std::vector<int64_t>{1, 3, 2}));
  EXPECT_TRUE(got.values.fortran_order);
  EXPECT_EQ(got.codes.type, NpyType::uint16);
  EXPECT_EQ(read<uint16_t>(got.codes)[5], 0x6400);
  EXPECT_EQ(read<float>(got.values)[4], 0x1p-24f);
  EXPECT_EQ(cast(view(NpyType::float32, {}, std::vector<float>{3}), "e2m1").values.shape.size(), 0u);
  EXPECT_EQ(cast(view(NpyType::float32, {0, 4}, std::vector<float>{}), "mxfp4").statistics.elements, 0);
  EXPECT_EQ(cast(view(NpyType::float32, {4, 0}, std::vector<float>{}), "e2m1").statistics.elements, 0);
}

TEST_F(ArrayCast, PiecesAndThreadsChangeNothing) {
  std::vector<float> x((1 << 20) + 777);
  Rng rng(9);
  for (float& v : x) v = static_cast<float>(rng.normal());
  const formats::CastPolicy sr{formats::Rounding::stochastic, {}, 32};
  const io::NpyView in = view(NpyType::float32, {std::ssize(x)}, x);
  const Cast one = cast(in, "e4m3fn", sr, 3, 1);
  const auto values = read<float>(one.values);
  const auto codes = any_codes(one.codes);
  for (size_t i = x.size() - 900; i < x.size(); ++i) {
    ASSERT_EQ(codes[i], formats::encode(format("e4m3fn").element, x[i], sr, formats::random_word(3, i)));
  }
  const std::vector<double> wide(x.begin(), x.end());
  EXPECT_EQ(codes, any_codes(cast(view(NpyType::float64, {std::ssize(x)}, wide), "e4m3fn", sr, 3, 3).codes));
  const Cast many = cast(in, "e4m3fn", sr, 3, 3);
  EXPECT_EQ(values, read<float>(many.values));
  EXPECT_EQ(one.statistics.mse, many.statistics.mse);
  EXPECT_EQ(one.statistics.max_error, many.statistics.max_error);
}

TEST_F(ArrayCast, Statistics) {
  const float inf = HUGE_VALF;
  const std::vector<float> x = {1, 1.0625f, 500, -1000, inf, NAN, 0.001f};
  CastStatistics s = cast(view(NpyType::float32, {7}, x), "e4m3fn").statistics;
  EXPECT_EQ(s.elements, 7);
  EXPECT_EQ(s.nan, 1);
  EXPECT_EQ(s.nan_replaced, 0);
  EXPECT_EQ(s.overflow, 3);
  EXPECT_EQ(s.max_error, 552);
  EXPECT_NEAR(s.mse, (0.0625 * 0.0625 + 52.0 * 52 + 552.0 * 552 + std::pow(0.001 - 0x1p-9 * 1, 2)) / 5, 1e-3);
  s = cast(view(NpyType::float32, {7}, x), "e4m3fn", formats::parse_policy("rne", "none").value()).statistics;
  EXPECT_EQ(s.nan_made, 3);
  EXPECT_EQ(s.overflow, 3);
  EXPECT_EQ(s.max_error, 0.0625);
  s = cast(view(NpyType::float32, {7}, x), "e5m2", formats::parse_policy("rne", "propagate").value()).statistics;
  EXPECT_EQ(s.overflow, 0);  // infinity stays
  s = cast(view(NpyType::float32, {7}, x), "int8").statistics;
  EXPECT_EQ(s.nan, 1);
  EXPECT_EQ(s.nan_replaced, 1);
  EXPECT_EQ(s.overflow, 3);
}

TEST_F(ArrayCast, BlocksRunAlongTheLastAxis) {
  Rng rng(1);
  constexpr int64_t kRows = 6, kCols = 75;
  std::vector<float> c(kRows * kCols), f(c.size());
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t k = 0; k < kCols; ++k) {
      const auto x = static_cast<float>(rng.normal());
      c[static_cast<size_t>(r * kCols + k)] = x;
      // Shape (2, 3, 75): row (i, j) is 3 i + j in C order and i + 2 j in Fortran order.
      f[static_cast<size_t>(k * kRows + r / 3 + 2 * (r % 3))] = x;
    }
  }
  for (const char* name : {"int4/32:f32", "mxfp4", "nvfp4", "q4_k", "int8/row:f32"}) {
    const auto by_rows = read<float>(cast(view(NpyType::float32, {2, 3, kCols}, c), name).values);
    const auto by_columns = read<float>(cast(view(NpyType::float32, {2, 3, kCols}, f, true), name).values);
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t k = 0; k < kCols; ++k) {
        ASSERT_EQ(by_rows[static_cast<size_t>(r * kCols + k)],
                  by_columns[static_cast<size_t>(k * kRows + r / 3 + 2 * (r % 3))])
            << name;
      }
    }
  }
  // A symmetric integer with a real scale is what an activation is cast to.
  const auto got = read<float>(cast(view(NpyType::float32, {kRows, kCols}, c), "int8sym/32:f32").values);
  std::vector<float> expected(kCols);
  tensor::cast_row(format("int8sym/32:f32"), kCols, c.data(), expected.data());
  for (size_t i = 0; i < kCols; ++i) EXPECT_NEAR(got[i], expected[i], 1e-6);
}

// From both orders of the file, blocks of several rows and random bits too.
TEST_F(ArrayCast, BlocksRunAlongAnyAxis) {
  Rng rng(2);
  constexpr int64_t kShape[] = {5, 4, 35};
  std::vector<float> c(5 * 4 * 35), f(c.size());
  const auto at_c = [&](const int64_t* i) { return static_cast<size_t>((i[0] * 4 + i[1]) * 35 + i[2]); };
  const auto at_f = [&](const int64_t* i) { return static_cast<size_t>((i[2] * 4 + i[1]) * 5 + i[0]); };
  const auto each = [&](const auto& body) {
    int64_t i[3];
    for (i[0] = 0; i[0] < kShape[0]; ++i[0])
      for (i[1] = 0; i[1] < kShape[1]; ++i[1])
        for (i[2] = 0; i[2] < kShape[2]; ++i[2]) body(i);
  };
  each([&](const int64_t* i) { c[at_c(i)] = f[at_f(i)] = static_cast<float>(rng.normal()); });
  const std::vector<int64_t> shape(std::begin(kShape), std::end(kShape));
  for (const char* name : {"mxfp4", "q4_k", "e4m3fn/2x16:f32", "mx6"}) {
    for (int64_t axis = 0; axis < 3; ++axis) {
      CastOptions options{format(name), {}, 0, formats::ScaleRule::automatic, &pools_[1], axis};
      if (name != std::string("q4_k")) options.policy = {formats::Rounding::stochastic, {}, 32};
      const auto run = [&](const io::NpyView& in) {
        auto out = io::NpyWriter::create(folder_ / "v.npy", NpyType::float32, in.shape, in.fortran_order).value();
        EXPECT_TRUE(cast_array(in, options, out, nullptr).ok());
        EXPECT_TRUE(out.commit().ok());
        return read<float>(io::map_npy(folder_ / "v.npy", {kAll, true}).value());
      };
      const auto by_c = run(view(NpyType::float32, shape, c));
      const auto by_f = run(view(NpyType::float32, shape, f, true));
      each([&](const int64_t* i) { ASSERT_EQ(by_c[at_c(i)], by_f[at_f(i)]) << name << " " << axis; });
      // The axis moved to the end, and back.
      const int64_t others[2] = {axis == 0 ? 1 : 0, axis == 2 ? 1 : 2};
      const std::vector<int64_t> turned = {kShape[others[0]], kShape[others[1]], kShape[axis]};
      const auto at_moved = [&](const int64_t* i) {
        return static_cast<size_t>((i[others[0]] * turned[1] + i[others[1]]) * turned[2] + i[axis]);
      };
      std::vector<float> moved(c.size());
      each([&](const int64_t* i) { moved[at_moved(i)] = c[at_c(i)]; });
      options.axis = -1;
      const auto back = run(view(NpyType::float32, turned, moved));
      each([&](const int64_t* i) { ASSERT_EQ(by_c[at_c(i)], back[at_moved(i)]) << name << " " << axis; });
    }
  }
  const io::NpyView in = view(NpyType::float32, shape, c);
  EXPECT_TRUE(check_axis(in, -3).ok());
  EXPECT_NE(check_axis(in, 3).message().find("an array of 3 axes, expected -3 to 2"), std::string::npos);
  EXPECT_TRUE(check_axis(view(NpyType::float32, {}, c), 0).ok());
}

TEST_F(ArrayCast, BlocksByRuleAndPolicy) {
  // A NaN takes its block along where the scale has a code for it, and is reported.
  std::vector<float> x(64, 1.0f);
  x[3] = NAN;
  x[40] = HUGE_VALF;
  const CastStatistics s = cast(view(NpyType::float32, {64}, x), "mxfp4").statistics;
  EXPECT_EQ(s.nan, 1);
  EXPECT_EQ(s.nan_made, 31);
  EXPECT_EQ(s.overflow, 1);
  // Stochastic bits do not depend on threads.
  Rng rng(4);
  std::vector<float> y(1 << 17);
  for (float& v : y) v = static_cast<float>(rng.normal());
  const formats::CastPolicy sr{formats::Rounding::stochastic, {}, 32};
  const io::NpyView in = view(NpyType::float32, {1 << 10, 1 << 7}, y);
  const auto one = read<float>(cast(in, "mxfp8", sr, 3, 1).values);
  EXPECT_EQ(one, read<float>(cast(in, "mxfp8", sr, 3, 3).values));
  EXPECT_NE(one, read<float>(cast(in, "mxfp8", sr, 4, 3).values));
}

TEST(CheckCast, SaysWhatDoesNotFit) {
  const formats::CastPolicy sr{formats::Rounding::stochastic, {}, 32};
  using formats::ScaleRule;
  EXPECT_TRUE(check_cast({format("e4m3fn"), sr}).ok());
  EXPECT_TRUE(check_cast({format("mxfp4"), sr, 1, ScaleRule::ceil}).ok());
  EXPECT_TRUE(check_cast({format("q4_k"), {}}).ok());
  EXPECT_TRUE(check_cast({format("mx9"), sr, 0, ScaleRule::floor}).ok());
  EXPECT_TRUE(check_cast({format("e4m3fn/128x128:f32"), sr, 0, {}, nullptr, 0}).ok());
  EXPECT_NE(check_cast({format("e4m3fn"), {}, 0, {}, nullptr, 0}).message().find("axis 0"), std::string::npos);
  EXPECT_NE(check_cast({format("q4_k"), sr}).message().find("q4_k"), std::string::npos);
  EXPECT_NE(check_cast({format("q4_k"), {}, 0, ScaleRule::ceil}).message().find("q4_k"), std::string::npos);
  EXPECT_NE(check_cast({format("e4m3fn"), {}, 0, ScaleRule::ceil}).message().find("e4m3fn"), std::string::npos);
}

}  // namespace
}  // namespace lowbit::eval
