#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>

namespace lowbit::cli {
namespace {

constexpr size_t kWidth = 100;  // columns of a page
constexpr size_t kLeft = 30;    // where the explanations begin at most

// Words of a text in lines of at most `width` columns.
std::vector<std::string> wrap(std::string_view text, size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
  }
  return lines;
}

using Entry = std::pair<std::string, std::string>;  // what is typed, what it does

std::string entries_text(const std::vector<Entry>& entries) {
  size_t left = 0;
  for (const auto& [typed, does] : entries) left = std::max(left, std::min(typed.size(), kLeft));
  std::string out;
  for (const auto& [typed, does] : entries) {
    out += fmt::format("  {:<{}}", typed, left);
    if (typed.size() > left) out += fmt::format("\n  {:<{}}", "", left);
    const auto lines = wrap(does, kWidth - left - 4);
    for (size_t i = 0; i < lines.size(); ++i) {
      out += i == 0 ? fmt::format("  {}\n", lines[i]) : fmt::format("{:<{}}{}\n", "", left + 4, lines[i]);
    }
  }
  return out;
}

std::string typed_as(const OptionRow& row) {
  std::string out = row.short_name.empty() ? row.name : row.short_name + ", " + row.name;
  return row.value.empty() || row.positional ? out : out + " " + row.value;
}

std::string usage(const Command& command, const Options& options) {
  std::string out = fmt::format("lowbit {}", command.name);
  for (const OptionRow& row : options.rows()) {
    if (!row.positional && row.required) out += fmt::format(" {} {}", row.name, row.value);
  }
  for (const OptionRow& row : options.rows()) {
    if (!row.positional) continue;
    const std::string word = row.name + (row.repeated ? "..." : "");
    out += row.required ? " " + word : " [" + word + "]";
  }
  return out + " [options]";
}

}  // namespace

std::string program_help() {
  std::vector<Entry> entries;
  for (const Command& command : commands()) entries.emplace_back(command.name, command.summary);
  return "lowbit finds, proves and runs the cheapest number format that a neural network can live with.\n\n"
         "lowbit COMMAND ...\n\n" +
         entries_text(entries) +
         "\nlowbit COMMAND --help explains a command; lowbit --version tells the version.\n"
         "MODEL is a file (GGUF or safetensors), a folder as Hugging Face has it, a name that lowbit pull lists, or\n"
         "hf:ORG/NAME[:FILE], a model of a Hugging Face hub (lowbit pull --help).\n";
}

std::string command_help(const Command& command, const Options& options) {
  std::vector<Entry> arguments, others;
  for (const OptionRow& row : options.rows())
    (row.positional ? arguments : others).emplace_back(typed_as(row), row.help);
  std::rotate(others.begin(), others.begin() + 1, others.end());  // --help stands last
  std::string out = fmt::format("lowbit {}: {}\n\n{}\n\n", command.name, command.summary, usage(command, options));
  if (!arguments.empty()) out += entries_text(arguments) + "\n";
  return out + entries_text(others);
}

}  // namespace lowbit::cli
