#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <shared_mutex>

#include "base/bits.h"
#include "base/check.h"
#include "formats/array_plans.h"
#include "formats/codebook.h"
#include "formats/codes.h"
#include "formats/exact.h"
#include "formats/recent.h"

namespace lowbit::formats {
namespace {

struct ElementTables {
  std::vector<float> values;
  IntegerForm integers;
  bool has_integers = false;
  std::unique_ptr<const ByteDecode> bytes;  // of at most 8 bits
  // values, and NaN up to 2^16 entries; made when first asked for.
  mutable std::vector<float> padded;
  mutable std::once_flag padded_made;
};

// Everything that decode() depends on, as words: the key of the cache.
std::vector<uint32_t> table_key(const ElementFormat& f) {
  std::vector<uint32_t> key = {static_cast<uint32_t>(f.kind), f.bits, f.is_signed ? 1u : 0u};
  if (f.kind == ElementKind::codebook) {
    for (const double v : f.codebook->values) {
      key.push_back(static_cast<uint32_t>(double_bits(v)));
      key.push_back(static_cast<uint32_t>(double_bits(v) >> 32));
    }
  } else if (f.kind == ElementKind::fixed) {
    key.push_back(f.fraction_bits);
  } else if (f.kind == ElementKind::floating) {
    key.insert(key.end(),
               {f.exponent_bits, f.mantissa_bits, static_cast<uint32_t>(f.bias), static_cast<uint32_t>(f.nan),
                static_cast<uint32_t>(f.subnormals), (f.has_zero ? 1u : 0u) | (f.has_infinity ? 2u : 0u)});
  }
  return key;
}

// The exponent of the lowest set bit of a finite nonzero float.
int lowest_exponent(float v) {
  const uint64_t raw = double_bits(v);  // every float is a normal double
  const uint64_t significand = (raw & ((uint64_t{1} << 52) - 1)) | (uint64_t{1} << 52);
  return static_cast<int>((raw >> 52) & 0x7FF) - 1023 - 52 + std::countr_zero(significand);
}

bool derive_integers(const std::vector<float>& values, IntegerForm& form) {
  int exponent = 1 << 20;
  for (const float v : values) {
    if (!std::isfinite(v)) return false;
    if (v != 0) exponent = std::min(exponent, lowest_exponent(v));
  }
  form.exponent = exponent == 1 << 20 ? 0 : exponent;
  for (const float v : values) {
    const double q = static_cast<double>(v) * power_of_two(-form.exponent);
    if (q < -128 || q > 255) return false;
    form.integers.push_back(static_cast<int16_t>(q));
  }
  const auto [least, most] = std::minmax_element(form.integers.begin(), form.integers.end());
  form.least = *least;
  form.most = *most;
  return form.most - form.least <= 255;
}

std::unique_ptr<const ByteDecode> make_byte_decode(const ElementFormat& f, const std::vector<float>& values) {
  static const ElementFormat bf16 = parse_element("bf16").value();
  auto out = std::make_unique<ByteDecode>();
  std::fill(std::begin(out->values), std::end(out->values), std::numeric_limits<float>::quiet_NaN());
  std::fill(std::begin(out->bf16), std::end(out->bf16), uint16_t{0x7FC0});
  out->bits = f.bits;
  out->bf16_is_exact = true;
  for (size_t code = 0; code < values.size(); ++code) {
    out->values[code] = values[code];
    out->bf16[code] = static_cast<uint16_t>(
        encode(bf16, decode_exact(f, static_cast<uint32_t>(code)), {Rounding::nearest_even, Saturation::none}));
    out->bf16_is_exact &= float_bits(values[code]) == uint32_t{out->bf16[code]} << 16;
  }
  size_t last = 255;
  while (last > 128 && std::isnan(out->values[last])) --last;
  out->last_number = static_cast<uint8_t>(last);
  out->sign_is_top_bit = f.bits == 8;
  for (size_t code = 0; code < 128; ++code) {
    const bool nan = std::isnan(out->values[code]);
    const uint16_t mirrored = nan ? uint16_t{0x7FC0} : static_cast<uint16_t>(out->bf16[code] ^ 0x8000);
    out->sign_is_top_bit &= out->bf16[code + 128] == mirrored && (nan == (code + 128 > last));
  }
  return out;
}

const ElementTables& shared_tables(const ElementFormat& f) {
  static std::shared_mutex mutex;
  static auto& cache = *new std::map<std::vector<uint32_t>, std::unique_ptr<const ElementTables>>;  // never freed
  const std::vector<uint32_t> key = table_key(f);
  {
    std::shared_lock lock(mutex);
    const auto found = cache.find(key);
    if (found != cache.end()) return *found->second;
  }
  auto made = std::make_unique<ElementTables>();
  made->values.resize(f.code_count());
  for (uint32_t code = 0; code < f.code_count(); ++code) made->values[code] = f.decode(code);
  made->has_integers = f.bits <= 8 && derive_integers(made->values, made->integers);
  if (f.bits <= 8) made->bytes = make_byte_decode(f, made->values);
  std::unique_lock lock(mutex);
  return *cache.emplace(key, std::move(made)).first->second;
}

// The tables of an element, with the elements used last by this thread in front of the shared cache.
const ElementTables& tables_of(const ElementFormat& f) {
  thread_local Recent<const ElementTables*, ElementFormat> recent;
  LOWBIT_CHECK(f.bits >= 1 && f.bits < 32);
  return *recent.find([&] { return &shared_tables(f); }, f);
}

}  // namespace

std::span<const float> decode_table(const ElementFormat& format) { return tables_of(format).values; }

const ByteDecode& byte_decode(const ElementFormat& f) {
  LOWBIT_CHECK(f.bits <= 8);
  return *tables_of(f).bytes;
}

std::span<const float> padded_table(const ElementFormat& format) {
  LOWBIT_CHECK(format.bits <= 16);
  const ElementTables& tables = tables_of(format);
  if (format.bits == 16) return tables.values;
  std::call_once(tables.padded_made, [&] {
    tables.padded = tables.values;
    tables.padded.resize(size_t{1} << 16, std::numeric_limits<float>::quiet_NaN());
  });
  return tables.padded;
}

const IntegerForm* integer_form(const ElementFormat& format) {
  if (format.bits > 8) return nullptr;
  const ElementTables& tables = tables_of(format);
  return tables.has_integers ? &tables.integers : nullptr;
}

}  // namespace lowbit::formats
