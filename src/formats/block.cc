#include "formats/block.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/bits.h"
#include "base/check.h"
#include "base/named_list.h"
#include "formats/array_plans.h"
#include "formats/codes.h"
#include "formats/exact.h"

namespace lowbit::formats {
namespace {

constexpr std::string_view kRuleNames[] = {"automatic", "floor",       "ceil", "even",          "round-up",
                                           "threshold", "four-thirds", "amax", "four-over-six", "mean-square"};

// Blocks given to a kernel at a time.
constexpr int64_t kBlocksAtOnce = 128;

bool is_power_of_two(const ElementFormat& scale) {
  return scale.kind == ElementKind::floating && scale.mantissa_bits == 0 && !scale.is_signed;
}

double largest_value(const ElementFormat& element) {
  return std::fabs(decode_exact(element, element.max_code()).to_double());
}

ScaleRule rule_of(const Format& format, const BlockOptions& options) {
  if (options.rule != ScaleRule::automatic) return options.rule;
  return is_power_of_two(format.levels[0].scale) ? ScaleRule::threshold : ScaleRule::amax;
}

// The step below the largest value.
double last_step(const ElementFormat& element) {
  const double most = largest_value(element);
  const double below =
      decode_exact(element, encode(element, std::nextafter(most, 0.0), {Rounding::down, {}})).to_double();
  return most - below;
}

// Bits behind the point of the element's significand, as the rule `even` counts them.
int mantissa_of(const ElementFormat& element) {
  return element.kind == ElementKind::floating ? element.mantissa_bits : std::max(element.bits - 2, 0);
}

// Everything about a format that the choice of a scale needs.
struct Chooser {
  const Format& format;
  const ElementFormat& element;
  const ElementFormat& scale;
  ScaleRule rule;
  double most;       // m
  int exponent;      // e
  double threshold;  // t
  bool below;        // a == t s is allowed: below the first power of two beyond m
  int mantissa;

  Chooser(const Format& f, const BlockOptions& options)
      : format(f),
        element(f.element),
        scale(f.levels[0].scale),
        rule(rule_of(f, options)),
        most(largest_value(element)),
        exponent(element.max_exponent()),
        mantissa(mantissa_of(element)) {
    threshold = rule == ScaleRule::round_up ? most
                : options.threshold > 0     ? options.threshold
                                            : most + 0.625 * last_step(element);
    below = threshold < std::ldexp(1.0, exponent + 1);
  }

  // The exponent of a power-of-two scale; a > 0.
  int power(double a) const {
    const int floor = std::ilogb(a);
    switch (rule) {
      case ScaleRule::ceil:
        return floor + (std::ldexp(1.0, floor) == a ? 0 : 1) - exponent;
      case ScaleRule::even:
        return std::ilogb(a + std::ldexp(1.0, floor - mantissa - 1)) - exponent;
      case ScaleRule::round_up:
      case ScaleRule::threshold: {
        int up = 0;
        const double part = std::frexp(a / threshold, &up);  // in [1/2, 1)
        return part == 0.5 && below ? up - 1 : up;
      }
      default:
        return floor - exponent;
    }
  }

  // The scale before it is stored, of rules that need no trial.
  double wanted(double a, float outer) const {
    if (rule == ScaleRule::amax)
      return a / static_cast<double>(static_cast<float>(most * static_cast<double>(outer)));
    const double power_of_two = std::ldexp(1.0, power(a));
    const double factor = rule == ScaleRule::four_thirds ? 4.0 / 3.0 : 1.0;
    return power_of_two * factor / static_cast<double>(outer);
  }

  uint32_t stored(double s) const { return encode(scale, s, {Rounding::nearest_even, Saturation::finite}); }
  float total(uint32_t code, float outer) const { return scale.decode(code) * outer; }

  double squared_error(std::span<const float> block, float total_scale, const CastPolicy& policy) const {
    double sum = 0;
    for (const float x : block) {
      if (!std::isfinite(x)) continue;
      const double q = total_scale != 0 ? static_cast<double>(x) / static_cast<double>(total_scale) : 0.0;
      const double d =
          static_cast<double>(x) - static_cast<double>(element.decode(encode(element, q, policy)) * total_scale);
      sum += d * d;
    }
    return sum;
  }

  // The code with the least squared error; the first of equals.
  uint32_t best_of(std::span<const uint32_t> codes, std::span<const float> block, float outer) const {
    uint32_t best = codes[0];
    double least = std::numeric_limits<double>::infinity();
    for (const uint32_t code : codes) {
      const double error = squared_error(block, total(code, outer), {});
      if (error < least) {
        least = error;
        best = code;
      }
    }
    return best;
  }

