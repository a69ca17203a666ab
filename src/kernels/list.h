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

// A function per ISA, portable first; empty slots fall back to the next lower one. Ops of one ISA alone have no
// other.
template <class Args>
struct PerIsa {
  void (*functions[kIsas])(const Args&) = {};
  constexpr auto at(Isa isa) const {
    for (int i = static_cast<int>(isa); i > 0; --i) {
      if (functions[i] != nullptr) return functions[i];
    }
    return functions[0];
  }
};

// Declarations, and for each op a `constexpr PerIsa k_<op>`.
#if defined(__x86_64__)
#define LOWBIT_KERNEL(op, Args, numeric_class) \
  namespace portable {                         \
  void op(const Args&);                        \
  }                                            \
  namespace avx2 {                             \
  void op(const Args&);                        \
  }                                            \
  namespace avx512 {                           \
  void op(const Args&);                        \
  }                                            \
  inline constexpr PerIsa<Args> k_##op = {{portable::op, avx2::op, avx512::op}};
#define LOWBIT_AVX512_KERNEL(op, Args, numeric_class) \
  namespace avx512 {                                  \
  void op(const Args&);                               \
  }                                                   \
  inline constexpr PerIsa<Args> k_##op = {{nullptr, nullptr, avx512::op}};
#define LOWBIT_AMX_KERNEL(op, Args, numeric_class) \
  namespace amx {                                  \
  void op(const Args&);                            \
  }                                                \
  inline constexpr PerIsa<Args> k_##op = {{nullptr, nullptr, nullptr, amx::op}};
#define LOWBIT_BF16_KERNEL(op, Args, numeric_class) \
  namespace avx512bf16 {                            \
  void op(const Args&);                             \
  }                                                 \
  inline constexpr PerIsa<Args> k_##op = {{nullptr, nullptr, avx512bf16::op}};
#else
#define LOWBIT_KERNEL(op, Args, numeric_class) \
  namespace portable {                         \
  void op(const Args&);                        \
  }                                            \
  inline constexpr PerIsa<Args> k_##op = {{portable::op}};
#define LOWBIT_AVX512_KERNEL(op, Args, numeric_class) inline constexpr PerIsa<Args> k_##op = {};
#define LOWBIT_AMX_KERNEL(op, Args, numeric_class) inline constexpr PerIsa<Args> k_##op = {};
#define LOWBIT_BF16_KERNEL(op, Args, numeric_class) inline constexpr PerIsa<Args> k_##op = {};
#endif
#include "kernels/kernels.inc"
#undef LOWBIT_KERNEL
#undef LOWBIT_AVX512_KERNEL
#undef LOWBIT_AMX_KERNEL
#undef LOWBIT_BF16_KERNEL

}  // namespace lowbit::kernels
