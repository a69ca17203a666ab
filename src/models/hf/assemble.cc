#include "models/hf/assemble.h"

#include <algorithm>

#include "models/hf/module_rows.h"

namespace lowbit::models::hf {
namespace {

using formats::Format;

bool is_f32(const Format& format) { return format.is_plain() && format.element.bits == 32; }

// A scale of a whole tensor belongs to one matrix.
bool joins(const Format& a, const Format& b) {
  const bool whole = std::ranges::any_of(
      a.levels, [](const formats::ScaleLevel& level) { return level.group == formats::kGroupTensor; });
  return !whole && a == b;
}

Result<tensor::PackedMatrix> assemble_vector(const Target& target, const Matrices& matrices) {
  const int64_t n = target.shape[0];
  std::vector<float> values = target.values;
  if (!target.pieces.empty()) {
    std::vector<float> from(static_cast<size_t>(n));
    values.resize(static_cast<size_t>(n));
    matrices[target.pieces[0].matrix]->values(0, from.data());
    for (int64_t i = 0; i < n; ++i) values[i] = from[checkpoint_row(i, n, target.heads)] + target.plus;
  }
  return tensor::pack_plain(*formats::parse_format("f32"), 1, n, values);
}

// Rows of a part, counted over its pieces.
class PartRows {
 public:
  PartRows(const Target& target, const Matrices& matrices, size_t first)
      : target_(target), matrices_(matrices), piece_(first) {}

  // Calls use(matrix, row) for the next `count` rows.
  template <class Use>
  void next(int64_t count, const Use& use) {
    for (; count > 0; --count) {
      const Piece& piece = target_.pieces[piece_];
      use(*matrices_[piece.matrix], piece.begin + checkpoint_row(within_, piece.rows, target_.heads));
      if (++within_ == piece.rows) {
        within_ = 0;
        ++piece_;
      }
    }
  }

 private:
  const Target& target_;
  const Matrices& matrices_;
  size_t piece_;
  int64_t within_ = 0;
};

// The scales of a row, appended; that of a whole tensor stands once.
void append(const Format& format, const RowCodes& row, tensor::Codes& to) {
  to.codes.insert(to.codes.end(), row.codes.begin(), row.codes.end());
  for (size_t level = 0; level < format.levels.size(); ++level) {
    const bool whole = format.levels[level].group == formats::kGroupTensor;
    if (!whole || to.scales[level].empty()) {
      to.scales[level].insert(to.scales[level].end(), row.scales[level].begin(), row.scales[level].end());
    }
    if (level < row.minimums.size() && (!whole || to.minimums[level].empty())) {
      to.minimums[level].insert(to.minimums[level].end(), row.minimums[level].begin(), row.minimums[level].end());
    }
  }
}

Result<tensor::PackedMatrix> assemble_part(const Format& format, int64_t rows, int64_t cols, PartRows from) {
  if (is_f32(format)) {
    std::vector<float> values(static_cast<size_t>(rows * cols));
    float* to = values.data();
    from.next(rows, [&](const Matrix& matrix, int64_t row) {
      matrix.values(row, to);
      to += cols;
    });
    return tensor::pack_plain(format, rows, cols, values);
  }
  LOWBIT_ASSIGN(tensor::PackedMatrix packed, tensor::PackedMatrix::allocate(format, rows, cols));
  constexpr int64_t kRowsAtOnce = 4 * tensor::kRowBlock;
  RowCodes row_codes;
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const int64_t end = std::min(rows, begin + kRowsAtOnce);
    tensor::Codes codes;
    codes.scales.resize(format.levels.size());
    codes.minimums.resize(format.levels.size());
    from.next(end - begin, [&](const Matrix& matrix, int64_t row) {
      matrix.codes(row, row_codes);
      append(format, row_codes, codes);
    });
    tensor::pack_rows(codes, begin, end, packed);
  }
  return packed;
}

}  // namespace

Result<io::TensorInfo> describe_target(const Target& target, const Matrices& matrices) {
  io::TensorInfo info;
  info.name = target.name;
  info.shape = target.shape;
  if (target.shape.size() == 1) {
    info.bytes = static_cast<uint64_t>(target.shape[0]) * 4;
    LOWBIT_ASSIGN(Format format, formats::parse_format("f32"));
    info.parts.push_back({std::move(format), 1});
    return info;
  }
  for (const Piece& piece : target.pieces) {
    const Matrix& matrix = *matrices[piece.matrix];
    info.bytes += matrix.bytes / static_cast<uint64_t>(matrix.rows()) * static_cast<uint64_t>(piece.rows);
    if (info.parts.empty() || !joins(info.parts.back().format, matrix.format)) {
      info.parts.push_back({matrix.format, 0});
    }
    info.parts.back().rows += piece.rows;
  }
  return info;
}

Result<tensor::Weight> assemble(const Target& target, const io::TensorInfo& info, const Matrices& matrices) {
  tensor::Weight weight;
  weight.shape = target.shape;
  if (target.shape.size() == 1) {
    LOWBIT_ASSIGN(tensor::PackedMatrix vector, assemble_vector(target, matrices));
    weight.parts.push_back(std::move(vector));
    return weight;
  }
  size_t piece = 0;
  for (const io::TensorInfo::Part& part : info.parts) {
    LOWBIT_ASSIGN(tensor::PackedMatrix packed,
                  assemble_part(part.format, part.rows, target.shape.back(), PartRows(target, matrices, piece)));
    weight.parts.push_back(std::move(packed));
    for (int64_t rows = 0; rows < part.rows; ++piece) rows += target.pieces[piece].rows;
  }
  return weight;
}

}  // namespace lowbit::models::hf