  uint32_t choose(std::span<const float> block, double a, float outer) const {
    if (a == 0) return stored(0.0);
    std::vector<uint32_t> codes;
    if (rule == ScaleRule::four_over_six) {
      codes = {stored(a / 6 / static_cast<double>(outer)), stored(a / 4 / static_cast<double>(outer))};
    } else if (rule == ScaleRule::mean_square && is_power_of_two(scale)) {
      for (const int k : {1, 0, -1})
        codes.push_back(stored(std::ldexp(1.0, power(a) + k) / static_cast<double>(outer)));
    } else if (rule == ScaleRule::mean_square) {
      for (int k = 60; k >= 25; --k) codes.push_back(stored(a / most * (k / 50.0) / static_cast<double>(outer)));
    } else {
      return stored(wanted(a, outer));
    }
    return best_of(codes, block, outer);
  }
};

// The plan of the elements that give the codes of a float for numbers that are not negative; signed ones have those
// of the unsigned.
std::optional<MagicCast> positive_plan(ElementFormat scale) {
  if (scale.kind != ElementKind::floating || scale.bits > 15) return std::nullopt;
  if (!scale.is_signed) ++scale.bits;
  scale.is_signed = true;
  if (!has_magic(scale, {}) || scale.subnormals != Subnormals::gradual || !scale.has_zero) return std::nullopt;
  return magic_plan(scale, {});
}

double greatest_finite(std::span<const float> block) {
  double a = 0;
  for (const float x : block) {
    if (std::isfinite(x)) a = std::max(a, static_cast<double>(std::fabs(x)));
  }
  return a;
}

bool holds_nan(std::span<const float> block) {
  return std::any_of(block.begin(), block.end(), [](float x) { return std::isnan(x); });
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

  // a_T / (m S), S the largest inner scale (256 for four over six, so that 3/2 of it is there too).
  float tensor_scale() const {
    uint32_t bits = 0;
    array_kernels(options_.array.isa).blocks.amax(values_.data(), std::ssize(values_), 1, &bits);
    // An infinity or a NaN among them: the slow way.
    const double a = bits < 0x7F800000u ? static_cast<double>(bits_float(bits)) : greatest_finite(values_);
    double inner = decode_exact(chooser_.scale, chooser_.scale.max_code()).to_double();
    if (chooser_.rule == ScaleRule::four_over_six) inner = std::min(inner, 256.0);
    const ElementFormat& stored = format_.levels[1].scale;
    const float s = stored.decode(encode(stored, a / (chooser_.most * inner)));
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
      kernels.magic_codes16(*scale_plan_, wanted.data(), words.data(), count);
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
  const size_t levels = format.levels.size();
  const bool shape = levels == 1
                         ? format.levels[0].group != kGroupTensor
                         : levels == 2 && format.levels[0].group > 0 && format.levels[1].group == kGroupTensor;
  if (!shape || format.has_minimum() || format.has_zero_point()) {
    return errorf(
        "format {}: found scales that need a search, expected groups or rows with a symmetric scale, and "
        "perhaps one scale of the tensor",
        name);
  }
  for (const ScaleLevel& level : format.levels) {
    if (level.scale.kind != ElementKind::floating) {
      return errorf("format {}: found a scale {}, expected a float", name, print(level.scale));
    }
  }
  if (format.element.bits > 8)
    return errorf("format {}: found an element of {} bits, expected at most 8", name, format.element.bits);
  const ElementFormat& element = format.element;
  if (!(element.max_value() > 0)) return errorf("format {}: found no positive value in the element", name);
  const bool power = is_power_of_two(format.levels[0].scale);
  const ScaleRule rule = rule_of(format, options);
  if (rule == ScaleRule::four_thirds && power) {
    return errorf("format {}: found the rule four-thirds, whose scales are no powers of two, and the scale {}", name,
                  print(format.levels[0].scale));
  }
  if (rule == ScaleRule::four_over_six && element.max_value() != 6.0f) {
    return errorf("format {}: found the rule four-over-six, expected it with e2m1 alone", name);
  }
  if (options.threshold < 0 || !std::isfinite(options.threshold)) {
    return errorf("threshold of scales: found {}, expected a positive number", options.threshold);
  }
  return {};
}

uint32_t choose_scale(const Format& format, std::span<const float> block, float outer, const BlockOptions& options) {
  return Chooser(format, options).choose(block, greatest_finite(block), outer);
}

Blocks encode_blocks(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options) {
  LOWBIT_CHECK(check_block_format(format, options).ok());
  LOWBIT_CHECK(cols > 0 && static_cast<int64_t>(values.size()) % cols == 0);
  const Converter converter(format, values, cols, options);
  Blocks out;
  out.cols = cols;
  out.rows = static_cast<int64_t>(values.size()) / cols;
  out.group = converter.group();
  out.tensor_scale = converter.outer();
  out.codes.resize(values.size());
  out.scales.resize(static_cast<size_t>(converter.blocks()));
  converter.run(out.codes.data(), out.scales.data());
  return out;
}

void decode_blocks(const Format& format, const Blocks& blocks, std::span<float> out, const ArrayOptions& options) {
  LOWBIT_CHECK(out.size() == blocks.codes.size() && static_cast<int64_t>(out.size()) == blocks.rows * blocks.cols);
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
  LOWBIT_CHECK(check_block_format(format, options).ok() && out.size() == values.size());
  LOWBIT_CHECK(cols > 0 && static_cast<int64_t>(values.size()) % cols == 0);
  Converter(format, values, cols, options).run(out.data(), nullptr);
}

}  // namespace lowbit::formats
