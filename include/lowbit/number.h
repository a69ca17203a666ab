// Numbers of a low-precision format as C++ scalars, each operation computed exactly and rounded once.
//
//   lowbit::Number<"e4m3fn"> x(0.3), y = sqrt(x) * x;             the format known when compiling
//   lowbit::Number<"bf16", "rz"> z(y);                             with another rounding
//   const lowbit::NumberFormat& f = lowbit::NumberFormat::of("posit16");
//   lowbit::DynamicNumber u(f, 0.3), v = u * u;                    or when running
//
// Formats, roundings and saturations are written as everywhere in lowbit: "e5m2", "binary8p4se", "posit16",
// "fix12.4", "int8", "nf4", ...; "rne" (nearest, ties to even), "rna", "ru", "rd", "rz", "odd", "sr" (stochastic),
// ...; "none" (beyond the range: infinity or NaN where the format has them, else the largest value), "finite",
// "propagate", "wrap". A text that is none of these is an error of the programmer: the program ends with a sentence
// that says what is wrong; NumberFormat::find() is for texts of users.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>

namespace lowbit {

// Stochastic roundings of scalars take their random bits from a stream of the calling thread, counted from here on:
// the same seed, stream and operations give the same numbers. A thread that never calls this has seed 0, stream 0.
void seed_rounding(uint64_t seed, uint64_t stream = 0);

// A format and how results are rounded to it. Made once for each spelling, never freed: two with one address are one.
class NumberFormat {
 public:
  // Null where a text has no meaning; *error then says why.
  static const NumberFormat* find(std::string_view format, std::string_view rounding = "rne",
                                  std::string_view saturation = "none", std::string* error = nullptr);
  // Ends the program where a text has no meaning, or a code has more than `most_bits` bits.
  static const NumberFormat& of(std::string_view format, std::string_view rounding = "rne",
                                std::string_view saturation = "none", int most_bits = 32);

  const std::string& name() const { return name_; }
  int bits() const { return bits_; }

  // Codes of numbers, rounded once.
  uint32_t encode(double x) const;
  uint32_t encode_integer(bool negative, uint64_t magnitude) const;
  uint32_t encode_code(const NumberFormat& other, uint32_t code) const;  // of another format
  // A decimal number ("-1.5e-3", "inf", "nan"), rounded once whatever its length. False: the text is none.
  bool encode_text(std::string_view text, uint32_t* code) const;

  // Exact where a double (float) can hold the value, else the nearest.
  double decode(uint32_t code) const { return values_ != nullptr ? values_[code] : decode_wide(code); }
  float decode_float(uint32_t code) const;

  uint32_t add(uint32_t a, uint32_t b) const { return binary(0, a, b); }
  uint32_t subtract(uint32_t a, uint32_t b) const { return binary(1, a, b); }
  uint32_t multiply(uint32_t a, uint32_t b) const { return binary(2, a, b); }
  uint32_t divide(uint32_t a, uint32_t b) const { return binary(3, a, b); }
  uint32_t square_root(uint32_t a) const;
  uint32_t fma(uint32_t a, uint32_t b, uint32_t c) const;  // a * b + c
  uint32_t negate(uint32_t a) const;
  std::partial_ordering compare(uint32_t a, uint32_t b) const {
    return values_ != nullptr ? values_[a] <=> values_[b] : compare_wide(a, b);
  }
  bool is_nan(uint32_t a) const;
  bool is_infinite(uint32_t a) const;
  bool is_negative(uint32_t a) const;  // the sign of the number, that of -0 too

  // Of the format: what std::numeric_limits says. Where there is no infinity or NaN: what encoding one gives.
  struct Limits {
    bool is_signed, has_infinity, has_nan, has_subnormals;
    int digits;                      // bits of the significand at 1
    int min_exponent, max_exponent;  // as std::numeric_limits counts them
    uint32_t zero, one, min_normal, least, max, lowest, epsilon, half, infinity, nan;  // codes
  };
  const Limits& limits() const { return limits_; }

  NumberFormat(const NumberFormat&) = delete;
  NumberFormat& operator=(const NumberFormat&) = delete;
  ~NumberFormat();

