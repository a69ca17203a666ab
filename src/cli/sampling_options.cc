#include "cli/sampling_options.h"

#include <limits>

namespace lowbit::cli {

void SamplingArguments::add_to(Options& options) {
  constexpr double kMost = 1e6;
  const std::string tokens = max_tokens < 0 ? "-1" : std::to_string(max_tokens);
  options.option("-n,--tokens", "N", integer(max_tokens, -1, std::numeric_limits<int64_t>::max()),
                 fmt::format("most tokens to generate; -1: until the context is full ({})", tokens));
  options.option("--temp", "T", real(sampling.temperature, 0.0, kMost),
                 fmt::format("temperature; 0: always the most likely token ({})", sampling.temperature));
  options.option("--top-k", "K", integer(top_k, 0, std::numeric_limits<int32_t>::max()),
                 fmt::format("only the K most likely tokens; 0: all ({})", top_k));
  options.option("--top-p", "P", real(sampling.top_p, 0.0, 1.0),
                 fmt::format("only the most likely tokens that together reach P ({})", sampling.top_p));
  options.option("--min-p", "P", real(sampling.min_p, 0.0, 1.0),
                 fmt::format("only tokens with at least P times the greatest probability ({})", sampling.min_p));
  options.option("--repeat-penalty", "R", real(sampling.repetition_penalty, 1e-3, kMost),
                 fmt::format("makes recent tokens less likely; 1: off ({})", sampling.repetition_penalty));
  options.option("--seed", "S", seed(sampling.seed),
                 fmt::format("the same seed gives the same text ({})", sampling.seed));
  options.option("--stop", "TEXT", append(stop), "ends before this text; may be given several times").repeated = true;
}

runtime::GenerateOptions SamplingArguments::generate_options() const {
  runtime::GenerateOptions options;
  options.sampling = sampling;
  options.sampling.top_k = static_cast<int32_t>(top_k);
  options.max_tokens = max_tokens;
  options.stop = stop;
  return options;
}

}  // namespace lowbit::cli
