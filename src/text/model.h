// A kind of tokenizer (a row of models.inc): how a stretch of plain text becomes ids, and what bytes a token stands
// for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/metadata.h"
#include "text/vocabulary.h"

namespace lowbit::text {

// Encodes for one thread; holds scratch memory and what it has seen.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Appends the ids of a stretch without special tokens, which begins the text or follows a special token. Any bytes
  // may stand in it.
  virtual void encode(std::string_view stretch, std::vector<int32_t>& ids) = 0;
  // Bytes so far for which the vocabulary has no token.
  virtual uint64_t lost_bytes() const = 0;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual std::unique_ptr<Encoder> encoder() const = 0;
  // The bytes of a token of the file that is neither control nor user-defined.
  virtual std::string bytes_of(std::string_view token, TokenType type) const = 0;
  // Whether one space at the beginning of a decoded text was put there by encode().
  virtual bool prefixes_space() const { return false; }
  // What the kind does where the file does not say.
  virtual bool adds_bos() const { return false; }
  virtual bool adds_eos() const { return false; }
};

using ModelFactory = Result<std::shared_ptr<const Model>> (*)(const Metadata&, const Vocabulary&);

}  // namespace lowbit::text
