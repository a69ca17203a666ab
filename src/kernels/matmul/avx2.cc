#include "simd/avx2.h"

#include "kernels/matmul/generic.h"

namespace lowbit::kernels::avx2 {

void unpack(const UnpackArgs& args) { kernels::unpack<simd::avx2::Simd>(args); }
void decode(const DecodeArgs& args) { kernels::decode<simd::avx2::Simd>(args); }
void fused(const FusedArgs& args) { kernels::fused_or_few<simd::avx2::Simd>(args); }
void sums(const SumArgs& args) { kernels::sums<simd::avx2::Simd>(args); }
void entries(const EntryArgs& args) { kernels::entries<simd::avx2::Simd>(args); }
void dot(const DotArgs& args) { kernels::dot<simd::avx2::Simd>(args); }

}  // namespace lowbit::kernels::avx2
