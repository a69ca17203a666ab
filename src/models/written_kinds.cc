#include "models/written_kinds.h"

#include <array>

#include "models/hf/folder_kind.h"

namespace lowbit::models {

std::span<const io::WrittenKind* const> written_kinds() {
  static const std::array kKinds = {&io::native_kind(), &io::gguf_kind(), &hf::folder_kind()};
  return kKinds;
}

const io::WrittenKind* written_kind(std::string_view path) {
  for (const io::WrittenKind* kind : written_kinds()) {
    if (path.ends_with(kind->ending)) return kind;
  }
  return nullptr;
}

}  // namespace lowbit::models
