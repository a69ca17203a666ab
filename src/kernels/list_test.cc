#include "kernels/list.h"

#include <gtest/gtest.h>

#include <set>

namespace lowbit::kernels {
namespace {

TEST(KernelList, EveryRowIsThereForEveryIsaAndPromisesItsBits) {
  std::set<std::pair<std::string_view, Isa>> seen;
  for (const KernelRow& row : kernel_rows()) {
    EXPECT_TRUE(seen.insert({row.op, row.isa}).second) << row.op;
    EXPECT_NE(row.numeric_class, NumericClass::tolerance) << row.op << ": nothing inexact is in the default path";
  }
  EXPECT_GE(seen.size(), 12u);
}

// Selection takes the ISA as an argument, so that it is tested on any machine.
TEST(KernelList, SelectionGoesToTheBestThatIsThere) {
  EXPECT_EQ(k_gemm.at(Isa::amx), k_gemm.at(Isa::avx512));
  for (const int isa : {0, 1, 2}) EXPECT_EQ(k_gemm.at(static_cast<Isa>(isa)), k_gemm.functions[isa]);
  const PerIsa<GemmArgs> holes = {{portable::gemm, nullptr, nullptr}};
  for (const int isa : {0, 1, 2}) EXPECT_EQ(holes.at(static_cast<Isa>(isa)), portable::gemm);
}

}  // namespace
}  // namespace lowbit::kernels
