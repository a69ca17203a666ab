// The list of kernels: for each operation of kernels.inc its instantiations per ISA, with their numeric class.
#pragma once

#include <span>
#include <string_view>

#include "base/cpu.h"
#include "kernels/attention/args.h"
#include "kernels/gemm/args.h"
#include "kernels/limits/args.h"
#include "kernels/matmul/args.h"
#include "kernels/rows/args.h"

namespace lowbit::kernels {

enum class NumericClass { exact, consistent, tolerance };

// One instantiation, for tests, benchmarks and docs.
struct KernelRow {
  std::string_view op;
  Isa isa;
  NumericClass numeric_class;
};
std::span<const KernelRow> kernel_rows();

// A function per ISA; empty slots fall back to the next lower one. An op with one for avxvnni must have one for
// avx512: such processors may lack AVX-VNNI. Ops of one ISA alone have no other.
template <class Args>
struct PerIsa {
  using Function = void (*)(const Args&);
  Function functions[kIsas] = {};
  constexpr Function at(Isa isa) const {
    for (int i = static_cast<int>(isa); i > 0; --i) {
      if (functions[i] != nullptr) return functions[i];
    }
    return functions[0];
  }
  // With one more.
  constexpr PerIsa with(Isa isa, Function function) const {
    PerIsa out = *this;
    out.functions[static_cast<int>(isa)] = function;
    return out;
  }
};

// Declarations, and for each op a `constexpr PerIsa k_<op>`.
#define LOWBIT_DECLARE(isa, op, Args) \
  namespace isa {                     \
  void op(const Args&);               \
  }
#if defined(__x86_64__)
#define LOWBIT_X86_KERNEL(op, Args)      \
  LOWBIT_DECLARE(portable, op, Args)     \
  LOWBIT_DECLARE(avx2, op, Args)         \
  LOWBIT_DECLARE(avx512, op, Args)       \
  inline constexpr PerIsa<Args> k_##op = \
      PerIsa<Args>().with(Isa::portable, portable::op).with(Isa::avx2, avx2::op).with(Isa::avx512, avx512::op)
#define LOWBIT_KERNEL(op, Args, numeric_class) LOWBIT_X86_KERNEL(op, Args);
#define LOWBIT_VNNI_KERNEL(op, Args, numeric_class) \
  LOWBIT_DECLARE(avxvnni, op, Args) LOWBIT_X86_KERNEL(op, Args).with(Isa::avxvnni, avxvnni::op);
#define LOWBIT_ONE_ISA(isa, slot, op, Args) \
  LOWBIT_DECLARE(isa, op, Args)             \
  inline constexpr PerIsa<Args> k_##op = PerIsa<Args>().with(Isa::slot, isa::op);
#define LOWBIT_AVX512_KERNEL(op, Args, numeric_class) LOWBIT_ONE_ISA(avx512, avx512, op, Args)
#define LOWBIT_BF16_KERNEL(op, Args, numeric_class) LOWBIT_ONE_ISA(avx512bf16, avx512, op, Args)
#define LOWBIT_AMX_KERNEL(op, Args, numeric_class) LOWBIT_ONE_ISA(amx, amx, op, Args)
#else
#if defined(__aarch64__)
#define LOWBIT_KERNEL(op, Args, numeric_class) \
  LOWBIT_DECLARE(portable, op, Args)           \
  LOWBIT_DECLARE(neon, op, Args)               \
  inline constexpr PerIsa<Args> k_##op = PerIsa<Args>().with(Isa::portable, portable::op).with(Isa::neon, neon::op);
#else
#define LOWBIT_KERNEL(op, Args, numeric_class) \
  LOWBIT_DECLARE(portable, op, Args)           \
  inline constexpr PerIsa<Args> k_##op = PerIsa<Args>().with(Isa::portable, portable::op);
#endif
#define LOWBIT_VNNI_KERNEL(op, Args, numeric_class) LOWBIT_KERNEL(op, Args, numeric_class)
#define LOWBIT_AVX512_KERNEL(op, Args, numeric_class) inline constexpr PerIsa<Args> k_##op;
#define LOWBIT_BF16_KERNEL(op, Args, numeric_class) LOWBIT_AVX512_KERNEL(op, Args, numeric_class)
#define LOWBIT_AMX_KERNEL(op, Args, numeric_class) LOWBIT_AVX512_KERNEL(op, Args, numeric_class)
#endif
#include "kernels/kernels.inc"
#undef LOWBIT_KERNEL
#undef LOWBIT_VNNI_KERNEL
#undef LOWBIT_AVX512_KERNEL
#undef LOWBIT_BF16_KERNEL
#undef LOWBIT_AMX_KERNEL
#undef LOWBIT_X86_KERNEL
#undef LOWBIT_ONE_ISA
#undef LOWBIT_DECLARE

}  // namespace lowbit::kernels
