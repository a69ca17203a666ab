#include "eval/format_error.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "arith/functions.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/rng.h"
#include "eval/block_cast.h"
#include "formats/array.h"
#include "formats/codebook.h"

namespace lowbit::eval {
namespace {

using formats::ElementFormat;

constexpr double kLn2 = 0.69314718055994531;
constexpr double kTwoPi = 6.2831853071795865;
constexpr int kMostBinades = 24;  // that the search for a scale goes down
constexpr int kStepsPerBinade = 8;

double ln(double x) { return kLn2 * arith::log2(x); }

// Box and Muller.
double gaussian(double u, double v) { return std::sqrt(-2.0 * ln(u)) * arith::cos(kTwoPi * v); }
// Mean absolute value 1/sqrt(2).
double laplace(double u, double v) { return (v < 0.5 ? ln(u) : -ln(u)) * 0.70710678118654752; }
// Bailey 1994 (Math. Comp. 62, 779-781), divided by the deviation sqrt(5/3).
double student(double u, double v) {
  return std::sqrt(5.0 * (arith::exp2(-0.4 * arith::log2(u)) - 1.0)) * arith::cos(kTwoPi * v) * 0.77459666924148338;
}

constexpr Distribution kDistributions[] = {{"gaussian", "the normal distribution", gaussian},
                                           {"laplace", "two-sided exponential", laplace},
                                           {"student", "Student's t with 5 degrees of freedom", student}};

double uniform(uint32_t high, uint32_t low) {
  const uint64_t bits = (uint64_t{high} << 32 | low) >> 12;
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;  // never 0 nor 1
}

// Sum of squares in one order: in parts that no number of threads changes.
double sum_of_squares(std::span<const float> values) {
  double sum = 0.0;
  for (const float x : values) sum += static_cast<double>(x) * static_cast<double>(x);
  return sum;
}

std::vector<float> finite_values(std::span<const float> values) {
  std::vector<float> out(values.begin(), values.end());
  for (float& x : out) x = std::isfinite(x) ? x : 0.0f;
  return out;
}

// Blocks of the rows as stretches of one array.
struct Blocks {
  std::vector<int64_t> begins;  // and the end
  std::vector<double> amax;     // of each
};

Blocks blocks_of(const Samples& samples, std::span<const float> values, int64_t block) {
  Blocks out;
  for (int64_t r = 0; r < samples.rows; ++r) {
    for (int64_t c = 0; c < samples.cols; c += block) out.begins.push_back(r * samples.cols + c);
  }
  out.begins.push_back(samples.rows * samples.cols);
  for (size_t b = 0; b + 1 < out.begins.size(); ++b) {
    float amax = 0.0f;
    for (int64_t i = out.begins[b]; i < out.begins[b + 1]; ++i)
      amax = std::max(amax, std::fabs(values[static_cast<size_t>(i)]));
    out.amax.push_back(static_cast<double>(amax));
  }
  return out;
}

// Squared error of each block where its largest magnitude is put on `top`, kept where it is lower than before.
void try_top(const ElementFormat& element, std::span<const float> values, const Blocks& blocks, double top,
             ThreadPool* pool, std::vector<double>& least) {
  std::vector<float> cast(values.size());
  const auto each_block = [&](const auto& body) {
    for (size_t b = 0; b < blocks.amax.size(); ++b) {
      for (auto i = static_cast<size_t>(blocks.begins[b]); i < static_cast<size_t>(blocks.begins[b + 1]); ++i)
        body(b, i);
    }
  };
  each_block([&](size_t b, size_t i) {
    const double factor = blocks.amax[b] > 0.0 ? top / blocks.amax[b] : 0.0;
    cast[i] = static_cast<float>(static_cast<double>(values[i]) * factor);
  });
  formats::ArrayOptions options;
  options.pool = pool;
  formats::cast_array(element, cast, cast, options);
  std::vector<double> errors(blocks.amax.size(), 0.0);
  each_block([&](size_t b, size_t i) {
    const double error = static_cast<double>(cast[i]) * (blocks.amax[b] / top) - static_cast<double>(values[i]);
    errors[b] += error * error;
  });
  for (size_t b = 0; b < errors.size(); ++b) least[b] = std::min(least[b], errors[b]);
}

double scaled_error(const ElementFormat& element, const Samples& samples, const ErrorOptions& options) {
  const std::span<const float> values = samples.values;
  const Blocks blocks = blocks_of(samples, values, options.block);
  std::vector<double> least(blocks.amax.size(), std::numeric_limits<double>::infinity());
  const auto largest = static_cast<double>(element.max_value());
  const double amax_top = largest > 65504.0 ? 1.0 : largest;
  try_top(element, values, blocks, amax_top, options.pool, least);
  if (options.scaling == Scaling::mse) {
    // One binade beyond the largest value too: to clip a few may be worth it.
    double top = std::min(largest, 65504.0) * 2.0;
    for (int k = 0; k < kMostBinades * kStepsPerBinade; ++k, top *= arith::exp2(-1.0 / kStepsPerBinade)) {
      try_top(element, values, blocks, top, options.pool, least);
    }
  }
  double sum = 0.0;
  for (const double error : least) sum += error;
  return sum;
}

double squared_error(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double error = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += error * error;
  }
  return sum;
}

// The values of the numbers as they are, or under the scales of a block format.
Result<std::vector<float>> unscaled(const formats::Format& format, const Samples& samples,
                                    const ErrorOptions& options) {
  if (format.is_plain()) {
    std::vector<float> got(samples.values.size());
    formats::ArrayOptions array;
    array.pool = options.pool;
    formats::cast_array(format.element, samples.values, got, array);
    return got;
  }
  const bool search = options.scaling == Scaling::mse;
  if (!search && check_rule(format, {}).ok()) return cast_rows(format, samples, ByRule{}, options.pool);
  const ByQuantizer way{search ? quant::ScaleSearch::error : quant::ScaleSearch::amax};
  return cast_rows(format, samples, way, options.pool);
}

}  // namespace

