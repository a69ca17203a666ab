// The list of kernels: for each operation the instantiations per ISA, with their numeric class (kernels.inc).
#pragma once

#include <span>
#include <string_view>

#include "base/cpu.h"

namespace lowbit::kernels {

enum class NumericClass { exact, consistent, tolerance };

// One row of kernels.inc, for tests, benchmarks and docs.
struct KernelRow {
  std::string_view op;
  Isa isa;
  NumericClass numeric_class;
};
std::span<const KernelRow> kernel_rows();

// A function per ISA, portable first; empty slots fall back to the next lower one.
template <class Fn>
struct PerIsa {
  Fn* functions[3] = {};
  Fn* at(Isa isa) const {
    for (int i = static_cast<int>(isa); i > 0; --i) {
      if (functions[i] != nullptr) return functions[i];
    }
    return functions[0];
  }
};

}  // namespace lowbit::kernels

// Declares NAME in the namespaces of the three ISAs and makes `constexpr PerIsa kNAME`.
#if defined(__x86_64__)
#define LOWBIT_PER_ISA(Name, ...) \
  namespace portable {            \
  void Name(__VA_ARGS__);         \
  }                               \
  namespace avx2 {                \
  void Name(__VA_ARGS__);         \
  }                               \
  namespace avx512 {              \
  void Name(__VA_ARGS__);         \
  }                               \
  constexpr PerIsa<void(__VA_ARGS__)> k_##Name = {{portable::Name, avx2::Name, avx512::Name}};
#else
#define LOWBIT_PER_ISA(Name, ...) \
  namespace portable {            \
  void Name(__VA_ARGS__);         \
  }                               \
  constexpr PerIsa<void(__VA_ARGS__)> k_##Name = {{portable::Name, nullptr, nullptr}};
#endif
