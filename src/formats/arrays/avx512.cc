#include <immintrin.h>

#include "formats/arrays/generic.h"

namespace lowbit::formats {
namespace avx512 {

// 256 bytes in four registers: two permutations of 128 entries, and the top bit of the code between them.
struct ByteTable {
  __m512i part[4];
  explicit ByteTable(const uint16_t* table, int shift) {
    alignas(64) uint8_t bytes[256];
    for (int i = 0; i < 256; ++i) bytes[i] = static_cast<uint8_t>(table[i] >> shift);
    for (int i = 0; i < 4; ++i) part[i] = _mm512_load_si512(bytes + 64 * i);
  }
  __m512i look_up(__m512i codes, __mmask64 high) const {
    const __m512i low_half = _mm512_permutex2var_epi8(part[0], codes, part[1]);
    return _mm512_mask_blend_epi8(high, low_half, _mm512_permutex2var_epi8(part[2], codes, part[3]));
  }
};

struct Lanes {
  static constexpr int kLanes = 16;
  using U = Vectors<kLanes>::U;
  static U gather(const uint32_t* table, U index) { return (U)_mm512_i32gather_epi32((__m512i)index, table, 4); }
  static Vectors<kLanes>::F negated_fma(Vectors<kLanes>::F a, Vectors<kLanes>::F b, Vectors<kLanes>::F c) {
    return (Vectors<kLanes>::F)_mm512_fnmadd_ps((__m512)a, (__m512)b, (__m512)c);
  }
  static U shift_left(U x, U count) { return (U)_mm512_sllv_epi32((__m512i)x, (__m512i)count); }
  static U shift_right(U x, U count) { return (U)_mm512_srlv_epi32((__m512i)x, (__m512i)count); }
  static void decode_bf16(const uint16_t* table, const uint8_t* in, uint16_t* out, int64_t count) {
    const ByteTable low(table, 0), high(table, 8);
    // Interleaving works within 128-bit lanes: the codes are spread over them first.
    const __m512i spread = _mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0);
    for_vectors<64>(in, out, count, [&](const uint8_t* from, uint16_t* to, int64_t) {
      const __m512i codes = _mm512_permutexvar_epi64(spread, _mm512_loadu_si512(from));
      const __mmask64 top = _mm512_movepi8_mask(codes);
      const __m512i l = low.look_up(codes, top), h = high.look_up(codes, top);
      _mm512_storeu_si512(to, _mm512_unpacklo_epi8(l, h));
      _mm512_storeu_si512(to + 32, _mm512_unpackhi_epi8(l, h));
    });
  }
};

}  // namespace avx512

const ArrayKernels& avx512_kernels() {
  static constinit const ArrayKernels kKernels = make_all_kernels<avx512::Lanes>();
  return kKernels;
}

}  // namespace lowbit::formats
