// libFuzzer target: any bytes as config.json of a checkpoint, up to a zero byte, and what follows as its safetensors;
// the graph built and every parameter loaded.
#include <algorithm>
#include <cstdint>

#include "models/hf/model.h"
#include "models/open.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lowbit;
  const uint8_t* end = std::find(data, data + size, uint8_t{0});
  if (end == data + size) return 0;
  nlohmann::json config = nlohmann::json::parse(data, end, nullptr, false);
  if (!config.is_object()) return 0;
  std::vector<io::Source> shards;
  const std::span<const uint8_t> rest(end + 1, data + size);
  shards.push_back(io::Source::memory("fuzz", std::as_bytes(rest)));
  auto checkpoint = io::Checkpoint::open("fuzz", std::move(shards), {}, {{io::kHfConfig, std::move(config)}}, {});
  if (!checkpoint.ok()) return 0;
  auto file = models::hf::open(std::move(checkpoint).value());
  if (!file.ok()) return 0;
  const auto opened = models::open(std::move(file).value());
  ThreadPool pool(1);
  if (opened.ok()) (void)models::load_weights(*opened, pool);
  return 0;
}
