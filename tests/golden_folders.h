// The folders that transformers saved of the tiny models (goldens/make_tiny_models.py), and what a model makes of
// tokens.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tiny_llama.h"

namespace lowbit::test {

// Names below goldens/hf, ascending.
inline std::vector<std::string> golden_folders() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("goldens/hf")) {
    found.push_back(entry.path().filename().string());
  }
  std::ranges::sort(found);
  return found;
}

// Of 40 tokens below 64.
inline std::vector<float> logits_of(const models::OpenedModel& opened, const graph::NumericPolicy& policy) {
  ThreadPool pool(2);
  const tensor::Weights weights = models::load_weights(opened, pool).value();
  const auto runner = executor(with_casts(opened.model.graph, weights, policy), weights, active_isa(), 2);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back((i * i * 7 + 3 * i + 5) % 64);
  exec::Cache cache = runner->new_cache(static_cast<int64_t>(tokens.size()));
  const exec::Segment segment{tokens, &cache, static_cast<int64_t>(tokens.size())};
  std::vector<float> rows;
  const Status status = runner->forward({&segment, 1}, rows);
  EXPECT_TRUE(status.ok()) << status.message();
  return rows;
}

}  // namespace lowbit::test
