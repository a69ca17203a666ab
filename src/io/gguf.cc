#include "io/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "base/bits.h"
#include "io/byte_reader.h"
#include "io/ggml_types.h"
#include "io/gguf_values.h"
#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr uint32_t kMaxDimensions = 4;
// Least bytes of a metadata entry (key length, a byte of key, type, value) and of a tensor entry (name length, a byte
// of name, number of dimensions, one dimension, type, offset).
constexpr uint64_t kLeastEntryBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

struct Placed {
  const GgmlType* type = nullptr;
  uint64_t offset = 0;  // in the data section, and after placing in the file
};

class GgufFile final : public ModelFile {
 public:
  explicit GgufFile(Source source) : source_(std::move(source)), reader_(source_.path(), source_.bytes()) {}

  Status read();

  const std::string& path() const override { return source_.path(); }
  uint64_t file_bytes() const override { return source_.bytes().size(); }
  std::string_view kind() const override { return kind_; }
  const nlohmann::json& metadata() const override { return metadata_; }
  const MetadataTypes& metadata_types() const override { return types_; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  Result<tensor::Weight> load(size_t index) const override;
  void release(size_t index) const override { source_.release(bytes_of(index)); }

 private:
  Status read_header(uint64_t& tensor_count, uint64_t& entry_count);
  Status read_alignment();
  Status read_tensor();
  Status read_shape(TensorInfo& info);
  Status place_tensors();
  std::span<const std::byte> bytes_of(size_t index) const {
    return source_.bytes().subspan(placed_[index].offset, tensors_[index].bytes);
  }

  Source source_;
  ByteReader reader_;
  std::string kind_;
  uint64_t alignment_ = kDefaultAlignment;
  nlohmann::json metadata_ = nlohmann::json::object();
  MetadataTypes types_;
  std::vector<TensorInfo> tensors_;
  std::vector<Placed> placed_;
  std::unordered_set<std::string> names_;
};

Status GgufFile::read_header(uint64_t& tensor_count, uint64_t& entry_count) {
  LOWBIT_ASSIGN(const uint32_t magic, reader_.read<uint32_t>("the magic number"));
  if (std::memcmp(&magic, kMagic.data(), sizeof(magic)) != 0) {
    return errorf("{}: offset 0: not a GGUF file, it does not begin with \"GGUF\"", path());
  }
  LOWBIT_ASSIGN(const uint32_t version, reader_.read<uint32_t>("the version"));
  if (version != 2 && version != 3) {
    const uint32_t swapped = __builtin_bswap32(version);
    if (swapped >= 1 && swapped <= 0xFFFF) {
      return errorf("{}: offset 4: a big-endian GGUF file (version {}), only little-endian ones are read", path(),
                    swapped);
    }
    return errorf("{}: offset 4: GGUF version {}, expected 2 or 3", path(), version);
  }
  kind_ = fmt::format("gguf v{}", version);
  LOWBIT_ASSIGN(tensor_count, reader_.read<uint64_t>("the number of tensors"));
  LOWBIT_ASSIGN(entry_count, reader_.read<uint64_t>("the number of metadata entries"));
  if (entry_count > reader_.left() / kLeastEntryBytes) {
    return errorf("{}: offset 16: {} metadata entries cannot stand in {} bytes", path(), entry_count, reader_.left());
  }
  if (tensor_count > std::min(kMaxTensors, reader_.left() / kLeastTensorBytes)) {
    return errorf("{}: offset 8: {} tensors cannot stand in {} bytes (and at most {} are read)", path(), tensor_count,
                  reader_.left(), kMaxTensors);
  }
  return {};
}

Status GgufFile::read_alignment() {
  const auto found = metadata_.find(kAlignmentKey);
  if (found == metadata_.end()) return {};
  const uint64_t value = found->is_number_unsigned() ? found->get<uint64_t>() : 0;
  if (!std::has_single_bit(value) || value > kMaxAlignment) {
    return errorf("{}: {} is {}, expected a power of two up to {}", path(), kAlignmentKey,
                  found->is_number() ? found->dump() : std::string("not a number"), kMaxAlignment);
  }
  alignment_ = value;
  return {};
}

// The dimensions stand fastest first in the file and slowest first in `info`.
Status GgufFile::read_shape(TensorInfo& info) {
  LOWBIT_ASSIGN(const uint32_t dimensions, reader_.read<uint32_t>("the number of dimensions"));
  if (dimensions < 1 || dimensions > kMaxDimensions) {
    return reader_.error("tensor {} has {} dimensions, expected 1 to {}", shown(info.name), dimensions,
                         kMaxDimensions);
  }
  uint64_t elements = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    LOWBIT_ASSIGN(const uint64_t size, reader_.read<uint64_t>("a dimension"));
    const auto product = checked_mul(elements, size);
    if (size == 0 || !product.has_value() || *product > kMaxElements) {
      return reader_.error("tensor {} has a dimension of {}, expected 1 or more and at most {} elements in all",
                           shown(info.name), size, kMaxElements);
    }
    elements = *product;
    info.shape.push_back(static_cast<int64_t>(size));
  }
  std::ranges::reverse(info.shape);
  return {};
}

