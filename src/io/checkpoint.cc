#include "io/checkpoint.h"

#include <algorithm>
#include <cstring>

#include "io/limits.h"
#include "io/safetensors_header.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

constexpr std::pair<std::string_view, std::string_view> kFormats[] = {
    {"F32", "f32"},        {"F16", "f16"}, {"BF16", "bf16"}, {"F8_E5M2", "e5m2"},
    {"F8_E4M3", "e4m3fn"}, {"I8", "int8"}, {"U8", "uint8"},  {"F64", "f32"},
};

// Values of F32 or F64 as floats.
std::vector<float> floats(std::span<const std::byte> bytes, bool wide) {
  std::vector<float> values(bytes.size() / (wide ? 8 : 4));
  if (!wide) {
    std::memcpy(values.data(), bytes.data(), values.size() * 4);
    return values;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    double value;
    std::memcpy(&value, bytes.data() + i * 8, 8);
    values[i] = static_cast<float>(value);
  }
  return values;
}

// Codes of 8 or 16 bits, packed 64 rows at a time.
Result<tensor::PackedMatrix> pack_codes(const formats::Format& format, int64_t rows, int64_t cols,
                                        std::span<const std::byte> bytes) {
  LOWBIT_ASSIGN(tensor::PackedMatrix packed, tensor::PackedMatrix::allocate(format, rows, cols));
  constexpr int64_t kRowsAtOnce = 4 * tensor::kRowBlock;
  const size_t word = format.element.bits / 8;
  const std::byte* from = bytes.data();
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const int64_t end = std::min(rows, begin + kRowsAtOnce);
    tensor::Codes codes;
    codes.codes.resize(static_cast<size_t>((end - begin) * cols));
    for (uint16_t& code : codes.codes) {
      std::memcpy(&code, from, word);
      from += word;
    }
    tensor::pack_rows(codes, begin, end, packed);
  }
  return packed;
}

}  // namespace

std::string_view format_of_dtype(std::string_view dtype) {
  const auto* found = std::ranges::find(kFormats, dtype, &std::pair<std::string_view, std::string_view>::first);
  return found == std::end(kFormats) ? std::string_view() : found->second;
}

std::string_view dtype_of_format(std::string_view format) {
  const auto* found = std::ranges::find(kFormats, format, &std::pair<std::string_view, std::string_view>::second);
  return found == std::end(kFormats) ? std::string_view() : found->first;
}

Status Checkpoint::add(size_t shard, const std::map<std::string, size_t>& file_of) {
  const Source& source = shards_[shard];
  LOWBIT_ASSIGN(const SafetensorsHeader header, read_safetensors_header(source));
  for (const SafetensorsEntry& entry : header.entries) {
    TensorInfo info;
    info.name = entry.name;
    info.bytes = entry.end - entry.begin;
    for (const uint64_t n : entry.shape) {
      if (n == 0 || n > kMaxElements) {
        return errorf("{}: tensor {} has a dimension of {}, expected 1 to {}", source.path(), shown(entry.name), n,
                      kMaxElements);
      }
      info.shape.push_back(static_cast<int64_t>(n));
    }
    if (const auto twice = names_.find(entry.name); twice != names_.end()) {
      return errorf("{}: tensor {} stands in {} too", source.path(), shown(entry.name),
                    shards_[places_[twice->second].shard].path());
    }
    const auto indexed = file_of.find(entry.name);
    if (!file_of.empty() && (indexed == file_of.end() || indexed->second != shard)) {
      return errorf("{}: tensor {} is not in this file by the index of shards", source.path(), shown(entry.name));
    }
    if (const std::string_view name = format_of_dtype(entry.dtype); !name.empty()) {
      LOWBIT_ASSIGN(formats::Format format, formats::parse_format(name));
      info.parts.push_back({std::move(format), info.shape.empty() ? 1 : info.parameters() / info.shape.back()});
    }
    names_.emplace(entry.name, tensors_.size());
    places_.push_back({shard, entry.dtype, header.data_offset + entry.begin});
    tensors_.push_back(std::move(info));
  }
  return {};
}

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(std::string path, std::vector<Source> shards,
                                                           const std::map<std::string, size_t>& file_of,
                                                           nlohmann::json metadata, std::vector<std::string> read) {
  auto checkpoint = std::make_shared<Checkpoint>();
  checkpoint->path_ = std::move(path);
  checkpoint->shards_ = std::move(shards);
  checkpoint->metadata_ = std::move(metadata);
  checkpoint->read_ = std::move(read);
  for (size_t i = 0; i < checkpoint->shards_.size(); ++i) {
    checkpoint->file_bytes_ += checkpoint->shards_[i].bytes().size();
    LOWBIT_TRY(checkpoint->add(i, file_of));
  }
  for (const auto& [name, shard] : file_of) {
    if (checkpoint->names_.contains(name)) continue;
    return errorf("{}: tensor {} is missing, the index of shards has it in this file",
                  checkpoint->shards_[shard].path(), shown(name));
  }
  return std::shared_ptr<const Checkpoint>(std::move(checkpoint));
}

std::vector<std::string> Checkpoint::files() const {
  std::vector<std::string> paths = read_;
  for (const Source& shard : shards_) paths.push_back(shard.path());
  return paths;
}

std::span<const std::byte> Checkpoint::bytes(size_t index) const {
  const Place& place = places_[index];
  return shards_[place.shard].bytes().subspan(place.begin, tensors_[index].bytes);
}

void Checkpoint::release(size_t index) const { shards_[places_[index].shard].release(bytes(index)); }

Result<tensor::Weight> Checkpoint::load(size_t index) const {
  LOWBIT_CHECK(index < tensors_.size());
  const TensorInfo& info = tensors_[index];
  const std::string& dtype = places_[index].dtype;
  if (info.parts.empty() || info.shape.empty() || info.shape.size() > 3) {
    return errorf("{}: tensor {} of dtype {} with {} dimensions is no weight", path_, shown(info.name), shown(dtype),
                  info.shape.size());
  }
  const TensorInfo::Part& part = info.parts[0];
  const bool wide = dtype == "F64";
  auto packed = wide || dtype == "F32"
                    ? tensor::pack_plain(part.format, part.rows, info.shape.back(), floats(bytes(index), wide))
                    : pack_codes(part.format, part.rows, info.shape.back(), bytes(index));
  if (!packed.ok()) return errorf("{}: tensor {}: {}", path_, shown(info.name), packed.message());
  tensor::Weight weight;
  weight.shape = info.shape;
  weight.parts.push_back(std::move(packed).value());
  return weight;
}

}  // namespace lowbit::io
