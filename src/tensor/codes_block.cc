#include "tensor/codes_block.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/check.h"
#include "formats/codebook.h"
#include "simd/trits.h"
#include "tensor/planes.h"

namespace lowbit::tensor {
namespace {

using simd::kTritsPerByte;

const uint8_t* row_block_codes(const PackedMatrix& from, int64_t row_block) {
  return reinterpret_cast<const uint8_t*>(from.bytes().data()) +
         row_block * row_block_code_bytes(code_width(from.format().element), from.cols());
}

void unpack_trits(const uint8_t* in, int64_t units, uint8_t* out) {
  for (int64_t unit = 0; unit < units; ++unit, out += kVectorBytes) {
    const uint8_t* vector = in + unit / kTritsPerByte * kVectorBytes;
    for (int i = 0; i < kVectorBytes; ++i) out[i] = simd::trit(vector[i], static_cast<int>(unit % kTritsPerByte));
  }
}

void pack_trits(const uint8_t* in, int64_t units, uint8_t* out) {
  for (int64_t unit = 0; unit < units; ++unit, in += kVectorBytes) {
    uint8_t* vector = out + unit / kTritsPerByte * kVectorBytes;
    const int counts = simd::kTritPlaces[unit % kTritsPerByte];
    for (int i = 0; i < kVectorBytes; ++i) vector[i] = static_cast<uint8_t>(vector[i] + counts * in[i]);
  }
}

}  // namespace

int code_width(const formats::ElementFormat& element) { return formats::is_ternary(element) ? kTrits : element.bits; }

int64_t row_block_code_bytes(int width, int64_t cols) { return step_bytes(width, ceil_div(cols, kColumnStep)); }

void unpack_codes_block(const PackedMatrix& from, int64_t row_block, uint8_t* out) {
  const int bits = from.format().element.bits;
  LOWBIT_CHECK(bits <= 8 && row_block >= 0 && row_block * kRowBlock < from.rows());
  const int64_t steps = ceil_div(from.cols(), kColumnStep);
  const uint8_t* in = row_block_codes(from, row_block);
  if (formats::is_ternary(from.format().element)) return unpack_trits(in, steps * kStepUnits, out);
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

void pack_codes_block(const uint8_t* in, int width, int64_t cols, std::byte* out) {
  LOWBIT_CHECK((width >= 1 && width <= 8) || width == kTrits);
  const int64_t steps = ceil_div(cols, kColumnStep);
  auto* to = reinterpret_cast<uint8_t*>(out);
  std::memset(to, 0, step_bytes(width, steps));
  if (width == kTrits) return pack_trits(in, steps * kStepUnits, to);
  for (int64_t step = 0; step < steps; ++step) {
    for_each_plane(width, [&](Plane plane) {
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
    to += kVectorBytes * width;
  }
}

namespace {

void unpack_trit_row(const PackedMatrix& from, int64_t row, uint16_t* out) {
  const uint8_t* in = row_block_codes(from, row / kRowBlock) + row % kRowBlock * kUnitColumns;
  for (int64_t col = 0; col < from.cols(); ++col) {
    const int64_t unit = col / kUnitColumns;
    const uint8_t byte = in[unit / kTritsPerByte * kVectorBytes + col % kUnitColumns];
    out[col] = simd::trit(byte, static_cast<int>(unit % kTritsPerByte));
  }
}

// One row of planes: its four bytes of every vector.
void unpack_plane_row(const PackedMatrix& from, int64_t row, uint16_t* out) {
  const int bits = from.format().element.bits;
  const int64_t cols = from.cols();
  const int64_t steps = ceil_div(cols, kColumnStep);
  const uint8_t* in = row_block_codes(from, row / kRowBlock) + row % kRowBlock * kUnitColumns;
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
  if (formats::is_ternary(from.format().element)) return unpack_trit_row(from, row, out);
  if (bits <= 8) return unpack_plane_row(from, row, out);
  const std::byte* in = from.bytes().data() + (row / kRowBlock * from.cols() * kRowBlock + row % kRowBlock) * 2;
  for (int64_t col = 0; col < from.cols(); ++col, in += kRowBlock * 2) std::memcpy(out + col, in, 2);
}

}  // namespace lowbit::tensor
