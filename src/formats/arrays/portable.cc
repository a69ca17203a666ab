#include "formats/arrays/generic.h"

namespace lowbit::formats {
namespace portable {

struct Lanes {
  static constexpr int kLanes = 4;
  using U = Vectors<kLanes>::U;
  static U gather(const uint32_t* table, U index) {
    U out = {};
    for (int i = 0; i < kLanes; ++i) out[i] = table[index[i]];
    return out;
  }
  // One rounding: of doubles the product is exact, and so is the difference to a float's 24 bits where it is small.
  static Vectors<kLanes>::F negated_fma(Vectors<kLanes>::F a, Vectors<kLanes>::F b, Vectors<kLanes>::F c) {
    Vectors<kLanes>::F out = {};
    for (int i = 0; i < kLanes; ++i)
      out[i] = static_cast<float>(static_cast<double>(c[i]) - static_cast<double>(a[i]) * b[i]);
    return out;
  }
  static U shift_left(U x, U count) {
    U out = {};
    for (int i = 0; i < kLanes; ++i) out[i] = count[i] < 32 ? x[i] << count[i] : 0;
    return out;
  }
  static U shift_right(U x, U count) {
    U out = {};
    for (int i = 0; i < kLanes; ++i) out[i] = count[i] < 32 ? x[i] >> count[i] : 0;
    return out;
  }
  static void decode_bf16(const uint16_t* table, const uint8_t* in, uint16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = table[in[i]];
  }
};

}  // namespace portable

const ArrayKernels& portable_kernels() {
  static constinit const ArrayKernels kKernels = make_all_kernels<portable::Lanes>();
  return kKernels;
}

}  // namespace lowbit::formats
