// Levels of scales, blocks of several rows and other axes, against plain loops over the definition of block.h and
// over what the papers say.
#include "formats/block_levels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <tuple>
#include <vector>

#include "formats/encode_oracle.h"

namespace lowbit::formats {
namespace {

Format format(std::string_view text) {
  auto parsed = parse_format(text);
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  return std::move(parsed).value();
}

std::vector<float> normals(Rng& rng, int64_t count, bool specials = false) {
  std::vector<float> out(static_cast<size_t>(count));
  float size = 1;
  for (size_t i = 0; i < out.size(); ++i) {
    if (i % 32 == 0) size = std::ldexp(1.0f, static_cast<int>(rng.below(12)) - 6);
    if (specials && i % 32 == 0 && rng.below(8) == 0) size = std::ldexp(1.0f, rng.below(2) == 0 ? -140 : 110);
    out[i] = static_cast<float>(rng.normal()) * size;
    if (specials && rng.below(120) == 0) {
      const float all[] = {0.0f, -0.0f, std::nanf(""), HUGE_VALF, -HUGE_VALF, 3e38f, 1e-45f};
      out[i] = all[rng.below(std::size(all))];
    }
    if (specials && i % 256 < 64) out[i] = 0;  // whole blocks of zeros
  }
  return out;
}

// The definition, number by number: nothing is shared with the code but the choice of one scale.
class Slow {
 public:
  Slow(const Format& f, std::span<const float> x, int64_t cols, const BlockOptions& options)
      : f_(f), x_(x), cols_(cols), rows_(std::ssize(x) / cols), options_(options) {
    matrix_ = options.rows > 0 ? options.rows : rows_;
  }

  // Matrix, row and column of the block of a level.
  using Place = std::tuple<int64_t, int64_t, int64_t>;
  Place place(size_t level, int64_t row, int64_t col) const {
    const ScaleLevel& l = f_.levels[level];
    if (l.group == kGroupTensor) return {0, 0, 0};
    return {row / matrix_, row % matrix_ / l.rows, l.group == kGroupRow ? 0 : col / l.group};
  }

  uint32_t code(size_t level, int64_t row, int64_t col) {
    const auto key = std::make_pair(level, place(level, row, col));
    if (const auto found = codes_.find(key); found != codes_.end()) return found->second;
    std::vector<float> block;
    bool nan = false;
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < cols_; ++c) {
        if (place(level, r, c) != key.second) continue;
        block.push_back(x_[static_cast<size_t>(r * cols_ + c)]);
        nan = nan || std::isnan(block.back());
      }
    }
    const ElementFormat& scale = f_.levels[level].scale;
    const float outer = product(level + 1, row, col);
    uint32_t out = 0;
    if (nan && level == lost_level()) {
      out = encode(scale, std::nan(""));
    } else if (std::isnan(outer)) {
      out = encode(scale, 0.0);
    } else {
      out = choose_scale(f_, block, outer, options_, level);
    }
    if (level > 0 && scale.decode(out) == 0) out = encode(scale, 1.0);
    return codes_[key] = out;
  }

  float product(size_t level, int64_t row, int64_t col) {
    if (level >= f_.levels.size()) return 1;
    float out = f_.levels[level].scale.decode(code(level, row, col));
    for (size_t k = level + 1; k < f_.levels.size(); ++k) out *= f_.levels[k].scale.decode(code(k, row, col));
    return out;
  }

  float value(int64_t row, int64_t col, uint32_t* element_code) {
    const auto i = static_cast<size_t>(row * cols_ + col);
    const float total = product(0, row, col);
    double q = static_cast<double>(x_[i]) / static_cast<double>(total);
    if (std::isnan(total) || (total == 0 && std::isfinite(x_[i]))) q = 0;
    *element_code = encode(f_.element, q, options_.array.policy, random_word(options_.array.seed, i));
    return f_.element.decode(*element_code) * total;
  }

 private:
  const Format& f_;
  std::span<const float> x_;
  int64_t cols_, rows_, matrix_ = 0;
  const BlockOptions& options_;
  std::map<std::pair<size_t, Place>, uint32_t> codes_;

  size_t lost_level() const {
    for (size_t k = 0; k < f_.levels.size(); ++k) {
      const ElementFormat& scale = f_.levels[k].scale;
      if (f_.levels[k].group != kGroupTensor && std::isnan(scale.decode(encode(scale, std::nan(""))))) return k;
    }
    return f_.levels.size();
  }
};

