// lowbit formats: what its actions share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "cli/policy_options.h"
#include "eval/format_error.h"
#include "formats/exact.h"

namespace lowbit::cli {

// The options of all actions; formats.cc checks that each stands with the action that it is for.
struct FormatsArguments {
  std::string action = "list";
  std::vector<std::string> words;  // behind the action: formats, or the file of advise
  std::vector<formats::Format> formats;
  bool list_values = false;
  std::optional<double> value;
  RoundingOptions rounding;
  eval::Scaling scaling = eval::Scaling::amax;
  int64_t block = 32;
  std::string tensor, array;  // of compare
  std::optional<double> most_bits;
  std::string plot;
  int64_t threads = 0;
  bool json = false;
};

Status list_formats(const FormatsArguments& arguments);
Status show_format(const FormatsArguments& arguments);
Status compare_formats(const FormatsArguments& arguments);
Status advise_formats(const FormatsArguments& arguments);

// An exact number for JSON: a double, or its text where no double holds it.
Json exact_json(const formats::Exact& value);
// Facts of one element as JSON; the same keys in show and compare.
Json facts_json(const formats::Format& format);
// A number of `digits` figures without needless zeros, or a dash where there is none.
std::string number_text(const Json& value, int digits = 4);

// Writes the page of a result (report/format_page.h) to --plot, where it was given.
Status write_plot(const FormatsArguments& arguments, const Json& result);

}  // namespace lowbit::cli
