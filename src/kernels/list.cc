#include "kernels/list.h"

namespace lowbit::kernels {

std::span<const KernelRow> kernel_rows() {
#if defined(__x86_64__)
#define LOWBIT_KERNEL(op, Args, numeric_class)                                                      \
  {#op, Isa::portable, NumericClass::numeric_class}, {#op, Isa::avx2, NumericClass::numeric_class}, \
      {#op, Isa::avx512, NumericClass::numeric_class},
#define LOWBIT_AVX512_KERNEL(op, Args, numeric_class) {#op, Isa::avx512, NumericClass::numeric_class},
#define LOWBIT_AMX_KERNEL(op, Args, numeric_class) {#op, Isa::amx, NumericClass::numeric_class},
#define LOWBIT_BF16_KERNEL(op, Args, numeric_class) {#op, Isa::avx512, NumericClass::numeric_class},
#else
#define LOWBIT_KERNEL(op, Args, numeric_class) {#op, Isa::portable, NumericClass::numeric_class},
#define LOWBIT_AVX512_KERNEL(op, Args, numeric_class)
#define LOWBIT_AMX_KERNEL(op, Args, numeric_class)
#define LOWBIT_BF16_KERNEL(op, Args, numeric_class)
#endif
  static constexpr KernelRow kRows[] = {
#include "kernels/kernels.inc"
  };
#undef LOWBIT_KERNEL
#undef LOWBIT_AVX512_KERNEL
#undef LOWBIT_AMX_KERNEL
#undef LOWBIT_BF16_KERNEL
  return kRows;
}

}  // namespace lowbit::kernels
