#include "simd/neon.h"

#include "kernels/matmul/generic.h"

namespace lowbit::kernels::neon {

void traits(const TraitsArgs& args) { kernels::traits<simd::neon::Simd>(args); }
void unpack(const UnpackArgs& args) { kernels::unpack<simd::neon::Simd>(args); }
void fused(const FusedArgs& args) { kernels::fused<simd::neon::Simd>(args); }
void pack_planes(const PackPlanesArgs& args) { kernels::pack_planes<simd::neon::Simd>(args); }
void planes(const PlanesArgs& args) { kernels::planes<simd::neon::Simd>(args); }
void sums(const SumArgs& args) { kernels::sums<simd::neon::Simd>(args); }
void interleave(const InterleaveArgs& args) { kernels::interleave<simd::neon::Simd>(args); }
void tile_sums(const TileSumArgs& args) { kernels::tile_sums<simd::neon::Simd>(args); }
void entries(const EntryArgs& args) { kernels::entries<simd::neon::Simd>(args); }
void dot(const DotArgs& args) { kernels::dot<simd::neon::Simd>(args); }
void float_panels(const FloatPanelArgs& args) { kernels::float_panels<simd::neon::Simd>(args); }
void float_tiles(const FloatTileArgs& args) { kernels::float_tiles<simd::neon::Simd>(args); }
void float_few(const FloatFewArgs& args) { kernels::float_few<simd::neon::Simd>(args); }

}  // namespace lowbit::kernels::neon
