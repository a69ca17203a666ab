// Sixteen-lane vectors in plain C++: the baseline of every target, and the meaning of the primitives in the other
// files of this room. A kernel is a template over one of these structs; see README.md for the rules.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "simd/small_float.h"
#include "simd/trits.h"

namespace lowbit::simd::portable {

struct Simd {
  static constexpr const char* kName = "portable";
  static constexpr int kTokenTile = 4;    // tokens of a register tile of the integer kernels
  static constexpr int kSpanTile = 4;     // the same where the results of spans lie in memory
  static constexpr int kRowTile = 1;      // blocks of 16 rows of that tile, at most
  static constexpr int kFusedTile = 4;    // tokens of the tile of the kernel that unpacks as it multiplies, 2 or 4
  static constexpr int kFusedChains = 4;  // its chains of sums, at most
  static constexpr int kFewTile = 0;      // tokens of the tile of the kernel for few tokens; 0: there is none
  static constexpr bool kEntriesInPlace = false;  // that kernel reads scales of all kinds where they lie: registers
  static constexpr int kPlaneRoom = 3;            // vectors of sums and counts of the kernel that counts bits
  static constexpr int kFloatTile = 4;            // tokens of a register tile of the fp32 kernels
  static constexpr int kFloatRows = 1;            // blocks of 16 rows of that tile
  static constexpr int kFloatFewTokens = 1;       // of the tile that decodes weights in registers, at most
  // Up to so many tokens that tile is worth it, for every tile of them again: plain weights, codes.
  static constexpr int kFloatFew = 0, kFloatFewCodes = 0;
  static constexpr int kFloatFewVectors = 0;    // registers of these kernels' sums and weights
  static constexpr bool kByteTables = false;    // tables of 256 bytes in registers: value_table() and its like
  static constexpr bool kUnpacksCodes = false;  // 64 codes of fewer bits than 8 at once: code_unpack() and its like
  static constexpr bool kFlipsFields = false;   // field() turns bits round at no cost: its last argument
  // Largest u8 code that dot() takes exactly; above it kernels use dot_signed() on code - 128.
  static constexpr int kDotMax = 255;
  static constexpr bool kWordSums = false;    // small products are faster summed in 16 bits first: add_words()
  static constexpr bool kFarResults = false;  // registers hold sums of a tile, memory what they come to
  // Of packed codes, for few tokens: units that share bytes load them once.
  static constexpr bool kKeepsPlanes = false;

  struct Float {
    float lane[16];
  };
  struct Int {
    int32_t lane[16];
  };
  struct Bytes {
    uint8_t lane[64];
  };

