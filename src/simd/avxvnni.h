// AVX2 with the products of AVX-VNNI: sums of four products of bytes in 32 bits at once. What it inherits is one
// symbol with AVX2's where a build does not inline it: of the same instructions, as only the two products below ask
// for others.
#pragma once

#include "simd/avx2.h"

namespace lowbit::simd::avxvnni {

struct Simd : avx2::Simd {
  static constexpr const char* kName = "avxvnni";
  static constexpr int kTokenTile = 6;
  static constexpr int kSpanTile = 6;
  static constexpr int kFusedTile = 4;
  static constexpr int kFusedChains = 2;
  static constexpr int kDotMax = 255;
  static constexpr bool kWordSums = false;

  static Int dot_pairs(Int acc, Int a, Int b) {
    return {_mm256_dpwssd_avx_epi32(acc.lo, a.lo, b.lo), _mm256_dpwssd_avx_epi32(acc.hi, a.hi, b.hi)};
  }
  static Int dot(Int acc, Bytes w, Bytes a) {
    return {_mm256_dpbusd_avx_epi32(acc.lo, w.lo, a.lo), _mm256_dpbusd_avx_epi32(acc.hi, w.hi, a.hi)};
  }
};

}  // namespace lowbit::simd::avxvnni
