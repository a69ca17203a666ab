#include "cost/kernel_choice.h"

#include <time.h>

#include <algorithm>

#include "cost/random_activations.h"
#include "cost/shapes.h"
#include "kernels/limits/limits.h"

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

// Whether the second of two choices is.
Result<bool> is_faster(Isa isa, const char* weight_format, const char* activation_format, int64_t tokens,
                       const kernels::KernelChoice (&choices)[2], ThreadPool& pool) {
  LOWBIT_ASSIGN(const formats::Format format, formats::parse_format(weight_format));
  LOWBIT_ASSIGN(const formats::Format activation, formats::parse_format(activation_format));
  tensor::Weight weight;
  weight.shape = {kRows, kCols};
  LOWBIT_ASSIGN(tensor::PackedMatrix matrix, random_matrix(format, kRows, kCols, kSeed));
  weight.parts.push_back(std::move(matrix));
  const RandomActivations x(activation, tokens, kCols, kSeed);
  std::vector<float> out(static_cast<size_t>(tokens * kRows));
  const kernels::Product products[] = {{isa, weight, activation, choices[0]}, {isa, weight, activation, choices[1]}};
  double best[2] = {1e9, 1e9};
  for (int run = 0; run < 2 * kRuns; ++run) {
    const double begin = thread_seconds();
    products[run % 2].run(0, kRows, x.view, pool, out.data(), kRows);
    best[run % 2] = std::min(best[run % 2], thread_seconds() - begin);
  }
  return best[1] < best[0];
}

Status measure_planes(Isa isa, kernels::KernelChoice& choice, ThreadPool& pool) {
  for (const auto& [most, tokens] : {std::pair{&choice.few, 1}, std::pair{&choice.many, 32}}) {
    int slower = kernels::kMostPlanePairs + 1;  // the fewest pairs that are
    for (const Candidate& candidate : kCandidates) {
      if (candidate.pairs >= slower) break;
      LOWBIT_ASSIGN(const bool faster, is_faster(isa, candidate.weight, candidate.activation, tokens,
                                                 {{}, {candidate.pairs, candidate.pairs}}, pool));
      if (!faster) slower = candidate.pairs;
    }
    *most = slower - 1;
  }
  return {};
}

}  // namespace

Status measure_kernel_choice(Isa isa, kernels::KernelQuestion question, kernels::KernelChoice& choice) {
  ThreadPool pool(1);
  if (question == kernels::KernelQuestion::planes) return measure_planes(isa, choice, pool);
  if (question == kernels::KernelQuestion::bf16) {
    choice.bf16 = false;
    if (!kernels::has_bf16_products(isa)) return {};
    LOWBIT_ASSIGN(choice.bf16, is_faster(isa, "bf16", "bf16", 64, {{}, {0, 0, true}}, pool));
    return {};
  }
  if (question == kernels::KernelQuestion::short_tiles) {
    choice.short_tiles = false;
    if (isa < Isa::amx) return {};
    LOWBIT_ASSIGN(choice.short_tiles,
                  is_faster(isa, "int4/32:f16", "int8/32:f32", 128, {{}, {.short_tiles = true}}, pool));
    return {};
  }
  choice.shifts = false;
  if (isa < Isa::avx512) return {};
  // Of codes of two planes, where the ways differ most.
  LOWBIT_ASSIGN(choice.shifts, is_faster(isa, "int3/64:f16", "int8/64:f32", 8, {{}, {0, 0, false, true}}, pool));
  return {};
}

}  // namespace lowbit::cost
