#include "report/table.h"

#include <algorithm>
#include <cstdint>

#include "text/utf8.h"

namespace lowbit::report {
namespace {

struct Range {
  uint32_t first, last;
};

// The blocks that matter in practice of Unicode 15: general categories Mn, Me and Cf.
constexpr Range kZeroWidth[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F}, {0x06D6, 0x06DC},
    {0x0900, 0x0902}, {0x093C, 0x093C}, {0x0941, 0x0948}, {0x094D, 0x094D}, {0x0E31, 0x0E31}, {0x0E34, 0x0E3A},
    {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x2064},
    {0x2066, 0x206F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0000, 0xE0FFF},
};
// East_Asian_Width W and F, and emoji shown as such.
constexpr Range kTwoWide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x25FD, 0x25FE},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x267F, 0x267F},   {0x26A1, 0x26A1},   {0x2705, 0x2705},   {0x274C, 0x274C},
    {0x2753, 0x2755},   {0x2795, 0x2797},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18CFF}, {0x1B000, 0x1B2FF},
    {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F200, 0x1F320},
    {0x1F32D, 0x1F335}, {0x1F337, 0x1F37C}, {0x1F37E, 0x1F393}, {0x1F3A0, 0x1F3CA}, {0x1F3E0, 0x1F3F0},
    {0x1F3F8, 0x1F43E}, {0x1F440, 0x1F440}, {0x1F442, 0x1F4FC}, {0x1F4FF, 0x1F53D}, {0x1F550, 0x1F567},
    {0x1F5FB, 0x1F64F}, {0x1F680, 0x1F6C5}, {0x1F6D0, 0x1F6D2}, {0x1F6EB, 0x1F6EC}, {0x1F6F4, 0x1F6FC},
    {0x1F7E0, 0x1F7EB}, {0x1F90C, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD},
};

bool within(std::span<const Range> ranges, uint32_t scalar) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& r) { return r.first <= scalar && scalar <= r.last; });
}

struct Character {
  std::string_view bytes;
  size_t width;
};

// The character at the start of a text that is not empty; what cannot be shown becomes U+FFFD. `taken`: its bytes.
Character next_character(std::string_view text, size_t& taken) {
  const auto step = text::utf8_step(text);
  taken = step.length;
  if (step.kind != text::Utf8Kind::character) return {text::kReplacementCharacter, 1};
  const auto lead = static_cast<uint8_t>(text[0]);
  uint32_t scalar = step.length == 1 ? lead : lead & (0xFFu >> (step.length + 1));
  for (size_t i = 1; i < step.length; ++i) scalar = scalar << 6 | (static_cast<uint8_t>(text[i]) & 0x3Fu);
  if (scalar < 0x20 || (scalar >= 0x7F && scalar < 0xA0)) return {text::kReplacementCharacter, 1};
  const size_t width = within(kZeroWidth, scalar) ? 0 : within(kTwoWide, scalar) ? 2 : 1;
  return {text.substr(0, step.length), width};
}

struct Cell {
  std::string text;
  size_t width = 0;
};

Cell fit(std::string_view text, size_t most) {
  Cell cell;
  size_t cut = 0, cut_width = 0;  // where an ellipsis would still fit
  while (!text.empty()) {
    size_t taken = 0;
    const Character c = next_character(text, taken);
    text.remove_prefix(taken);
    if (most > 0 && cell.width + c.width > most) {
      cell.text.resize(cut);
      cell.text += "\xE2\x80\xA6";
      cell.width = cut_width + 1;
      return cell;
    }
    cell.text += c.bytes;
    cell.width += c.width;
    if (cell.width + 1 <= most) {
      cut = cell.text.size();
      cut_width = cell.width;
    }
  }
  return cell;
}

void append_line(std::string& out, std::span<const Column> columns, const std::vector<Cell>& cells,
                 const std::vector<size_t>& widths) {
  size_t pending = 0;  // spaces not yet written, so that none end a line
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) pending += 2;
    const size_t padding = widths[i] - cells[i].width;
    if (columns[i].align == Align::right) pending += padding;
    if (!cells[i].text.empty()) {
      out.append(pending, ' ');
      out += cells[i].text;
      pending = 0;
    }
    if (columns[i].align == Align::left) pending += padding;
  }
  out += '\n';
}

}  // namespace

size_t display_width(std::string_view text) { return fit(text, 0).width; }

std::string table(std::span<const Column> columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<Cell>> lines(1);
  bool titled = false;
  for (const Column& column : columns) {
    lines[0].push_back(fit(column.title, 0));
    titled = titled || !column.title.empty();
  }
  for (const auto& row : rows) {
    auto& line = lines.emplace_back();
    for (size_t i = 0; i < std::min(row.size(), columns.size()); ++i) line.push_back(fit(row[i], columns[i].most));
  }
  std::vector<size_t> widths(columns.size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].width);
  }
  std::string out;
  if (titled) {
    append_line(out, columns, lines[0], widths);
    size_t whole = columns.empty() ? 0 : 2 * (columns.size() - 1);
    for (size_t width : widths) whole += width;
    for (size_t i = 0; i < whole; ++i) out += "\xE2\x94\x80";
    out += '\n';
  }
  for (size_t i = 1; i < lines.size(); ++i) append_line(out, columns, lines[i], widths);
  return out;
}

}  // namespace lowbit::report
