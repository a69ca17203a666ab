// What a format makes of numbers: relative squared error on arrays, and on draws of distributions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "eval/array_values.h"
#include "formats/format.h"

namespace lowbit::eval {

// Distributions of mean 0 and variance 1, as weights and activations resemble them. A row of the list in
// format_error.cc.
struct Distribution {
  std::string_view name;
  std::string_view meaning;
  double (*draw)(double u, double v);  // of two uniform numbers, 0 < u < 1
};
std::span<const Distribution> distributions();

// Number i depends on the seed, the distribution and i alone: the same bits on every machine.
std::vector<float> draw(const Distribution& distribution, int64_t count, uint64_t seed);

// How a plain element is fitted to the numbers, one real-valued scale for each block. amax: the largest magnitude
// becomes the largest value of the element (1, where that is beyond 65504). mse: the scale with the least squared
// error among eight for each factor of two. none: as they are. A block format has scales of its own; there mse means
// its own search, none is the same as amax.
enum class Scaling : uint8_t { none, amax, mse };

struct ErrorOptions {
  Scaling scaling = Scaling::amax;
  int64_t block = 32;  // numbers of a row that share a scale of a plain element; the last block of a row may be short
  ThreadPool* pool = nullptr;
};

// |x - q|^2 / |x|^2 of nearest even, saturating; NaN and infinities of the samples count as 0. Of nothing but
// zeros: 0 where they stay so, else infinite.
Result<double> relative_error(const formats::Format& format, const Samples& samples, const ErrorOptions& options);

// The same in decibels, -10 log10(relative error): the signal to quantization noise ratio. Infinite for 0.
double sqnr_db(double relative_error);

// Bits of an element with its share of all scales, those of rows and of the whole tensor too.
double true_bits(const formats::Format& format, int64_t rows, int64_t cols);

// The numbers themselves. crest: largest magnitude / root mean square; block_crest: the mean of that over blocks.
struct SampleFacts {
  int64_t elements = 0, zeros = 0, not_finite = 0;
  double amax = 0.0, rms = 0.0, crest = 0.0, block_crest = 0.0;
};
SampleFacts facts_of(const Samples& samples, int64_t block);

}  // namespace lowbit::eval
