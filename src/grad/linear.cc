// The rule of a matrix product: dX = dY W. The weight is decoded in slabs of rows; each element of dX is one chain of
// fused multiply-adds over all rows of the weight in their natural order, from +0.
#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "grad/rules.h"
#include "kernels/gemm/gemm.h"
#include "tensor/gather.h"

namespace lowbit::grad {
namespace {

// A slab's panel of 16 columns (8 KB) and a tile of dY (24 KB) share the first cache; a slab, the second.
constexpr int64_t kSlabRows = 128;
constexpr int64_t kTokenTile = 48;  // a multiple of the register tile of every ISA
constexpr int64_t kPanelTile = 8;   // panels of one task
constexpr int64_t kDecodeGrain = 16;

// Natural rows [begin, end) of a weight as fp32 [rows][cols].
void decode_rows(const tensor::Weight& weight, std::span<const int32_t> inverse, int64_t begin, int64_t end,
                 float* out) {
  const int64_t cols = weight.cols();
  if (!inverse.empty()) {
    for (int64_t r = begin; r < end; ++r) tensor::dequantize_row(weight, inverse, r, out + (r - begin) * cols);
    return;
  }
  int64_t first = 0;
  for (const tensor::PackedMatrix& part : weight.parts) {
    const int64_t from = std::max(begin, first), to = std::min(end, first + part.rows());
    if (from < to) tensor::dequantize_rows(part, from - first, to - first, out + (from - begin) * cols);
    first += part.rows();
  }
}

struct Product {
  const tensor::Weight& weight;
  std::span<const int32_t> inverse;
  int64_t begin, end;  // rows of the weight
  const Rows& dy;      // [tokens][end - begin]
  Rows& dx;            // [tokens][cols]
  int64_t tokens;
  Rows slab;  // [cols / 16][kSlabRows][16], zeros beyond cols
};

// Rows [begin, end) of the slab that starts at row `slab_begin` of the product's rows.
void decode_slab(Product& p, int64_t slab_begin, int64_t begin, int64_t end) {
  static thread_local Rows rows;
  const int64_t cols = p.weight.cols(), first = p.begin + slab_begin;
  rows.resize(static_cast<size_t>((end - begin) * cols));
  decode_rows(p.weight, p.inverse, first + begin, first + end, rows.data());
  for (int64_t r = begin; r < end; ++r) {
    const float* row = rows.data() + (r - begin) * cols;
    for (int64_t c = 0; c < cols; c += 16) {
      std::memcpy(p.slab.data() + (c * kSlabRows + r * 16), row + c,
                  static_cast<size_t>(std::min<int64_t>(16, cols - c)) * sizeof(float));
    }
  }
}

void multiply_slab(Backward::State& s, Product& p, int64_t slab_begin, int64_t rows) {
  const int64_t cols = p.weight.cols(), stride = p.end - p.begin;
  const int64_t panels = ceil_div(cols, 16), groups = ceil_div(panels, kPanelTile);
  const int64_t tiles = ceil_div(p.tokens, kTokenTile);
  s.pool->parallel_for(tiles * groups, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t t = task / groups * kTokenTile, first = task % groups * kPanelTile;
      for (int64_t panel = first; panel < std::min(panels, first + kPanelTile); ++panel) {
        kernels::gemm_chain(s.isa, std::min(kTokenTile, p.tokens - t), std::min<int64_t>(16, cols - panel * 16), rows,
                            p.dy.data() + t * stride + slab_begin, stride, p.slab.data() + panel * kSlabRows * 16, 16,
                            p.dx.data() + t * cols + panel * 16, cols);
      }
    }
  });
}

void linear_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  Rows dx = s.zeros(node.inputs[0]);
  multiply_by_rows(s, node.weights[0], 0, s.weights.at(node.weights[0])->rows(), gradient, dx);
  s.give(node.inputs[0], std::move(dx));
}

}  // namespace

void multiply_by_rows(Backward::State& s, const std::string& weight, int64_t begin, int64_t end, const Rows& dy,
                      Rows& dx) {
  const auto tokens = static_cast<int64_t>(dy.size()) / (end - begin);
  Product p{*s.weights.at(weight), s.inverse_orders.at(weight), begin, end, dy, dx, tokens, {}};
  p.slab.assign(static_cast<size_t>(round_up(p.weight.cols(), 16) * kSlabRows), 0.0f);
  for (int64_t at = 0; at < end - begin; at += kSlabRows) {
    const int64_t rows = std::min(kSlabRows, end - begin - at);
    s.pool->parallel_for(rows, kDecodeGrain, [&](int64_t from, int64_t to, int) { decode_slab(p, at, from, to); });
    multiply_slab(s, p, at, rows);
  }
}

namespace rules {
constinit const Rule linear{linear_backward, kNeedsNothing};
}  // namespace rules

}  // namespace lowbit::grad
