#include "eval/format_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arith/functions.h"
#include "base/check.h"
#include "formats/codebook.h"

namespace lowbit::eval {
namespace {

using formats::ElementFormat;
using formats::ElementKind;
using formats::Exact;

constexpr double kLog10Of2 = 0.30102999566398120;

// x / 2^exponent, as a double.
double scaled(Exact x, int exponent) {
  x.exponent -= exponent;
  return x.to_double();
}

Exact negated(Exact x) {
  x.negative = !x.negative;
  return x;
}

double log2_of(const Exact& x) { return static_cast<double>(x.exponent) + arith::log2(scaled(x, x.exponent)); }

bool is_power_of_two(const Exact& x) { return x.significand == uint64_t{1} << 63; }

// What the gaps between positive values in ascending order are in each binade.
std::vector<Binade> precision_of(std::span<const CodeValue> positive) {
  std::vector<Binade> binades;
  const int first = positive.front().value.exponent;
  for (int e = first; e <= positive.back().value.exponent; ++e) binades.push_back({e, 0, {}});
  for (const CodeValue& v : positive) ++binades[static_cast<size_t>(v.value.exponent - first)].values;
  for (size_t i = 0; i + 1 < positive.size(); ++i) {
    const Exact &low = positive[i].value, &high = positive[i + 1].value;
    const Exact gap = formats::add(high, negated(low));
    const int last = high.exponent - (is_power_of_two(high) ? 1 : 0);
    for (int e = low.exponent; e <= last; ++e) {
      const double step = scaled(gap, e) / (e == low.exponent ? scaled(low, e) : 1.0);
      auto& greatest = binades[static_cast<size_t>(e - first)].step;
      greatest = std::max(greatest.value_or(0.0), step);
    }
  }
  return binades;
}

void set_range(ElementFacts& facts) {
  facts.binades = log2_of(facts.largest) - log2_of(facts.smallest);
  facts.decibels = 20.0 * kLog10Of2 * facts.binades;
  double least = 1.0;
  for (const Binade& b : facts.precision) least = std::min(least, b.step.value_or(1.0));
  facts.significant_bits = 1.0 - arith::log2(least);
  facts.decimal_digits = facts.significant_bits * kLog10Of2;
}

void set_float_fields(const ElementFormat& f, ElementFacts& facts) {
  if (f.kind != ElementKind::floating) return;
  facts.bias = f.bias;
  if (f.has_zero && f.subnormals == formats::Subnormals::gradual && f.mantissa_bits > 0) {
    facts.smallest_normal = Exact::finite(false, 1, 1 - f.bias);
  }
}

// f32 by its fields, as IEEE 754 has them: it has too many codes to list.
ElementFacts facts_of_f32(const ElementFormat& f) {
  ElementFacts facts;
  facts.bits = f.bits;
  set_float_fields(f, facts);
  facts.largest = formats::decode_exact(f, f.max_code());
  facts.least = formats::decode_exact(f, f.min_code());
  facts.smallest = formats::decode_exact(f, 1);
  const int64_t magnitudes = int64_t{f.max_code()} + 1;
  facts.finite_codes = 2 * magnitudes;
  facts.finite_values = facts.finite_codes - 1;
  facts.zeros = {0, 0x80000000u};
  facts.infinities = {f.max_code() + 1, 0x80000000u | (f.max_code() + 1)};
  facts.nan_codes = (int64_t{1} << 32) - facts.finite_codes - 2;
  facts.first_nan = f.max_code() + 2;
  facts.last_nan = 0xFFFFFFFFu;
  facts.ulp_at_one = std::ldexp(1.0, -f.mantissa_bits);
  for (int e = facts.smallest.exponent; e <= facts.largest.exponent; ++e) {
    const int bits = std::min<int>(e - facts.smallest.exponent, f.mantissa_bits);
    facts.precision.push_back({e, int64_t{1} << bits, std::ldexp(1.0, -bits)});
  }
  set_range(facts);
  return facts;
}

void count_codes(std::span<const CodeValue> codes, ElementFacts& facts) {
  for (const CodeValue& row : codes) {
    if (row.value.is_nan()) {
      if (facts.nan_codes++ == 0) facts.first_nan = row.code;
      facts.last_nan = row.code;
    }
    if (row.value.is_zero()) facts.zeros.push_back(row.code);
    if (row.value.is_infinite()) facts.infinities.push_back(row.code);
    facts.finite_codes += row.value.is_finite() ? 1 : 0;
  }
}

}  // namespace

std::vector<Field> fields_of(const ElementFormat& f) {
  std::vector<Field> fields;
  const int sign = f.is_signed ? 1 : 0;
  if (f.kind == ElementKind::floating) {
    fields = {{"sign", sign}, {"exponent", f.exponent_bits}, {"mantissa", f.mantissa_bits}};
  } else if (f.kind == ElementKind::fixed) {
    // The point may stand in front of the highest bit.
    const int fraction = std::min<int>(f.fraction_bits, f.bits);
    fields = {{"integer", f.bits - fraction}, {"fraction", fraction}};
  } else {
    fields = {{f.is_integer() ? "integer" : "index", f.bits}};
  }
  std::erase_if(fields, [](const Field& field) { return field.bits == 0; });
  return fields;
}

std::vector<CodeValue> list_codes(const ElementFormat& f) {
  LOWBIT_CHECK(ValueLine::can_list(f));
  std::vector<CodeValue> codes;
  // A list of values may be shorter than its codes reach; those beyond its end do not occur.
  const size_t count = f.codebook ? f.codebook->values.size() : f.code_count();
  for (uint32_t code = 0; code < count; ++code) {
    const Exact value = formats::decode_exact(f, code);
    codes.push_back({code, value, formats::encode(f, value, {{}, formats::Saturation::propagate}) == code});
  }
  return codes;
}

ValueLine::ValueLine(const ElementFormat& f) {
  for (const CodeValue& row : list_codes(f)) {
    const bool negative_zero = row.value.is_zero() && row.value.negative;
    if (row.value.is_finite() && row.made && !negative_zero) values_.push_back(row);
  }
  std::sort(values_.begin(), values_.end(),
            [](const CodeValue& a, const CodeValue& b) { return formats::compare(a.value, b.value) < 0; });
}

const CodeValue* ValueLine::below(const Exact& value) const {
  const auto at = std::lower_bound(values_.begin(), values_.end(), value, [](const CodeValue& a, const Exact& b) {
    return formats::compare(a.value, b) < 0;
  });
  return at == values_.begin() ? nullptr : &*(at - 1);
}

const CodeValue* ValueLine::above(const Exact& value) const {
  const auto at = std::upper_bound(values_.begin(), values_.end(), value, [](const Exact& a, const CodeValue& b) {
    return formats::compare(a, b.value) < 0;
  });
  return at == values_.end() ? nullptr : &*at;
}

ElementFacts facts_of(const ElementFormat& f) {
  if (!ValueLine::can_list(f)) return facts_of_f32(f);
  ElementFacts facts;
  facts.bits = f.bits;
  set_float_fields(f, facts);
  count_codes(list_codes(f), facts);
  const ValueLine line(f);
  facts.least = line.values().front().value;
  facts.largest = line.values().back().value;
  facts.finite_values = std::ssize(line.values());
  std::vector<CodeValue> positive;
  for (const CodeValue& row : line.values()) {
    if (!row.value.is_zero() && !row.value.negative) positive.push_back(row);
  }
  if (positive.empty()) return facts;
  facts.smallest = positive.front().value;
  facts.precision = precision_of(positive);
  set_range(facts);
  const Exact one = Exact::of(1.0);
  const auto is_one = [&](const CodeValue& row) { return formats::compare(row.value, one) == 0; };
  const CodeValue* above = line.above(one);
  if (above != nullptr && std::any_of(positive.begin(), positive.end(), is_one)) {
    facts.ulp_at_one = formats::add(above->value, negated(one)).to_double();
  }
  return facts;
}

std::string value_text(const Exact& value) {
  const std::string sign = value.negative ? "-" : "";
  if (value.is_nan()) return "nan";
  if (value.is_infinite()) return sign + "inf";
  if (value.is_zero()) return sign + "0";
  if (value.exponent >= -1022 && value.exponent <= 1023) return fmt::format("{}", value.to_double());
  return fmt::format("{}{}*2^{}", sign, std::fabs(scaled(value, value.exponent)), value.exponent);
}

}  // namespace lowbit::eval
