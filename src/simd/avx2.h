// Sixteen-lane vectors as pairs of AVX2 registers. The meaning of each primitive stands in portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "simd/small_float.h"

namespace lowbit::simd::avx2 {

// How 64 codes of `bits` bits become bytes: sixteen in each half of a register, from 16 bytes that end with those of
// all codes at most.
struct CodeTable {
  alignas(32) uint8_t from[2][2][32];  // [vector][first or last eight of a half]: the two bytes that hold a code
  alignas(32) uint16_t up[16];         // brings a code to the top of these 16 bits,
  int down;                            // and this to their bottom
  int places[4];                       // of the halves' 16 bytes
};
static constexpr CodeTable code_table(int bits) {
  CodeTable c = {};
  c.down = 16 - bits;
  for (int half = 0; half < 4; ++half) {
    const int first = 2 * bits * half, most = 8 * bits - 16;
    c.places[half] = first < most ? first : most;
    for (int code = 0; code < 16; ++code) {
      const int bit = bits * code, at = bit / 8 + first - c.places[half];
      uint8_t* two = c.from[half / 2][code / 8] + 16 * (half % 2) + 2 * (code % 8);
      two[0] = static_cast<uint8_t>(at);
      two[1] = static_cast<uint8_t>(at < 15 ? at + 1 : 128);
      c.up[code] = static_cast<uint16_t>(1 << (16 - bits - bit % 8));
    }
  }
  return c;
}
static constexpr CodeTable kCodeTables[9] = {
    {}, {}, code_table(2), code_table(3), code_table(4), code_table(5), code_table(6), code_table(7), code_table(8)};

struct Simd {
  static constexpr const char* kName = "avx2";
  static constexpr int kTokenTile = 4;
  static constexpr int kSpanTile = 4;
  static constexpr int kRowTile = 1;
  static constexpr int kFusedTile = 2;
  static constexpr int kFusedChains = 1;
  static constexpr int kFewTile = 0;
  static constexpr bool kEntriesInPlace = false;
  static constexpr int kPlaneRoom = 6;
  static constexpr int kFloatTile = 6;
  static constexpr int kFloatRows = 1;
  static constexpr int kFloatFewTokens = 4;
  static constexpr int kFloatFew = 32, kFloatFewCodes = 4;
  static constexpr int kFloatFewVectors = 4;
  static constexpr bool kByteTables = false;
  static constexpr bool kUnpacksCodes = true;
  static constexpr bool kFlipsFields = false;
  // Two products of 128 * 127 still fit the 16-bit sums of vpmaddubsw.
  static constexpr int kDotMax = 128;
  static constexpr bool kWordSums = true;
  static constexpr bool kFarResults = true;
  static constexpr bool kKeepsPlanes = true;

  struct Float {
    __m256 lo, hi;
  };
  struct Int {
    __m256i lo, hi;
  };
  struct Bytes {
    __m256i lo, hi;
  };

