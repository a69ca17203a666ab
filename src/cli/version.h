#pragma once

#include <string_view>

namespace lowbit::cli {

// As in CMakeLists.txt; a test compares them.
constexpr std::string_view kVersion = "0.1.0";

}  // namespace lowbit::cli
