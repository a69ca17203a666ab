// Text to token ids and back, for every kind of vocabulary that has a row in models.inc.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowbit::text {

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0, end = 0;
  bool operator==(const TextRange&) const = default;
};

struct EncodeOptions {
  // Names of control and unknown tokens in the text become these tokens. For what a chat template made, never for
  // foreign text. User-defined tokens are always matched.
  bool parse_control = false;
  // The model's beginning-of-sequence token in front (nothing where it has none). Whether the model wants it in front
  // of a text: Tokenizer::adds_bos().
  bool add_bos = false;
  // Where not null, receives the number of bytes that no token of the vocabulary can spell. They are left out of the
  // ids (or become the unknown token where the vocabulary has one). Some vocabularies lack rare bytes.
  uint64_t* lost_bytes = nullptr;
  // What the model wants behind a text (T5: end of sequence, BERT: [SEP]). Whether it does: Tokenizer::adds_eos().
  bool add_eos = false;
  // With parse_control: ranges, ascending and disjoint, in which no control or unknown token is matched, nor across
  // their borders.
  std::span<const TextRange> plain = {};
};

struct TokenizerParts;

// The key of a model's metadata that holds the text of its tokenizer.json.
inline constexpr const char* kHuggingFaceJson = "tokenizer.huggingface.json";

// Immutable and cheap to copy; every member may be called by several threads at once.
class Tokenizer {
 public:
  Tokenizer() = default;  // only to be assigned to

  // metadata: an object with the key names of GGUF (tokenizer.ggml.*); where it has no tokenizer.ggml.model, with the
  // text of a tokenizer.json under kHuggingFaceJson. source_name: the file, for error messages. An unknown kind, an
  // unknown pre-tokenizer or a malformed key is an error that names it. pre_tokenizer: where not empty, in place of
  // tokenizer.ggml.pre; an error where the kind has none.
  static Result<Tokenizer> from_metadata(const nlohmann::json& metadata, std::string_view source_name,
                                         std::string_view pre_tokenizer = {});

  // The text of a tokenizer.json (Hugging Face tokenizers).
  static Result<Tokenizer> from_json(std::string_view text, std::string_view source_name);

  // The ids of any bytes; an empty text has none. Special tokens are matched from the left, at one place the longest.
  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;

  // Where encode() with parse_control would match control and unknown tokens.
  std::vector<TextRange> control_names(std::string_view text) const;

  // The bytes that a token stands for; of a control token its name; of an id outside [0, size()) nothing (models may
  // have more rows than tokens: padding).
  std::string_view token_bytes(int32_t id) const;

  // The bytes of all tokens in order; control and unknown tokens only with_control. Not necessarily well-formed
  // UTF-8. The space that kinds as SentencePiece put before a text is taken away again.
  std::string decode(std::span<const int32_t> ids, bool with_control = false) const;

  // The bytes of a token that begins a text, or of one that stands within; of an id outside [0, size()) nothing.
  std::string_view piece(int32_t id, bool begins) const;

  int32_t size() const;
  // -1 where the model has none.
  int32_t bos() const;
  int32_t eos() const;
  // Whether the model was trained with its BOS in front of every text.
  bool adds_bos() const;
  // Whether with its EOS behind.
  bool adds_eos() const;
  // Control and unknown tokens: they steer the model and are not part of a text. False outside [0, size()).
  bool is_control(int32_t id) const;
  // Tokens that end a reply: EOS and those of end_of_turn.inc that the vocabulary has. Ascending.
  std::span<const int32_t> end_of_turn() const;

 private:
  explicit Tokenizer(TokenizerParts parts);

  struct State;
  std::shared_ptr<const State> state_;
};

// Turns ids into text as they arrive. What comes out is well-formed UTF-8 that never ends inside a character; bytes
// that are no UTF-8 come out as U+FFFD.
class StreamDecoder {
 public:
  // continues: the ids go on after others, so that a space in front is one of the text.
  explicit StreamDecoder(Tokenizer tokenizer, bool with_control = false, bool continues = false)
      : tokenizer_(std::move(tokenizer)), with_control_(with_control), begins_(!continues) {}

  // The text that has become complete with this token; may be empty.
  std::string push(int32_t id);
  // The rest at the end of the ids: U+FFFD for a character that stayed incomplete, else nothing.
  std::string flush();

 private:
  Tokenizer tokenizer_;
  bool with_control_, begins_;
  std::string pending_;  // the beginning of a character, at most 3 bytes
};

}  // namespace lowbit::text
