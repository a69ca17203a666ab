#include "tensor/group_values.h"

#include <algorithm>

#include "base/bits.h"
#include "base/check.h"
#include "tensor/element_table.h"
#include "tensor/entries.h"

namespace lowbit::tensor {
namespace {

using formats::ElementFormat;
using Section = PackedLayout::Section;

// Reads entries of one section as floats.
class SectionReader {
 public:
  SectionReader(const PackedMatrix& matrix, const Section& section, const ElementFormat& element)
      : data_(matrix.bytes().data() + section.offset),
        section_(section),
        table_(element_table(element)),
        decode_(decode_entries_for(section.bits)) {}

  const Section& section() const { return section_; }

  // Groups [group, group + count) of a row block, [count][16]; the one entry of a tensor level stands for every row.
  void read(int64_t row_block, int64_t group, int64_t count, float* out) const {
    if (section_.groups == 0) {
      std::fill_n(out, count * kEntryRows, decode(entry_at(data_, section_.bits, 0)));
      return;
    }
    decode_(data_ + (row_block * section_.groups + group) * 2 * section_.bits, count, table_, out);
  }

  float read_one(int64_t row, int64_t group) const {
    const int64_t entry =
        section_.groups == 0 ? 0 : (row / kRowBlock * section_.groups + group) * kRowBlock + row % kRowBlock;
    return decode(entry_at(data_, section_.bits, static_cast<uint64_t>(entry)));
  }

 private:
  float decode(uint32_t code) const { return table_ == nullptr ? bits_float(code) : table_[code]; }

  const std::byte* data_;
  const Section& section_;
  const float* table_;
  DecodeEntries decode_;
};

// How many of the `groups` inner groups one group of an outer section spans.
int64_t span_of(const Section& outer, const Section& inner, int64_t groups) {
  return outer.groups <= 1 ? groups : outer.group / inner.group;
}

// Calls visit(reader, level) for what is multiplied into scales or into minima, from the inside out: an outer level
// without a minimum applies its scale to both.
template <class Visit>
void for_each_level(const PackedMatrix& from, bool minimums, Visit&& visit) {
  const PackedLayout& layout = from.layout();
  for (size_t i = 0; i < layout.scales.size(); ++i) {
    const formats::ScaleLevel& level = from.format().levels[i];
    if (minimums && level.minimum) {
      visit(SectionReader(from, layout.minimums[i], *level.minimum), i);
    } else {
      visit(SectionReader(from, layout.scales[i], level.scale), i);
    }
  }
}

void combine_block(const PackedMatrix& from, int64_t row_block, bool minimums, std::span<float> out) {
  const int64_t groups = value_groups(from);
  for_each_level(from, minimums, [&](const SectionReader& reader, size_t level) {
    if (level == 0) {
      reader.read(row_block, 0, groups, out.data());
      return;
    }
    const int64_t span = span_of(reader.section(), from.layout().scales[0], groups);
    float factor[kEntryRows];
    for (int64_t first = 0; first < groups; first += span) {
      reader.read(row_block, first / span, 1, factor);
      for (int64_t g = first; g < std::min(first + span, groups); ++g) {
        for (int r = 0; r < kEntryRows; ++r) out[g * kRowBlock + r] *= factor[r];
      }
    }
  });
}

void combine_row(const PackedMatrix& from, int64_t row, bool minimums, std::span<float> out) {
  const int64_t groups = value_groups(from);
  for_each_level(from, minimums, [&](const SectionReader& reader, size_t level) {
    if (level == 0) {
      for (int64_t g = 0; g < groups; ++g) out[g] = reader.read_one(row, g);
      return;
    }
    const int64_t span = span_of(reader.section(), from.layout().scales[0], groups);
    for (int64_t first = 0; first < groups; first += span) {
      const float factor = reader.read_one(row, first / span);
      for (int64_t g = first; g < std::min(first + span, groups); ++g) out[g] *= factor;
    }
  });
}

}  // namespace

int64_t value_groups(const PackedMatrix& matrix) {
  const auto& scales = matrix.layout().scales;
  return scales.empty() ? 1 : std::max<int64_t>(1, scales[0].groups);
}

int64_t value_group_columns(const PackedMatrix& matrix) {
  const auto& scales = matrix.layout().scales;
  return scales.empty() ? matrix.cols() : scales[0].group;
}

void group_values(const PackedMatrix& from, int64_t row_block, std::span<float> scales, std::span<float> minimums,
                  std::span<int16_t> zero_points) {
  const int64_t groups = value_groups(from);
  const auto size = static_cast<size_t>(groups * kRowBlock);
  LOWBIT_CHECK(row_block >= 0 && row_block * kRowBlock < from.rows() && scales.size() == size);
  LOWBIT_CHECK((minimums.empty() || minimums.size() == size) && (zero_points.empty() || zero_points.size() == size));
  if (from.format().is_plain()) std::fill(scales.begin(), scales.end(), 1.0f);
  combine_block(from, row_block, false, scales);
  if (!minimums.empty()) {
    std::fill(minimums.begin(), minimums.end(), 0.0f);
    if (from.format().has_minimum()) combine_block(from, row_block, true, minimums);
  }
  if (zero_points.empty()) return;
  std::fill(zero_points.begin(), zero_points.end(), int16_t{0});
  if (!from.format().has_zero_point()) return;
  const SectionReader reader(from, from.layout().minimums[0], from.format().element);
  for (int64_t g = 0; g < groups; ++g) {
    float values[kEntryRows];
    reader.read(row_block, g, 1, values);
    for (int r = 0; r < kEntryRows; ++r) zero_points[g * kRowBlock + r] = static_cast<int16_t>(values[r]);
  }
}

void row_group_values(const PackedMatrix& from, int64_t row, std::span<float> scales, std::span<float> minimums,
                      std::span<int16_t> zero_points) {
  const auto size = static_cast<size_t>(value_groups(from));
  LOWBIT_CHECK(row >= 0 && row < from.rows() && scales.size() == size);
  LOWBIT_CHECK((minimums.empty() || minimums.size() == size) && (zero_points.empty() || zero_points.size() == size));
  if (from.format().is_plain()) std::fill(scales.begin(), scales.end(), 1.0f);
  combine_row(from, row, false, scales);
  if (!minimums.empty()) {
    std::fill(minimums.begin(), minimums.end(), 0.0f);
    if (from.format().has_minimum()) combine_row(from, row, true, minimums);
  }
  if (zero_points.empty()) return;
  std::fill(zero_points.begin(), zero_points.end(), int16_t{0});
  if (!from.format().has_zero_point()) return;
  const SectionReader reader(from, from.layout().minimums[0], from.format().element);
  for (size_t g = 0; g < size; ++g)
    zero_points[g] = static_cast<int16_t>(reader.read_one(row, static_cast<int64_t>(g)));
}

}  // namespace lowbit::tensor
