// Python's "%" and str.format.
#pragma once

#include <string>

#include "text/jinja/interpreter.h"

namespace lowbit::text::jinja {

// format % values. A tuple holds several values, a dict named ones.
Value percent_format(Heap& heap, const std::string& format, const Value& values);
// format.format(...): fields by position and by name, conversions, format specifications of numbers and strings.
Value brace_format(Interpreter& in, const std::string& format, const Call& call);

}  // namespace lowbit::text::jinja