  // clang-format off
  static Float zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Float broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Float load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static void store(float* p, Float a) { _mm256_storeu_ps(p, a.lo); _mm256_storeu_ps(p + 8, a.hi); }
  static Float add(Float a, Float b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
  static Float sub(Float a, Float b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
  static Float mul(Float a, Float b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
  static Float div(Float a, Float b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
  static Float fma(Float a, Float b, Float c) {
    return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
  }
  static float fma1(float a, float b, float c) {
    return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
  }
  static float reduce_max(Float a) {
    const __m256 half = _mm256_max_ps(a.lo, a.hi);
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }
  static Float max(Float a, Float b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
  static Float min(Float a, Float b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
  static Float abs(Float a) {
    const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    return {_mm256_and_ps(a.lo, mask), _mm256_and_ps(a.hi, mask)};
  }
  static Float select_less(Float a, Float b, Float x, Float y) {
    return {_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
            _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
  }
  template <int D> static Float butterfly(Float a) {
    if constexpr (D == 8) return {_mm256_add_ps(a.lo, a.hi), _mm256_sub_ps(a.lo, a.hi)};
    const auto part = [](__m256 x) {
      const __m256 signs = _mm256_setr_ps(1, D == 1 ? -1 : 1, D == 2 ? -1 : 1, D == 4 ? 1 : -1, D == 4 ? -1 : 1,
                                          D == 2 ? 1 : -1, D == 1 ? 1 : -1, -1);
      if constexpr (D == 4) return _mm256_fmadd_ps(x, signs, _mm256_permute2f128_ps(x, x, 1));
      return _mm256_fmadd_ps(x, signs, _mm256_permute_ps(x, D == 1 ? 0xB1 : 0x4E));
    };
    return {part(a.lo), part(a.hi)};
  }
  static Float add_exponent(Float a, Float n) {
    const auto part = [](__m256 x, __m256 k) {
      return _mm256_castsi256_ps(
          _mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(_mm256_castps_si256(k), 23)));
    };
    return {part(a.lo, n.lo), part(a.hi, n.hi)};
  }

  static Float load_f16(const uint16_t* p) {
    const auto* q = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
  }
  static Float load_bf16(const uint16_t* p) {
    const auto* q = reinterpret_cast<const __m128i*>(p);
    const auto part = [](__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); };
    return {part(_mm_loadu_si128(q)), part(_mm_loadu_si128(q + 1))};
  }

  static Int int_zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Int int_broadcast(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  static Int int_load(const int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
  }
  static Int int_load_bytes(const uint8_t* p) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))};
  }
  static Int int_load_signed_bytes(const uint8_t* p) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8))};
  }
  static Int int_unpack(uint64_t low, uint64_t high, int bits) {
    const __m256i shifts = _mm256_mullo_epi16(_mm256_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3), _mm256_set1_epi32(bits));
    const __m256i mask = _mm256_set1_epi32((1 << bits) - 1);
    const auto part = [&](uint64_t word) {
      const __m256i halves = _mm256_set_m128i(_mm_set1_epi32(static_cast<int32_t>(word >> 4 * bits)),
                                              _mm_set1_epi32(static_cast<int32_t>(word)));
      return _mm256_and_si256(_mm256_srlv_epi32(halves, shifts), mask);
    };
    return {part(low), part(high)};
  }
  template <bool Careful> static Float small_float(Int code, const SmallFloat& f) {
    const auto part = [&](__m256i c) {
      const __m256i magnitude = Careful ? _mm256_and_si256(c, _mm256_set1_epi32(f.mask)) : c;
      const __m256i moved = _mm256_max_epi32(_mm256_sll_epi32(magnitude, _mm_cvtsi32_si128(f.shift)),
                                             _mm256_set1_epi32(f.least));
      const __m256 value = _mm256_mul_ps(_mm256_castsi256_ps(moved), _mm256_set1_ps(f.factor));
      if constexpr (!Careful) return value;
      const __m256i nan = _mm256_srli_epi32(_mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(f.nans - 1)), 1);
      const __m256i sign = _mm256_and_si256(_mm256_sll_epi32(c, _mm_cvtsi32_si128(f.sign_shift)),
                                            _mm256_set1_epi32(static_cast<int32_t>(f.sign)));
      return _mm256_or_ps(value, _mm256_castsi256_ps(_mm256_or_si256(nan, sign)));
    };
    return {part(code.lo), part(code.hi)};
  }
  static Int int_load_words(const uint16_t* p) {
    const auto* q = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtepu16_epi32(_mm_loadu_si128(q)), _mm256_cvtepu16_epi32(_mm_loadu_si128(q + 1))};
  }
  static Int int_add(Int a, Int b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
  static Int int_mul(Int a, Int b) { return {_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi)}; }
  static Int dot_pairs(Int acc, Int a, Int b) {
    return int_add(acc, {_mm256_madd_epi16(a.lo, b.lo), _mm256_madd_epi16(a.hi, b.hi)});
  }
  static Float to_float(Int a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
  static Int to_int(Float a) { return {_mm256_cvttps_epi32(a.lo), _mm256_cvttps_epi32(a.hi)}; }
  static Int nearest_int(Float a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }
  static void store_bytes(int8_t* p, Int a, Int b) {
    store_bytes(p, a);
    store_bytes(p + 16, b);
  }
  static void store_bytes(int8_t* p, Int a, Int b, Int c, Int d) {
    store_bytes(p, a, b);
    store_bytes(p + 32, c, d);
  }
  static void store_bytes(int8_t* p, Int a) {
    const __m256i low = _mm256_set1_epi32(255);
    const __m256i pairs = _mm256_packs_epi32(_mm256_and_si256(a.lo, low), _mm256_and_si256(a.hi, low));
    const __m256i words = _mm256_permute4x64_epi64(pairs, 0xD8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }
  static Float gather(const float* table, Int index) {
    return {_mm256_i32gather_ps(table, index.lo, 4), _mm256_i32gather_ps(table, index.hi, 4)};
  }

  static Float gather16(const float* table, Int index) {
    const auto part = [&](__m256i i) {
      // Bit 3 of the index, moved to the sign, chooses the half.
      const __m256 half = _mm256_castsi256_ps(_mm256_slli_epi32(i, 28));
      return _mm256_blendv_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(table), i),
                              _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), i), half);
    };
    const __m256 lo = part(index.lo);
    asm volatile("" : : : "memory");  // the table is read from memory again: registers are few
    return {lo, part(index.hi)};
  }
  template <int Shift> static Float lookup_floats(const float* table, Bytes a) {
    if constexpr (Shift == 0) return gather16(table, {a.lo, a.hi});  // the lowest four bits count
    return gather16(table, {_mm256_srli_epi32(a.lo, Shift), _mm256_srli_epi32(a.hi, Shift)});
  }

  static void one_after_other(Float& a, Bytes& b) { asm("" : "+x"(a.lo), "+x"(a.hi), "+x"(b.lo), "+x"(b.hi)); }
  template <class V> static void after(const uint8_t*& p, V& a) { asm("" : "+r"(p), "+x"(a.lo), "+x"(a.hi)); }
  static void hold(Bytes& a) { asm("" : "+x"(a.lo), "+x"(a.hi)); }
  static Bytes bytes_load(const void* p) {
    const auto* q = static_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
  }
  static void bytes_store(void* p, Bytes a) {
    auto* q = static_cast<__m256i*>(p);
    _mm256_storeu_si256(q, a.lo);
    _mm256_storeu_si256(q + 1, a.hi);
  }
  static Bytes bytes_broadcast4(const int8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, 4);
    const __m256i r = _mm256_set1_epi32(four);
    return {r, r};
  }
  template <int Shift, int Width, int Up> static Bytes field(Bytes a) {
    const __m256i mask = _mm256_set1_epi8(static_cast<char>(((1 << Width) - 1) << Up));
    const auto part = [&](__m256i x) {
      if constexpr (Shift > Up) x = _mm256_srli_epi16(x, Shift - Up);
      if constexpr (Shift < Up) x = _mm256_slli_epi16(x, Up - Shift);
      return _mm256_and_si256(x, mask);
    };
    return {part(a.lo), part(a.hi)};
  }
  static __m256i nibble_table(auto... x) {
    return _mm256_broadcastsi128_si256(_mm_setr_epi8(static_cast<char>(x)...));
  }
  static __m256i bytes_of(int x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static __m256i less(__m256i x, int y) { return _mm256_min_epu8(x, _mm256_sub_epi8(x, bytes_of(y))); }  // x mod y
  static __m256i upper_nibble(__m256i x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), bytes_of(15)); }
  // Between two multiples of 16 lies one of 28 at most: the upper half of a byte tells d0 and d1 (simd/trits.h) but for
  // one step, and that of the byte without d2 to d4 tells them.
  struct Trits {
    Bytes pair, rest;  // the upper half of 28 (3 d0 + d1); 9 d2 + 3 d3 + d4, behind d2 the same without it
  };
  static Trits trits_of(Bytes a) {
    const __m256i bases = nibble_table(0, 0, 28, 28, 56, 56, 84, 112, 112, 140, 140, 168, 168, 196, 224, 224);
    const auto rest = [&](__m256i x) {
      return less(_mm256_sub_epi8(x, _mm256_shuffle_epi8(bases, upper_nibble(x))), 28);
    };
    const Bytes r = {rest(a.lo), rest(a.hi)};
    return {{upper_nibble(_mm256_sub_epi8(a.lo, r.lo)), upper_nibble(_mm256_sub_epi8(a.hi, r.hi))}, r};
  }
  template <int Place> static Bytes digit(Trits& a) {
    const auto of = [](__m256i table, const Bytes& b) -> Bytes {
      return {_mm256_shuffle_epi8(table, b.lo), _mm256_shuffle_epi8(table, b.hi)};
    };
    if constexpr (Place == 0) return of(nibble_table(0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 2, 0, 2, 0, 2, 2), a.pair);
    if constexpr (Place == 1) return of(nibble_table(0, 1, 0, 2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 2, 2), a.pair);
    if constexpr (Place == 2) {
      const auto part = [](__m256i x) {
        return _mm256_abs_epi8(_mm256_add_epi8(_mm256_cmpgt_epi8(x, bytes_of(8)), _mm256_cmpgt_epi8(x, bytes_of(17))));
      };
      return {part(a.rest.lo), part(a.rest.hi)};
    }
    if constexpr (Place == 3) a.rest = {less(less(a.rest.lo, 9), 9), less(less(a.rest.hi, 9), 9)};
    return of(Place == 3 ? nibble_table(0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0)
                         : nibble_table(0, 1, 2, 0, 1, 2, 0, 1, 2, 2, 0, 0, 0, 0, 0, 0), a.rest);
  }
  static Bytes bytes_or(Bytes a, Bytes b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
  static Bytes bytes_xor(Bytes a, uint8_t x) {
    const __m256i b = _mm256_set1_epi8(static_cast<char>(x));
    return {_mm256_xor_si256(a.lo, b), _mm256_xor_si256(a.hi, b)};
  }
  static Bytes bytes_zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Bytes bytes_and_not(Bytes a, Bytes b) {
    return {_mm256_andnot_si256(b.lo, a.lo), _mm256_andnot_si256(b.hi, a.hi)};
  }
  static __m256i every_other(__m256i even, __m256i odd) {
    const __m256i mask = _mm256_set1_epi8(0x55);
    return _mm256_or_si256(_mm256_and_si256(even, mask), _mm256_andnot_si256(mask, odd));
  }
  static Bytes even_bits(Bytes a, Bytes b) {
    return {every_other(a.lo, _mm256_add_epi8(b.lo, b.lo)), every_other(a.hi, _mm256_add_epi8(b.hi, b.hi))};
  }
  static Bytes odd_bits(Bytes a, Bytes b) {
    return {every_other(_mm256_srli_epi16(a.lo, 1), b.lo), every_other(_mm256_srli_epi16(a.hi, 1), b.hi)};
  }
  template <bool Differing> static Bytes count_bits(Bytes counts, Bytes a, Bytes b) {
    const __m256i ones = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m256i four = _mm256_set1_epi8(15);
    const auto part = [&](__m256i count, __m256i x, __m256i y) {
      const __m256i bits = Differing ? _mm256_xor_si256(x, y) : _mm256_and_si256(x, y);
      count = _mm256_add_epi8(count, _mm256_shuffle_epi8(ones, _mm256_and_si256(bits, four)));
      return _mm256_add_epi8(count, _mm256_shuffle_epi8(ones, _mm256_and_si256(_mm256_srli_epi16(bits, 4), four)));
    };
    return {part(counts.lo, a.lo, b.lo), part(counts.hi, a.hi, b.hi)};
  }
  struct Columns {
    __m256i v;
  };
  static Columns load_columns(const int8_t* p, const uint8_t* order) {
    // Bytes of either half in their places, then of the right half.
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i at = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(order));
    const __m256i low = _mm256_shuffle_epi8(_mm256_permute2x128_si256(x, x, 0x00), at);
    const __m256i high = _mm256_shuffle_epi8(_mm256_permute2x128_si256(x, x, 0x11), at);
    return {_mm256_blendv_epi8(low, high, _mm256_slli_epi16(at, 3))};
  }
  template <int Bit> static uint32_t bits_of(Columns a) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(a.v, 7 - Bit)));
  }
  static Int add_counts(Int sum, Bytes counts, int8_t factor) {
    return dot(sum, counts, {_mm256_set1_epi8(factor), _mm256_set1_epi8(factor)});
  }
  static Bytes lookup16(const uint8_t* table, Bytes a) {
    const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    return {_mm256_shuffle_epi8(t, a.lo), _mm256_shuffle_epi8(t, a.hi)};
  }
  static __m256i lookup32(const uint8_t* table, __m256i x) {
    asm volatile("" : "+r"(table), "+x"(x));  // the table is read where it is wanted: it would fill the registers
    const auto half = [&](int h) {            // by the four low bits
      const __m128i t = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * h));
      return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(t), x);
    };
    return _mm256_blendv_epi8(half(0), half(1), _mm256_slli_epi16(x, 3));  // by bit 4 as top bit
  }
  static Bytes lookup32(const uint8_t* table, Bytes a) { return {lookup32(table, a.lo), lookup32(table, a.hi)}; }
  static Bytes lookup64(const uint8_t* table, Bytes a) {
    const auto part = [&](__m256i x) {
      const __m256i low = lookup32(table, x), high = lookup32(table + 32, x);
      return _mm256_blendv_epi8(low, high, _mm256_slli_epi16(x, 2));  // by bit 5
    };
    return {part(a.lo), part(a.hi)};
  }
  template <int Column> static Int column(Bytes a) {
    const __m256i mask = _mm256_set1_epi32(255);
    return {_mm256_and_si256(_mm256_srli_epi32(a.lo, 8 * Column), mask),
            _mm256_and_si256(_mm256_srli_epi32(a.hi, 8 * Column), mask)};
  }

  template <int Bits, int Column, bool Careful> static Float small_column(Bytes a, const SmallFloat& f) {
    // The code to the top, then its magnitude to fp32's place: an arithmetic shift leaves the sign where it is.
    const __m128i down = _mm_cvtsi32_si128(32 - Bits - f.shift);
    const __m256i magnitude = _mm256_set1_epi32(f.mask << f.shift);
    const __m256i wanted = _mm256_or_si256(magnitude, _mm256_set1_epi32(INT32_MIN));
    const auto part = [&](__m256i x) {
      const __m256i moved = _mm256_sra_epi32(_mm256_slli_epi32(x, 32 - Bits - 8 * Column), down);
      __m256 value = _mm256_castsi256_ps(_mm256_and_si256(moved, wanted));
      value = _mm256_mul_ps(value, _mm256_set1_ps(f.factor));
      if constexpr (!Careful) return value;
      const __m256i nan = _mm256_cmpgt_epi32(_mm256_and_si256(moved, magnitude),
                                             _mm256_set1_epi32((f.nans << f.shift) - 1));
      return _mm256_or_ps(value, _mm256_castsi256_ps(_mm256_srli_epi32(nan, 1)));
    };
    return {part(a.lo), part(a.hi)};
  }
  static bool any_nan(Bytes a, const SmallFloat& f) {
    const __m256i mask = _mm256_set1_epi8(static_cast<char>(f.mask));
    const __m256i most = _mm256_max_epu8(_mm256_and_si256(a.lo, mask), _mm256_and_si256(a.hi, mask));
    return _mm256_movemask_epi8(_mm256_cmpgt_epi8(most, _mm256_set1_epi8(static_cast<char>(f.nans - 1)))) != 0;
  }

  template <int Column> static Float biased(Bytes a) {
    // The second byte of a float between 32768 and 65536 counts ones.
    const __m256i exponent = _mm256_set1_epi32(0x47000000), mask = _mm256_set1_epi32(0xff00);
    const auto part = [&](__m256i x) {
      if constexpr (Column == 0) x = _mm256_slli_epi32(x, 8);
      if constexpr (Column > 1) x = _mm256_srli_epi32(x, 8 * (Column - 1));
      return _mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(x, mask), exponent));
    };
    return {part(a.lo), part(a.hi)};
  }

  static Int dot(Int acc, Bytes w, Bytes a) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {_mm256_add_epi32(acc.lo, _mm256_madd_epi16(_mm256_maddubs_epi16(w.lo, a.lo), ones)),
            _mm256_add_epi32(acc.hi, _mm256_madd_epi16(_mm256_maddubs_epi16(w.hi, a.hi), ones))};
  }
  // Sums of two products each, in words, and their sum.
  static Bytes add_words(Bytes words, Bytes w, Bytes a) {
    return {_mm256_add_epi16(words.lo, _mm256_maddubs_epi16(w.lo, a.lo)),
            _mm256_add_epi16(words.hi, _mm256_maddubs_epi16(w.hi, a.hi))};
  }
  static Int sum_words(Int acc, Bytes words) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {_mm256_add_epi32(acc.lo, _mm256_madd_epi16(words.lo, ones)),
            _mm256_add_epi32(acc.hi, _mm256_madd_epi16(words.hi, ones))};
  }
  static Int dot_signed(Int acc, Bytes w, Bytes a) {
    const Bytes s = bytes_xor(w, 0x80);
    return dot(acc, {_mm256_abs_epi8(s.lo), _mm256_abs_epi8(s.hi)},
               {_mm256_sign_epi8(a.lo, s.lo), _mm256_sign_epi8(a.hi, s.hi)});
  }
  // 64 codes of 2 to 8 bits, one behind the other: eight fill `bits` bytes.
  using CodeUnpack = const CodeTable*;
  static CodeUnpack code_unpack(int bits) { return &kCodeTables[bits]; }
  static Bytes unpack_codes(CodeUnpack c, const uint8_t* p) {
    const auto load = [&](int half) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + c->places[half])); };
    const auto vector = [&](int v) {
      const __m256i x = _mm256_set_m128i(load(2 * v + 1), load(2 * v));
      const auto eight = [&](int part) {
        const __m256i two = _mm256_shuffle_epi8(x, _mm256_load_si256(reinterpret_cast<const __m256i*>(c->from[v][part])));
        const __m256i up = _mm256_load_si256(reinterpret_cast<const __m256i*>(c->up));
        return _mm256_srl_epi16(_mm256_mullo_epi16(two, up), _mm_cvtsi32_si128(c->down));
      };
      return _mm256_packus_epi16(eight(0), eight(1));
    };
    return {vector(0), vector(1)};
  }
  static Bytes next16(Bytes a) {
    return {_mm256_permute2x128_si256(a.lo, a.hi, 0x21), _mm256_permute2x128_si256(a.hi, a.hi, 0x11)};
  }
  static Int int_of_bytes(Bytes a) {
    const __m128i x = _mm256_castsi256_si128(a.lo);
    return {_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))};
  }
  // Whole numbers alone.
  struct ValueTable {};
  static ValueTable value_table(const uint8_t*, int) { return {}; }
  static void values_of(ValueTable, Bytes codes, Float (&v)[4]) {
    for (int i = 0; i < 4; ++i, codes = next16(codes)) v[i] = to_float(int_of_bytes(codes));
  }
  // clang-format on
};

}  // namespace lowbit::simd::avx2
