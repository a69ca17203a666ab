// lowbit formats: what its actions share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "cli/policy_options.h"
#include "eval/format_error.h"
#include "eval/format_facts.h"
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
  std::string model, tensor, array;  // of compare
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
// The values below and above one of the element, null where there are none. line: null for f32, whose values are not
// listed.
struct Neighbours {
  Json below, above;
};
Neighbours neighbours_of(const formats::ElementFormat& element, const eval::ValueLine* line,
                         const formats::Exact& value);
// [{code, value, below, above, made}] of all codes.
constexpr int kListedBits = 8;   // elements of at most so many are listed without being asked for
constexpr int kMostListed = 16;  // and of so many when asked for
Json values_json(const formats::ElementFormat& element, const eval::ValueLine& line);
// A number of `digits` figures without needless zeros, or a dash where there is none.
std::string number_text(const Json& value, int digits = 4);

// Writes the page of a result (report/format_page.h) to --plot, where it was given; values of short elements are
// added.
Status write_plot(const FormatsArguments& arguments, Json result);

}  // namespace lowbit::cli
