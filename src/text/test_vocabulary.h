// A small vocabulary of byte-level BPE for the tests: all 256 bytes, some merges, some special tokens.
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lowbit::text {

// How files write each byte, built as the GPT-2 paper's code defines it: first the printable ones, then the others.
inline const std::array<std::string, 256>& written_bytes() {
  static const std::array<std::string, 256> table = [] {
    std::array<std::string, 256> out;
    const auto utf8 = [](uint32_t c) {
      if (c < 0x80) return std::string(1, static_cast<char>(c));
      return std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    };
    for (uint32_t b = '!'; b <= '~'; ++b) out[b] = utf8(b);
    for (uint32_t b = 0xA1; b <= 0xFF; ++b) {
      if (b != 0xAD) out[b] = utf8(b);
    }
    uint32_t next = 256;
    for (auto& entry : out) {
      if (entry.empty()) entry = utf8(next++);
    }
    return out;
  }();
  return table;
}

inline std::string written(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += written_bytes()[static_cast<uint8_t>(c)];
  return out;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Ids: byte b has id b; merge i makes id 256 + i; then the special tokens with their types.
inline nlohmann::json test_metadata(const Pairs& merges, const std::vector<std::pair<std::string, int>>& specials) {
  nlohmann::json tokens = nlohmann::json::array(), types = tokens, written_merges = tokens;
  for (const std::string& byte : written_bytes()) tokens.push_back(byte);
  for (const auto& [left, right] : merges) {
    tokens.push_back(written(left + right));
    written_merges.push_back(written(left) + " " + written(right));
  }
  for (size_t i = 0; i < tokens.size(); ++i) types.push_back(1);
  for (const auto& [name, type] : specials) {
    tokens.push_back(name);
    types.push_back(type);
  }
  return {{"tokenizer.ggml.model", "gpt2"},
          {"tokenizer.ggml.pre", "smollm"},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", written_merges}};
}

}  // namespace lowbit::text
