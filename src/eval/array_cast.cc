#include "eval/array_cast.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "base/bits.h"
#include "base/check.h"
#include "eval/array_values.h"
#include "eval/block_cast.h"
#include "formats/array.h"
#include "formats/exact.h"

namespace lowbit::eval {
namespace {

constexpr int64_t kPiece = 1 << 20;  // numbers in memory at a time
constexpr int64_t kGrain = 1 << 13;  // numbers of one partial sum; a multiple of 64

// What some numbers became.
struct Sums {
  CastStatistics counts;
  int64_t finite = 0;
  double squares = 0.0;

  void add(const Sums& other) {
    counts.elements += other.counts.elements;
    counts.nan += other.counts.nan;
    counts.nan_replaced += other.counts.nan_replaced;
    counts.nan_made += other.counts.nan_made;
    counts.overflow += other.counts.overflow;
    counts.max_error = std::max(counts.max_error, other.counts.max_error);
    finite += other.finite;
    squares += other.squares;
  }
  CastStatistics result() const {
    CastStatistics out = counts;
    out.mse = finite == 0 ? 0.0 : squares / static_cast<double>(finite);
    return out;
  }
};

struct Range {
  double least = 0.0, most = 0.0;
};

Range range_of(const formats::Format& format) {
  if (!format.is_plain()) {
    const auto most = static_cast<double>(std::numeric_limits<float>::max());
    return {-most, most};
  }
  const formats::ElementFormat& f = format.element;
  return {formats::decode_exact(f, f.min_code()).to_double(), formats::decode_exact(f, f.max_code()).to_double()};
}

template <class In, class Out>
Sums compare(const Range& range, std::span<const In> in, std::span<const Out> out) {
  Sums sums;
  sums.counts.elements = static_cast<int64_t>(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    const auto x = static_cast<double>(in[i]);
    const auto y = static_cast<double>(out[i]);
    const double error = std::fabs(x - y);
    if (x >= range.least && x <= range.most && error <= 0x1p1023) [[likely]] {
      ++sums.finite;
      sums.squares += error * error;
      sums.counts.max_error = std::max(sums.counts.max_error, error);
      continue;
    }
    if (std::isnan(x)) {
      ++sums.counts.nan;
      sums.counts.nan_replaced += std::isnan(y) ? 0 : 1;
      continue;
    }
    sums.counts.nan_made += std::isnan(y) ? 1 : 0;
    const bool outside = x < range.least || x > range.most;
    sums.counts.overflow += outside && x != y ? 1 : 0;
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    ++sums.finite;
    sums.squares += error * error;
    sums.counts.max_error = std::max(sums.counts.max_error, error);
  }
  return sums;
}

// In parts of kGrain, added in their order.
template <class In, class Out>
void compare_all(const Range& range, std::span<const In> in, std::span<const Out> out, ThreadPool& pool, Sums& sums) {
  const auto count = static_cast<int64_t>(in.size());
  std::vector<Sums> parts(static_cast<size_t>(ceil_div(count, kGrain)));
  pool.parallel_for(std::ssize(parts), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const auto from = static_cast<size_t>(i * kGrain);
      const size_t size = std::min(in.size() - from, static_cast<size_t>(kGrain));
      parts[static_cast<size_t>(i)] = compare(range, in.subspan(from, size), out.subspan(from, size));
    }
  });
  for (const Sums& part : parts) sums.add(part);
}

// The value of a code as a float or a double.
template <class Out>
Out value_of(const formats::ElementFormat& f, uint32_t code) {
  if constexpr (std::is_same_v<Out, float>) {
    return f.decode(code);
  } else {
    return formats::decode_exact(f, code).to_double();
  }
}

formats::ArrayOptions array_options(const CastOptions& options, int64_t first) {
  formats::ArrayOptions out;
  out.policy = options.policy;
  out.seed = options.seed;
  out.pool = options.pool;
  out.first = first;
  return out;
}

// Codes of floats, as the bytes of the type that is written.
template <class Code>
Status write_codes_of(const CastOptions& options, int64_t first, std::span<const float> in, io::NpyWriter& writer) {
  std::vector<Code> codes(in.size());
  formats::encode_array(options.format.element, in, std::span<Code>(codes), array_options(options, first));
  return writer.write(std::as_bytes(std::span(codes)));
}

template <class Code>
Status write_narrow(std::span<const uint32_t> codes, io::NpyWriter& writer) {
  const std::vector<Code> narrow(codes.begin(), codes.end());
  return writer.write(std::as_bytes(std::span(narrow)));
}

// What is done for each type of codes.
struct CodeWriting {
  io::NpyType type;
  int bits;
  Status (*of_floats)(const CastOptions&, int64_t, std::span<const float>, io::NpyWriter&);
  Status (*narrow)(std::span<const uint32_t>, io::NpyWriter&);
};
constexpr CodeWriting kCodeWritings[] = {{io::NpyType::uint8, 8, write_codes_of<uint8_t>, write_narrow<uint8_t>},
                                         {io::NpyType::uint16, 16, write_codes_of<uint16_t>, write_narrow<uint16_t>},
                                         {io::NpyType::uint32, 32, write_codes_of<uint32_t>, write_narrow<uint32_t>}};

