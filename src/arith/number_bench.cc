// Time of one operation of the public scalars, and of one term of a dot product.
#include <benchmark/benchmark.h>

#include <vector>

#include "arith/accumulate.h"
#include "base/rng.h"
#include "lowbit/number.h"

namespace lowbit {
namespace {

template <class T>
std::vector<T> numbers(uint64_t seed) {
  Rng rng(seed);
  std::vector<T> out;
  for (int i = 0; i < 4096; ++i) out.push_back(T(rng.uniform() * 4 - 2));
  return out;
}

template <class T, class Operation>
void pairs(benchmark::State& state, Operation operation) {
  const std::vector<T> a = numbers<T>(1), b = numbers<T>(2);
  std::vector<T> out = a;
  for (auto _ : state) {
    for (size_t i = 0; i < a.size(); ++i) out[i] = operation(a[i], b[i]);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * a.size()));
}

using E4m3 = Number<"e4m3fn", "rne", "none", uint8_t>;
using Posit8 = Number<"posit8", "rne", "none", uint8_t>;
using Half = Number<"f16">;
using Posit16 = Number<"posit16">;
template <class T>
void add(benchmark::State& state) {
  pairs<T>(state, [](T x, T y) { return x + y; });
}
template <class T>
void multiply(benchmark::State& state) {
  pairs<T>(state, [](T x, T y) { return x * y; });
}
template <class T>
void divide(benchmark::State& state) {
  pairs<T>(state, [](T x, T y) { return x / y; });
}
template <class T>
void fused(benchmark::State& state) {
  pairs<T>(state, [](T x, T y) { return fma(x, y, x); });
}
BENCHMARK(add<E4m3>);
BENCHMARK(multiply<E4m3>);
BENCHMARK(divide<Posit8>);
BENCHMARK(add<Half>);
BENCHMARK(multiply<Half>);
BENCHMARK(divide<Half>);
BENCHMARK(fused<Half>);
BENCHMARK(multiply<Posit16>);

void dot(benchmark::State& state, const char* format, const char* accumulator, arith::Order order) {
  const formats::ElementFormat f = formats::parse_element(format).value();
  arith::Accumulation how;
  how.accumulator = formats::parse_element(accumulator).value();
  how.order = order;
  const arith::Accumulator made = arith::Accumulator::make(f, f, how).value();
  Rng rng(3);
  std::vector<uint32_t> a, b;
  for (int i = 0; i < 4096; ++i) {
    a.push_back(formats::encode(f, rng.normal()));
    b.push_back(formats::encode(f, rng.normal()));
  }
  for (auto _ : state) benchmark::DoNotOptimize(made.dot(a, b));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * a.size()));
}
BENCHMARK_CAPTURE(dot, e4m3fn_in_f16, "e4m3fn", "f16", arith::Order::sequential);
BENCHMARK_CAPTURE(dot, bf16_in_f32, "bf16", "f32", arith::Order::sequential);
BENCHMARK_CAPTURE(dot, bf16_exact, "bf16", "bf16", arith::Order::exact);

}  // namespace
}  // namespace lowbit
