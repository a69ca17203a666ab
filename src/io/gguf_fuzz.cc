// libFuzzer target: any bytes as a GGUF file, all tensors loaded.
#include <cstdint>

#include "io/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lowbit::io;
  const auto file = open_gguf(Source::memory("fuzz", {reinterpret_cast<const std::byte*>(data), size}));
  if (!file.ok()) return 0;
  for (size_t i = 0; i < (*file)->tensors().size(); ++i) (void)(*file)->load(i);
  return 0;
}
