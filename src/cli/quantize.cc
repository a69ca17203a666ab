// lowbit quantize MODEL -o OUT (--format F | --recipe R.toml | --budget B)
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <limits>

#include "base/file.h"
#include "cli/command.h"
#include "cli/open_model.h"
#include "cli/policy_options.h"
#include "cli/quantize_output.h"
#include "cli/quantize_paths.h"
#include "cli/shared_texts.h"
#include "cli/text_input.h"
#include "cli/version.h"
#include "io/format_text.h"
#include "models/written_kinds.h"
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

constexpr const char* kPrompt = "The capital of France is";

struct QuantizeArguments {
  ModelArguments model;
  std::string out, budget, recipe, calibration, importance, evaluation, report, work, method;
  std::optional<std::string> prompt;
  std::optional<formats::Format> format;
  std::vector<std::string> rule_texts;
  std::vector<quant::FormatRule> rules;
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

// REGEX=FORMAT; the expression may hold an equals sign, a format (and the name of its file) cannot.
Setter rule(QuantizeArguments& a) {
  return [&a](const std::string& value) -> Status {
    const size_t equals = value.rfind('=');
    if (equals == std::string::npos || equals == 0) return errorf("\"{}\": expected REGEX=FORMAT", value);
    LOWBIT_ASSIGN(quant::NamePattern pattern, quant::NamePattern::compile(value.substr(0, equals)));
    LOWBIT_ASSIGN(formats::Format format, io::read_format(value.substr(equals + 1)));
    a.rules.push_back({std::move(pattern), std::move(format)});
    a.rule_texts.push_back(value);
    return {};
  };
}

Setter out_path(std::string& target) {
  return [&target](const std::string& value) -> Status {
    target = with_ending(value);
    return {};
  };
}

Setter prompt(std::optional<std::string>& target) {
  return [&target](const std::string& value) -> Status {
    target = value;
    return {};
  };
}

std::string written_endings() {
  std::string text;
  for (const io::WrittenKind* kind : models::written_kinds()) {
    text += fmt::format("{}{}", text.empty() ? "" : " or ", kind->ending);
  }
  return text;
}

Status check_arguments(const QuantizeArguments& a) {
  const int ways = (a.format ? 1 : 0) + (a.budget.empty() ? 0 : 1) + (a.recipe.empty() ? 0 : 1);
  if (ways == 0) return errorf("say what to make: --format F, --budget B or --recipe FILE");
  if (a.format && !a.budget.empty()) return errorf("--format and --budget exclude each other");
  if (a.out.empty() && !a.dry_run) return errorf("-o OUT is missing (or --dry-run)");
  if (!a.out.empty() && models::written_kind(a.out) == nullptr) {
    return errorf("-o {}: expected a name that ends in {}", a.out, written_endings());
  }
  if (!a.importance.empty() && !a.calibration.empty()) return errorf("--imatrix and --text exclude each other");
  if (!a.importance.empty() && !a.budget.empty()) {
    return errorf("--budget needs calibration on a text, which --imatrix does not replace");
  }
  if (a.dry_run && !a.report.empty()) return errorf("--dry-run makes nothing that --report could measure");
  if (a.report.empty() && a.prompt) return errorf("--prompt is for the report: give --report OUT.html too");
  if (a.report.empty() && !a.evaluation.empty()) {
    return errorf("--eval-text is for the report: give --report OUT.html too");
  }
  if (a.budget.empty()) return {};
  const auto budget = search::parse_budget(a.budget);
  return budget.ok() ? Status() : Status(budget.error());
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
  if (recipe.divide_rows) options.sensitivity.divide_rows = *recipe.divide_rows;
  if (recipe.calibration_chunks) options.chunks = *recipe.calibration_chunks;
  if (recipe.context) options.context = *recipe.context;
  options.rules.insert(options.rules.end(), recipe.rules.begin(), recipe.rules.end());
  return {};
}

// A text that something depends on.
Result<std::string> read_whole_text(const std::string& path) {
  LOWBIT_ASSIGN(std::string text, read_input(path));
  if (text.empty()) return errorf("{}: is empty, expected a text", path == "-" ? "standard input" : path);
  return text;
}

Result<search::JobOptions> job_options(const QuantizeArguments& a, std::string& calibration_name) {
  search::JobOptions options;
  options.format = a.format;
  options.rules = a.rules;  // what stands on the command line comes before the rules of a recipe
  std::string budget = a.budget;
  LOWBIT_TRY(apply_recipe(a, options, budget));
  if (!budget.empty()) {
    auto parsed = search::parse_budget(budget);
    if (!parsed.ok()) return a.budget.empty() ? errorf("{}: {}", a.recipe, parsed.message()) : parsed.error();
    options.budget = *parsed;
    options.format.reset();
  }
  if (!a.method.empty()) options.sensitivity.method = a.method;
  if (a.chunks > 0) options.chunks = a.chunks;
  if (a.context > 0) options.context = a.context;
  if (!a.importance.empty()) {
    LOWBIT_ASSIGN(options.importance, io::read_importance(a.importance));
  }
  calibration_name = !a.importance.empty()   ? ""
                     : a.calibration.empty() ? shared_text("calibration.txt")
                                             : a.calibration;
  if (!calibration_name.empty()) {
    LOWBIT_ASSIGN(options.calibration_text, read_whole_text(calibration_name));
  }
  options.probe_format = formats::parse_format(kProbeFormat).value();
  options.work = a.work.empty() ? work_beside(a.out) : a.work;
  options.dry_run = a.dry_run;
  if (const io::WrittenKind* kind = models::written_kind(a.out)) options.sensitivity.kind = kind;
  options.program = kVersion;
  options.pre_tokenizer = a.model.pre_tokenizer;
  options.pool = std::make_shared<ThreadPool>(static_cast<int>(a.threads));
  return options;
}

Result<std::string> answer(runtime::Engine& engine, const std::string& prompt, ProgressBar& bar) {
  const auto ids = engine.tokenizer->encode(prompt, {false, engine.tokenizer->adds_bos(), nullptr});
  runtime::Session session(engine, static_cast<int64_t>(ids.size()) + kAnswerTokens);
  runtime::GenerateOptions options;
  options.max_tokens = kAnswerTokens;
  const ProgressFn progress = bar.callback();
  double pieces = 0.0;
  const auto count = [&](std::string_view) {
    report_progress(progress, "answering", ++pieces, static_cast<double>(kAnswerTokens));
  };
  report_progress(progress, "answering", 0.0, static_cast<double>(kAnswerTokens));
  LOWBIT_ASSIGN(const runtime::Generation generation, session.generate(ids, options, count));
  return generation.text;
}

// Weights of the first tensors of each format on its grid.
void add_histograms(const runtime::Engine& base, const runtime::Engine& result, QuantizeFindings& f) {
  std::map<std::string, bool> seen;
  for (const quant::TensorPlan& tensor : f.job->search.plan.tensors) {
    const quant::PartPlan& part = tensor.parts[0];
    const std::string format = formats::print(part.format);
    if (tensor.shape.size() != 2 || part.keep || seen[format] || f.histograms.size() >= kMostHistograms) continue;
    auto histogram = quant::grid_histogram(*base.weights.at(tensor.name), *result.weights.at(tensor.name),
                                           kHistogramRows, kHistogramBins);
    if (histogram.counts.empty()) continue;
    seen[format] = true;
    f.histograms.push_back({tensor.name, format, std::move(histogram)});
  }
}

// Of a decoder: perplexity, divergence, and what both answer.
Status measure_words(const QuantizeArguments& a, runtime::Engine& result, runtime::Engine& base,
                     const std::string& text, QuantizeFindings& f, ProgressBar& bar) {
  if (!text.empty()) {
    eval::EvalOptions eval;
    eval.chunks = kReportChunks;
    eval.context = std::min<int64_t>(512, result.opened.model.context);
    LOWBIT_ASSIGN(f.measured,
                  eval::evaluate(result, &base, text, eval, graph::NumericPolicy::standard(), bar.callback()));
  }
  f.prompt = a.prompt.value_or(kPrompt);
  LOWBIT_ASSIGN(f.answer_after, answer(result, f.prompt, bar));
  LOWBIT_ASSIGN(f.answer_before, answer(base, f.prompt, bar));
  return {};
}

// Of an encoder: its sentence vectors.
Status measure_vectors(const runtime::Engine& result, const runtime::Engine& base, const std::string& text,
                       QuantizeFindings& f, ProgressBar& bar) {
  if (text.empty()) return {};
  LOWBIT_ASSIGN(f.similarity,
                eval::compare_vectors(result, base, text, {}, graph::NumericPolicy::standard(), bar.callback()));
  return {};
}

// Everything that the page shows beyond the plan: measured quality, answers, histograms.
Status measure_for_report(const QuantizeArguments& a, const std::string& model_path, const std::string& text,
                          QuantizeFindings& f, std::shared_ptr<ThreadPool> pool, ProgressBar& bar) {
  runtime::EngineOptions options;
  options.pool = std::move(pool);
  LOWBIT_ASSIGN(const auto result, runtime::Engine::open(a.out, options));
  options.pre_tokenizer = a.model.pre_tokenizer;
  options.policy = graph::NumericPolicy::reference();
  LOWBIT_ASSIGN(const auto base, runtime::Engine::open(model_path, options));
  LOWBIT_TRY(result->opened.model.encoder ? measure_vectors(*result, *base, text, f, bar)
                                          : measure_words(a, *result, *base, text, f, bar));
  add_histograms(*base, *result, f);
  QuantizeFindings with_engine = f;
  with_engine.result = result.get();
  with_engine.base = base.get();
  return write_text_file(a.report, report::render_page(quantize_report(with_engine)));
}

// As a shell wants it: in quotes where it holds anything but plain characters.
std::string quoted(const std::string& word) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._-/=:+,%@").find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

// The command as a person would write it, for the page.
std::string command_line(const QuantizeArguments& a) {
  std::string line = "lowbit quantize " + quoted(a.model.name);
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) line += fmt::format(" {} {}", name, quoted(value));
  };
  const auto number = [](int64_t n) { return n > 0 ? fmt::format("{}", n) : std::string(); };
  add("-o", a.out);
  add("--pre-tokenizer", a.model.pre_tokenizer);
  add("--format", a.format ? formats::print(*a.format) : "");
  add("--budget", a.budget);
  add("--recipe", a.recipe);
  for (const std::string& text : a.rule_texts) add("--tensor", text);
  add("--text", a.calibration);
  add("--imatrix", a.importance);
  add("--method", a.method);
  add("--calibration-chunks", number(a.chunks));
  add("--context", number(a.context));
  add("--report", a.report);
  add("--eval-text", a.evaluation);
  if (a.prompt) line += " --prompt " + quoted(*a.prompt);
  add("--work", a.work);
  add("--threads", number(a.threads));
  if (a.dry_run) line += " --dry-run";
  if (a.json) line += " --json";
  return line;
}

