#include "io/gguf_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

constexpr size_t kMaxKeyBytes = 65535;  // of the GGUF specification
constexpr uint32_t kTextType = 8, kArrayType = 9;
constexpr size_t kShownBytes = 60;

struct Context {
  ByteReader& reader;
  std::string key;  // quoted, for messages
  uint64_t& values;
  int depth = 0;
  uint32_t type = 0;  // of the value, or of the elements of a list
};

// One of the 13 value types of the GGUF specification.
struct ValueType {
  uint32_t id;
  std::string_view name;
  uint64_t least_bytes;  // of one value
  Result<json> (*read)(Context& context);
  Status (*write)(const json& value, std::string& out);
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
  context.type = id;
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

template <class T>
void put(T value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

Error does_not_fit(const json& value, std::string_view type) {
  return errorf("holds {}, which is no {}",
                value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, kShownBytes), type);
}

template <class T>
Status write_number(const json& value, std::string& out) {
  if constexpr (std::is_floating_point_v<T>) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const std::pair<std::string_view, double> names[] = {
        {"NaN", std::nan("")}, {"Infinity", kInfinity}, {"-Infinity", -kInfinity}};
    for (const auto& [name, number] : names) {
      if (value == name) return put(static_cast<T>(number), out), Status();
    }
    if (!value.is_number()) return does_not_fit(value, "number");
    return put(static_cast<T>(value.get<double>()), out), Status();
  } else {
    const bool fits = value.is_number_unsigned()
                          ? std::in_range<T>(value.get<uint64_t>())
                          : value.is_number_integer() && std::in_range<T>(value.get<int64_t>());
    if (!fits) return does_not_fit(value, "integer of its type");
    return put(value.get<T>(), out), Status();
  }
}

Status write_bool(const json& value, std::string& out) {
  if (!value.is_boolean()) return does_not_fit(value, "boolean");
  return put<uint8_t>(value.get<bool>() ? 1 : 0, out), Status();
}

Status write_text(const json& value, std::string& out) {
  if (!value.is_string()) return does_not_fit(value, "string");
  const auto& text = value.get_ref<const std::string&>();
  put<uint64_t>(text.size(), out);
  out += text;
  return {};
}

constexpr ValueType kValueTypes[] = {
    {0, "uint8", 1, read_number<uint8_t>, write_number<uint8_t>},
    {1, "int8", 1, read_number<int8_t>, write_number<int8_t>},
    {2, "uint16", 2, read_number<uint16_t>, write_number<uint16_t>},
    {3, "int16", 2, read_number<int16_t>, write_number<int16_t>},
    {4, "uint32", 4, read_number<uint32_t>, write_number<uint32_t>},
    {5, "int32", 4, read_number<int32_t>, write_number<int32_t>},
    {6, "float32", 4, read_number<float>, write_number<float>},
    {7, "bool", 1, read_bool, write_bool},
    {8, "string", 8, read_text, write_text},
    {9, "array", 12, read_array, nullptr},
    {10, "uint64", 8, read_number<uint64_t>, write_number<uint64_t>},
    {11, "int64", 8, read_number<int64_t>, write_number<int64_t>},
    {12, "float64", 8, read_number<double>, write_number<double>},
};

const ValueType* find_value_type(uint32_t id) {
  const auto* found = std::ranges::find(kValueTypes, id, &ValueType::id);
  return found == std::end(kValueTypes) ? nullptr : found;
}

// The first type that holds the value, in the order in which loaders expect them. Integers of a list are signed.
uint32_t type_for(const json& value, bool in_list) {
  constexpr uint32_t kUnsigned[] = {4, 10, 5, 11, 6, 7, 8}, kSigned[] = {5, 4, 11, 10, 6, 7, 8};
  std::string ignored;
  for (const uint32_t id : in_list ? kSigned : kUnsigned) {
    if (find_value_type(id)->write(value, ignored).ok()) return id;
  }
  return kArrayType;
}

const json* innermost(const json& list) {
  const json* value = &list;
  while (value->is_array() && !value->empty()) value = &value->front();
  return value->is_array() ? nullptr : value;
}

// A type that all elements fit.
uint32_t type_for_all(const json& list) {
  const json* first = innermost(list);
  if (first == nullptr) return kTextType;
  uint32_t type = type_for(*first, true);
  if (list.front().is_array()) return type;
  for (const json& value : list) {
    std::string ignored;
    if (!find_value_type(type)->write(value, ignored).ok()) type = type_for(value, true);
  }
  return type;
}

Status write_list(const json& list, uint32_t type, std::string& out) {
  const bool nested = !list.empty() && list.front().is_array();
  put<uint32_t>(nested ? kArrayType : type, out);
  put<uint64_t>(list.size(), out);
  for (const json& value : list) {
    if (value.is_array() != nested) return Error{"holds a list beside what is none"};
    LOWBIT_TRY(nested ? write_list(value, type, out) : find_value_type(type)->write(value, out));
  }
  return {};
}

Status write_value(const json& value, const uint32_t* type, std::string& out) {
  if (value.is_array()) {
    put<uint32_t>(kArrayType, out);
    return write_list(value, type != nullptr ? *type : type_for_all(value), out);
  }
  const uint32_t id = type != nullptr ? *type : type_for(value, false);
  if (id == kArrayType) return Error{"holds an object, which GGUF does not know"};
  put<uint32_t>(id, out);
  return find_value_type(id)->write(value, out);
}

}  // namespace

Status append_metadata_entry(std::string_view key, const json& value, const uint32_t* type, std::string& out) {
  if (key.empty() || key.size() > kMaxKeyBytes) return errorf("a metadata key of {} bytes", key.size());
  put<uint64_t>(key.size(), out);
  out += key;
  const Status written = write_value(value, type, out);
  return written.ok() ? written : errorf("the metadata key {} {}", shown(key), written.message());
}

Status read_metadata_entry(ByteReader& reader, json& metadata, MetadataTypes& types, uint64_t& values) {
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
  context.type = id;
  LOWBIT_ASSIGN(json value, type->read(context));
  types[std::string(key)] = context.type;
  metadata[std::string(key)] = std::move(value);
  return {};
}

}  // namespace lowbit::io
