#include "formats/sample.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "formats/families.h"
#include "formats/names.h"

namespace lowbit::formats {
namespace {

constexpr int64_t kGroups[] = {8, 16, 24, 32, 48, 64, 100, 128, kGroupRow};
constexpr int64_t kOuterFactors[] = {1, 2, 3, 4, 8, 10};
constexpr std::string_view kFloatScales[] = {"f32", "f16", "bf16", "e4m3fn", "e8m0", "ue5m3", "ue4m3", "e5m2"};
constexpr std::string_view kFloatMinima[] = {"f32", "f16", "bf16", "e4m3fn", "e5m2fnuz"};
constexpr std::string_view kVariants[] = {"", "fn", "fnuz", "finite", "ieee", "nuz", "n", "inf"};
constexpr std::string_view kSubnormals[] = {"", "", "", "ftz", "nosub"};

template <class T, size_t N>
const T& pick(Rng& rng, const T (&from)[N]) {
  return from[rng.below(N)];
}

bool chance(Rng& rng, uint64_t one_in) { return rng.below(one_in) == 0; }

std::string sample_float(Rng& rng) {
  const bool is_signed = !chance(rng, 5);
  const int room = is_signed ? 7 : 8;  // bits beside the sign
  const int exponent = 1 + static_cast<int>(rng.below(static_cast<uint64_t>(room)));
  const int mantissa = static_cast<int>(rng.below(static_cast<uint64_t>(room - exponent + 1)));
  std::string out = fmt::format("{}e{}m{}", is_signed ? "" : "u", exponent, mantissa);
  if (chance(rng, 4)) out += fmt::format("b{}", rng.below(uint64_t{2} << exponent));
  if (is_signed || mantissa > 0) out += std::string(pick(rng, kVariants)) + std::string(pick(rng, kSubnormals));
  return out;
}

std::string sample_integer(Rng& rng, int most_bits) {
  const uint64_t bits = 1 + rng.below(static_cast<uint64_t>(most_bits));
  if (chance(rng, 8)) return fmt::format("int{}{}", bits + 1, chance(rng, 2) ? "sm" : "sym");
  return fmt::format("{}int{}", chance(rng, 2) ? "u" : "", bits);
}

std::string sample_fixed(Rng& rng) {
  return fmt::format("{}fix{}.{}", chance(rng, 4) ? "u" : "", 1 + rng.below(8), rng.below(10));
}

// One of the texts between separators.
std::string_view alternative(Rng& rng, std::string_view texts, char separator) {
  uint64_t left = rng.below(1 + static_cast<uint64_t>(std::count(texts.begin(), texts.end(), separator)));
  for (; left > 0; --left) texts.remove_prefix(texts.find(separator) + 1);
  return texts.substr(0, texts.find(separator));
}

// A text of the shape of a family, such as "lnsN.R[lin]": capitals are numbers. Not every one is an element.
std::string from_shape(Rng& rng, std::string_view shape) {
  std::string out;
  for (size_t at = 0; at < shape.size(); ++at) {
    const char c = shape[at];
    if (c == '[' || c == '{') {
      const size_t end = shape.find(c == '[' ? ']' : '}', at);
      const std::string_view texts = shape.substr(at + 1, end - at - 1);
      if (c == '{' || chance(rng, 2)) out += from_shape(rng, alternative(rng, texts, c == '[' ? '|' : ','));
      at = end;
    } else if (c >= 'A' && c <= 'Z') {
      while (at + 1 < shape.size() && shape[at + 1] >= 'A' && shape[at + 1] <= 'Z') ++at;
      out += chance(rng, 4) ? fmt::format("0.{}", 1 + rng.below(99)) : std::to_string(rng.below(9));
    } else {
      out += c;
    }
  }
  return out;
}

// A list of values, or any family by its shape.
std::string sample_listed(Rng& rng) {
  static constexpr std::string_view kNames[] = {
#define LOWBIT_CODEBOOK(name, bits, source, ...) name,
#include "formats/codebooks.inc"
#undef LOWBIT_CODEBOOK
  };
  if (chance(rng, 4)) return std::string(pick(rng, kNames));
  const std::span<const Family> all = families();
  return from_shape(rng, all[rng.below(all.size())].shape);
}

// The groups of one to three levels from the inside out.
std::vector<int64_t> sample_groups(Rng& rng) {
  std::vector<int64_t> out = {pick(rng, kGroups)};
  if (out[0] != kGroupRow && chance(rng, 2))
    out.push_back(chance(rng, 4) ? kGroupRow : out[0] * pick(rng, kOuterFactors));
  if (chance(rng, 4)) out.push_back(kGroupTensor);
  return out;
}

std::string group_name(int64_t group) {
  if (group == kGroupRow) return "row";
  return group == kGroupTensor ? "tensor" : std::to_string(group);
}

// Codes of scales and minima are at least 4 bits wide: narrower ones describe no weight.
std::string sample_scale(Rng& rng, bool outermost, bool minimum) {
  if (!outermost && chance(rng, 2)) return fmt::format("{}int{}", minimum ? "" : "u", 4 + rng.below(5));
  return std::string(minimum ? pick(rng, kFloatMinima) : pick(rng, kFloatScales));
}

std::string sample_levels(Rng& rng, bool integer_element) {
  const std::vector<int64_t> groups = sample_groups(rng);
  const bool minimum = chance(rng, 3);
  const bool zero_point = !minimum && integer_element && chance(rng, 2);
  std::string out;
  for (size_t i = 0; i < groups.size(); ++i) {
    const bool outermost = i + 1 == groups.size();
    out += fmt::format("/{}:{}", group_name(groups[i]), sample_scale(rng, outermost, false));
    if (i == 0 && zero_point) out += "+zp";
    if (minimum && (i == 0 || chance(rng, 2))) out += "+" + sample_scale(rng, outermost, true);
  }
  return out;
}

}  // namespace

ElementFormat sample_element(Rng& rng) {
  for (;;) {
    const uint64_t kind = rng.below(8);
    const std::string text = kind < 3   ? sample_float(rng)
                             : kind < 6 ? sample_integer(rng, 8)
                             : kind < 7 ? sample_fixed(rng)
                                        : sample_listed(rng);
    // Some drawn elements leave the range of f32 or have no value but zero.
    const auto parsed = parse_format(text);
    if (parsed.ok() && parsed->element.bits <= 8) return parsed->element;
  }
}

Format sample_format(Rng& rng) {
  for (;;) {
    const ElementFormat element = sample_element(rng);
    const bool plain = chance(rng, 12);
    const std::string text = print(element) + (plain ? "" : sample_levels(rng, element.is_integer()));
    auto parsed = parse_format(text);
    LOWBIT_CHECK(parsed.ok());
    if (alias_of(*parsed).empty() && name_of(parsed->element).size() * plain == 0) return std::move(parsed).value();
  }
}

}  // namespace lowbit::formats