// What comes after the plan.
Status carry_out(const QuantizeArguments& a, const std::string& path, const std::string& evaluation,
                 const search::JobOptions& options, search::Job& job, quant::QuantizeOutcome& outcome,
                 QuantizeFindings& f, ProgressBar& bar) {
  const auto start = std::chrono::steady_clock::now();
  const double before = f.seconds;
  quant::QuantizeJob run{&job.opened,    &job.search.plan,    &*job.work,
                         job.calibrated, &options.importance, options.sensitivity.rounding,
                         job.metadata,   job.facts.get(),     options.pool.get()};
  LOWBIT_ASSIGN(outcome, quant::quantize(run, a.out, bar.callback()));
  f.outcome = &outcome;
  f.seconds = before + std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!a.report.empty()) LOWBIT_TRY(measure_for_report(a, path, evaluation, f, options.pool, bar));
  return a.work.empty() ? job.work->remove() : Status();
}

// Said before the work, not after it.
Status check_prompt(const QuantizeArguments& a, const std::string& path) {
  if (!a.prompt) return {};
  LOWBIT_ASSIGN(const models::OpenedModel opened, models::open(path));
  if (!opened.model.encoder) return {};
  return errorf("{}: a {} is an encoder and answers no prompt; leave --prompt out", path, opened.model.architecture);
}

