// llama.cpp's importance matrix: for each weight the mean square of each of its inputs, in its GGUF form or in the
// older binary form.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/source.h"

namespace lowbit::io {

// Tensor name -> [cols]. Where a tensor of experts has a row for each, their mean.
using Importance = std::map<std::string, std::vector<float>, std::less<>>;

Result<Importance> read_importance(const std::string& path);
Result<Importance> read_importance(const Source& source);

}  // namespace lowbit::io
