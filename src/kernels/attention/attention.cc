#include "kernels/attention/attention.h"

#include "kernels/list.h"

namespace lowbit::kernels {

void widen_tiles(Isa isa, const TilesArgs& args) { k_widen_tiles.at(isa)(args); }
void panels(Isa isa, const PanelsArgs& args) { k_panels.at(isa)(args); }
void score_maxima(Isa isa, const ScoresArgs& args) { k_score_maxima.at(isa)(args); }
void score_weights(Isa isa, const ScoresArgs& args) { k_score_weights.at(isa)(args); }

}  // namespace lowbit::kernels
