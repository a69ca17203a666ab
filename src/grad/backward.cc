#include "grad/backward.h"

#include <utility>

#include "grad/rules.h"
#include "kernels/rows/rows.h"
#include "tensor/gather.h"

namespace lowbit::grad {
namespace {

constexpr const Rule* kRules[] = {
#define LOWBIT_OP(name, inputs, weights) &rules::name,
#include "graph/ops.inc"
#undef LOWBIT_OP
};

const Rule& rule_of(const graph::Node& node) { return *kRules[static_cast<size_t>(node.op)]; }

// The values that the rule of a node reads.
std::vector<graph::ValueId> needed_by(const graph::Node& node) {
  const uint32_t needs = rule_of(node).needs;
  std::vector<graph::ValueId> ids;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if ((needs >> i & 1) != 0) ids.push_back(node.inputs[i]);
  }
  if ((needs & kNeedsOutput) != 0) ids.push_back(node.output);
  return ids;
}

// Which values must be kept, and by how many rules each is read.
Status count_readers(Backward::State& s) {
  s.readers.assign(s.graph.values.size(), 0);
  for (const graph::Node& node : s.graph.nodes) {
    for (const graph::ValueId id : needed_by(node)) {
      const graph::Value& value = s.graph.values[static_cast<size_t>(id)];
      if (value.producer >= 0 && s.graph.nodes[static_cast<size_t>(value.producer)].op == graph::Op::cast) {
        return errorf("node {} ({}): its gradient needs the value of the cast {}, expected a value that is not cast",
                      node.name, graph::op_name(node.op), value.name);
      }
      ++s.readers[static_cast<size_t>(id)];
    }
  }
  return {};
}

Status run_forward(Backward::State& s, std::span<const int32_t> tokens, const ValueTap& tap, Rows& logits) {
  exec::Cache cache = s.executor->new_cache(s.tokens);
  const exec::Segment segment{tokens, &cache, s.tokens};
  return s.executor->forward({&segment, 1}, logits,
                             [&](graph::ValueId id, const graph::Value& value, const float* rows, int64_t count) {
                               if (s.readers[static_cast<size_t>(id)] > 0) {
                                 s.values[static_cast<size_t>(id)].assign(rows, rows + count * value.width);
                               }
                               if (tap) tap(id, value, rows, count);
                             });
}

void release_values(Backward::State& s, const graph::Node& node) {
  for (const graph::ValueId id : needed_by(node)) {
    if (--s.unread[static_cast<size_t>(id)] == 0) s.values[static_cast<size_t>(id)] = {};
  }
}

void run_backward(Backward::State& s, const GradientTap& tap) {
  for (size_t n = s.graph.nodes.size(); n-- > 0;) {
    const graph::Node& node = s.graph.nodes[n];
    Rows gradient = std::exchange(s.gradients[static_cast<size_t>(node.output)], {});
    if (!gradient.empty()) {
      if (tap) tap(node.output, s.graph.values[static_cast<size_t>(node.output)], gradient.data(), s.tokens);
      rule_of(node).backward(s, node, gradient);
    }
    release_values(s, node);
  }
}

}  // namespace

void Backward::State::give(graph::ValueId id, Rows share) {
  Rows& sum = gradients[static_cast<size_t>(id)];
  if (sum.empty()) {
    sum = std::move(share);
    return;
  }
  const int64_t cols = width(id);
  over_rows(*this, [&](int64_t first, int64_t count) {
    float* at = sum.data() + first * cols;
    kernels::add(isa, {count * cols, at, share.data() + first * cols, at});
  });
}

Backward::~Backward() = default;

Result<std::unique_ptr<Backward>> Backward::create(const graph::Graph& graph, const exec::Weights& weights,
                                                   std::shared_ptr<ThreadPool> pool, Isa isa) {
  std::unique_ptr<Backward> backward(new Backward);
  backward->state_ = std::make_unique<State>();
  State& s = *backward->state_;
  s.graph = graph;
  s.weights = weights;
  s.pool = pool;
  s.isa = isa;
  // Without casts of its own this is insert_casts(graph, reference()), and values keep their ids either way.
  for (graph::Node& node : s.graph.nodes) {
    node.attention.kv = graph::NumericPolicy::reference().kv;
    node.attention.integer = false;
  }
  LOWBIT_TRY(count_readers(s));
  LOWBIT_ASSIGN(s.executor, exec::Executor::create(s.graph, weights, std::move(pool), isa));
  for (const graph::Node& node : s.graph.nodes) {
    for (const std::string& name : node.weights) {
      const tensor::Weight& weight = *s.weights.at(name);
      s.inverse_orders[name] = tensor::inverse_row_order(weight);
      if (weight.shape.size() == 1) s.vectors[name] = tensor::dequantize(weight);
    }
  }
  return backward;
}

Status Backward::run(std::span<const int32_t> tokens, const LossGradient& loss, const ValueTap& values,
                     const GradientTap& gradients) {
  State& s = *state_;
  if (tokens.empty()) return errorf("the sequence is empty; expected at least one token");
  s.tokens = static_cast<int64_t>(tokens.size());
  s.values.assign(s.graph.values.size(), {});
  s.unread = s.readers;
  s.gradients.assign(s.graph.values.size(), {});
  {
    Rows logits;
    LOWBIT_TRY(run_forward(s, tokens, values, logits));
    Rows& start = s.gradients[static_cast<size_t>(s.graph.logits)];
    start.assign(logits.size(), 0.0f);
    loss(logits, tokens, s.width(s.graph.logits), start);
  }
  run_backward(s, gradients);
  return {};
}

}  // namespace lowbit::grad
