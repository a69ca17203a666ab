#include "cost/kernel_choice.h"

#include <time.h>

#include <algorithm>

#include "cost/random_activations.h"
#include "cost/shapes.h"
#include "kernels/limits/limits.h"
#include "kernels/matmul/plan.h"

namespace lowbit::cost {
namespace {

constexpr int64_t kRows = 256, kCols = 4096;
constexpr int kRuns = 7;
constexpr uint64_t kSeed = 1;

// Ascending pairs.
struct Candidate {
  int pairs;
  const char *weight, *activation;
};
constexpr Candidate kCandidates[] = {
    {1, "binary/128:f16", "binary/row:f32"},     {2, "binary/128:f16", "int2/row:f32"},
    {2, "[-1,0,1,0]/128:f16", "binary/row:f32"}, {3, "binary/128:f16", "int3/row:f32"},
    {4, "binary/128:f16", "int4/row:f32"},       {4, "[-1,0,1,0]/128:f16", "int2/row:f32"}};

// Of this thread: another program may want the processor meanwhile.
double thread_seconds() {
  timespec t = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Case {
  const char *weight, *activation;
  int64_t tokens;
};

// Whether the kernel of this choice is, and not the one without.
Result<bool> is_faster(Isa isa, const Case& c, const kernels::KernelChoice& choice) {
  ThreadPool pool(1);
  LOWBIT_ASSIGN(const formats::Format format, formats::parse_format(c.weight));
  LOWBIT_ASSIGN(const formats::Format activation, formats::parse_format(c.activation));
  tensor::Weight weight;
  weight.shape = {kRows, kCols};
  LOWBIT_ASSIGN(tensor::PackedMatrix matrix, random_matrix(format, kRows, kCols, kSeed));
  weight.parts.push_back(std::move(matrix));
  const RandomActivations x(activation, c.tokens, kCols, kSeed);
  std::vector<float> out(static_cast<size_t>(c.tokens * kRows));
  const kernels::Product products[] = {{isa, weight, activation, {}}, {isa, weight, activation, choice}};
  double best[2] = {1e9, 1e9};
  for (int run = 0; run < 2 * kRuns; ++run) {
    const double begin = thread_seconds();
    products[run % 2].run(0, kRows, x.view, pool, out.data(), kRows);
    best[run % 2] = std::min(best[run % 2], thread_seconds() - begin);
  }
  return best[1] < best[0];
}

// Up to how many pairs counting was the faster for every product measured.
Result<int> most_planes(Isa isa, int64_t tokens) {
  int slower = kernels::kMostPlanePairs + 1;  // the fewest pairs that are
  for (const Candidate& candidate : kCandidates) {
    if (candidate.pairs >= slower) break;
    LOWBIT_ASSIGN(const bool faster, is_faster(isa, {candidate.weight, candidate.activation, tokens},
                                               {.planes_few = candidate.pairs, .planes_many = candidate.pairs}));
    if (!faster) slower = candidate.pairs;
  }
  return slower - 1;
}

Result<int> yes_if_faster(bool possible, Isa isa, const Case& c, const kernels::KernelChoice& choice) {
  if (!possible) return 0;
  LOWBIT_ASSIGN(const bool faster, is_faster(isa, c, choice));
  return faster ? 1 : 0;
}

// One for each row of kernel_questions.inc.
Result<int> planes_few(Isa isa) { return most_planes(isa, 1); }
Result<int> planes_many(Isa isa) { return most_planes(isa, 32); }
Result<int> bf16(Isa isa) {
  return yes_if_faster(kernels::has_bf16_products(isa), isa, {"bf16", "bf16", 64}, {.bf16 = 1});
}
// Of codes of two planes, where the ways differ most.
Result<int> shifts(Isa isa) {
  return yes_if_faster(kernels::traits_of(isa).few_tile > 0, isa, {"int3/64:f16", "int8/64:f32", 8}, {.shifts = 1});
}
Result<int> short_tiles(Isa isa) {
  return yes_if_faster(isa >= Isa::amx, isa, {"int4/32:f16", "int8/32:f32", 128}, {.short_tiles = 1});
}

constexpr Result<int> (*kMeasure[])(Isa) = {
#define LOWBIT_KERNEL_QUESTION(name, most) name,
#include "kernels/matmul/kernel_questions.inc"
#undef LOWBIT_KERNEL_QUESTION
};

}  // namespace

Result<int> measure_kernel_choice(Isa isa, kernels::KernelQuestion question) {
  return kMeasure[static_cast<size_t>(question)](isa);
}

}  // namespace lowbit::cost