Status GgufFile::read_tensor() {
  TensorInfo info;
  LOWBIT_ASSIGN(const std::string_view name, reader_.read_string("a tensor name"));
  if (name.empty() || !is_utf8(name)) {
    return reader_.error("the tensor name {}, expected one or more characters of UTF-8", shown(name));
  }
  info.name = std::string(name);
  if (!names_.insert(info.name).second) return reader_.error("two tensors have the name {}", shown(name));
  LOWBIT_TRY(read_shape(info));
  LOWBIT_ASSIGN(const uint32_t id, reader_.read<uint32_t>("a tensor type"));
  LOWBIT_ASSIGN(const uint64_t offset, reader_.read<uint64_t>("a tensor offset"));
  const GgmlType* type = find_ggml_type(id);
  if (type == nullptr) {
    const std::string_view known = ggml_type_name(id);
    std::string can;
    for (const GgmlType& one : ggml_types()) can += fmt::format("{}{}", can.empty() ? "" : ", ", one.name);
    return reader_.error("tensor {} has the {} {}, which is not read; {} are", shown(name),
                         known.empty() ? "unknown type" : "type", known.empty() ? std::to_string(id) : known, can);
  }
  const auto cols = static_cast<uint64_t>(info.shape.back());
  if (cols % type->block_elements != 0) {
    return reader_.error("tensor {} of type {} has rows of {} elements, expected a multiple of {}", shown(name),
                         type->name, cols, type->block_elements);
  }
  const auto elements = static_cast<uint64_t>(info.parameters());
  info.bytes = elements / type->block_elements * type->block_bytes;
  LOWBIT_ASSIGN(formats::Format format, formats::parse_format(type->format));
  if (type->decoded) info.stored = type->name;
  info.parts.push_back({std::move(format), static_cast<int64_t>(elements / cols)});
  tensors_.push_back(std::move(info));
  placed_.push_back({type, offset});
  return {};
}

// Checks that every tensor lies in the file, aligned, and that no two overlap.
Status GgufFile::place_tensors() {
  const uint64_t start = (reader_.offset() + alignment_ - 1) / alignment_ * alignment_;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TensorInfo& info = tensors_[i];
    uint64_t& offset = placed_[i].offset;
    if (offset % alignment_ != 0) {
      return errorf("{}: tensor {} lies at offset {} of the data, expected a multiple of {}", path(),
                    shown(info.name), offset, alignment_);
    }
    const auto begin = checked_add(start, offset);
    const auto end = begin.has_value() ? checked_add(*begin, info.bytes) : std::nullopt;
    if (!end.has_value() || *end > file_bytes()) {
      return errorf(
          "{}: tensor {} of {} bytes at offset {} of the data (which begin at {}) ends beyond the file of {} bytes",
          path(), shown(info.name), info.bytes, offset, start, file_bytes());
    }
    offset = *begin;
  }
  std::vector<size_t> order(tensors_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](size_t i) { return placed_[i].offset; });
  for (size_t k = 1; k < order.size(); ++k) {
    const size_t a = order[k - 1], b = order[k];
    if (placed_[a].offset + tensors_[a].bytes > placed_[b].offset) {
      return errorf("{}: tensors {} and {} overlap at offset {}", path(), shown(tensors_[a].name),
                    shown(tensors_[b].name), placed_[b].offset);
    }
  }
  return {};
}

Status GgufFile::read() {
  uint64_t tensor_count = 0, entry_count = 0, values = 0;
  LOWBIT_TRY(read_header(tensor_count, entry_count));
  for (uint64_t i = 0; i < entry_count; ++i) LOWBIT_TRY(read_metadata_entry(reader_, metadata_, types_, values));
  LOWBIT_TRY(read_alignment());
  for (uint64_t i = 0; i < tensor_count; ++i) LOWBIT_TRY(read_tensor());
  names_.clear();
  return place_tensors();
}

Result<tensor::Weight> GgufFile::load(size_t index) const {
  LOWBIT_CHECK(index < tensors_.size());
  const TensorInfo& info = tensors_[index];
  if (info.shape.size() > 3) {
    return errorf("{}: tensor {} has {} dimensions, only 1 to 3 can be loaded", path(), shown(info.name),
                  info.shape.size());
  }
  auto packed =
      placed_[index].type->repack(info.parts[0].format, info.parts[0].rows, info.shape.back(), bytes_of(index));
  if (!packed.ok()) return errorf("{}: tensor {}: {}", path(), shown(info.name), packed.message());
  tensor::Weight weight;
  weight.shape = info.shape;
  weight.parts.push_back(std::move(packed).value());
  return weight;
}

}  // namespace

bool is_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

Result<std::shared_ptr<const ModelFile>> open_gguf(Source source) {
  auto file = std::make_shared<GgufFile>(std::move(source));
  LOWBIT_TRY(file->read());
  return std::shared_ptr<const ModelFile>(std::move(file));
}

}  // namespace lowbit::io
