#include "kernels/matmul/plane_plan.h"

#include <cstdlib>

namespace lowbit::kernels {

bool counts_bits(const PartPlan& plan, int64_t tokens) {
  const int most = tokens <= kFusedTokens ? plan.choice.planes_few : plan.choice.planes_many;
  return plan.planes.pairs > 0 && plan.planes.pairs <= most;
}

PlanePlan plan_planes(int room, const formats::ElementFormat& weight, const formats::IntegerForm& form,
                      const formats::Format& activation) {
  PlanePlan plan;
  const bool binary = is_binary_activation(activation);
  const int planes = binary ? 1 : activation.element.bits;
  if (weight.bits > 2 || weight.bits * planes > kMostPlanePairs) return plan;
  const auto of = [&](size_t code) { return static_cast<int32_t>(form.integers[code]); };
  int32_t factors[2] = {of(1) - of(0), 0};
  if (weight.bits == 2) {
    if (of(3) == of(1)) {
      plan.form = PlaneForm::ternary;
      factors[1] = of(2) - of(1);
    } else if (of(3) - of(2) == of(1) - of(0)) {
      plan.form = PlaneForm::two;
      factors[1] = of(2) - of(0);
    } else {
      return plan;
    }
  }
  const int weights = weight_planes(plan.form);
  for (int q = 0; q < planes; ++q) {
    // Two's complement: the last plane is negative. So is what differs from binary activations: for a plane a and
    // the plane p of ones, sum(a * x) = 2 |a & p| - |a| = |p| - |a ^ p|.
    const int32_t place = q + 1 == planes ? -(1 << q) : 1 << q;
    for (int i = 0; i < weights; ++i) {
      const int32_t factor = factors[i] * place;
      if (std::abs(factor) > 127) return plan;
      plan.factors[q * weights + i] = static_cast<int8_t>(factor);
    }
  }
  plan.base = of(0);
  plan.binary = binary;
  plan.ones = factors[0] + factors[1];
  plan.planes = planes;
  plan.pairs = weights * planes;
  plan.tile = plane_tile_tokens(room, plan.pairs);
  return plan;
}

int32_t start_of_planes(const PlanePlan& plan, int32_t sum, int64_t cols) {
  // Of binary digits of sum `sum`, (cols + sum) / 2 are 1.
  const auto ones = static_cast<int32_t>((cols + sum) / 2);
  return plan.base * sum + (plan.binary ? plan.ones * ones : 0);
}

}  // namespace lowbit::kernels
