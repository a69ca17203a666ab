#include "kernels/matmul/args.h"

namespace lowbit::kernels::avx2 {

// Its registers do not hold such tiles (kFewTile is 0): nobody asks for it.
void few(const FusedArgs&) { __builtin_trap(); }

}  // namespace lowbit::kernels::avx2
