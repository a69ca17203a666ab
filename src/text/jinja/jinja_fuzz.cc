// Any bytes as a template: a text or an error that names a line, within small limits of work and memory.
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "text/jinja/template.h"

namespace lowbit::text::jinja {
namespace {

const nlohmann::ordered_json& variables() {
  static const auto out = nlohmann::ordered_json::parse(R"({
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "H\u00e9llo \ud83d\ude00\n"},
                 {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1.5}}}]},
                 {"role": "tool", "content": null}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"type": "number"}}}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "n": -3, "e": []})");
  return out;
}

}  // namespace
}  // namespace lowbit::text::jinja

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lowbit::text::jinja;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto parsed = Template::parse(source);
  if (!parsed.ok()) {
    LOWBIT_CHECK(parsed.message().starts_with("line "));
    return 0;
  }
  constexpr Limits kLimits{.steps = 100'000, .bytes = 8 << 20, .output = 1 << 20, .depth = 400};
  const std::tm now = {.tm_sec = 1, .tm_min = 2, .tm_hour = 3, .tm_mday = 4, .tm_mon = 5, .tm_year = 124};
  const auto first = parsed->render(variables(), now, kLimits);
  if (!first.ok()) {
    LOWBIT_CHECK(first.message().starts_with("line "));
    return 0;
  }
  LOWBIT_CHECK(first->size() <= kLimits.output);
  const auto second = parsed->render(variables(), now, kLimits);
  LOWBIT_CHECK(second.ok() && *second == *first);
  return 0;
}
