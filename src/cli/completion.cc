// lowbit completion SHELL
#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>

#include "base/nearest.h"
#include "cli/command.h"
#include "formats/format.h"
#include "io/hub.h"

namespace lowbit::cli {
namespace {

// Every command with its rows.
struct Declared {
  const Command* command;
  std::unique_ptr<Options> options;
  Action action;  // keeps what the rows refer to
};

std::vector<Declared> declare_all() {
  std::vector<Declared> all;
  for (const Command& command : commands()) {
    auto options = std::make_unique<Options>();
    Action action = command.declare(*options);
    all.push_back({&command, std::move(options), std::move(action)});
  }
  return all;
}

// Words that may stand as the value of a row; files come beside them.
std::vector<std::string> words_of(const OptionRow& row) {
  std::vector<std::string> words = row.choices;
  if (row.offer == Offer::models) {
    for (const io::KnownModel& model : io::known_models()) words.emplace_back(model.name);
  }
  if (row.offer == Offer::formats || row.offer == Offer::formats_and_files) {
    for (const formats::ElementRow& element : formats::named_elements()) words.emplace_back(element.name);
    for (const formats::Alias& alias : formats::aliases()) words.emplace_back(alias.name);
  }
  return words;
}

bool offers_files(const OptionRow& row) {
  return row.offer == Offer::files || row.offer == Offer::models || row.offer == Offer::formats_and_files;
}

std::vector<std::string> names_of(const OptionRow& row) {
  std::vector<std::string> names;
  if (row.positional) return names;
  if (!row.short_name.empty()) names.push_back(row.short_name);
  names.push_back(row.name);
  return names;
}

// In single quotes, as all three shells read it.
std::string quote(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

// Text inside zsh's NAME[...]:...: specifications.
std::string zsh_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// What bash offers: "compgen" arguments.
std::string bash_offer(bool files, const std::vector<std::string>& words) {
  std::string out = files ? " -f" : "";
  if (!words.empty()) out += fmt::format(" -W {}", quote(fmt::format("{}", fmt::join(words, " "))));
  return out.empty() ? " -W ''" : out;
}

std::string bash_command(const Declared& declared) {
  std::vector<std::string> names;
  std::string values;
  // Bash does not say which positional argument a word will be: those of all are offered.
  std::vector<std::string> positional;
  bool positional_files = false;
  for (const OptionRow& row : declared.options->rows()) {
    const auto own = names_of(row);
    names.insert(names.end(), own.begin(), own.end());
    const auto words = words_of(row);
    if (row.positional) {
      positional.insert(positional.end(), words.begin(), words.end());
      positional_files = positional_files || offers_files(row);
    }
    if (row.positional || row.value.empty()) continue;
    values += fmt::format("        {}) COMPREPLY=($(compgen{} -- \"$word\")); return ;;\n", fmt::join(own, "|"),
                          bash_offer(offers_files(row), words));
  }
  return fmt::format(
      "    {})\n      case $before in\n{}      esac\n"
      "      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W {} -- \"$word\"))\n"
      "      else COMPREPLY=($(compgen{} -- \"$word\")); fi ;;\n",
      declared.command->name, values, quote(fmt::format("{}", fmt::join(names, " "))),
      bash_offer(positional_files, positional));
}

std::string bash_script() {
  std::vector<std::string_view> names;
  std::string cases;
  for (const Declared& declared : declare_all()) {
    names.push_back(declared.command->name);
    cases += bash_command(declared);
  }
  return fmt::format(
      "# bash: source <(lowbit completion bash)\n"
      "_lowbit() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    COMPREPLY=($(compgen -W '{} --help --version' -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n{}  esac\n"
      "}}\n"
      "complete -o filenames -F _lowbit lowbit\n",
      fmt::join(names, " "), cases);
}

std::string zsh_action(const OptionRow& row) {
  const auto words = words_of(row);
  if (offers_files(row)) {
    if (words.empty()) return "_files";
    return fmt::format("_alternative \"words\\:word\\:({})\" \"files\\:file\\:_files\"", fmt::join(words, " "));
  }
  return words.empty() ? " " : fmt::format("({})", fmt::join(words, " "));
}

std::string zsh_command(const Declared& declared) {
  std::string out = fmt::format("    {})\n      _arguments", declared.command->name);
  for (const OptionRow& row : declared.options->rows()) {
    const std::string repeat = row.repeated ? "*" : "";
    if (row.positional) {
      out += " \\\n        " + quote(fmt::format("{}:{}:{}", repeat, zsh_escape(row.value), zsh_action(row)));
    }
    for (const std::string& name : names_of(row)) {
      std::string line = fmt::format("{}{}[{}]", repeat, name, zsh_escape(row.help));
      if (!row.value.empty()) line += fmt::format(":{}:{}", zsh_escape(row.value), zsh_action(row));
      out += " \\\n        " + quote(line);
    }
  }
  return out + " ;;\n";
}

std::string zsh_script() {
  std::string list, cases;
  for (const Declared& declared : declare_all()) {
    list += fmt::format("    {}\n",
                        quote(fmt::format("{}:{}", declared.command->name, zsh_escape(declared.command->summary))));
    cases += zsh_command(declared);
  }
  return fmt::format(
      "#compdef lowbit\n"
      "# zsh: source <(lowbit completion zsh), after compinit\n"
      "_lowbit() {{\n"
      "  local -a commands=(\n{}  )\n"
      "  if ((CURRENT == 2)); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  words=(\"lowbit $command\" \"${{(@)words[3,-1]}}\")\n"
      "  ((CURRENT--))\n"
      "  case $command in\n{}  esac\n"
      "}}\n"
      "compdef _lowbit lowbit\n",
      list, cases);
}

std::string fish_row(std::string_view command, const OptionRow& row) {
  const auto words = words_of(row);
  std::string line = fmt::format("complete -c lowbit -n '__fish_seen_subcommand_from {}'", command);
  if (!row.positional) {
    line += " -l " + row.name.substr(row.name.find_first_not_of('-'));
    if (!row.short_name.empty()) line += " -s " + row.short_name.substr(1);
    line += " -d " + quote(row.help);
    if (!row.value.empty()) line += " -r";
  }
  if (offers_files(row)) line += " -F";
  if (!words.empty()) line += " -a " + quote(fmt::format("{}", fmt::join(words, " ")));
  return line + "\n";
}

std::string fish_script() {
  std::string out =
      "# fish: lowbit completion fish | source\n"
      "complete -c lowbit -f\n"
      "complete -c lowbit -n __fish_use_subcommand -l version -d 'the version'\n"
      "complete -c lowbit -n __fish_use_subcommand -l help -d 'the list of commands'\n";
  const auto all = declare_all();
  for (const Declared& declared : all) {
    out += fmt::format("complete -c lowbit -n __fish_use_subcommand -a {} -d {}\n", declared.command->name,
                       quote(declared.command->summary));
  }
  for (const Declared& declared : all) {
    for (const OptionRow& row : declared.options->rows()) out += fish_row(declared.command->name, row);
  }
  return out;
}

constexpr Shell kShells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

}  // namespace

std::span<const Shell> shells() { return kShells; }

Action completion_command(Options& options) {
  const auto shell = std::make_shared<const Shell*>(nullptr);
  std::vector<std::string_view> names;
  for (const Shell& known : kShells) names.push_back(known.name);
  const auto set = [shell, names](const std::string& value) -> Status {
    for (const Shell& known : kShells) {
      if (known.name == value) *shell = &known;
    }
    if (*shell == nullptr) return errorf("unknown shell \"{}\"; known are {}", value, fmt::join(names, ", "));
    return {};
  };
  options.positional("SHELL", set, fmt::format("{}", fmt::join(names, ", "))).choices = {names.begin(), names.end()};
  return [shell]() -> Status {
    fmt::print("{}", (*shell)->script());
    return {};
  };
}

}  // namespace lowbit::cli
