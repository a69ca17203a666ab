// How the next token is chosen: the same options for run and chat.
#pragma once

#include "cli/options.h"
#include "runtime/generate.h"

namespace lowbit::cli {

struct SamplingArguments {
  runtime::SamplingOptions sampling;
  int64_t top_k = 0;
  int64_t max_tokens = -1;
  std::vector<std::string> stop;

  // Declares the options with the present values as defaults; names this object, which must outlive the parsing.
  void add_to(Options& options);

  runtime::GenerateOptions generate_options() const;
};

}  // namespace lowbit::cli
