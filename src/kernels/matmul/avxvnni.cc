#include "simd/avxvnni.h"

#include "kernels/matmul/generic_dot.h"
#include "kernels/matmul/generic_fused.h"
#include "kernels/matmul/generic_traits.h"

namespace lowbit::kernels::avxvnni {

void traits(const TraitsArgs& args) { kernels::traits<simd::avxvnni::Simd>(args); }
void fused(const FusedArgs& args) { kernels::fused<simd::avxvnni::Simd>(args); }
void dot(const DotArgs& args) { kernels::dot<simd::avxvnni::Simd>(args); }

}  // namespace lowbit::kernels::avxvnni
