// Plain text tables for a terminal: aligned columns by the width that characters take on the screen.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit::report {

enum class Align : unsigned char { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
  size_t most = 0;  // cells wider than this are cut and end with an ellipsis; 0: never
};

// A heading, a rule and one line per row, columns two spaces apart, no space at the end of a line. Rows may be
// shorter than the list of columns; further cells are left out. Control characters and broken UTF-8 are shown as
// replacement characters, so no cell can disturb the terminal. Without any title there is neither heading nor rule.
std::string table(std::span<const Column> columns, const std::vector<std::vector<std::string>>& rows);

// Columns that a terminal needs for a text: 0 for combining marks, 2 for wide East Asian characters and emoji.
size_t display_width(std::string_view text);

}  // namespace lowbit::report
