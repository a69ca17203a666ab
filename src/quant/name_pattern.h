// Which tensors a rule is about: a regular expression (PCRE2) looked for in a tensor's name.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace lowbit::quant {

// Immutable; copies share the compiled expression.
class NamePattern {
 public:
  // The error says what is wrong and at which character.
  static Result<NamePattern> compile(const std::string& text);

  const std::string& text() const { return text_; }
  // An error where the search takes more steps or memory than a sane expression needs.
  Result<bool> found_in(const std::string& name) const;

 private:
  std::string text_;
  std::shared_ptr<const void> code_;  // pcre2_code
};

}  // namespace lowbit::quant
