// Text that the filters `safe` and `escape` marked as HTML.
#pragma once

#include <string>

#include "text/jinja/value.h"

namespace lowbit::text::jinja {

std::string escape_html(const std::string& text);
// A string's text as part of an HTML text: marked text as it is.
inline std::string escaped(const Value& string) {
  return string.markup ? *string.string : escape_html(*string.string);
}

}  // namespace lowbit::text::jinja
