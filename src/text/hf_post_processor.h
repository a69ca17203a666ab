// The post-processors of tokenizer.json: the tokens that stand around a text.
#pragma once

#include <cstdint>
#include <vector>

#include "text/json_reader.h"

namespace lowbit::text {

struct HfSurroundings {
  std::vector<int32_t> before, after;
};

// Of one text (not a pair). count: ids are below it.
Result<HfSurroundings> read_hf_post_processor(const JsonReader& json, size_t count);

}  // namespace lowbit::text
