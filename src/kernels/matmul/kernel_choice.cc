#include "kernels/matmul/kernel_choice.h"

#include <array>
#include <iterator>
#include <mutex>
#include <optional>

namespace lowbit::kernels {

namespace {

std::mutex choice_mutex;
KernelChoiceSource source_of_choice = nullptr;
std::array<std::array<std::optional<int>, std::size(kKernelQuestions)>, kIsas> known_answers;

}  // namespace

KernelChoice usual_kernel_choice(Isa isa) {
  // By docs/decisions/products-of-few-bits.md; NEON was not measured.
  if (isa >= Isa::avx512) return {.planes_few = 2, .planes_many = 2};
  if (isa == Isa::avx2 || isa == Isa::avxvnni) return {.planes_few = 2, .planes_many = 1};
  return {.planes_few = 4, .planes_many = 4};
}

void set_kernel_choice_source(KernelChoiceSource source) {
  const std::lock_guard lock(choice_mutex);
  source_of_choice = source;
  known_answers = {};
}

void choose_kernel(Isa isa, KernelQuestion question, KernelChoice& choice) {
  const std::lock_guard lock(choice_mutex);
  std::optional<int>& known = known_answers[static_cast<size_t>(isa)][static_cast<size_t>(question)];
  int KernelChoice::* const answer = row_of(question).answer;
  if (!known) {
    const int usual = usual_kernel_choice(isa).*answer;
    known = source_of_choice == nullptr ? usual : source_of_choice(isa, question, usual);
  }
  choice.*answer = *known;
}

}  // namespace lowbit::kernels
