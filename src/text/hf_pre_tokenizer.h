// The pre-tokenizers of tokenizer.json: a text is cut into pieces that the model sees one by one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "text/json_reader.h"

namespace lowbit::text {

struct HfPiece {
  std::string text;
  bool begins;  // whether it stands at the beginning of the whole text
};

class HfPreTokenizer {
 public:
  using Pieces = std::vector<HfPiece>;
  using Step = std::function<Pieces(Pieces)>;

  // null is one that cuts nothing.
  static Result<HfPreTokenizer> read(const JsonReader& json);

  // Of well-formed pieces; none that comes out is empty.
  Pieces run(Pieces pieces) const;

  // Patterns of the steps "Split" (isolated) and "Digits", then GPT-2's where ByteLevel cuts by it: what the rows of
  // pre_tokenizers.inc hold. Empty where another step stands among them.
  static std::vector<std::string> patterns(const JsonReader& json);

 private:
  Status add(const JsonReader& json);
  std::vector<Step> steps_;
};

}  // namespace lowbit::text
