// What a bit pattern means: element formats and block formats, as run-time values.
//
// A Format is one element format and levels of scaling from the inside out, written as one string
// (grammar: README.md of this room), for example
//   int4/128:f16+zp                    groups of 128 along the reduction, an fp16 scale and a zero point each
//   uint4/32:uint6+uint6/256:f16+f16   super-blocks: 6-bit scales and minima, scaled again every 256
//   e2m1/16:e4m3fn/tensor:f32          NVFP4
//   e4m3fn/128x128:f32                 one scale for each 128 rows of 128 elements
//
// The value of a code q under scale s, zero point z, minimum m (each already combined over the levels):
//   fma(value(q), s, m)      or      float(int(q) - int(z)) * s
// with s = s0 * s1 * ... multiplied from the inside out, each product rounded to float; m likewise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowbit::formats {

enum class ElementKind : uint8_t { floating, integer, fixed, codebook };

// Which codes of a float are no number. ieee: those of the top exponent that are no infinity. all_ones: only the
// magnitude of all ones (OCP e4m3fn). negative_zero: only the code of -0 (FNUZ, P3109). none: no code.
enum class NanKind : uint8_t { ieee, all_ones, negative_zero, none };

// What the codes with an exponent field of 0 mean. gradual: subnormal numbers, as in IEEE 754. zero: all of them are
// zeros (flush to zero). binade: numbers with a hidden bit, as those of every other field; all bits zero is zero.
enum class Subnormals : uint8_t { gradual, zero, binade };

// "float", "integer", "fixed", "codebook".
std::string_view kind_name(ElementKind kind);

struct Codebook;  // codebook.h

struct ElementFormat {
  ElementKind kind = ElementKind::floating;
  uint8_t bits = 32;  // 1 to 16; 19 for tf32; 32 for f32
  bool is_signed = true;
  // floating
  uint8_t exponent_bits = 8;
  uint8_t mantissa_bits = 23;  // stored bits
  int16_t bias = 127;
  NanKind nan = NanKind::ieee;
  bool has_infinity = true;  // the largest magnitude that is no NaN; with ieee the top exponent without mantissa
  Subnormals subnormals = Subnormals::gradual;
  bool has_zero = true;  // false: e8m0, where code 0 is the smallest power of two
  // fixed: value = integer code * 2^-fraction_bits
  uint8_t fraction_bits = 0;
  // codebook
  std::shared_ptr<const Codebook> codebook;

  bool operator==(const ElementFormat& other) const;

  uint32_t code_count() const { return bits >= 32 ? 0 : 1u << bits; }
  // The value of a code (0 <= code < 2^bits); NaN and infinities as the format has them. Exact where exact_in_float()
  // holds, as for every element of a Format but irrational ones; else the nearest float (exact.h has the value
  // itself).
  float decode(uint32_t code) const;
  // Largest finite value and smallest (most negative, or the least for unsigned formats), as decode() gives them.
  float max_value() const;
  float min_value() const;
  // The codes of these two values.
  uint32_t max_code() const;
  uint32_t min_code() const;
  // floor(log2(largest value)): emax of the OCP scale rule.
  int max_exponent() const;
  bool is_integer() const { return kind == ElementKind::integer; }
};

// Is every value of the element a float?
bool exact_in_float(const ElementFormat& format);

enum class Rounding : uint8_t {
  nearest_even,
  nearest_away,
  nearest_zero,
  nearest_odd,
  up,
  down,
  to_zero,
  away,
  to_odd,            // inexact numbers to the neighbour with the odd code
  jam,               // von Neumann: toward zero, then the last bit of the magnitude becomes 1, exact or not
  stochastic,        // away from zero with the probability of the distance; P3109's StochasticA of random_bits
  stochastic_b,      // P3109's StochasticB
  stochastic_c,      // P3109's StochasticC
  stochastic_equal,  // away from zero with probability 1/2
};

enum class Saturation : uint8_t {
  finite,     // everything beyond the range becomes the largest finite value
  propagate,  // finite values clamp; infinities stay infinite where the format has them
  none,       // beyond the range: infinity where the format has it, else NaN where it has it, else clamp
  wrap,       // integers and fixed point: modulo 2^bits, as two's complement hardware does; others as none
};

