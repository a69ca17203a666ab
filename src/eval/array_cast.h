// An array of a file into a format and back to numbers, and what that changed.
#pragma once

#include <cstdint>

#include "base/progress.h"
#include "base/result.h"
#include "base/threads.h"
#include "formats/block.h"
#include "formats/format.h"
#include "io/npy.h"

namespace lowbit::eval {

struct CastOptions {
  formats::Format format;
  formats::CastPolicy policy;
  uint64_t seed = 0;                                        // of stochastic roundings
  formats::ScaleRule rule = formats::ScaleRule::automatic;  // of block formats
  ThreadPool* pool = nullptr;
  int64_t axis = -1;  // along which the blocks of a block format run; negative: from the end
};

// Sums are made in one order, whatever the number of threads.
struct CastStatistics {
  int64_t elements = 0;
  int64_t nan = 0;           // NaN in the array
  int64_t nan_replaced = 0;  // of these, became a number, as the format has no NaN
  int64_t nan_made = 0;      // numbers that became NaN
  // Numbers outside the finite range of the format, but infinities that stay infinite; for a block format, whose
  // range follows its numbers, those that no scale is made for: infinities and magnitudes beyond 2^100.
  int64_t overflow = 0;
  // Over the elements that are finite before and after: mean of the squared error, and its greatest magnitude.
  double mse = 0.0, max_error = 0.0;
};

// Can arrays be cast so? The error says what the format, the policy or the rule lacks.
Status check_cast(const CastOptions& options);

// Whether the values are written as float32; else as float64, as some of them are no floats.
bool casts_to_float(const formats::Format& format);
// The type of codes that has room for those of an element.
io::NpyType code_type(const formats::ElementFormat& element);

// Casts an array of floating point. A plain element: piece by piece in the order of the file, each number rounded
// once, from the type that it has; random bits go by the place in the file. A block format: along the axis, the last
// block of a row may be short, blocks of several rows lie in the last two axes once that axis is moved to the end
// (and random bits go by the place there); each number becomes a float32 first and the whole array is held in memory
// twice. Scales go by the rule (formats/block.h); a format that has no such rules (minima, zero points) is rounded as
// method rtn does it, to nearest even. values: of the type that casts_to_float() tells; codes: of code_type(), or
// null (block formats have none); both with the shape and order of the array.
Result<CastStatistics> cast_array(const io::NpyView& array, const CastOptions& options, io::NpyWriter& values,
                                  io::NpyWriter* codes, const ProgressFn& progress = {});

}  // namespace lowbit::eval
