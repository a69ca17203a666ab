#include <immintrin.h>

#include "formats/arrays/generic.h"

namespace lowbit::formats {
namespace avx512 {

// Two bytes for each code, from one permutation of 64 entries or of two times 64 for each half of the codes that
// counts. kQuarters 2: the upper half of the codes differs from the lower one by the sign alone, the top bit.
template <int kQuarters>
struct ByteTables {
  __m512i low[kQuarters], high[kQuarters];
  uint8_t last_number;
  explicit ByteTables(const ByteDecode& p) : last_number(p.last_number) {
    alignas(64) uint8_t bytes[64];
    for (int q = 0; q < kQuarters; ++q) {
      for (int part = 0; part < 2; ++part) {
        for (int i = 0; i < 64; ++i) bytes[i] = static_cast<uint8_t>(p.bf16[64 * q + i] >> (8 * part));
        (part == 0 ? low : high)[q] = _mm512_load_si512(bytes);
      }
    }
  }
  // The entries of 64 codes, lower and upper bytes.
  void look_up(__m512i codes, __m512i& l, __m512i& h) const {
    if constexpr (kQuarters == 1) {
      l = _mm512_permutexvar_epi8(codes, low[0]);
      h = _mm512_permutexvar_epi8(codes, high[0]);
      return;
    }
    // By the lower seven bits.
    l = _mm512_permutex2var_epi8(low[0], codes, low[1]);
    h = _mm512_permutex2var_epi8(high[0], codes, high[1]);
    if constexpr (kQuarters == 2) {
      h = _mm512_ternarylogic_epi32(h, codes, _mm512_set1_epi8(-128), 0xF8);  // h | codes & 0x80
      const __m512i last = _mm512_set1_epi8(static_cast<char>(last_number));
      h = _mm512_mask_mov_epi8(h, _mm512_cmpgt_epu8_mask(codes, last), _mm512_set1_epi8(0x7F));
    } else {
      const __mmask64 top = _mm512_movepi8_mask(codes);
      l = _mm512_mask_mov_epi8(l, top, _mm512_permutex2var_epi8(low[2], codes, low[3]));
      h = _mm512_mask_mov_epi8(h, top, _mm512_permutex2var_epi8(high[2], codes, high[3]));
    }
  }
};

// Interleaving works within 128-bit lanes: the codes are spread over them first.
template <int kQuarters>
static inline void decode_to_words(const ByteDecode& p, const uint8_t* in, uint16_t* out, int64_t count) {
  const ByteTables<kQuarters> tables(p);
  const __m512i spread = _mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0);
  for_vectors<64>(in, out, count, [&](const uint8_t* from, uint16_t* to, int64_t) {
    __m512i l, h;
    tables.look_up(_mm512_permutexvar_epi64(spread, _mm512_loadu_si512(from)), l, h);
    _mm512_storeu_si512(to, _mm512_unpacklo_epi8(l, h));
    _mm512_storeu_si512(to + 32, _mm512_unpackhi_epi8(l, h));
  });
}

// The words are the upper halves of floats.
template <int kQuarters>
static inline void decode_to_floats(const ByteDecode& p, const uint8_t* in, float* out, int64_t count) {
  const ByteTables<kQuarters> tables(p);
  const __m512i spread = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  const __m512i zero = _mm512_setzero_si512();
  for_vectors<64>(in, out, count, [&](const uint8_t* from, float* to, int64_t) {
    __m512i l, h;
    tables.look_up(_mm512_permutexvar_epi32(spread, _mm512_loadu_si512(from)), l, h);
    const __m512i first = _mm512_unpacklo_epi8(l, h), second = _mm512_unpackhi_epi8(l, h);
    _mm512_storeu_si512(to, _mm512_unpacklo_epi16(zero, first));
    _mm512_storeu_si512(to + 16, _mm512_unpackhi_epi16(zero, first));
    _mm512_storeu_si512(to + 32, _mm512_unpacklo_epi16(zero, second));
    _mm512_storeu_si512(to + 48, _mm512_unpackhi_epi16(zero, second));
  });
}

struct Lanes {
  static constexpr int kLanes = 16;
  using U = Vectors<kLanes>::U;
  using I = Vectors<kLanes>::I;
  using F = Vectors<kLanes>::F;
  // Tables of 1 << Steps words, at most 32, in registers.
  static constexpr bool kShortTables = true;
  struct ShortTable {
    __m512i low, high;
  };
  static ShortTable short_table(const void* p) {
    return {_mm512_loadu_si512(p), _mm512_loadu_si512(static_cast<const uint8_t*>(p) + 64)};
  }
  template <int Steps>
  static U pick(const ShortTable& t, U index) {
    if constexpr (Steps <= 4) return (U)_mm512_permutexvar_epi32((__m512i)index, t.low);
    return (U)_mm512_permutex2var_epi32(t.low, (__m512i)index, t.high);
  }
  // The lesser magnitude, with the sign of the first (0) or none (2); of a NaN and a number the number.
  static F limited(F x, float most) { return (F)_mm512_range_ps((__m512)x, _mm512_set1_ps(most), 0x2); }
  static F limited_magnitude(F x, float most) { return (F)_mm512_range_ps((__m512)x, _mm512_set1_ps(most), 0xA); }
  static I truncated(F x) { return (I)_mm512_cvttps_epi32((__m512)x); }
  static U first_bits(F part) { return (U)_mm512_cvttps_epu32((__m512)(part * 0x1p32f)); }
  static F sum_toward_zero(F a, F b) {
    return (F)_mm512_add_round_ps((__m512)a, (__m512)b, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  }
  static bool any_all_ones(U v) { return _mm512_cmpeq_epi32_mask((__m512i)v, _mm512_set1_epi32(-1)) != 0; }
  static void stream(const void* source, void* target, int64_t bytes) {
    stream_blocks<64>(source, target, bytes, [](const uint8_t* from, uint8_t* to) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
    });
    _mm_sfence();  // other threads see it with what this one stores next
  }
  static U gather(const uint32_t* table, U index) { return (U)_mm512_i32gather_epi32((__m512i)index, table, 4); }
  static Halves<kLanes>::D gather_doubles(const double* table, Halves<kLanes>::U index) {
    return (Halves<kLanes>::D)_mm512_i32gather_pd((__m256i)index, table, 8);
  }
  static F negated_fma(F a, F b, F c) { return (F)_mm512_fnmadd_ps((__m512)a, (__m512)b, (__m512)c); }
  static F fma(F a, F b, F c) { return (F)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
  static void greatest(const U (&v)[16], uint32_t* out) {
    const auto most = [](__m512i a, __m512i b) { return _mm512_max_epu32(a, b); };
    __m512i pairs[8], fours[4];
    for (int i = 0; i < 8; ++i) {
      const __m512i a = (__m512i)v[2 * i], b = (__m512i)v[2 * i + 1];
      pairs[i] = most(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    }
    for (int i = 0; i < 4; ++i) {
      const __m512i a = pairs[2 * i], b = pairs[2 * i + 1];
      fours[i] = most(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    }
    // Each 128-bit lane holds what it has of four vectors; the lanes are brought together.
    const auto halves = [&](__m512i a, __m512i b) {
      return most(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xEE));
    };
    const __m512i a = halves(fours[0], fours[1]), b = halves(fours[2], fours[3]);
    _mm512_storeu_si512(out, most(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD)));
  }
  static U shift_left(U x, U count) { return (U)_mm512_sllv_epi32((__m512i)x, (__m512i)count); }
  static U shift_right(U x, U count) { return (U)_mm512_srlv_epi32((__m512i)x, (__m512i)count); }
  static void decode_bf16(const ByteDecode& p, const uint8_t* in, uint16_t* out, int64_t count) {
    if (p.bits <= 6) return decode_to_words<1>(p, in, out, count);
    p.sign_is_top_bit ? decode_to_words<2>(p, in, out, count) : decode_to_words<4>(p, in, out, count);
  }
  static void decode8(const ByteDecode& p, const uint8_t* in, float* out, int64_t count) {
    if (!p.bf16_is_exact) return decode_by_gather<Lanes>(p.values, in, out, count);
    if (p.bits <= 6) return decode_to_floats<1>(p, in, out, count);
    p.sign_is_top_bit ? decode_to_floats<2>(p, in, out, count) : decode_to_floats<4>(p, in, out, count);
  }
};

}  // namespace avx512

const ArrayKernels& avx512_kernels() {
  static constinit const ArrayKernels kKernels = make_all_kernels<avx512::Lanes>();
  return kKernels;
}

}  // namespace lowbit::formats
