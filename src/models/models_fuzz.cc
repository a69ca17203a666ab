// libFuzzer target: any bytes as a model file, its graph built and every parameter of it loaded.
#include <cstdint>

#include "models/open.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lowbit;
  auto file = io::open_model("fuzz", {reinterpret_cast<const std::byte*>(data), size});
  if (!file.ok()) return 0;
  const auto opened = models::open(std::move(file).value());
  if (!opened.ok()) return 0;
  ThreadPool pool(1);
  (void)models::load_weights(*opened, pool);
  return 0;
}
