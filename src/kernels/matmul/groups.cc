#include "kernels/matmul/groups.h"

#include "kernels/list.h"
#include "tensor/group_values.h"

namespace lowbit::kernels {

using tensor::kRowBlock;
using tensor::PackedMatrix;

namespace {

// Entries of `blocks` row blocks, each [groups][16].
void read_entries(Isa isa, const std::vector<EntryPass>& passes, const PartPlan& plan, int64_t block, int64_t blocks,
                  float* out) {
  for (const EntryPass& pass : passes) {
    for (int64_t b = 0; b < blocks; ++b) {
      k_entries.at(isa)({pass.section + (block + b) * pass.block_bytes, pass.kind, pass.bits, pass.table,
                         pass.halves.empty() ? nullptr : pass.halves.data(), pass.small ? &*pass.small : nullptr,
                         pass.block_bytes, plan.groups, pass.span, &pass != passes.data(), pass.factor, pass.unit,
                         out + b * plan.groups * kRowBlock});
    }
  }
}

}  // namespace

void load_groups(Isa isa, const PartPlan& plan, int64_t block, int64_t blocks, GroupValues& s) {
  const PackedMatrix& w = *plan.matrix;
  const int64_t count = plan.groups * kRowBlock;
  const bool has_minimum = w.format().has_minimum(), has_zeros = w.format().has_zero_point();
  float* scales = sized(s.scales, blocks * count);
  float* minimums = has_minimum ? sized(s.minimums, blocks * count) : nullptr;
  float* zeros = has_zeros ? sized(s.zeros, blocks * count) : nullptr;
  if (!plan.scales.empty()) {
    read_entries(isa, plan.scales, plan, block, blocks, scales);
    if (has_minimum) read_entries(isa, plan.minimums, plan, block, blocks, minimums);
    if (has_zeros) read_entries(isa, plan.zeros, plan, block, blocks, zeros);
    return;
  }
  int16_t* points = sized(s.zero_points, count);
  const auto n = static_cast<size_t>(count);
  for (int64_t b = 0; b < blocks; ++b) {
    tensor::group_values(w, block + b, {scales + b * count, n},
                         has_minimum ? std::span(minimums + b * count, n) : std::span<float>(),
                         has_zeros ? std::span(points, n) : std::span<int16_t>());
    for (int64_t i = 0; has_zeros && i < count; ++i) zeros[b * count + i] = static_cast<float>(points[i]);
  }
  if (plan.unit == 1.0f) return;
  for (int64_t i = 0; i < blocks * count; ++i) scales[i] *= plan.unit;
}

}  // namespace lowbit::kernels
