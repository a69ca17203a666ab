#include "kernels/matmul/kernel_choice.h"

#include <array>
#include <mutex>
#include <optional>

namespace lowbit::kernels {

namespace {

struct Known {
  std::optional<KernelChoice> choice;
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

KernelChoice kernel_choice(Isa isa, KernelQuestion question) {
  const std::lock_guard lock(choice_mutex);
  Known& known = known_choices[static_cast<size_t>(isa)];
  if (!known.choice) known.choice = usual_kernel_choice(isa);
  bool& asked = known.asked[static_cast<size_t>(question)];
  if (!asked && source_of_choice != nullptr) source_of_choice(isa, question, *known.choice);
  asked = true;
  return *known.choice;
}

}  // namespace lowbit::kernels