  // clang-format off
#define LOWBIT_EACH(type, count, expression) \
  type r; for (int i = 0; i < count; ++i) r.lane[i] = expression; return r
  static Float zero() { return broadcast(0.0f); }
  static Float broadcast(float x) { LOWBIT_EACH(Float, 16, x); }
  static Float load(const float* p) { Float r; std::memcpy(r.lane, p, sizeof r.lane); return r; }
  static void store(float* p, Float a) { std::memcpy(p, a.lane, sizeof a.lane); }
  static Float add(Float a, Float b) { LOWBIT_EACH(Float, 16, a.lane[i] + b.lane[i]); }
  static Float sub(Float a, Float b) { LOWBIT_EACH(Float, 16, a.lane[i] - b.lane[i]); }
  static Float mul(Float a, Float b) { LOWBIT_EACH(Float, 16, a.lane[i] * b.lane[i]); }
  static Float div(Float a, Float b) { LOWBIT_EACH(Float, 16, a.lane[i] / b.lane[i]); }
  // a * b + c, rounded once.
  static Float fma(Float a, Float b, Float c) { LOWBIT_EACH(Float, 16, std::fma(a.lane[i], b.lane[i], c.lane[i])); }
  static float fma1(float a, float b, float c) { return std::fma(a, b, c); }
  // The greatest lane; any number where one is NaN.
  static float reduce_max(Float a) {
    float most = a.lane[0];
    for (float v : a.lane) most = v > most ? v : most;
    return most;
  }
  // As the processor: b where either is NaN.
  static Float max(Float a, Float b) { LOWBIT_EACH(Float, 16, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]); }
  static Float min(Float a, Float b) { LOWBIT_EACH(Float, 16, a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]); }
  static Float abs(Float a) { LOWBIT_EACH(Float, 16, std::fabs(a.lane[i])); }
  // x where a < b, else y (also where either is NaN).
  static Float select_less(Float a, Float b, Float x, Float y) {
    LOWBIT_EACH(Float, 16, a.lane[i] < b.lane[i] ? x.lane[i] : y.lane[i]);
  }
  // Lanes i and i + D, of every i whose bit D is clear, become their sum and their difference.
  template <int D> static Float butterfly(Float a) {
    LOWBIT_EACH(Float, 16, (i & D) == 0 ? a.lane[i] + a.lane[i ^ D] : a.lane[i ^ D] - a.lane[i]);
  }
  // a * 2^k, k being the lowest 9 bits of n as an integer; a and the product are normal numbers.
  static Float add_exponent(Float a, Float n) {
    for (int i = 0; i < 16; ++i) {
      uint32_t bits = 0, more = 0;
      std::memcpy(&bits, &a.lane[i], 4);
      std::memcpy(&more, &n.lane[i], 4);
      bits += more << 23;
      std::memcpy(&a.lane[i], &bits, 4);
    }
    return a;
  }

  // 16 binary16 or bfloat16 numbers, widened exactly.
  static Float load_f16(const uint16_t* p) { LOWBIT_EACH(Float, 16, widen_f16(p[i])); }
  static Float load_bf16(const uint16_t* p) {
    Float r;
    for (int i = 0; i < 16; ++i) {
      const uint32_t bits = static_cast<uint32_t>(p[i]) << 16;
      std::memcpy(&r.lane[i], &bits, 4);
    }
    return r;
  }
  static float widen_f16(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, magnitude = h & 0x7fff;
    // Finite numbers: the bits moved to fp32's places are 2^-112 times the value; infinities and NaN get the top exponent.
    uint32_t bits = magnitude << 13;
    float value;
    std::memcpy(&value, &bits, 4);
    value *= 0x1p112f;
    std::memcpy(&bits, &value, 4);
    if (magnitude >= 0x7c00) bits = 0x7f800000u | (magnitude & 0x3ff) << 13;
    bits |= sign;
    std::memcpy(&value, &bits, 4);
    return value;
  }

  static Int int_zero() { LOWBIT_EACH(Int, 16, 0); }
  static Int int_broadcast(int32_t x) { LOWBIT_EACH(Int, 16, x); }
  static Int int_load(const int32_t* p) { Int r; std::memcpy(r.lane, p, sizeof r.lane); return r; }
  static Int int_load_bytes(const uint8_t* p) { LOWBIT_EACH(Int, 16, p[i]); }
  static Int int_load_signed_bytes(const uint8_t* p) { LOWBIT_EACH(Int, 16, static_cast<int8_t>(p[i])); }
  // Sixteen codes of `bits` bits, eight in each word from the lowest bit on.
  static Int int_unpack(uint64_t low, uint64_t high, int bits) {
    LOWBIT_EACH(Int, 16, static_cast<int32_t>((i < 8 ? low : high) >> (i % 8 * bits) & ((1u << bits) - 1)));
  }
  // Without Careful no code is NaN or has a sign.
  template <bool Careful> static Float small_float(Int code, const SmallFloat& f) {
    LOWBIT_EACH(Float, 16, simd::small_float(code.lane[i], f));
  }
  // Byte Column of each group of four as a float of Bits bits with a sign. Without Careful no code is NaN: see any_nan().
  template <int Bits, int Column, bool Careful> static Float small_column(Bytes a, const SmallFloat& f) {
    LOWBIT_EACH(Float, 16, simd::small_float(a.lane[4 * i + Column], f));
  }
  static bool any_nan(Bytes a, const SmallFloat& f) {
    bool any = false;
    for (const uint8_t code : a.lane) any = any || (code & f.mask) >= f.nans;
    return any;
  }
  static Int int_load_words(const uint16_t* p) { LOWBIT_EACH(Int, 16, p[i]); }
  static Int int_add(Int a, Int b) {  // modulo 2^32
    LOWBIT_EACH(Int, 16, static_cast<int32_t>(static_cast<uint32_t>(a.lane[i]) + static_cast<uint32_t>(b.lane[i])));
  }
  static Int int_mul(Int a, Int b) { LOWBIT_EACH(Int, 16, a.lane[i] * b.lane[i]); }
  // acc + the product of the low halves + that of the high halves of 32 bits, each s16; exact.
  static Int dot_pairs(Int acc, Int a, Int b) {
    LOWBIT_EACH(Int, 16, acc.lane[i] + static_cast<int16_t>(a.lane[i]) * static_cast<int16_t>(b.lane[i]) +
                             (a.lane[i] >> 16) * (b.lane[i] >> 16));
  }
  static Float to_float(Int a) { LOWBIT_EACH(Float, 16, static_cast<float>(a.lane[i])); }
  // Rounded a of |a| < 2^22 that is already integral.
  static Int to_int(Float a) { LOWBIT_EACH(Int, 16, static_cast<int32_t>(a.lane[i])); }
  // The nearest integer, ties to even; beyond 32 bits, and of NaN, one whose low byte is 0.
  static Int nearest_int(Float a) {
    LOWBIT_EACH(Int, 16,
                __builtin_fabsf(a.lane[i]) < 0x1p31f ? static_cast<int32_t>(__builtin_nearbyintf(a.lane[i])) : 0);
  }
  // The low bytes of 16 integers.
  static void store_bytes(int8_t* p, Int a, Int b) {
    store_bytes(p, a);
    store_bytes(p + 16, b);
  }
  // Of numbers from 0 to 255, one behind the other; of INT32_MIN the byte is 0.
  static void store_bytes(int8_t* p, Int a, Int b, Int c, Int d) {
    store_bytes(p, a, b);
    store_bytes(p + 32, c, d);
  }
  static void store_bytes(int8_t* p, Int a) { for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.lane[i]); }
  // table[index], index in [0, 255].
  static Float gather(const float* table, Int index) { LOWBIT_EACH(Float, 16, table[index.lane[i]]); }
  // The same for a table of 16 entries, index in [0, 15].
  static Float gather16(const float* table, Int index) { LOWBIT_EACH(Float, 16, table[index.lane[i]]); }
  // The same by the four bits from Shift on of each group of four bytes.
  template <int Shift> static Float lookup_floats(const float* table, Bytes a) {
    LOWBIT_EACH(Float, 16, table[a.lane[4 * i + Shift / 8] >> Shift % 8 & 15]);
  }

  // Nothing. Where registers are few, the compiler is told to use b only once a is computed, or to compute a as it
  // stands.
  static void one_after_other(Float& a, Bytes& b) {}
  static void hold(Bytes& a) {}
  // What is read at p is read after a was computed, where that spares registers.
  template <class V> static void after(const uint8_t*& p, V& a) {}
  static Bytes bytes_load(const void* p) { Bytes r; std::memcpy(r.lane, p, 64); return r; }
  static void bytes_store(void* p, Bytes a) { std::memcpy(p, a.lane, 64); }
  // The same four bytes in each of the 16 groups of four.
  static Bytes bytes_broadcast4(const int8_t* p) { LOWBIT_EACH(Bytes, 64, static_cast<uint8_t>(p[i % 4])); }
  // (byte >> shift) & (2^width - 1) << up, for plane unpacking: shift, width and up are compile-time constants.
  template <int Shift, int Width, int Up> static Bytes field(Bytes a) {
    LOWBIT_EACH(Bytes, 64, static_cast<uint8_t>(((a.lane[i] >> Shift) & ((1 << Width) - 1)) << Up));
  }
  // Digit Place of five in a byte (trits.h), of what trits_of() gave; the last one after that before it.
  using Trits = Bytes;
  static Trits trits_of(Bytes a) { return a; }
  template <int Place> static Bytes digit(Trits& a) { LOWBIT_EACH(Bytes, 64, trit(a.lane[i], Place)); }
  static Bytes bytes_or(Bytes a, Bytes b) { LOWBIT_EACH(Bytes, 64, a.lane[i] | b.lane[i]); }
  // table[byte] of a table of 16, 32 or 64 entries, byte less than that.
  static Bytes lookup16(const uint8_t* table, Bytes a) { LOWBIT_EACH(Bytes, 64, table[a.lane[i]]); }
  static Bytes lookup32(const uint8_t* table, Bytes a) { return lookup16(table, a); }
  static Bytes lookup64(const uint8_t* table, Bytes a) { LOWBIT_EACH(Bytes, 64, table[a.lane[i]]); }
  static Bytes bytes_xor(Bytes a, uint8_t x) { LOWBIT_EACH(Bytes, 64, static_cast<uint8_t>(a.lane[i] ^ x)); }
  static Bytes bytes_zero() { LOWBIT_EACH(Bytes, 64, 0); }
  static Bytes bytes_and_not(Bytes a, Bytes b) { LOWBIT_EACH(Bytes, 64, static_cast<uint8_t>(a.lane[i] & ~b.lane[i])); }
  // Bits 2j of a and of b: at 2j those of a, at 2j + 1 those of b. The same of their bits 2j + 1.
  static Bytes even_bits(Bytes a, Bytes b) {
    LOWBIT_EACH(Bytes, 64, static_cast<uint8_t>((a.lane[i] & 0x55) | (b.lane[i] & 0x55) << 1));
  }
  static Bytes odd_bits(Bytes a, Bytes b) {
    LOWBIT_EACH(Bytes, 64, static_cast<uint8_t>((a.lane[i] >> 1 & 0x55) | (b.lane[i] & 0xaa)));
  }
  // counts + the ones of a & b (Differing: of a ^ b), in each byte or in each group of four; at most 16 times from
  // zero. sum + factor * the counts of each group.
  template <bool Differing> static Bytes count_bits(Bytes counts, Bytes a, Bytes b) {
    LOWBIT_EACH(Bytes, 64, static_cast<uint8_t>(
        counts.lane[i] + ones(Differing ? a.lane[i] ^ b.lane[i] : a.lane[i] & b.lane[i])));
  }
  static Int add_counts(Int sum, Bytes counts, int8_t factor) {
    for (int i = 0; i < 64; ++i) sum.lane[i / 4] += counts.lane[i] * factor;
    return sum;
  }
  // 32 bytes, the first from place order[0] on; bit `Bit` of each, the first lowest.
  struct Columns {
    uint8_t lane[32];
  };
  static Columns load_columns(const int8_t* p, const uint8_t* order) {
    LOWBIT_EACH(Columns, 32, static_cast<uint8_t>(p[order[i]]));
  }
  template <int Bit> static uint32_t bits_of(Columns a) {
    uint32_t word = 0;
    for (int i = 0; i < 32; ++i) word |= static_cast<uint32_t>(a.lane[i] >> Bit & 1) << i;
    return word;
  }
  static int ones(int x) {
    x -= x >> 1 & 0x55;
    x = (x & 0x33) + (x >> 2 & 0x33);
    return (x + (x >> 4)) & 15;
  }
  // Byte Column of each group of four, as integers 0 to 255.
  template <int Column> static Int column(Bytes a) { LOWBIT_EACH(Int, 16, a.lane[4 * i + Column]); }
  // The same as floats, 32768 added.
  template <int Column> static Float biased(Bytes a) {
    LOWBIT_EACH(Float, 16, static_cast<float>(32768 + a.lane[4 * i + Column]));
  }

  // acc + sum over each group of four of w (u8, at most kDotMax) * a (s8 in [-127, 127]); exact.
  static Int dot(Int acc, Bytes w, Bytes a) {
    for (int i = 0; i < 16; ++i) {
      int32_t sum = 0;
      for (int c = 0; c < 4; ++c) sum += w.lane[4 * i + c] * static_cast<int8_t>(a.lane[4 * i + c]);
      acc.lane[i] += sum;
    }
    return acc;
  }
  // The same with w taken as code - 128 (the argument still holds the u8 code).
  static Int dot_signed(Int acc, Bytes w, Bytes a) {
    for (int i = 0; i < 16; ++i) {
      int32_t sum = 0;
      for (int c = 0; c < 4; ++c) sum += (w.lane[4 * i + c] - 128) * static_cast<int8_t>(a.lane[4 * i + c]);
      acc.lane[i] += sum;
    }
    return acc;
  }
#undef LOWBIT_EACH
  // clang-format on
};

}  // namespace lowbit::simd::portable
