// The first step of byte-level BPE: a text is cut into pieces that merges never cross.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowbit::text {

struct PreTokenizerTraits {
  bool whole_words = false;  // a piece that is a token stays whole, whatever the merges say
  bool adds_bos = false;     // where the file does not say
  bool compose = false;      // the text is brought to NFC first
};

class PreTokenizer {
 public:
  // By the name of tokenizer.ggml.pre: a row of pre_tokenizers.inc. The error names the known names.
  static Result<PreTokenizer> find(std::string_view name);

  // The names of all rows, as "a, b, c".
  static std::string known_names();

  // The first row with exactly these patterns and traits; empty where there is none.
  static std::string_view name_of(const std::vector<std::string>& patterns, bool whole_words, bool composes);

  // The patterns of a row, in their order; empty where there is none.
  static std::vector<std::string_view> patterns_of(std::string_view name);

  PreTokenizerTraits traits() const;

  // One user of a PreTokenizer: holds the scratch memory of the matcher; for one thread.
  class Splitter {
   public:
    explicit Splitter(const PreTokenizer& owner);
    ~Splitter();

    // Pieces of the text in order; together they are the text. Each pattern of the row cuts the pieces of the one
    // before it, each piece being a text of its own (for look-ahead); what lies between two matches is a piece too.
    // A run of bytes that are no UTF-8 is a piece. Valid until the next call, and as long as the text.
    const std::vector<std::string_view>& split(std::string_view text);

   private:
    struct Scratch;
    std::unique_ptr<Scratch> scratch_;
  };

 private:
  struct Patterns;
  std::shared_ptr<const Patterns> patterns_;
};

}  // namespace lowbit::text
