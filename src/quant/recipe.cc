#include "quant/recipe.h"

#include <algorithm>
#include <sstream>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "base/file.h"
#include "io/format_text.h"

namespace lowbit::quant {
namespace {

constexpr uint64_t kMostBytes = 1 << 20;

// Reads the keys of one table; every key must be asked for, what is left over is an error.
class Reader {
 public:
  Reader(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

  template <class T, class Set>
  Status optional(std::string_view key, std::string_view expected, Set&& set) {
    known_.push_back(std::string(key));
    const toml::node* node = table_.get(key);
    if (node == nullptr) return {};
    const auto value = node->value_exact<T>();
    if (!value) return wrong(key, *node, expected);
    Status status = set(*value);
    if (!status.ok()) return errorf("{}, line {}: {}: {}", where_, node->source().begin.line, key, status.message());
    return {};
  }

  // A number that may be written as an integer.
  template <class Set>
  Status number(std::string_view key, double least, double most, Set&& set) {
    known_.push_back(std::string(key));
    const toml::node* node = table_.get(key);
    if (node == nullptr) return {};
    const auto value = node->value<double>();
    if (!node->is_number() || !value || !(*value >= least && *value <= most)) {
      return wrong(key, *node, fmt::format("a number from {} to {}", least, most));
    }
    set(*value);
    return {};
  }

  template <class Set>
  Status integer(std::string_view key, int64_t least, int64_t most, Set&& set) {
    return optional<int64_t>(key, fmt::format("an integer from {} to {}", least, most), [&](int64_t v) -> Status {
      if (v < least || v > most) return errorf("{} is outside {} to {}", v, least, most);
      set(v);
      return {};
    });
  }

  Status format(std::string_view key, std::optional<formats::Format>& target) {
    return optional<std::string>(key, "a format string", [&](const std::string& text) -> Status {
      LOWBIT_ASSIGN(target, io::read_format(text));
      return {};
    });
  }

  // Null where the key is not there.
  Result<const toml::array*> array(std::string_view key, std::string_view expected) {
    known_.push_back(std::string(key));
    const toml::node* node = table_.get(key);
    if (node == nullptr) return static_cast<const toml::array*>(nullptr);
    if (node->as_array() == nullptr) return wrong(key, *node, expected);
    return node->as_array();
  }

  Status finish() const {
    for (const auto& [key, node] : table_) {
      if (std::find(known_.begin(), known_.end(), std::string(key.str())) != known_.end()) continue;
      return errorf("{}, line {}: unknown key \"{}\"; known: {}", where_, node.source().begin.line,
                    std::string(key.str()), list());
    }
    return {};
  }

  Error wrong(std::string_view key, const toml::node& node, std::string_view expected) const {
    std::ostringstream kind;
    kind << node.type();
    return errorf("{}, line {}: {} is {}, expected {}", where_, node.source().begin.line, key, kind.str(), expected);
  }

 private:
  std::string list() const {
    std::string text;
    for (const std::string& key : known_) text += (text.empty() ? "" : ", ") + key;
    return text;
  }
  const toml::table& table_;
  std::string where_;
  std::vector<std::string> known_;
};

Status read_options(Reader& reader, Recipe& recipe) {
  MethodOptions& o = recipe.options;
  LOWBIT_TRY(reader.number("damping", 0.0, 10.0, [&](double v) { o.damping = v; }));
  LOWBIT_TRY(reader.optional<bool>("act_order", "true or false", [&](bool v) -> Status {
    o.act_order = v;
    return {};
  }));
  LOWBIT_TRY(reader.integer("block", 1, 1 << 20, [&](int64_t v) { o.block = v; }));
  LOWBIT_TRY(reader.integer("descent_sweeps", 0, 1000, [&](int64_t v) { o.descent_sweeps = static_cast<int>(v); }));
  return reader.optional<std::string>("scales", "\"amax\" or \"error\"", [&](const std::string& v) -> Status {
    if (v != "amax" && v != "error") return errorf("\"{}\", expected \"amax\" or \"error\"", v);
    o.scales.search = v == "amax" ? ScaleSearch::amax : ScaleSearch::error;
    return {};
  });
}

Status read_rules(Reader& reader, const std::string& name, Recipe& recipe) {
  LOWBIT_ASSIGN(const toml::array* rules, reader.array("tensor", "[[tensor]] tables"));
  if (rules == nullptr) return {};
  for (const toml::node& node : *rules) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return errorf("{}, line {}: expected [[tensor]] tables", name, node.source().begin.line);
    Reader rule(*table, name);
    std::optional<NamePattern> pattern;
    std::optional<formats::Format> format;
    LOWBIT_TRY(rule.optional<std::string>("match", "a regular expression", [&](const std::string& v) -> Status {
      LOWBIT_ASSIGN(pattern, NamePattern::compile(v));
      return {};
    }));
    LOWBIT_TRY(rule.format("format", format));
    LOWBIT_TRY(rule.finish());
    if (!pattern || pattern->text().empty() || !format) {
      return errorf("{}, line {}: a [[tensor]] table needs match and format", name, table->source().begin.line);
    }
    recipe.rules.push_back({*std::move(pattern), *std::move(format)});
  }
  return {};
}

Status read_candidates(Reader& reader, const std::string& name, Recipe& recipe) {
  LOWBIT_ASSIGN(const toml::array* list, reader.array("candidates", "an array of format strings"));
  if (list == nullptr) return {};
  for (const toml::node& node : *list) {
    const auto text = node.value_exact<std::string>();
    if (!text) return errorf("{}, line {}: candidates: expected format strings", name, node.source().begin.line);
    auto format = io::read_format(*text);
    if (!format.ok()) return errorf("{}, line {}: candidates: {}", name, node.source().begin.line, format.message());
    recipe.candidates.push_back(*format);
  }
  return {};
}

}  // namespace

Result<Recipe> parse_recipe(const std::string& text, const std::string& name) {
  const toml::parse_result parsed = toml::parse(text, name);
  if (!parsed) {
    return errorf("{}, line {}: not TOML: {}", name, parsed.error().source().begin.line,
                  std::string(parsed.error().description()));
  }
  Recipe recipe;
  Reader reader(parsed.table(), name);
  LOWBIT_TRY(reader.format("format", recipe.format));
  LOWBIT_TRY(
      reader.optional<std::string>("budget", "a string such as \"4.25bpw\"", [&](const std::string& v) -> Status {
        if (recipe.format) return errorf("stands beside a format; a recipe has one of both");
        recipe.budget = v;
        return {};
      }));
  LOWBIT_TRY(reader.optional<std::string>("method", "a method's name", [&](const std::string& v) -> Status {
    if (find_method(v) == nullptr) return errorf("\"{}\" is no rounding method", v);
    recipe.method = v;
    return {};
  }));
  LOWBIT_TRY(reader.integer("calibration_chunks", 1, 1 << 20, [&](int64_t v) { recipe.calibration_chunks = v; }));
  LOWBIT_TRY(reader.integer("context", 4, 1 << 24, [&](int64_t v) { recipe.context = v; }));
  LOWBIT_TRY(reader.integer("divide_rows", 1, int64_t{1} << 40, [&](int64_t v) { recipe.divide_rows = v; }));
  LOWBIT_TRY(read_options(reader, recipe));
  LOWBIT_TRY(read_candidates(reader, name, recipe));
  LOWBIT_TRY(read_rules(reader, name, recipe));
  LOWBIT_TRY(reader.finish());
  return recipe;
}

Result<Recipe> read_recipe(const std::string& path) {
  LOWBIT_ASSIGN(const std::string text, read_text_file(path, kMostBytes));
  return parse_recipe(text, path);
}

}  // namespace lowbit::quant
