// Perplexity of a text, and how far a model's next-token distributions are from a base's.
//
// The text is tokenized once (control tokens in it are not parsed; BOS in front where the model adds one) and cut
// into chunks of `context` tokens without overlap; where the model adds BOS the first token of each chunk is replaced
// by it. Each chunk starts with an empty cache; of `context` predictions the last context/2 - 1 count (for 512 the
// last 255), as llama.cpp's perplexity tool does it.
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "runtime/engine.h"

namespace lowbit::eval {

struct EvalOptions {
  int64_t context = 0;     // tokens of a chunk; 0: 512, or what the models were trained for where that is less
  int64_t chunks = -1;     // -1: all that the text has
  bool reference = false;  // fp32 activations and cache for the model itself (a base always runs so)
  int64_t worst = 12;      // how many of the worst positions to keep
  int64_t top = 3;         // their most likely tokens
};

// One scored prediction: the token at `position` of chunk `chunk` given those before it.
struct WorstPosition {
  int64_t chunk = 0, position = 0;
  double kl = 0.0;
  std::string before;  // some text in front
  std::string actual;  // the token that came
  struct Guess {
    std::string token;
    double p = 0.0;
  };
  std::vector<Guess> base_top, top;
};

struct ChunkResult {
  double nll = 0.0, nll_base = 0.0, kl = 0.0;  // means over the chunk, nats
};

struct EvalResult {
  int64_t tokens = 0;  // predictions scored
  int64_t chunks = 0, context = 0;
  double perplexity = 0.0, perplexity_stderr = 0.0;
  bool has_base = false;
  double perplexity_base = 0.0;
  double kl_mean = 0.0, kl_stderr = 0.0, kl_median = 0.0, kl_p99 = 0.0, kl_max = 0.0;  // KL(base || model), nats
  double top1_agreement = 0.0;  // share of positions where both prefer the same token
  std::vector<ChunkResult> per_chunk;
  std::vector<double> kl_by_position;  // mean over chunks, by position in the scored part
  std::vector<WorstPosition> worst;
};

// base may be null. Both must have the same vocabulary; an error says what differs, or that the text is too short,
// the context longer than what a model was trained for, or a model's logits no finite numbers. Memory: the logits of
// kPiece tokens of each model.
constexpr int64_t kPiece = 64;
Result<EvalResult> evaluate(const runtime::Engine& model, const runtime::Engine* base, const std::string& text,
                            const EvalOptions& options, const graph::NumericPolicy& policy,
                            const ProgressFn& progress = {});

// Chunks of token ids as evaluate() makes them.
Result<std::vector<std::vector<int32_t>>> chunk_tokens(const text::Tokenizer& tokenizer, const std::string& text,
                                                       int64_t context, int64_t chunks);

// One row of logits normalized: log p(i) = logits[i] - norm(). Fixed order of operations.
class LogSoftmax {
 public:
  explicit LogSoftmax(std::span<const float> logits);
  double norm() const { return norm_; }
  double sum() const { return sum_; }                                    // of the exponentials
  std::span<const float> exponentials() const { return exponentials_; }  // exp(logit - greatest)

 private:
  float most_ = 0.0f;
  double sum_ = 0.0, norm_ = 0.0;
  std::vector<float> exponentials_;
};

// KL(p || q) of two rows of logits, in nats.
double kl_divergence(std::span<const float> p, const LogSoftmax& p_soft, std::span<const float> q,
                     const LogSoftmax& q_soft);

}  // namespace lowbit::eval
