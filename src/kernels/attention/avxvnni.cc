#include "simd/avxvnni.h"

#include "kernels/attention/generic_codes.h"

namespace lowbit::kernels::avxvnni {

void code_scores(const CodeScoresArgs& args) { kernels::code_scores<simd::avxvnni::Simd>(args); }
void code_mix(const CodeMixArgs& args) { kernels::code_mix<simd::avxvnni::Simd>(args); }

}  // namespace lowbit::kernels::avxvnni
