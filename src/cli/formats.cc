// lowbit formats [list | show F | compare F G ... | advise FILE.npy]
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/formats_command.h"

namespace lowbit::cli {
namespace {

struct FormatsAction {
  std::string_view name, takes;
  size_t least, most;  // words behind the name
  bool words_are_formats;
  Status (*run)(const FormatsArguments&);
};
constexpr size_t kMany = 16;
constexpr FormatsAction kActions[] = {{"list", "nothing more", 0, 0, false, list_formats},
                                      {"show", "one format", 1, 1, true, show_format},
                                      {"compare", "1 to 16 formats", 1, kMany, true, compare_formats},
                                      {"advise", "one .npy file", 1, 1, false, advise_formats}};

struct ScalingName {
  std::string_view name;
  eval::Scaling scaling;
};
constexpr ScalingName kScalings[] = {
    {"amax", eval::Scaling::amax}, {"mse", eval::Scaling::mse}, {"none", eval::Scaling::none}};

template <class Row>
std::vector<std::string> names_of(std::span<const Row> rows) {
  std::vector<std::string> names;
  for (const Row& row : rows) names.emplace_back(row.name);
  return names;
}

const FormatsAction* find_action(std::string_view name) {
  for (const FormatsAction& action : kActions) {
    if (action.name == name) return &action;
  }
  return nullptr;
}

// An option and the actions that it is for.
struct Use {
  std::string_view option;
  bool given;
  std::vector<std::string_view> actions;
};

std::vector<Use> uses_of(const FormatsArguments& a) {
  const FormatsArguments unused;
  const bool rounds = !(a.rounding.policy == unused.rounding.policy) || a.rounding.seed != 0;
  return {{"--values", a.list_values, {"show"}},
          {"--value", a.value.has_value(), {"show"}},
          {"--round, --saturate and --seed", rounds && !a.value, {}},
          {"--scale", a.scaling != unused.scaling, {"compare", "advise"}},
          {"--block", a.block != unused.block, {"compare", "advise"}},
          {"--tensor", !a.tensor.empty(), {"compare"}},
          {"--array", !a.array.empty(), {"compare"}},
          {"--bits", a.most_bits.has_value(), {"advise"}},
          {"--plot", !a.plot.empty(), {"show", "compare", "advise"}}};
}

Status check(FormatsArguments& a) {
  const FormatsAction* action = find_action(a.action);
  if (a.words.size() < action->least || a.words.size() > action->most) {
    return errorf("{}: found {} words behind it, expected {}", action->name, a.words.size(), action->takes);
  }
  for (const Use& use : uses_of(a)) {
    if (!use.given) continue;
    if (use.actions.empty()) return errorf("{} say how --value is rounded", use.option);
    if (std::find(use.actions.begin(), use.actions.end(), action->name) == use.actions.end()) {
      return errorf("{} is for {}", use.option, fmt::join(use.actions, " and "));
    }
  }
  if (!a.array.empty() && !a.tensor.empty()) return errorf("--tensor and --array: expected one of them");
  for (const std::string& word : a.words) {
    if (!action->words_are_formats) break;
    LOWBIT_ASSIGN(formats::Format format, parse_any_format(word));
    a.formats.push_back(std::move(format));
  }
  if (a.list_values && a.formats[0].element.bits > kMostListed) {
    return errorf("--values: found {} of {} bits, expected at most {}", a.words[0], a.formats[0].element.bits,
                  kMostListed);
  }
  return {};
}

void add_analysis_options(Options& options, FormatsArguments& a) {
  const auto scale = [&a](const std::string& value) -> Status {
    for (const ScalingName& row : kScalings) {
      if (row.name != value) continue;
      a.scaling = row.scaling;
      return {};
    }
    return errorf("found \"{}\", expected one of {}", value, fmt::join(names_of<ScalingName>(kScalings), ", "));
  };
  options
      .option("--scale", "RULE", scale,
              "compare: one scale for each block of a plain element: its largest magnitude becomes the largest value "
              "(amax), the least squared error (mse), or none; block formats: their rule, or the search of "
              "quantize (mse); advise: block formats so")
      .choices = names_of<ScalingName>(kScalings);
  options.option("--block", "N", integer(a.block, 1, 1 << 20), "compare, advise: numbers that share a scale (32)");
  // A name of a tensor holds no colon; that of a model may.
  const auto tensor = [&a](const std::string& value) -> Status {
    const size_t colon = value.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == value.size()) {
      return errorf("found \"{}\", expected MODEL:NAME (lowbit inspect MODEL lists the names)", value);
    }
    a.model = value.substr(0, colon);
    a.tensor = value.substr(colon + 1);
    return {};
  };
  options.option("--tensor", "MODEL:NAME", tensor, "compare: the error on a tensor of a model, too").offer =
      Offer::models;
  options.option("--array", "FILE.npy", text(a.array), "compare: the error on an array, too").offer = Offer::files;
  const auto bits = [&a](const std::string& value) -> Status {
    double found = 0.0;
    LOWBIT_TRY(real(found, 0.5, 64.0)(value));
    a.most_bits = found;
    return {};
  };
  options.option("--bits", "N", bits, "advise: at most so many bits per element, scales included");
}

}  // namespace

Action formats_command(Options& options) {
  const auto arguments = std::make_shared<FormatsArguments>();
  FormatsArguments& a = *arguments;
  const auto set_action = [&a](const std::string& value) -> Status {
    const auto names = names_of<FormatsAction>(kActions);
    if (find_action(value) == nullptr)
      return errorf("found \"{}\", expected one of {}", value, fmt::join(names, ", "));
    a.action = value;
    return {};
  };
  options
      .positional("ACTION", set_action,
                  "list: all names (as without any); show F: everything about one format; compare F G ...: side by "
                  "side; advise FILE.npy: the best formats for an array",
                  false)
      .choices = names_of<FormatsAction>(kActions);
  OptionRow& words = options.positional(
      "F", append(a.words), "formats (lists of values too: [-1,0,1], @levels.txt), or the file of advise", false);
  words.repeated = true;
  words.offer = Offer::formats_and_files;
  options.flag("--values", a.list_values, "show: every value, also of formats of 9 to 16 bits");
  const auto value = [&a](const std::string& text) -> Status {
    double found = 0.0;
    LOWBIT_TRY(number(found)(text));
    a.value = found;
    return {};
  };
  options.option("--value", "X", value, "show: the code that X rounds to, its neighbours, the error");
  a.rounding.add_to(options);
  add_analysis_options(options, a);
  options.option("--plot", "OUT.html", text(a.plot), "a page with precision, values and errors as pictures").offer =
      Offer::files;
  add_threads_option(options, a.threads);
  add_json_option(options, a.json);
  options.check([arguments] { return check(*arguments); });
  return [arguments] { return find_action(arguments->action)->run(*arguments); };
}

}  // namespace lowbit::cli
