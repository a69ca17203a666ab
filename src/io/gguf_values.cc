#include "io/gguf_values.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

constexpr size_t kMaxKeyBytes = 65535;  // of the GGUF specification

struct Context {
  ByteReader& reader;
  std::string key;  // quoted, for messages
  uint64_t& values;
  int depth = 0;
};

// One of the 13 value types of the GGUF specification.
struct ValueType {
  uint32_t id;
  std::string_view name;
  uint64_t least_bytes;  // of one value
  Result<json> (*read)(Context& context);
};

const ValueType* find_value_type(uint32_t id);

json number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

template <class T>
Result<json> read_number(Context& context) {
  LOWBIT_ASSIGN(const T value, context.reader.read<T>(context.key));
  if constexpr (std::is_floating_point_v<T>) {
    return number(static_cast<double>(value));
  } else if constexpr (std::is_signed_v<T>) {
    // One JSON type for one number: what is not negative is unsigned, as when it is parsed from text.
    if (value >= 0) return json(static_cast<uint64_t>(value));
    return json(static_cast<int64_t>(value));
  } else {
    return json(static_cast<uint64_t>(value));
  }
}

Result<json> read_bool(Context& context) {
  LOWBIT_ASSIGN(const uint8_t value, context.reader.read<uint8_t>(context.key));
  if (value > 1) return context.reader.error("{} is a boolean of value {}, expected 0 or 1", context.key, value);
  return json(value == 1);
}

Result<json> read_text(Context& context) {
  LOWBIT_ASSIGN(const std::string_view text, context.reader.read_string(context.key));
  return json(std::string(text));
}

Result<json> read_array(Context& context) {
  LOWBIT_ASSIGN(const uint32_t id, context.reader.read<uint32_t>(context.key));
  LOWBIT_ASSIGN(const uint64_t count, context.reader.read<uint64_t>(context.key));
  const ValueType* type = find_value_type(id);
  if (type == nullptr) {
    return context.reader.error("{} is an array of unknown value type {}, expected 0 to 12", context.key, id);
  }
  if (count > context.reader.left() / type->least_bytes) {
    return context.reader.error("{} is an array of {} values of type {}, and only {} bytes are left", context.key,
                                count, type->name, context.reader.left());
  }
  if (count > kMaxMetadataValues - context.values) {
    return context.reader.error("{} has {} values, with which the metadata has more than {}", context.key, count,
                                kMaxMetadataValues);
  }
  context.values += count;
  if (++context.depth > kMaxMetadataDepth) {
    return context.reader.error("{} has arrays nested deeper than {}", context.key, kMaxMetadataDepth);
  }
  json::array_t array;
  array.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    LOWBIT_ASSIGN(json value, type->read(context));
    array.push_back(std::move(value));
  }
  --context.depth;
  return json(std::move(array));
}

constexpr ValueType kValueTypes[] = {
    {0, "uint8", 1, read_number<uint8_t>},
    {1, "int8", 1, read_number<int8_t>},
    {2, "uint16", 2, read_number<uint16_t>},
    {3, "int16", 2, read_number<int16_t>},
    {4, "uint32", 4, read_number<uint32_t>},
    {5, "int32", 4, read_number<int32_t>},
    {6, "float32", 4, read_number<float>},
    {7, "bool", 1, read_bool},
    {8, "string", 8, read_text},
    {9, "array", 12, read_array},
    {10, "uint64", 8, read_number<uint64_t>},
    {11, "int64", 8, read_number<int64_t>},
    {12, "float64", 8, read_number<double>},
};

const ValueType* find_value_type(uint32_t id) {
  const auto* found = std::ranges::find(kValueTypes, id, &ValueType::id);
  return found == std::end(kValueTypes) ? nullptr : found;
}

}  // namespace

Status read_metadata_entry(ByteReader& reader, json& metadata, uint64_t& values) {
  LOWBIT_ASSIGN(const std::string_view key, reader.read_string("a metadata key"));
  if (key.empty() || key.size() > kMaxKeyBytes || !is_utf8(key)) {
    return reader.error("the metadata key {} of {} bytes, expected 1 to {} bytes of UTF-8", shown(key), key.size(),
                        kMaxKeyBytes);
  }
  Context context{reader, shown(key), values};
  if (metadata.contains(key)) return reader.error("the metadata key {} occurs twice", context.key);
  LOWBIT_ASSIGN(const uint32_t id, reader.read<uint32_t>(context.key));
  const ValueType* type = find_value_type(id);
  if (type == nullptr) return reader.error("{} has the unknown value type {}, expected 0 to 12", context.key, id);
  if (++values > kMaxMetadataValues) return reader.error("the metadata has more than {} values", kMaxMetadataValues);
  LOWBIT_ASSIGN(json value, type->read(context));
  metadata[std::string(key)] = std::move(value);
  return {};
}

}  // namespace lowbit::io