std::span<const Distribution> distributions() { return kDistributions; }

std::vector<float> draw(const Distribution& distribution, int64_t count, uint64_t seed) {
  std::vector<float> out;
  out.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto words = philox(seed, 0, static_cast<uint64_t>(i));
    out.push_back(static_cast<float>(distribution.draw(uniform(words[0], words[1]), uniform(words[2], words[3]))));
  }
  return out;
}

Result<double> relative_error(const formats::Format& format, const Samples& samples, const ErrorOptions& options) {
  LOWBIT_CHECK(options.pool != nullptr && options.block > 0 &&
               std::ssize(samples.values) == samples.rows * samples.cols);
  const std::vector<float> values = finite_values(samples.values);
  const Samples finite{values, samples.rows, samples.cols, samples.matrix_rows};
  const double signal = sum_of_squares(values);
  double error = 0.0;
  if (format.is_plain() && options.scaling != Scaling::none) {
    error = scaled_error(format.element, finite, options);
  } else {
    LOWBIT_ASSIGN(const std::vector<float> got, unscaled(format, finite, options));
    error = squared_error(values, got);
  }
  if (signal == 0.0) return error == 0.0 ? 0.0 : std::numeric_limits<double>::infinity();
  return error / signal;
}

double sqnr_db(double relative_error) {
  if (!(relative_error > 0.0)) return std::numeric_limits<double>::infinity();
  if (std::isinf(relative_error)) return -relative_error;
  return -3.0102999566398120 * arith::log2(relative_error);
}

double true_bits(const formats::Format& format, int64_t rows, int64_t cols) {
  double bits = formats::stored_bits(format.element);
  const auto elements = static_cast<double>(rows * cols);
  for (const formats::ScaleLevel& level : format.levels) {
    const int entry =
        level.scale.bits + (level.minimum ? level.minimum->bits : 0) + (level.zero_point ? format.element.bits : 0);
    auto entries = static_cast<double>(ceil_div(rows, level.rows));
    if (level.group > 0) entries *= static_cast<double>(ceil_div(cols, level.group));
    if (level.group == formats::kGroupTensor) entries = 1.0;
    bits += entry * entries / elements;
  }
  return bits;
}

SampleFacts facts_of(const Samples& samples, int64_t block) {
  SampleFacts facts;
  facts.elements = std::ssize(samples.values);
  for (const float x : samples.values) {
    facts.not_finite += std::isfinite(x) ? 0 : 1;
    facts.zeros += x == 0.0f ? 1 : 0;
  }
  const std::vector<float> values = finite_values(samples.values);
  const Blocks blocks = blocks_of(samples, values, block);
  int64_t counted = 0;
  for (size_t b = 0; b < blocks.amax.size(); ++b) {
    facts.amax = std::max(facts.amax, blocks.amax[b]);
    if (blocks.amax[b] == 0.0) continue;
    const auto begin = static_cast<size_t>(blocks.begins[b]), end = static_cast<size_t>(blocks.begins[b + 1]);
    const double squares = sum_of_squares(std::span(values).subspan(begin, end - begin));
    facts.block_crest += blocks.amax[b] / std::sqrt(squares / static_cast<double>(end - begin));
    ++counted;
  }
  if (counted == 0) return facts;
  facts.block_crest /= static_cast<double>(counted);
  facts.rms = std::sqrt(sum_of_squares(values) / static_cast<double>(facts.elements));
  facts.crest = facts.amax / facts.rms;
  return facts;
}

}  // namespace lowbit::eval
