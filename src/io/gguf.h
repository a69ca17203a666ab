// Reader of GGUF, versions 2 and 3, little-endian.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "io/model_file.h"
#include "io/source.h"

namespace lowbit::io {

// True where the bytes begin as a GGUF file does.
bool is_gguf(std::span<const std::byte> bytes);

// Reads metadata and the tensor list and checks every size and place against the file; tensors are read by load().
// Strings of the metadata keep their bytes, which need not be UTF-8; floats that JSON cannot hold are the strings
// "NaN", "Infinity" and "-Infinity".
Result<std::shared_ptr<const ModelFile>> open_gguf(Source source);

}  // namespace lowbit::io
