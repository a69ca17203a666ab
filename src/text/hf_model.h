// The models of tokenizer.json: BPE, Unigram, WordPiece, WordLevel.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "text/json_reader.h"
#include "text/model.h"

namespace lowbit::text {

class HfModel {
 public:
  virtual ~HfModel() = default;
  // Its stretches are pieces of a pre-tokenizer: well-formed and not empty.
  virtual std::unique_ptr<Encoder> encoder() const = 0;
};

struct HfModelParts {
  std::string type;
  std::unordered_map<std::string, int32_t> vocabulary;
  int32_t unknown = -1;
  std::shared_ptr<const HfModel> model;
};

// Ids are bounded by this: a small file must not ask for a large table.
inline constexpr int64_t kMaxTokenId = (1 << 24) - 1;

// control: names of tokens that no text may spell.
Result<HfModelParts> read_hf_model(const JsonReader& json, const std::unordered_set<std::string>& control);

}  // namespace lowbit::text
