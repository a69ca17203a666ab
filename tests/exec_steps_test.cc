// Steps of a pass: what runs together, and that it computes the same.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "exec/steps.h"
#include "models/blocks.h"
#include "tiny_llama.h"

namespace lowbit {
namespace {

using exec::Step;
using exec::StepKind;
using graph::ValueId;

std::vector<std::string> described(const graph::Graph& graph) {
  static constexpr const char* kKinds[] = {"rows", "products", "whole"};
  std::vector<std::string> out;
  for (const Step& step : exec::find_steps(graph)) {
    std::vector<std::string> names;
    for (int32_t n = step.first; n < step.end; ++n) names.push_back(graph.nodes[static_cast<size_t>(n)].name);
    out.push_back(fmt::format("{}: {}", kKinds[static_cast<int>(step.kind)], fmt::join(names, " ")));
  }
  return out;
}

TEST(ExecSteps, ProductsOfOneValueStandTogether) {
  graph::Graph graph;
  models::Builder b{graph};
  const ValueId x = b.embed("e", 20, 32);
  const ValueId normed = b.rms_norm("norm", x, "n", 32, 1e-5f);
  const ValueId gate = b.gelu_tanh("gate", b.linear("g", normed, "wg", 64, 32));
  const ValueId up = b.linear("u", normed, "wu", 64, 32);
  const ValueId down = b.linear("d", b.multiply("gated", gate, up), "wd", 32, 64);
  const ValueId other = b.linear("o", normed, "wo", 32, 32);
  graph.logits = b.linear("logits", b.add("sum", down, other), "e", 20, 32);
  ASSERT_TRUE(graph::infer_shapes(graph).ok()) << graph::infer_shapes(graph).message();
  exec::gather_products(graph);
  using Strings = std::vector<std::string>;
  EXPECT_EQ(described(graph), (Strings{"rows: embedding norm", "products: g u o", "rows: gate gated", "products: d",
                                       "rows: sum", "products: logits"}));
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    EXPECT_EQ(graph.values[static_cast<size_t>(graph.nodes[n].output)].producer, static_cast<int32_t>(n));
  }
  EXPECT_TRUE(graph::infer_shapes(graph).ok());
}

// Rows of different widths share memory only from one step to the next: with threads at different rows, the bits are
// those of the interpreter.
TEST(ExecSteps, ThreadsAtDifferentRowsKeepApart) {
  Rng rng(8);
  const test::TinyLlama tiny = test::tiny_llama({}, "int4/32", rng);
  const auto tokens = test::random_tokens(150, test::TinyShape().vocabulary, rng);
  const graph::Graph graph = test::with_casts(tiny.model.graph, tiny.weights, graph::NumericPolicy::standard());
  const test::Values expected = test::interpreted(graph, tiny.weights, tokens);
  for (const int threads : {1, 2, 5, 16}) {
    const auto runner = test::executor(graph, tiny.weights, active_isa(), threads);
    for (int round = 0; round < 5; ++round) {
      exec::Cache cache = runner->new_cache(std::ssize(tokens));
      const exec::Segment segment{tokens, &cache, std::ssize(tokens)};
      test::Values taps;
      test::run_tapped(*runner, {&segment, 1}, taps);
      test::expect_same_values(graph, taps, expected, fmt::format("{} threads", threads));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace lowbit
