#include "text/jinja/template.h"

#include <nlohmann/json.hpp>

#include "text/jinja/interpreter.h"

namespace lowbit::text::jinja {

Result<Template> Template::parse(std::string_view source) {
  try {
    Template out;
    out.body_ = std::make_shared<const Body>(jinja::parse(source));
    return out;
  } catch (const Failure& failure) {
    return errorf("line {}: {}", failure.line, failure.message);
  }
}

Result<std::string> Template::render(const nlohmann::ordered_json& variables, const std::tm& now,
                                     const Limits& limits) const {
  Interpreter interpreter(limits, now);
  try {
    return interpreter.run(*body_, variables);
  } catch (const Failure& failure) {
    return errorf("line {}: {}", interpreter.line(), failure.message);
  }
}

}  // namespace lowbit::text::jinja
