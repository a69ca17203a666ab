// lowbit cast --format F IN.npy OUT.npy
#include <fmt/ranges.h>

#include <cstdio>
#include <filesystem>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/policy_options.h"
#include "cli/progress_bar.h"
#include "eval/array_cast.h"
#include "eval/array_values.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

struct CastArguments {
  std::string in, out, codes;
  std::optional<formats::Format> format;
  RoundingOptions rounding;
  formats::ScaleRule rule = formats::ScaleRule::automatic;
  int64_t threads = 0, axis = -1;
  bool json = false;
};

eval::CastOptions options_of(const CastArguments& arguments, ThreadPool* pool) {
  return {*arguments.format, arguments.rounding.policy, arguments.rounding.seed, arguments.rule, pool,
          arguments.axis};
}

Status check(const CastArguments& arguments) {
  LOWBIT_TRY(eval::check_cast(options_of(arguments, nullptr)));
  if (arguments.codes.empty()) return {};
  if (!arguments.format->is_plain()) {
    return errorf("--codes: format {} has scales, and codes mean nothing without them; lowbit quantize writes both",
                  formats::print(*arguments.format));
  }
  std::error_code ignored;
  if (arguments.codes == arguments.out || std::filesystem::equivalent(arguments.codes, arguments.out, ignored)) {
    return errorf("--codes: found {}, which OUT.npy is too; expected a file of its own", arguments.codes);
  }
  return {};
}

// JSON has no infinity: such a number is left null.
Json result_json(const CastArguments& arguments, const eval::CastStatistics& statistics) {
  return {{"elements", statistics.elements},
          {"format", formats::print(*arguments.format)},
          {"round", formats::print_rounding(arguments.rounding.policy)},
          {"saturate", formats::print_saturation(arguments.rounding.policy.saturation)},
          {"nan", statistics.nan},
          {"nan_replaced", statistics.nan_replaced},
          {"nan_made", statistics.nan_made},
          {"overflow", statistics.overflow},
          {"mse", statistics.mse},
          {"max_error", statistics.max_error}};
}

void print_result(const CastArguments& arguments, const eval::CastStatistics& s) {
  std::vector<std::vector<std::string>> rows = {{"elements", fmt::format("{}", s.elements)},
                                                {"format", formats::print(*arguments.format)},
                                                {"round", formats::print_rounding(arguments.rounding.policy)},
                                                {"mean squared error", fmt::format("{:.6g}", s.mse)},
                                                {"greatest error", fmt::format("{:.6g}", s.max_error)}};
  if (s.overflow > 0) rows.push_back({"overflow", fmt::format("{} beyond the range", s.overflow)});
  if (s.nan > 0) rows.push_back({"NaN", fmt::format("{}", s.nan)});
  if (s.nan_replaced > 0) {
    rows.push_back({"NaN replaced", fmt::format("{}: the format has none", s.nan_replaced)});
  }
  if (s.nan_made > 0) {
    const bool plain = arguments.format->is_plain();
    rows.push_back(
        {"NaN made", fmt::format("{} {}", s.nan_made, plain ? "beyond the range" : "in blocks that hold one")});
  }
  const report::Column columns[] = {{""}, {""}};
  fmt::print("{}", report::table(columns, rows));
}

Status cast(const CastArguments& arguments) {
  LOWBIT_ASSIGN(const io::NpyView array, io::map_npy(arguments.in, {eval::kFloatTypes, true}));
  ThreadPool pool(static_cast<int>(arguments.threads));
  const eval::CastOptions options = options_of(arguments, &pool);
  LOWBIT_TRY(eval::check_axis(array, options.axis));
  const io::NpyType type = eval::casts_to_float(options.format) ? io::NpyType::float32 : io::NpyType::float64;
  LOWBIT_ASSIGN(auto out, io::NpyWriter::create(arguments.out, type, array.shape, array.fortran_order));
  std::optional<io::NpyWriter> codes;
  if (!arguments.codes.empty()) {
    LOWBIT_ASSIGN(codes, io::NpyWriter::create(arguments.codes, eval::code_type(options.format.element), array.shape,
                                               array.fortran_order));
  }
  ProgressBar bar;
  auto done = eval::cast_array(array, options, out, codes ? &*codes : nullptr, bar.callback());
  bar.clear();
  LOWBIT_ASSIGN(const eval::CastStatistics statistics, std::move(done));
  if (codes) LOWBIT_TRY(codes->commit());
  LOWBIT_TRY(out.commit());
  if (arguments.json) {
    print_json(result_json(arguments, statistics));
  } else {
    print_result(arguments, statistics);
  }
  return {};
}

}  // namespace

Action cast_command(Options& options) {
  const auto arguments = std::make_shared<CastArguments>();
  options.positional("IN.npy", text(arguments->in), "an array of float16, float32 or float64, of any shape and order")
      .offer = Offer::files;
  options
      .positional("OUT.npy", text(arguments->out),
                  "the values: float32, or float64 where the format has values that are no float32")
      .offer = Offer::files;
  OptionRow& format = options.option(
      "--format", "F", any_format(arguments->format),
      "a plain element, or a block format (mxfp4, mx6, int4/32:f16, e4m3fn/128x128:f32); a list of values "
      "too: [-1,0,1], @levels.txt");
  format.required = true;
  format.offer = Offer::formats;
  arguments->rounding.add_to(options);
  const auto rule = [arguments](const std::string& value) -> Status {
    LOWBIT_ASSIGN(arguments->rule, formats::parse_scale_rule(value));
    return {};
  };
  const auto rules = formats::scale_rule_names();
  options
      .option("--scale-rule", "RULE", rule,
              fmt::format("scales of a block format (automatic): {}", fmt::join(rules.subspan(1), ", ")))
      .choices = {rules.begin(), rules.end()};
  options.option("--axis", "N", integer(arguments->axis, -64, 63),
                 "the axis that blocks run along (-1, the last); blocks of several rows lie across the next one");
  options
      .option("--codes", "CODES.npy", text(arguments->codes),
              "the codes too, one per element: uint8, uint16 or uint32")
      .offer = Offer::files;
  add_threads_option(options, arguments->threads);
  add_json_option(options, arguments->json);
  options.check([arguments] { return check(*arguments); });
  return [arguments] { return cast(*arguments); };
}

}  // namespace lowbit::cli
