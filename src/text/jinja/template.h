// A small Jinja: renders the chat templates of models as Hugging Face's transformers does (jinja2's immutable
// sandbox, trim_blocks, lstrip_blocks, loop controls). A template is foreign text: what it can cost is bounded.
#pragma once

#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/ast.h"

namespace lowbit::text::jinja {

class Template {
 public:
  // Errors begin with the line: "line 3: …".
  static Result<Template> parse(std::string_view source);

  // variables: an object. now: what strftime_now tells.
  Result<std::string> render(const nlohmann::ordered_json& variables, const std::tm& now,
                             const Limits& limits = {}) const;

 private:
  std::shared_ptr<const Body> body_;
};

}  // namespace lowbit::text::jinja
