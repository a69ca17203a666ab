#include "eval/block_cast.h"

#include "quant/round/nearest.h"
#include "tensor/packed.h"

namespace lowbit::eval {
namespace {

formats::BlockOptions options_of(const ByRule& way, ThreadPool* pool) {
  formats::BlockOptions options;
  options.rule = way.rule;
  options.array.policy = way.policy;
  options.array.seed = way.seed;
  options.array.pool = pool;
  return options;
}

}  // namespace

Status check_rule(const formats::Format& format, const ByRule& way) {
  return formats::check_block_format(format, options_of(way, nullptr));
}

Result<std::vector<float>> cast_rows(const formats::Format& format, const Samples& all, const ByRule& way,
                                     ThreadPool* pool) {
  LOWBIT_TRY(check_rule(format, way));
  std::vector<float> out(all.values.size());
  formats::BlockOptions options = options_of(way, pool);
  options.rows = all.matrix_rows;
  if (!out.empty()) formats::cast_blocks(format, all.values, all.cols, out, options);
  return out;
}

Result<std::vector<float>> cast_rows(const formats::Format& format, const Samples& all, const ByQuantizer& way,
                                     ThreadPool* pool) {
  std::vector<float> out(all.values.size());
  if (out.empty()) return out;
  quant::MethodInput input;
  input.weights = all.values;
  input.rows = all.rows;
  input.cols = all.cols;
  input.format = &format;
  input.options.scales.search = way.search;
  input.threads = pool;
  quant::TensorRange range;
  range.add(all.values);
  input.tensor = quant::prepare(format, range, input.options.scales);
  LOWBIT_ASSIGN(const quant::MethodOutput solved, quant::solve_nearest(input));
  LOWBIT_ASSIGN(tensor::PackedMatrix packed, tensor::PackedMatrix::allocate(format, all.rows, all.cols));
  tensor::pack_rows(solved.codes, 0, all.rows, packed);
  tensor::dequantize_rows(packed, 0, all.rows, out.data());
  return out;
}

}  // namespace lowbit::eval