const CodeWriting& writing_of(const formats::ElementFormat& element) {
  for (const CodeWriting& row : kCodeWritings) {
    if (element.bits <= row.bits) return row;
  }
  LOWBIT_CHECK(false);
  return kCodeWritings[0];
}

// One piece of an array under a plain element.
template <class In, class Out>
Status cast_piece(const CastOptions& options, int64_t first, std::span<const In> in, Sums& sums,
                  io::NpyWriter& values, io::NpyWriter* codes) {
  std::vector<Out> out(in.size());
  if constexpr (std::is_same_v<In, float> && std::is_same_v<Out, float>) {
    formats::cast_array(options.format.element, in, out, array_options(options, first));
    if (codes != nullptr) {
      LOWBIT_TRY(writing_of(options.format.element).of_floats(options, first, in, *codes));
    }
  } else {
    // For doubles, and where the values are no floats.
    std::vector<uint32_t> all(in.size());
    formats::encode_array(options.format.element, in, std::span(all), array_options(options, first));
    options.pool->parallel_for(std::ssize(all), kGrain, [&](int64_t begin, int64_t end, int) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        out[i] = value_of<Out>(options.format.element, all[i]);
      }
    });
    if (codes != nullptr) LOWBIT_TRY(writing_of(options.format.element).narrow(all, *codes));
  }
  compare_all(range_of(options.format), in, std::span<const Out>(out), *options.pool, sums);
  return values.write(std::as_bytes(std::span(out)));
}

template <class In>
Status cast_plain(const io::NpyView& array, const CastOptions& options, Sums& sums, io::NpyWriter& values,
                  io::NpyWriter* codes, const ProgressFn& progress) {
  const int64_t count = array.elements();
  for (int64_t begin = 0; begin < count; begin += kPiece) {
    const std::vector<In> in = values_of<In>(array, begin, std::min(kPiece, count - begin), options.pool);
    const auto cast = casts_to_float(options.format) ? cast_piece<In, float> : cast_piece<In, double>;
    LOWBIT_TRY(cast(options, begin, in, sums, values, codes));
    report_progress(progress, "casting", static_cast<double>(begin) + static_cast<double>(in.size()),
                    static_cast<double>(count));
  }
  return {};
}

ByRule way_of(const CastOptions& options) { return {options.rule, options.policy, options.seed}; }

Status cast_blocks(const io::NpyView& array, const CastOptions& options, Sums& sums, io::NpyWriter& values,
                   const ProgressFn& progress) {
  LOWBIT_TRY(check_axis(array, options.axis));
  const ArrayRows rows(array, options.axis);
  report_progress(progress, "casting", 0.0, 0.0);
  const std::vector<float> in = rows.read(options.pool);
  const Samples all = rows.samples(in);
  const ByRule way = way_of(options);
  LOWBIT_ASSIGN(std::vector<float> out, check_rule(options.format, way).ok()
                                            ? cast_rows(options.format, all, way, options.pool)
                                            : cast_rows(options.format, all, ByQuantizer{}, options.pool));
  compare_all(range_of(options.format), std::span<const float>(in), std::span<const float>(out), *options.pool, sums);
  return values.write(std::as_bytes(std::span<const float>(rows.in_file_order(std::move(out)))));
}

}  // namespace

Status check_cast(const CastOptions& options) {
  const formats::Format& format = options.format;
  if (format.is_plain()) {
    if (options.rule != formats::ScaleRule::automatic) {
      return errorf("format {} has no scales that a rule could choose", formats::print(format));
    }
    if (options.axis != -1) {
      return errorf("format {} has no blocks that could run along axis {}", formats::print(format), options.axis);
    }
    return {};
  }
  // Formats that need a search are rounded in one way.
  const bool one_way = options.rule == formats::ScaleRule::automatic && options.policy == formats::CastPolicy{};
  if (!one_way) return check_rule(format, way_of(options));
  return {};
}

bool casts_to_float(const formats::Format& format) {
  return !format.is_plain() || formats::exact_in_float(format.element);
}

io::NpyType code_type(const formats::ElementFormat& element) { return writing_of(element).type; }

Result<CastStatistics> cast_array(const io::NpyView& array, const CastOptions& options, io::NpyWriter& values,
                                  io::NpyWriter* codes, const ProgressFn& progress) {
  LOWBIT_TRY(check_cast(options));
  LOWBIT_CHECK(options.pool != nullptr && (codes == nullptr || options.format.is_plain()));
  Sums sums;
  if (!options.format.is_plain()) {
    LOWBIT_TRY(cast_blocks(array, options, sums, values, progress));
  } else if (array.type == io::NpyType::float64) {
    LOWBIT_TRY(cast_plain<double>(array, options, sums, values, codes, progress));
  } else {
    LOWBIT_TRY(cast_plain<float>(array, options, sums, values, codes, progress));
  }
  return sums.result();
}

}  // namespace lowbit::eval
