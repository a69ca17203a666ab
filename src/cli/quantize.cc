// lowbit quantize MODEL -o OUT (--format F | --recipe R.toml | --budget B)
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "base/file.h"
#include "cli/command.h"
#include "cli/open_model.h"
#include "cli/policy_options.h"
#include "cli/quantize_output.h"
#include "cli/shared_texts.h"
#include "cli/text_input.h"
#include "quant/recipe.h"
#include "report/page.h"
#include "runtime/generate.h"

namespace lowbit::cli {
namespace {

constexpr const char* kProbeFormat = "uint4/64:f16+zp";
constexpr int64_t kReportChunks = 8;
constexpr int64_t kAnswerTokens = 64;
constexpr int64_t kHistogramRows = 256;
constexpr int kHistogramBins = 96;
constexpr size_t kMostHistograms = 6;

struct QuantizeArguments {
  std::string model, out, budget, recipe, calibration, evaluation, report, work, method;
  std::string prompt = "The capital of France is";
  std::optional<formats::Format> format;
  std::vector<std::string> overrides;
  int64_t threads = 0, chunks = 0, context = 0;
  bool dry_run = false, json = false;
};

std::string method_names() {
  std::string names;
  for (const quant::Method& m : quant::methods()) names += fmt::format("{}{}", names.empty() ? "" : ", ", m.name);
  return names;
}

Setter method(std::string& target) {
  return [&target](const std::string& value) -> Status {
    if (quant::find_method(value) == nullptr)
      return errorf("\"{}\" is no method; there are {}", value, method_names());
    target = value;
    return {};
  };
}

Status check_arguments(const QuantizeArguments& a) {
  const int ways = (a.format ? 1 : 0) + (a.budget.empty() ? 0 : 1) + (a.recipe.empty() ? 0 : 1);
  if (ways == 0) return errorf("say what to make: --format F, --budget B or --recipe FILE");
  if (a.format && !a.budget.empty()) return errorf("--format and --budget exclude each other");
  if (a.out.empty() && !a.dry_run) return errorf("-o OUT is missing (or --dry-run)");
  if (!a.out.empty() && !a.out.ends_with(".safetensors")) {
    return errorf("-o {}: this version writes .safetensors files", a.out);
  }
  if (!a.budget.empty())
    LOWBIT_TRY([&]() -> Status {
      LOWBIT_ASSIGN(auto b, search::parse_budget(a.budget));
      (void)b;
      return {};
    }());
  return {};
}

Status add_override(search::JobOptions& options, const std::string& pattern, const formats::Format& format) {
  try {
    options.overrides.push_back({pattern, std::regex(pattern), format});
  } catch (const std::regex_error&) {
    return errorf("\"{}\" is no regular expression", pattern);
  }
  return {};
}

Status apply_recipe(const QuantizeArguments& a, search::JobOptions& options, std::string& budget) {
  if (a.recipe.empty()) return {};
  LOWBIT_ASSIGN(const quant::Recipe recipe, quant::read_recipe(a.recipe));
  if (!a.format && a.budget.empty()) {
    options.format = recipe.format;
    if (recipe.budget) budget = *recipe.budget;
    if (!options.format && budget.empty())
      return errorf("{}: neither format nor budget, and none was given", a.recipe);
  }
  options.sensitivity.method = recipe.method;
  options.sensitivity.rounding = recipe.options;
  options.sensitivity.candidates = recipe.candidates;
  if (recipe.calibration_chunks) options.chunks = *recipe.calibration_chunks;
  if (recipe.context) options.context = *recipe.context;
  for (const auto& rule : recipe.rules) LOWBIT_TRY(add_override(options, rule.match, rule.format));
  return {};
}

Result<search::JobOptions> job_options(const QuantizeArguments& a, std::string& calibration_name) {
  search::JobOptions options;
  options.format = a.format;
  std::string budget = a.budget;
  // What stands on the command line comes before the rules of a recipe.
  for (const std::string& text : a.overrides) {
    const size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0) return errorf("--tensor {}: expected REGEX=FORMAT", text);
    LOWBIT_ASSIGN(const formats::Format format, formats::parse_format(text.substr(equals + 1)));
    LOWBIT_TRY(add_override(options, text.substr(0, equals), format));
  }
  LOWBIT_TRY(apply_recipe(a, options, budget));
  if (!budget.empty()) {
    LOWBIT_ASSIGN(options.budget, search::parse_budget(budget));
    options.format.reset();
  }
  if (!a.method.empty()) options.sensitivity.method = a.method;
  if (a.chunks > 0) options.chunks = a.chunks;
  if (a.context > 0) options.context = a.context;
  calibration_name = a.calibration;
  const bool plain = options.format && options.format->is_plain();
  if (calibration_name.empty() && !plain) calibration_name = shared_text("calibration.txt");
  if (!calibration_name.empty()) {
    LOWBIT_ASSIGN(options.calibration_text, read_input(calibration_name));
  }
  options.probe_format = formats::parse_format(kProbeFormat).value();
  options.work = !a.work.empty() ? a.work : (a.out.empty() ? "lowbit-dry-run" : a.out) + ".work";
  options.pool = std::make_shared<ThreadPool>(static_cast<int>(a.threads));
  return options;
}

Result<std::string> answer(runtime::Engine& engine, const std::string& prompt) {
  const auto ids = engine.tokenizer->encode(prompt, {false, engine.tokenizer->adds_bos(), nullptr});
  runtime::Session session(engine, static_cast<int64_t>(ids.size()) + kAnswerTokens);
  runtime::GenerateOptions options;
  options.max_tokens = kAnswerTokens;
  LOWBIT_ASSIGN(const runtime::Generation generation, session.generate(ids, options));
  return generation.text;
}

// Everything that the page shows beyond the plan: measured quality, answers, histograms.
Status measure_for_report(const QuantizeArguments& a, const std::string& model_path, QuantizeFindings& f,
                          std::shared_ptr<ThreadPool> pool, ProgressBar& bar) {
  runtime::EngineOptions options;
  options.pool = std::move(pool);
  LOWBIT_ASSIGN(const auto result, runtime::Engine::open(a.out, options));
  options.policy = graph::NumericPolicy::reference();
  LOWBIT_ASSIGN(const auto base, runtime::Engine::open(model_path, options));
  f.evaluation_name = a.evaluation.empty() ? shared_text("evaluation.txt") : a.evaluation;
  if (!f.evaluation_name.empty()) {
    LOWBIT_ASSIGN(const std::string text, read_input(f.evaluation_name));
    eval::EvalOptions eval;
    eval.chunks = kReportChunks;
    eval.context = std::min<int64_t>(512, result->opened.model.context);
    LOWBIT_ASSIGN(f.measured,
                  eval::evaluate(*result, base.get(), text, eval, graph::NumericPolicy::standard(), bar.callback()));
  }
  f.prompt = a.prompt;
  LOWBIT_ASSIGN(f.answer_after, answer(*result, a.prompt));
  LOWBIT_ASSIGN(f.answer_before, answer(*base, a.prompt));
  std::map<std::string, bool> seen;
  for (const quant::TensorPlan& tensor : f.job->search.plan.tensors) {
    const quant::PartPlan& part = tensor.parts[0];
    const std::string format = formats::print(part.format);
    if (tensor.shape.size() != 2 || part.keep || seen[format] || f.histograms.size() >= kMostHistograms) continue;
    auto histogram = quant::grid_histogram(*f.job->weights.at(tensor.name), *result->weights.at(tensor.name),
                                           kHistogramRows, kHistogramBins);
    if (histogram.counts.empty()) continue;
    seen[format] = true;
    f.histograms.push_back({tensor.name, format, std::move(histogram)});
  }
  QuantizeFindings with_engine = f;
  with_engine.result = result.get();
  with_engine.base = base.get();
  return write_text_file(a.report, report::render_page(quantize_report(with_engine)));
}

// The command as a person would write it, for the page.
std::string command_line(const QuantizeArguments& a) {
  std::string line = fmt::format("lowbit quantize {} -o {}", a.model, a.out);
  if (a.format) line += " --format " + formats::print(*a.format);
  if (!a.budget.empty()) line += " --budget " + a.budget;
  if (!a.recipe.empty()) line += " --recipe " + a.recipe;
  for (const std::string& rule : a.overrides) line += fmt::format(" --tensor '{}'", rule);
  if (!a.calibration.empty()) line += " --text " + a.calibration;
  return line;
}

Status quantize(const QuantizeArguments& a) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  ProgressBar bar;
  LOWBIT_ASSIGN(const std::string path, find_model(a.model, bar));
  QuantizeFindings f;
  LOWBIT_ASSIGN(search::JobOptions options, job_options(a, f.calibration_name));
  LOWBIT_ASSIGN(const auto job, search::make_plan(path, options, bar.callback()));
  f.model_name = a.model;
  f.out = a.out;
  f.command = command_line(a);
  f.job = job.get();
  quant::QuantizeOutcome outcome;
  if (!a.dry_run) {
    quant::QuantizeJob run{&job->opened,
                           &job->search.plan,
                           &*job->work,
                           job->calibrated,
                           options.sensitivity.rounding,
                           job->opened.file->metadata(),
                           options.pool.get()};
    LOWBIT_ASSIGN(outcome, quant::quantize(run, a.out, bar.callback()));
    f.outcome = &outcome;
    if (a.work.empty()) job->work->remove();
  }
  f.seconds = seconds();
  if (!a.report.empty() && !a.dry_run) LOWBIT_TRY(measure_for_report(a, path, f, options.pool, bar));
  bar.clear();
  if (a.json) {
    print_json(quantize_json(f));
  } else {
    fmt::print("{}", quantize_text(f));
    if (!a.report.empty() && !a.dry_run) fmt::print("report: {}\n", a.report);
  }
  return {};
}

}  // namespace

