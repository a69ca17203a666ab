#include "io/gguf_split.h"

#include <charconv>
#include <optional>

#include "io/gguf.h"
#include "io/source.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

constexpr std::string_view kCountKey = "split.count", kNumberKey = "split.no";
constexpr std::string_view kOf = "-of-", kEnding = ".gguf";
constexpr size_t kDigits = 5;
constexpr uint64_t kMostParts = 65535;

// A number of the metadata; `otherwise` where there is none.
uint64_t number_of(const ModelFile& file, std::string_view key, uint64_t otherwise) {
  const auto found = file.metadata().find(std::string(key));
  return found != file.metadata().end() && found->is_number_unsigned() ? found->get<uint64_t>() : otherwise;
}

std::string part_path(std::string_view stem, uint64_t number, uint64_t count) {
  return fmt::format("{}{:05}{}{:05}{}", stem, number, kOf, count, kEnding);
}

struct SplitName {
  std::string_view stem;
  uint64_t number, count;  // from 1
};

// The name of a part: five digits each, and no number beyond the count.
std::optional<SplitName> split_name(std::string_view path) {
  constexpr size_t kTail = 2 * kDigits + kOf.size() + kEnding.size();
  if (path.size() <= kTail) return std::nullopt;
  const auto digits = [](std::string_view text, uint64_t& value) {
    const auto read = std::from_chars(text.data(), text.data() + kDigits, value);
    return read.ptr == text.data() + kDigits;
  };
  SplitName name{path.substr(0, path.size() - kTail), 0, 0};
  const std::string_view tail = path.substr(name.stem.size());
  if (!digits(tail, name.number) || !digits(tail.substr(kDigits + kOf.size()), name.count)) return std::nullopt;
  if (name.number < 1 || name.number > name.count) return std::nullopt;
  if (part_path(name.stem, name.number, name.count) != path) return std::nullopt;
  return name;
}

class SplitFile final : public ModelFile {
 public:
  explicit SplitFile(std::vector<std::shared_ptr<const ModelFile>> parts) : parts_(std::move(parts)) {
    for (size_t part = 0; part < parts_.size(); ++part) {
      bytes_ += parts_[part]->file_bytes();
      const auto tensors = parts_[part]->tensors();
      tensors_.insert(tensors_.end(), tensors.begin(), tensors.end());
      for (size_t i = 0; i < tensors.size(); ++i) places_.push_back({part, i});
    }
  }

  const std::string& path() const override { return parts_[0]->path(); }
  uint64_t file_bytes() const override { return bytes_; }
  std::vector<std::string> files() const override {
    std::vector<std::string> paths;
    for (const auto& part : parts_) paths.push_back(part->path());
    return paths;
  }
  std::string_view kind() const override { return parts_[0]->kind(); }
  const nlohmann::json& metadata() const override { return parts_[0]->metadata(); }
  const MetadataTypes& metadata_types() const override { return parts_[0]->metadata_types(); }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  Result<tensor::Weight> load(size_t index) const override {
    return parts_[places_[index].part]->load(places_[index].index);
  }
  void release(size_t index) const override { parts_[places_[index].part]->release(places_[index].index); }

 private:
  struct Place {
    size_t part, index;
  };
  std::vector<std::shared_ptr<const ModelFile>> parts_;
  std::vector<TensorInfo> tensors_;
  std::vector<Place> places_;
  uint64_t bytes_ = 0;
};

}  // namespace

std::vector<std::string> split_paths(const std::string& path) {
  const auto name = split_name(path);
  if (!name || name->number != 1) return {path};
  std::vector<std::string> paths;
  for (uint64_t i = 1; i <= name->count; ++i) paths.push_back(part_path(name->stem, i, name->count));
  return paths;
}

std::string first_of_split(const std::string& path) {
  const auto name = split_name(path);
  return name ? part_path(name->stem, 1, name->count) : path;
}

Result<std::shared_ptr<const ModelFile>> join_split(std::shared_ptr<const ModelFile> first) {
  const uint64_t count = number_of(*first, kCountKey, 1);
  if (count <= 1) return first;
  const std::string path = first->path();
  if (const uint64_t number = number_of(*first, kNumberKey, 0); number != 0) {
    return errorf("{}: part {} of {} of a model; open the first part, whose name ends in -00001-of-{:05}.gguf", path,
                  number + 1, count, count);
  }
  const std::vector<std::string> paths = split_paths(path);
  if (paths.size() != count || count > kMostParts) {
    return errorf("{}: the first of {} parts of a model, expected a name that ends in -00001-of-{:05}.gguf", path,
                  count, count);
  }
  std::vector<std::shared_ptr<const ModelFile>> parts = {std::move(first)};
  std::unordered_map<std::string, size_t> names;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) {
      auto source = Source::map(paths[i]);
      if (!source.ok()) return errorf("{} (part {} of {} of the model {})", source.message(), i + 1, count, path);
      if (!is_gguf(source->bytes())) return errorf("{}: no GGUF, expected part {} of {}", paths[i], i + 1, count);
      LOWBIT_ASSIGN(auto part, open_gguf(std::move(source).value()));
      if (number_of(*part, kNumberKey, 0) != i || number_of(*part, kCountKey, 1) != count) {
        return errorf("{}: part {} of {}, expected part {} of {}", paths[i], number_of(*part, kNumberKey, 0) + 1,
                      number_of(*part, kCountKey, 1), i + 1, count);
      }
      parts.push_back(std::move(part));
    }
    for (const TensorInfo& tensor : parts[i]->tensors()) {
      const auto [found, added] = names.emplace(tensor.name, i);
      if (!added) {
        return errorf("{}: tensor {} stands in {} too", paths[i], shown(tensor.name), paths[found->second]);
      }
    }
  }
  return std::shared_ptr<const ModelFile>(std::make_shared<SplitFile>(std::move(parts)));
}

}  // namespace lowbit::io
