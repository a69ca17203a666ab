#include "io/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/bits.h"
#include "io/byte_reader.h"
#include "io/json_text.h"
#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

constexpr size_t kMaxDimensions = 8;
constexpr std::string_view kMetadataName = "__metadata__";

constexpr std::pair<std::string_view, uint64_t> kDtypes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
    {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"F64", 8},     {"I64", 8}, {"U64", 8},
};

// Takes the header as the parser meets it, so that nothing but the expected shape is ever built:
// {"name": {"dtype": text, "shape": [n...], "data_offsets": [begin, end]}..., "__metadata__": {key: text...}}.
class HeaderEvents final : public nlohmann::json_sax<json> {
 public:
  explicit HeaderEvents(SafetensorsHeader& header) : header_(header) {}
  const std::string& complaint() const { return complaint_; }

  bool start_object(std::size_t) override {
    if (place_ == Place::start) return go(Place::names);
    if (place_ != Place::tensor) return unexpected("an object");
    if (name_ == kMetadataName) return go(Place::metadata);
    entry_ = {};
    entry_.name = name_;
    seen_dtype_ = seen_shape_ = false;
    offsets_.clear();
    return go(Place::fields);
  }

  bool key(string_t& text) override {
    if (place_ == Place::names) {
      name_ = text;
      const bool fresh =
          text == kMetadataName ? !std::exchange(seen_metadata_, true) : !header_.by_name.contains(text);
      if (!fresh) return refuse(fmt::format("the name {} occurs twice", shown(text)));
      return go(Place::tensor);
    }
    if (place_ == Place::metadata) {
      key_ = text;
      if (header_.metadata.contains(text))
        return refuse(fmt::format("the metadata key {} occurs twice", shown(text)));
      return go(Place::metadata_text);
    }
    const std::pair<std::string_view, Place> kFields[] = {
        {"dtype", Place::dtype}, {"shape", Place::shape_start}, {"data_offsets", Place::offsets_start}};
    for (const auto& [field, place] : kFields) {
      if (text == field) return go(place);
    }
    return refuse(fmt::format("tensor {} has the unknown field {}", shown(name_), shown(text)));
  }

  bool string(string_t& text) override {
    if (place_ == Place::metadata_text) {
      header_.metadata[key_] = std::move(text);
      return go(Place::metadata);
    }
    if (place_ != Place::dtype) return unexpected("a string");
    if (std::exchange(seen_dtype_, true)) return refuse(fmt::format("tensor {} has two dtypes", shown(name_)));
    entry_.dtype = std::move(text);
    return go(Place::fields);
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::shape_start && !std::exchange(seen_shape_, true)) return go(Place::shape);
    if (place_ == Place::offsets_start && offsets_.empty()) return go(Place::offsets);
    return unexpected("an array");
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::shape && place_ != Place::offsets) return unexpected("a number");
    auto& list = place_ == Place::shape ? entry_.shape : offsets_;
    list.push_back(value);
    if (list.size() <= kMaxDimensions) return true;
    return refuse(fmt::format("tensor {} has more than {} dimensions or offsets", shown(name_), kMaxDimensions));
  }

  bool end_array() override {
    if (place_ == Place::offsets && offsets_.size() != 2) {
      return refuse(fmt::format("tensor {} has {} data_offsets, expected 2", shown(name_), offsets_.size()));
    }
    return go(Place::fields);
  }

  bool end_object() override {
    if (place_ == Place::metadata) return go(Place::names);
    if (place_ != Place::fields) return true;  // the end of the whole
    if (!seen_dtype_ || !seen_shape_ || offsets_.size() != 2) {
      return refuse(fmt::format("tensor {} lacks its dtype, shape or data_offsets", shown(name_)));
    }
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    if (header_.entries.size() == kMaxTensors) return refuse(fmt::format("more than {} tensors", kMaxTensors));
    header_.by_name.emplace(entry_.name, header_.entries.size());
    header_.entries.push_back(std::move(entry_));
    return go(Place::names);
  }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a fraction"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    return refuse(json_complaint(error));
  }

 private:
  enum class Place {
    start,
    names,
    tensor,
    fields,
    dtype,
    shape_start,
    shape,
    offsets_start,
    offsets,
    metadata,
    metadata_text
  };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool refuse(std::string complaint) {
    if (complaint_.empty()) complaint_ = std::move(complaint);
    return false;
  }
  bool unexpected(std::string_view what) {
    return refuse(fmt::format("{} where it cannot stand{}", what, name_.empty() ? "" : ", at " + shown(name_)));
  }

  SafetensorsHeader& header_;
  Place place_ = Place::start;
  std::string complaint_, name_, key_;
  SafetensorsEntry entry_;
  std::vector<uint64_t> offsets_;
  bool seen_metadata_ = false, seen_dtype_ = false, seen_shape_ = false;
};

