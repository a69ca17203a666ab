// The choice between kernels of the same bits that is in force.
#pragma once

#include <string_view>

#include "kernels/matmul/matmul.h"

namespace lowbit::kernels {

// A row of kernel_questions.inc.
struct KernelQuestionRow {
  std::string_view name;
  int most;
  int KernelChoice::* answer;
};
constexpr KernelQuestionRow kKernelQuestions[] = {
#define LOWBIT_KERNEL_QUESTION(name, most) {#name, most, &KernelChoice::name},
#include "kernels/matmul/kernel_questions.inc"
#undef LOWBIT_KERNEL_QUESTION
};
constexpr const KernelQuestionRow& row_of(KernelQuestion question) {
  return kKernelQuestions[static_cast<size_t>(question)];
}

// Asks the source, where one is set and was not asked this before, and puts the answer into `choice`.
void choose_kernel(Isa isa, KernelQuestion question, KernelChoice& choice);

}  // namespace lowbit::kernels
