// lowbit bench MODEL, lowbit bench --shape NAME: tokens per second
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/memory.h"
#include "cli/bench_arguments.h"
#include "cli/open_model.h"
#include "cost/shapes.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

constexpr const char* kUsualFormat = "int4/32";

// A model that rows are measured of.
struct Measured {
  std::string name;
  models::Model model;
  tensor::Weights weights;
};

cost::ModelRatesOptions options_of(const BenchArguments& a) {
  cost::ModelRatesOptions options;
  if (a.prefill) options.prefill = *a.prefill;
  if (a.context) options.context = *a.context;
  if (a.batch) options.batch = *a.batch;
  if (a.seconds > 0) options.seconds = a.seconds;
  options.cold_bytes = a.cold_bytes();
  options.policy = a.policy.policy();
  return options;
}

Result<Measured> of_shape(const BenchArguments& a, const std::string& typed, const formats::Format& format,
                          ThreadPool& pool, const ProgressFn& progress) {
  Measured out;
  out.name = fmt::format("{} {}", a.shape, typed);
  LOWBIT_ASSIGN(const cost::Shape* shape, cost::find_shape(a.shape));
  LOWBIT_ASSIGN(out.model, cost::build_shape(*shape));
  const formats::Format& head = a.head ? *a.head : format;
  LOWBIT_ASSIGN(const uint64_t bytes, cost::weight_bytes(out.model.graph, format, head));
  const uint64_t available = available_memory();
  if (bytes > available) {
    return errorf("{} has {:.0f} MB of weights, but only {:.0f} MB of memory are free", out.name,
                  static_cast<double>(bytes) / 1e6, static_cast<double>(available) / 1e6);
  }
  LOWBIT_ASSIGN(out.weights, cost::random_weights(out.model.graph, format, head, pool, progress));
  return out;
}

Result<Measured> of_file(const BenchArguments& a, ThreadPool& pool, ProgressBar& bar) {
  Measured out;
  LOWBIT_ASSIGN(const std::string path, find_model(a.what, bar));
  LOWBIT_ASSIGN(models::OpenedModel opened, models::open(path));
  LOWBIT_ASSIGN(out.weights, models::load_weights(opened, pool, bar.callback()));
  out.name = a.what;
  out.model = std::move(opened.model);
  return out;
}

std::vector<std::string> cells(const cost::ModelRate& r) {
  return {r.work,
          fmt::format("{}", r.tokens),
          fmt::format("{}", r.context),
          fmt::format("{}", r.batch),
          fmt::format("{:.1f}", r.tokens_per_s),
          fmt::format("{:.2f}", r.timing.seconds * 1e3),
          fmt::format("{:.2f}", r.bytes_per_s / 1e9),
          fmt::format("{:.1f}", r.ops_per_s / 1e9),
          fmt::format("{:.0f} % of {}", 100 * r.share, r.work == "decode" ? "reading" : "int8"),
          fmt::format("{:.0f} %", 100 * r.timing.spread)};
}

Json row_of(const std::string& name, const cost::ModelRate& r) {
  const auto count = static_cast<double>(r.tokens * r.batch);
  return {{"work", r.work},
          {"name", name},
          {"tokens", r.tokens},
          {"context", r.context},
          {"batch", r.batch},
          {"rate", r.tokens_per_s},
          {"unit", "tokens/s"},
          {"share_of_limit", r.share},
          {"spread", r.timing.spread},
          {"quartiles", {count / r.timing.upper, count / r.timing.lower}},
          {"runs", r.timing.runs},
          {"seconds", r.timing.seconds},
          {"bytes_per_s", r.bytes_per_s},
          {"read_bytes_per_s", r.reading},
          {"ops_per_s", r.ops_per_s}};
}

void print_rates(const Measured& measured, const cost::ModelRates& rates) {
  fmt::print("\n{}: {:.1f} MB of weights", measured.name, static_cast<double>(rates.weight_bytes) / 1e6);
  fmt::print("{}\n\n", rates.copies > 1
                           ? fmt::format("; decode goes round {} copies, {:.2f} GB, past the caches", rates.copies,
                                         rates.copies * static_cast<double>(rates.weight_bytes) / 1e9)
                           : "");
  using report::Align;
  const report::Column columns[] = {{"work"},
                                    {"tokens", Align::right},
                                    {"context", Align::right},
                                    {"batch", Align::right},
                                    {"tokens/s", Align::right},
                                    {"ms", Align::right},
                                    {"GB/s", Align::right},
                                    {"GOP/s", Align::right},
                                    {"share of the limit", Align::right},
                                    {"spread", Align::right}};
  std::vector<std::vector<std::string>> rows;
  for (const cost::ModelRate& rate : rates.rows) rows.push_back(cells(rate));
  fmt::print("{}", report::table(columns, rows));
  for (const std::string& sentence : rates.left_out) fmt::print("left out: {}\n", sentence);
  std::fflush(stdout);
}

Status measure(const BenchArguments& a, const Measured& measured, const cost::MachineLimits& limits,
               const std::shared_ptr<ThreadPool>& pool, ProgressBar& bar, Json& json) {
  auto rated = cost::measure_model(measured.model, measured.weights, limits, pool, options_of(a), bar.callback());
  bar.clear();
  LOWBIT_ASSIGN(const cost::ModelRates rates, std::move(rated));
  if (!a.json) print_rates(measured, rates);
  for (const cost::ModelRate& rate : rates.rows) json["rows"].push_back(row_of(measured.name, rate));
  for (const std::string& sentence : rates.left_out) json["left_out"].push_back(sentence);
  json["models"].push_back({{"name", measured.name}, {"weight_bytes", rates.weight_bytes}, {"copies", rates.copies}});
  return {};
}

}  // namespace

Status bench_model(const BenchArguments& a) {
  ProgressBar bar;
  const auto pool = a.pool();
  std::optional<Measured> file;
  if (a.shape.empty()) {
    LOWBIT_ASSIGN(file, of_file(a, *pool, bar));
  }
  LOWBIT_ASSIGN(const cost::MachineLimits limits,
                cost::measure_limits(a.isa, *pool, a.limit_options(), bar.callback()));
  bar.clear();
  if (!a.json) fmt::print("{}\n", limits_text(limits));
  Json json = {{"machine", limits_json(limits)},
               {"rows", Json::array()},
               {"models", Json::array()},
               {"left_out", Json::array()},
               {"policy", policy_json(a.policy.policy())}};
  if (file) {
    LOWBIT_TRY(measure(a, *file, limits, pool, bar, json));
  } else {
    std::vector<std::string> typed = a.format_names;
    std::vector<formats::Format> formats = a.formats;
    if (formats.empty()) {
      typed.emplace_back(kUsualFormat);
      formats.push_back(formats::parse_format(kUsualFormat).value());
    }
    for (size_t i = 0; i < formats.size(); ++i) {
      LOWBIT_ASSIGN(const Measured measured, of_shape(a, typed[i], formats[i], *pool, bar.callback()));
      LOWBIT_TRY(measure(a, measured, limits, pool, bar, json));
    }
  }
  if (a.json) print_json(json);
  return {};
}

}  // namespace lowbit::cli
