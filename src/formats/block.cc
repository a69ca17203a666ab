#include "formats/block.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/bits.h"
#include "base/check.h"
#include "base/named_list.h"
#include "formats/array_plans.h"
#include "formats/block_levels.h"
#include "formats/block_scale.h"
#include "formats/codes.h"
#include "formats/exact.h"

namespace lowbit::formats {
namespace {

constexpr std::string_view kRuleNames[] = {"automatic", "floor",       "ceil", "even",          "round-up",
                                           "threshold", "four-thirds", "amax", "four-over-six", "mean-square"};

// Blocks given to a kernel at a time.
constexpr int64_t kBlocksAtOnce = 128;

// The plan of the elements that give the codes of a float for numbers that are not negative; signed ones have those
// of the unsigned.
std::optional<MagicCast> positive_plan(ElementFormat scale) {
  if (scale.kind != ElementKind::floating || scale.bits > 15) return std::nullopt;
  if (!scale.is_signed) ++scale.bits;
  scale.is_signed = true;
  if (!has_magic(scale, {}) || scale.subnormals != Subnormals::gradual || !scale.has_zero) return std::nullopt;
  return magic_plan(scale, {});
}

// ---- one array ---------------------------------------------------------------------------------------------------

// What is the same for all blocks of an array.
class Converter {
 public:
  Converter(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options)
      : format_(format),
        options_(options),
        chooser_(format, options),
        values_(values),
        cols_(cols),
        group_(format.levels[0].group < 0 ? cols : std::min(format.levels[0].group, cols)),
        per_row_(group_ == 0 ? 0 : ceil_div(cols, group_)) {
    const CastPolicy& policy = options.array.policy;
    // Blocks one behind the other; the kernels know nearest_even with clamping alone.
    rounding_.fixed = has_fixed(format.element, policy);
    const bool has_plan = rounding_.fixed || (has_magic(format.element, policy) && format.element.bias < 127);
    fast_ = per_row_ > 0 && cols % group_ == 0 && has_plan && policy.saturation == Saturation::finite &&
            chooser_.rule != ScaleRule::four_over_six && chooser_.rule != ScaleRule::mean_square;
    if (fast_ && rounding_.fixed) rounding_.to_fixed = fixed_plan(format.element);
    if (fast_ && !rounding_.fixed) rounding_.to_float = magic_plan(format.element, policy);
    scale_plan_ = positive_plan(chooser_.scale);
    if (chooser_.scale.bits <= 16) scale_values_ = decode_table(chooser_.scale);
    if (fast_ && chooser_.rule != ScaleRule::amax && !chooser_.scale.has_zero) find_bump();
    nan_scale_ = nan_code(chooser_.scale);
    outer_ = format.levels.size() == 2 ? tensor_scale() : 1.0f;
  }

  int64_t group() const { return group_; }
  int64_t blocks() const { return cols_ == 0 ? 0 : static_cast<int64_t>(values_.size()) / cols_ * per_row_; }
  float outer() const { return outer_; }

  // Codes (8 bits) or values of all blocks, and the codes of their scales where wanted.
  template <class Out>
  void run(Out* out, uint32_t* scales) const {
    const auto part = [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b += kBlocksAtOnce) several(b, std::min(b + kBlocksAtOnce, end), out, scales);
    };
    if (options_.array.pool == nullptr || blocks() <= kBlocksAtOnce) return part(0, blocks());
    options_.array.pool->parallel_for(ceil_div(blocks(), kBlocksAtOnce), 1, [&](int64_t begin, int64_t end, int) {
      part(begin * kBlocksAtOnce, std::min(end * kBlocksAtOnce, blocks()));
    });
  }

 private:
  const Format& format_;
  const BlockOptions& options_;
  Chooser chooser_;
  std::span<const float> values_;
  int64_t cols_, group_, per_row_;
  bool fast_ = false;
  BlockRounding rounding_ = {};
  std::optional<MagicCast> scale_plan_;  // of scales that are floats of at most 15 bits
  std::optional<uint32_t> nan_scale_;
  std::span<const float> scale_values_;  // of its codes, at most 16 bits
  // Of scales that are bare powers of two: the exponent is that of a plus `base_`, and one more where the mantissa of
  // a (23 bits) is at least `bump_`.
  bool by_exponent_ = false;
  int base_ = 0;
  uint32_t bump_ = 0;
  float outer_ = 1;

