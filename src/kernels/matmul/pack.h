// Activations in the order in which the kernels of an integer product read them.
#pragma once

#include <vector>

#include "base/threads.h"
#include "kernels/matmul/args.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/plan.h"

namespace lowbit::kernels {

// rows: as they came, entries [token][stretch]; fused, few: as FusedArgs has it; tiles: as DotArgs has it;
// panes: as PaneDotArgs has it; planes: as PlanesArgs has it.
enum class Order : uint8_t { rows, fused, few, tiles, panes, planes };
// Chunk by chunk (DotChunk), not row by row.
constexpr bool by_chunks(Order order) { return order == Order::tiles || order == Order::panes; }
// Tokens stay where they are, each by itself: those out of others (Activations::some) share what is made for all.
constexpr bool by_rows(Order order) { return order == Order::rows || order == Order::fused; }

// Whether so many tokens are multiplied by panes, that is by tiles of AMX, unless bits are counted.
bool goes_by_panes(const PartPlan& plan, int64_t tokens);

struct PackedActivations {
  int64_t tokens = 0;
  Order order = Order::rows;
  const int8_t* codes = nullptr;
  int64_t plane = 0;
  int64_t code_stride = 0;  // bytes of a token
  StretchSums sums = {};
};

// Points into memory of this thread until its next call. Activations of one stamp are packed once for products that
// want them alike (not into planes of bits).
// is_packed: whether what the last call left serves this one.
bool is_packed(Isa isa, const PartPlan& plan, const Activations& x);
PackedActivations pack(Isa isa, const PartPlan& plan, const Activations& x, ThreadPool& pool);

}  // namespace lowbit::kernels
