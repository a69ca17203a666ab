#include "io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "io/json_text.h"
#include "io/metadata_text.h"
#include "io/safetensors_header.h"
#include "io/utf8.h"
#include "tensor/gather.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

class NativeFile final : public ModelFile {
 public:
  explicit NativeFile(Source source) : source_(std::move(source)) {}

  Status read();

  const std::string& path() const override { return source_.path(); }
  uint64_t file_bytes() const override { return source_.bytes().size(); }
  std::string_view kind() const override { return "safetensors"; }
  const json& metadata() const override { return metadata_; }
  const json& plan() const override { return plan_; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  Result<tensor::Weight> load(size_t index) const override;

 private:
  // A tensor with the places of its pieces in the file.
  struct Stored {
    StoredTensor tensor;
    std::vector<Piece> pieces;
    std::vector<uint64_t> offsets;
  };

  Status read_metadata();
  Status check_layout(std::span<const StoredTensor> tensors) const;
  Status find_pieces(StoredTensor tensor, std::vector<Stored>& found);
  Status check_all_used(const std::vector<Stored>& found) const;
  Result<const std::string*> metadata_member(std::string_view key) const;
  std::span<const std::byte> piece_bytes(const Stored& stored, size_t i) const {
    return source_.bytes().subspan(stored.offsets[i], stored.pieces[i].packed);
  }

  Source source_;
  SafetensorsHeader header_;
  json metadata_, plan_;
  std::vector<Stored> stored_;
  std::vector<TensorInfo> tensors_;
};

Result<const std::string*> NativeFile::metadata_member(std::string_view key) const {
  const auto found = header_.metadata.find(std::string(key));
  if (found == header_.metadata.end()) return errorf("{}: __metadata__ lacks {}", path(), shown(key));
  return &found->second;
}

// "3 tensors (BF16, F32)".
std::string contents(const SafetensorsHeader& header) {
  std::set<std::string> dtypes;
  for (const SafetensorsEntry& entry : header.entries) dtypes.insert(entry.dtype);
  return fmt::format("{} tensors ({})", header.entries.size(), fmt::join(dtypes, ", "));
}

Status NativeFile::read_metadata() {
  if (!header_.metadata.contains(std::string(kVersionKey))) {
    return errorf(
        "{}: a safetensors file of {} that lowbit did not write: its metadata has no {}, and files of other "
        "programs need their config.json beside them",
        path(), contents(header_), shown(kVersionKey));
  }
  LOWBIT_ASSIGN(const std::string* version, metadata_member(kVersionKey));
  if (*version != kNativeVersion) {
    return errorf("{}: {} is {}, expected {}", path(), kVersionKey, shown(*version), shown(kNativeVersion));
  }
  if (header_.data_offset % kNativeAlignment != 0) {
    return errorf("{}: the data begin at offset {}, expected a multiple of {}", path(), header_.data_offset,
                  kNativeAlignment);
  }
  LOWBIT_ASSIGN(const std::string* text, metadata_member(kMetadataKey));
  auto metadata = parse_metadata_text(*text);
  if (!metadata.ok()) return errorf("{}: {}: {}", path(), kMetadataKey, metadata.message());
  metadata_ = std::move(metadata).value();
  const auto plan_text = header_.metadata.find(std::string(kPlanKey));
  if (plan_text == header_.metadata.end()) return {};
  auto plan = parse_json(plan_text->second);
  if (!plan.ok()) return errorf("{}: {}: {}", path(), kPlanKey, plan.message());
  plan_ = std::move(plan).value();
  return {};
}

Status NativeFile::check_layout(std::span<const StoredTensor> tensors) const {
  LOWBIT_ASSIGN(const std::string* layout, metadata_member(kLayoutKey));
  const std::string_view expected = layout_name(tensors);
  if (*layout == expected) return {};
  const bool old = *layout == kNativeLayout;
  return errorf("{}: {} is {}, expected {}{}", path(), kLayoutKey, shown(*layout), shown(expected),
                old ? ": its ternary weights have 2 bits, which is read no more; quantize the model again" : "");
}

Status NativeFile::find_pieces(StoredTensor tensor, std::vector<Stored>& found) {
  tensor.row_order = header_.by_name.contains(tensor.name + "#rows");
  auto pieces = pieces_of(tensor);
  if (!pieces.ok()) return errorf("{}: {}", path(), pieces.message());
  Stored stored{std::move(tensor), std::move(pieces).value(), {}};
  for (const Piece& piece : stored.pieces) {
    const auto at = header_.by_name.find(piece.name);
    if (at == header_.by_name.end()) return errorf("{}: tensor {} is missing", path(), shown(piece.name));
    const SafetensorsEntry& entry = header_.entries[at->second];
    if (entry.dtype != piece.dtype || entry.shape != piece.shape) {
      return errorf("{}: tensor {} is {} [{}], expected {} [{}]", path(), shown(piece.name), shown(entry.dtype),
                    fmt::join(entry.shape, ", "), piece.dtype, fmt::join(piece.shape, ", "));
    }
    const uint64_t offset = header_.data_offset + entry.begin;
    if (offset % kNativeAlignment != 0) {
      return errorf("{}: tensor {} begins at offset {}, expected a multiple of {}", path(), shown(piece.name), offset,
                    kNativeAlignment);
    }
    stored.offsets.push_back(offset);
  }
  found.push_back(std::move(stored));
  return {};
}

// Every entry of the file must belong to a tensor or be padding.
Status NativeFile::check_all_used(const std::vector<Stored>& found) const {
  std::set<std::string_view> used;
  for (const Stored& stored : found) {
    for (const Piece& piece : stored.pieces) used.insert(piece.name);
  }
  for (const SafetensorsEntry& entry : header_.entries) {
    if (!used.contains(entry.name) && !entry.name.starts_with("#pad")) {
      return errorf("{}: tensor {} is not in the list {}", path(), shown(entry.name), kTensorsKey);
    }
  }
  return {};
}

Status NativeFile::read() {
  LOWBIT_ASSIGN(header_, read_safetensors_header(source_));
  LOWBIT_TRY(read_metadata());
  LOWBIT_ASSIGN(const std::string* text, metadata_member(kTensorsKey));
  auto list = parse_stored_tensors(*text);
  if (!list.ok()) return errorf("{}: {}: {}", path(), kTensorsKey, list.message());
  LOWBIT_TRY(check_layout(*list));
  for (StoredTensor& tensor : *list) LOWBIT_TRY(find_pieces(std::move(tensor), stored_));
  LOWBIT_TRY(check_all_used(stored_));
  std::ranges::sort(stored_, {}, [](const Stored& stored) { return stored.offsets.front(); });
  for (const Stored& stored : stored_) {
    TensorInfo info{stored.tensor.name, stored.tensor.shape, stored.tensor.parts, 0};
    for (const Piece& piece : stored.pieces) {
      info.bytes += (piece.bytes + kNativeAlignment - 1) / kNativeAlignment * kNativeAlignment;
    }
    tensors_.push_back(std::move(info));
  }
  return {};
}

// A stored vector as the first of the 16 rows of its packed form.
Result<tensor::PackedMatrix> load_plain(const formats::Format& format, int64_t cols,
                                        std::span<const std::byte> bytes) {
  LOWBIT_ASSIGN(tensor::PackedMatrix packed, tensor::PackedMatrix::allocate(format, 1, cols));
  const size_t word = format.element.bits / 8;
  std::byte* to = packed.writable().data();
  for (size_t c = 0; c < static_cast<size_t>(cols); ++c) {
    std::memcpy(to + c * word * tensor::kRowBlock, bytes.data() + c * word, word);
  }
  return packed;
}

Result<tensor::Weight> NativeFile::load(size_t index) const {
  LOWBIT_CHECK(index < stored_.size());
  const Stored& stored = stored_[index];
  tensor::Weight weight;
  weight.shape = stored.tensor.shape;
  for (size_t i = 0; i < stored.tensor.parts.size(); ++i) {
    const TensorInfo::Part& part = stored.tensor.parts[i];
    auto packed = is_stored_plain(stored.tensor)
                      ? load_plain(part.format, weight.cols(), piece_bytes(stored, i))
                      : tensor::PackedMatrix::view(part.format, part.rows, weight.cols(), piece_bytes(stored, i),
                                                   source_.owner());
    if (!packed.ok()) return errorf("{}: tensor {}: {}", path(), shown(stored.tensor.name), packed.message());
    weight.parts.push_back(std::move(packed).value());
  }
  if (stored.tensor.row_order) {
    const auto bytes = piece_bytes(stored, stored.pieces.size() - 1);
    weight.row_order.resize(bytes.size() / sizeof(int32_t));
    std::memcpy(weight.row_order.data(), bytes.data(), bytes.size());
  }
  const Status whole = tensor::check_weight(weight);
  if (!whole.ok()) return errorf("{}: tensor {}: {}", path(), shown(stored.tensor.name), whole.message());
  return weight;
}

}  // namespace

Result<std::shared_ptr<const ModelFile>> open_safetensors(Source source) {
  auto file = std::make_shared<NativeFile>(std::move(source));
  LOWBIT_TRY(file->read());
  return std::shared_ptr<const ModelFile>(std::move(file));
}

}  // namespace lowbit::io
