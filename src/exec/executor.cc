#include "exec/executor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/bits.h"
#include "exec/state.h"
#include "tensor/cast.h"
#include "tensor/gather.h"

namespace lowbit::exec {
namespace {

using OpFunction = void (*)(Executor::State&, const graph::Node&, Rows);
constexpr OpFunction kOps[] = {
#define LOWBIT_OP(name, inputs, weights) &Ops::name,
#include "graph/ops.inc"
#undef LOWBIT_OP
};

// Values share slots once nobody needs them: slot and last use of each, in the order of steps.
void assign_slots(Executor::State& s) {
  const size_t count = s.graph.values.size();
  s.last_use.assign(count, -1);
  for (size_t n = 0; n < s.graph.nodes.size(); ++n) {
    for (const graph::ValueId id : s.graph.nodes[n].inputs)
      s.last_use[static_cast<size_t>(id)] = static_cast<int32_t>(n);
  }
  s.last_use[static_cast<size_t>(s.graph.logits)] = static_cast<int32_t>(s.graph.nodes.size());
  s.slot.assign(count, -1);
  std::vector<int32_t> free_slots;
  int32_t slots = 0;
  for (const Step& step : s.steps) {
    // What a step reads stays until its end: a thread may be rows ahead of another.
    std::set<graph::ValueId> read;
    for (int32_t n = step.first; n < step.end; ++n) {
      const graph::Node& node = s.graph.nodes[static_cast<size_t>(n)];
      if (free_slots.empty()) free_slots.push_back(slots++);
      s.slot[static_cast<size_t>(node.output)] = free_slots.back();
      free_slots.pop_back();
      read.insert(node.inputs.begin(), node.inputs.end());
    }
    for (const graph::ValueId id : read) {
      if (id != 0 && s.last_use[static_cast<size_t>(id)] < step.end) {
        free_slots.push_back(s.slot[static_cast<size_t>(id)]);
      }
    }
  }
  s.buffers.resize(static_cast<size_t>(slots));
}

// Which casts to integers need their values beside the codes: some part of a weight is no small integer.
void find_decoded(Executor::State& s) {
  s.decoded.assign(s.graph.values.size(), false);
  for (const graph::Node& node : s.graph.nodes) {
    if (!graph::is_product(node.op)) continue;
    const formats::Format& input = s.value(node.inputs[0]).format;
    for (const tensor::PackedMatrix& part : s.weights.at(node.weights[0])->parts) {
      if (kernels::is_integer_activation(input) &&
          kernels::arithmetic_of(part.format(), input) == kernels::Arithmetic::floating) {
        s.decoded[static_cast<size_t>(node.inputs[0])] = true;
      }
    }
  }
}

void find_parameters(Executor::State& s) {
  for (const graph::Node& node : s.graph.nodes) {
    for (const std::string& name : node.weights) {
      const tensor::Weight& weight = *s.weights.at(name);
      if (weight.shape.size() == 2) s.inverse_orders[name] = tensor::inverse_row_order(weight);
      if (weight.shape.size() == 1) s.vectors[name] = tensor::dequantize(weight);
    }
  }
  // Only now: a parameter may have several nodes.
  s.parameters.resize(s.graph.nodes.size());
  for (size_t n = 0; n < s.graph.nodes.size(); ++n) {
    if (s.graph.nodes[n].weights.empty()) continue;
    const std::string& name = s.graph.nodes[n].weights[0];
    FirstParameter& first = s.parameters[n];
    first.weight = s.weights.at(name).get();
    if (first.weight->shape.size() == 2) first.inverse_order = &s.inverse_orders.at(name);
    if (first.weight->shape.size() == 1) first.vector = s.vectors.at(name).data();
  }
}

void prepare_products(Executor::State& s) {
  s.products.resize(s.graph.nodes.size());
  for (size_t n = 0; n < s.graph.nodes.size(); ++n) {
    const graph::Node& node = s.graph.nodes[n];
    if (!graph::is_product(node.op)) continue;
    s.products[n].emplace(s.isa, *s.parameters[n].weight, s.value(node.inputs[0]).format);
  }
}

void prepare_rotary(Executor::State& s) {
  s.rotary_of.assign(s.graph.nodes.size(), -1);
  for (size_t n = 0; n < s.graph.nodes.size(); ++n) {
    if (s.graph.nodes[n].op != graph::Op::rope) continue;
    const graph::Rope& r = s.graph.nodes[n].rope;
    const std::string name = s.graph.nodes[n].weights.empty() ? "" : s.graph.nodes[n].weights[0];
    const auto same = [&](const RotaryTable& t) {
      return t.rope.base == r.base && t.rope.scale == r.scale && t.rope.amplitude == r.amplitude &&
             t.rope.turned_values() == r.turned_values() && t.factors_name == name;
    };
    const auto it = std::find_if(s.rotary.begin(), s.rotary.end(), same);
    s.rotary_of[n] = static_cast<int32_t>(it - s.rotary.begin());
    if (it != s.rotary.end()) continue;
    s.rotary.push_back({r, name, {}, {}, {}});
    if (!name.empty()) s.rotary.back().factors = s.vectors.at(name);
  }
}

// What the graph asks of tokens and positions.
void find_limits(Executor::State& s) {
  for (const graph::Node& node : s.graph.nodes) {
    if (node.op == graph::Op::embed) {
      s.token_limit = std::min(s.token_limit, s.weights.at(node.weights[0])->rows());
    } else if (node.op == graph::Op::embed_positions) {
      s.position_limit = std::min(s.position_limit, s.weights.at(node.weights[0])->rows());
    } else if (node.op == graph::Op::attention) {
      s.causal = s.causal && node.attention.causal;
    }
  }
}

Status check_weights(const Executor::State& s) {
  for (const graph::Parameter& parameter : s.graph.parameters) {
    const auto it = s.weights.find(parameter.name);
    if (it == s.weights.end()) return errorf("parameter {} is missing", parameter.name);
    if (it->second->shape != parameter.shape) {
      return errorf("parameter {} has shape [{}], expected [{}]", parameter.name, fmt::join(it->second->shape, ", "),
                    fmt::join(parameter.shape, ", "));
    }
  }
  for (const graph::Value& value : s.graph.values) LOWBIT_TRY(tensor::check_castable(value.format));
  for (const graph::Node& node : s.graph.nodes) {
    if (node.op == graph::Op::attention) LOWBIT_TRY(tensor::check_castable(node.attention.kv));
  }
  return {};
}

// rows[i] = rows[kept[i]] of `width` entries each; kept ascends. Empty where a value has no such entries.
template <class T>
void keep_rows(std::vector<T>& rows, int64_t width, const std::vector<int64_t>& kept) {
  if (rows.empty()) return;
  for (size_t i = 0; i < kept.size(); ++i) {
    std::copy_n(rows.data() + kept[i] * width, width, rows.data() + static_cast<int64_t>(i) * width);
  }
}

// Keeps only the rows whose logits are wanted, in every value that is still needed after node `n`.
void drop_rows(Executor::State& s, size_t n) {
  std::vector<int64_t>& kept = s.kept;
  kept.clear();
  int64_t row = 0;
  for (const Segment& segment : s.segments) {
    const auto count = static_cast<int64_t>(segment.tokens.size());
    for (int64_t i = count - std::min(count, segment.logits); i < count; ++i) kept.push_back(row + i);
    row += count;
  }
  if (static_cast<int64_t>(kept.size()) == s.rows) return;
  for (size_t v = 1; v < s.graph.values.size(); ++v) {
    const graph::Value& value = s.graph.values[v];
    if (value.producer >= static_cast<int32_t>(n) || s.last_use[v] < static_cast<int32_t>(n)) continue;
    Buffer& buffer = s.buffer(static_cast<graph::ValueId>(v));
    if (s.has_values(static_cast<graph::ValueId>(v))) keep_rows(buffer.values, value.width, kept);
    if (!s.has_codes(static_cast<graph::ValueId>(v))) continue;
    buffer.stamp = kernels::new_stamp();
    keep_rows(buffer.codes, static_cast<int64_t>(buffer.codes.size()) / s.rows, kept);
    keep_rows(buffer.scales, static_cast<int64_t>(buffer.scales.size()) / s.rows, kept);
  }
  keep_rows(s.tokens, 1, kept);
  keep_rows(s.positions, 1, kept);
  s.rows = static_cast<int64_t>(kept.size());
}

Status begin_pass(Executor::State& s, std::span<const Segment> segments) {
  s.segments = segments;
  s.tokens.clear();
  s.positions.clear();
  for (const Segment& segment : segments) {
    LOWBIT_CHECK(segment.cache != nullptr);
    const auto same = [&](const Segment& other) { return other.cache == segment.cache; };
    LOWBIT_CHECK(std::ranges::count_if(segments, same) == 1);
    const int64_t start = segment.cache->length();
    if (start + static_cast<int64_t>(segment.tokens.size()) > segment.cache->capacity()) {
      return errorf("the context is full: it holds {} of {} tokens and {} more were given", start,
                    segment.cache->capacity(), segment.tokens.size());
    }
    const int64_t end = start + static_cast<int64_t>(segment.tokens.size());
    if (end > s.position_limit) {
      return errorf("{} tokens were given, but the model has {} positions", end, s.position_limit);
    }
    if (!s.causal && start > 0) {
      return errorf("{} tokens were given after {} others, but this model reads a whole text in one pass",
                    segment.tokens.size(), start);
    }
    for (size_t i = 0; i < segment.tokens.size(); ++i) {
      const int32_t token = segment.tokens[i];
      if (token < 0 || token >= s.token_limit) {
        return errorf("token id {} is outside the vocabulary of {}", token, s.token_limit);
      }
      s.tokens.push_back(token);
      s.positions.push_back(start + static_cast<int64_t>(i));
    }
  }
  s.rows = static_cast<int64_t>(s.tokens.size());
  const auto last = std::max_element(s.positions.begin(), s.positions.end());
  for (RotaryTable& table : s.rotary) table.grow(last == s.positions.end() ? 0 : *last + 1);
  return {};
}

// Room for the rows of a node's output.
void make_room(Executor::State& s, const graph::Node& node) {
  const graph::Value& value = s.value(node.output);
  Buffer& buffer = s.buffer(node.output);
  const auto count = static_cast<size_t>(s.rows * value.width);
  if (s.has_values(node.output) && buffer.values.size() < count) buffer.values.resize(count);
  if (!s.has_codes(node.output)) return;
  const CodeShape shape(value);
  const int64_t rows = s.rows * value.slots;
  buffer.codes.resize(static_cast<size_t>(rows * shape.stride));
  buffer.scales.resize(static_cast<size_t>(rows * shape.groups));
  buffer.stamp = kernels::new_stamp();
}

// Rows that are taken through all nodes of a step at once: as many as stay in a near cache, of few rows each thread's
// share if that is worth the wait for each other.
int64_t rows_at_once(const Executor::State& s, const Step& step) {
  constexpr int64_t kValues = 1 << 14, kMostRows = 16, kLeastValues = 1 << 12;
  int64_t width = 1;
  for (const graph::Node& node : s.nodes(step)) width = std::max(width, s.value(node.output).width);
  const int64_t most = std::clamp<int64_t>(kValues / width, 1, kMostRows);
  const int64_t least = std::clamp<int64_t>(kLeastValues / width, 1, most);
  return std::clamp(ceil_div(s.rows, s.pool->size()), least, most);
}

void run_step(Executor::State& s, const Step& step) {
  const std::span<const graph::Node> nodes = s.nodes(step);
  for (const graph::Node& node : nodes) make_room(s, node);
  switch (step.kind) {
    case StepKind::rows:
      return s.pool->parallel_for(s.rows, rows_at_once(s, step), [&](int64_t begin, int64_t end, int) {
        for (const graph::Node& node : nodes) kOps[static_cast<size_t>(node.op)](s, node, {begin, end - begin});
      });
    case StepKind::products:
      return run_linears(s, nodes);
    case StepKind::experts:
      return run_experts(s, nodes);
    case StepKind::whole:
      return kOps[static_cast<size_t>(nodes[0].op)](s, nodes[0], {0, s.rows});
  }
}

}  // namespace

Cache::Cache(std::unique_ptr<State> state) : state_(std::move(state)) {}
Cache::~Cache() = default;
Cache::Cache(Cache&&) noexcept = default;
Cache& Cache::operator=(Cache&&) noexcept = default;
int64_t Cache::length() const { return state_->length; }
int64_t Cache::capacity() const { return state_->capacity; }
void Cache::truncate(int64_t length) { state_->length = std::min(state_->length, length); }
uint64_t Cache::bytes() const {
  uint64_t sum = 0;
  for (const KvStore& store : state_->layers) sum += store.bytes();
  return sum;
}

void Cache::fill(int64_t length, uint64_t seed, ThreadPool& pool) {
  LOWBIT_CHECK(length >= 0 && length <= state_->capacity);
  pool.parallel_for(std::ssize(state_->layers), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      state_->layers[static_cast<size_t>(i)].fill(seed, static_cast<uint64_t>(i));
    }
  });
  state_->length = length;
}

