// The loop from a prompt to tokens.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engine.h"
#include "runtime/sampler.h"

namespace lowbit::runtime {

struct GenerateOptions {
  SamplingOptions sampling;
  int64_t max_tokens = -1;                    // -1: until the context is full
  std::vector<std::string> stop;              // the text ends before the first of these
  const std::atomic<bool>* cancel = nullptr;  // looked at between tokens, and between pieces of the prompt
  ProgressFn progress;                        // "reading the prompt"; done equals total at its end
};

struct Generation {
  std::vector<int32_t> ids;  // generated, the end token not included
  std::string text;
  std::string finish_reason;  // "stop" (end token or stop string), "length", "context", "cancelled"
  int64_t prompt_tokens = 0;  // fed in this call: all, or fewer where it was cancelled
  double prefill_seconds = 0.0, decode_seconds = 0.0;
};

class TextOut;

// A conversation: what a cache holds, and the tokens in it.
class Session {
 public:
  Session(Engine& engine, int64_t context);

  // Feeds the prompt (in chunks) and generates. on_text gets complete pieces of UTF-8 as they come; text that may be
  // the beginning of a stop string is held back. An error where the prompt alone does not fit, or where logits are no
  // numbers. Where it was cancelled while reading the prompt, the session holds what was fed until then.
  Result<Generation> generate(std::span<const int32_t> prompt, const GenerateOptions& options,
                              const std::function<void(std::string_view)>& on_text = {});

  int64_t length() const { return cache_.length(); }
  int64_t context() const { return cache_.capacity(); }
  std::span<const int32_t> tokens() const { return history_; }  // what the cache holds

 private:
  // last: logits are wanted after them.
  Status feed_piece(std::span<const int32_t> tokens, bool last);
  // Returns how many were fed: all, or fewer where it was cancelled.
  Result<int64_t> feed(std::span<const int32_t> tokens, const GenerateOptions& options);
  Status decode(const GenerateOptions& options, TextOut& out, Generation& result);

  Engine& engine_;
  exec::Cache cache_;
  std::vector<int32_t> history_;  // what the cache holds
  std::vector<float> logits_;     // after the last token
};

}  // namespace lowbit::runtime
