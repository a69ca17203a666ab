// One reply of a model: Ctrl-C, and what is said about it at its end.
#pragma once

#include <atomic>
#include <string>

#include "cli/json_output.h"
#include "cli/progress_bar.h"
#include "runtime/generate.h"

namespace lowbit::cli {

// While it lives, the first Ctrl-C raises a flag and the second ends the program (130). One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const std::atomic<bool>* flag() const;
};

// Tokens that the cache is made for. asked: --ctx, or 0. needed: prompt and reply, or -1 where the reply has no
// bound. trained: of the model. An error where more is asked for than the model was trained for.
Result<int64_t> context_length(int64_t asked, int64_t prompt, int64_t needed, int64_t trained);

// Shows how far a prompt is read, and takes the bar away at its end.
ProgressFn prompt_progress(ProgressBar& bar);

// Keys of `run --json`.
Json generation_json(const runtime::Generation& generation, int64_t context);

// "12 prompt tokens at 345.1/s, 64 tokens at 56.7/s; ended: the context of 76 tokens is full".
std::string generation_summary(const runtime::Generation& generation, int64_t context);

// Text as it comes, on standard output.
void write_piece(std::string_view piece);

}  // namespace lowbit::cli
