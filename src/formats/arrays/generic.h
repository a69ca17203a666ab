// All array kernels of an instruction set: what <isa>.cc files include.
#pragma once

#include "formats/arrays/generic_blocks.h"
#include "formats/arrays/generic_doubles.h"
#include "formats/arrays/generic_numbers.h"
#include "formats/arrays/generic_posits.h"
#include "formats/arrays/generic_steps.h"
#include "formats/arrays/generic_stochastic.h"
#include "formats/arrays/generic_tables.h"
#include "formats/arrays/generic_words.h"

namespace lowbit::formats {

// The kernel of each plan; `first` matters where random bits decide.
template <class S, class Out>
static inline void run_plan(const StepCast& p, const float* in, Out* out, int64_t count, uint64_t first) {
  step_cast<S>(p, in, out, count, first);
}
template <class S, class Out>
static inline void run_plan(const MagicCast& p, const float* in, Out* out, int64_t count, uint64_t) {
  magic_cast<S>(p, in, out, count);
}
template <class S, class Out>
static inline void run_plan(const FixedCast& p, const float* in, Out* out, int64_t count, uint64_t) {
  fixed_cast<S::kLanes>(p, in, out, count);
}
template <class S, class Out>
static inline void run_plan(const CarryCast& p, const float* in, Out* out, int64_t count, uint64_t first) {
  carry_cast<S>(p, in, out, count, first);
}
template <class S, class Out>
static inline void run_plan(const TableCast& p, const float* in, Out* out, int64_t count, uint64_t) {
  table_cast<S>(p, in, out, count);
}
template <class S, class Out>
static inline void run_plan(const NeighbourCast& p, const float* in, Out* out, int64_t count, uint64_t first) {
  neighbour_cast<S>(p, in, out, count, first);
}
template <class S, class Out>
static inline void run_plan(const PositCast& p, const float* in, Out* out, int64_t count, uint64_t first) {
  posit_cast<S>(p, in, out, count, first);
}

template <class S, class Plan>
static constexpr PlanKernels<Plan> plan_kernels() {
  PlanKernels<Plan> k = {};
  k.values = [](const Plan& p, const float* in, float* out, int64_t n, uint64_t f) { run_plan<S>(p, in, out, n, f); };
  k.codes8 = [](const Plan& p, const float* in, uint8_t* out, int64_t n, uint64_t f) {
    run_plan<S>(p, in, out, n, f);
  };
  k.codes16 = [](const Plan& p, const float* in, uint16_t* out, int64_t n, uint64_t f) {
    run_plan<S>(p, in, out, n, f);
  };
  return k;
}

template <class S>
static constexpr ArrayKernels make_all_kernels() {
  ArrayKernels k = {};
  k.steps = plan_kernels<S, StepCast>();
  k.magic = plan_kernels<S, MagicCast>();
  k.fixed = plan_kernels<S, FixedCast>();
  k.carry = plan_kernels<S, CarryCast>();
  k.table = plan_kernels<S, TableCast>();
  k.neighbours = plan_kernels<S, NeighbourCast>();
  k.posits = plan_kernels<S, PositCast>();
  k.step_doubles = [](const StepCast& p, const double* in, uint16_t* out, int64_t n, uint64_t f) {
    step_doubles<S>(p, in, out, n, f);
  };
  k.odd_floats = [](const double* in, float* out, int64_t n) { odd_floats<S::kLanes>(in, out, n); };
  k.decode8 = [](const ByteDecode& p, const uint8_t* in, float* out, int64_t n) { S::decode8(p, in, out, n); };
  k.decode16 = [](const float* table, const uint16_t* in, float* out, int64_t n) {
    decode_by_gather<S>(table, in, out, n);
  };
  k.decode_words = [](const WordDecode& p, const uint16_t* in, float* out, int64_t n) {
    decode_words<S::kLanes>(p, in, out, n);
  };
  k.decode_bf16 = [](const ByteDecode& p, const uint8_t* in, uint16_t* out, int64_t n) {
    S::decode_bf16(p, in, out, n);
  };
  k.stream = [](const void* from, void* to, int64_t bytes) { S::stream(from, to, bytes); };
  k.blocks = make_block_kernels<S>();
  return k;
}

}  // namespace lowbit::formats
