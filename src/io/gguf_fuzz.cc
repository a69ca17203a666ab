// libFuzzer target: any bytes as a GGUF file, all tensors loaded, and written again where they can be; and as an
// importance matrix.
#include <algorithm>
#include <cstdint>

#include "io/ggml_types.h"
#include "io/gguf.h"
#include "io/importance.h"

namespace {

using namespace lowbit::io;

// What was read is written, and read again gives the same packed bytes.
void write_again(const lowbit::tensor::PackedMatrix& matrix) {
  const GgmlType* type = find_ggml_type(matrix.format());
  if (type == nullptr || static_cast<uint64_t>(matrix.cols()) % type->block_elements != 0) return;
  std::vector<std::byte> blocks;
  type->blocks(matrix, 0, matrix.rows(), blocks);
  const auto again = type->repack(matrix.format(), matrix.rows(), matrix.cols(), blocks);
  if (!again.ok() || !std::ranges::equal(again->bytes(), matrix.bytes())) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto source = Source::memory("fuzz", {reinterpret_cast<const std::byte*>(data), size});
  (void)read_importance(source);
  const auto file = open_gguf(source);
  if (!file.ok()) return 0;
  for (size_t i = 0; i < (*file)->tensors().size(); ++i) {
    const auto weight = (*file)->load(i);
    if (weight.ok()) write_again(weight->parts[0]);
  }
  return 0;
}
