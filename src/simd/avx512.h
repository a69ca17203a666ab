// Sixteen-lane vectors as AVX-512 registers (F, BW, DQ, VL, VNNI, VBMI, VPOPCNTDQ, GFNI). Meanings stand in
// portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "simd/small_float.h"
#include "simd/trits.h"

namespace lowbit::simd::avx512 {

// Digits of bytes as tables of 64: d0, d1 and the byte without d2 to d4 by its upper six bits, d2 to d4 by what is
// left.
constexpr TritTable<64> kTritBases = trit_table<64>([](int i) { return i / 7 * 28; });
constexpr TritTable<64> kTritDigits[kTritsPerByte] = {
    trit_table<64>([](int i) { return trit(static_cast<uint8_t>(4 * i), 0); }),
    trit_table<64>([](int i) { return trit(static_cast<uint8_t>(4 * i), 1); }),
    trit_table<64>([](int i) { return i < 28 ? trit(static_cast<uint8_t>(i), 2) : 0; }),
    trit_table<64>([](int i) { return i < 28 ? trit(static_cast<uint8_t>(i), 3) : 0; }),
    trit_table<64>([](int i) { return i < 28 ? trit(static_cast<uint8_t>(i), 4) : 0; })};

struct Simd {
  static constexpr const char* kName = "avx512";
  static constexpr int kTokenTile = 7;
  static constexpr int kSpanTile = 6;
  static constexpr int kRowTile = 2;
  static constexpr int kFusedTile = 4;
  static constexpr int kFusedChains = 4;
  static constexpr bool kEntriesInPlace = true;
  static constexpr int kFewTile = 8;
  static constexpr int kPlaneRoom = 24;
  static constexpr int kFloatTile = 12;
  static constexpr int kFloatRows = 2;
  static constexpr int kFloatFewTokens = 8;
  static constexpr int kFloatFew = 64, kFloatFewCodes = 64;
  static constexpr int kFloatFewVectors = 24;
  static constexpr bool kByteTables = true;
  static constexpr bool kFlipsFields = true;
  static constexpr int kDotMax = 255;  // vpdpbusd sums in 32 bits
  static constexpr bool kUnpacksCodes = true;
  static constexpr bool kWordSums = false;
  static constexpr bool kFarResults = false;
  static constexpr bool kKeepsPlanes = false;

  struct Float {
    __m512 v;
  };
  struct Int {
    __m512i v;
  };
  struct Bytes {
    __m512i v;
  };

