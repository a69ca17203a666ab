#include "simd/portable.h"

#include "kernels/matmul/generic.h"

namespace lowbit::kernels::portable {

void traits(const TraitsArgs& args) { kernels::traits<simd::portable::Simd>(args); }
void unpack(const UnpackArgs& args) { kernels::unpack<simd::portable::Simd>(args); }
void fused(const FusedArgs& args) { kernels::fused<simd::portable::Simd>(args); }
void pack_planes(const PackPlanesArgs& args) { kernels::pack_planes<simd::portable::Simd>(args); }
void planes(const PlanesArgs& args) { kernels::planes<simd::portable::Simd>(args); }
void sums(const SumArgs& args) { kernels::sums<simd::portable::Simd>(args); }
void interleave(const InterleaveArgs& args) { kernels::interleave<simd::portable::Simd>(args); }
void tile_sums(const TileSumArgs& args) { kernels::tile_sums<simd::portable::Simd>(args); }
void entries(const EntryArgs& args) { kernels::entries<simd::portable::Simd>(args); }
void dot(const DotArgs& args) { kernels::dot<simd::portable::Simd>(args); }
void float_panels(const FloatPanelArgs& args) { kernels::float_panels<simd::portable::Simd>(args); }
void float_tiles(const FloatTileArgs& args) { kernels::float_tiles<simd::portable::Simd>(args); }
void float_few(const FloatFewArgs& args) { kernels::float_few<simd::portable::Simd>(args); }

}  // namespace lowbit::kernels::portable
