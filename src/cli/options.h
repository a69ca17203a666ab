// What a command takes on the command line. One table of rows gives the parser, the help page and the completion, so
// none of them can forget an option. CLI11 does the parsing and is included by options.cc alone.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowbit::cli {

// Takes one value as it was typed; the sentence of an error goes on from "--name: ".
using Setter = std::function<Status(const std::string& value)>;

// Setters for the usual kinds of value. Targets must outlive the parsing.
Setter text(std::string& target);
Setter append(std::vector<std::string>& target);  // a repeated option; empty values are refused
Setter integer(int64_t& target, int64_t least, int64_t most);
Setter seed(uint64_t& target);
Setter real(double& target, double least, double most);
Setter number(double& target);  // any, "inf" and "nan" too

// What a shell may offer where a value is expected.
enum class Offer : uint8_t { nothing, files, models, formats, formats_and_files };

struct OptionRow {
  std::string name;        // "--temp", "-p"; of a positional argument its placeholder, "MODEL"
  std::string short_name;  // "-n"; or empty
  std::string value;       // placeholder of the value; empty: a flag
  std::string help;
  Setter set;  // of a flag: called with an empty text
  Offer offer = Offer::nothing;
  std::vector<std::string> choices;  // further words to offer
  bool positional = false, required = false, repeated = false;
};

class Options {
 public:
  Options();

  // Each returns its row, for what is rarer: required, offer, choices.
  OptionRow& positional(std::string value, Setter set, std::string help, bool required = true);
  // names: "--temp", "-p" or "-n,--tokens".
  OptionRow& option(std::string_view names, std::string value, Setter set, std::string help);
  OptionRow& flag(std::string_view names, bool& target, std::string help);

  // Looked at once all values are set: what no single option can know.
  void check(std::function<Status()> check) { checks_.push_back(std::move(check)); }

  std::span<const OptionRow> rows() const { return rows_; }
  bool help_asked() const { return help_asked_; }

  // arguments: those after the command's name. An error is one of usage. Nothing is set where help is asked for.
  Status parse(const std::vector<std::string>& arguments);

 private:
  Status set_values(const std::vector<std::vector<std::string>>& values);
  Status unexpected(const std::string& argument) const;

  std::vector<OptionRow> rows_;
  std::vector<std::function<Status()>> checks_;
  bool help_asked_ = false;
};

}  // namespace lowbit::cli
