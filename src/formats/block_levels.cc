#include "formats/block_levels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "base/bits.h"
#include "base/check.h"
#include "formats/array_plans.h"
#include "formats/block_scale.h"
#include "formats/codes.h"

namespace lowbit::formats {
namespace {

// Which block of a level a number lies in. Blocks are counted along the columns first; those of several rows begin
// anew with each matrix.
struct Grid {
  int64_t rows = 0, matrix = 0, cols = 0;  // of the array; rows of a matrix
  int64_t high = 1, wide = 1;              // rows and columns of a block
  int64_t per_matrix = 1, per_row = 1;     // blocks above each other in a matrix, and side by side
  int64_t count = 0;

  Grid(const ScaleLevel& level, int64_t all_rows, int64_t all_cols, int64_t matrix_rows)
      : rows(all_rows), matrix(level.group == kGroupTensor ? all_rows : matrix_rows), cols(all_cols) {
    high = level.group == kGroupTensor ? all_rows : std::min(level.rows, matrix);
    wide = level.group > 0 ? std::min(level.group, all_cols) : all_cols;
    if (rows == 0) return;
    per_matrix = ceil_div(matrix, high);
    per_row = ceil_div(cols, wide);
    count = rows / matrix * per_matrix * per_row;
  }

  int64_t row_of_blocks(int64_t row) const { return row / matrix * per_matrix + row % matrix / high; }
  int64_t at(int64_t row, int64_t col) const { return row_of_blocks(row) * per_row + col / wide; }
  // The numbers of a block: [row, row_end) x [col, col_end).
  int64_t row(int64_t block) const {
    const int64_t line = block / per_row;
    return line / per_matrix * matrix + line % per_matrix * high;
  }
  int64_t row_end(int64_t block) const {
    const int64_t line = block / per_row;
    return std::min(row(block) + high, (line / per_matrix + 1) * matrix);
  }
  int64_t col(int64_t block) const { return block % per_row * wide; }
  int64_t col_end(int64_t block) const { return std::min(col(block) + wide, cols); }
};

// Numbers of a row from which on it is worth a call for all of them.
constexpr int64_t kLongRow = 64;
constexpr int64_t kLeastForKernel = 16;  // of a block

int64_t matrix_rows(const BlockOptions& options, int64_t rows) { return options.rows > 0 ? options.rows : rows; }

std::vector<Grid> grids_of(const Format& format, int64_t rows, int64_t cols, int64_t matrix) {
  std::vector<Grid> out;
  for (const ScaleLevel& level : format.levels) out.emplace_back(level, rows, cols, matrix);
  return out;
}

// The values of scales multiplied from the inside out, levels from `first` on, for a number at (row, col).
float product(std::span<const Grid> grids, std::span<const std::vector<float>> scales, size_t first, int64_t row,
              int64_t col) {
  float out = 1;
  for (size_t k = first; k < grids.size(); ++k) {
    const float scale = scales[k][static_cast<size_t>(grids[k].at(row, col))];
    out = k == first ? scale : out * scale;
  }
  return out;
}

void for_all(ThreadPool* pool, int64_t count, const std::function<void(int64_t)>& body) {
  if (pool == nullptr || count < 2) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  pool->parallel_for(count, std::max<int64_t>(1, count / 256), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

class LevelConverter {
 public:
  LevelConverter(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options)
      : format_(format),
        options_(options),
        values_(values),
        rows_(static_cast<int64_t>(values.size()) / cols),
        cols_(cols),
        grids_(grids_of(format, rows_, cols, matrix_rows(options, rows_))) {
    find_amax();
    find_lost();
    codes_.resize(grids_.size());
    scales_.resize(grids_.size());
    for (size_t k = grids_.size(); k-- > 0;) choose_level(k);
    totals_.resize(scales_[0].size());
    for_all(options.array.pool, grids_[0].count, [&](int64_t block) {
      totals_[static_cast<size_t>(block)] = product(grids_, scales_, 0, grids_[0].row(block), grids_[0].col(block));
    });
  }

  std::vector<std::vector<uint32_t>>& codes() { return codes_; }
  const Grid& inner() const { return grids_[0]; }

  template <class Out>
  void run(Out* out) const {
    const CastPolicy& policy = options_.array.policy;
    BlockRounding plan = {};
    plan.fixed = has_fixed(format_.element, policy);
    const bool has_plan = plan.fixed || (has_magic(format_.element, policy) && format_.element.bias < 127);
    const bool fast = has_plan && policy.saturation == Saturation::finite;
    if (fast && plan.fixed) plan.to_fixed = fixed_plan(format_.element);
    if (fast && !plan.fixed) plan.to_float = magic_plan(format_.element, policy);
    // Kernels take the numbers of one block in one row at a time.
    const bool powers = (!fast || grids_[0].wide < kLeastForKernel) && !is_stochastic(policy.rounding) &&
                        cols_ >= kLongRow &&
                        std::all_of(format_.levels.begin(), format_.levels.end(),
                                    [](const ScaleLevel& level) { return is_power_of_two(level.scale); });
    for_all(options_.array.pool, rows_, [&](int64_t row) {
      if (powers && whole_row(row, out)) return;
      convert_row(row, fast ? &plan : nullptr, out);
    });
  }

 private:
  const Format& format_;
  const BlockOptions& options_;
  std::span<const float> values_;
  int64_t rows_, cols_;
  std::vector<Grid> grids_;
  std::vector<std::vector<double>> amax_;  // [level][block]: the largest finite magnitude
  std::vector<std::vector<uint8_t>> nan_;  // [level][block]: whether it holds a NaN
  size_t lost_level_ = 0;                  // whose scales become NaN for that; no level: grids_.size()
  std::vector<std::vector<uint32_t>> codes_;
  std::vector<std::vector<float>> scales_;  // their values
  std::vector<float> totals_;               // [innermost block]: the product of its scales

  std::vector<float> numbers_of(int64_t block) const {
    const Grid& g = grids_[0];
    std::vector<float> out;
    for (int64_t r = g.row(block); r < g.row_end(block); ++r) {
      const float* row = values_.data() + r * cols_;
      out.insert(out.end(), row + g.col(block), row + g.col_end(block));
    }
    return out;
  }

  // Of the innermost blocks by their numbers, of outer ones by the blocks inside.
  void find_amax() {
    for (const Grid& g : grids_) {
      amax_.emplace_back(static_cast<size_t>(g.count), 0.0);
      nan_.emplace_back(static_cast<size_t>(g.count), uint8_t{0});
    }
    for_all(options_.array.pool, grids_[0].count, [&](int64_t block) {
      const Grid& g = grids_[0];
      const auto at = static_cast<size_t>(block);
      for (int64_t r = g.row(block); r < g.row_end(block); ++r) {
        const std::span<const float> part(values_.data() + r * cols_ + g.col(block),
                                          values_.data() + r * cols_ + g.col_end(block));
        amax_[0][at] = std::max(amax_[0][at], greatest_finite(part));
        if (holds_nan(part)) nan_[0][at] = 1;
      }
    });
    for (size_t k = 1; k < grids_.size(); ++k) {
      for (int64_t block = 0; block < grids_[k - 1].count; ++block) {
        const auto from = static_cast<size_t>(block);
        const auto to = static_cast<size_t>(grids_[k].at(grids_[k - 1].row(block), grids_[k - 1].col(block)));
        amax_[k][to] = std::max(amax_[k][to], amax_[k - 1][from]);
        nan_[k][to] = nan_[k][to] | nan_[k - 1][from];
      }
    }
  }

  void find_lost() {
    const auto& levels = format_.levels;
    while (lost_level_ < levels.size() &&
           (levels[lost_level_].group == kGroupTensor || !nan_code(levels[lost_level_].scale))) {
      ++lost_level_;
    }
  }

  void choose_level(size_t k) {
    const Chooser chooser(format_, options_, k);
    const Grid& g = grids_[k];
    codes_[k].resize(static_cast<size_t>(g.count));
    scales_[k].resize(codes_[k].size());
    for_all(options_.array.pool, g.count, [&](int64_t block) {
      const auto at = static_cast<size_t>(block);
      uint32_t code = 0;
      const float outer = product(grids_, scales_, k + 1, g.row(block), g.col(block));
      if (k == lost_level_ && nan_[k][at] != 0) {
        code = *nan_code(chooser.scale);
      } else if (std::isnan(outer)) {
        code = chooser.stored(0.0);
      } else {
        const bool trials = k == 0 && chooser.needs_trials();
        code = chooser.choose(trials ? numbers_of(block) : std::vector<float>(), amax_[k][at], outer);
      }
      // Else nothing could lie inside.
      if (k > 0 && chooser.scale.decode(code) == 0) code = chooser.stored(1.0);
      codes_[k][at] = code;
      scales_[k][at] = chooser.scale.decode(code);
    });
  }

  void put(float value, uint32_t, float& out) const { out = value; }
  void put(float, uint32_t code, uint8_t& out) const { out = static_cast<uint8_t>(code); }

  template <class Out>
  void convert_row(int64_t row, const BlockRounding* plan, Out* out) const {
    const Grid& g = grids_[0];
    const int64_t first = g.row_of_blocks(row) * g.per_row;
    for (int64_t col = 0; col < cols_; col += g.wide) {
      const int64_t count = std::min(g.wide, cols_ - col);
      const auto block = static_cast<size_t>(first + col / g.wide);
      const float total = totals_[block];
      const double a = amax_[0][block];
      // Nothing that counts rounds to a subnormal float or beyond the largest one.
      const bool tame = a >= 0x1p-60 && a <= 0x1p100 && total >= 0x1p-80f && total <= 0x1p100f &&
                        a <= 0x1p60 * static_cast<double>(total);
      const int64_t begin = row * cols_ + col;
      if (plan != nullptr && tame && finite(begin, count)) {
        by_kernel(*plan, begin, count, total, out + begin);
      } else {
        one_by_one(begin, count, total, out);
      }
    }
  }

  // A row of blocks that may be short, where all its quotients are floats, as under scales that are powers of two.
  template <class Out>
  bool whole_row(int64_t row, Out* out) const {
    const Grid& g = grids_[0];
    const float* x = values_.data() + row * cols_;
    const float* totals = totals_.data() + g.row_of_blocks(row) * g.per_row;
    std::vector<float> quotients(static_cast<size_t>(cols_));
    bool exact = true;
    for (int64_t col = 0; col < cols_; col += g.wide) {
      const double total = static_cast<double>(totals[col / g.wide]);
      for (int64_t i = col; i < std::min(col + g.wide, cols_); ++i) {
        const double q = static_cast<double>(x[i]) / total;
        const auto rounded = static_cast<float>(q);
        quotients[static_cast<size_t>(i)] = rounded;
        exact = exact && total > 0 && static_cast<double>(rounded) == q;  // not so of NaN
      }
    }
    if (!exact) return false;
    ArrayOptions options = options_.array;
    options.pool = nullptr;
    Out* to = out + row * cols_;
    if constexpr (sizeof(Out) == 1) {
      encode_array(format_.element, quotients, std::span(to, quotients.size()), options);
    } else {
      cast_array(format_.element, quotients, std::span(to, quotients.size()), options);
      for (int64_t col = 0; col < cols_; col += g.wide) {
        for (int64_t i = col; i < std::min(col + g.wide, cols_); ++i) to[i] *= totals[col / g.wide];
      }
    }
    return true;
  }

  bool finite(int64_t begin, int64_t count) const {
    const float* x = values_.data() + begin;
    return std::all_of(x, x + count, [](float v) { return std::isfinite(v); });
  }

  void by_kernel(const BlockRounding& plan, int64_t begin, int64_t count, float total, float* out) const {
    array_kernels(options_.array.isa).blocks.cast(plan, false, values_.data() + begin, count, 1, &total, out);
  }
  void by_kernel(const BlockRounding& plan, int64_t begin, int64_t count, float total, uint8_t* out) const {
    array_kernels(options_.array.isa).blocks.codes8(plan, false, values_.data() + begin, count, 1, &total, out);
  }

  template <class Out>
  void one_by_one(int64_t begin, int64_t count, float total, Out* out) const {
    const CastPolicy& policy = options_.array.policy;
    const ElementFormat& element = format_.element;
    for (int64_t i = begin; i < begin + count; ++i) {
      const double v = static_cast<double>(values_[static_cast<size_t>(i)]);
      double q = v / static_cast<double>(total);
      if (std::isnan(total) || (std::isfinite(v) && total == 0)) q = 0;
      const uint32_t random =
          is_stochastic(policy.rounding) ? random_word(options_.array.seed, static_cast<uint64_t>(i)) : 0;
      const uint32_t code = encode(element, q, policy, random);
      put(element.decode(code) * total, code, out[i]);
    }
  }
};

}  // namespace

Blocks encode_levels(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options) {
  LevelConverter converter(format, values, cols, options);
  Blocks out;
  out.cols = cols;
  out.rows = static_cast<int64_t>(values.size()) / cols;
  out.matrix_rows = matrix_rows(options, out.rows);
  out.group = converter.inner().wide;
  out.codes.resize(values.size());
  converter.run(out.codes.data());
  out.scales = std::move(converter.codes()[0]);
  converter.codes().erase(converter.codes().begin());
  out.outer = std::move(converter.codes());
  return out;
}

void decode_levels(const Format& format, const Blocks& blocks, std::span<float> out, const ArrayOptions& options) {
  decode_array(format.element, std::span(blocks.codes), out, options);
  const std::vector<Grid> grids = grids_of(format, blocks.rows, blocks.cols, blocks.matrix_rows);
  std::vector<std::vector<float>> scales;
  for (size_t k = 0; k < grids.size(); ++k) {
    const std::vector<uint32_t>& codes = k == 0 ? blocks.scales : blocks.outer[k - 1];
    LOWBIT_CHECK(std::ssize(codes) == grids[k].count);
    auto& values = scales.emplace_back(codes.size());
    std::transform(codes.begin(), codes.end(), values.begin(),
                   [&](uint32_t code) { return format.levels[k].scale.decode(code); });
  }
  for_all(options.pool, blocks.rows, [&](int64_t row) {
    for (int64_t col = 0; col < blocks.cols; ++col) {
      out[static_cast<size_t>(row * blocks.cols + col)] *= product(grids, scales, 0, row, col);
    }
  });
}

void cast_levels(const Format& format, std::span<const float> values, int64_t cols, std::span<float> out,
                 const BlockOptions& options) {
  LevelConverter(format, values, cols, options).run(out.data());
}

}  // namespace lowbit::formats
