#include "arith/decimal.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "arith/fixed_point.h"

namespace lowbit::arith {
namespace {

using formats::Exact;

constexpr int64_t kFarExponent = 20000;  // of ten: beyond every format, on either side
constexpr size_t kKeptDigits = 2000;     // more digits only tell whether something is left

// digits * 10^exponent, digits without leading zeros.
struct Decimal {
  std::string digits;
  int64_t exponent = 0;
};

// A separator may stand between two digits.
bool take_digit(std::string_view& text, char& digit, bool after_digit) {
  if (after_digit && text.size() > 1 && text[0] == '\'' && text[1] >= '0' && text[1] <= '9') text.remove_prefix(1);
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  digit = text[0];
  text.remove_prefix(1);
  return true;
}

std::optional<int64_t> take_exponent(std::string_view& text) {
  if (text.empty() || (text[0] != 'e' && text[0] != 'E')) return 0;
  text.remove_prefix(1);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  char digit = 0;
  if (!take_digit(text, digit, false)) return std::nullopt;
  do {
    value = std::min<int64_t>(value * 10 + (digit - '0'), 1'000'000'000);
  } while (take_digit(text, digit, true));
  return negative ? -value : value;
}

std::optional<Decimal> scan(std::string_view text) {
  Decimal out;
  bool any = false, point = false, after_digit = false;
  for (;;) {
    char digit = 0;
    if (take_digit(text, digit, after_digit)) {
      any = after_digit = true;
      if (!out.digits.empty() || digit != '0') out.digits += digit;
      if (point) --out.exponent;
    } else if (!point && text.starts_with('.')) {
      point = true;
      after_digit = false;
      text.remove_prefix(1);
    } else {
      break;
    }
  }
  const auto exponent = take_exponent(text);
  if (!any || !exponent || !text.empty()) return std::nullopt;
  out.exponent += *exponent;
  if (out.digits.size() > kKeptDigits) {
    // A last digit of 1 stands for what is left.
    const bool more = out.digits.find_first_not_of('0', kKeptDigits) != std::string::npos;
    out.exponent += static_cast<int64_t>(out.digits.size() - kKeptDigits - (more ? 1 : 0));
    out.digits.resize(kKeptDigits);
    if (more) out.digits += '1';
  }
  return out;
}

// limbs = limbs * factor + addend; room must be left above.
void multiply_add(std::vector<uint64_t>& limbs, uint64_t factor, uint64_t addend) {
  unsigned __int128 carry = addend;
  for (uint64_t& limb : limbs) {
    carry += static_cast<unsigned __int128>(limb) * factor;
    limb = static_cast<uint64_t>(carry);
    carry >>= 64;
  }
}

// limbs = limbs / 10; the remainder.
uint64_t divide_by_ten(std::vector<uint64_t>& limbs) {
  uint64_t rest = 0;
  for (size_t i = limbs.size(); i > 0; --i) {
    const unsigned __int128 part = (static_cast<unsigned __int128>(rest) << 64) | limbs[i - 1];
    limbs[i - 1] = static_cast<uint64_t>(part / 10);
    rest = static_cast<uint64_t>(part % 10);
  }
  return rest;
}

Exact exact_of(const Decimal& decimal) {
  if (decimal.digits.empty()) return Exact::zero();
  const int64_t leading = decimal.exponent + static_cast<int64_t>(decimal.digits.size());
  if (leading > kFarExponent) return Exact::finite(false, 1, 4 * kFarExponent);
  if (leading < -kFarExponent) return Exact::finite(false, 1, -4 * kFarExponent);
  const auto places = static_cast<size_t>(std::max<int64_t>(-decimal.exponent, 0));
  // Bits below the point that leave more than 64 after the divisions, and room for the digits above them.
  const size_t below = places == 0 ? 0 : places * 4 / 64 + 3;
  const auto above =
      (decimal.digits.size() + static_cast<size_t>(std::max<int64_t>(decimal.exponent, 0))) * 4 / 64 + 2;
  std::vector<uint64_t> limbs(above, 0);
  for (const char digit : decimal.digits) multiply_add(limbs, 10, static_cast<uint64_t>(digit - '0'));
  for (int64_t i = 0; i < decimal.exponent; ++i) multiply_add(limbs, 10, 0);
  limbs.insert(limbs.begin(), below, 0);
  bool rest = false;
  for (size_t i = 0; i < places; ++i) rest = divide_by_ten(limbs) != 0 || rest;
  return read_fixed(limbs, -64 * static_cast<int64_t>(below), rest ? 1 : 0);
}

}  // namespace

std::optional<Exact> parse_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string word(text.substr(0, 9));
  std::ranges::transform(word, word.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (word == "nan") return Exact::nan();
  if (word == "inf" || word == "infinity") return Exact::infinity(negative);
  const auto decimal = scan(text);
  if (!decimal) return std::nullopt;
  Exact out = exact_of(*decimal);
  out.negative = negative;
  return out;
}

}  // namespace lowbit::arith
