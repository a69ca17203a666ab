#include "arith/tables.h"

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/check.h"

namespace lowbit::arith {
namespace {

struct Table {
  ElementFormat format;
  CastPolicy policy;
  std::vector<uint8_t> codes;
};

// What the operation is called and the format: elements of one spelling that differ (codebooks made at run time)
// stand in one list.
using Key = std::pair<std::string, std::string>;

template <class Make>
const uint8_t* shared_table(std::string_view what, const ElementFormat& format, const CastPolicy& policy, Make make) {
  static std::shared_mutex mutex;
  static auto& cache = *new std::map<Key, std::vector<std::unique_ptr<const Table>>>;  // never freed
  if (format.bits > 8 || formats::is_stochastic(policy.rounding)) return nullptr;
  const Key key{what, formats::print(format)};
  const auto find = [&]() -> const uint8_t* {
    const auto list = cache.find(key);
    if (list == cache.end()) return nullptr;
    for (const auto& table : list->second) {
      if (table->format == format && table->policy == policy) return table->codes.data();
    }
    return nullptr;
  };
  {
    std::shared_lock lock(mutex);
    if (const uint8_t* found = find()) return found;
  }
  auto made = std::make_unique<const Table>(Table{format, policy, make()});
  std::unique_lock lock(mutex);
  if (const uint8_t* found = find()) return found;  // another thread was faster
  return cache[key].emplace_back(std::move(made))->codes.data();
}

template <class Result>
std::vector<uint8_t> every_pair(const ElementFormat& format, Result result) {
  const uint32_t count = format.code_count();
  std::vector<uint8_t> codes(size_t{count} * count);
  for (uint32_t a = 0; a < count; ++a) {
    for (uint32_t b = 0; b < count; ++b) codes[(size_t{a} << format.bits) | b] = static_cast<uint8_t>(result(a, b));
  }
  return codes;
}

}  // namespace

const uint8_t* result_table(Operation op, const ElementFormat& format, const CastPolicy& policy) {
  const OperationRow& row = row_of(op);
  if (row.operands > 2) return nullptr;
  return shared_table(row.name, format, policy, [&] {
    if (row.operands == 2) {
      return every_pair(format, [&](uint32_t a, uint32_t b) { return apply(op, format, a, b, policy); });
    }
    std::vector<uint8_t> codes(format.code_count());
    for (uint32_t a = 0; a < format.code_count(); ++a) codes[a] = static_cast<uint8_t>(apply(op, format, a, policy));
    return codes;
  });
}

const uint8_t* product_table(const Multiplier& multiplier, const ElementFormat& format, const CastPolicy& policy) {
  LOWBIT_CHECK(multiplier.unsupported(format) == nullptr);
  return shared_table(std::string("product ") + std::string(multiplier.name), format, policy, [&] {
    return every_pair(format, [&](uint32_t a, uint32_t b) { return multiply(multiplier, format, a, b, policy); });
  });
}

}  // namespace lowbit::arith
