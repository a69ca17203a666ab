#include "quant/round/element_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "formats/codebook.h"

namespace lowbit::quant {
namespace {

using formats::ElementFormat;
using formats::ElementKind;

bool is_regular_float(const ElementFormat& f) {
  return f.kind == ElementKind::floating && f.has_zero && f.bits <= 16 && f.mantissa_bits > 0 &&
         f.subnormals == formats::Subnormals::gradual;
}

UniformRounder uniform_rounder(const ElementFormat& f) {
  const float step = std::ldexp(1.0f, f.kind == ElementKind::fixed ? -f.fraction_bits : 0);
  return {f.min_value(), f.max_value(), step, 1 / step};
}

FloatRounder float_rounder(const ElementFormat& f) {
  FloatRounder out;
  const int least_exponent = 1 - f.bias;
  out.low = f.min_value();
  out.high = f.max_value();
  out.least_normal = std::ldexp(1.0f, least_exponent);
  out.magic = std::ldexp(1.5f, least_exponent - f.mantissa_bits + 23);
  out.dropped = 23 - f.mantissa_bits;
  return out;
}

// The largest float t such that every float x > t rounds to `above`, and every other to `below`.
float threshold(float below, float above, bool tie_goes_up) {
  const double middle = (static_cast<double>(below) + static_cast<double>(above)) / 2;
  float t = static_cast<float>(middle);
  if (static_cast<double>(t) > middle || (tie_goes_up && static_cast<double>(t) == middle)) {
    t = std::nextafter(t, -std::numeric_limits<float>::infinity());
  }
  return t;
}

// The largest float below a place that is known as a double.
float below_place(double place) {
  const float t = static_cast<float>(place);
  return static_cast<double>(t) < place ? t : std::nextafter(t, -std::numeric_limits<float>::infinity());
}

float round_one(const Rounder& rounder, float x) {
  return std::visit([x](const auto& r) { return r(splat(x))[0]; }, rounder);
}

}  // namespace

ElementGrid::ElementGrid(const ElementFormat& element) : element_(element) {
  low_ = element.min_value();
  high_ = element.max_value();
  symmetric_ = low_ == -high_;
  power_of_two_ = element.kind == ElementKind::floating && element.mantissa_bits == 0 && !element.is_signed;
  coarse_ = element.kind != ElementKind::floating || element.mantissa_bits <= 4;
  if (element.kind == ElementKind::floating && element.bits == 32) {
    rounder_ = IdentityRounder{};
    top_step_ = high_ - std::nextafter(high_, 0.0f);
    return;
  }
  if (element.kind == ElementKind::integer || element.kind == ElementKind::fixed) {
    rounder_ = uniform_rounder(element);
  } else if (is_regular_float(element)) {
    rounder_ = float_rounder(element);
  } else {
    make_table();
  }
  top_step_ = high_ - neighbour(high_, false);
}

// The finite values of a float element in ascending order, and where nearest_even goes to the next one.
void ElementGrid::list_floats(Table& table) const {
  const std::span<const float> decoded = formats::decode_table(element_);
  std::vector<std::pair<float, uint32_t>> sorted;
  for (uint32_t code = 0; code < decoded.size(); ++code) {
    if (std::isfinite(decoded[code])) sorted.emplace_back(decoded[code] + 0.0f, code);
  }
  std::sort(sorted.begin(), sorted.end());
  LOWBIT_CHECK(!sorted.empty());
  for (const auto& [value, code] : sorted) {
    if (!table.values.empty() && table.values.back() == value) continue;
    table.values.push_back(value);
    table.codes.push_back(code);
  }
  for (size_t i = 0; i + 1 < table.values.size(); ++i) {
    // Zero counts as even beside the first number, whatever code that has.
    const bool upper_even = table.values[i + 1] == 0 || (table.codes[i + 1] % 2 == 0 && table.codes[i] % 2 != 0);
    table.thresholds.push_back(threshold(table.values[i], table.values[i + 1], upper_even));
  }
}

// The same of a codebook, which may have rules of its own.
void ElementGrid::list_codebook(Table& table) const {
  const formats::CodebookIndex& index = element_.codebook->index;
  table.codes = index.codes;
  for (size_t i = 0; i < index.values.size(); ++i) {
    table.values.push_back(static_cast<float>(index.values[i]));
    if (i > 0) table.thresholds.push_back(below_place(index.thresholds[i - 1]));
  }
}

void ElementGrid::make_table() {
  auto table = std::make_shared<Table>();
  if (element_.kind == ElementKind::codebook) {
    list_codebook(*table);
  } else {
    list_floats(*table);
  }
  const size_t count = table->values.size();
  low_ = table->values.front();
  high_ = table->values.back();
  symmetric_ = std::equal(table->values.begin(), table->values.end(), table->values.rbegin(),
                          [](float a, float b) { return a == -b; });
  BucketRounder buckets;
  if (count <= ShortTableRounder::kMost) {
    ShortTableRounder r;
    r.count = static_cast<int32_t>(count);
    std::copy(table->values.begin(), table->values.end(), r.values);
    std::copy(table->thresholds.begin(), table->thresholds.end(), r.thresholds);
    rounder_ = r;
  } else if (make_buckets(*table, buckets)) {
    rounder_ = buckets;
  } else {
    rounder_ = LongTableRounder{table->values.data(), table->thresholds.data(), static_cast<int32_t>(count)};
  }
  table_ = std::move(table);
}

bool ElementGrid::make_buckets(Table& table, BucketRounder& rounder) {
  constexpr int32_t kMostBuckets = 1024;
  rounder.low = table.values.front();
  rounder.high = table.values.back();
  for (int32_t count = 16; count <= kMostBuckets; count *= 2) {
    rounder.inverse_width = static_cast<float>(count) / (rounder.high - rounder.low);
    if (!std::isfinite(rounder.inverse_width) || rounder.inverse_width == 0) return false;
    const auto last = static_cast<size_t>(rounder.bucket_of(rounder.high));
    // Buckets without a threshold: everything is above -infinity.
    table.buckets.assign(last + 1, {-std::numeric_limits<float>::infinity(), 0, 0, 0});
    bool single = true;
    size_t value = 0;
    for (size_t b = 0; b <= last && single; ++b) {
      auto& bucket = table.buckets[b];
      bucket.below = bucket.above = table.values[value];
      if (value >= table.thresholds.size()) continue;
      if (static_cast<size_t>(rounder.bucket_of(table.thresholds[value])) != b) continue;
      bucket.threshold = table.thresholds[value];
      bucket.above = table.values[++value];
      single =
          value >= table.thresholds.size() || static_cast<size_t>(rounder.bucket_of(table.thresholds[value])) != b;
    }
    if (single && value == table.thresholds.size()) {
      rounder.buckets = table.buckets.data();
      return true;
    }
  }
  table.buckets.clear();
  return false;
}

float ElementGrid::nearest(float x) const { return round_one(rounder_, x == x ? x : 0.0f); }

float ElementGrid::neighbour(float value, bool above) const {
  const float infinity = std::numeric_limits<float>::infinity();
  if (table_) {
    const auto at = std::lower_bound(table_->values.begin(), table_->values.end(), value);
    if (above) return at + 1 < table_->values.end() ? at[1] : value;
    return at > table_->values.begin() ? at[-1] : value;
  }
  if (const auto* uniform = std::get_if<UniformRounder>(&rounder_)) {
    return std::clamp(above ? value + uniform->step : value - uniform->step, low_, high_);
  }
  if (const auto* floating = std::get_if<FloatRounder>(&rounder_)) {
    // Towards zero the spacing below a power of two is half of that above it.
    const float next = std::nextafter(value, above ? infinity : -infinity);
    const float size = std::max(std::fabs(value), floating->least_normal);
    const float inner = std::max(std::fabs(next), floating->least_normal);
    const float quantum = std::ldexp(1.0f, std::ilogb(std::min(size, inner)) - element_.mantissa_bits);
    return std::clamp(above ? value + quantum : value - quantum, low_, high_) + 0.0f;
  }
  return std::clamp(std::nextafter(value, above ? infinity : -infinity), low_, high_);
}

namespace {

// Codes of values of the grid, by the kind of its rounder.
uint32_t code_of(const UniformRounder& r, const ElementFormat& element, float value) {
  return static_cast<uint32_t>(static_cast<int32_t>(value * r.inverse_step)) & ((1u << element.bits) - 1);
}

uint32_t code_of(const FloatRounder& r, const ElementFormat& element, float value) {
  const uint32_t bits = float_bits(value) & 0x7fffffffu;
  const int m = element.mantissa_bits;
  // Subnormals are a count of quanta: the last bits of magic + value.
  const uint32_t small = float_bits(bits_float(bits) + r.magic) & ((1u << m) - 1);
  const uint32_t normal = (bits >> r.dropped) - (static_cast<uint32_t>(127 - element.bias) << m);
  const uint32_t body = bits < float_bits(r.least_normal) ? small : normal;
  return body | (value < 0 ? 1u << (element.bits - 1) : 0u);
}

}  // namespace

uint32_t ElementGrid::table_code(float value) const {
  const auto at = std::lower_bound(table_->values.begin(), table_->values.end(), value);
  return table_->codes[static_cast<size_t>(at - table_->values.begin())];
}

uint32_t ElementGrid::code(float value) const {
  if (const auto* uniform = std::get_if<UniformRounder>(&rounder_)) return code_of(*uniform, element_, value);
  if (const auto* floating = std::get_if<FloatRounder>(&rounder_)) return code_of(*floating, element_, value);
  return table_ ? table_code(value) : float_bits(value);
}

void ElementGrid::codes(const float* values, int64_t count, uint16_t* out) const {
  const auto fill = [&](const auto& code) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<uint16_t>(code(values[i]));
  };
  if (const auto* uniform = std::get_if<UniformRounder>(&rounder_)) {
    fill([&](float v) { return code_of(*uniform, element_, v); });
  } else if (const auto* floating = std::get_if<FloatRounder>(&rounder_)) {
    fill([&](float v) { return code_of(*floating, element_, v); });
  } else {
    fill([&](float v) { return code(v); });
  }
}

}  // namespace lowbit::quant
