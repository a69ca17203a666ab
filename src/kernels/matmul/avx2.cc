#include "simd/avx2.h"

#include "kernels/matmul/generic.h"

namespace lowbit::kernels::avx2 {

void traits(const TraitsArgs& args) { kernels::traits<simd::avx2::Simd>(args); }
void unpack(const UnpackArgs& args) { kernels::unpack<simd::avx2::Simd>(args); }
void fused(const FusedArgs& args) { kernels::fused<simd::avx2::Simd>(args); }
void pack_planes(const PackPlanesArgs& args) { kernels::pack_planes<simd::avx2::Simd>(args); }
void planes(const PlanesArgs& args) { kernels::planes<simd::avx2::Simd>(args); }
void sums(const SumArgs& args) { kernels::sums<simd::avx2::Simd>(args); }
void interleave(const InterleaveArgs& args) { kernels::interleave<simd::avx2::Simd>(args); }
void tile_sums(const TileSumArgs& args) { kernels::tile_sums<simd::avx2::Simd>(args); }
void entries(const EntryArgs& args) { kernels::entries<simd::avx2::Simd>(args); }
void dot(const DotArgs& args) { kernels::dot<simd::avx2::Simd>(args); }
void float_panels(const FloatPanelArgs& args) { kernels::float_panels<simd::avx2::Simd>(args); }
void float_tiles(const FloatTileArgs& args) { kernels::float_tiles<simd::avx2::Simd>(args); }
void float_few(const FloatFewArgs& args) { kernels::float_few<simd::avx2::Simd>(args); }

}  // namespace lowbit::kernels::avx2
