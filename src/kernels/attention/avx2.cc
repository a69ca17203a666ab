#include "simd/avx2.h"

#include "kernels/attention/generic.h"

namespace lowbit::kernels::avx2 {

void widen_tiles(const TilesArgs& args) { kernels::widen_tiles<simd::avx2::Simd>(args); }
void panels(const PanelsArgs& args) { kernels::panels<simd::avx2::Simd>(args); }
void score_maxima(const ScoresArgs& args) { kernels::score_maxima<simd::avx2::Simd>(args); }
void score_weights(const ScoresArgs& args) { kernels::score_weights<simd::avx2::Simd>(args); }
void code_scores(const CodeScoresArgs& args) { kernels::code_scores<simd::avx2::Simd>(args); }
void value_ratios(const ValueRatiosArgs& args) { kernels::value_ratios<simd::avx2::Simd>(args); }
void weight_codes(const WeightCodesArgs& args) { kernels::weight_codes<simd::avx2::Simd>(args); }
void code_mix(const CodeMixArgs& args) { kernels::code_mix<simd::avx2::Simd>(args); }

}  // namespace lowbit::kernels::avx2
