// What an element format is: the fields of its codes, its range, the codes that are no number, its precision.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/exact.h"
#include "formats/format.h"

namespace lowbit::eval {

// Some bits of a code, as the drawing of a format names them: "sign", "exponent", "mantissa", "integer", "fraction",
// "index".
struct Field {
  std::string_view name;
  int bits = 0;
};
// From the highest bit down.
std::vector<Field> fields_of(const formats::ElementFormat& element);

// Distance of neighbouring values relative to their magnitude, the greatest within [2^exponent, 2^(exponent + 1)):
// between neighbours a < b of which a part lies in there, (b - a) / max(a, 2^exponent).
struct Binade {
  int exponent = 0;
  int64_t values = 0;          // positive values within
  std::optional<double> step;  // nothing where the largest value is a power of two, alone in its binade
};

// A code and what it means.
struct CodeValue {
  uint32_t code = 0;
  formats::Exact value;
  bool made = true;  // encoding gives this code for its value (else another code of the same value, or none)
};

// Every finite value of an element in ascending order, by the codes that encoding makes; of -0 and 0 the latter.
class ValueLine {
 public:
  // f32 has too many values to list.
  static bool can_list(const formats::ElementFormat& element) { return element.bits < 32; }
  explicit ValueLine(const formats::ElementFormat& element);

  std::span<const CodeValue> values() const { return values_; }
  // The values next to one of the line, where there are any.
  const CodeValue* below(const formats::Exact& value) const;
  const CodeValue* above(const formats::Exact& value) const;

 private:
  std::vector<CodeValue> values_;
};

struct ElementFacts {
  int bits = 0;
  std::optional<int> bias;                        // of a float
  formats::Exact largest, least;                  // finite
  formats::Exact smallest;                        // positive
  std::optional<formats::Exact> smallest_normal;  // of a float with subnormal numbers
  int64_t finite_codes = 0, finite_values = 0;
  std::vector<uint32_t> zeros, infinities;  // codes
  int64_t nan_codes = 0;
  uint32_t first_nan = 0, last_nan = 0;  // where there are any
  // largest / smallest, in factors of two and in decibels (20 log10).
  double binades = 0.0, decibels = 0.0;
  std::optional<double> ulp_at_one;  // distance from 1 to the value above it; nothing where 1 is no value or the last
  double significant_bits = 0.0;     // 1 - log2(the least relative step)
  double decimal_digits = 0.0;       // the same in decimal digits
  std::vector<Binade> precision;     // from the smallest to the largest magnitude
};
ElementFacts facts_of(const formats::ElementFormat& element);

// All codes in order. CHECKs ValueLine::can_list.
std::vector<CodeValue> list_codes(const formats::ElementFormat& element);

// As people read it: the shortest decimal that a double tells apart, "1.5*2^9000" beyond the range of double, "-0",
// "inf", "nan".
std::string value_text(const formats::Exact& value);

}  // namespace lowbit::eval
