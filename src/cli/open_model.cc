#include "cli/open_model.h"

#include "io/hub.h"

namespace lowbit::cli {

void add_model_argument(Options& options, std::string& target) {
  options
      .positional("MODEL", text(target),
                  "a model file or folder, a name that lowbit pull lists, or hf:ORG/NAME[:FILE]")
      .offer = Offer::models;
}

void ModelArguments::add_to(Options& options) {
  add_model_argument(options, name);
  options.option("--pre-tokenizer", "NAME", text(pre_tokenizer),
                 "how a text is cut before merging, where the file names an unknown way");
}

Result<std::string> find_model(const std::string& name_or_path, ProgressBar& bar) {
  auto path = io::resolve_model(name_or_path, bar.callback());
  bar.clear();
  return path;
}

Result<std::unique_ptr<runtime::Engine>> open_engine(const ModelArguments& model, const graph::NumericPolicy& policy,
                                                     std::shared_ptr<ThreadPool> pool, ProgressBar& bar) {
  LOWBIT_ASSIGN(const std::string path, find_model(model.name, bar));
  runtime::EngineOptions options;
  options.policy = policy;
  options.pool = std::move(pool);
  options.pre_tokenizer = model.pre_tokenizer;
  auto engine = runtime::Engine::open(path, options, bar.callback());
  bar.clear();
  return engine;
}

}  // namespace lowbit::cli
