#include "simd/avx512.h"

#include "kernels/limits/generic.h"

namespace lowbit::kernels::avx512 {

void read_sum(const ReadArgs& args) { kernels::read_sum<simd::avx512::Simd>(args); }
void peak_int8(const PeakArgs& args) { kernels::peak_int8<simd::avx512::Simd, 12>(args); }
void peak_float(const PeakArgs& args) { kernels::peak_float<simd::avx512::Simd, 12>(args); }

// vdpbf16ps, which not every processor of this set has: the caller asks has_bf16_products() first.
__attribute__((target("avx512bf16"))) void peak_bf16(const PeakArgs& args) {
  constexpr int kChains = 12;
  const auto* w = static_cast<const uint8_t*>(args.w);
  const auto* x = static_cast<const uint8_t*>(args.x);
  __m512 chain[kChains];
  for (__m512& c : chain) c = _mm512_setzero_ps();
  for (int64_t r = 0; r < args.rounds; ++r) {
    for (int step = 0; step < kPeakSteps; ++step) {
      const auto weight = (__m512bh)_mm512_loadu_si512(w + 64 * step);
      for (int c = 0; c < kChains; ++c)
        chain[c] = _mm512_dpbf16_ps(chain[c], weight, (__m512bh)_mm512_loadu_si512(x + 64 * c));
    }
  }
  _mm512_storeu_ps(args.out, chain[0]);
  __m512 rest = chain[1];
  for (int c = 2; c < kChains; ++c) rest = _mm512_add_ps(rest, chain[c]);
  asm volatile("" : : "r"(&rest) : "memory");
  *args.products = args.rounds * kPeakSteps * kChains * 32;
}

}  // namespace lowbit::kernels::avx512