void check(const Format& f, std::span<const float> x, int64_t cols, const BlockOptions& options) {
  SCOPED_TRACE(fmt::format("{} {} {} rows {} cols {} matrix {}", print(f), print_scale_rule(options.rule),
                           print_rounding(options.array.policy), std::ssize(x) / cols, cols, options.rows));
  ASSERT_TRUE(check_block_format(f, options).ok()) << check_block_format(f, options).message();
  const Blocks got = encode_levels(f, x, cols, options);
  std::vector<float> decoded(x.size()), cast(x.size());
  decode_levels(f, got, decoded, options.array);
  cast_blocks(f, x, cols, cast, options);
  Slow slow(f, x, cols, options);
  for (int64_t r = 0; r < std::ssize(x) / cols; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      const auto i = static_cast<size_t>(r * cols + c);
      uint32_t code = 0;
      const float expected = slow.value(r, c, &code);
      ASSERT_EQ(got.codes[i], code) << r << " " << c << " " << x[i];
      ASSERT_TRUE(same(cast[i], expected)) << r << " " << c << " " << cast[i] << " " << expected;
      ASSERT_TRUE(same(decoded[i], expected)) << r << " " << c << " " << decoded[i] << " " << expected;
    }
  }
}

TEST(BlockLevels, EqualTheDefinition) {
  Rng rng(5);
  ThreadPool pool(2);
  size_t turn = 0;
  for (const char* name :
       {"mx9", "mx6", "mx4", "msfp12", "nf4/64:uint8/256:f32", "q3_k", "q6_k", "iq4_xs", "e4m3fn/128x128:f32",
        "e2m1/16x16:e4m3fn/tensor:f32", "e2m1/8x16:e8m0", "int4/4:uint4/2x16:e4m3fn/8x64:e5m2/tensor:f32",
        "e4m3fn/tensor:f32", "int8/row:e4m3fn/tensor:bf16", "e2m1/2x4:ue1m0b1finite/4x8:f16", "int4/32:e8m0/64:f16",
        "e2m1/16:e4m3fn/tensor:e8m0", "int4/16:int4/32:uint4/row:e4m3fn", "e2m1/3x5:ue4m3/6x10:bf16/tensor:f32"}) {
    const Format f = format(name);
    for (size_t rule = 0; rule < scale_rule_names().size(); ++rule) {
      BlockOptions options;
      options.rule = static_cast<ScaleRule>(rule);
      options.array.pool = rule % 2 == 0 ? &pool : nullptr;
      options.array.isa = offered_isas()[turn++ % offered_isas().size()];
      if (!check_block_format(f, options).ok()) continue;
      check(f, normals(rng, 18 * 64), 64, options);
      check(f, normals(rng, 21 * 75, true), 75, options);
      options.rows = 7;
      check(f, normals(rng, 21 * 33, true), 33, options);
      options.array.policy = {Rounding::stochastic, Saturation::none, 32};
      options.array.seed = 5;
      check(f, normals(rng, 14 * 40, true), 40, options);
      if (HasFatalFailure()) return;
    }
  }
}

