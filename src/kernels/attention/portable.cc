#include "simd/portable.h"

#include "kernels/attention/generic.h"

namespace lowbit::kernels::portable {

void widen_tiles(const TilesArgs& args) { kernels::widen_tiles<simd::portable::Simd>(args); }
void panels(const PanelsArgs& args) { kernels::panels<simd::portable::Simd>(args); }
void score_maxima(const ScoresArgs& args) { kernels::score_maxima<simd::portable::Simd>(args); }
void score_weights(const ScoresArgs& args) { kernels::score_weights<simd::portable::Simd>(args); }
void code_scores(const CodeScoresArgs& args) { kernels::code_scores<simd::portable::Simd>(args); }
void value_ratios(const ValueRatiosArgs& args) { kernels::value_ratios<simd::portable::Simd>(args); }
void weight_codes(const WeightCodesArgs& args) { kernels::weight_codes<simd::portable::Simd>(args); }
void code_mix(const CodeMixArgs& args) { kernels::code_mix<simd::portable::Simd>(args); }

}  // namespace lowbit::kernels::portable
