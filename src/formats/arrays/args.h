// What the array kernels of every instruction set take. Plain data: these files are compiled with ISA flags.
#pragma once

#include <cstdint>

namespace lowbit::formats {

// What becomes of the numbers that are not simply rounded, by sign: codes for encoding, values for casting.
struct Specials {
  uint32_t zero[2], beyond[2], infinite[2], nan;
  float zero_value[2], beyond_value[2], infinite_value[2], nan_value;
};

// Stochastic rounding.
struct Chance {
  char letter;          // a, b, c or e (equal), 0 for none
  int32_t random_bits;  // used
  uint64_t seed;
};

// Any rounding, onto the numbers of a float with a zero whose values are floats (bias at most 127), or of fixed
// point.
struct StepCast {
  int32_t mantissa_bits;  // fixed: 0
  int32_t least_field;    // exponent field, in f32, of the least normal number; fixed: of the quantum
  bool fixed;             // one step for all numbers, codes in two's complement
  uint32_t most[2];       // largest finite magnitude as a code, of positive and of negative numbers
  uint32_t sign_code;     // what a negative number adds to its magnitude code (a float)
  // A float: its least normal number has this code, which is so much less than that of one with subnormal numbers.
  uint32_t first_code, code_offset;
  bool gap;     // no subnormal numbers: nothing lies between zero and
  float first;  // the least normal one
  uint32_t code_mask;
  float limit;    // magnitudes are cut to this first: beyond the range, and few enough bits for the steps
  float quantum;  // value of magnitude code 1
  bool has_sign;  // else a negative number that does not round to zero is beyond the range
  // Deterministic: is a magnitude below (0), on (1), above (2) the middle of two neighbours rounded away from zero?
  // Bit 6 (negative) + 3 (last bit of the lower neighbour's code) + that.
  uint32_t rules;
  bool jam;
  Chance chance;
  bool wraps;           // fixed, modulo 2^bits; has_sign is true
  bool is_signed;       // of codes that wrap
  bool same_exponents;  // a float with the exponents of f32: its codes are the upper bits of f32's
  bool plain_zero;      // codes of 0 are zeros of the sign of the input
  bool plain_infinity;  // infinities become what lies beyond the range
  Specials specials;
};

// nearest_even onto integers and fixed point, clamped.
struct FixedCast {
  float scale, low, high;  // x * scale lies within low and high
  float quantum;           // 1 / scale
  uint32_t code_mask;
};

// nearest_even onto a float with gradual subnormals, a sign, a mantissa, and f32 exponents to spare above.
struct MagicCast {
  uint32_t least_exponent;  // bits of the least normal number, a power of two
  uint32_t gap;             // (23 - mantissa bits) << 23
  bool same_exponents;      // the exponents of f32: the upper bits are rounded as integers, there is no room above
  float most;               // the largest finite value
  float beyond_from;        // the least magnitude that rounds to more
  bool plain;               // what is beyond, infinities too, becomes the largest finite value
  bool signed_zero;         // there is a -0
  int32_t drop;             // 23 - mantissa bits
  uint32_t code_offset;     // minus the exponent field of f32 of the least normal number, in codes, modulo 2^16
  int32_t sign_shift;       // 31 - (bits of the element - 1)
  uint32_t sign_code;       // the sign bit of the code
  Specials specials;
};

// Stochastic rounding by a carry (a of at most 32 random bits, b of fewer than 32) onto a float with gradual
// subnormals and a sign.
struct CarryCast {
  int32_t unused;         // bits at the top of a random word
  uint32_t half;          // b: half of the last random bit, from the top
  int32_t drop;           // 23 - mantissa bits, at least 1
  int32_t spare;          // 32 - drop
  uint32_t kept;          // the bits of f32 that are not dropped
  uint32_t least_normal;  // bits of f32
  uint32_t code_offset;   // the code of the least normal number, were there none below it, less its own
  float inverse_quantum;  // both powers of two, and normal
  float quantum;
  bool same_exponents;            // the exponents of f32: subnormals are no matter of their own
  bool plain, signed_zero;        // of MagicCast
  uint32_t most, most_code;       // the largest finite magnitude: its bits, its code
  float most_value, least_value;  // that, and the least normal number
  uint32_t least_code;            // of the latter
  int32_t sign_shift;
  uint32_t sign_code;
  uint64_t seed;
  Specials specials;
};

constexpr int kShortResults = 32;

// A function of floats that has few values: it changes where the number, as its key (generic_tables.h), reaches an
// edge. Either bins, of which each holds at most one edge, or a search among all edges.
struct Lookup {
  const int32_t* edges;     // of each bin; or 2^steps - 1 in ascending order
  const uint32_t* results;  // of each bin below and from the edge on; or 2^steps
  int32_t shift;            // a bin is so many lower bits of the key; 0: a search
  int32_t steps;
  // Where there are at most kShortResults results, the same as a search, in kShortResults words each that fit
  // registers: edges filled up with INT32_MAX, results with the last one. Null: there are more, or it is not wanted.
  const int32_t* short_edges;
  const uint32_t* short_results;
  int32_t short_steps;
};

// Any element and rounding without chance.
struct TableCast {
  Lookup codes, values;
};

// Stochastic rounding between neighbours of a list.
struct NeighbourCast {
  Lookup below;          // the entry of the number, or of the one below it
  const double* bounds;  // in ascending order, the last one twice; then NaN, which has no neighbours
  const uint32_t* codes;
  const float* values;
  bool quotient;  // how a distance is compared (generic_chance.h)
  Chance chance;
};

// Posits, bit by bit.
struct PositCast {
  int32_t bits, exponent_bits;
  bool subnormals;  // there are posits below the least normal float
  bool nearest;     // nothing but 0 becomes 0
  bool plain;       // nearest, ties to even
  uint32_t rules;   // of StepCast
  Chance chance;
  uint32_t infinite[2], nan;
};

// The kernels that follow one kind of plan.
template <class Plan>
struct PlanKernels {
  void (*values)(const Plan&, const float* in, float* out, int64_t count, uint64_t first);
  void (*codes8)(const Plan&, const float* in, uint8_t* out, int64_t count, uint64_t first);
  void (*codes16)(const Plan&, const float* in, uint16_t* out, int64_t count, uint64_t first);
};

// The values of codes of at most 8 bits; what has no code is NaN.
struct ByteDecode {
  float values[256];
  uint16_t bf16[257];    // rounded to nearest even; kernels may read entries as pairs
  bool bf16_is_exact;    // the values are those of bf16
  bool sign_is_top_bit;  // codes from 128 on differ from those below by the sign alone, NaN apart
  uint8_t last_number;   // with sign_is_top_bit: codes above it are NaN, which has no sign
  int32_t bits;
};

// Codes of a float of 9 to 16 bits with a sign and gradual subnormals.
struct WordDecode {
  uint32_t magnitude_mask;
  int32_t drop, sign_shift;
  uint32_t offset;        // what the exponent of f32 is greater by, in place
  uint32_t least_normal;  // code
  float quantum;
  bool same_exponents;   // those of f32: subnormals are no matter of their own
  uint32_t infinity;     // magnitude code, or more than any
  uint32_t last_number;  // magnitude codes above it are NaN
  uint32_t nan_zero;     // the code of -0 where that is NaN, or more than any
};

// How the elements of blocks are rounded: one of two plans. Both clamp.
struct BlockRounding {
  bool fixed;
  MagicCast to_float;
  FixedCast to_fixed;
};

// Blocks of `group` numbers, one behind the other.
struct BlockKernels {
  void (*amax)(const float* in, int64_t group, int64_t blocks, uint32_t* bits);
  void (*codes8)(const BlockRounding&, bool power_of_two, const float* in, int64_t group, int64_t blocks,
                 const float* scales, uint8_t* out);
  void (*cast)(const BlockRounding&, bool power_of_two, const float* in, int64_t group, int64_t blocks,
               const float* scales, float* out);
  void (*quotients)(const float* in, float divisor, float* out, int64_t count);
};

// The kernels of one instruction set; `first` is the index of in[0] in its array, a multiple of 64.
struct ArrayKernels {
  PlanKernels<StepCast> steps;
  PlanKernels<MagicCast> magic;
  PlanKernels<FixedCast> fixed;
  PlanKernels<CarryCast> carry;
  PlanKernels<TableCast> table;
  PlanKernels<NeighbourCast> neighbours;
  PlanKernels<PositCast> posits;
  void (*step_doubles)(const StepCast&, const double* in, uint16_t* out, int64_t count, uint64_t first);
  void (*odd_floats)(const double* in, float* out, int64_t count);
  void (*decode8)(const ByteDecode&, const uint8_t* in, float* out, int64_t count);
  void (*decode16)(const float* table, const uint16_t* in, float* out, int64_t count);
  void (*decode_words)(const WordDecode&, const uint16_t* in, float* out, int64_t count);
  void (*decode_bf16)(const ByteDecode&, const uint8_t* in, uint16_t* out, int64_t count);
  // Copies past the caches, which then neither read nor keep the lines of `to`; done when it returns.
  void (*stream)(const void* from, void* to, int64_t bytes);
  BlockKernels blocks;
};

const ArrayKernels& portable_kernels();
const ArrayKernels& avx2_kernels();
const ArrayKernels& avx512_kernels();

}  // namespace lowbit::formats
