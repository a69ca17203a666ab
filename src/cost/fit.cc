#include "cost/fit.h"

#include <algorithm>

#include "cost/model_rates.h"
#include "exec/executor.h"

namespace lowbit::cost {
namespace {

constexpr int64_t kPrompt = 512;  // and as many tokens go together

}  // namespace

uint64_t scratch_bytes(const graph::Graph& graph, int64_t tokens) {
  std::vector<size_t> last_use(graph.values.size(), 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const graph::ValueId id : graph.nodes[n].inputs) last_use[static_cast<size_t>(id)] = n;
  }
  // Slots are taken again once their value has no more use, and are as wide as the widest value in them.
  const int32_t free_node = graph::first_free_node(graph);
  std::vector<uint64_t> slots;
  std::vector<size_t> slot(graph.values.size()), free_slots;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const graph::Node& node = graph.nodes[n];
    if (free_slots.empty()) {
      free_slots.push_back(slots.size());
      slots.push_back(0);
    }
    const auto output = static_cast<size_t>(node.output);
    slot[output] = free_slots.back();
    free_slots.pop_back();
    // After the last attention one token goes on.
    const auto rows = static_cast<uint64_t>(static_cast<int32_t>(n) >= free_node ? 1 : tokens);
    const uint64_t bytes = rows * static_cast<uint64_t>(graph.values[output].width) * sizeof(float);
    slots[slot[output]] = std::max(slots[slot[output]], bytes);
    std::vector<graph::ValueId> inputs = node.inputs;
    std::ranges::sort(inputs);
    inputs.erase(std::ranges::unique(inputs).begin(), inputs.end());
    for (const graph::ValueId id : inputs) {
      if (id != 0 && last_use[static_cast<size_t>(id)] == n) free_slots.push_back(slot[static_cast<size_t>(id)]);
    }
  }
  uint64_t sum = 0;
  for (const uint64_t bytes : slots) sum += bytes;
  return sum;
}

Fit fit_of(const models::Model& model, const StoredParameters& stored, const graph::NumericPolicy& policy,
           int64_t context, const MachineLimits& limits) {
  const graph::Graph graph = graph::insert_casts(model.graph, policy, stored.formats);
  Fit out;
  out.cache_bytes = exec::cache_bytes(graph, context);
  out.scratch_bytes = scratch_bytes(graph, std::min(kPrompt, context));
  double entries = 0;
  for (const graph::Node& node : graph.nodes) {
    if (node.op == graph::Op::attention) entries += 2.0 * node.attention.kv_heads * node.attention.dim;
  }
  const double entry = entries > 0 ? static_cast<double>(exec::cache_bytes(graph, 16)) / 16 / entries : 0;
  const StepWork decode = work_of(model.graph, 1, context / 2, 1, entry, stored.bytes);
  const StepWork prefill = work_of(model.graph, kPrompt, 0, 1, entry, stored.bytes);
  const double reading = kDecodeShare * limits.read_bytes_per_s, computing = kPrefillShare * limits.int8_ops_per_s;
  if (!model.encoder) {
    out.decode_tokens_per_s = 1 / std::max(decode.bytes / reading, decode.ops / computing);
  }
  out.prefill_tokens_per_s = kPrompt / (prefill.ops / computing);
  return out;
}

}  // namespace lowbit::cost