// How a real number becomes a code: always passed, never assumed.
struct CastPolicy {
  Rounding rounding = Rounding::nearest_even;
  Saturation saturation = Saturation::finite;
  uint8_t random_bits = 32;  // 1 to 32: how many the stochastic roundings use

  bool operator==(const CastPolicy&) const = default;
};

// Does the rounding draw random bits?
constexpr bool is_stochastic(Rounding rounding) { return rounding >= Rounding::stochastic; }

// The code for x. NaN: the format's NaN where it has one, else the code of zero (or the value nearest to zero).
// Ties of a codebook go to the even index under nearest_even. random: 32 bits, of which the stochastic roundings use
// the lowest random_bits.
uint32_t encode(const ElementFormat& format, double x, const CastPolicy& policy = {}, uint32_t random = 0);

// All values of an element of at most 16 bits (or tf32), indexed by code, as decode() gives them. Cached; the span
// lives as long as the program.
std::span<const float> decode_table(const ElementFormat& format);

// An element whose every value is an int8 times one power of two ("a small integer" of the numeric contract):
// value(code) == integers[code] * 2^exponent. For elements of at most 8 bits.
struct IntegerForm {
  std::vector<int16_t> integers;  // indexed by code, each in [-128, 255]
  int exponent = 0;
  int16_t least = 0, most = 0;
};
// Null where the element has no such form. integers span at most 256 consecutive values (most - least <= 255).
const IntegerForm* integer_form(const ElementFormat& format);

constexpr int64_t kGroupRow = -1;     // one scale for a whole row of the reduction
constexpr int64_t kGroupTensor = -2;  // one scale for the whole tensor

struct ScaleLevel {
  int64_t group = kGroupRow;  // elements along the reduction, or one of the two constants
  ElementFormat scale;
  std::optional<ElementFormat> minimum;  // a real number added: its format
  bool zero_point = false;               // an integer code of the element's own kind; innermost level only
  int64_t rows = 1;  // of the matrix that share the scale: more than 1 only in conversions of arrays (block.h)

  bool operator==(const ScaleLevel&) const = default;
};

struct Format {
  ElementFormat element;
  std::vector<ScaleLevel> levels;  // from the inside out; empty: a plain element

  bool operator==(const Format&) const = default;
  bool is_plain() const { return levels.empty(); }
  bool has_minimum() const { return !levels.empty() && levels[0].minimum.has_value(); }
  bool has_zero_point() const { return !levels.empty() && levels[0].zero_point; }
};

// A matrix that is packed, multiplied or written to a file has scales within its rows. The error says what has blocks
// of several rows.
Status check_rows_apart(const Format& format);

// Bits of a code and of its share of the scales, minima and zero points of groups; those of rows and tensors count 0.
double bits_per_element(const Format& format);

// Parses one string of the format language, aliases included. The error names the column and the nearest names.
Result<Format> parse_format(std::string_view text);
// Any element, also those whose values a float cannot hold.
Result<ElementFormat> parse_element(std::string_view text);
// "rne", "sr-8b", ... and "finite", "propagate", "none", "wrap" (README.md). The seed is no part of a policy.
Result<CastPolicy> parse_policy(std::string_view rounding, std::string_view saturation);
std::string print_rounding(const CastPolicy& policy);
std::string_view print_saturation(Saturation saturation);

// The shortest string with parse_format(print(f)) == f: an alias where the format is exactly one.
std::string print(const Format& format);
std::string print(const ElementFormat& element);

// A published name for a format string: rows of formats.inc.
struct Alias {
  std::string_view name;
  std::string_view meaning;  // a string of the language without aliases
  std::string_view source;   // the specification that publishes it
};
std::span<const Alias> aliases();

// The element formats that have a name of their own (f16, bf16, e4m3fn, nf4, ...), for lists and help.
struct ElementRow {
  std::string_view name;
  std::string_view source;
};
std::span<const ElementRow> named_elements();

}  // namespace lowbit::formats
