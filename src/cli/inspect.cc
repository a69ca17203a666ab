// lowbit inspect MODEL
#include <fmt/ranges.h>

#include <cstdio>

#include "cli/command.h"
#include "cli/inspect_fit.h"
#include "cli/json_output.h"
#include "cli/open_model.h"
#include "cli/tensor_list.h"
#include "models/open.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

struct InspectArguments {
  std::string model;
  FitArguments fit;
  bool json = false;
};

// What is known of the model beyond its file; null where no graph can be built, and why.
struct Inspected {
  std::shared_ptr<const io::ModelFile> file;
  std::optional<models::Model> model;
  std::string why_not;
};

Result<Inspected> open(const std::string& path) {
  Inspected inspected;
  auto opened = models::open(path);
  if (opened.ok()) {
    inspected.file = opened->file;
    inspected.model = std::move(opened->model);
    return inspected;
  }
  LOWBIT_ASSIGN(inspected.file, io::open_model(path));
  inspected.why_not = opened.message();
  return inspected;
}

std::string metadata_text(const io::ModelFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  return found != file.metadata().end() && found->is_string() ? found->get<std::string>() : "";
}

// Null where the file has none under the keys of GGUF.
Json tokenizer_of(const io::ModelFile& file) {
  const auto tokens = file.metadata().find("tokenizer.ggml.tokens");
  if (tokens == file.metadata().end() || !tokens->is_array()) return nullptr;
  return {{"kind", metadata_text(file, "tokenizer.ggml.model")},
          {"pre", metadata_text(file, "tokenizer.ggml.pre")},
          {"tokens", tokens->size()}};
}

Json describe(const Inspected& inspected) {
  const io::ModelFile& file = *inspected.file;
  const TensorTotals totals = tensor_totals(file.tensors());
  Json result = {{"file", file.path()},
                 {"kind", file.kind()},
                 {"architecture", metadata_text(file, "general.architecture")},
                 {"name", metadata_text(file, "general.name")},
                 {"parameters", totals.parameters},
                 {"bytes", file.file_bytes()},
                 {"tensor_bytes", totals.bytes},
                 {"bits_per_weight", totals.bits_per_weight()},
                 {"runnable", inspected.model.has_value()},
                 {"tensors", tensor_list(file.tensors())}};
  if (Json tokenizer = tokenizer_of(file); !tokenizer.is_null()) result["tokenizer"] = std::move(tokenizer);
  if (!file.plan().is_null()) result["plan"] = file.plan();
  if (!inspected.model) {
    result["why_not"] = inspected.why_not;
  } else {
    result["context"] = inspected.model->context;
    result["layers"] = inspected.model->layers;
    result["vocabulary"] = inspected.model->vocabulary;
  }
  return result;
}

void print_facts(const Json& facts) {
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](std::string name, std::string value) { rows.push_back({std::move(name), std::move(value)}); };
  const auto mega = [](const Json& value) { return fmt::format("{:.2f} MB", value.get<double>() / 1e6); };
  const auto text = [&](const char* key) { return facts.at(key).get<std::string>(); };
  row("file", fmt::format("{} ({}, {})", text("file"), text("kind"), mega(facts.at("bytes"))));
  if (!text("name").empty()) row("name", text("name"));
  row("architecture", text("architecture").empty() ? "not named" : text("architecture"));
  row("parameters", fmt::format("{} ({:.1f} million)", facts.at("parameters").get<int64_t>(),
                                facts.at("parameters").get<double>() / 1e6));
  if (!facts.at("bits_per_weight").is_null()) {
    row("bits per weight", fmt::format("{:.3f} ({} of tensors)", facts.at("bits_per_weight").get<double>(),
                                       mega(facts.at("tensor_bytes"))));
  }
  if (facts.contains("tokenizer")) {
    const Json& tokenizer = facts.at("tokenizer");
    const auto pre = tokenizer.at("pre").get<std::string>();
    row("tokenizer", fmt::format("{}{}, {} tokens", tokenizer.at("kind").get<std::string>(),
                                 pre.empty() ? "" : " (" + pre + ")", tokenizer.at("tokens").get<size_t>()));
  }
  if (facts.contains("context")) {
    row("context", fmt::format("{} tokens", facts.at("context").get<int64_t>()));
    row("layers", facts.at("layers").dump());
    row("vocabulary", fmt::format("{} tokens", facts.at("vocabulary").get<int64_t>()));
  } else {
    row("runnable", "no: " + text("why_not"));
  }
  if (facts.contains("fits")) {
    for (std::vector<std::string>& fit : fit_rows(facts.at("fits"))) rows.push_back(std::move(fit));
  }
  const report::Column columns[] = {{""}, {""}};
  fmt::print("{}", report::table(columns, rows));
}

void print_tensors(const Json& tensors) {
  if (tensors.empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const Json& tensor : tensors) {
    rows.push_back({tensor.at("name").get<std::string>(),
                    fmt::format("{}", fmt::join(tensor.at("shape").get<std::vector<int64_t>>(), " x ")),
                    tensor.at("format").get<std::string>(),
                    tensor.at("bits_per_weight").is_null()
                        ? ""
                        : fmt::format("{:.3f}", tensor.at("bits_per_weight").get<double>()),
                    fmt::format("{}", tensor.at("bytes").get<uint64_t>())});
  }
  const report::Column columns[] = {{"tensor", report::Align::left, 60},
                                    {"shape"},
                                    {"format"},
                                    {"bits/weight", report::Align::right},
                                    {"bytes", report::Align::right}};
  fmt::print("\n{}", report::table(columns, rows));
}

Status inspect(const InspectArguments& arguments) {
  ProgressBar bar;
  LOWBIT_ASSIGN(const std::string path, find_model(arguments.model, bar));
  LOWBIT_ASSIGN(const Inspected inspected, open(path));
  Json facts = describe(inspected);
  if (arguments.fit.asked) {
    LOWBIT_ASSIGN(facts["fits"],
                  fit_json(arguments.fit, *inspected.file, inspected.model ? &*inspected.model : nullptr, bar));
  }
  if (arguments.json) {
    print_json(facts);
    return {};
  }
  print_facts(facts);
  print_tensors(facts.at("tensors"));
  return {};
}

}  // namespace

Action inspect_command(Options& options) {
  const auto arguments = std::make_shared<InspectArguments>();
  add_model_argument(options, arguments->model);
  arguments->fit.add_to(options);
  add_json_option(options, arguments->json);
  return [arguments] { return inspect(*arguments); };
}

}  // namespace lowbit::cli
