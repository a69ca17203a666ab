// lowbit formats compare F G ... and advise FILE.npy: formats on numbers.
#include <fmt/ranges.h>

#include <cmath>
#include <cstdio>

#include "cli/formats_command.h"
#include "cli/open_model.h"
#include "cli/progress_bar.h"
#include "eval/array_values.h"
#include "eval/format_advice.h"
#include "models/open.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

constexpr int64_t kDrawnRows = 256, kDrawnCols = 256;  // of each distribution
constexpr size_t kShownOthers = 20;

// Numbers to measure on, with what to call them.
struct Measured {
  std::string name;
  std::vector<float> values;
  int64_t rows = 1, cols = 0, matrix_rows = 0;

  eval::Samples samples() const { return {values, rows, cols, matrix_rows}; }
};

Measured drawn(const eval::Distribution& distribution) {
  return {std::string(distribution.name), eval::draw(distribution, kDrawnRows * kDrawnCols, 0), kDrawnRows,
          kDrawnCols};
}

Result<Measured> read_array(const std::string& path, ThreadPool& pool) {
  LOWBIT_ASSIGN(const io::NpyView array, io::map_npy(path, {eval::kFloatTypes, true}));
  if (array.elements() == 0) return errorf("{}: an array of no elements, expected one at least", path);
  const eval::ArrayRows rows(array);
  return Measured{path, rows.read(&pool), rows.rows(), rows.cols(), rows.matrix_rows()};
}

Result<Measured> read_tensor(const std::string& model, const std::string& name, ProgressBar& bar) {
  LOWBIT_ASSIGN(const std::string path, find_model(model, bar));
  LOWBIT_ASSIGN(const auto file, models::open_file(path));
  const int64_t index = file->find(name);
  if (index < 0) return errorf("{}: there is no tensor {} (lowbit inspect {} lists them)", path, name, model);
  LOWBIT_ASSIGN(const tensor::Weight weight, file->load(static_cast<size_t>(index)));
  return Measured{name, tensor::dequantize(weight), weight.rows(), weight.cols()};
}

Json data_json(const Measured& measured, int64_t block) {
  const eval::SampleFacts facts = eval::facts_of(measured.samples(), block);
  return {{"name", measured.name}, {"elements", facts.elements},
          {"zeros", facts.zeros},  {"not_finite", facts.not_finite},
          {"amax", facts.amax},    {"rms", facts.rms},
          {"crest", facts.crest},  {"block_crest", facts.block_crest}};
}

// Infinite decibels are null in JSON.
Json error_json(std::string_view on, double error) {
  const double decibels = eval::sqnr_db(error);
  return {{"on", on}, {"relative_mse", error}, {"sqnr_db", std::isfinite(decibels) ? Json(decibels) : Json()}};
}

std::string sqnr_text(const Json& error) {
  if (!std::isfinite(error.at("relative_mse").get<double>())) return "-";
  return error.at("sqnr_db").is_null() ? "exact" : fmt::format("{:.2f}", error.at("sqnr_db").get<double>());
}

void print_data(const Json& data) {
  for (const Json& item : data) {
    const auto number = [&](const char* key) { return number_text(item.at(key)); };
    fmt::print("{}: {} numbers, largest magnitude {}, rms {}, crest factor {}, of blocks {}\n", number("name"),
               number("elements"), number("amax"), number("rms"), number("crest"), number("block_crest"));
    if (item.at("not_finite") != 0) fmt::print("  {} of them no finite numbers, taken as 0\n", number("not_finite"));
  }
}

void print_comparison(const Json& result, const FormatsArguments& arguments) {
  using report::Align;
  std::vector<report::Column> columns = {{"format"},
                                         {"bits", Align::right},
                                         {"largest", Align::right},
                                         {"smallest", Align::right},
                                         {"range dB", Align::right},
                                         {"binades", Align::right},
                                         {"step above 1", Align::right}};
  for (const Json& item : result.at("data"))
    columns.push_back({"dB " + item.at("name").get<std::string>(), Align::right});
  std::vector<std::vector<std::string>> rows;
  for (const Json& facts : result.at("formats")) {
    auto& row = rows.emplace_back();
    for (const char* key :
         {"format", "bits_per_element", "largest", "smallest", "decibels", "binades", "ulp_at_one"}) {
      row.push_back(number_text(facts.at(key)));
    }
    for (const Json& error : facts.at("errors")) row.push_back(sqnr_text(error));
  }
  fmt::print("{}\n", report::table(columns, rows));
  const std::string rule = arguments.scaling == eval::Scaling::none
                               ? "plain elements as they are"
                               : fmt::format("plain elements with one real scale per {} numbers ({})",
                                             arguments.block, result.at("scale").get<std::string>());
  fmt::print("dB: signal to quantization noise; {}; block formats with their own scales\n", rule);
  print_data(result.at("data"));
}

