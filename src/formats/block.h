// Arrays in blocks that share a scale: OCP MX, NVFP4, shared micro-exponents, double quantization and their kin, as a
// plain conversion of an array.
//
// Blocks run along the last axis (cast_blocks_along: along any); the last one of a row may be short. The format has
// any number of levels of scales: groups, blocks of several rows (128x128), rows, the tensor. No zero points, no
// minima: what needs a search belongs to the quantization methods.
//
// Scales are chosen from the outside in. At a level, a = the largest finite magnitude of the block, o = the product
// of the scales of the levels outside (1 for the outermost; from the inside out, each product rounded to float), and
// m = the largest value of the element times the largest scales of all levels inside, so that these can reach what
// the block holds. The scale is chosen by the rule as a ratio to o and rounded to its format; beyond the range of
// that it stays at the end, an outer scale of 0 becomes 1. Outer levels know the rules for powers of two (else
// `threshold`) where their format holds nothing else, and amax where it does; rules that try several scales try the
// innermost. Each element is x / s, s the product of its scales, in double (which changes no result of a
// deterministic rounding), under the policy of the elements.
//
// Of a block that holds a NaN the scale of the innermost level whose format has a NaN becomes that (OCP MX 1.0,
// section 6.3; the scale of the tensor never does), else the NaN alone goes by the policy. Infinities do not count in
// a (P3109, blocks) and go by the policy. All zeros (or infinities): the least scale, e8m0's 2^-127 or 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/array.h"

namespace lowbit::formats {

// Rules for scales that are powers of two (e8m0), a and m as above, e = floor(log2 m):
enum class ScaleRule : uint8_t {
  automatic,      // threshold for powers of two, amax for others
  floor,          // 2^(floor(log2 a) - e): OCP MX 1.0; clips up to 2^(e+1) / m
  ceil,           // 2^(ceil(log2 a) - e): never clips, wastes a bit
  even,           // a is rounded to the element's mantissa first, then floor (torchao, compressed-tensors)
  round_up,       // the least power of two with a <= m s: cuBLAS
  threshold,      // the least one with a <= t s; t by default m and 5/8 of the element's last step (e2m1: 7.25), at
                  // outer levels times the largest scales inside
  four_thirds,    // 4/3 of floor's, never clips 6 (Tseng et al. 2025); the factor is part of the scale, which is then
                  // no power of two: for scales that are floats
  amax,           // a / (m * o), rounded to the scale's format; the divisor of the innermost a float
  four_over_six,  // of a / 6 and a / 4 that with the lesser squared error, 6 on a tie (Cook et al. 2025): e2m1 only
  mean_square,    // of a / m times 0.5, 0.52, ... 1.2 (powers of two: floor's, half and twice it) the one with the
                  // least squared error, the largest of equals
};

struct BlockOptions {
  ScaleRule rule = ScaleRule::automatic;
  double threshold = 0;  // of the rule of that name; 0: its default
  ArrayOptions array;    // policy of the elements, seed, instruction set, threads
  // Rows of a matrix, where an array holds several: blocks of several rows begin anew with each. 0: one matrix.
  int64_t rows = 0;
};

// "floor", "four-over-six", ...
Result<ScaleRule> parse_scale_rule(std::string_view name);
std::string_view print_scale_rule(ScaleRule rule);
std::span<const std::string_view> scale_rule_names();

// An array of rows * cols numbers in a block format.
struct Blocks {
  int64_t rows = 0, cols = 0, group = 0;  // group: columns of an innermost block (cols where the format says row)
  std::vector<uint8_t> codes;             // rows * cols
  // Codes of the innermost scales: ceil(cols / group) for each row, or for each row of blocks.
  std::vector<uint32_t> scales;
  // One or two levels, the second the tensor's with a float: the value of that. Else 1, and
  float tensor_scale = 1;
  std::vector<std::vector<uint32_t>> outer;  // codes of the levels outside, from the inside out, each as `scales`
  int64_t matrix_rows = 0;                   // rows of a matrix, where scales are shared by several
};

// The error says why a format is none of these, or a rule not for it.
Status check_block_format(const Format& format, const BlockOptions& options);

// Elements of at most 8 bits. CHECKs check_block_format and the size of the array.
Blocks encode_blocks(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options);
// The same into an object that may be one of an earlier call: where the sizes are those, nothing is allocated.
void encode_blocks(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options,
                   Blocks& out);
// float(code) * scale, one rounding to float; the scale is the product of all levels (format.h).
void decode_blocks(const Format& format, const Blocks& blocks, std::span<float> out,
                   const ArrayOptions& options = {});
// Both. in and out may be the same.
void cast_blocks(const Format& format, std::span<const float> values, int64_t cols, std::span<float> out,
                 const BlockOptions& options);

// The same along axis `axis` of an array of this shape (negative: from the end; CHECKed): as though that axis were
// moved to the end, the array cast, and the axis moved back. Each matrix of the last two axes then is one for blocks
// of several rows; options.rows is not used. in and out may be the same.
void cast_blocks_along(const Format& format, std::span<const float> values, std::span<const int64_t> shape, int axis,
                       std::span<float> out, const BlockOptions& options);

// The scale of a block of finite numbers at a level of the format by a rule: the slow definition that the fast paths
// equal. outer: what the scale is multiplied by. Gives the code in the scale's format; that of 0 at an outer level
// too.
uint32_t choose_scale(const Format& format, std::span<const float> block, float outer, const BlockOptions& options,
                      size_t level = 0);

}  // namespace lowbit::formats
