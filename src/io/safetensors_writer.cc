#include <cmath>
#include <cstring>
#include <set>

#include "io/json_text.h"
#include "io/limits.h"
#include "io/metadata_text.h"
#include "io/safetensors.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

struct Header {
  std::string text;  // with the length field in front and spaces behind
  uint64_t data_bytes = 0;
};

void append_member(std::string_view key, std::string_view value, std::string& out) {
  append_json_string(key, out);
  out += ':';
  append_json_string(value, out);
}

Result<std::string> metadata_members(const json& metadata, const json& plan, std::span<const StoredTensor> tensors) {
  std::string out = "{\"__metadata__\":{", plan_text;
  if (!plan.is_null()) append_json(plan, plan_text);
  append_member("format", "lowbit", out);
  const std::pair<std::string_view, std::string> members[] = {{kVersionKey, std::string(kNativeVersion)},
                                                              {kLayoutKey, std::string(layout_name(tensors))},
                                                              {kTensorsKey, stored_tensors_text(tensors)},
                                                              {kMetadataKey, metadata_text(metadata)},
                                                              {kPlanKey, plan_text}};
  for (const auto& [key, value] : members) {
    if (value.empty()) continue;
    // What the reader would refuse is not written.
    if (const Status bounds = check_json_bounds(value); !bounds.ok()) return errorf("{}: {}", key, bounds.message());
    out += ',';
    append_member(key, value, out);
  }
  return out + '}';
}

void append_entry(const Piece& piece, uint64_t& offset, std::string& out) {
  out += ',';
  append_json_string(piece.name, out);
  out += fmt::format(":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", piece.dtype,
                     fmt::join(piece.shape, ","), offset, offset + piece.bytes);
  offset += piece.bytes;
}

// A tensor of zeros where the data would not otherwise reach the next multiple of 64.
uint64_t padding_after(uint64_t bytes) { return (kNativeAlignment - bytes % kNativeAlignment) % kNativeAlignment; }

Status check_values(const json& value, int depth) {
  if (depth > kMaxJsonDepth) return errorf("values nested deeper than {}", kMaxJsonDepth);
  if (value.is_number_float() && !std::isfinite(value.get<double>())) return Error{"a number that is not finite"};
  if (value.is_binary() || value.is_discarded()) return Error{"a value that is not JSON"};
  if (!value.is_structured()) return {};
  for (const json& element : value) LOWBIT_TRY(check_values(element, depth + 1));
  return {};
}

Result<Header> make_header(const json& metadata, const json& plan, std::span<const StoredTensor> tensors) {
  if (!metadata.is_object()) return Error{"the metadata is no JSON object"};
  for (const json* part : {&metadata, &plan}) {
    if (const Status status = check_values(*part, 1); !status.ok()) {
      return errorf("the {} holds {}", part == &plan ? "plan" : "metadata", status.message());
    }
  }
  Header header;
  LOWBIT_ASSIGN(std::string text, metadata_members(metadata, plan, tensors));
  std::set<std::string_view> names;
  for (const StoredTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) return errorf("two tensors have the name {}", shown(tensor.name));
    for (const TensorInfo::Part& part : tensor.parts) {
      const auto again = formats::parse_format(formats::print(part.format));
      if (!again.ok() || *again != part.format) {
        return errorf("tensor {} has the format {}, which its name does not describe", shown(tensor.name),
                      formats::print(part.format));
      }
    }
    LOWBIT_ASSIGN(const std::vector<Piece> pieces, pieces_of(tensor));
    for (const Piece& piece : pieces) {
      append_entry(piece, header.data_bytes, text);
      if (const uint64_t gap = padding_after(piece.bytes); gap > 0) {
        append_entry({fmt::format("#pad{}", header.data_bytes), "U8", {gap}, gap, 0}, header.data_bytes, text);
      }
    }
  }
  text += '}';
  text.append(padding_after(sizeof(uint64_t) + text.size()), ' ');
  const uint64_t length = text.size();
  if (length > kMaxHeaderBytes)
    return errorf("a header of {} bytes, at most {} can be read", length, kMaxHeaderBytes);
  for (size_t i = 0; i < sizeof(length); ++i) header.text += static_cast<char>(length >> (8 * i) & 0xFF);
  header.text += text;
  return header;
}

// The words of column after column of the only row of a packed vector.
Status write_plain(const tensor::PackedMatrix& matrix, FileWriter& writer) {
  const size_t word = matrix.format().element.bits / 8;
  std::string out(static_cast<size_t>(matrix.cols()) * word, '\0');
  const std::byte* from = matrix.bytes().data();
  for (size_t c = 0; c < static_cast<size_t>(matrix.cols()); ++c) {
    std::memcpy(out.data() + c * word, from + c * word * tensor::kRowBlock, word);
  }
  return writer.write(out);
}

}  // namespace

Result<uint64_t> native_file_bytes(const json& metadata, const json& plan, std::span<const StoredTensor> tensors) {
  LOWBIT_ASSIGN(const Header header, make_header(metadata, plan, tensors));
  return header.text.size() + header.data_bytes;
}

Result<SafetensorsWriter> SafetensorsWriter::create(const std::string& path, const json& metadata, const json& plan,
                                                    std::vector<StoredTensor> tensors) {
  auto header = make_header(metadata, plan, tensors);
  if (!header.ok()) return errorf("{}: cannot be written: {}", path, header.message());
  LOWBIT_ASSIGN(FileWriter file, FileWriter::create(path));
  SafetensorsWriter writer(std::move(file));
  LOWBIT_TRY(writer.writer_.write(header->text));
  writer.path_ = path;
  writer.tensors_ = std::move(tensors);
  writer.header_bytes_ = header->text.size();
  writer.file_bytes_ = header->text.size() + header->data_bytes;
  return writer;
}

Status SafetensorsWriter::write(std::string_view name, const tensor::Weight& weight) {
  if (next_ == tensors_.size() || tensors_[next_].name != name) {
    return errorf("{}: tensor {} is written where {} was announced", path_, shown(name),
                  next_ == tensors_.size() ? "none" : shown(tensors_[next_].name));
  }
  const StoredTensor& announced = tensors_[next_++];
  bool same = weight.shape == announced.shape && weight.parts.size() == announced.parts.size() &&
              weight.row_order.size() == (announced.row_order ? static_cast<size_t>(weight.rows()) : 0);
  for (size_t i = 0; same && i < weight.parts.size(); ++i) {
    const tensor::PackedMatrix& part = weight.parts[i];
    same = part.format() == announced.parts[i].format && part.rows() == announced.parts[i].rows &&
           part.cols() == weight.cols();
  }
  if (!same) return errorf("{}: tensor {} has another shape or format than was announced", path_, shown(name));
  for (const tensor::PackedMatrix& part : weight.parts) {
    LOWBIT_TRY(is_stored_plain(announced) ? write_plain(part, writer_) : writer_.write(part.bytes()));
    LOWBIT_TRY(writer_.pad_to(kNativeAlignment));
  }
  LOWBIT_TRY(writer_.write(std::as_bytes(std::span(weight.row_order))));
  return writer_.pad_to(kNativeAlignment);
}

Status SafetensorsWriter::commit() {
  if (next_ < tensors_.size()) {
    return errorf("{}: {} of {} tensors were written", path_, next_, tensors_.size());
  }
  LOWBIT_CHECK(writer_.offset() == file_bytes_);
  return writer_.commit();
}

}  // namespace lowbit::io
