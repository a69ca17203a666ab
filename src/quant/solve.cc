#include "quant/solve.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "quant/round/cast.h"
#include "tensor/gather.h"

namespace lowbit::quant {
namespace {

constexpr int64_t kSlabBytes = int64_t{32} << 20;  // of fp32 rows at a time

// Rows of the source in any order, as floats or as codes of one part.
class RowSource {
 public:
  explicit RowSource(const tensor::Weight& weight) : weight_(weight), inverse_(tensor::inverse_row_order(weight)) {}

  // An error where one is not finite.
  Status values(std::span<const int32_t> rows, ThreadPool& pool, std::vector<float>& out) const {
    const int64_t cols = weight_.cols();
    out.resize(rows.size() * static_cast<size_t>(cols));
    std::vector<char> bad(rows.size(), 0);
    pool.parallel_for(static_cast<int64_t>(rows.size()), 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        float* row = out.data() + i * cols;
        tensor::dequantize_row(weight_, inverse_, rows[static_cast<size_t>(i)], row);
        bad[static_cast<size_t>(i)] = std::all_of(row, row + cols, [](float v) { return std::isfinite(v); }) ? 0 : 1;
      }
    });
    for (size_t i = 0; i < bad.size(); ++i) {
      if (bad[i] != 0) return errorf("row {} holds a weight that is not finite", rows[i]);
    }
    return {};
  }

  // Codes of rows that all lie in parts of `format`, of at most 16 bits.
  tensor::Codes codes(std::span<const int32_t> rows, const formats::Format& format) const {
    tensor::Codes result;
    result.scales.resize(format.levels.size());
    result.minimums.resize(format.levels.size());
    for (const int32_t row : rows) {
      int64_t packed = inverse_.empty() ? row : inverse_[static_cast<size_t>(row)];
      size_t part = 0;
      while (packed >= weight_.parts[part].rows()) packed -= weight_.parts[part++].rows();
      append(row_codes(weight_.parts[part], packed), format, result);
    }
    return result;
  }

 private:
  // One row: whole row blocks are unpacked, so it is cut out of its block.
  static tensor::Codes row_codes(const tensor::PackedMatrix& part, int64_t row) {
    const int64_t first = row / tensor::kRowBlock * tensor::kRowBlock;
    const int64_t rows = std::min(tensor::kRowBlock, part.rows() - first);
    tensor::Codes codes = tensor::unpack_rows(part, first, first + rows);
    const auto cut = [&](auto& values, bool shared) {
      if (values.empty() || shared) return;
      const auto count = static_cast<std::ptrdiff_t>(values.size()) / rows;
      const auto begin = values.begin() + (row - first) * count;
      values = std::decay_t<decltype(values)>(begin, begin + count);
    };
    cut(codes.codes, false);
    for (size_t level = 0; level < codes.scales.size(); ++level) {
      const bool shared = part.format().levels[level].group == formats::kGroupTensor;
      cut(codes.scales[level], shared);
      cut(codes.minimums[level], shared);
    }
    return codes;
  }

  static void append(const tensor::Codes& one, const formats::Format& format, tensor::Codes& all) {
    all.codes.insert(all.codes.end(), one.codes.begin(), one.codes.end());
    for (size_t level = 0; level < format.levels.size(); ++level) {
      const bool shared = format.levels[level].group == formats::kGroupTensor && !all.scales[level].empty();
      if (shared) continue;
      all.scales[level].insert(all.scales[level].end(), one.scales[level].begin(), one.scales[level].end());
      all.minimums[level].insert(all.minimums[level].end(), one.minimums[level].begin(), one.minimums[level].end());
    }
  }

  const tensor::Weight& weight_;
  std::vector<int32_t> inverse_;
};

bool has_tensor_level(const formats::Format& format) {
  return !format.levels.empty() && format.levels.back().group == formats::kGroupTensor;
}

// Rows of fp32 that are held at a time.
int64_t slab_rows(int64_t cols) {
  return std::max<int64_t>(tensor::kRowBlock, kSlabBytes / (cols * 4) / tensor::kRowBlock * tensor::kRowBlock);
}

// Adds what the rows of one slab lost.
template <class Output>
void add_errors(const Output& output, std::span<const int32_t> rows, const SolveInput& input, double& loss,
                double& squared) {
  for (size_t i = 0; i < rows.size(); ++i) {
    squared += output.squared_error[i];
    if (input.statistics == nullptr) continue;
    loss += 0.5 * static_cast<double>(input.statistics->row_weights[static_cast<size_t>(rows[i])]) *
            output.weighted_error[i];
  }
}

