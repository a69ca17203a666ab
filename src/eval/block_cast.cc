#include "eval/block_cast.h"

#include <algorithm>

#include "base/check.h"
#include "quant/round/nearest.h"
#include "tensor/packed.h"

namespace lowbit::eval {
namespace {

constexpr int64_t kPiece = 1 << 20;  // numbers read at a time for the range

}  // namespace

BlockCast::BlockCast(const formats::Format& format, ThreadPool* pool, quant::ScaleSearch search)
    : format_(format), pool_(pool) {
  LOWBIT_CHECK(!format.is_plain() && pool != nullptr);
  options_.scales.search = search;
}

Result<BlockCast> BlockCast::make(const formats::Format& format, const ArrayRows& rows, ThreadPool* pool,
                                  quant::ScaleSearch search) {
  BlockCast out(format, pool, search);
  if (!out.has_tensor_level()) return out;
  quant::TensorRange range;
  const int64_t slab = std::max<int64_t>(1, kPiece / std::max<int64_t>(1, rows.cols()));
  for (int64_t first = 0; first < rows.rows(); first += slab) {
    range.add(rows.read(first, std::min(slab, rows.rows() - first), pool));
  }
  out.tensor_ = quant::prepare(format, range, out.options_.scales);
  return out;
}

Result<BlockCast> BlockCast::make(const formats::Format& format, std::span<const float> all, ThreadPool* pool,
                                  quant::ScaleSearch search) {
  BlockCast out(format, pool, search);
  if (!out.has_tensor_level()) return out;
  quant::TensorRange range;
  range.add(all);
  out.tensor_ = quant::prepare(format, range, out.options_.scales);
  return out;
}

Result<std::vector<float>> BlockCast::values(std::span<const float> in, int64_t rows, int64_t cols) const {
  std::vector<float> out(in.size());
  if (in.empty()) return out;
  quant::MethodInput input;
  input.weights = in;
  input.rows = rows;
  input.cols = cols;
  input.format = &format_;
  input.tensor = tensor_;
  input.options = options_;
  input.threads = pool_;
  LOWBIT_ASSIGN(const quant::MethodOutput solved, quant::solve_nearest(input));
  LOWBIT_ASSIGN(tensor::PackedMatrix packed, tensor::PackedMatrix::allocate(format_, rows, cols));
  tensor::pack_rows(solved.codes, 0, rows, packed);
  tensor::dequantize_rows(packed, 0, rows, out.data());
  return out;
}

}  // namespace lowbit::eval
