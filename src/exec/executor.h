// Fast execution of any graph: tokens of one or many sequences at once, a cache for attention, taps on any value.
// Bit-equal with the interpreter (graph/interpreter.h) for any threads, ISA, batch and chunking.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/result.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "tensor/weight.h"

namespace lowbit::exec {

using Weights = tensor::Weights;

// Keys and values of one sequence, in the formats that the graph's attention nodes ask for.
class Cache {
 public:
  ~Cache();
  Cache(Cache&&) noexcept;
  Cache& operator=(Cache&&) noexcept;

  int64_t length() const;    // tokens held
  int64_t capacity() const;  // most tokens it can hold
  void truncate(int64_t length);
  uint64_t bytes() const;
  // For benchmarks: `length` tokens (at most the capacity) are held from now on, with random keys and values of size
  // 1 in place of computed ones; the same for the same seed.
  void fill(int64_t length, uint64_t seed, ThreadPool& pool);

  struct State;  // state.h
  explicit Cache(std::unique_ptr<State> state);
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// Bytes of a cache for such a graph (with casts inserted), without making one.
uint64_t cache_bytes(const graph::Graph& graph, int64_t capacity);

// Some tokens that follow what a cache holds.
struct Segment {
  std::span<const int32_t> tokens;
  Cache* cache = nullptr;
  // Logits are computed for the last `logits` of these tokens.
  int64_t logits = 1;
};

// Called after a value was computed: rows is [tokens][width] (all segments one after the other; after the last
// attention only the tokens whose logits were asked for). Casts are not reported: see their inputs.
using Tap = std::function<void(graph::ValueId id, const graph::Value& value, const float* rows, int64_t tokens)>;

class Executor {
 public:
  // graph: with casts inserted, shapes inferred. An error names a parameter that is missing or has the wrong shape.
  static Result<std::unique_ptr<Executor>> create(graph::Graph graph, Weights weights,
                                                  std::shared_ptr<ThreadPool> pool, Isa isa);
  ~Executor();

  const graph::Graph& graph() const;
  Cache new_cache(int64_t capacity) const;
  int64_t vocabulary() const;

  // Runs the segments (each with its own cache, which grows) and writes the logits asked for, segment by segment,
  // [rows][vocabulary]. An error where a cache is too small or a token id out of range; caches are then unchanged.
  Status forward(std::span<const Segment> segments, std::vector<float>& logits, const Tap& tap = {});

  struct State;  // state.h

 private:
  Executor() = default;
  std::unique_ptr<State> state_;
};

}  // namespace lowbit::exec
