#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/nearest.h"

namespace lowbit::cli {
namespace {

// The whole text as a number, else nothing.
template <class T>
std::optional<T> parsed(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  if (problem != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string cli11_names(const OptionRow& row) {
  return row.short_name.empty() ? row.name : row.short_name + "," + row.name;
}

CLI::Option* declare(CLI::App& app, const std::string& names) {
  CLI::Option* option = app.add_option(names, [](const CLI::results_t&) { return true; });
  return option->type_size(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// What CLI11 shall know of a row. A positional option of CLI11 that takes several words splits one that is written
// [a,b], so each of the words that there may be gets an option of its own.
std::vector<CLI::Option*> declare(CLI::App& app, const OptionRow& row, size_t words) {
  if (row.value.empty() && !row.positional) return {app.add_flag(cli11_names(row))->disable_flag_override()};
  if (!row.positional || !row.repeated) return {declare(app, cli11_names(row))};
  std::vector<CLI::Option*> options;
  for (size_t i = 0; i < words; ++i) options.push_back(declare(app, fmt::format("{}-{}", row.name, i)));
  return options;
}

}  // namespace

Setter text(std::string& target) {
  return [&target](const std::string& value) -> Status {
    target = value;
    return {};
  };
}

Setter append(std::vector<std::string>& target) {
  return [&target](const std::string& value) -> Status {
    if (value.empty()) return errorf("an empty text is not allowed");
    target.push_back(value);
    return {};
  };
}

Setter integer(int64_t& target, int64_t least, int64_t most) {
  return [&target, least, most](const std::string& value) -> Status {
    const auto found = parsed<int64_t>(value);
    if (!found || *found < least || *found > most) {
      const std::string bound =
          most == std::numeric_limits<int64_t>::max() ? "" : fmt::format(" and at most {}", most);
      return errorf("\"{}\" is no integer of at least {}{}", value, least, bound);
    }
    target = *found;
    return {};
  };
}

Setter seed(uint64_t& target) {
  return [&target](const std::string& value) -> Status {
    const auto found = parsed<uint64_t>(value);
    if (!found) return errorf("\"{}\" is no integer from 0 to 2^64 - 1", value);
    target = *found;
    return {};
  };
}

Setter real(double& target, double least, double most) {
  return [&target, least, most](const std::string& value) -> Status {
    const auto found = parsed<double>(value);
    if (!found || !(*found >= least && *found <= most)) {
      return errorf("\"{}\" is no number from {} to {}", value, least, most);
    }
    target = *found;
    return {};
  };
}

Setter number(double& target) {
  return [&target](const std::string& value) -> Status {
    const auto found = parsed<double>(value);
    if (!found) return errorf("\"{}\" is no number", value);
    target = *found;
    return {};
  };
}

Options::Options() { flag("-h,--help", help_asked_, "this page"); }

OptionRow& Options::positional(std::string value, Setter set, std::string help, bool required) {
  OptionRow row;
  row.name = value;
  row.value = std::move(value);
  row.help = std::move(help);
  row.set = std::move(set);
  row.positional = true;
  row.required = required;
  return rows_.emplace_back(std::move(row));
}

OptionRow& Options::option(std::string_view names, std::string value, Setter set, std::string help) {
  OptionRow row;
  const size_t comma = names.find(',');
  if (comma != std::string_view::npos) row.short_name = names.substr(0, comma);
  row.name = comma == std::string_view::npos ? names : names.substr(comma + 1);
  row.value = std::move(value);
  row.help = std::move(help);
  row.set = std::move(set);
  return rows_.emplace_back(std::move(row));
}

OptionRow& Options::flag(std::string_view names, bool& target, std::string help) {
  return option(
      names, "",
      [&target](const std::string&) -> Status {
        target = true;
        return {};
      },
      std::move(help));
}

Status Options::unexpected(const std::string& argument) const {
  if (argument.size() < 2 || argument[0] != '-') return errorf("unexpected argument \"{}\"", argument);
  const std::string name = argument.substr(0, argument.find('='));
  std::vector<std::string_view> names;
  for (const OptionRow& row : rows_) {
    if (row.positional) continue;
    names.push_back(row.name);
    if (!row.short_name.empty()) names.push_back(row.short_name);
  }
  return errorf("unknown option {}{}", name, did_you_mean(name, names));
}

Status Options::set_values(const std::vector<std::vector<std::string>>& values) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    const OptionRow& row = rows_[i];
    if (row.required && values[i].empty()) {
      return errorf("{} is missing", row.positional ? row.name : row.name + " " + row.value);
    }
    // The last one counts where an option may stand only once.
    for (size_t k = row.repeated || values[i].empty() ? 0 : values[i].size() - 1; k < values[i].size(); ++k) {
      if (const Status set = row.set(values[i][k]); !set.ok()) return errorf("{}: {}", row.name, set.message());
    }
  }
  for (const auto& check : checks_) LOWBIT_TRY(check());
  return {};
}

Status Options::parse(const std::vector<std::string>& arguments) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::vector<std::vector<CLI::Option*>> declared;
  for (const OptionRow& row : rows_) declared.push_back(declare(app, row, arguments.size()));
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ArgumentMismatch&) {
    // Only a flag with a value, or an option at the end without one.
    const std::string& last = arguments.back();
    for (const std::string& argument : arguments) {
      const size_t equals = argument.find('=');
      for (const OptionRow& row : rows_) {
        if (row.value.empty() && equals != std::string::npos && argument.substr(0, equals) == row.name) {
          return errorf("{} takes no value", row.name);
        }
      }
    }
    return errorf("{} needs a value", last);
  } catch (const std::exception& problem) {
    return errorf("{}", problem.what());
  }
  std::vector<std::vector<std::string>> values;
  for (const std::vector<CLI::Option*>& options : declared) {
    std::vector<std::string>& found = values.emplace_back();
    for (const CLI::Option* option : options) {
      found.insert(found.end(), option->results().begin(), option->results().end());
    }
  }
  if (!values[0].empty()) {
    help_asked_ = true;
    return {};
  }
  if (const auto extras = app.remaining(); !extras.empty()) return unexpected(extras.front());
  return set_values(values);
}

}  // namespace lowbit::cli