// Sorts the entries by place and checks that they cover the data without gap or overlap.
Status check_places(const Source& source, SafetensorsHeader& header) {
  std::ranges::sort(header.entries, [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t end = 0;
  for (size_t i = 0; i < header.entries.size(); ++i) {
    const SafetensorsEntry& entry = header.entries[i];
    header.by_name[entry.name] = i;
    if (entry.begin != end || entry.end < entry.begin) {
      return errorf("{}: tensor {} lies at [{}, {}) of the data, expected it to begin at {}", source.path(),
                    shown(entry.name), entry.begin, entry.end, end);
    }
    end = entry.end;
    uint64_t bytes = safetensors_dtype_bytes(entry.dtype);
    if (bytes == 0) {
      return errorf("{}: tensor {} has the unknown dtype {}", source.path(), shown(entry.name), shown(entry.dtype));
    }
    for (const uint64_t n : entry.shape) {
      const auto product = checked_mul(bytes, n);
      if (!product.has_value()) return errorf("{}: tensor {} is too large", source.path(), shown(entry.name));
      bytes = *product;
    }
    if (bytes != entry.end - entry.begin) {
      return errorf("{}: tensor {} takes {} bytes in the data, expected {} from its shape", source.path(),
                    shown(entry.name), entry.end - entry.begin, bytes);
    }
  }
  const uint64_t data = source.bytes().size() - header.data_offset;
  if (end != data) {
    return errorf("{}: the tensors take {} bytes and the data from offset {} on have {}", source.path(), end,
                  header.data_offset, data);
  }
  return {};
}

}  // namespace

uint64_t safetensors_dtype_bytes(std::string_view dtype) {
  const auto* found = std::ranges::find(kDtypes, dtype, &std::pair<std::string_view, uint64_t>::first);
  return found == std::end(kDtypes) ? 0 : found->second;
}

bool is_safetensors(std::span<const std::byte> bytes) {
  return bytes.size() > sizeof(uint64_t) && bytes[sizeof(uint64_t)] == std::byte{'{'};
}

Result<SafetensorsHeader> read_safetensors_header(const Source& source) {
  ByteReader reader(source.path(), source.bytes());
  LOWBIT_ASSIGN(const uint64_t length, reader.read<uint64_t>("the length of the header"));
  if (length > std::min(kMaxHeaderBytes, reader.left())) {
    return errorf("{}: offset 0: a header of {} bytes in a file of {} (at most {} are read)", source.path(), length,
                  source.bytes().size(), kMaxHeaderBytes);
  }
  const auto* text = reinterpret_cast<const char*>(source.bytes().data()) + reader.offset();
  SafetensorsHeader header;
  header.data_offset = reader.offset() + length;
  HeaderEvents events(header);
  bool read = false;
  try {
    read = json::sax_parse(text, text + length, &events);
  } catch (const std::exception& error) {
    return errorf("{}: header: {}", source.path(), json_complaint(error));
  }
  if (!read) return errorf("{}: header: {}", source.path(), events.complaint());
  LOWBIT_TRY(check_places(source, header));
  return header;
}

}  // namespace lowbit::io
