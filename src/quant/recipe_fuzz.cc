#include <cstddef>
#include <cstdint>

#include "quant/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto recipe =
      lowbit::quant::parse_recipe(std::string(reinterpret_cast<const char*>(data), size), "fuzz.toml");
  (void)recipe.ok();
  return 0;
}