Json advice_json(const eval::Advice& advice) {
  Json json = error_json("array", advice.relative_error);
  json.erase("on");
  json["format"] = formats::print(advice.format);
  json["bits"] = advice.bits;
  json["pareto"] = advice.pareto;
  return json;
}

void print_advice(const Json& ranked, bool pareto) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : ranked) {
    if (item.at("pareto").get<bool>() != pareto || (!pareto && rows.size() == kShownOthers)) continue;
    rows.push_back({item.at("format").get<std::string>(), fmt::format("{:.3f}", item.at("bits").get<double>()),
                    sqnr_text(item)});
  }
  if (rows.empty()) return;
  const report::Column columns[] = {{pareto ? "best for its bits" : "others, best first"},
                                    {"bits", report::Align::right},
                                    {"SQNR dB", report::Align::right}};
  fmt::print("\n{}", report::table(columns, rows));
}

std::string_view scaling_name(eval::Scaling scaling) {
  if (scaling == eval::Scaling::none) return "none";
  return scaling == eval::Scaling::mse ? "mse" : "amax";
}

}  // namespace

Status compare_formats(const FormatsArguments& arguments) {
  ThreadPool pool(static_cast<int>(arguments.threads));
  ProgressBar bar;
  const ProgressFn progress = bar.callback();
  std::vector<Measured> measured;
  for (const eval::Distribution& distribution : eval::distributions()) measured.push_back(drawn(distribution));
  if (!arguments.tensor.empty()) {
    LOWBIT_ASSIGN(Measured tensor, read_tensor(arguments.model, arguments.tensor, bar));
    measured.push_back(std::move(tensor));
  }
  if (!arguments.array.empty()) {
    LOWBIT_ASSIGN(Measured array, read_array(arguments.array, pool));
    measured.push_back(std::move(array));
  }
  const eval::ErrorOptions options{arguments.scaling, arguments.block, &pool};
  Json result = {{"scale", scaling_name(arguments.scaling)}, {"block", arguments.block}};
  for (const Measured& m : measured) result["data"].push_back(data_json(m, arguments.block));
  double done = 0.0;
  for (const formats::Format& format : arguments.formats) {
    Json facts = facts_json(format);
    for (const Measured& m : measured) {
      report_progress(progress, "measuring", done++, static_cast<double>(arguments.formats.size() * measured.size()));
      LOWBIT_ASSIGN(const double error, eval::relative_error(format, m.samples(), options));
      facts["errors"].push_back(error_json(m.name, error));
    }
    result["formats"].push_back(std::move(facts));
  }
  bar.clear();
  if (arguments.json) {
    print_json(result);
  } else {
    print_comparison(result, arguments);
  }
  return write_plot(arguments, result);
}

Status advise_formats(const FormatsArguments& arguments) {
  ThreadPool pool(static_cast<int>(arguments.threads));
  LOWBIT_ASSIGN(const Measured array, read_array(arguments.words.front(), pool));
  ProgressBar bar;
  auto advised = eval::advise(array.samples(),
                              {arguments.most_bits, arguments.scaling == eval::Scaling::mse, &pool, bar.callback()});
  bar.clear();
  LOWBIT_ASSIGN(const eval::AdviceResult advice, std::move(advised));
  Json result = {{"data", Json::array({data_json(array, arguments.block)})},
                 {"measured", advice.measured},
                 {"ranked", Json::array()}};
  for (const eval::Advice& item : advice.ranked) result["ranked"].push_back(advice_json(item));
  if (arguments.json) {
    print_json(result);
  } else {
    print_data(result.at("data"));
    if (advice.measured < std::ssize(array.values)) fmt::print("measured on {} of them\n", advice.measured);
    print_advice(result.at("ranked"), true);
    print_advice(result.at("ranked"), false);
    if (advice.ranked.empty()) fmt::print("no format has so few bits\n");
  }
  return write_plot(arguments, result);
}

}  // namespace lowbit::cli
