#include "simd/avx512.h"

#include "kernels/matmul/generic.h"

namespace lowbit::kernels::avx512 {

void unpack(const UnpackArgs& args) { kernels::unpack<simd::avx512::Simd>(args); }
void decode(const DecodeArgs& args) { kernels::decode<simd::avx512::Simd>(args); }
void dot(const DotArgs& args) { kernels::dot<simd::avx512::Simd>(args); }

}  // namespace lowbit::kernels::avx512
