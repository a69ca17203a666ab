// lowbit pull [NAME]: a known model, or hf:ORG/NAME[:FILE][@REVISION]
#include <cstdio>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/progress_bar.h"
#include "io/hub.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

constexpr const char* kNameHelp =
    "a known model, or hf:ORG/NAME[:FILE][@REVISION]: what a Hugging Face hub has under that name; without it, the "
    "list "
    "of known models. FILE is one file of the repository (of a split GGUF the first part); without it come "
    "config.json, "
    "tokenizer and safetensors files, or the only GGUF file there is. REVISION is a branch, a tag or a commit "
    "(main). A "
    "download that was broken off goes on where it ended; every file is checked by the hash that the hub tells. "
    "HF_ENDPOINT is the hub (https://huggingface.co), HF_TOKEN opens gated and private models (else the token that "
    "Hugging Face's programs keep), HF_HUB_CACHE or HF_HOME say where its cache lies (~/.cache/huggingface/hub), "
    "which "
    "is shared with those programs, HF_HUB_OFFLINE=1 takes what is there; LOWBIT_CACHE is the folder of all other "
    "models";

struct PullArguments {
  std::string name;
  bool json = false;
};

Status list(const PullArguments& arguments) {
  LOWBIT_ASSIGN(const auto models, io::list_models());
  Json listed = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto& [model, path, bytes, cached] : models) {
    listed.push_back({{"name", model.name},
                      {"what", model.what},
                      {"bytes", bytes == 0 ? Json() : Json(bytes)},
                      {"licence", model.licence},
                      {"sha256", model.sha256()},
                      {"path", path},
                      {"cached", cached}});
    rows.push_back({std::string(model.name), std::string(model.what),
                    bytes == 0 ? "?" : fmt::format("{:.1f}", static_cast<double>(bytes) / 1e6),
                    std::string(model.licence), cached ? path : "not in the cache"});
  }
  if (arguments.json) {
    print_json({{"models", listed}});
    return {};
  }
  const report::Column columns[] = {{"name"}, {"what"}, {"MB", report::Align::right}, {"licence"}, {"file"}};
  fmt::print("{}", report::table(columns, rows));
  return {};
}

Status pull(const PullArguments& arguments) {
  if (arguments.name.empty()) return list(arguments);
  ProgressBar bar;
  auto pulled = io::pull(arguments.name, bar.callback());
  bar.clear();
  LOWBIT_ASSIGN(const io::PulledModel model, std::move(pulled));
  if (!arguments.json) {
    fmt::print("{}\n", model.path);
    return {};
  }
  Json result = {{"name", arguments.name}, {"path", model.path}, {"bytes", model.bytes}, {"sha256", model.sha256}};
  if (!model.commit.empty()) result["commit"] = model.commit;
  print_json(result);
  return {};
}

}  // namespace

Action pull_command(Options& options) {
  const auto arguments = std::make_shared<PullArguments>();
  OptionRow& name = options.positional("NAME", text(arguments->name), kNameHelp, false);
  for (const io::KnownModel& model : io::known_models()) name.choices.emplace_back(model.name);
  add_json_option(options, arguments->json);
  return [arguments] { return pull(*arguments); };
}

}  // namespace lowbit::cli
