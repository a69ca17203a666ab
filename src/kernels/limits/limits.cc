#include "kernels/limits/limits.h"

#include "kernels/list.h"

namespace lowbit::kernels {

#if defined(__x86_64__)
namespace avx512 {
void peak_bf16(const PeakArgs& args);
}
#endif

void read_sum(Isa isa, const ReadArgs& args) { k_read_sum.at(isa)(args); }
void peak_int8(Isa isa, const PeakArgs& args) { k_peak_int8.at(isa)(args); }
void peak_float(Isa isa, const PeakArgs& args) { k_peak_float.at(isa)(args); }

bool peak_tiles(Isa isa, const PeakArgs& args) {
  const auto peak = k_peak_tiles.at(isa);
  if (peak != nullptr) peak(args);
  return peak != nullptr;
}

bool has_bf16_products(Isa isa) {
#if defined(__x86_64__)
  return isa >= Isa::avx512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool peak_bf16(Isa isa, const PeakArgs& args) {
  if (!has_bf16_products(isa)) return false;
#if defined(__x86_64__)
  avx512::peak_bf16(args);
#endif
  return true;
}

}  // namespace lowbit::kernels
