#include <optional>

#include "base/bits.h"
#include "tensor/codes_block.h"
#include "tensor/packed.h"

namespace lowbit::tensor {
namespace {

using formats::Format;
using formats::kGroupRow;
using formats::kGroupTensor;
using formats::ScaleLevel;

// Far above every machine, and low enough that no later product of sizes in 64 bits can overflow.
constexpr uint64_t kMostElements = uint64_t{1} << 52;

bool is_storable(int bits) { return (bits >= 1 && bits <= 16) || bits == 32; }

Status check_level(const Format& format, size_t index) {
  const ScaleLevel& level = format.levels[index];
  if (level.group <= 0 && level.group != kGroupRow && level.group != kGroupTensor) {
    return errorf("a group of {} elements in format {}; expected at least 1", level.group, formats::print(format));
  }
  if (!is_storable(level.scale.bits) || (level.minimum && !is_storable(level.minimum->bits))) {
    return errorf("a scale of format {} has a width that cannot be stored; expected 1 to 16 or 32 bits",
                  formats::print(format));
  }
  if (level.zero_point && (index != 0 || !format.element.is_integer() || format.element.bits > 8 || level.minimum)) {
    return errorf("format {} has a zero point where none can stand; expected it innermost, with an integer of 8 bits",
                  formats::print(format));
  }
  if (index == 0) return {};
  // Values of an inner group must all lie in one outer group.
  const int64_t inner = format.levels[index - 1].group;
  const bool nested = level.group == kGroupTensor || (level.group == kGroupRow && inner != kGroupTensor) ||
                      (level.group > 0 && inner > 0 && level.group % inner == 0);
  if (!nested) {
    return errorf("the groups of format {} do not nest; expected each to be a multiple of the one inside it",
                  formats::print(format));
  }
  return {};
}

// Adds `bytes` at the next multiple of 64; empty on overflow. Returns the offset.
std::optional<uint64_t> append(uint64_t& end, uint64_t bytes) {
  const std::optional<uint64_t> padded = checked_add(end, kSectionAlignment - 1);
  if (!padded) return std::nullopt;
  const uint64_t offset = *padded / kSectionAlignment * kSectionAlignment;
  const std::optional<uint64_t> next = checked_add(offset, bytes);
  if (!next) return std::nullopt;
  end = *next;
  return offset;
}

std::optional<PackedLayout::Section> append_section(uint64_t& end, int64_t group, int bits, uint64_t row_blocks,
                                                    int64_t cols) {
  PackedLayout::Section section;
  section.bits = bits;
  section.group = group > 0 ? group : cols;
  if (group == kGroupTensor) {
    section.groups = 0;
    section.bytes = ceil_div(bits, 8);
  } else {
    section.groups = (cols - 1) / section.group + 1;
    const auto entries = checked_mul(row_blocks, static_cast<uint64_t>(section.groups));
    const auto bytes = entries ? checked_mul(*entries, 2 * static_cast<uint64_t>(bits)) : std::nullopt;
    if (!bytes) return std::nullopt;
    section.bytes = *bytes;
  }
  const std::optional<uint64_t> offset = append(end, section.bytes);
  if (!offset) return std::nullopt;
  section.offset = *offset;
  return section;
}

}  // namespace

Result<PackedLayout> PackedLayout::of(const Format& format, int64_t rows, int64_t cols) {
  if (rows <= 0 || cols <= 0) {
    return errorf("a matrix of {} x {} elements; expected at least 1 x 1", rows, cols);
  }
  const int bits = format.element.bits;
  if (!is_storable(bits)) {
    return errorf("elements of {} bits cannot be stored; expected 1 to 16 or 32 bits", bits);
  }
  LOWBIT_TRY(formats::check_rows_apart(format));
  for (size_t i = 0; i < format.levels.size(); ++i) LOWBIT_TRY(check_level(format, i));
  const Error too_large = errorf("a matrix of {} x {} elements is too large", rows, cols);
  const uint64_t row_blocks = (static_cast<uint64_t>(rows) + kRowBlock - 1) / kRowBlock;
  const uint64_t steps = (static_cast<uint64_t>(cols) + kColumnStep - 1) / kColumnStep;
  const auto padded = checked_mul(row_blocks * kRowBlock, steps * kColumnStep);
  if (!padded || *padded > kMostElements) return too_large;

  PackedLayout layout;
  const uint64_t word_bytes = bits <= 16 ? 2 : 4;
  layout.code_bytes = bits <= 8
                          ? row_blocks * static_cast<uint64_t>(row_block_code_bytes(code_width(format.element), cols))
                          : row_blocks * kRowBlock * static_cast<uint64_t>(cols) * word_bytes;
  layout.total_bytes = layout.code_bytes;
  for (const ScaleLevel& level : format.levels) {
    const auto scale = append_section(layout.total_bytes, level.group, level.scale.bits, row_blocks, cols);
    if (!scale) return too_large;
    layout.scales.push_back(*scale);
    Section minimum;
    if (level.minimum || level.zero_point) {
      const int width = level.zero_point ? bits : level.minimum->bits;
      const auto found = append_section(layout.total_bytes, level.group, width, row_blocks, cols);
      if (!found) return too_large;
      minimum = *found;
    }
    layout.minimums.push_back(minimum);
  }
  return layout;
}

}  // namespace lowbit::tensor