// What is not as it was asked for, on standard error.
void print_warnings(const search::Job& job, const io::WrittenKind& kind, ProgressBar& bar) {
  const std::string warning = kind.warning == nullptr ? "" : kind.warning(job.search.plan.stored(), job.facts.get());
  if (!job.replaced.empty() || !warning.empty()) bar.clear();
  if (!job.replaced.empty()) {
    fmt::print(stderr, "rows that are no multiple of a block are written in another format: {}\n",
               fmt::join(job.replaced, ", "));
  }
  if (!warning.empty()) fmt::print(stderr, "{}\n", warning);
}

Status quantize(const QuantizeArguments& a) {
  const auto start = std::chrono::steady_clock::now();
  ProgressBar bar;
  QuantizeFindings f;
  LOWBIT_ASSIGN(search::JobOptions options, job_options(a, f.calibration_name));
  std::string evaluation;
  if (!a.report.empty()) {
    f.evaluation_name = a.evaluation.empty() ? shared_text("evaluation.txt") : a.evaluation;
    if (!f.evaluation_name.empty()) {
      LOWBIT_ASSIGN(evaluation, read_whole_text(f.evaluation_name));
    }
  }
  LOWBIT_ASSIGN(const std::string path, find_model(a.model.name, bar));
  LOWBIT_TRY(check_paths({a.dry_run ? "" : a.out,
                          a.report,
                          {{"the model that is read", path},
                           {"the calibration text", f.calibration_name},
                           {"the evaluation text", f.evaluation_name},
                           {"the importance matrix", a.importance},
                           {"the recipe", a.recipe}}}));
  LOWBIT_TRY(check_prompt(a, path));
  std::optional<TemporaryFolder> temporary;
  if (a.dry_run && a.work.empty()) {
    LOWBIT_ASSIGN(TemporaryFolder folder, TemporaryFolder::make());
    temporary.emplace(std::move(folder));
    options.work = temporary->path();
    options.work_is_temporary = true;
  }
  LOWBIT_ASSIGN(const auto job, search::make_plan(path, options, bar.callback()));
  f.model_name = a.model.name;
  f.out = a.out;
  f.command = command_line(a);
  f.job = job.get();
  print_warnings(*job, *options.sensitivity.kind, bar);
  if (!job->calibrated) f.calibration_name.clear();  // was not needed
  f.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  quant::QuantizeOutcome outcome;
  if (!a.dry_run) {
    delete_leftovers(a.out);
    const Status done = carry_out(a, path, evaluation, options, *job, outcome, f, bar);
    if (!done.ok()) return search::leave_work(job->work, options, done.error());
  }
  bar.clear();
  if (a.json) {
    print_json(quantize_json(f));
  } else {
    fmt::print("{}", quantize_text(f));
    if (!a.report.empty()) fmt::print("report: {}\n", a.report);
  }
  return {};
}

}  // namespace

