#include "graph/graph.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "graph/interpreter.h"
#include "kernels/test_data.h"

namespace lowbit::graph {
namespace {

formats::Format format_of(const char* text) { return formats::parse_format(text).value(); }

Node node(Op op, const char* name, std::vector<ValueId> inputs, std::vector<std::string> weights = {}) {
  Node n;
  n.op = op;
  n.name = name;
  n.inputs = std::move(inputs);
  n.weights = std::move(weights);
  return n;
}

// tokens -> e -> a, b (both from e) -> attention(a, b, b) -> sum with e -> logits by the embedding again.
struct Small {
  Graph graph;
  ValueId e, a, b, mixed, sum, logits;
  Small() {
    graph.need("table", {10, 8});
    graph.need("wa", {8, 8});
    graph.need("wb", {4, 8});
    e = graph.add(node(Op::embed, "e", {0}, {"table"}));
    a = graph.add(node(Op::linear, "a", {e}, {"wa"}));
    b = graph.add(node(Op::linear, "b", {e}, {"wb"}));
    Node attention = node(Op::attention, "mixed", {a, b, b});
    attention.attention = {0, 4, 2, 2, 0.7f, {}};
    mixed = graph.add(attention);
    sum = graph.add(node(Op::add, "sum", {mixed, e}));
    logits = graph.add(node(Op::linear, "logits", {sum}, {"table"}));
    graph.logits = logits;
  }
};

TEST(Graph, Widths) {
  Small s;
  ASSERT_TRUE(infer_shapes(s.graph).ok());
  const int64_t widths[] = {1, 8, 8, 4, 8, 8, 10};
  for (size_t i = 0; i < std::size(widths); ++i) EXPECT_EQ(s.graph.values[i].width, widths[i]) << i;
}

// A file may name a hundred thousand tensors: looking one up does not look at all.
TEST(Graph, ManyParameters) {
  Graph graph;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100'000; ++i) graph.need("blk." + std::to_string(i) + ".weight", {i, 1});
  }
  EXPECT_EQ(graph.parameters.size(), 100'000u);
  EXPECT_EQ(graph.parameter("blk.99999.weight")->shape[0], 99'999);
  EXPECT_EQ(graph.parameter("blk"), nullptr);
}

// Each error names the node, what was found and what was expected.
TEST(Graph, WidthsThatDoNotFit) {
  const auto message = [](auto change) {
    Small s;
    change(s);
    const Status status = infer_shapes(s.graph);
    return status.ok() ? std::string("no error") : status.error().message;
  };
  const auto has = [](const std::string& text, std::vector<std::string> parts) {
    for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(message([](Small& s) { s.graph.parameters[1].shape = {8, 9}; }), {"a", "linear", "8 wide", "expected 9"});
  has(message([](Small& s) { s.graph.parameters[2].shape = {5, 8}; }),
      {"mixed", "attention", "5 wide", "expected 4"});
  has(message([](Small& s) { s.graph.parameters[1].shape = {6, 8}; }), {"mixed", "6 wide", "expected 8"});
  has(message([](Small& s) { s.graph.nodes[1].weights[0] = "other"; }), {"a", "no parameter", "other"});
  has(message([](Small& s) { s.graph.nodes[4].inputs[1] = s.b; }), {"sum", "add", "4 wide", "expected 8"});
  has(message([](Small& s) {
        s.graph.nodes[1].op = Op::rope;
        s.graph.nodes[1].weights.clear();
        s.graph.nodes[1].rope = {3, 2, 10000.0, 1.0, false};
      }),
      {"a", "rope", "8 wide", "expected 6"});
}

// Experts: slots of values, and what does not fit.
TEST(Graph, Experts) {
  const auto shaped = [](auto change) {
    Graph graph;
    graph.need("table", {10, 8});
    graph.need("router", {5, 8});
    graph.need("up", {5, 6, 8});
    graph.need("down", {5, 8, 6});
    const ValueId e = graph.add(node(Op::embed, "e", {0}, {"table"}));
    const ValueId router = graph.add(node(Op::linear, "router", {e}, {"router"}));
    const ValueId chosen = graph.add(node(Op::top_k, "chosen", {router}));
    graph.nodes.back().top_k.k = 3;
    const ValueId up = graph.add(node(Op::expert_linear, "up", {e, chosen}, {"up"}));
    const ValueId active = graph.add(node(Op::gelu_tanh, "active", {up}));
    const ValueId down = graph.add(node(Op::expert_linear, "down", {active, chosen}, {"down"}));
    graph.logits = graph.add(node(Op::combine, "mixed", {down, chosen}));
    change(graph);
    const Status status = infer_shapes(graph);
    return std::pair(graph, status.ok() ? std::string() : status.message());
  };
  const auto [graph, none] = shaped([](Graph&) {});
  EXPECT_EQ(none, "");
  const int64_t widths[] = {1, 8, 5, 6, 18, 18, 24, 8}, slots[] = {1, 1, 1, 1, 3, 3, 3, 1};
  for (size_t i = 0; i < std::size(widths); ++i) {
    EXPECT_EQ(graph.values[i].width, widths[i]) << i;
    EXPECT_EQ(graph.values[i].slots, slots[i]) << i;
  }
  const auto has = [&](auto change, std::vector<std::string> parts) {
    const std::string text = shaped(change).second;
    for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has([](Graph& g) { g.nodes[2].top_k.k = 6; }, {"chosen", "6 of 5"});
  has([](Graph& g) { g.parameters[2].shape = {5, 6, 9}; }, {"up", "8 wide", "expected 9"});
  has([](Graph& g) { g.parameters[3].shape = {40, 6}; }, {"down", "2 dimensions", "expected 3"});
  has([](Graph& g) { g.nodes[6].inputs[0] = 1; }, {"mixed", "1 wide", "expected 3"});
}

// The linear that gives the logits is found behind what follows it.
TEST(Graph, Head) {
  Small s;
  EXPECT_EQ(head_of(s.graph)->name, "logits");
  s.graph.logits = s.graph.add(node(Op::softcap, "capped", {s.graph.add(node(Op::scale, "scaled", {s.logits}))}));
  EXPECT_EQ(head_of(s.graph)->name, "logits");
  s.graph.logits = s.sum;
  EXPECT_EQ(head_of(s.graph), nullptr);
}

TEST(Graph, WhatAQuerySees) {
  Attention a;
  EXPECT_EQ(a.first_key(5), 0);
  EXPECT_EQ(a.end_key(5, 9), 6);
  a.window = 3;
  EXPECT_EQ(a.first_key(2), 0);
  EXPECT_EQ(a.first_key(3), 1);
  a.causal = false;
  EXPECT_EQ(a.end_key(5, 9), 8);
  EXPECT_EQ(a.end_key(7, 9), 9);
  a.window = 0;
  EXPECT_EQ(a.end_key(0, 9), 9);
}

TEST(Graph, StructuralFacts) {
  const Small s;
  EXPECT_EQ(consumers(s.graph, s.e), (std::vector<int32_t>{1, 2, 4}));
  EXPECT_EQ(consumers(s.graph, s.b), (std::vector<int32_t>{3}));
  EXPECT_EQ(consumers(s.graph, s.logits), (std::vector<int32_t>{}));
  EXPECT_EQ(users_of(s.graph, "table"), (std::vector<int32_t>{0, 5}));
  EXPECT_EQ(users_of(s.graph, "none"), (std::vector<int32_t>{}));
  EXPECT_EQ(first_free_node(s.graph), 4);
  EXPECT_EQ(first_free_node(Graph()), 0);
  EXPECT_EQ(op_name(Op::silu_gate), "silu_gate");
}

// One cast for each value and format; none in front of f32; the original graph is left alone.
TEST(Graph, CastsAreInsertedOncePerValueAndFormat) {
  Small s;
  ASSERT_TRUE(infer_shapes(s.graph).ok());
  const NumericPolicy policy{format_of("int8/32:f32"), format_of("bf16"), format_of("int12/64:f16"),
                             format_of("f16")};
  const auto with = [&](std::map<std::string, std::vector<const char*>> weights, const NumericPolicy& p) {
    return insert_casts(s.graph, p, [&](const std::string& name) {
      std::vector<formats::Format> out;
      for (const char* text : weights.at(name)) out.push_back(format_of(text));
      return out;
    });
  };
  const auto casts = [](const Graph& graph) {
    std::vector<std::string> names;
    for (const Node& n : graph.nodes) {
      if (n.op == Op::cast) names.push_back(n.name);
    }
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(casts(with({{"table", {"q4_k"}}, {"wa", {"int4/32:f16"}}, {"wb", {"q6_k"}}}, policy)),
            (Names{"e:int8/32:f32", "sum:int12/64"}));
  EXPECT_EQ(casts(with({{"table", {"bf16"}}, {"wa", {"int4/32:f16"}}, {"wb", {"nf4/64:f32"}}}, policy)),
            (Names{"e:int8/32:f32", "e:bf16", "sum:bf16"}));
  // A weight is as wide as its widest part.
  EXPECT_EQ(casts(with({{"table", {"q8_0", "f16"}}, {"wa", {"q8_0", "q4_0"}}, {"wb", {"q8_0"}}}, policy)),
            (Names{"e:int8/32:f32", "sum:bf16"}));
  const Graph plain = with({{"table", {"q4_k"}}, {"wa", {"q4_k"}}, {"wb", {"q4_k"}}}, NumericPolicy::reference());
  EXPECT_EQ(casts(plain), Names{});

  const Graph graph = with({{"table", {"q4_k"}}, {"wa", {"q4_k"}}, {"wb", {"q4_k"}}}, policy);
  EXPECT_EQ(casts(s.graph), Names{});
  for (const Node& n : graph.nodes) {
    if (n.op == Op::attention) {
      EXPECT_EQ(n.attention.kv, format_of("f16"));
    }
    if (n.op != Op::linear) continue;
    const bool head = n.name == "logits";
    EXPECT_EQ(graph.values[static_cast<size_t>(n.inputs[0])].format,
              head ? policy.head_activations : policy.integer_activations);
    EXPECT_EQ(graph.values[static_cast<size_t>(uncast_input(graph, n))].name, head ? "sum" : "e");
  }
  EXPECT_EQ(graph.values[static_cast<size_t>(graph.logits)].name, "logits");
  EXPECT_EQ(graph.values[static_cast<size_t>(graph.logits)].width, 10);
}

// Keys and queries are turned together; what comes of turned values is turned back and keeps its name. One value is
// turned once.
TEST(Graph, CachesAreTurned) {
  const auto turned = [](KvHadamard sides, int32_t dim) {
    Small s;
    s.graph.nodes[3].attention.heads = 8 / dim;
    s.graph.nodes[3].attention.kv_heads = 4 / dim;
    s.graph.nodes[3].attention.dim = dim;
    EXPECT_TRUE(infer_shapes(s.graph).ok());
    NumericPolicy policy = NumericPolicy::reference();
    policy.kv_hadamard = sides;
    const Graph graph =
        insert_casts(s.graph, policy, [](const std::string&) { return std::vector{format_of("f32")}; });
    std::string out;
    for (const Node& n : graph.nodes) {
      if (n.op != Op::hadamard && n.op != Op::attention && n.name != "sum") continue;
      out += out.empty() ? "" : "; ";
      out += n.name + " =";
      for (const ValueId input : n.inputs) out += " " + graph.values[static_cast<size_t>(input)].name;
    }
    return out;
  };
  EXPECT_EQ(turned({}, 2), "mixed = a b b; sum = mixed e");
  EXPECT_EQ(turned({true, false}, 2),
            "a:hadamard2 = a; b:hadamard2 = b; mixed = a:hadamard2 b:hadamard2 b; sum = mixed e");
  EXPECT_EQ(turned({false, true}, 4),
            "b:hadamard4 = b; mixed:hadamard4 = a b b:hadamard4; mixed = mixed:hadamard4; sum = mixed e");
  EXPECT_EQ(turned({true, true}, 4),
            "a:hadamard4 = a; b:hadamard4 = b; mixed:hadamard4 = a:hadamard4 b:hadamard4 b:hadamard4; mixed = "
            "mixed:hadamard4; sum = mixed e");
  EXPECT_EQ(turned({true, true}, 1), "mixed = a b b; sum = mixed e");  // nothing to spread

  Small s;
  ASSERT_TRUE(infer_shapes(s.graph).ok());
  for (const int64_t dim : {0, 3, 16, -2}) {
    Node wrong = node(Op::hadamard, "wrong", {s.b});
    wrong.dim = dim;
    Graph graph = s.graph;
    graph.add(wrong);
    const Status status = infer_shapes(graph);
    ASSERT_FALSE(status.ok()) << dim;
    EXPECT_NE(status.message().find("wrong"), std::string::npos) << status.message();
  }
}

// ---- the interpreter on numbers that are easily worked out ----

std::shared_ptr<tensor::Weight> weight(std::vector<int64_t> shape, std::vector<float> values) {
  auto w = std::make_shared<tensor::Weight>();
  w->shape = std::move(shape);
  w->parts.push_back(tensor::pack_plain(format_of("f32"), w->rows(), w->cols(), values).value());
  return w;
}

TEST(Interpreter, ByHand) {
  Graph graph;
  graph.need("e", {3, 2});
  graph.need("n", {2});
  graph.need("w", {2, 2});
  const ValueId e = graph.add(node(Op::embed, "e", {0}, {"e"}));
  const ValueId n = graph.add(node(Op::rms_norm, "n", {e}, {"n"}));
  Node turn = node(Op::rope, "turned", {n});
  turn.rope = {1, 2, 10000.0, 1.0, false};
  const ValueId turned = graph.add(turn);
  const ValueId w = graph.add(node(Op::linear, "w", {e}, {"w"}));
  Node attention = node(Op::attention, "mixed", {w, w, e});
  attention.attention = {0, 1, 1, 2, 1.0f, format_of("f32")};
  const ValueId mixed = graph.add(attention);
  const ValueId gated = graph.add(node(Op::silu_gate, "gated", {e, w}));
  const ValueId sum = graph.add(node(Op::add, "sum", {mixed, gated}));
  graph.logits = sum;
  ASSERT_TRUE(infer_shapes(graph).ok());
  const std::map<std::string, std::shared_ptr<tensor::Weight>> weights = {
      {"e", weight({3, 2}, {9, 9, 3, 4, -1, 0})}, {"n", weight({2}, {1, 10})}, {"w", weight({2, 2}, {0, 1, 2, 0})}};
  const std::vector<int32_t> tokens = {1, 2};
  const auto find = [&](const std::string& name) {
    return weights.contains(name) ? weights.at(name).get() : nullptr;
  };
  const auto result = interpret(graph, find, tokens);
  ASSERT_TRUE(result.ok()) << result.message();
  const auto near = [&](ValueId id, std::vector<double> expected) {
    const std::vector<float>& got = (*result)[static_cast<size_t>(id)];
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(got[i], expected[i], 1e-6 * std::max(1.0, std::fabs(expected[i])))
          << graph.values[id].name << " " << i;
    }
  };
  near(e, {3, 4, -1, 0});
  const double a = std::sqrt(12.5), b = std::sqrt(0.5);  // root mean squares
  near(n, {3 / a, 40 / a, -1 / b, 0});
  // Position 0 is not turned, position 1 by one radian.
  near(turned, {3 / a, 40 / a, -std::cos(1.0) / b, -std::sin(1.0) / b});
  near(w, {4, 6, 0, -2});
  // Token 1: scores -12 and 4.
  const double first = std::exp(-16.0) / (1.0 + std::exp(-16.0));
  near(mixed, {3, 4, 3 * first - (1 - first), 4 * first});
  const auto silu = [](double x) { return x / (1.0 + std::exp(-x)); };
  near(gated, {silu(3) * 4, silu(4) * 6, 0, 0});
  near(sum, {3 + silu(3) * 4, 4 + silu(4) * 6, 3 * first - (1 - first), 4 * first});

  graph.parameters.push_back({"missing", {1}});
  EXPECT_FALSE(interpret(graph, find, tokens).ok());
}

// 1.0, 0.26 and -0.3 under int8 with one scale of 1/127: codes 127, 33 and -38.
TEST(Interpreter, CastToIntegers) {
  Graph graph;
  graph.need("e", {1, 3});
  const ValueId e = graph.add(node(Op::embed, "e", {0}, {"e"}));
  const ValueId c = graph.add(node(Op::cast, "c", {e}));
  graph.values.back().format = format_of("int8/32:f32");
  graph.logits = c;
  ASSERT_TRUE(infer_shapes(graph).ok());
  const auto table = weight({1, 3}, {1.0f, 0.26f, -0.3f});
  const auto result = interpret(graph, [&](const std::string&) { return table.get(); }, std::vector<int32_t>{0});
  ASSERT_TRUE(result.ok());
  const float scale = 1.0f / 127.0f;
  EXPECT_EQ((*result)[static_cast<size_t>(c)], (std::vector<float>{127 * scale, 33 * scale, -38 * scale}));
}

// What has no meaning has the kernels' one: NaN goes to the least code.
TEST(Interpreter, CastOfNonFiniteValuesIsThatOfTheKernels) {
  const std::vector<float> values = {1.0f, NAN, -2.0f, INFINITY, 3.0f, -INFINITY, NAN, 0.0f, 5.0f, 1e38f, NAN, NAN};
  for (const char* name : {"int8/32:f32", "int8/4:f16", "int4/3:f32", "int6/row:f32"}) {
    Graph graph;
    graph.need("e", {1, 12});
    const ValueId e = graph.add(node(Op::embed, "e", {0}, {"e"}));
    const ValueId c = graph.add(node(Op::cast, "c", {e}));
    graph.values.back().format = format_of(name);
    graph.logits = c;
    ASSERT_TRUE(infer_shapes(graph).ok());
    const auto table = weight({1, 12}, values);
    const auto result = interpret(graph, [&](const std::string&) { return table.get(); }, std::vector<int32_t>{0});
    ASSERT_TRUE(result.ok());
    const auto expected = kernels::test::activations(format_of(name), 1, 12, values);
    EXPECT_EQ(kernels::test::first_difference((*result)[static_cast<size_t>(c)], expected->values), -1) << name;
  }
}

}  // namespace
}  // namespace lowbit::graph
