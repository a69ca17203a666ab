#include "kernels/attention/attention.h"

#include "kernels/list.h"

namespace lowbit::kernels {

void widen_tiles(Isa isa, const TilesArgs& args) { k_widen_tiles.at(isa)(args); }
void panels(Isa isa, const PanelsArgs& args) { k_panels.at(isa)(args); }
void score_maxima(Isa isa, const ScoresArgs& args) { k_score_maxima.at(isa)(args); }
void score_weights(Isa isa, const ScoresArgs& args) { k_score_weights.at(isa)(args); }
void code_scores(Isa isa, const CodeScoresArgs& args) { k_code_scores.at(isa)(args); }
void value_ratios(Isa isa, const ValueRatiosArgs& args) { k_value_ratios.at(isa)(args); }
void weight_codes(Isa isa, const WeightCodesArgs& args) { k_weight_codes.at(isa)(args); }
void code_mix(Isa isa, const CodeMixArgs& args) { k_code_mix.at(isa)(args); }

}  // namespace lowbit::kernels