  // The exponent that the rule gives grows by one at most within a factor of two, everywhere alike.
  void find_bump() {
    by_exponent_ = format_.levels.size() == 1;
    base_ = chooser_.power(1.0);
    uint32_t low = 0, high = 1u << 23;  // from high on it is one more
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      if (chooser_.power(1.0 + static_cast<double>(middle) * 0x1p-23) > base_) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    bump_ = high;
  }

  uint32_t code_by_exponent(uint32_t bits) const {
    const int exponent = static_cast<int>(bits >> 23) - 127;
    const int power = exponent + base_ + ((bits & 0x7FFFFFu) >= bump_ ? 1 : 0);
    return static_cast<uint32_t>(
        std::clamp(power + chooser_.scale.bias, 0, static_cast<int>(max_magnitude(chooser_.scale))));
  }

  float total(uint32_t code) const {
    return (scale_values_.empty() ? chooser_.scale.decode(code) : scale_values_[code]) * outer_;
  }

  // a_T / (m S), S the largest inner scale.
  float tensor_scale() const {
    uint32_t bits = 0;
    array_kernels(options_.array.isa).blocks.amax(values_.data(), std::ssize(values_), 1, &bits);
    // An infinity or a NaN among them: the slow way.
    const double a = bits < 0x7F800000u ? static_cast<double>(bits_float(bits)) : greatest_finite(values_);
    const ElementFormat& stored = format_.levels[1].scale;
    const float s = stored.decode(encode(stored, a / Chooser(format_, options_, 1).most));
    return s > 0 ? s : 1.0f;
  }

  std::pair<int64_t, int64_t> place(int64_t block) const {
    const int64_t begin = block / per_row_ * cols_ + block % per_row_ * group_;
    return {begin, std::min(begin + group_, (block / per_row_ + 1) * cols_)};
  }

  template <class Out>
  void several(int64_t begin, int64_t end, Out* out, uint32_t* scales) const {
    std::array<uint32_t, kBlocksAtOnce> codes = {};
    std::array<float, kBlocksAtOnce> totals = {};
    std::array<uint8_t, kBlocksAtOnce> slow;
    const int64_t count = end - begin;
    slow.fill(1);
    const bool some_slow = !fast_ || choose_scales(begin, count, codes.data(), totals.data(), slow.data());
    for (int64_t i = 0; i < count;) {
      int64_t next = i + 1;
      if (some_slow && slow[static_cast<size_t>(i)] != 0) {
        codes[static_cast<size_t>(i)] = one(begin + i, out);
      } else {
        while (next < count && !(some_slow && slow[static_cast<size_t>(next)] != 0)) ++next;
        convert(begin + i, next - i, totals.data() + i, out);
      }
      i = next;
    }
    if (scales != nullptr) std::copy_n(codes.data(), count, scales + begin);
  }

  void convert(int64_t block, int64_t count, const float* totals, uint8_t* out) const {
    array_kernels(options_.array.isa)
        .blocks.codes8(rounding_, multiplies(), values_.data() + block * group_, group_, count, totals,
                       out + block * group_);
  }
  void convert(int64_t block, int64_t count, const float* totals, float* out) const {
    array_kernels(options_.array.isa)
        .blocks.cast(rounding_, multiplies(), values_.data() + block * group_, group_, count, totals,
                     out + block * group_);
  }
  bool multiplies() const { return is_power_of_two(chooser_.scale) && format_.levels.size() == 1; }

  // Scales of many blocks by the rules that look at the greatest magnitude alone. Gives whether any block is slow.
  bool choose_scales(int64_t begin, int64_t count, uint32_t* codes, float* totals, uint8_t* slow) const {
    const BlockKernels& kernels = array_kernels(options_.array.isa).blocks;
    std::array<uint32_t, kBlocksAtOnce> bits;
    kernels.amax(values_.data() + begin * group_, group_, count, bits.data());
    if (chooser_.rule == ScaleRule::amax) {
      divide_by_largest(bits.data(), count, codes);
    } else if (by_exponent_) {
      for (int64_t i = 0; i < count; ++i) codes[i] = code_by_exponent(bits[static_cast<size_t>(i)]);
    } else {
      for (int64_t i = 0; i < count; ++i) {
        const float a = bits_float(bits[static_cast<size_t>(i)]);
        codes[i] = std::isfinite(a) && a > 0 ? chooser_.stored(chooser_.wanted(a, outer_)) : 0;
      }
    }
    if (scale_values_.empty()) {
      for (int64_t i = 0; i < count; ++i) totals[i] = bits_float(codes[i]) * outer_;
    } else {
      for (int64_t i = 0; i < count; ++i) totals[i] = scale_values_[codes[i]] * outer_;
    }
    // Nothing that counts rounds to a subnormal float, in a remainder either, or beyond the largest one. Patterns of
    // positive floats are ordered as they are.
    uint32_t any = 0;
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t least = float_bits(0x1p-60f), most = float_bits(0x1p100f);
      const uint32_t a = bits[static_cast<size_t>(i)] - least, t = float_bits(totals[i]) - float_bits(0x1p-80f);
      const uint32_t out = (a > most - least ? 1u : 0u) | (t > float_bits(0x1p100f) - float_bits(0x1p-80f) ? 1u : 0u);
      slow[i] = static_cast<uint8_t>(out);
      any |= out;
    }
    return any != 0;
  }

