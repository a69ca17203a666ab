#include "simd/neon.h"

#include "kernels/attention/generic.h"

namespace lowbit::kernels::neon {

void widen_tiles(const TilesArgs& args) { kernels::widen_tiles<simd::neon::Simd>(args); }
void panels(const PanelsArgs& args) { kernels::panels<simd::neon::Simd>(args); }
void score_maxima(const ScoresArgs& args) { kernels::score_maxima<simd::neon::Simd>(args); }
void score_weights(const ScoresArgs& args) { kernels::score_weights<simd::neon::Simd>(args); }
void code_scores(const CodeScoresArgs& args) { kernels::code_scores<simd::neon::Simd>(args); }
void value_ratios(const ValueRatiosArgs& args) { kernels::value_ratios<simd::neon::Simd>(args); }
void weight_codes(const WeightCodesArgs& args) { kernels::weight_codes<simd::neon::Simd>(args); }
void code_mix(const CodeMixArgs& args) { kernels::code_mix<simd::neon::Simd>(args); }

}  // namespace lowbit::kernels::neon
