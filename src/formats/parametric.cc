// Elements written by their parameters: [u]eXmY[bN][variant], [u]intN, [u]fixW.F.
#include <optional>

#include "formats/codes.h"
#include "formats/names.h"

namespace lowbit::formats {
namespace {

// Reads a token from left to right.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  size_t at() const { return at_; }
  bool done() const { return at_ == text_.size(); }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  // A decimal number of at most 4 digits without a leading zero.
  std::optional<int> number() {
    size_t end = at_;
    int value = 0;
    while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9' && end - at_ < 5) {
      value = value * 10 + (text_[end++] - '0');
    }
    const size_t digits = end - at_;
    if (digits == 0 || digits > 4 || (digits > 1 && text_[at_] == '0')) return std::nullopt;
    at_ = end;
    return value;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

ElementParse unknown() {
  ElementParse out;
  out.unknown = true;
  return out;
}

ElementParse wrong(size_t at, std::string problem) {
  ElementParse out;
  out.at = at;
  out.problem = std::move(problem);
  return out;
}

ElementParse found(const ElementFormat& element) {
  ElementParse out;
  out.ok = true;
  out.element = element;
  return out;
}

// Suffixes of floats.
struct Variant {
  std::string_view suffix;
  NanKind nan;
};
constexpr Variant kVariants[] = {
    {"fnuz", NanKind::negative_zero}, {"fn", NanKind::all_ones}, {"finite", NanKind::none}, {"ieee", NanKind::ieee}};

// The floats that OCP MX (and e2m2 by analogy) define without any code that is no number, with or without "fn".
bool finite_by_default(const ElementFormat& f) {
  const int shape = f.exponent_bits * 16 + f.mantissa_bits;
  return f.is_signed && (shape == 0x21 || shape == 0x22 || shape == 0x23 || shape == 0x32);
}

NanKind nan_of(const ElementFormat& f, std::optional<NanKind> written) {
  if (!f.is_signed) return NanKind::all_ones;
  if (finite_by_default(f) && written.value_or(NanKind::all_ones) == NanKind::all_ones) return NanKind::none;
  return written.value_or(NanKind::ieee);
}

ElementParse parse_float(std::string_view text, bool is_signed) {
  Scanner scan(text);
  scan.take(is_signed ? "e" : "ue");
  const size_t exponent_at = scan.at();
  const auto exponent = scan.number();
  if (!exponent || !scan.take("m")) return unknown();
  const auto mantissa = scan.number();
  if (!mantissa) return unknown();
  std::optional<int> bias;
  if (scan.take("b") && !(bias = scan.number())) return unknown();
  std::optional<NanKind> written;
  const size_t variant_at = scan.at();
  for (const Variant& variant : kVariants) {
    if (!written && scan.take(variant.suffix)) written = variant.nan;
  }
  if (!scan.done()) return unknown();
  if (*exponent < 1 || *exponent > 8) return wrong(exponent_at, "1 to 8 exponent bits");
  if (*mantissa > 23) return wrong(exponent_at, "an element of at most 16 bits, or f32");
  if (!is_signed && written) return wrong(variant_at, "an unsigned float without variants");
  ElementFormat f;
  f.is_signed = is_signed;
  f.exponent_bits = static_cast<uint8_t>(*exponent);
  f.mantissa_bits = static_cast<uint8_t>(*mantissa);
  f.bits = static_cast<uint8_t>(*exponent + *mantissa + (is_signed ? 1 : 0));
  f.has_zero = is_signed || *mantissa > 0;
  f.nan = nan_of(f, written);
  const int standard = (1 << (*exponent - 1)) - (f.nan == NanKind::negative_zero ? 0 : 1);
  f.bias = static_cast<int16_t>(bias.value_or(standard));
  if (const char* defect = element_defect(f)) return wrong(0, defect);
  return found(f);
}

ElementFormat whole_number(ElementKind kind, bool is_signed, int bits) {
  ElementFormat f;
  f.kind = kind;
  f.is_signed = is_signed;
  f.bits = static_cast<uint8_t>(bits);
  f.exponent_bits = f.mantissa_bits = 0;
  f.bias = 0;
  f.nan = NanKind::none;
  return f;
}

ElementParse parse_integer(std::string_view text, bool is_signed) {
  Scanner scan(text);
  scan.take(is_signed ? "int" : "uint");
  const size_t bits_at = scan.at();
  const auto bits = scan.number();
  if (!bits || !scan.done()) return unknown();
  if (*bits < 1 || *bits > 16) return wrong(bits_at, "an integer of 1 to 16 bits");
  return found(whole_number(ElementKind::integer, is_signed, *bits));
}

ElementParse parse_fixed(std::string_view text, bool is_signed) {
  Scanner scan(text);
  scan.take(is_signed ? "fix" : "ufix");
  const size_t bits_at = scan.at();
  const auto bits = scan.number();
  if (!bits || !scan.take(".")) return unknown();
  const size_t fraction_at = scan.at();
  const auto fraction = scan.number();
  if (!fraction || !scan.done()) return unknown();
  if (*bits < 1 || *bits > 16) return wrong(bits_at, "a fixed-point number of 1 to 16 bits");
  if (*fraction > 32) return wrong(fraction_at, "0 to 32 bits below the point");
  ElementFormat f = whole_number(ElementKind::fixed, is_signed, *bits);
  f.fraction_bits = static_cast<uint8_t>(*fraction);
  return found(f);
}

// The families by what they begin with; each parser answers `unknown` where the rest has not its shape.
struct Family {
  std::string_view prefix;
  ElementParse (*parse)(std::string_view text, bool is_signed);
  bool is_signed;
};
constexpr Family kFamilies[] = {{"int", parse_integer, true}, {"uint", parse_integer, false},
                                {"fix", parse_fixed, true},   {"ufix", parse_fixed, false},
                                {"e", parse_float, true},     {"ue", parse_float, false}};

std::string print_float(const ElementFormat& f) {
  std::string base = fmt::format("{}e{}m{}", f.is_signed ? "" : "u", f.exponent_bits, f.mantissa_bits);
  const int standard = (1 << (f.exponent_bits - 1)) - (f.nan == NanKind::negative_zero ? 0 : 1);
  if (f.bias != standard) base += fmt::format("b{}", f.bias);
  if (!f.is_signed) return base;
  std::string_view suffix;
  for (const Variant& variant : kVariants) {
    if (variant.nan == f.nan) suffix = variant.suffix;
  }
  // A name such as e8m0 may hide the bare spelling.
  if (f.nan == nan_of(f, std::nullopt) && find_named_element(base) == nullptr) return base;
  return base + std::string(suffix);
}

}  // namespace

ElementParse parse_parametric(std::string_view text) {
  for (const Family& family : kFamilies) {
    if (!text.starts_with(family.prefix)) continue;
    ElementParse parsed = family.parse(text, family.is_signed);
    if (!parsed.unknown) return parsed;
  }
  return unknown();
}

std::string print(const ElementFormat& element) {
  if (const std::string_view name = name_of(element); !name.empty()) return std::string(name);
  switch (element.kind) {
    case ElementKind::codebook:
      return element.codebook->name;
    case ElementKind::integer:
      return fmt::format("{}int{}", element.is_signed ? "" : "u", element.bits);
    case ElementKind::fixed:
      return fmt::format("{}fix{}.{}", element.is_signed ? "" : "u", element.bits, element.fraction_bits);
    case ElementKind::floating:
      break;
  }
  return print_float(element);
}

}  // namespace lowbit::formats