class PartSolver {
 public:
  PartSolver(const SolveInput& input, const PartPlan& part, const RowSource& source, std::span<const int32_t> rows)
      : input_(input),
        part_(part),
        source_(source),
        rows_(rows),
        cols_(input.source->cols()),
        slab_(slab_rows(cols_)) {}

  Result<tensor::PackedMatrix> run(SolveReport& report, double& squared, double& norm) {
    const auto count = static_cast<int64_t>(rows_.size());
    LOWBIT_ASSIGN(tensor::PackedMatrix matrix, tensor::PackedMatrix::allocate(part_.format, count, cols_));
    TensorScales scales;
    if (!part_.keep && has_tensor_level(part_.format)) {
      LOWBIT_ASSIGN(scales, tensor_scales());
    }
    for (int64_t begin = 0; begin < count; begin += slab_) {
      const auto rows =
          rows_.subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(slab_, count - begin)));
      tensor::Codes codes;
      if (part_.keep) {
        codes = source_.codes(rows, part_.format);
      } else {
        LOWBIT_ASSIGN(codes, round(rows, scales, report, squared, norm));
      }
      tensor::pack_rows(codes, begin, begin + static_cast<int64_t>(rows.size()), matrix);
    }
    return matrix;
  }

 private:
  Result<TensorScales> tensor_scales() {
    if (input_.range) return prepare(part_.format, *input_.range, input_.options.scales);
    TensorRange range;
    std::vector<float> values;
    for (size_t begin = 0; begin < rows_.size(); begin += static_cast<size_t>(slab_)) {
      LOWBIT_TRY(source_.values(rows_.subspan(begin, std::min(static_cast<size_t>(slab_), rows_.size() - begin)),
                                *input_.pool, values));
      range.add(values);
    }
    return prepare(part_.format, range, input_.options.scales);
  }

  Result<tensor::Codes> round(std::span<const int32_t> rows, const TensorScales& scales, SolveReport& report,
                              double& squared, double& norm) {
    std::vector<float> values;
    LOWBIT_TRY(source_.values(rows, *input_.pool, values));
    for (const float v : values) norm += static_cast<double>(v) * static_cast<double>(v);
    MethodInput method;
    method.weights = values;
    method.rows = static_cast<int64_t>(rows.size());
    method.cols = cols_;
    method.format = &part_.format;
    method.tensor = scales;
    if (input_.statistics != nullptr) method.second_moments = input_.statistics->second_moments;
    if (input_.statistics == nullptr) method.importance = input_.importance;
    method.factor = input_.factor;
    method.options = input_.options;
    method.threads = input_.pool;
    const Method* chosen = find_method(part_.method);
    LOWBIT_CHECK(chosen != nullptr);
    if (chosen->needs_second_moments && input_.statistics == nullptr) chosen = find_method("nearest");
    LOWBIT_ASSIGN(MethodOutput output, chosen->solve(method));
    report.damping = std::max(report.damping, output.damping);
    report.failed_factorizations = std::max(report.failed_factorizations, output.failed_factorizations);
    add_errors(output, rows, input_, report.loss, squared);
    return std::move(output.codes);
  }

  const SolveInput& input_;
  const PartPlan& part_;
  const RowSource& source_;
  std::span<const int32_t> rows_;
  int64_t cols_, slab_;
};

// Elements without levels, slab by slab: row blocks lie one behind the other, so the bytes of slabs do too.
Result<tensor::PackedMatrix> cast_part(const SolveInput& input, const PartPlan& part, const RowSource& source,
                                       std::span<const int32_t> rows, SolveReport& report, double& squared,
                                       double& norm) {
  const int64_t cols = input.source->cols(), slab = slab_rows(cols);
  LOWBIT_ASSIGN(tensor::PackedMatrix matrix,
                tensor::PackedMatrix::allocate(part.format, static_cast<int64_t>(rows.size()), cols));
  const std::span<const float> moments =
      input.statistics == nullptr ? std::span<const float>{} : std::span(input.statistics->second_moments);
  uint64_t done = 0;
  std::vector<float> values;
  for (size_t begin = 0; begin < rows.size(); begin += static_cast<size_t>(slab)) {
    const auto part_rows = rows.subspan(begin, std::min(static_cast<size_t>(slab), rows.size() - begin));
    LOWBIT_TRY(source.values(part_rows, *input.pool, values));
    for (const float v : values) norm += static_cast<double>(v) * static_cast<double>(v);
    LOWBIT_ASSIGN(const CastOutput output,
                  cast_rows(part.format, static_cast<int64_t>(part_rows.size()), cols, values, moments, *input.pool));
    add_errors(output, part_rows, input, report.loss, squared);
    const uint64_t bytes = output.matrix.layout().code_bytes;
    LOWBIT_CHECK(done + bytes <= matrix.layout().code_bytes);
    std::memcpy(matrix.writable().data() + done, output.matrix.bytes().data(), bytes);
    done += bytes;
  }
  LOWBIT_CHECK(done == matrix.layout().code_bytes);
  return matrix;
}

}  // namespace