 private:
  struct Meaning;
  explicit NumberFormat(std::unique_ptr<Meaning> meaning);

  // add, subtract, multiply, divide
  uint32_t binary(int row, uint32_t a, uint32_t b) const {
    return tables_[row] != nullptr ? tables_[row][(a << bits_) | b] : compute(row, a, b);
  }
  uint32_t compute(int row, uint32_t a, uint32_t b) const;
  double decode_wide(uint32_t code) const;
  uint32_t flags(uint32_t a) const;
  std::partial_ordering compare_wide(uint32_t a, uint32_t b) const;

  std::unique_ptr<Meaning> meaning_;
  const uint8_t* tables_[4] = {};   // of results at (a << bits) | b, for at most 8 bits; null: computed
  const double* values_ = nullptr;  // likewise
  int bits_ = 0;
  std::string name_;
  Limits limits_{};
};

namespace detail {
[[noreturn]] void misused(const char* sentence);
}  // namespace detail

// A text as a template argument.
template <size_t N>
struct FixedString {
  char text[N] = {};
  consteval FixedString(const char (&characters)[N]) {  // implicit: Number<"e4m3fn">
    for (size_t i = 0; i < N; ++i) text[i] = characters[i];
  }
  constexpr operator std::string_view() const { return {text, N - 1}; }
};

// A number of the format Format. Code is the unsigned integer that holds it: uint8_t, uint16_t or uint32_t.
template <FixedString Format, FixedString Rounding = "rne", FixedString Saturation = "none", class Code = uint16_t>
class Number {
 public:
  static const NumberFormat& format() {
    static const NumberFormat& made =
        NumberFormat::of(Format, Rounding, Saturation, std::numeric_limits<Code>::digits);
    return made;
  }

  Number() : code_(static_cast<Code>(format().limits().zero)) {}
  template <std::floating_point T>
  explicit Number(T x) : code_(static_cast<Code>(format().encode(static_cast<double>(x)))) {
    static_assert(sizeof(T) <= sizeof(double), "a long double would be rounded twice");
  }
  template <std::integral T>
  explicit Number(T x) : code_(static_cast<Code>(format().encode_integer(x < 0, magnitude(x)))) {}
  template <FixedString F, FixedString R, FixedString S, class C>
  explicit Number(Number<F, R, S, C> x)
      : code_(static_cast<Code>(format().encode_code(Number<F, R, S, C>::format(), x.code()))) {}

  static Number from_code(uint32_t code) {
    Number out{Uninitialized{}};
    out.code_ = static_cast<Code>(code);
    return out;
  }
  uint32_t code() const { return code_; }

  explicit operator double() const { return format().decode(code_); }
  explicit operator float() const { return format().decode_float(code_); }
  template <std::integral T>
  explicit operator T() const {
    return static_cast<T>(format().decode(code_));
  }

  friend Number operator+(Number a, Number b) { return from_code(format().add(a.code_, b.code_)); }
  friend Number operator-(Number a, Number b) { return from_code(format().subtract(a.code_, b.code_)); }
  friend Number operator*(Number a, Number b) { return from_code(format().multiply(a.code_, b.code_)); }
  friend Number operator/(Number a, Number b) { return from_code(format().divide(a.code_, b.code_)); }
  friend Number operator-(Number a) { return from_code(format().negate(a.code_)); }
  friend Number operator+(Number a) { return a; }
  Number& operator+=(Number b) { return *this = *this + b; }
  Number& operator-=(Number b) { return *this = *this - b; }
  Number& operator*=(Number b) { return *this = *this * b; }
  Number& operator/=(Number b) { return *this = *this / b; }

  friend std::partial_ordering operator<=>(Number a, Number b) { return format().compare(a.code_, b.code_); }
  friend bool operator==(Number a, Number b) { return (a <=> b) == 0; }

  // Found by the type of their arguments, as those of <cmath>.
  friend Number sqrt(Number a) { return from_code(format().square_root(a.code_)); }
  friend Number fma(Number a, Number b, Number c) { return from_code(format().fma(a.code_, b.code_, c.code_)); }
  friend Number abs(Number a) { return format().is_negative(a.code_) ? -a : a; }
  friend Number fabs(Number a) { return abs(a); }
  friend bool isnan(Number a) { return format().is_nan(a.code_); }
  friend bool isinf(Number a) { return format().is_infinite(a.code_); }
  friend bool isfinite(Number a) { return !isnan(a) && !isinf(a); }
  friend bool signbit(Number a) { return format().is_negative(a.code_); }

