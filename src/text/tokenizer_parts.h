// What a Tokenizer is made of, whatever file it came from.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "text/detokenizer.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace lowbit::text {

// As in EncodeOptions.
struct CodecInput {
  std::string_view text;
  bool parse_control = false;
  std::span<const TextRange> plain;
};

// Text to ids; for any number of threads.
class Codec {
 public:
  virtual ~Codec() = default;
  // Appends the ids of any bytes. lost: bytes that no token can spell.
  virtual void encode(const CodecInput& in, std::vector<int32_t>& ids, uint64_t& lost) const = 0;
};

struct TokenizerParts {
  Vocabulary vocabulary;
  Detokenizer detokenizer;
  std::shared_ptr<const Codec> codec;
  std::vector<int32_t> before, after;       // what stands around a text where that is asked for
  bool adds_bos = false, adds_eos = false;  // whether the model wants it
};

}  // namespace lowbit::text