// Formats that have a fast path of their own come out of both alike.
TEST(BlockLevels, EqualTheFastPathOfOneLevel) {
  Rng rng(6);
  for (const char* name : {"mxfp4", "mxfp8", "mxint8", "msfp13", "nvfp4", "int4/32", "e4m3fn/row:f32", "nf4/64",
                           "e2m1/8:ue4m3/tensor:bf16", "e2m1/32:e8m0/tensor:f32", "e2m1/16:f32/tensor:f32"}) {
    const Format f = format(name);
    for (size_t rule = 0; rule < scale_rule_names().size(); ++rule) {
      BlockOptions options;
      options.rule = static_cast<ScaleRule>(rule);
      if (!check_block_format(f, options).ok()) continue;
      for (const int64_t cols : {256, 100}) {
        for (const int kind : {0, 1, 2}) {
          std::vector<float> x(static_cast<size_t>(cols * 6), 0.0f);
          if (kind < 2) x = normals(rng, cols * 6, kind == 1);
          const Blocks one = encode_blocks(f, x, cols, options), any = encode_levels(f, x, cols, options);
          EXPECT_EQ(one.codes, any.codes) << name << " " << rule;
          EXPECT_EQ(one.scales, any.scales) << name << " " << rule;
          std::vector<float> a(x.size()), b(x.size());
          cast_blocks(f, x, cols, a, options);
          cast_levels(f, x, cols, b, options);
          for (size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(same(a[i], b[i])) << name << " " << rule << " " << i;
        }
      }
    }
  }
}

// Rouhani et al. 2020 (MSFP) and 2023 (shared micro-exponents): the exponent of a block is that of its largest
// number, a pair is shifted by 1 where both of its exponents are lower, mantissas have no hidden bit.
TEST(BlockLevels, MicroExponentsAsPublished) {
  struct Row {
    const char* name;
    int mantissa;
    bool pairs;
    double bits;
  };
  Rng rng(7);
  for (const Row& row : {Row{"mx9", 7, true, 9},
                         {"mx6", 4, true, 6},
                         {"mx4", 2, true, 4},
                         {"msfp11", 2, false, 3.5},
                         {"msfp12", 3, false, 4.5},
                         {"msfp13", 4, false, 5.5},
                         {"msfp14", 5, false, 6.5},
                         {"msfp15", 6, false, 7.5},
                         {"msfp16", 7, false, 8.5}}) {
    const Format f = format(row.name);
    EXPECT_EQ(bits_per_element(f), row.bits) << row.name;
    EXPECT_EQ(print(f), row.name);
    BlockOptions options;
    options.rule = ScaleRule::floor;
    const std::vector<float> x = normals(rng, 16 * 500);
    std::vector<float> got(x.size());
    cast_blocks(f, x, 16, got, options);
    double signal = 0, noise = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      float most = 0;
      for (size_t j = i / 16 * 16; j < i / 16 * 16 + 16; ++j) most = std::max(most, std::fabs(x[j]));
      int exponent = std::ilogb(most);
      if (row.pairs && std::max(std::fabs(x[i / 2 * 2]), std::fabs(x[i / 2 * 2 + 1])) < std::ldexp(1.0f, exponent)) {
        --exponent;
      }
      const float step = std::ldexp(1.0f, exponent + 1 - row.mantissa);
      const float end = static_cast<float>((1 << row.mantissa) - 1) * step;
      const float expected = std::clamp(std::nearbyint(x[i] / step) * step, -end, end);
      ASSERT_EQ(got[i], expected) << row.name << " " << i << " " << x[i];
      signal += static_cast<double>(x[i]) * x[i];
      noise += std::pow(static_cast<double>(x[i]) - got[i], 2);
    }
    // Theorem 1 of the paper, with 1 bit of shift for 2 numbers of 16 (none: shifts by 0).
    const double bound = 6.02 * row.mantissa + 10 * std::log10(row.pairs ? 4.0 / (16 + 3 * 2) : 1.0 / 16);
    EXPECT_GT(10 * std::log10(signal / noise), bound) << row.name;
    EXPECT_LT(10 * std::log10(signal / noise), bound + 15) << row.name;
  }
}

// QLoRA (Dettmers et al. 2023): absolute maxima of 64 numbers become 8-bit codes under one scale for several of them.
TEST(BlockLevels, DoubleQuantization) {
  Rng rng(8);
  const Format f = format("nf4/64:uint8/256:f32");
  const ElementFormat nf4 = parse_element("nf4").value();
  const std::vector<float> x = normals(rng, 256 * 8);
  std::vector<float> got(x.size());
  cast_blocks(f, x, 512, got, {});
  for (size_t outer = 0; outer < x.size(); outer += 256) {
    float amax[4] = {}, most = 0;
    for (size_t i = 0; i < 256; ++i) amax[i / 64] = std::max(amax[i / 64], std::fabs(x[outer + i]));
    for (const float a : amax) most = std::max(most, a);
    const auto step = static_cast<float>(static_cast<double>(most) / 255);
    for (size_t i = 0; i < 256; ++i) {
      const float scale = static_cast<float>(std::nearbyint(static_cast<double>(amax[i / 64]) / step)) * step;
      const double q = scale > 0 ? static_cast<double>(x[outer + i]) / static_cast<double>(scale) : 0.0;
      ASSERT_EQ(got[outer + i], nf4.decode(encode(nf4, q)) * scale) << outer << " " << i;
    }
  }
}