  // The rule amax: of the magnitudes with these bits.
  void divide_by_largest(const uint32_t* bits, int64_t count, uint32_t* codes) const {
    std::array<float, kBlocksAtOnce> wanted;
    const auto divisor = static_cast<float>(chooser_.most * static_cast<double>(outer_));
    for (int64_t i = 0; i < count; ++i) wanted[static_cast<size_t>(i)] = bits_float(bits[i]);
    if (chooser_.scale.bits == 32) {
      // Nothing narrower follows: the nearest float is the scale.
      for (int64_t i = 0; i < count; ++i) codes[i] = float_bits(wanted[static_cast<size_t>(i)] / divisor);
      return;
    }
    const ArrayKernels& kernels = array_kernels(options_.array.isa);
    kernels.blocks.quotients(wanted.data(), divisor, wanted.data(), count);
    std::array<uint16_t, kBlocksAtOnce> words;
    if (scale_plan_) {
      kernels.magic.codes16(*scale_plan_, wanted.data(), words.data(), count, 0);
    } else {
      ArrayOptions options;
      options.isa = options_.array.isa;
      const auto n = static_cast<size_t>(count);
      encode_array(chooser_.scale, std::span(wanted).first(n), std::span(words).first(n), options);
    }
    std::copy_n(words.begin(), count, codes);
  }

  void put(float value, uint32_t, float& out) const { out = value; }
  void put(float, uint32_t code, uint8_t& out) const { out = static_cast<uint8_t>(code); }

  // One block by the definition.
  template <class Out>
  uint32_t one(int64_t block, Out* out) const {
    const auto [begin, end] = place(block);
    const std::span<const float> x = values_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    const bool lost = holds_nan(x) && nan_scale_.has_value();
    const uint32_t code = lost ? *nan_scale_ : chooser_.choose(x, greatest_finite(x), outer_);
    const float total = chooser_.total(code, outer_);
    const CastPolicy& policy = options_.array.policy;
    const ElementFormat& element = format_.element;
    for (int64_t i = begin; i < end; ++i) {
      const double v = values_[static_cast<size_t>(i)];
      double q = v / static_cast<double>(total);
      if (lost || (std::isfinite(v) && total == 0)) q = 0;
      const uint32_t random =
          is_stochastic(policy.rounding) ? random_word(options_.array.seed, static_cast<uint64_t>(i)) : 0;
      const uint32_t got = encode(element, q, policy, random);
      put(element.decode(got) * total, got, out[i]);
    }
    return code;
  }
};

}  // namespace

Result<ScaleRule> parse_scale_rule(std::string_view name) {
  std::string names;
  for (size_t i = 0; i < std::size(kRuleNames); ++i) {
    if (kRuleNames[i] == name) return static_cast<ScaleRule>(i);
    names += fmt::format("{}{}", i == 0 ? "" : ", ", kRuleNames[i]);
  }
  return errorf("scale rule: found \"{}\", expected one of {}", name, names);
}

std::string_view print_scale_rule(ScaleRule rule) { return kRuleNames[static_cast<size_t>(rule)]; }
std::span<const std::string_view> scale_rule_names() { return kRuleNames; }

