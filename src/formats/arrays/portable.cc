#include "formats/arrays/generic.h"

namespace lowbit::formats {
namespace portable {

struct Lanes {
  static constexpr int kLanes = 4;
  using U = Vectors<kLanes>::U;
  using I = Vectors<kLanes>::I;
  using F = Vectors<kLanes>::F;
  static constexpr bool kShortTables = false;
  static F limited(F x, float most) { return formats::limited<kLanes>(x, most); }
  static F limited_magnitude(F x, float most) { return formats::limited_magnitude<kLanes>(x, most); }
  static I truncated(F x) {
    I out = {};
    for (int i = 0; i < kLanes; ++i) out[i] = x[i] < 0x1p31f ? static_cast<int32_t>(x[i]) : 0;
    return out;
  }
  static U first_bits(F part) { return formats::first_bits<kLanes>(part); }
  static F sum_toward_zero(F a, F b) { return formats::sum_toward_zero<kLanes>(a, b); }
  static bool any_all_ones(U v) {
    U most = {};
    for (int i = 0; i < kLanes; ++i) most[0] = most[0] > v[i] ? most[0] : v[i];
    return most[0] == 0xFFFFFFFFu;
  }
  static void stream(const void* from, void* to, int64_t bytes) {
    __builtin_memcpy(to, from, static_cast<uint64_t>(bytes));
  }
  static U gather(const uint32_t* table, U index) {
    U out = {};
    for (int i = 0; i < kLanes; ++i) out[i] = table[index[i]];
    return out;
  }
  static Halves<kLanes>::D gather_doubles(const double* table, Halves<kLanes>::U index) {
    Halves<kLanes>::D out = {};
    for (int i = 0; i < kLanes / 2; ++i) out[i] = table[index[i]];
    return out;
  }
  // In doubles: what calls these needs a remainder that is exact, and of the sum one of the two nearest floats.
  static F fma(F a, F b, F c) {
    F out = {};
    for (int i = 0; i < kLanes; ++i) out[i] = static_cast<float>(static_cast<double>(a[i]) * b[i] + c[i]);
    return out;
  }
  static F negated_fma(F a, F b, F c) { return fma(-a, b, c); }
  static void greatest(const U (&v)[16], uint32_t* out) { greatest_lanes<kLanes>(v, out); }
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
  static void decode8(const ByteDecode& p, const uint8_t* in, float* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = p.values[in[i]];
  }
  static void decode_bf16(const ByteDecode& p, const uint8_t* in, uint16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = p.bf16[in[i]];
  }
};

}  // namespace portable

const ArrayKernels& portable_kernels() {
  static constinit const ArrayKernels kKernels = make_all_kernels<portable::Lanes>();
  return kKernels;
}

}  // namespace lowbit::formats
