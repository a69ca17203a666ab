// How codes of 1 to 8 bits fall into planes, as packed.h defines: the binary digits of the width, high first.
#pragma once

#include <cstdint>

namespace lowbit::tensor {

constexpr int kVectorBytes = 64;  // one unit: 16 rows x 4 columns
constexpr int kUnitColumns = 4;
constexpr int kStepUnits = 8;  // units in a step of 32 columns

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
