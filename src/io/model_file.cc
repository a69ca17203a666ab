#include "io/model_file.h"

#include "io/gguf.h"
#include "io/source.h"

namespace lowbit::io {

int64_t ModelFile::find(std::string_view name) const {
  const auto all = tensors();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == name) return static_cast<int64_t>(i);
  }
  return -1;
}

Result<std::shared_ptr<const ModelFile>> open_model(const std::string& path) {
  LOWBIT_ASSIGN(Source source, Source::map(path));
  if (is_gguf(source.bytes())) return open_gguf(std::move(source));
  return errorf("{}: neither GGUF nor safetensors", path);
}

}  // namespace lowbit::io
