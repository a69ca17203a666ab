// Floating products of bf16, two columns at once (pairs.h).
#include "kernels/matmul/generic_floats.h"
#include "simd/avx512.h"

namespace lowbit::kernels::avx512bf16 {

namespace {

// Words of two bf16: the product of the upper halves comes first.
struct Pairs : simd::avx512::Simd {
  static Float fma(Float w, Float a, Float acc) {
    return {_mm512_dpbf16_ps(acc.v, (__m512bh)_mm512_castps_si512(w.v), (__m512bh)_mm512_castps_si512(a.v))};
  }
};

using S = simd::avx512::Simd;

// Of columns [first, first + depth): words of two columns as they lie.
void pair_words(const FloatPanelArgs& g, const uint8_t* in, float* out) {
  // Row r of the first column is the upper half of word r.
  alignas(64) static constexpr uint16_t kOrder[32] = {16, 0, 17, 1, 18, 2,  19, 3,  20, 4,  21, 5,  22, 6,  23, 7,
                                                      24, 8, 25, 9, 26, 10, 27, 11, 28, 12, 29, 13, 30, 14, 31, 15};
  const __m512i order = _mm512_load_si512(kOrder);
  int64_t col = 0;
  for (; col + 2 <= g.depth; col += 2, in += 64, out += 16)
    _mm512_storeu_si512(out, _mm512_permutexvar_epi16(order, _mm512_loadu_si512(in)));
  if (col < g.depth) S::store(out, S::load_bf16(reinterpret_cast<const uint16_t*>(in)));
}

// Of columns in fp32, in their place.
void pair_values(const FloatPanelArgs& g, float* panel) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
  for (int64_t col = 0; col + 2 <= g.depth; col += 2) {
    const __m512i first = _mm512_loadu_si512(panel + 16 * col), second = _mm512_loadu_si512(panel + 16 * col + 16);
    const __m512i below = _mm512_srli_epi32(second, 16);
    _mm512_storeu_si512(panel + 8 * col, _mm512_ternarylogic_epi32(first, upper, below, 0xEA));  // a & b | c
  }
  if (g.depth % 2 != 0) S::store(panel + 8 * (g.depth - 1), S::load(panel + 16 * (g.depth - 1)));
}

}  // namespace

// Columns [first, first + depth) of each row block, two in a word; those of other kinds than bf16 are in `panels`.
void pair_panels(const FloatPanelArgs& g) {
  for (int64_t b = 0; b < g.blocks; ++b) {
    float* panel = g.panels + b * g.panel_step;
    if (g.weights.kind == FloatKind::bf16) {
      pair_words(g, g.weights.packed + b * g.weights.block_bytes + 32 * g.first, panel);
    } else {
      pair_values(g, panel);
    }
  }
}

void pair_tiles(const FloatTileArgs& args) { kernels::float_tiles<Pairs>(args); }

}  // namespace lowbit::kernels::avx512bf16