Status check_block_format(const Format& format, const BlockOptions& options) {
  const std::string name = print(format);
  if (format.is_plain()) return errorf("format {}: found no scales, expected blocks", name);
  if (format.has_minimum() || format.has_zero_point()) {
    return errorf(
        "format {}: found a {}, which needs a search, expected symmetric scales (lowbit quantize takes all formats)",
        name, format.has_minimum() ? "minimum" : "zero point");
  }
  for (const ScaleLevel& level : format.levels) {
    if (!(level.scale.max_value() > 0)) {
      return errorf("format {}: found no positive value in the scale {}", name, print(level.scale));
    }
  }
  if (format.element.bits > 8)
    return errorf("format {}: found an element of {} bits, expected at most 8", name, format.element.bits);
  const ElementFormat& element = format.element;
  if (!(element.max_value() > 0)) return errorf("format {}: found no positive value in the element", name);
  if (options.rule == ScaleRule::four_thirds && is_power_of_two(format.levels[0].scale)) {
    return errorf("format {}: found the rule four-thirds, whose scales are no powers of two, and the scale {}", name,
                  print(format.levels[0].scale));
  }
  if (options.rule == ScaleRule::four_over_six && element.max_value() != 6.0f) {
    return errorf("format {}: found the rule four-over-six, expected it with e2m1 alone", name);
  }
  if (options.threshold < 0 || !std::isfinite(options.threshold)) {
    return errorf("threshold of scales: found {}, expected a positive number", options.threshold);
  }
  return {};
}

uint32_t choose_scale(const Format& format, std::span<const float> block, float outer, const BlockOptions& options,
                      size_t level) {
  return Chooser(format, options, level).choose(block, greatest_finite(block), outer);
}

namespace {

// One level in groups or rows, and perhaps the tensor's: what Converter knows.
bool is_single(const Format& format) {
  const std::vector<ScaleLevel>& levels = format.levels;
  const auto real = [](const ScaleLevel& level) { return level.scale.kind == ElementKind::floating; };
  if (levels[0].rows > 1 || levels[0].group == kGroupTensor || !real(levels[0])) return false;
  return levels.size() == 1 || (levels.size() == 2 && levels[0].group > 0 && levels[1].group == kGroupTensor &&
                                real(levels[1]) && !is_power_of_two(levels[1].scale));
}

void check_call(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options) {
  LOWBIT_CHECK(check_block_format(format, options).ok());
  LOWBIT_CHECK(cols > 0 && std::ssize(values) % cols == 0 && options.rows >= 0);
  LOWBIT_CHECK(options.rows == 0 || std::ssize(values) / cols % options.rows == 0);
}

}  // namespace

Blocks encode_blocks(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options) {
  Blocks out;
  encode_blocks(format, values, cols, options, out);
  return out;
}

void encode_blocks(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options,
                   Blocks& out) {
  check_call(format, values, cols, options);
  if (!is_single(format)) {
    out = encode_levels(format, values, cols, options);
    return;
  }
  const Converter converter(format, values, cols, options);
  out.outer.clear();
  out.cols = cols;
  out.rows = out.matrix_rows = static_cast<int64_t>(values.size()) / cols;
  out.group = converter.group();
  out.tensor_scale = converter.outer();
  out.codes.resize(values.size());
  out.scales.resize(static_cast<size_t>(converter.blocks()));
  converter.run(out.codes.data(), out.scales.data());
}

void decode_blocks(const Format& format, const Blocks& blocks, std::span<float> out, const ArrayOptions& options) {
  LOWBIT_CHECK(out.size() == blocks.codes.size() && static_cast<int64_t>(out.size()) == blocks.rows * blocks.cols);
  if (!is_single(format)) return decode_levels(format, blocks, out, options);
  decode_array(format.element, std::span(blocks.codes), out, options);
  const ElementFormat& scale = format.levels[0].scale;
  const int64_t per_row = ceil_div(blocks.cols, blocks.group);
  for (int64_t b = 0; b < static_cast<int64_t>(blocks.scales.size()); ++b) {
    const float total = scale.decode(blocks.scales[static_cast<size_t>(b)]) * blocks.tensor_scale;
    const int64_t row = b / per_row, begin = row * blocks.cols + b % per_row * blocks.group;
    const int64_t end = std::min(begin + blocks.group, (row + 1) * blocks.cols);
    for (int64_t i = begin; i < end; ++i) out[static_cast<size_t>(i)] *= total;
  }
}

void cast_blocks(const Format& format, std::span<const float> values, int64_t cols, std::span<float> out,
                 const BlockOptions& options) {
  check_call(format, values, cols, options);
  LOWBIT_CHECK(out.size() == values.size());
  if (!is_single(format)) return cast_levels(format, values, cols, out, options);
  Converter(format, values, cols, options).run(out.data(), nullptr);
}

}  // namespace lowbit::formats
