#include <algorithm>
#include <array>
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
#include "formats/codebook.h"
#include "formats/codes.h"

namespace lowbit::formats {
namespace {

struct ElementTables {
  std::vector<float> values;
  IntegerForm integers;
  bool has_integers = false;
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
  std::unique_lock lock(mutex);
  return *cache.emplace(key, std::move(made)).first->second;
}

// The tables of an element, with the elements used last by this thread in front of the shared cache.
const ElementTables& tables_of(const ElementFormat& f) {
  struct Slot {
    ElementFormat element;
    const ElementTables* tables = nullptr;
  };
  thread_local std::array<Slot, 4> slots;
  thread_local unsigned next = 0;
  LOWBIT_CHECK(f.bits >= 1 && f.bits < 32);
  for (const Slot& slot : slots) {
    if (slot.tables != nullptr && slot.element == f) return *slot.tables;
  }
  const ElementTables& tables = shared_tables(f);
  slots[next++ % slots.size()] = {f, &tables};
  return tables;
}

}  // namespace

std::span<const float> decode_table(const ElementFormat& format) { return tables_of(format).values; }

const IntegerForm* integer_form(const ElementFormat& format) {
  if (format.bits > 8) return nullptr;
  const ElementTables& tables = tables_of(format);
  return tables.has_integers ? &tables.integers : nullptr;
}

}  // namespace lowbit::formats
