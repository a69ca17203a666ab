// Arrays in blocks that share a scale: OCP MX, NVFP4 and their kin, as a plain conversion of an array.
//
// Blocks run along the last axis; the last block of a row may be short. The format has one level of scales in groups or
// rows, and perhaps one over the tensor (NVFP4: the inner scales are multiples of it). No zero points, no minima: what
// needs a search belongs to the quantization methods.
//
// Of a block, a = the largest finite magnitude. The scale s is chosen by the rule; each element is x / s, in double (which
// changes no result of a deterministic rounding), under the policy of the elements. A block that holds a NaN: the scale is NaN where its format
// has one (OCP MX 1.0, section 6.3), else the NaN alone goes by the policy. Infinities do not count in a (P3109, blocks)
// and go by the policy. All zeros (or infinities): the least scale, e8m0's 2^-127 or 0. A scale beyond its format's
// range stays at the end of it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/array.h"

namespace lowbit::formats {

// Rules for scales that are powers of two (e8m0), m the largest value of the element, e = floor(log2 m):
enum class ScaleRule : uint8_t {
  automatic,      // threshold for powers of two, amax for others
  floor,          // 2^(floor(log2 a) - e): OCP MX 1.0; clips up to 2^(e+1) / m
  ceil,           // 2^(ceil(log2 a) - e): never clips, wastes a bit
  even,           // a is rounded to the element's mantissa first, then floor (torchao, compressed-tensors)
  round_up,       // the least power of two with a <= m s: cuBLAS
  threshold,      // the least one with a <= t s; t by default m and 5/8 of the element's last step (e2m1: 7.25)
  four_thirds,    // 4/3 of floor's, never clips 6 (Tseng et al. 2025); the factor is part of the scale, which is then
                  // no power of two: for scales that are floats
  amax,           // a / (m * outer scale, a float), rounded to the scale's format
  four_over_six,  // of a / 6 and a / 4 that with the lesser squared error, 6 on a tie (Cook et al. 2025): e2m1 only
  mean_square,    // of a / m times 0.5, 0.52, ... 1.2 (powers of two: floor's, half and twice it) the one with the
                  // least squared error, the largest of equals
};

struct BlockOptions {
  ScaleRule rule = ScaleRule::automatic;
  double threshold = 0;  // of the rule of that name; 0: its default
  ArrayOptions array;    // policy of the elements, seed, instruction set, threads
};

// "floor", "four-over-six", ...
Result<ScaleRule> parse_scale_rule(std::string_view name);
std::string_view print_scale_rule(ScaleRule rule);
std::span<const std::string_view> scale_rule_names();

// An array of rows * cols numbers in a block format.
struct Blocks {
  int64_t rows = 0, cols = 0, group = 0;  // group: numbers of a block (cols where the format says row)
  std::vector<uint8_t> codes;             // rows * cols
  std::vector<uint32_t> scales;           // rows * ceil(cols / group) codes of the scale's format
  float tensor_scale = 1;                 // the value of the outermost scale
};

// The error says why a format is none of these, or a rule not for it.
Status check_block_format(const Format& format, const BlockOptions& options);

// Elements of at most 8 bits. CHECKs check_block_format and the size of the array.
Blocks encode_blocks(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options);
// float(code) * scale, one rounding to float each; the scale is the product of both levels, rounded to float.
void decode_blocks(const Format& format, const Blocks& blocks, std::span<float> out, const ArrayOptions& options = {});
// Both. in and out may be the same.
void cast_blocks(const Format& format, std::span<const float> values, int64_t cols, std::span<float> out,
                 const BlockOptions& options);

// The scale of a block by a rule, for one block of finite numbers: the slow definition that the fast paths equal.
// outer: what the scale is multiplied by. Gives the code in the scale's format.
uint32_t choose_scale(const Format& format, std::span<const float> block, float outer, const BlockOptions& options);

}  // namespace lowbit::formats
