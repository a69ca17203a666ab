#include "io/source.h"

#include <sys/stat.h>

#include <cstring>
#include <new>

namespace lowbit::io {

Result<Source> Source::map(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return errorf("{}: a folder, expected one GGUF or safetensors file", path);
  }
  Source source;
  LOWBIT_ASSIGN(source.map_, MappedFile::open(path));
  source.path_ = path;
  source.bytes_ = source.map_->bytes();
  source.owner_ = source.map_->owner();
  return source;
}

Source Source::memory(std::string name, std::span<const std::byte> bytes) {
  constexpr std::align_val_t kAlignment{64};
  Source source;
  source.path_ = std::move(name);
  std::shared_ptr<std::byte> copy(static_cast<std::byte*>(::operator new(bytes.size() + 1, kAlignment)),
                                  [](std::byte* p) { ::operator delete(p, kAlignment); });
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  source.bytes_ = {copy.get(), bytes.size()};
  source.owner_ = std::move(copy);
  return source;
}

void Source::release(std::span<const std::byte> part) const {
  if (map_.has_value() && !part.empty()) map_->release(part);
}

}  // namespace lowbit::io
