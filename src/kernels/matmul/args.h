// Arguments of the matrix product's inner stages: plain values only, so that ISA files may include them.
#pragma once

#include <cstdint>

namespace lowbit::kernels {

// How a code of at most 8 bits becomes the u8 that dot products take: integer(code) - least.
enum class CodeMap : uint8_t { exclusive_or, lookup16, lookup64, lookup256 };

// Unpacks the codes of one row block: `steps` steps of 8 units (tensor/packed.h) into u8[steps * 8][64].
struct UnpackArgs {
  const uint8_t* packed;
  int64_t steps;
  int bits;
  CodeMap map;
  uint8_t flip;          // exclusive_or: the pattern
  const uint8_t* table;  // lookups: 16, 64 or 256 entries
  uint8_t* panel;
};

// Values of one row block as fp32 [cols][16]: fma(value, scale, minimum), value * scale, or (code - zero) * scale.
struct DecodeArgs {
  const uint8_t* panel;   // raw codes from UnpackArgs with exclusive_or and flip 0
  int64_t cols, group;    // columns per scale
  const float* table;     // 256 values
  bool small_table;       // codes are below 16
  const float* scales;    // [groups][16]; null: 1
  const float* minimums;  // [groups][16] or null
  const float* zeros;     // [groups][16] zero points as floats, or null
  float* values;
};

// A stretch of units in which neither scale changes.
struct DotStretch {
  int32_t begin_unit, end_unit;
  int32_t weight_group, activation_group;
};

// Integer products of one row block with `tokens` rows of activations. For each output and stretch, ascending:
//   sum = sum(u8 * s8) + offset[weight group] * sum(s8)             exact
//   acc = fma(float(sum), float(weight scale * activation scale), acc)
//   acc = fma(float(sum(s8)), float(minimum * activation scale), acc)   where there are minima
struct DotArgs {
  const uint8_t* panel;
  bool signed_codes;  // the panel's largest code is beyond the ISA's dot(): use code - 128 (offsets account for it)
  const DotStretch* stretches;
  int64_t stretch_count;
  const float* scales;     // [weight groups][16]
  const int32_t* offsets;  // [weight groups][16]; null: all 0
  const float* minimums;   // [weight groups][16] or null
  int64_t tokens;
  const int8_t* codes;
  int64_t code_stride;
  const float* activation_scales;
  int64_t scale_stride;
  const int32_t* sums;  // [tokens][stretch_count]: sum(s8) of each stretch
  float* out;           // [tokens][out_stride], 16 written
  int64_t out_stride;
  int64_t plane = 0;  // 0: a code of an activation is one byte; else 128 * (the byte `plane` behind) + byte
};

}  // namespace lowbit::kernels