  // clang-format off
  static Float zero() { return {_mm512_setzero_ps()}; }
  static Float broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static Float load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static void store(float* p, Float a) { _mm512_storeu_ps(p, a.v); }
  static Float add(Float a, Float b) { return {_mm512_add_ps(a.v, b.v)}; }
  static Float sub(Float a, Float b) { return {_mm512_sub_ps(a.v, b.v)}; }
  static Float mul(Float a, Float b) { return {_mm512_mul_ps(a.v, b.v)}; }
  static Float div(Float a, Float b) { return {_mm512_div_ps(a.v, b.v)}; }
  static Float fma(Float a, Float b, Float c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static float fma1(float a, float b, float c) {
    return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
  }
  static float reduce_max(Float a) { return _mm512_reduce_max_ps(a.v); }
  static Float max(Float a, Float b) { return {_mm512_max_ps(a.v, b.v)}; }
  static Float min(Float a, Float b) { return {_mm512_min_ps(a.v, b.v)}; }
  static Float abs(Float a) { return {_mm512_abs_ps(a.v)}; }
  static Float select_less(Float a, Float b, Float x, Float y) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
  }
  template <int D> static Float butterfly(Float a) {
    constexpr __mmask16 kSecond = D == 1 ? 0xAAAA : D == 2 ? 0xCCCC : D == 4 ? 0xF0F0 : 0xFF00;
    constexpr int kSwap = D == 1 || D == 4 ? 0xB1 : 0x4E;  // neighbours, or pairs of neighbours
    const __m512 signs = _mm512_mask_blend_ps(kSecond, _mm512_set1_ps(1.0f), _mm512_set1_ps(-1.0f));
    if constexpr (D <= 2) return {_mm512_fmadd_ps(a.v, signs, _mm512_permute_ps(a.v, kSwap))};
    return {_mm512_fmadd_ps(a.v, signs, _mm512_shuffle_f32x4(a.v, a.v, kSwap))};
  }
  static Float add_exponent(Float a, Float n) {
    return {_mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(a.v), _mm512_slli_epi32(_mm512_castps_si512(n.v), 23)))};
  }

  static Float load_f16(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Float load_bf16(const uint16_t* p) {
    const __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(x, 16))};
  }

  static Int int_zero() { return {_mm512_setzero_si512()}; }
  static Int int_broadcast(int32_t x) { return {_mm512_set1_epi32(x)}; }
  static Int int_load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Int int_load_bytes(const uint8_t* p) {
    return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static Int int_load_signed_bytes(const uint8_t* p) {
    return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static Int int_unpack(uint64_t low, uint64_t high, int bits) {
    const __m512i shifts = _mm512_mullo_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi64(bits));
    const __m512i mask = _mm512_set1_epi64((1 << bits) - 1);
    const auto part = [&](uint64_t word) {
      const __m512i w = _mm512_set1_epi64(static_cast<long long>(word));
      return _mm512_cvtepi64_epi32(_mm512_and_si512(_mm512_srlv_epi64(w, shifts), mask));
    };
    return {_mm512_inserti64x4(_mm512_castsi256_si512(part(low)), part(high), 1)};
  }
  template <bool Careful> static Float small_float(Int code, const SmallFloat& f) {
    const __m512i magnitude = _mm512_and_si512(code.v, _mm512_set1_epi32(f.mask));
    const __m512i moved = _mm512_max_epi32(_mm512_sllv_epi32(magnitude, _mm512_set1_epi32(f.shift)),
                                           _mm512_set1_epi32(f.least));
    const __m512 value = _mm512_mul_ps(_mm512_castsi512_ps(moved), _mm512_set1_ps(f.factor));
    const __mmask16 nan = _mm512_cmpge_epi32_mask(magnitude, _mm512_set1_epi32(f.nans));
    const __m512i bits = _mm512_mask_mov_epi32(_mm512_castps_si512(value), nan, _mm512_set1_epi32(0x7fffffff));
    const __m512i sign = _mm512_sllv_epi32(code.v, _mm512_set1_epi32(f.sign_shift));
    return {_mm512_castsi512_ps(  // bits | sign & f.sign
        _mm512_ternarylogic_epi32(bits, sign, _mm512_set1_epi32(static_cast<int32_t>(f.sign)), 0xF8))};
  }
  static Int int_load_words(const uint16_t* p) {
    return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Int int_add(Int a, Int b) { return {_mm512_add_epi32(a.v, b.v)}; }
  static Int int_mul(Int a, Int b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
  static Int dot_pairs(Int acc, Int a, Int b) { return {_mm512_dpwssd_epi32(acc.v, a.v, b.v)}; }
  static Float to_float(Int a) { return {_mm512_cvtepi32_ps(a.v)}; }
  static Int to_int(Float a) { return {_mm512_cvttps_epi32(a.v)}; }
  static Int nearest_int(Float a) { return {_mm512_cvtps_epi32(a.v)}; }
  static void store_bytes(int8_t* p, Int a, Int b) {
    const __m512i fours = _mm512_set1_epi32(0x0c080400);  // byte 0 of each word of 32 bits
    const __m512i lanes = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0x70707070, 0x60606060, 0x50505050, 0x40404040,
                                           0x30303030, 0x20202020, 0x10101010, 0);
    const __m512i bytes = _mm512_permutex2var_epi8(a.v, _mm512_add_epi8(fours, lanes), b.v);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_castsi512_si256(bytes));
  }
  static void store_bytes(int8_t* p, Int a, Int b, Int c, Int d) {
    const __m512i words = _mm512_packus_epi32(a.v, b.v), others = _mm512_packus_epi32(c.v, d.v);
    const __m512i fours = _mm512_packus_epi16(words, others);  // of a, b, c and d in each 128 bits
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(
                               _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0), fours));
  }
  static void store_bytes(int8_t* p, Int a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
  }
  static Float gather(const float* table, Int index) { return {_mm512_i32gather_ps(index.v, table, 4)}; }

  static Float gather16(const float* table, Int index) {
    return {_mm512_permutexvar_ps(index.v, _mm512_loadu_ps(table))};
  }
  template <int Shift> static Float lookup_floats(const float* table, Bytes a) {
    return gather16(table, {Shift == 0 ? a.v : _mm512_srli_epi32(a.v, Shift)});  // the lowest four bits count
  }

  // Upper halves of floats by tables of their bytes, [2][256]: those of columns 0 and 1 of each group of four as pairs
  // of words, and of columns 2 and 3. Entries: 64 and 128 codes; 256 of which the upper half has the opposite sign
  // (Signed), or any 256.
  struct Halves {
    __m512i first, second;
  };
  template <int Entries, bool Signed> static Halves halves(const uint8_t* table, Bytes codes) {
    // Columns 0 and 1 of four rows before columns 2 and 3: bytes are interleaved within 128 bits.
    const __m512i from = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    const __m512i x = _mm512_shuffle_epi8(codes.v, from);
    const auto look_up = [x](const uint8_t* t) {
      if constexpr (Entries == 64) return _mm512_permutexvar_epi8(x, _mm512_loadu_si512(t));
      const __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(t), x, _mm512_loadu_si512(t + 64));
      if constexpr (Entries == 128 || Signed) return low;
      const __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(t + 128), x, _mm512_loadu_si512(t + 192));
      return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(x), high);
    };
    const __m512i low = look_up(table);
    __m512i high = look_up(table + 256);
    if constexpr (Signed) high = _mm512_ternarylogic_epi32(high, x, _mm512_set1_epi8(-128), 0x78);  // high ^ x & 128
    return {_mm512_unpacklo_epi8(low, high), _mm512_unpackhi_epi8(low, high)};
  }
  template <int Column> static Float half(Halves h) {
    const __m512i pair = Column < 2 ? h.first : h.second;
    if constexpr (Column % 2 == 0) return {_mm512_castsi512_ps(_mm512_slli_epi32(pair, 16))};
    return {_mm512_castsi512_ps(_mm512_and_si512(pair, _mm512_set1_epi32(static_cast<int>(0xffff0000))))};
  }

  static Bytes bytes_load(const void* p) { return {_mm512_loadu_si512(p)}; }
  static void bytes_store(void* p, Bytes a) { _mm512_storeu_si512(p, a.v); }
  static Bytes bytes_broadcast4(const int8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, 4);
    return {_mm512_set1_epi32(four)};
  }
  // Flip: bits of the result that are the other way round.
  template <int Shift, int Width, int Up, int Flip = 0> static Bytes field(Bytes a) {
    if constexpr (Shift == Up) {
      const __m512i kept = _mm512_and_si512(a.v, _mm512_set1_epi8(static_cast<char>(((1 << Width) - 1) << Up)));
      return {_mm512_xor_si512(kept, _mm512_set1_epi8(static_cast<char>(Flip)))};
    }
    // Shift and mask in one: bit i of each byte is the parity of the byte and row 7 - i of a matrix of bits.
    constexpr uint64_t kMatrix = [] {
      uint64_t m = 0;
      for (int k = 0; k < Width; ++k) m |= uint64_t{1} << (Shift + k) << (8 * (7 - Up - k));
      return m;
    }();
    return {_mm512_gf2p8affine_epi64_epi8(a.v, _mm512_set1_epi64(static_cast<long long>(kMatrix)), Flip)};
  }
  using Trits = Bytes;
  static Trits trits_of(Bytes a) { return a; }
  template <int Place> static Bytes digit(Trits& a) {
    // Of an index the lowest six bits count. What digits of one vector share is computed once.
    const __m512i upper = _mm512_srli_epi16(a.v, 2);
    const __m512i table = _mm512_load_si512(&kTritDigits[Place]);
    if constexpr (Place < 2) return {_mm512_permutexvar_epi8(upper, table)};
    const __m512i base = _mm512_permutexvar_epi8(upper, _mm512_load_si512(&kTritBases));
    return {_mm512_permutexvar_epi8(_mm512_sub_epi8(a.v, base), table)};
  }
  static Bytes bytes_or(Bytes a, Bytes b) { return {_mm512_or_si512(a.v, b.v)}; }
  static Bytes bytes_xor(Bytes a, uint8_t x) {
    return {_mm512_xor_si512(a.v, _mm512_set1_epi8(static_cast<char>(x)))};
  }
  template <class V> static void after(const uint8_t*& p, V& a) {}
  static Bytes bytes_zero() { return {_mm512_setzero_si512()}; }
  static Bytes bytes_and_not(Bytes a, Bytes b) { return {_mm512_andnot_si512(b.v, a.v)}; }
  static Bytes even_bits(Bytes a, Bytes b) {
    return {_mm512_ternarylogic_epi32(_mm512_set1_epi8(0x55), a.v, _mm512_add_epi8(b.v, b.v), 0xCA)};
  }
  static Bytes odd_bits(Bytes a, Bytes b) {
    return {_mm512_ternarylogic_epi32(_mm512_set1_epi8(0x55), _mm512_srli_epi16(a.v, 1), b.v, 0xCA)};
  }
  template <bool Differing> static Bytes count_bits(Bytes counts, Bytes a, Bytes b) {
    const __m512i bits = Differing ? _mm512_xor_si512(a.v, b.v) : _mm512_and_si512(a.v, b.v);
    return {_mm512_add_epi32(counts.v, _mm512_popcnt_epi32(bits))};
  }
  static Int add_counts(Int sum, Bytes counts, int8_t factor) {
    return {_mm512_dpwssd_epi32(sum.v, counts.v, _mm512_set1_epi32(factor & 0xffff))};
  }
  struct Columns {
    __m256i v;
  };
  static Columns load_columns(const int8_t* p, const uint8_t* order) {
    return {_mm256_permutexvar_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(order)),
                                    _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  template <int Bit> static uint32_t bits_of(Columns a) {
    return _cvtmask32_u32(_mm256_test_epi8_mask(a.v, _mm256_set1_epi8(1 << Bit)));
  }
  // 64 codes of 1 to 8 bits, one behind the other: eight fill `bits` bytes.
  struct CodeUnpack {
    __m512i from, shifts, mask;
    __mmask64 bytes;
  };
  static CodeUnpack code_unpack(int bits) {
    constexpr long long kSteps = 0x0706050403020100;
    const __m512i firsts = _mm512_mullo_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi64(bits));
    const __m512i to_all = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0808080808080808, 0));
    return {_mm512_add_epi8(_mm512_shuffle_epi8(firsts, to_all), _mm512_set1_epi64(kSteps)),
            _mm512_set1_epi64(kSteps * bits), _mm512_set1_epi8(static_cast<char>((1 << bits) - 1)),
            ~__mmask64{0} >> (64 - 8 * bits)};
  }
  static Bytes unpack_codes(const CodeUnpack& c, const uint8_t* p) {
    const __m512i bytes = _mm512_permutexvar_epi8(c.from, _mm512_maskz_loadu_epi8(c.bytes, p));
    return {_mm512_and_si512(_mm512_multishift_epi64_epi8(c.shifts, bytes), c.mask)};
  }
  // The 16 bytes that follow the first 16 come before all others; the first 16 as numbers.
  static Bytes next16(Bytes a) { return {_mm512_alignr_epi64(a.v, a.v, 2)}; }
  static Int int_of_bytes(Bytes a) { return {_mm512_cvtepu8_epi32(_mm512_castsi512_si128(a.v))}; }
  // Values by codes of at most 8 bits from the lower and the upper bytes of their upper halves, [2][256]; the lower
  // halves are 0.
  struct ValueTable {
    __m512i low[4], high[4];
    int bits;
  };
  static ValueTable value_table(const uint8_t* halves, int bits) {
    ValueTable t;
    t.bits = bits;
    for (int i = 0; i < 4; ++i) {
      t.low[i] = _mm512_loadu_si512(halves + 64 * i);
      t.high[i] = _mm512_loadu_si512(halves + 256 + 64 * i);
    }
    return t;
  }
  static void values_of(const ValueTable& t, Bytes codes, Float (&out)[4]) {
    // Interleaving works within 128-bit lanes: the codes are spread over them first.
    const __m512i at = _mm512_permutexvar_epi32(
        _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0), codes.v);
    __m512i l = _mm512_permutexvar_epi8(at, t.low[0]), h = _mm512_permutexvar_epi8(at, t.high[0]);
    if (t.bits > 6) {
      const __mmask64 top = _mm512_movepi8_mask(at);
      l = _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(t.low[0], at, t.low[1]), top,
                               _mm512_permutex2var_epi8(t.low[2], at, t.low[3]));
      h = _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(t.high[0], at, t.high[1]), top,
                               _mm512_permutex2var_epi8(t.high[2], at, t.high[3]));
    }
    const __m512i zero = _mm512_setzero_si512();
    const __m512i first = _mm512_unpacklo_epi8(l, h), second = _mm512_unpackhi_epi8(l, h);
    out[0] = {_mm512_castsi512_ps(_mm512_unpacklo_epi16(zero, first))};
    out[1] = {_mm512_castsi512_ps(_mm512_unpackhi_epi16(zero, first))};
    out[2] = {_mm512_castsi512_ps(_mm512_unpacklo_epi16(zero, second))};
    out[3] = {_mm512_castsi512_ps(_mm512_unpackhi_epi16(zero, second))};
  }
  // Byte 16 * column + i is byte 4 * i + column of a.
  static Bytes by_column(Bytes a) {
    const __m512i fours = _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
    return {_mm512_permutexvar_epi32(_mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0),
                                     _mm512_shuffle_epi8(a.v, fours))};
  }
  static Bytes lookup16(const uint8_t* table, Bytes a) {
    const __m512i t = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    return {_mm512_shuffle_epi8(t, a.v)};
  }
  static Bytes lookup32(const uint8_t* table, Bytes a) { return lookup64(table, a); }
  static Bytes lookup64(const uint8_t* table, Bytes a) {
    return {_mm512_permutexvar_epi8(a.v, _mm512_loadu_si512(table))};
  }
  template <int Column> static Int column(Bytes a) {
    return {_mm512_and_si512(_mm512_srli_epi32(a.v, 8 * Column), _mm512_set1_epi32(255))};
  }

  template <int Column> static Float biased(Bytes a) {
    // The second byte of a float between 32768 and 65536 counts ones.
    const __m512i from = _mm512_broadcast_i32x4(_mm_set_epi32((12 + Column) << 8, (8 + Column) << 8, (4 + Column) << 8,
                                                              Column << 8));
    return {_mm512_castsi512_ps(
        _mm512_mask_shuffle_epi8(_mm512_set1_epi32(0x47000000), 0x2222222222222222, a.v, from))};
  }

  static Int dot(Int acc, Bytes w, Bytes a) { return {_mm512_dpbusd_epi32(acc.v, w.v, a.v)}; }
  // Never chosen here (kDotMax is 255), but defined so that generic code compiles for every ISA: as a is s8 and the
  // code u8, the sum with code - 128 is that with the code less 128 times the sum of a.
  static Int dot_signed(Int acc, Bytes w, Bytes a) {
    const __m512i sum_a = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), a.v);
    return {_mm512_sub_epi32(_mm512_dpbusd_epi32(acc.v, w.v, a.v), _mm512_slli_epi32(sum_a, 7))};
  }
  // clang-format on
};

// Fields by shifts and masks: two instructions for one, which other ports take than VPDPBUSD has on some processors.
struct ShiftingSimd : Simd {
  template <int Shift, int Width, int Up, int Flip = 0>
  static Bytes field(Bytes a) {
    __m512i moved = a.v;
    if constexpr (Shift > Up) moved = _mm512_srli_epi16(a.v, Shift - Up);
    if constexpr (Shift < Up) moved = _mm512_slli_epi16(a.v, Up - Shift);
    const __m512i kept = _mm512_and_si512(moved, _mm512_set1_epi8(static_cast<char>(((1 << Width) - 1) << Up)));
    return {_mm512_xor_si512(kept, _mm512_set1_epi8(static_cast<char>(Flip)))};
  }
};

}  // namespace lowbit::simd::avx512
