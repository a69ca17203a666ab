// From what a person typed as MODEL to a model ready to run.
#pragma once

#include <memory>
#include <string>

#include "cli/options.h"
#include "cli/progress_bar.h"
#include "graph/graph.h"
#include "runtime/engine.h"

namespace lowbit::cli {

// Declares MODEL.
void add_model_argument(Options& options, std::string& target);

// MODEL, and how it cuts a text: the same for every command that reads one.
struct ModelArguments {
  std::string name;           // as typed
  std::string pre_tokenizer;  // empty: the one that the file names

  // Declares MODEL and --pre-tokenizer; names this object, which must outlive the parsing.
  void add_to(Options& options);
};

// The path of a model: a file, or a known name that is pulled where it is missing.
Result<std::string> find_model(const std::string& name_or_path, ProgressBar& bar);

// Finds and opens it.
Result<std::unique_ptr<runtime::Engine>> open_engine(const ModelArguments& model, const graph::NumericPolicy& policy,
                                                     std::shared_ptr<ThreadPool> pool, ProgressBar& bar);

}  // namespace lowbit::cli
