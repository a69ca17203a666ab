// The finite values of an element format as a grid to round to, four numbers at a time. Where the element is regular
// (integers, fixed point, floats with a zero) this is arithmetic; else a search in the sorted values.
//
// Rounding is to nearest, ties as formats::encode breaks them under nearest_even, beyond the range to the extreme
// values. -0 never occurs: a result of zero is +0.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "base/bits.h"
#include "formats/format.h"
#include "quant/round/lanes.h"

namespace lowbit::quant {

// f32: every float is on the grid.
struct IdentityRounder {
  Float4 operator()(Float4 x) const { return x; }
};

// Multiples of `step` (a power of two) from low to high; at most 2^22 steps.
struct UniformRounder {
  float low = 0, high = 0, step = 1, inverse_step = 1;
  Float4 operator()(Float4 x) const {
    const Float4 magic = splat(0x1.8p23f);
    const Float4 inside = max4(min4(x, splat(high)), splat(low)) * splat(inverse_step);
    return ((inside + magic) - magic) * splat(step);
  }
};

// A float with subnormals. Above least_normal the mantissa is cut by integer arithmetic on the bits, below it all
// values are multiples of one quantum.
struct FloatRounder {
  float low = 0, high = 0, least_normal = 0;
  float magic = 0;      // 1.5 * 2^23 quanta
  int32_t dropped = 0;  // mantissa bits of float beyond those of the element
  Float4 operator()(Float4 x) const {
    const Float4 inside = max4(min4(x, splat(high)), splat(low));
    const Float4 small = (inside + splat(magic)) - splat(magic);
    const Int4 bits = bits4(inside);
    const Int4 odd = (bits >> dropped) & 1;
    const Int4 rounded = (bits + (splat_int((1 << (dropped - 1)) - 1) + odd)) & splat_int(-(1 << dropped));
    const Int4 magnitude = bits & 0x7fffffff;
    const Int4 is_small = magnitude < splat_int(static_cast<int32_t>(float_bits(least_normal)));
    return floats4(is_small ? bits4(small) : rounded);
  }
};

// A few sorted values: every threshold is compared, without branches.
struct ShortTableRounder {
  static constexpr int32_t kMost = 4;
  int32_t count = 0;  // values; thresholds are one fewer
  float values[kMost] = {};
  float thresholds[kMost] = {};  // x > thresholds[i]: value i + 1 or above
  Float4 operator()(Float4 x) const {
    Float4 out = splat(values[0]);
    for (int32_t i = 1; i < count; ++i) out = x > splat(thresholds[i - 1]) ? splat(values[i]) : out;
    return out;
  }
};

// Sorted values so evenly spread that buckets of equal width hold at most one threshold each. The bucket of x rises
// with x, so thresholds of lower buckets are below x.
struct BucketRounder {
  struct Bucket {
    float threshold, below, above, unused;
  };
  float low = 0, high = 0, inverse_width = 0;
  const Bucket* buckets = nullptr;
  int32_t bucket_of(float x) const { return static_cast<int32_t>((x - low) * inverse_width); }
  Float4 operator()(Float4 x) const {
    const Float4 inside = max4(min4(x, splat(high)), splat(low));
    const Int4 at = __builtin_convertvector((inside - splat(low)) * splat(inverse_width), Int4);
    const Bucket &a = buckets[at[0]], &b = buckets[at[1]], &c = buckets[at[2]], &d = buckets[at[3]];
    const Float4 threshold = {a.threshold, b.threshold, c.threshold, d.threshold};
    const Float4 below = {a.below, b.below, c.below, d.below};
    const Float4 above = {a.above, b.above, c.above, d.above};
    return inside > threshold ? above : below;
  }
};

// Any sorted values: binary search in each lane.
struct LongTableRounder {
  const float* values = nullptr;
  const float* thresholds = nullptr;
  int32_t count = 0;
  float one(float x) const { return values[index(x)]; }
  int32_t index(float x) const {
    int32_t low = 0;
    for (int32_t length = count; length > 1;) {
      const int32_t half = length / 2;
      low += x > thresholds[low + half - 1] ? half : 0;
      length -= half;
    }
    return low;
  }
  Float4 operator()(Float4 x) const { return Float4{one(x[0]), one(x[1]), one(x[2]), one(x[3])}; }
};

using Rounder =
    std::variant<IdentityRounder, UniformRounder, FloatRounder, ShortTableRounder, BucketRounder, LongTableRounder>;

class ElementGrid {
 public:
  explicit ElementGrid(const formats::ElementFormat& element);

  const formats::ElementFormat& element() const { return element_; }
  const Rounder& rounder() const { return rounder_; }
  float low() const { return low_; }
  float high() const { return high_; }
  // Whether with each value its negative is one too.
  bool is_symmetric() const { return symmetric_; }
  // Powers of two only (e8m0 and its kin): scales chosen by a threshold, not by nearest.
  bool is_power_of_two() const { return power_of_two_; }
  // Steps between neighbours are so wide that trying the neighbours of a scale pays.
  bool is_coarse() const { return coarse_; }
  // Distance of the two largest values.
  float top_step() const { return top_step_; }

  // The value nearest to x; NaN counts as 0.
  float nearest(float x) const;
  // The next value of the grid above or below a value of the grid (itself at the end).
  float neighbour(float value, bool above) const;
  // The code of a value of the grid.
  uint32_t code(float value) const;
  // The same for many.
  void codes(const float* values, int64_t count, uint16_t* out) const;

 private:
  struct Table {
    std::vector<float> values, thresholds;
    std::vector<uint32_t> codes;
    std::vector<BucketRounder::Bucket> buckets;  // empty where no number of buckets will do
  };
  static bool make_buckets(Table& table, BucketRounder& rounder);
  void list_floats(Table& table) const;
  void list_codebook(Table& table) const;
  void make_table();
  uint32_t table_code(float value) const;

  formats::ElementFormat element_;
  Rounder rounder_;
  float low_ = 0, high_ = 0, top_step_ = 0;
  bool power_of_two_ = false, coarse_ = false, symmetric_ = false;
  std::shared_ptr<const Table> table_;
};

}  // namespace lowbit::quant