std::vector<int32_t> importance_order(const ParameterStatistics& statistics) {
  std::vector<int32_t> order(statistics.row_weights.size());
  std::iota(order.begin(), order.end(), 0);
  // NaN counts as nothing: a comparison with it would be no order.
  const auto weight = [&](int32_t row) {
    const float w = statistics.row_weights[static_cast<size_t>(row)];
    return std::isnan(w) ? 0.0f : w;
  };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return weight(a) > weight(b); });
  return order;
}

Status check_finite(const tensor::Weight& weight, ThreadPool& pool) {
  const auto range = range_of(weight, pool);
  return range.ok() ? Status() : Status(range.error());
}

Result<TensorRange> range_of(const tensor::Weight& weight, ThreadPool& pool) {
  TensorRange range;
  std::vector<int32_t> rows(static_cast<size_t>(weight.rows()));
  std::iota(rows.begin(), rows.end(), 0);
  const RowSource source(weight);
  const auto slab = static_cast<size_t>(slab_rows(weight.cols()));
  std::vector<float> values;
  for (size_t begin = 0; begin < rows.size(); begin += slab) {
    LOWBIT_TRY(source.values(std::span(rows).subspan(begin, std::min(slab, rows.size() - begin)), pool, values));
    range.add(values);
  }
  return range;
}

Result<tensor::Weight> solve(const SolveInput& input, SolveReport& report) {
  const TensorPlan& plan = *input.plan;
  report = {};
  // A plan of one part has no order of rows: a source of one part that has one is brought into natural order.
  if (plan.kept() && (plan.divided() || input.source->row_order.empty())) return *input.source;
  tensor::Weight result;
  result.shape = input.source->shape;
  std::vector<int32_t> order;
  if (plan.divided()) {
    LOWBIT_CHECK(input.statistics != nullptr);
    order = importance_order(*input.statistics);
    result.row_order = order;
  } else {
    order.resize(static_cast<size_t>(input.source->rows()));
    std::iota(order.begin(), order.end(), 0);
  }
  const RowSource source(*input.source);
  double squared = 0.0, norm = 0.0;
  size_t first = 0;
  for (const PartPlan& part : plan.parts) {
    const auto rows = std::span<const int32_t>(order).subspan(first, static_cast<size_t>(part.rows));
    first += rows.size();
    // Words of 32 bits are no codes: what is kept of them is copied as values.
    if (part.format.is_plain() && (!part.keep || part.format.element.bits > 16)) {
      LOWBIT_ASSIGN(tensor::PackedMatrix matrix, cast_part(input, part, source, rows, report, squared, norm));
      result.parts.push_back(std::move(matrix));
    } else {
      LOWBIT_ASSIGN(tensor::PackedMatrix matrix, PartSolver(input, part, source, rows).run(report, squared, norm));
      result.parts.push_back(std::move(matrix));
    }
  }
  report.relative_error = norm > 0.0 ? squared / norm : 0.0;
  return result;
}

Result<TrialResult> try_format(std::span<const float> rows, int64_t count, int64_t cols,
                               const formats::Format& format, const TensorScales& tensor_scales,
                               std::string_view method, const ParameterStatistics& statistics,
                               const GptqFactor* factor, const MethodOptions& options, ThreadPool& pool) {
  MethodInput input;
  input.weights = rows;
  input.rows = count;
  input.cols = cols;
  input.format = &format;
  input.tensor = tensor_scales;
  input.second_moments = statistics.second_moments;
  input.factor = factor;
  input.options = options;
  input.threads = &pool;
  if (format.is_plain()) {
    LOWBIT_ASSIGN(CastOutput output, cast_rows(format, count, cols, rows, statistics.second_moments, pool));
    return TrialResult{std::move(output.weighted_error), std::move(output.squared_error)};
  }
  const Method* chosen = find_method(method);
  LOWBIT_CHECK(chosen != nullptr);
  LOWBIT_ASSIGN(MethodOutput output, chosen->solve(input));
  return TrialResult{std::move(output.weighted_error), std::move(output.squared_error)};
}

}  // namespace lowbit::quant
