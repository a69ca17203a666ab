// Small vocabularies of the kinds that are not byte-level, for the tests.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace lowbit::text {

struct TestToken {
  const char* text;
  double score = 0;
  int type = 1;
};

inline nlohmann::json metadata_of(const char* model, const std::vector<TestToken>& tokens) {
  nlohmann::json out = {{"tokenizer.ggml.model", model}};
  for (const TestToken& token : tokens) {
    out["tokenizer.ggml.tokens"].push_back(token.text);
    out["tokenizer.ggml.scores"].push_back(token.score);
    out["tokenizer.ggml.token_type"].push_back(token.type);
  }
  return out;
}

inline Tokenizer tokenizer_of(const nlohmann::json& metadata) {
  auto tokenizer = Tokenizer::from_metadata(metadata, "test");
  EXPECT_TRUE(tokenizer.ok()) << (tokenizer.ok() ? "" : tokenizer.message());
  return tokenizer.ok() ? *std::move(tokenizer) : Tokenizer();
}

}  // namespace lowbit::text
