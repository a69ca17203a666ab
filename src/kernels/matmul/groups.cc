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
  for (size_t i = 0; i < passes.size(); ++i) {
    const EntryPass& pass = passes[i];
    EntryArgs args = {};
    args.kind = pass.kind;
    args.bits = pass.bits;
    args.table = pass.table;
    args.halves = pass.halves.empty() ? nullptr : pass.halves.data();
    args.small = pass.small ? &*pass.small : nullptr;
    args.ahead = pass.block_bytes;
    args.groups = plan.groups;
    args.span = pass.span;
    args.multiply = i > 0;
    const EntryPass* outer = nullptr;
    if (i + 1 < passes.size() && !args.multiply && pass.as_it_is() && passes[i + 1].kind == EntryKind::f16) {
      outer = &passes[++i];
    }
    args.factor = outer != nullptr ? outer->factor : pass.factor;
    args.unit = outer != nullptr ? outer->unit : pass.unit;
    for (int64_t b = 0; b < blocks; ++b) {
      args.in = pass.section + (block + b) * pass.block_bytes;
      args.out = out + b * plan.groups * kRowBlock;
      if (outer != nullptr) {
        args.outer = outer->section + (block + b) * outer->block_bytes;
        args.outer_span = outer->span;
        args.outer_ahead = outer->block_bytes;
      }
      k_entries.at(isa)(args);
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