  friend std::ostream& operator<<(std::ostream& out, Number a) { return out << static_cast<double>(a); }
  friend std::istream& operator>>(std::istream& in, Number& a) {
    std::string text;
    uint32_t code = 0;
    if (!(in >> text)) return in;
    if (format().encode_text(text, &code)) {
      a = from_code(code);
    } else {
      in.setstate(std::ios::failbit);
    }
    return in;
  }

 private:
  struct Uninitialized {};
  explicit Number(Uninitialized) {}
  template <std::integral T>
  static uint64_t magnitude(T x) {
    return x < 0 ? uint64_t{0} - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
  }

  Code code_;
};

// A number whose format is known when running. Two that meet have one NumberFormat; anything else is an error of the
// programmer and ends the program.
class DynamicNumber {
 public:
  DynamicNumber() = default;  // no number yet
  DynamicNumber(const NumberFormat& format, double x) : format_(&format), code_(format.encode(x)) {}
  // From another format, rounded once.
  DynamicNumber(const NumberFormat& format, DynamicNumber x) : format_(&format) {
    code_ = format.encode_code(x.format(), x.code_);
  }
  static DynamicNumber from_code(const NumberFormat& format, uint32_t code) {
    DynamicNumber out;
    out.format_ = &format;
    out.code_ = code;
    return out;
  }
  const NumberFormat& format() const {
    if (format_ == nullptr) detail::misused("a DynamicNumber without a format was used");
    return *format_;
  }
  uint32_t code() const { return code_; }
  explicit operator double() const { return format().decode(code_); }
  explicit operator float() const { return format().decode_float(code_); }

  friend DynamicNumber operator+(DynamicNumber a, DynamicNumber b) {
    return a.with(a.shared(b).add(a.code_, b.code_));
  }
  friend DynamicNumber operator-(DynamicNumber a, DynamicNumber b) {
    return a.with(a.shared(b).subtract(a.code_, b.code_));
  }
  friend DynamicNumber operator*(DynamicNumber a, DynamicNumber b) {
    return a.with(a.shared(b).multiply(a.code_, b.code_));
  }
  friend DynamicNumber operator/(DynamicNumber a, DynamicNumber b) {
    return a.with(a.shared(b).divide(a.code_, b.code_));
  }
  friend DynamicNumber operator-(DynamicNumber a) { return a.with(a.format().negate(a.code_)); }
  DynamicNumber& operator+=(DynamicNumber b) { return *this = *this + b; }
  DynamicNumber& operator-=(DynamicNumber b) { return *this = *this - b; }
  DynamicNumber& operator*=(DynamicNumber b) { return *this = *this * b; }
  DynamicNumber& operator/=(DynamicNumber b) { return *this = *this / b; }

  friend std::partial_ordering operator<=>(DynamicNumber a, DynamicNumber b) {
    return a.shared(b).compare(a.code_, b.code_);
  }
  friend bool operator==(DynamicNumber a, DynamicNumber b) { return (a <=> b) == 0; }

  friend DynamicNumber sqrt(DynamicNumber a) { return a.with(a.format().square_root(a.code_)); }
  friend DynamicNumber fma(DynamicNumber a, DynamicNumber b, DynamicNumber c) {
    a.shared(c);
    return a.with(a.shared(b).fma(a.code_, b.code_, c.code_));
  }
  friend DynamicNumber abs(DynamicNumber a) { return a.format().is_negative(a.code_) ? -a : a; }
  friend bool isnan(DynamicNumber a) { return a.format().is_nan(a.code_); }
  friend bool isinf(DynamicNumber a) { return a.format().is_infinite(a.code_); }
  friend bool isfinite(DynamicNumber a) { return !isnan(a) && !isinf(a); }
  friend std::ostream& operator<<(std::ostream& out, DynamicNumber a) { return out << static_cast<double>(a); }

