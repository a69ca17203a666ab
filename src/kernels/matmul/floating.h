// The floating arithmetic of matmul.h: products of row blocks, straight from packed weights for few tokens, by chunks
// of columns decoded to fp32 for many.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/matmul/args.h"
#include "kernels/matmul/matmul.h"

namespace lowbit::kernels {

// How the weights of a part are read: made once.
struct FloatPlan {
  FloatKind kind = FloatKind::f32;
  bool signed_halves = false;
  const float* words = nullptr;  // 65536 values
  std::vector<float> values;     // 256
  std::vector<uint8_t> halves;   // [2][256]
  std::optional<simd::SmallFloat> small;
  int64_t few_tokens = 0;  // that `float_few` takes
  int64_t chunk_columns = 0;
  int64_t token_tile = 1;  // kFloatTile of the instruction set
  // common_exponent() of the weights (pairs.h), found when it is first asked for; null: columns are not paired.
  std::shared_ptr<std::atomic<int>> common;
};

// group: columns that share a scale.
FloatPlan plan_floats(Isa isa, const tensor::PackedMatrix& matrix, int64_t group, const formats::Format& activation);

// Whether columns of so many tokens are paired by the plan's choice, if their values allow it.
bool pairs_columns(const PartPlan& plan, int64_t tokens);

// Whether activations are copied into tiles.
bool packs_floats(const PartPlan& plan, const Activations& x);

// The products of one part with some activations, which it copies into tiles where these are many: until it is used
// no more, its thread makes no other.
class FloatPart {
 public:
  FloatPart(Isa isa, const PartPlan& plan, const Activations& x, ThreadPool& pool);

  // How many of `count` row blocks an item of work should have.
  int64_t blocks_at_once(int64_t count, int threads) const;
  // Row blocks [block, block + blocks): out[token][out_stride], 16 for each block.
  void run(int64_t block, int64_t blocks, float* out, int64_t out_stride) const;
  void ask_first(int64_t) const {}  // as IntegerPart has it; not done here

 private:
  FloatWeights weights(int64_t block, int64_t blocks) const;
  void run_tiles(const FloatPanelArgs& panels, const uint8_t* next, float* out, int64_t out_stride) const;

  Isa isa_;
  const PartPlan& plan_;
  const Activations& x_;
  bool paired_ = false;
  const float* tiles_ = nullptr;  // [window][chunk][tile][column, or pair of them][token of the tile]
};

}  // namespace lowbit::kernels
