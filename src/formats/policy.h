// The names that parse_policy (format.h) takes, for lists and help.
#pragma once

#include <string_view>
#include <vector>

namespace lowbit::formats {

// sr-8a stands for every sr-N with a, b or c.
std::vector<std::string_view> rounding_names();
std::vector<std::string_view> saturation_names();

}  // namespace lowbit::formats
