#include "io/importance.h"

#include <cmath>

#include "io/byte_reader.h"
#include "io/gguf.h"
#include "io/limits.h"
#include "io/utf8.h"
#include "tensor/weight.h"

namespace lowbit::io {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

Status check(const std::string& path, std::string_view name, const std::vector<float>& values) {
  for (const float v : values) {
    if (std::isfinite(v) && v >= 0.0f) continue;
    return errorf("{}: the importance of {} holds {}, expected numbers of 0 or more", path, shown(name), v);
  }
  return {};
}

Result<std::vector<float>> values_of(const ModelFile& file, size_t index) {
  LOWBIT_ASSIGN(const tensor::Weight weight, file.load(index));
  return tensor::dequantize(weight);
}

// NAME.in_sum2 [matrices, cols], sums of squares, and NAME.counts [matrices, 1].
Result<Importance> read_gguf(const Source& source) {
  LOWBIT_ASSIGN(const auto file, open_gguf(source));
  Importance result;
  const auto& tensors = file->tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].name.ends_with(kSums)) continue;
    const std::string name = tensors[i].name.substr(0, tensors[i].name.size() - kSums.size());
    const int64_t index = file->find(name + std::string(kCounts));
    if (index < 0) return errorf("{}: tensor {} has no {}{}", file->path(), shown(tensors[i].name), name, kCounts);
    LOWBIT_ASSIGN(const std::vector<float> sums, values_of(*file, i));
    LOWBIT_ASSIGN(const std::vector<float> counts, values_of(*file, static_cast<size_t>(index)));
    const auto cols = static_cast<size_t>(tensors[i].shape.back());
    if (counts.size() * cols != sums.size()) {
      return errorf("{}: tensor {} has {} values and {} counts", file->path(), shown(tensors[i].name), sums.size(),
                    counts.size());
    }
    std::vector<float>& mean = result[name];
    mean.assign(cols, 0.0f);
    double seen = 0.0;
    for (const float count : counts) seen += count > 0.0f ? 1.0 : 0.0;
    for (size_t j = 0; j < sums.size(); ++j) {
      const float count = counts[j / cols];
      if (count > 0.0f) mean[j % cols] += static_cast<float>(sums[j] / count / seen);
    }
    LOWBIT_TRY(check(file->path(), name, mean));
  }
  if (result.empty()) return errorf("{}: a GGUF without an importance matrix (NAME{})", file->path(), kSums);
  return result;
}

// The number of entries; for each the length of its name, the name, the number of calls, the number of values, and
// the values, each a mean times the number of calls. What follows says where it came from.
Result<Importance> read_binary(const Source& source) {
  ByteReader reader(source.path(), source.bytes());
  LOWBIT_ASSIGN(const int32_t entries, reader.read<int32_t>("the number of entries"));
  if (entries < 1 || static_cast<uint64_t>(entries) > kMaxTensors) {
    return errorf("{}: no importance matrix: neither a GGUF nor {} entries can be", source.path(), entries);
  }
  Importance result;
  for (int32_t i = 0; i < entries; ++i) {
    LOWBIT_ASSIGN(const int32_t length, reader.read<int32_t>("the length of a name"));
    std::string name;
    for (int32_t j = 0; j < length; ++j) {
      LOWBIT_ASSIGN(const char letter, reader.read<char>("a name"));
      name += letter;
    }
    LOWBIT_ASSIGN(const int32_t calls, reader.read<int32_t>("a number of calls"));
    LOWBIT_ASSIGN(const int32_t count, reader.read<int32_t>("a number of values"));
    if (length < 1 || count < 1 || static_cast<uint64_t>(count) > reader.left() / sizeof(float)) {
      return reader.error("entry {} of an importance matrix has a name of {} bytes and {} values, with {} bytes left",
                          i, length, count, reader.left());
    }
    std::vector<float> values;
    for (int32_t j = 0; j < count; ++j) {
      LOWBIT_ASSIGN(const float value, reader.read<float>("a value"));
      values.push_back(calls > 0 ? value / static_cast<float>(calls) : value);
    }
    LOWBIT_TRY(check(source.path(), name, values));
    result[name] = std::move(values);
  }
  return result;
}

}  // namespace

Result<Importance> read_importance(const Source& source) {
  return is_gguf(source.bytes()) ? read_gguf(source) : read_binary(source);
}

Result<Importance> read_importance(const std::string& path) {
  LOWBIT_ASSIGN(const Source source, Source::map(path));
  return read_importance(source);
}

}  // namespace lowbit::io
