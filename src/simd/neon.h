// Sixteen-lane vectors as four AArch64 registers each, with the dot products of Armv8.2. The meaning of each
// primitive stands in portable.h.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "simd/small_float.h"
#include "simd/trits.h"

namespace lowbit::simd::neon {

// How 16 codes of `bits` bits become bytes, from 16 bytes that end with those of all codes at most.
struct CodeTable {
  alignas(16) uint8_t from[4][2][16];  // [quarter of 64 codes][half of it]: the two bytes that hold a code
  alignas(16) int16_t down[8];         // brings a code to the bottom of these 16 bits; negative: NEON shifts up
  int places[4];                       // of the quarters' 16 bytes
  uint8_t mask;
};
static constexpr CodeTable code_table(int bits) {
  CodeTable c = {};
  c.mask = static_cast<uint8_t>((1 << bits) - 1);
  for (int quarter = 0; quarter < 4; ++quarter) {
    const int first = 2 * bits * quarter, most = 8 * bits - 16;
    c.places[quarter] = first < most ? first : most;
    for (int code = 0; code < 16; ++code) {
      const int bit = bits * code, at = bit / 8 + first - c.places[quarter];
      uint8_t* two = c.from[quarter][code / 8] + 2 * (code % 8);
      two[0] = static_cast<uint8_t>(at);
      two[1] = static_cast<uint8_t>(at + 1);  // beyond the 16 bytes it is 0
      c.down[code % 8] = static_cast<int16_t>(-(bit % 8));
    }
  }
  return c;
}
static constexpr CodeTable kCodeTables[9] = {
    {}, {}, code_table(2), code_table(3), code_table(4), code_table(5), code_table(6), code_table(7), code_table(8)};

// What a byte of digits (trits.h) has of 28 by its upper six bits; d0 and d1 by that, d2 to d4 by what is left.
static constexpr auto kTritPairs = trit_table<64>([](int i) { return i / 7; });
static constexpr TritTable<16> kTritFirst[2] = {
    trit_table<16>([](int i) { return i < 10 ? trit(static_cast<uint8_t>(i < 9 ? 28 * i : 252), 0) : 0; }),
    trit_table<16>([](int i) { return i < 10 ? trit(static_cast<uint8_t>(i < 9 ? 28 * i : 252), 1) : 0; })};
static constexpr TritTable<32> kTritRest[3] = {
    trit_table<32>([](int i) { return i < 28 ? trit(static_cast<uint8_t>(i), 2) : 0; }),
    trit_table<32>([](int i) { return i < 28 ? trit(static_cast<uint8_t>(i), 3) : 0; }),
    trit_table<32>([](int i) { return i < 28 ? trit(static_cast<uint8_t>(i), 4) : 0; })};

struct Simd {
  static constexpr const char* kName = "neon";
  static constexpr int kTokenTile = 6;
  static constexpr int kSpanTile = 6;
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
  static constexpr int kDotMax = 127;  // the bytes of both sides have signs
  static constexpr bool kWordSums = false;
  static constexpr bool kFarResults = true;
  static constexpr bool kKeepsPlanes = false;

  struct Float {
    float32x4_t v[4];
  };
  struct Int {
    int32x4_t v[4];
  };
  struct Bytes {
    uint8x16_t v[4];
  };

  // clang-format off
  // The vector whose part i is part(i).
  template <class V, class Part> __attribute__((always_inline)) static V each(Part part) {
    return {{part(0), part(1), part(2), part(3)}};
  }
#define LOWBIT_EACH(type, expression) return each<type>([&](int i) __attribute__((always_inline)) { return expression; })
  static float32x4_t floats(int32x4_t x) { return vreinterpretq_f32_s32(x); }
  static float32x4_t floats(uint32x4_t x) { return vreinterpretq_f32_u32(x); }
  static int32x4_t ints(float32x4_t x) { return vreinterpretq_s32_f32(x); }
  static int32x4_t ints(uint32x4_t x) { return vreinterpretq_s32_u32(x); }
  static uint32x4_t words(float32x4_t x) { return vreinterpretq_u32_f32(x); }
  static uint32x4_t words(int32x4_t x) { return vreinterpretq_u32_s32(x); }

