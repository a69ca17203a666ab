// lowbit inspect --fits: the memory that a model needs, and the speed to expect.
#pragma once

#include <optional>
#include <string>

#include "cli/json_output.h"
#include "cli/policy_options.h"
#include "cli/progress_bar.h"
#include "io/model_file.h"
#include "models/model.h"

namespace lowbit::cli {

struct FitArguments {
  bool asked = false;
  int64_t context = 0;  // 0: 4096, or what the model was trained for
  std::optional<formats::Format> kv;
  std::optional<int64_t> threads;

  // Declares --fits, --ctx, --kv and --threads; names this object, which must outlive the parsing.
  void add_to(Options& options);
};

// model: null where no graph can be built; then only the weights are counted.
Result<Json> fit_json(const FitArguments& a, const io::ModelFile& file, const models::Model* model, ProgressBar& bar);

// The same for people: pairs of a word and a sentence.
std::vector<std::vector<std::string>> fit_rows(const Json& fit);

}  // namespace lowbit::cli
