#include "io/gguf_writer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/file.h"
#include "io/ggml_types.h"
#include "io/gguf_values.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

constexpr uint64_t kAlignment = 32;
constexpr size_t kMostNameBytes = 63;  // of a tensor in llama.cpp
constexpr int64_t kRowsAtOnce = 4 * tensor::kRowBlock;
constexpr std::string_view kFileTypeKey = "general.file_type";
constexpr std::string_view kQuantizationKey = "general.quantization_version";
constexpr uint32_t kQuantizationVersion = 2;
constexpr std::string_view kDroppedKeys[] = {"general.alignment", kFileTypeKey, kQuantizationKey};
constexpr std::string_view kSplitPrefix = "split.";

struct Header {
  std::string text;  // padded to the alignment
  uint64_t data_bytes = 0;
};

uint64_t padded(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// The type whose bits per weight are nearest.
const GgmlType& nearest_type(const formats::Format& format) {
  const double wanted = formats::bits_per_element(format);
  const GgmlType* best = nullptr;
  double least = 0.0;
  for (const GgmlType& type : ggml_types()) {
    if (type.blocks == nullptr) continue;
    const double off =
        std::abs(8.0 * static_cast<double>(type.block_bytes) / static_cast<double>(type.block_elements) - wanted);
    if (best == nullptr || off < least) {
      best = &type;
      least = off;
    }
  }
  return *best;
}

Result<const GgmlType*> type_of(const StoredTensor& tensor) {
  if (tensor.name.empty() || tensor.name.size() > kMostNameBytes || !is_utf8(tensor.name)) {
    return errorf("the tensor name {} of {} bytes, expected 1 to {} bytes of UTF-8", shown(tensor.name),
                  tensor.name.size(), kMostNameBytes);
  }
  if (tensor.parts.size() != 1 || tensor.row_order) {
    return errorf("tensor {} has rows in several formats, which a GGUF cannot hold", shown(tensor.name));
  }
  const GgmlType* type = find_ggml_type(tensor.parts[0].format);
  const auto cols = static_cast<uint64_t>(tensor.shape.back());
  if (type == nullptr || cols % type->block_elements != 0) {
    return errorf("tensor {} of rows of {} elements has the format {}, which a GGUF cannot hold", shown(tensor.name),
                  cols, formats::print(tensor.parts[0].format));
  }
  return type;
}

Result<uint64_t> data_bytes(const StoredTensor& tensor) {
  LOWBIT_ASSIGN(const GgmlType* type, type_of(tensor));
  uint64_t elements = 1;
  for (const int64_t size : tensor.shape) elements *= static_cast<uint64_t>(size);
  return elements / type->block_elements * type->block_bytes;
}

template <class T>
void put(T value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_text(std::string_view text, std::string& out) {
  put<uint64_t>(text.size(), out);
  out += text;
}

// llama.cpp's name for the mix: that of the type which most elements have.
uint32_t file_type(std::span<const StoredTensor> tensors) {
  std::map<uint32_t, int64_t> counts;
  std::pair<int64_t, uint32_t> most{0, 0};
  for (const StoredTensor& tensor : tensors) {
    const GgmlType* type = find_ggml_type(tensor.parts[0].format);
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    most = std::max(most, {counts[type->file_type] += elements, type->file_type});
  }
  return most.second;
}

bool is_kept(const std::string& key) {
  return !key.starts_with(kSplitPrefix) && std::ranges::find(kDroppedKeys, key) == std::end(kDroppedKeys);
}

Status put_metadata(const FileContent& content, uint64_t& entries, std::string& out) {
  for (const auto& [key, value] : content.metadata.items()) {
    // A null has no type in GGUF.
    if (!is_kept(key) || value.is_null()) continue;
    const auto type = content.types.find(key);
    LOWBIT_TRY(append_metadata_entry(key, value, type == content.types.end() ? nullptr : &type->second, out));
    ++entries;
  }
  const bool quantized = std::ranges::any_of(
      content.tensors, [](const StoredTensor& tensor) { return !tensor.parts[0].format.is_plain(); });
  LOWBIT_TRY(append_metadata_entry(kFileTypeKey, file_type(content.tensors), nullptr, out));
  ++entries;
  if (!quantized) return {};
  ++entries;
  return append_metadata_entry(kQuantizationKey, kQuantizationVersion, nullptr, out);
}

Result<Header> make_header(const FileContent& content) {
  if (!content.metadata.is_object()) return Error{"the metadata is no JSON object"};
  Header header;
  std::string tensors;
  std::set<std::string_view> names;
  for (const StoredTensor& tensor : content.tensors) {
    LOWBIT_ASSIGN(const GgmlType* type, type_of(tensor));
    LOWBIT_ASSIGN(const uint64_t bytes, data_bytes(tensor));
    if (!names.insert(tensor.name).second) return errorf("two tensors have the name {}", shown(tensor.name));
    put_text(tensor.name, tensors);
    put<uint32_t>(static_cast<uint32_t>(tensor.shape.size()), tensors);
    for (size_t d = tensor.shape.size(); d-- > 0;) put<uint64_t>(static_cast<uint64_t>(tensor.shape[d]), tensors);
    put<uint32_t>(type->id, tensors);
    put<uint64_t>(header.data_bytes, tensors);
    header.data_bytes += padded(bytes);
  }
  uint64_t entries = 0;
  std::string metadata;
  LOWBIT_TRY(put_metadata(content, entries, metadata));
  header.text = "GGUF";
  put<uint32_t>(3, header.text);
  put<uint64_t>(content.tensors.size(), header.text);
  put<uint64_t>(entries, header.text);
  header.text += metadata + tensors;
  header.text.resize(padded(header.text.size()), '\0');
  return header;
}

class GgufWriter final : public ModelWriter {
 public:
  GgufWriter(std::string path, FileWriter writer, std::vector<StoredTensor> tensors, uint64_t file_bytes)
      : path_(std::move(path)), writer_(std::move(writer)), tensors_(std::move(tensors)), file_bytes_(file_bytes) {}

  Status begin(const std::string& header) { return writer_.write(header); }

  Status write(std::string_view name, const tensor::Weight& weight) override {
    if (next_ == tensors_.size() || tensors_[next_].name != name) {
      return errorf("{}: tensor {} is written where {} was announced", path_, shown(name),
                    next_ == tensors_.size() ? "none" : shown(tensors_[next_].name));
    }
    const StoredTensor& announced = tensors_[next_];
    if (weight.shape != announced.shape || weight.parts.size() != 1 || !weight.row_order.empty() ||
        weight.parts[0].format() != announced.parts[0].format || weight.parts[0].rows() != weight.rows()) {
      return errorf("{}: tensor {} has another shape or format than was announced", path_, shown(name));
    }
    const tensor::PackedMatrix& matrix = weight.parts[0];
    const GgmlType* type = find_ggml_type(matrix.format());
    std::vector<std::byte> blocks;
    for (int64_t begin = 0; begin < matrix.rows(); begin += kRowsAtOnce) {
      type->blocks(matrix, begin, std::min(matrix.rows(), begin + kRowsAtOnce), blocks);
      LOWBIT_TRY(writer_.write(blocks));
    }
    ++next_;
    return writer_.pad_to(kAlignment);
  }

  Status commit() override {
    if (next_ < tensors_.size()) return errorf("{}: {} of {} tensors were written", path_, next_, tensors_.size());
    LOWBIT_CHECK(writer_.offset() == file_bytes_);
    return writer_.commit();
  }

  uint64_t file_bytes() const override { return file_bytes_; }

 private:
  std::string path_;
  FileWriter writer_;
  std::vector<StoredTensor> tensors_;
  size_t next_ = 0;
  uint64_t file_bytes_;
};

}  // namespace

Result<uint64_t> gguf_file_bytes(const FileContent& content) {
  LOWBIT_ASSIGN(const Header header, make_header(content));
  return header.text.size() + header.data_bytes;
}

Result<uint64_t> gguf_tensor_bytes(const StoredTensor& tensor) { return data_bytes(tensor); }

Result<formats::Format> gguf_holds(const formats::Format& format, std::string_view tensor,
                                   std::span<const int64_t> shape) {
  // llama.cpp adds and multiplies vectors in f32 only.
  if (shape.size() < 2) return formats::parse_format("f32");
  const GgmlType* type = find_ggml_type(format);
  if (type == nullptr) {
    return errorf("GGUF has no type for {}; the nearest that it has is {}", formats::print(format),
                  nearest_type(format).format);
  }
  const auto cols = static_cast<uint64_t>(shape.back());
  std::string_view name = type->format;
  while (cols % type->block_elements != 0) {
    name = ggml_format_instead(name);
    LOWBIT_ASSIGN(const formats::Format other, formats::parse_format(name));
    type = find_ggml_type(other);
  }
  return formats::parse_format(name);
}

Result<std::unique_ptr<ModelWriter>> create_gguf(const std::string& path, const FileContent& content) {
  auto header = make_header(content);
  if (!header.ok()) return errorf("{}: cannot be written: {}", path, header.message());
  LOWBIT_ASSIGN(FileWriter file, FileWriter::create(path));
  auto writer = std::make_unique<GgufWriter>(
      path, std::move(file), std::vector<StoredTensor>(content.tensors.begin(), content.tensors.end()),
      header->text.size() + header->data_bytes);
  LOWBIT_TRY(writer->begin(header->text));
  return std::unique_ptr<ModelWriter>(std::move(writer));
}

}  // namespace lowbit::io
