#include "kernels/matmul/kernel_choice.h"

#include <array>
#include <mutex>
#include <optional>

namespace lowbit::kernels {

namespace {

std::mutex choice_mutex;
KernelChoice (*source_of_choice)(Isa) = nullptr;
std::array<std::optional<KernelChoice>, kIsas> known_choices;

}  // namespace

KernelChoice usual_kernel_choice(Isa isa) {
  // By docs/decisions/products-of-few-bits.md.
  if (isa >= Isa::avx512) return {2, 2};
  return isa == Isa::avx2 ? KernelChoice{2, 1} : KernelChoice{4, 4};
}

void set_kernel_choice_source(KernelChoice (*source)(Isa)) {
  const std::lock_guard lock(choice_mutex);
  source_of_choice = source;
  for (std::optional<KernelChoice>& known : known_choices) known.reset();
}

KernelChoice kernel_choice(Isa isa) {
  const std::lock_guard lock(choice_mutex);
  std::optional<KernelChoice>& known = known_choices[static_cast<size_t>(isa)];
  if (!known) known = source_of_choice != nullptr ? source_of_choice(isa) : usual_kernel_choice(isa);
  return *known;
}

}  // namespace lowbit::kernels
