#include "tensor/codes_block.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/check.h"
#include "tensor/planes.h"

namespace lowbit::tensor {

void unpack_codes_block(const PackedMatrix& from, int64_t row_block, uint8_t* out) {
  const int bits = from.format().element.bits;
  LOWBIT_CHECK(bits <= 8 && row_block >= 0 && row_block * kRowBlock < from.rows());
  const int64_t steps = ceil_div(from.cols(), kColumnStep);
  const auto* in = reinterpret_cast<const uint8_t*>(from.bytes().data()) + row_block * steps * kVectorBytes * bits;
  std::memset(out, 0, steps * kStepUnits * kVectorBytes);
  for (int64_t step = 0; step < steps; ++step) {
    uint8_t* step_out = out + step * kStepUnits * kVectorBytes;
    for_each_plane(bits, [&](Plane plane) {
      const int fields = 8 / plane.width;
      const uint8_t mask = static_cast<uint8_t>((1 << plane.width) - 1);
      for (int unit = 0; unit < kStepUnits; ++unit) {
        const uint8_t* vector = in + plane.offset + unit / fields * kVectorBytes;
        const int right = unit % fields * plane.width;
        uint8_t* unit_out = step_out + unit * kVectorBytes;
        for (int i = 0; i < kVectorBytes; ++i) {
          unit_out[i] = static_cast<uint8_t>(unit_out[i] | ((vector[i] >> right) & mask) << plane.shift);
        }
      }
    });
    in += kVectorBytes * bits;
  }
}

void pack_codes_block(const uint8_t* in, int bits, int64_t cols, std::byte* out) {
  LOWBIT_CHECK(bits >= 1 && bits <= 8);
  const int64_t steps = ceil_div(cols, kColumnStep);
  auto* to = reinterpret_cast<uint8_t*>(out);
  std::memset(to, 0, steps * kVectorBytes * bits);
  for (int64_t step = 0; step < steps; ++step) {
    for_each_plane(bits, [&](Plane plane) {
      const int fields = 8 / plane.width;
      const uint8_t mask = static_cast<uint8_t>((1 << plane.width) - 1);
      for (int unit = 0; unit < kStepUnits; ++unit) {
        uint8_t* vector = to + plane.offset + unit / fields * kVectorBytes;
        const int left = unit % fields * plane.width;
        const uint8_t* unit_in = in + unit * kVectorBytes;
        for (int i = 0; i < kVectorBytes; ++i) {
          vector[i] = static_cast<uint8_t>(vector[i] | ((unit_in[i] >> plane.shift) & mask) << left);
        }
      }
    });
    in += kStepUnits * kVectorBytes;
    to += kVectorBytes * bits;
  }
}

namespace {

// One row of planes: its four bytes of every vector.
void unpack_plane_row(const PackedMatrix& from, int64_t row, uint16_t* out) {
  const int bits = from.format().element.bits;
  const int64_t cols = from.cols();
  const int64_t steps = ceil_div(cols, kColumnStep);
  const auto* in = reinterpret_cast<const uint8_t*>(from.bytes().data()) +
                   row / kRowBlock * steps * kVectorBytes * bits + row % kRowBlock * kUnitColumns;
  for (int64_t step = 0; step < steps; ++step, in += kVectorBytes * bits) {
    uint16_t codes[kColumnStep] = {};
    for_each_plane(bits, [&](Plane plane) {
      const int fields = 8 / plane.width;
      const int mask = (1 << plane.width) - 1;
      for (int unit = 0; unit < kStepUnits; ++unit) {
        const uint8_t* vector = in + plane.offset + unit / fields * kVectorBytes;
        const int right = unit % fields * plane.width;
        for (int c = 0; c < kUnitColumns; ++c) {
          uint16_t& code = codes[unit * kUnitColumns + c];
          code = static_cast<uint16_t>(code | ((vector[c] >> right) & mask) << plane.shift);
        }
      }
    });
    const int64_t first = step * kColumnStep;
    std::copy_n(codes, std::min(kColumnStep, cols - first), out + first);
  }
}

}  // namespace

void unpack_codes_row(const PackedMatrix& from, int64_t row, uint16_t* out) {
  const int bits = from.format().element.bits;
  LOWBIT_CHECK(bits <= 16 && row >= 0 && row < from.rows());
  if (bits <= 8) return unpack_plane_row(from, row, out);
  const std::byte* in = from.bytes().data() + (row / kRowBlock * from.cols() * kRowBlock + row % kRowBlock) * 2;
  for (int64_t col = 0; col < from.cols(); ++col, in += kRowBlock * 2) std::memcpy(out + col, in, 2);
}

}  // namespace lowbit::tensor
