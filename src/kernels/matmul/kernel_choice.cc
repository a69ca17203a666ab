#include "kernels/matmul/kernel_choice.h"

#include <array>
#include <mutex>

namespace lowbit::kernels {

namespace {

struct Known {
  KernelChoice choice;
  std::array<bool, kKernelQuestions> asked = {};
};

std::mutex choice_mutex;
KernelChoiceSource source_of_choice = nullptr;
std::array<Known, kIsas> known_choices;

}  // namespace

KernelChoice usual_kernel_choice(Isa isa) {
  // By docs/decisions/products-of-few-bits.md.
  if (isa >= Isa::avx512) return {2, 2};
  return isa == Isa::avx2 ? KernelChoice{2, 1} : KernelChoice{4, 4};
}

void set_kernel_choice_source(KernelChoiceSource source) {
  const std::lock_guard lock(choice_mutex);
  source_of_choice = source;
  known_choices = {};
}

void take_choice(const KernelChoice& from, KernelQuestion question, KernelChoice& choice) {
  switch (question) {
    case KernelQuestion::planes:
      choice.few = from.few;
      choice.many = from.many;
      return;
    case KernelQuestion::bf16:
      choice.bf16 = from.bf16;
      return;
    case KernelQuestion::shifts:
      choice.shifts = from.shifts;
      return;
  }
}

void choose_kernel(Isa isa, KernelQuestion question, KernelChoice& choice) {
  const std::lock_guard lock(choice_mutex);
  Known& known = known_choices[static_cast<size_t>(isa)];
  bool& asked = known.asked[static_cast<size_t>(question)];
  if (!asked) {
    take_choice(usual_kernel_choice(isa), question, known.choice);
    if (source_of_choice != nullptr) source_of_choice(isa, question, known.choice);
    asked = true;
  }
  take_choice(known.choice, question, choice);
}

}  // namespace lowbit::kernels
