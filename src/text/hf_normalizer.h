// The normalizers of tokenizer.json: what is done to a text before it is cut.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "text/json_reader.h"

namespace lowbit::text {

class HfNormalizer {
 public:
  // null is one that changes nothing.
  static Result<HfNormalizer> read(const JsonReader& json);

  // Of a well-formed text; what comes out is well-formed.
  std::string run(std::string text) const;

  bool empty() const { return steps_.empty(); }

 private:
  using Step = std::function<std::string(std::string)>;
  Status add(const JsonReader& json);
  std::vector<Step> steps_;
};

}  // namespace lowbit::text
