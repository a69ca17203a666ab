#include "simd/avx512.h"

#include "kernels/matmul/generic.h"

namespace lowbit::kernels::avx512 {

void unpack(const UnpackArgs& args) { kernels::unpack<simd::avx512::Simd>(args); }
void decode(const DecodeArgs& args) { kernels::decode<simd::avx512::Simd>(args); }
void fused(const FusedArgs& args) { kernels::fused_or_few<simd::avx512::Simd>(args); }
void sums(const SumArgs& args) { kernels::sums<simd::avx512::Simd>(args); }
void entries(const EntryArgs& args) { kernels::entries<simd::avx512::Simd>(args); }
void dot(const DotArgs& args) { kernels::dot<simd::avx512::Simd>(args); }

}  // namespace lowbit::kernels::avx512
