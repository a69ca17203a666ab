#include "cli/json_output.h"

#include <cstdio>

#include "text/utf8.h"

namespace lowbit::cli {
namespace {

Json repaired(const Json& value) {
  if (value.is_string()) return text::repair_utf8(value.get_ref<const std::string&>());
  if (value.is_array()) {
    Json result = Json::array();
    for (const Json& item : value) result.push_back(repaired(item));
    return result;
  }
  if (!value.is_object()) return value;
  Json result = Json::object();
  for (const auto& [key, item] : value.items()) result[text::repair_utf8(key)] = repaired(item);
  return result;
}

}  // namespace

std::string json_text(const Json& value) {
  return repaired(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print_json(const Json& value) {
  const std::string line = json_text(value) + "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

void add_json_option(Options& options, bool& target) {
  options.flag("--json", target, "the result as one JSON object on standard output, and nothing else there");
}

}  // namespace lowbit::cli