Action quantize_command(Options& options) {
  const auto a = std::make_shared<QuantizeArguments>();
  add_model_argument(options, a->model);
  options.option("-o,--out", "OUT", text(a->out), "the file to write, .safetensors").offer = Offer::files;
  options.option("--format", "F", format(a->format), "one format for all matrices").offer = Offer::formats;
  options.option("--budget", "B", text(a->budget), "the best mix of formats for 4.25bpw, 80MB or 76MiB");
  options.option("--recipe", "R.toml", text(a->recipe), "formats, method and options from a file").offer =
      Offer::files;
  options.option("--tensor", "REGEX=F", append(a->overrides), "a format for the tensors whose names match").repeated =
      true;
  options.option("--text", "CALIB", text(a->calibration), "calibration text (the one that ships with lowbit)").offer =
      Offer::files;
  options.option("--method", "NAME", method(a->method), "rounding method (gptq): " + method_names());
  options.option("--calibration-chunks", "N", integer(a->chunks, 1, 1 << 20),
                 "chunks of the text to calibrate on (24)");
  options.option("--context", "N", integer(a->context, 4, 1 << 20), "tokens of a chunk (512)");
  options.option("--report", "OUT.html", text(a->report), "the result as one page").offer = Offer::files;
  options.option("--eval-text", "FILE", text(a->evaluation), "what the report measures on").offer = Offer::files;
  options.option("--prompt", "TEXT", text(a->prompt), "what the report asks both models");
  options.option("--work", "DIR", text(a->work), "keep intermediate results here, for several budgets of one model")
      .offer = Offer::files;
  add_threads_option(options, a->threads);
  options.flag("--dry-run", a->dry_run, "only say what would be done");
  add_json_option(options, a->json);
  options.check([a] { return check_arguments(*a); });
  return [a] { return quantize(*a); };
}

}  // namespace lowbit::cli
