// Writer of GGUF version 3: the tensor types that ggml_types.inc writes, data at multiples of 32 bytes. Metadata keep
// the value types of their source where it is a GGUF; else unsigned integers are uint32 (uint64 where they must),
// negative ones int32 (int64), floats float32, lists of integers int32. What a file says of its own form (file type,
// alignment, split) is that of the new file. The functions are those of a row of model_writer.h.
#pragma once

#include "io/model_writer.h"

namespace lowbit::io {

Result<uint64_t> gguf_file_bytes(const FileContent& content);
Result<uint64_t> gguf_tensor_bytes(const StoredTensor& tensor);
Result<formats::Format> gguf_holds(const formats::Format& format, std::string_view tensor,
                                   std::span<const int64_t> shape);
Result<std::unique_ptr<ModelWriter>> create_gguf(const std::string& path, const FileContent& content);

}  // namespace lowbit::io
