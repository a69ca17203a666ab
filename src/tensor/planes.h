// How codes of 1 to 8 bits fall into planes, as packed.h defines: the binary digits of the width, high first. Codes
// of three values have no planes.
#pragma once

#include <cstdint>

namespace lowbit::tensor {

constexpr int kVectorBytes = 64;  // one unit: 16 rows x 4 columns
constexpr int kUnitColumns = 4;
constexpr int kStepUnits = 8;  // units in a step of 32 columns

// A width of codes is their bits, or this: three values, five to a byte.
constexpr int kTrits = 9;
constexpr int kTritSteps = 5;  // steps after which a unit begins a vector again

// Bytes of a row block in which its first `steps` steps lie.
constexpr int64_t step_bytes(int width, int64_t steps) {
  const int64_t vectors = width == kTrits ? (kStepUnits * steps + 4) / 5 : width * steps;
  return kVectorBytes * vectors;
}

// A plane of `width` bits inside a step: where its vectors start, and the place of its bits in the code.
struct Plane {
  int width = 0;
  int shift = 0;   // code bits [shift, shift + width)
  int offset = 0;  // bytes from the start of the step
};

// Calls visit(Plane) for each plane of codes of `bits` (1 to 8) bits, in the order in which they are stored.
template <class Visit>
void for_each_plane(int bits, Visit&& visit) {
  int offset = 0;
  for (int width = 8; width >= 1; width /= 2) {
    if ((bits & width) == 0) continue;
    visit(Plane{width, bits & (width - 1), offset});
    offset += kVectorBytes * width;
  }
}

}  // namespace lowbit::tensor
