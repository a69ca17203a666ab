#include "kernels/list.h"

#include <vector>

namespace lowbit::kernels {

std::span<const KernelRow> kernel_rows() {
  static const std::vector<KernelRow> rows = [] {
    std::vector<KernelRow> out;
    const auto add = [&](std::string_view op, const auto& per_isa, NumericClass numeric_class) {
      for (int isa = 0; isa < kIsas; ++isa) {
        if (per_isa.functions[isa] != nullptr) out.push_back({op, static_cast<Isa>(isa), numeric_class});
      }
    };
#define LOWBIT_KERNEL(op, Args, numeric_class) add(#op, k_##op, NumericClass::numeric_class);
#define LOWBIT_VNNI_KERNEL LOWBIT_KERNEL
#define LOWBIT_AVX512_KERNEL LOWBIT_KERNEL
#define LOWBIT_BF16_KERNEL LOWBIT_KERNEL
#define LOWBIT_AMX_KERNEL LOWBIT_KERNEL
#include "kernels/kernels.inc"
#undef LOWBIT_KERNEL
#undef LOWBIT_VNNI_KERNEL
#undef LOWBIT_AVX512_KERNEL
#undef LOWBIT_BF16_KERNEL
#undef LOWBIT_AMX_KERNEL
    return out;
  }();
  return rows;
}

}  // namespace lowbit::kernels
