// lowbit eval MODEL --text FILE
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/file.h"
#include "cli/command.h"
#include "cli/eval_output.h"
#include "cli/open_model.h"
#include "cli/policy_options.h"
#include "cli/similarity_output.h"
#include "cli/text_input.h"
#include "eval/perplexity.h"
#include "report/page.h"

namespace lowbit::cli {
namespace {

struct EvalArguments {
  ModelArguments model;
  std::string base, text, report;
  eval::EvalOptions eval;
  PolicyOptions policy;
  bool json = false;
};

// Opens the base; where it is the model's own file, the weights are shared.
Result<const runtime::Engine*> open_base(const EvalArguments& arguments, const runtime::Engine& model,
                                         std::unique_ptr<runtime::Engine>& own, ProgressBar& bar) {
  if (arguments.base.empty()) return static_cast<const runtime::Engine*>(nullptr);
  LOWBIT_ASSIGN(const std::string path, find_model(arguments.base, bar));
  std::error_code problem;
  if (std::filesystem::equivalent(path, model.opened.file->path(), problem)) return &model;
  LOWBIT_ASSIGN(
      own, open_engine({path, arguments.model.pre_tokenizer}, graph::NumericPolicy::reference(), model.pool, bar));
  return static_cast<const runtime::Engine*>(own.get());
}

// Whether a report can be written, asked before the long work.
Status check_report(const std::string& path) {
  if (path.empty()) return {};
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const std::string name = folder.empty() ? "." : folder.string();
  if (access(name.c_str(), W_OK | X_OK) != 0) {
    return errorf("{}: the report cannot be written there: {}", path, std::strerror(errno));
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return errorf("{}: is a folder, expected a file's name", path);
  return {};
}

// An encoder has no perplexity: it is compared with a base, text by text.
Status check_encoder_options(const EvalArguments& arguments) {
  const std::string& name = arguments.model.name;
  if (arguments.base.empty()) {
    return errorf(
        "{}: an encoder predicts no tokens, so it has no perplexity; --base MODEL compares its sentence "
        "vectors with those of another",
        name);
  }
  const bool context = arguments.eval.context != 0;
  if (!context && arguments.eval.chunks < 0) return {};
  return errorf("{}: --{} cuts a text for a model that continues it; an encoder reads it line by line", name,
                context ? "context" : "chunks");
}

// The figures first: a report that cannot be written does not take them away.
Status show(const EvalArguments& arguments, const Json& json, const std::string& text, const Json& page) {
  if (arguments.json) {
    print_json(json);
  } else {
    fmt::print("{}", text);
  }
  if (arguments.report.empty()) return {};
  LOWBIT_TRY(write_text_file(arguments.report, report::render_page(page)));
  if (!arguments.json) fmt::print("report: {}\n", arguments.report);
  return {};
}

Status evaluate(const EvalArguments& arguments) {
  LOWBIT_TRY(check_report(arguments.report));
  LOWBIT_ASSIGN(const std::string text, read_input(arguments.text));
  ProgressBar bar;
  const graph::NumericPolicy policy = arguments.policy.policy();
  LOWBIT_ASSIGN(const auto model, open_engine(arguments.model, policy, arguments.policy.pool(), bar));
  if (model->opened.model.encoder) LOWBIT_TRY(check_encoder_options(arguments));
  std::unique_ptr<runtime::Engine> own;
  LOWBIT_ASSIGN(const runtime::Engine* base, open_base(arguments, *model, own, bar));

  const auto start = std::chrono::steady_clock::now();
  EvalContext context{arguments.model.name, arguments.base, arguments.text, model.get(), base, 0.0};
  const auto stop = [&] {
    bar.clear();
    context.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  if (model->opened.model.encoder) {
    LOWBIT_ASSIGN(const auto result,
                  eval::compare_vectors(*model, *base, text, {arguments.policy.reference}, policy, bar.callback()));
    stop();
    Json json = similarity_json(result, context);
    json["policy"] = policy_json(policy);
    return show(arguments, json, similarity_text(result), similarity_report(result, context));
  }
  eval::EvalOptions options = arguments.eval;
  options.reference = arguments.policy.reference;
  LOWBIT_ASSIGN(const auto result, eval::evaluate(*model, base, text, options, policy, bar.callback()));
  stop();
  Json json = eval_json(result, context);
  json["policy"] = policy_json(policy);
  return show(arguments, json, eval_text(result), eval_report(result, context));
}

}  // namespace

Action eval_command(Options& options) {
  const auto arguments = std::make_shared<EvalArguments>();
  arguments->model.add_to(options);
  options
      .option("--base", "MODEL", text(arguments->base),
              "the model to compare with, run in fp32: how far the predictions (of an encoder the vectors) are from "
              "its own")
      .offer = Offer::models;
  OptionRow& file = options.option("--text", "FILE", text(arguments->text),
                                   "the text (of an encoder: a text a line); - reads standard input");
  file.required = true;
  file.offer = Offer::files;
  options.option("--context", "N", integer(arguments->eval.context, 4, std::numeric_limits<int32_t>::max()),
                 "tokens of a chunk (512, or what the models were trained for where that is less)");
  options.option("--chunks", "N", integer(arguments->eval.chunks, 1, std::numeric_limits<int64_t>::max()),
                 "only the first N chunks of the text");
  arguments->policy.add_to(options);
  options.option("--report", "OUT.html", text(arguments->report), "the result as one page").offer = Offer::files;
  add_json_option(options, arguments->json);
  return [arguments] { return evaluate(*arguments); };
}

}  // namespace lowbit::cli