uint64_t cache_bytes(const graph::Graph& graph, int64_t capacity) {
  uint64_t sum = 0;
  for (const graph::Node& node : graph.nodes) {
    if (node.op == graph::Op::attention) sum += KvStore::bytes_of(node.attention, capacity);
  }
  return sum;
}

Executor::~Executor() = default;

Result<std::unique_ptr<Executor>> Executor::create(graph::Graph graph, Weights weights,
                                                   std::shared_ptr<ThreadPool> pool, Isa isa) {
  std::unique_ptr<Executor> executor(new Executor);
  executor->state_ = std::make_unique<State>();
  State& s = *executor->state_;
  s.graph = std::move(graph);
  gather_products(s.graph);
  s.steps = find_steps(s.graph);
  s.weights = std::move(weights);
  s.pool = std::move(pool);
  s.isa = isa;
  LOWBIT_TRY(check_weights(s));
  s.vocabulary = s.value(s.graph.logits).width;
  s.first_free = graph::first_free_node(s.graph);
  find_parameters(s);
  assign_slots(s);
  find_decoded(s);
  prepare_products(s);
  prepare_rotary(s);
  find_limits(s);
  return executor;
}

const graph::Graph& Executor::graph() const { return state_->graph; }
int64_t Executor::vocabulary() const { return state_->vocabulary; }

