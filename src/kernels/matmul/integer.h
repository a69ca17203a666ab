// The integer arithmetic of matmul.h: products of row blocks with packed activations.
#pragma once

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/pack.h"
#include "kernels/matmul/plan.h"

namespace lowbit::kernels {

// The products of one part with some activations.
class IntegerPart {
 public:
  IntegerPart(Isa isa, const PartPlan& plan, const PackedActivations& x) : isa_(isa), plan_(plan), x_(x) {}

  // How many of `count` row blocks an item of work should have.
  int64_t blocks_at_once(int64_t count, int threads) const;
  // Row blocks [block, block + blocks): out[token][out_stride], 16 for each block.
  void run(int64_t block, int64_t blocks, float* out, int64_t out_stride) const;
  // Asks for the first codes of a row block that some thread begins with: within a weight they are asked for with
  // those before.
  void ask_first(int64_t block) const;

 private:
  struct Scratch;
  static Scratch& scratch();

  const tensor::PackedMatrix& matrix() const { return *plan_.matrix; }
  const uint8_t* packed(int64_t block) const;
  int64_t block_bytes() const;
  StretchArgs stretch_args(int64_t index, Scratch& s) const;
  StretchArgs chunk_args(int64_t index, const DotChunk& c, Scratch& s) const;
  // The panels of a chunk, `step` bytes from one row block to the next.
  const uint8_t* unpack(const CodeBytes& bytes, int64_t block, int64_t blocks, const DotChunk& c, int64_t step,
                        Scratch& s) const;
  void load_scales(int64_t block, int64_t blocks, Scratch& s) const;
  template <class Args>
  void ask_ahead(int64_t block, const DotChunk& chunk, Args& args) const;
  void point_to_entries(int64_t block, EntriesInPlace& args) const;
  void run_tiles(int64_t block, int64_t blocks, float* out, int64_t out_stride) const;
  void run_panes(int64_t block, int64_t blocks, float* out, int64_t out_stride) const;
  void run_fused(int64_t block, int64_t blocks, float* out, int64_t out_stride) const;
  void run_planes(int64_t block, int64_t blocks, float* out, int64_t out_stride) const;
  void run_unaligned(int64_t block, int64_t blocks, float* out, int64_t out_stride) const;
  float unaligned(int64_t index, const uint8_t* panel, int64_t t, int64_t r) const;

  Isa isa_;
  const PartPlan& plan_;
  PackedActivations x_;
};

}  // namespace lowbit::kernels
