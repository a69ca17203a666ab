#include "kernels/gemm/gemm.h"

#include "kernels/list.h"

namespace lowbit::kernels {

void gemm(Isa isa, const GemmArgs& args) { k_gemm.at(isa)(args); }

}  // namespace lowbit::kernels
