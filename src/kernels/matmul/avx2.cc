#include "simd/avx2.h"

#include "kernels/matmul/generic.h"

namespace lowbit::kernels::avx2 {

void unpack(const UnpackArgs& args) { kernels::unpack<simd::avx2::Simd>(args); }
void decode(const DecodeArgs& args) { kernels::decode<simd::avx2::Simd>(args); }
void dot(const DotArgs& args) { kernels::dot<simd::avx2::Simd>(args); }

}  // namespace lowbit::kernels::avx2