 private:
  DynamicNumber with(uint32_t code) const { return from_code(*format_, code); }
  const NumberFormat& shared(DynamicNumber other) const {
    if (format_ != other.format_) detail::misused("numbers of two formats met in one operation");
    return format();
  }

  const NumberFormat* format_ = nullptr;
  uint32_t code_ = 0;
};

// LOWBIT_NUMBER_LITERAL(_half, "f16") makes 0.1_half a Number<"f16">, rounded once from the decimal digits.
#define LOWBIT_NUMBER_LITERAL(suffix, ...)                                    \
  inline ::lowbit::Number<__VA_ARGS__> operator""##suffix(const char* text) { \
    uint32_t code = 0;                                                        \
    if (!::lowbit::Number<__VA_ARGS__>::format().encode_text(text, &code)) {  \
      ::lowbit::detail::misused("a literal of a number that is not decimal"); \
    }                                                                         \
    return ::lowbit::Number<__VA_ARGS__>::from_code(code);                    \
  }

namespace literals {
LOWBIT_NUMBER_LITERAL(_f16, "f16")
LOWBIT_NUMBER_LITERAL(_bf16, "bf16")
LOWBIT_NUMBER_LITERAL(_e5m2, "e5m2")
LOWBIT_NUMBER_LITERAL(_e4m3fn, "e4m3fn")
LOWBIT_NUMBER_LITERAL(_posit8, "posit8")
LOWBIT_NUMBER_LITERAL(_posit16, "posit16")
}  // namespace literals

}  // namespace lowbit

// What depends on the format is read when the program starts: initialized before main(), no constant expressions.
template <lowbit::FixedString F, lowbit::FixedString R, lowbit::FixedString S, class C>
class std::numeric_limits<lowbit::Number<F, R, S, C>> {
  using T = lowbit::Number<F, R, S, C>;
  static const lowbit::NumberFormat::Limits& limits() { return T::format().limits(); }

 public:
  static constexpr bool is_specialized = true;
  static constexpr bool is_integer = false;
  static constexpr bool is_exact = false;
  static constexpr bool is_iec559 = false;
  static constexpr bool is_bounded = true;
  static constexpr bool is_modulo = false;
  static constexpr bool traps = false;
  static constexpr bool tinyness_before = false;
  static constexpr bool has_signaling_NaN = false;
  static constexpr int radix = 2;
  static inline const bool is_signed = limits().is_signed;
  static inline const bool has_infinity = limits().has_infinity;
  static inline const bool has_quiet_NaN = limits().has_nan;
  static inline const std::float_denorm_style has_denorm =
      limits().has_subnormals ? std::denorm_present : std::denorm_absent;
  static constexpr bool has_denorm_loss = false;
  static constexpr std::float_round_style round_style = std::string_view(R) == "rne"  ? std::round_to_nearest
                                                        : std::string_view(R) == "rz" ? std::round_toward_zero
                                                        : std::string_view(R) == "ru" ? std::round_toward_infinity
                                                        : std::string_view(R) == "rd" ? std::round_toward_neg_infinity
                                                                                      : std::round_indeterminate;
  static inline const int digits = limits().digits;
  static inline const int digits10 = (limits().digits - 1) * 30103 / 100000;
  static inline const int max_digits10 = limits().digits * 30103 / 100000 + 2;
  static inline const int min_exponent = limits().min_exponent;
  static inline const int max_exponent = limits().max_exponent;
  static inline const int min_exponent10 = limits().min_exponent * 30103 / 100000;
  static inline const int max_exponent10 = limits().max_exponent * 30103 / 100000;

  static T min() { return T::from_code(limits().min_normal); }
  static T max() { return T::from_code(limits().max); }
  static T lowest() { return T::from_code(limits().lowest); }
  static T denorm_min() { return T::from_code(limits().least); }
  static T epsilon() { return T::from_code(limits().epsilon); }
  static T round_error() { return T::from_code(limits().half); }
  static T infinity() { return T::from_code(limits().infinity); }
  static T quiet_NaN() { return T::from_code(limits().nan); }
  static T signaling_NaN() { return T::from_code(limits().nan); }
};