  static Float zero() { return broadcast(0.0f); }
  static Float broadcast(float x) { LOWBIT_EACH(Float, vdupq_n_f32(x)); }
  static Float load(const float* p) { LOWBIT_EACH(Float, vld1q_f32(p + 4 * i)); }
  static void store(float* p, Float a) { for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]); }
  static Float add(Float a, Float b) { LOWBIT_EACH(Float, vaddq_f32(a.v[i], b.v[i])); }
  static Float sub(Float a, Float b) { LOWBIT_EACH(Float, vsubq_f32(a.v[i], b.v[i])); }
  static Float mul(Float a, Float b) { LOWBIT_EACH(Float, vmulq_f32(a.v[i], b.v[i])); }
  static Float div(Float a, Float b) { LOWBIT_EACH(Float, vdivq_f32(a.v[i], b.v[i])); }
  static Float fma(Float a, Float b, Float c) { LOWBIT_EACH(Float, vfmaq_f32(c.v[i], a.v[i], b.v[i])); }
  static float fma1(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static float reduce_max(Float a) {
    return vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(a.v[0], a.v[1]), vmaxnmq_f32(a.v[2], a.v[3])));
  }
  // FMAX and FMIN give NaN where either is NaN.
  static Float max(Float a, Float b) { LOWBIT_EACH(Float, vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
  static Float min(Float a, Float b) { LOWBIT_EACH(Float, vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
  static Float abs(Float a) { LOWBIT_EACH(Float, vabsq_f32(a.v[i])); }
  static Float select_less(Float a, Float b, Float x, Float y) {
    LOWBIT_EACH(Float, vbslq_f32(vcltq_f32(a.v[i], b.v[i]), x.v[i], y.v[i]));
  }
  template <int D> static Float butterfly(Float a) {
    if constexpr (D >= 4) {
      constexpr int kStep = D / 4;
      LOWBIT_EACH(Float, (i & kStep) == 0 ? vaddq_f32(a.v[i], a.v[i ^ kStep]) : vsubq_f32(a.v[i ^ kStep], a.v[i]));
    }
    const float32x4_t signs = {1, D == 1 ? -1.0f : 1.0f, D == 2 ? -1.0f : 1.0f, -1};
    const auto swapped = [](float32x4_t x) { return D == 1 ? vrev64q_f32(x) : vextq_f32(x, x, 2); };
    LOWBIT_EACH(Float, vfmaq_f32(swapped(a.v[i]), a.v[i], signs));
  }
  static Float add_exponent(Float a, Float n) {
    LOWBIT_EACH(Float, floats(vaddq_s32(ints(a.v[i]), vshlq_n_s32(ints(n.v[i]), 23))));
  }

  static Float load_f16(const uint16_t* p) {
    LOWBIT_EACH(Float, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))));
  }
  static Float load_bf16(const uint16_t* p) { LOWBIT_EACH(Float, floats(vshlq_n_u32(vmovl_u16(vld1_u16(p + 4 * i)), 16))); }

  static Int int_zero() { return int_broadcast(0); }
  static Int int_broadcast(int32_t x) { LOWBIT_EACH(Int, vdupq_n_s32(x)); }
  static Int int_load(const int32_t* p) { LOWBIT_EACH(Int, vld1q_s32(p + 4 * i)); }
  // Sixteen bytes as numbers: byte k of part i at the bottom of lane k, 0 above it.
  static Int widened(uint8x16_t x) {
    const uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_high_u8(x);
    return {{ints(vmovl_u16(vget_low_u16(low))), ints(vmovl_high_u16(low)), ints(vmovl_u16(vget_low_u16(high))),
             ints(vmovl_high_u16(high))}};
  }
  static Int int_load_bytes(const uint8_t* p) { return widened(vld1q_u8(p)); }
  static Int int_load_signed_bytes(const uint8_t* p) {
    const int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(p));
    const int16x8_t low = vmovl_s8(vget_low_s8(x)), high = vmovl_high_s8(x);
    return {{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)}};
  }
  static Int int_unpack(uint64_t low, uint64_t high, int bits) {
    const int32x4_t steps = {0, -1, -2, -3};
    const int32x4_t shifts = vmulq_n_s32(steps, bits);
    const uint32x4_t mask = vdupq_n_u32((1u << bits) - 1);
    const uint32_t four[4] = {static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 4 * bits),
                              static_cast<uint32_t>(high), static_cast<uint32_t>(high >> 4 * bits)};
    LOWBIT_EACH(Int, ints(vandq_u32(vshlq_u32(vdupq_n_u32(four[i]), shifts), mask)));
  }
  template <bool Careful> static Float small_float(Int code, const SmallFloat& f) {
    const auto part = [&](int32x4_t c) {
      const int32x4_t magnitude = Careful ? vandq_s32(c, vdupq_n_s32(f.mask)) : c;
      const int32x4_t moved = vmaxq_s32(vshlq_s32(magnitude, vdupq_n_s32(f.shift)), vdupq_n_s32(f.least));
      const float32x4_t value = vmulq_n_f32(floats(moved), f.factor);
      if constexpr (!Careful) return value;
      const uint32x4_t nan = vshrq_n_u32(vcgeq_s32(magnitude, vdupq_n_s32(f.nans)), 1);
      const uint32x4_t sign = vandq_u32(vshlq_u32(words(c), vdupq_n_s32(f.sign_shift)), vdupq_n_u32(f.sign));
      return floats(vorrq_u32(words(value), vorrq_u32(nan, sign)));
    };
    LOWBIT_EACH(Float, part(code.v[i]));
  }
  static Int int_load_words(const uint16_t* p) { LOWBIT_EACH(Int, ints(vmovl_u16(vld1_u16(p + 4 * i)))); }
  static Int int_add(Int a, Int b) { LOWBIT_EACH(Int, vaddq_s32(a.v[i], b.v[i])); }
  static Int int_mul(Int a, Int b) { LOWBIT_EACH(Int, vmulq_s32(a.v[i], b.v[i])); }
  static Int dot_pairs(Int acc, Int a, Int b) {
    const auto part = [](int32x4_t x, int32x4_t y) {
      const int16x8_t p = vreinterpretq_s16_s32(x), q = vreinterpretq_s16_s32(y);
      return vpaddq_s32(vmull_s16(vget_low_s16(p), vget_low_s16(q)), vmull_high_s16(p, q));
    };
    LOWBIT_EACH(Int, vaddq_s32(acc.v[i], part(a.v[i], b.v[i])));
  }
  static Float to_float(Int a) { LOWBIT_EACH(Float, vcvtq_f32_s32(a.v[i])); }
  static Int to_int(Float a) { LOWBIT_EACH(Int, vcvtq_s32_f32(a.v[i])); }
  static Int nearest_int(Float a) {
    // The conversion ends at the greatest integer, whose low byte is no 0.
    const float32x4_t end = vdupq_n_f32(0x1p31f);
    LOWBIT_EACH(Int, vandq_s32(vcvtnq_s32_f32(a.v[i]), ints(vcaltq_f32(a.v[i], end))));
  }
  static void store_bytes(int8_t* p, Int a, Int b) {
    store_bytes(p, a);
    store_bytes(p + 16, b);
  }
  static void store_bytes(int8_t* p, Int a, Int b, Int c, Int d) {
    store_bytes(p, a, b);
    store_bytes(p + 32, c, d);
  }
  static void store_bytes(int8_t* p, Int a) {
    const auto even = [](int32x4_t x, int32x4_t y) {
      return vreinterpretq_s8_s16(vuzp1q_s16(vreinterpretq_s16_s32(x), vreinterpretq_s16_s32(y)));
    };
    vst1q_s8(p, vuzp1q_s8(even(a.v[0], a.v[1]), even(a.v[2], a.v[3])));
  }
  static Float gather(const float* table, Int index) {
    const auto part = [&](int32x4_t at) {
      float32x4_t r = vld1q_dup_f32(table + vgetq_lane_s32(at, 0));
      r = vld1q_lane_f32(table + vgetq_lane_s32(at, 1), r, 1);
      r = vld1q_lane_f32(table + vgetq_lane_s32(at, 2), r, 2);
      return vld1q_lane_f32(table + vgetq_lane_s32(at, 3), r, 3);
    };
    LOWBIT_EACH(Float, part(index.v[i]));
  }
  static Float gather16(const float* table, Int index) {
    // The four bytes of an entry.
    const uint8x16x4_t bytes = vld1q_u8_x4(reinterpret_cast<const uint8_t*>(table));
    const auto part = [&](int32x4_t at) {
      const int32x4_t from = vmlaq_n_s32(vdupq_n_s32(0x03020100), at, 0x04040404);
      return vreinterpretq_f32_u8(vqtbl4q_u8(bytes, vreinterpretq_u8_s32(from)));
    };
    LOWBIT_EACH(Float, part(index.v[i]));
  }
  template <int Shift> static Float lookup_floats(const float* table, Bytes a) {
    return gather16(table, each<Int>([&](int i) { return ints(bits_from<Shift>(a.v[i], 15)); }));
  }
  // The bits from Shift on of each group of four bytes that the mask has.
  template <int Shift> static uint32x4_t bits_from(uint8x16_t a, uint32_t mask) {
    uint32x4_t x = vreinterpretq_u32_u8(a);
    if constexpr (Shift > 0) x = vshrq_n_u32(x, Shift);
    return vandq_u32(x, vdupq_n_u32(mask));
  }

  // In the order of the code: clang would compute so much ahead that it fills the registers.
  static void one_after_other(Float& a, Bytes& b) {
    asm("" : "+w"(a.v[0]), "+w"(a.v[1]), "+w"(a.v[2]), "+w"(a.v[3]));
    asm("" : "+w"(a.v[3]), "+w"(b.v[0]), "+w"(b.v[1]), "+w"(b.v[2]), "+w"(b.v[3]));
  }
  template <class V> static void after(const uint8_t*& p, V& a) {
    asm("" : "+r"(p), "+w"(a.v[0]), "+w"(a.v[1]), "+w"(a.v[2]), "+w"(a.v[3]));
  }
  static void hold(Bytes& a) {}
  static Bytes bytes_load(const void* p) { LOWBIT_EACH(Bytes, vld1q_u8(static_cast<const uint8_t*>(p) + 16 * i)); }
  static void bytes_store(void* p, Bytes a) {
    for (int i = 0; i < 4; ++i) vst1q_u8(static_cast<uint8_t*>(p) + 16 * i, a.v[i]);
  }
  static Bytes bytes_broadcast4(const int8_t* p) {
    uint32_t four;
    __builtin_memcpy(&four, p, 4);
    LOWBIT_EACH(Bytes, vreinterpretq_u8_u32(vdupq_n_u32(four)));
  }
  template <int Shift, int Width, int Up> static Bytes field(Bytes a) {
    const auto part = [](uint8x16_t x) {
      if constexpr (Shift > Up) x = vshrq_n_u8(x, Shift - Up);
      if constexpr (Shift < Up) x = vshlq_n_u8(x, Up - Shift);
      // What lies beside a field at the end of a byte is shifted out of it.
      if constexpr ((Shift + Width == 8 && Up == 0) || (Up + Width == 8 && Shift == 0)) return x;
      return vandq_u8(x, vdupq_n_u8(((1 << Width) - 1) << Up));
    };
    LOWBIT_EACH(Bytes, part(a.v[i]));
  }
  struct Trits {
    Bytes pair, rest;  // 3 d0 + d1, or 9; 9 d2 + 3 d3 + d4, or 27
  };
  static Trits trits_of(Bytes a) {
    const uint8x16x4_t table = vld1q_u8_x4(kTritPairs.entry);
    const Bytes pair = each<Bytes>([&](int i) { return vqtbl4q_u8(table, vshrq_n_u8(a.v[i], 2)); });
    const Bytes rest = each<Bytes>([&](int i) { return vmlsq_u8(a.v[i], pair.v[i], vdupq_n_u8(28)); });
    return {pair, rest};
  }
  template <int Place> static Bytes digit(Trits& a) {
    if constexpr (Place < 2) {
      return lookup16(kTritFirst[Place].entry, a.pair);
    } else {
      return lookup32(kTritRest[Place - 2].entry, a.rest);
    }
  }
  static Bytes bytes_or(Bytes a, Bytes b) { LOWBIT_EACH(Bytes, vorrq_u8(a.v[i], b.v[i])); }
  static Bytes lookup16(const uint8_t* table, Bytes a) {
    const uint8x16_t t = vld1q_u8(table);
    LOWBIT_EACH(Bytes, vqtbl1q_u8(t, a.v[i]));
  }
  static Bytes lookup32(const uint8_t* table, Bytes a) {
    const uint8x16x2_t t = vld1q_u8_x2(table);
    LOWBIT_EACH(Bytes, vqtbl2q_u8(t, a.v[i]));
  }
  static Bytes lookup64(const uint8_t* table, Bytes a) {
    const uint8x16x4_t t = vld1q_u8_x4(table);
    LOWBIT_EACH(Bytes, vqtbl4q_u8(t, a.v[i]));
  }
  static Bytes bytes_xor(Bytes a, uint8_t x) { LOWBIT_EACH(Bytes, veorq_u8(a.v[i], vdupq_n_u8(x))); }
  static Bytes bytes_zero() { LOWBIT_EACH(Bytes, vdupq_n_u8(0)); }
  static Bytes bytes_and_not(Bytes a, Bytes b) { LOWBIT_EACH(Bytes, vbicq_u8(a.v[i], b.v[i])); }
  static Bytes even_bits(Bytes a, Bytes b) {
    LOWBIT_EACH(Bytes, vbslq_u8(vdupq_n_u8(0x55), a.v[i], vshlq_n_u8(b.v[i], 1)));
  }
  static Bytes odd_bits(Bytes a, Bytes b) {
    LOWBIT_EACH(Bytes, vbslq_u8(vdupq_n_u8(0x55), vshrq_n_u8(a.v[i], 1), b.v[i]));
  }
  template <bool Differing> static Bytes count_bits(Bytes counts, Bytes a, Bytes b) {
    LOWBIT_EACH(Bytes, vaddq_u8(counts.v[i], vcntq_u8(Differing ? veorq_u8(a.v[i], b.v[i]) : vandq_u8(a.v[i], b.v[i]))));
  }
  static Int add_counts(Int sum, Bytes counts, int8_t factor) {
    // A count may be 128: the products have no signs.
    const uint8x16_t ones = vdupq_n_u8(1);
    LOWBIT_EACH(Int, vmlaq_n_s32(sum.v[i], ints(vdotq_u32(vdupq_n_u32(0), counts.v[i], ones)), factor));
  }
  struct Columns {
    uint8x16_t v[2];
  };
  static Columns load_columns(const int8_t* p, const uint8_t* order) {
    const uint8x16x2_t bytes = vld1q_u8_x2(reinterpret_cast<const uint8_t*>(p));
    return {{vqtbl2q_u8(bytes, vld1q_u8(order)), vqtbl2q_u8(bytes, vld1q_u8(order + 16))}};
  }
  template <int Bit> static uint32_t bits_of(Columns a) {
    // Each byte's bit in its own place of eight, which then add up.
    const uint8x16_t places = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    const auto part = [&](uint8x16_t x) { return vandq_u8(vtstq_u8(x, vdupq_n_u8(1 << Bit)), places); };
    uint8x16_t sums = vpaddq_u8(part(a.v[0]), part(a.v[1]));
    sums = vpaddq_u8(sums, sums);
    sums = vpaddq_u8(sums, sums);
    return vgetq_lane_u32(vreinterpretq_u32_u8(sums), 0);
  }
  template <int Column> static Int column(Bytes a) { LOWBIT_EACH(Int, ints(bits_from<8 * Column>(a.v[i], 255))); }
  template <int Bits, int Column, bool Careful> static Float small_column(Bytes a, const SmallFloat& f) {
    // The code to the top, then its magnitude to fp32's place: an arithmetic shift leaves the sign where it is.
    const int32x4_t down = vdupq_n_s32(f.shift + Bits - 32), magnitude = vdupq_n_s32(f.mask << f.shift);
    const int32x4_t wanted = vorrq_s32(magnitude, vdupq_n_s32(INT32_MIN));
    const auto part = [&](uint8x16_t x) {
      int32x4_t top = vreinterpretq_s32_u8(x);
      if constexpr (32 - Bits > 8 * Column) top = vshlq_n_s32(top, 32 - Bits - 8 * Column);
      const int32x4_t moved = vshlq_s32(top, down);
      const float32x4_t value = vmulq_n_f32(floats(vandq_s32(moved, wanted)), f.factor);
      if constexpr (!Careful) return value;
      const uint32x4_t nan = vcgeq_s32(vandq_s32(moved, magnitude), vdupq_n_s32(f.nans << f.shift));
      return floats(vorrq_u32(words(value), vshrq_n_u32(nan, 1)));
    };
    LOWBIT_EACH(Float, part(a.v[i]));
  }
  static bool any_nan(Bytes a, const SmallFloat& f) {
    const uint8x16_t mask = vdupq_n_u8(static_cast<uint8_t>(f.mask));
    const auto part = [&](int i) { return vandq_u8(a.v[i], mask); };
    return vmaxvq_u8(vmaxq_u8(vmaxq_u8(part(0), part(1)), vmaxq_u8(part(2), part(3)))) >= f.nans;
  }
  template <int Column> static Float biased(Bytes a) {
    // The second byte of a float between 32768 and 65536 counts ones.
    const auto part = [](uint8x16_t x) {
      uint32x4_t r = vreinterpretq_u32_u8(x);
      if constexpr (Column == 0) r = vshlq_n_u32(r, 8);
      if constexpr (Column > 1) r = vshrq_n_u32(r, 8 * (Column - 1));
      return floats(vorrq_u32(vandq_u32(r, vdupq_n_u32(0xff00)), vdupq_n_u32(0x47000000)));
    };
    LOWBIT_EACH(Float, part(a.v[i]));
  }

  static Int dot(Int acc, Bytes w, Bytes a) {
    LOWBIT_EACH(Int, vdotq_s32(acc.v[i], vreinterpretq_s8_u8(w.v[i]), vreinterpretq_s8_u8(a.v[i])));
  }
  static Int dot_signed(Int acc, Bytes w, Bytes a) { return dot(acc, bytes_xor(w, 0x80), a); }

  // 64 codes of 2 to 8 bits, one behind the other: eight fill `bits` bytes.
  using CodeUnpack = const CodeTable*;
  static CodeUnpack code_unpack(int bits) { return &kCodeTables[bits]; }
  static Bytes unpack_codes(CodeUnpack c, const uint8_t* p) {
    const int16x8_t down = vld1q_s16(c->down);
    const auto part = [&](int quarter) {
      const uint8x16_t x = vld1q_u8(p + c->places[quarter]);
      const auto eight = [&](int half) {
        const uint8x16_t two = vqtbl1q_u8(x, vld1q_u8(c->from[quarter][half]));
        return vreinterpretq_u8_u16(vshlq_u16(vreinterpretq_u16_u8(two), down));
      };
      return vandq_u8(vuzp1q_u8(eight(0), eight(1)), vdupq_n_u8(c->mask));
    };
    LOWBIT_EACH(Bytes, part(i));
  }
  static Bytes next16(Bytes a) { return {{a.v[1], a.v[2], a.v[3], a.v[3]}}; }
  static Int int_of_bytes(Bytes a) { return widened(a.v[0]); }
  // Whole numbers alone.
  struct ValueTable {};
  static ValueTable value_table(const uint8_t*, int) { return {}; }
  static void values_of(ValueTable, Bytes codes, Float (&v)[4]) {
    for (int i = 0; i < 4; ++i) v[i] = to_float(widened(codes.v[i]));
  }
#undef LOWBIT_EACH
  // clang-format on
};

}  // namespace lowbit::simd::neon
