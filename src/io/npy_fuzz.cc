// libFuzzer target: any bytes as an array of NumPy.
#include <cstdint>

#include "base/check.h"
#include "io/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto array = lowbit::io::parse_npy("fuzz", {reinterpret_cast<const std::byte*>(data), size});
  constexpr lowbit::io::NpyType kWide[] = {lowbit::io::NpyType::float16, lowbit::io::NpyType::float64,
                                           lowbit::io::NpyType::uint32};
  const auto view = lowbit::io::view_npy("fuzz", {reinterpret_cast<const std::byte*>(data), size}, {kWide, true});
  if (view.ok()) LOWBIT_CHECK(view->data.size() <= size);
  if (!array.ok()) return 0;
  uint64_t elements = 1;
  for (const int64_t n : array->shape) elements *= static_cast<uint64_t>(n);
  std::visit([&](const auto& values) { LOWBIT_CHECK(values.size() == elements); }, array->values);
  return 0;
}
