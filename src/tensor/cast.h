// Array casts of activations: values rounded to a format as they come, scales from the greatest magnitude.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "formats/format.h"

namespace lowbit::tensor {

// Whether values can be cast to this format on the fly: a plain element, or one level of symmetric scales in groups
// along the row (minima, zero points, and scales of scales need a search: see quant), with values of both signs. The
// error says why not.
Status check_castable(const formats::Format& format);

// A scale as its format stores it: nearest even, but e8m0 up to the next power of two, so that nothing saturates.
float stored_scale(const formats::ElementFormat& stored, float ideal);

// out[i] = the value of x[i] in the format, nearest even, saturating. Scale of a group: stored_scale of
// amax / largest value; a group whose amax is
// below 2^-100 becomes zero. x and out may be the same.
void cast_row(const formats::Format& format, int64_t cols, const float* x, float* out);

// The codes of an element of at most 8 bits, and the scales, that cast_row computes with: out[i] of cast_row is
// decode(codes[i]), or float(decode(codes[i])) * scales[i / group] where the format has a scale.
void encode_row(const formats::Format& format, int64_t cols, const float* x, uint8_t* codes, float* scales);

}  // namespace lowbit::tensor