Cache Executor::new_cache(int64_t capacity) const {
  auto state = std::make_unique<Cache::State>();
  state->capacity = capacity;
  for (const graph::Node& node : state_->graph.nodes) {
    if (node.op != graph::Op::attention) continue;
    LOWBIT_CHECK(node.attention.layer == static_cast<int32_t>(state->layers.size()));
    state->layers.emplace_back(node.attention, capacity);
  }
  return Cache(std::move(state));
}

Status Executor::forward(std::span<const Segment> segments, std::vector<float>& logits, const Tap& tap) {
  State& s = *state_;
  LOWBIT_TRY(begin_pass(s, segments));
  logits.clear();
  for (const Step& step : s.steps) {
    if (step.first == s.first_free) drop_rows(s, static_cast<size_t>(step.first));
    if (s.rows == 0) break;
    run_step(s, step);
    if (!tap) continue;
    for (const graph::Node& node : s.nodes(step)) {
      if (node.op != graph::Op::cast) tap(node.output, s.value(node.output), s.rows_of(node.output), s.rows);
    }
  }
  if (s.rows > 0) {
    const std::vector<float>& result = s.buffer(s.graph.logits).values;
    logits.assign(result.begin(), result.begin() + s.rows * s.vocabulary);
  }
  for (const Segment& segment : segments) {
    segment.cache->state().length += static_cast<int64_t>(segment.tokens.size());
  }
  return {};
}

}  // namespace lowbit::exec
