// Weights of 1 or 2 bits and activations of 1 to 4 as planes of bits.
#pragma once

#include "kernels/matmul/plan.h"

namespace lowbit::kernels {

// Without pairs where the kernel `planes` does not take them. Stretches are not asked for.
// room: plane_room of MatmulTraits.
PlanePlan plan_planes(int room, const formats::ElementFormat& weight, const formats::IntegerForm& form,
                      const formats::Format& activation);

// By the choice of the plan.
bool counts_bits(const PartPlan& plan, int64_t tokens);

// What the sum of a stretch begins with, if its activations sum to `sum` over `cols` columns.
int32_t start_of_planes(const PlanePlan& plan, int32_t sum, int64_t cols);

}  // namespace lowbit::kernels