Action quantize_command(Options& options) {
  const auto a = std::make_shared<QuantizeArguments>();
  a->model.add_to(options);
  options
      .option("-o,--out", "OUT", out_path(a->out),
              "the file to write, " + written_endings() + " (a folder for vLLM and transformers)")
      .offer = Offer::files;
  options.option("--format", "F", format(a->format), "one format for all matrices").offer = Offer::formats;
  options.option("--budget", "B", text(a->budget), "the best mix of formats for 4.25bpw, 80MB or 76MiB");
  options.option("--recipe", "R.toml", text(a->recipe), "formats, method and options from a file").offer =
      Offer::files;
  options.option("--tensor", "REGEX=F", rule(*a), "a format for the matrices whose names match").repeated = true;
  options.option("--text", "CALIB", text(a->calibration), "calibration text (the one that ships with lowbit)").offer =
      Offer::files;
  options.option("--imatrix", "FILE", text(a->importance), "llama.cpp's importance matrix instead of a text").offer =
      Offer::files;
  options.option("--method", "NAME", method(a->method), "rounding method (gptq): " + method_names());
  options.option("--calibration-chunks", "N", integer(a->chunks, 1, 1 << 20),
                 "chunks of the text to calibrate on (24)");
  options.option("--context", "N", integer(a->context, 4, 1 << 20), "tokens of a chunk (512)");
  options.option("--report", "OUT.html", text(a->report), "the result as one page").offer = Offer::files;
  options.option("--eval-text", "FILE", text(a->evaluation), "what the report measures on").offer = Offer::files;
  options.option("--prompt", "TEXT", prompt(a->prompt), "what the report asks both models");
  options.option("--work", "DIR", text(a->work), "keep intermediate results here, for several budgets of one model")
      .offer = Offer::files;
  add_threads_option(options, a->threads);
  options.flag("--dry-run", a->dry_run, "only say what would be done");
  add_json_option(options, a->json);
  options.check([a] { return check_arguments(*a); });
  return [a] { return quantize(*a); };
}

}  // namespace lowbit::cli
