#include "kernels/list.h"

#include <gtest/gtest.h>

#include <set>

namespace lowbit::kernels {
namespace {

TEST(KernelList, NothingInexactAndNothingWithoutItsMeaning) {
  std::set<std::pair<std::string_view, Isa>> seen;
  for (const KernelRow& row : kernel_rows()) {
    seen.insert({row.op, row.isa});
    EXPECT_NE(row.numeric_class, NumericClass::tolerance) << row.op << ": nothing inexact is in the default path";
  }
  for (const auto& [op, isa] : seen) {
    if (isa != Isa::avx2 && isa != Isa::neon) continue;
    EXPECT_TRUE(seen.contains({op, Isa::portable})) << op;
    if (isa == Isa::avx2) EXPECT_TRUE(seen.contains({op, Isa::avx512})) << op;
  }
  EXPECT_GE(seen.size(), 80u);
}

// Selection takes the ISA as an argument, so that it is tested on any machine.
TEST(KernelList, SelectionGoesToTheBestThatIsThere) {
  EXPECT_EQ(k_gemm.at(Isa::amx), k_gemm.at(Isa::avx512));
  EXPECT_EQ(k_gemm.at(Isa::avxvnni), k_gemm.at(Isa::avx2));
  for (int isa = 0; isa < kIsas; ++isa) {
    if (k_dot.functions[isa] != nullptr) EXPECT_EQ(k_dot.at(static_cast<Isa>(isa)), k_dot.functions[isa]);
    EXPECT_EQ(PerIsa<GemmArgs>().with(Isa::portable, portable::gemm).at(static_cast<Isa>(isa)), portable::gemm);
  }
}

// Processors of AVX-512 may lack AVX-VNNI: what has a slot there needs one of its own.
TEST(KernelList, Avx512NeverFallsToAvxVnni) {
  std::set<std::string_view> avxvnni, avx512;
  for (const KernelRow& row : kernel_rows()) {
    if (row.isa == Isa::avxvnni) avxvnni.insert(row.op);
    if (row.isa == Isa::avx512) avx512.insert(row.op);
  }
  for (const std::string_view op : avxvnni) EXPECT_TRUE(avx512.contains(op)) << op;
}

}  // namespace
}  // namespace lowbit::kernels
