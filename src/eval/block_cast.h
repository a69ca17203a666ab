// Rows of numbers into a block format and back.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "eval/array_values.h"
#include "formats/block.h"
#include "formats/format.h"
#include "quant/method.h"

namespace lowbit::eval {

// Scales of each block by a rule, as hardware converts an array: of formats whose scales are symmetric
// (formats/block.h).
struct ByRule {
  formats::ScaleRule rule = formats::ScaleRule::automatic;
  formats::CastPolicy policy;
  uint64_t seed = 0;
};
// As weights are quantized, to nearest even: any block format but those of blocks of several rows. amax: scales from
// the extreme values of each group (method rtn); error: the search for the least squared error.
struct ByQuantizer {
  quant::ScaleSearch search = quant::ScaleSearch::amax;
};

// Whether ByRule is for the format; the error says why not.
Status check_rule(const formats::Format& format, const ByRule& way);

// The values of [rows][cols] numbers, the whole of an array. The errors are those of check_rule and of the quantizer.
Result<std::vector<float>> cast_rows(const formats::Format& format, const Samples& all, const ByRule& way,
                                     ThreadPool* pool);
Result<std::vector<float>> cast_rows(const formats::Format& format, const Samples& all, const ByQuantizer& way,
                                     ThreadPool* pool);

}  // namespace lowbit::eval