// DeepSeek-V3's weights (2024, section 3.3): amax / 448 of 128 x 128 numbers; the edges of the matrix are cut off.
TEST(BlockLevels, SquareBlocks) {
  Rng rng(9);
  const int64_t rows = 200, cols = 300;
  const Format f = format("e4m3fn/128x128:f32");
  EXPECT_EQ(bits_per_element(f), 8 + 32.0 / (128 * 128));
  const ElementFormat e4m3fn = f.element;
  std::vector<float> x = normals(rng, rows * cols);
  std::vector<float> got(x.size());
  cast_blocks(f, x, cols, got, {});
  float most[2][3] = {};
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      float& m = most[r / 128][c / 128];
      m = std::max(m, std::fabs(x[static_cast<size_t>(r * cols + c)]));
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      const float scale = most[r / 128][c / 128] / 448;
      const auto at = static_cast<size_t>(r * cols + c);
      ASSERT_EQ(got[at], e4m3fn.decode(encode(e4m3fn, static_cast<double>(x[at]) / scale)) * scale) << r << " " << c;
    }
  }
  // A NaN takes its block along, an infinity does not; blocks of zeros stay zeros.
  x[0] = std::nanf("");
  x[200] = HUGE_VALF;
  std::fill(x.begin() + 128 * cols, x.end(), 0.0f);
  cast_blocks(f, x, cols, got, {});
  EXPECT_TRUE(std::isnan(got[static_cast<size_t>(127 * cols + 127)]));
  EXPECT_TRUE(std::isfinite(got[128]));
  EXPECT_TRUE(std::isfinite(got[200]));
  EXPECT_GT(got[200], 0.0f);
  EXPECT_EQ(got[static_cast<size_t>(128 * cols)], 0.0f);
}

// Weights of NVFP4 in square blocks: a matrix and its transpose have the same values.
TEST(BlockLevels, SquareBlocksOfATranspose) {
  Rng rng(10);
  const int64_t n = 80, m = 48;
  const Format f = format("e2m1/16x16:e4m3fn/tensor:f32");
  const std::vector<float> x = normals(rng, n * m);
  std::vector<float> a(x.size()), b(x.size());
  cast_blocks(f, x, m, a, {});
  const int64_t shape[] = {n, m};
  cast_blocks_along(f, x, shape, 0, b, {});
  EXPECT_EQ(a, b);
  cast_blocks(format("nvfp4"), x, m, b, {});
  EXPECT_NE(a, b);
}

TEST(BlockLevels, AnyAxis) {
  Rng rng(11);
  ThreadPool pool(2);
  const int64_t shape[] = {3, 50, 2, 37};
  const std::vector<float> x = normals(rng, 3 * 50 * 2 * 37, true);
  for (const char* name :
       {"mxfp4", "nvfp4", "mx6", "int8/row:f32", "e4m3fn/2x16:f32", "e2m1/16x16:e4m3fn/tensor:f32"}) {
    const Format f = format(name);
    for (int axis = -4; axis < 4; ++axis) {
      BlockOptions options;
      options.array.policy = {Rounding::stochastic, Saturation::finite, 32};
      options.array.seed = 3;
      const int at = axis < 0 ? axis + 4 : axis;
      // The axis to the end, index by index.
      int64_t strides[4] = {50 * 2 * 37, 2 * 37, 37, 1}, moved_shape[4] = {}, moved_strides[4] = {};
      for (int i = 0, k = 0; i < 4; ++i) {
        if (i == at) continue;
        moved_shape[k] = shape[i];
        moved_strides[k++] = strides[i];
      }
      moved_shape[3] = shape[at];
      moved_strides[3] = strides[at];
      std::vector<size_t> from;
      for (int64_t i = 0; i < moved_shape[0]; ++i)
        for (int64_t j = 0; j < moved_shape[1]; ++j)
          for (int64_t k = 0; k < moved_shape[2]; ++k)
            for (int64_t l = 0; l < moved_shape[3]; ++l)
              from.push_back(static_cast<size_t>(i * moved_strides[0] + j * moved_strides[1] + k * moved_strides[2] +
                                                 l * moved_strides[3]));
      std::vector<float> moved(x.size()), expected(x.size()), got = x;
      for (size_t i = 0; i < x.size(); ++i) moved[i] = x[from[i]];
      BlockOptions matrices = options;
      matrices.rows = moved_shape[2];
      cast_blocks(f, moved, moved_shape[3], moved, matrices);
      for (size_t i = 0; i < x.size(); ++i) expected[from[i]] = moved[i];
      options.array.pool = axis < 0 ? &pool : nullptr;
      cast_blocks_along(f, got, shape, axis, got, options);
      for (size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(same(got[i], expected[i])) << name << " " << axis << " " << i;
    }
  }
  std::vector<float> one = {3.3f};
  cast_blocks_along(format("mxfp4"), one, {}, -1, one, {});
  EXPECT_EQ(one[0], 3.0f);
}

}  // namespace
}  // namespace lowbit::formats
