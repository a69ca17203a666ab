// The matrix product of activations with a packed weight: the numeric contract of the house, in one place.
//
// out[t][r] for token t and row r of the weight, by one of two arithmetics:
// integer   both sides are small integers (formats::integer_form; activations intN/G with a symmetric scale).
//           A group is a stretch of columns in which neither scale changes. Groups ascending:
//             sum = exact integer sum of (code - zero point) * activation code
//             acc = fma(float(sum), float(weight scale * activation scale), acc)
//             acc = fma(float(sum of activation codes), float(minimum * activation scale), acc)   with a minimum
//           The weight scale includes the power of two of the element's integer form.
// floating  anything else: both sides decoded to fp32 (formats/format.h), acc = fma(weight, activation, acc),
//           columns ascending from acc = +0.
// Bit-equal on every ISA, for any number of threads and any grouping of tokens (numeric class: consistent).
#pragma once

#include <vector>

#include "base/cpu.h"
#include "base/threads.h"
#include "formats/format.h"
#include "tensor/weight.h"

namespace lowbit::kernels {

enum class Arithmetic { integer, floating };

// What the contract prescribes for this pair of formats.
Arithmetic arithmetic_of(const formats::Format& weight, const formats::Format& activation);

// True where an activation format gives integer codes: intN with one level of scales.
bool is_integer_activation(const formats::Format& activation);

// Activations of some tokens after their cast to a format. values are always there (decoded: code * scale); codes
// and scales only for integer formats.
struct Activations {
  formats::Format format;
  int64_t tokens = 0, cols = 0;
  const float* values = nullptr;  // [tokens][cols]; may be null where every consumer is integer
  const int8_t* codes = nullptr;  // [tokens][code_stride], zero beyond cols
  int64_t code_stride = 0;        // a multiple of 32
  const float* scales = nullptr;  // [tokens][groups]
  int64_t group = 0;              // columns of a group

  int64_t groups() const { return group == 0 ? 0 : (cols + group - 1) / group; }
};

// out[token][out_stride]; all rows of the weight in natural order.
void matmul(Isa isa, const tensor::Weight& weight, const Activations& x, ThreadPool& pool, float* out,
            int64_t out_stride);

// The definition above in plain scalar code, one output at a time.
void matmul_oracle(const tensor::Weight& weight, const Activations& x, float* out, int64_t out_stride);

}  // namespace lowbit::kernels
