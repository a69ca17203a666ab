#include "cost/shapes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/cast.h"
#include "tensor/gather.h"

namespace lowbit::cost {
namespace {

formats::Format format_of(const char* text) { return formats::parse_format(text).value(); }

// Parameters in millions, as the makers of the models count them (model cards), within 2 %.
TEST(Shapes, EveryRowIsAModelOfItsSize) {
  const std::map<std::string_view, double> millions = {
      {"smollm2-135m", 134.5}, {"smollm2-360m", 362},  {"smollm2-1.7b", 1711},  {"gemma3-270m", 268},
      {"gemma3-1b", 1000},     {"qwen2.5-0.5b", 494},  {"qwen2.5-1.5b", 1544},  {"qwen2.5-7b", 7616},
      {"qwen3-0.6b", 596},     {"qwen3-1.7b", 1720},   {"qwen3-8b", 8190},      {"llama-1.1b", 1100},
      {"llama-3.2-1b", 1236},  {"llama-3.2-3b", 3213}, {"llama-2-7b", 6738},    {"llama-8b", 8030},
      {"mistral-7b", 7248},    {"olmoe-1b-7b", 6920},  {"qwen3-30b-a3b", 30530}};
  for (const Shape& shape : shapes()) {
    const auto model = build_shape(shape);
    ASSERT_TRUE(model.ok()) << shape.name << ": " << model.message();
    EXPECT_EQ(model->layers, shape.layers);
    EXPECT_EQ(model->vocabulary, shape.vocabulary);
    double count = 0;
    for (const graph::Parameter& p : model->graph.parameters) {
      double product = 1;
      for (const int64_t d : p.shape) product *= static_cast<double>(d);
      count += product;
    }
    if (shape.name.starts_with("tiny")) continue;
    ASSERT_TRUE(millions.contains(shape.name)) << shape.name;
    EXPECT_NEAR(count / 1e6 / millions.at(shape.name), 1.0, 0.02) << shape.name;
  }
}

TEST(Shapes, AnUnknownNameIsAnErrorWithTheNearest) {
  const auto found = find_shape("lama-8b");
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.message().find("did you mean llama-8b"), std::string::npos) << found.message();
}

// The repeated row blocks hold what tensor/ packed: every section is read back, at sizes that do not divide.
TEST(RandomWeights, AreTameInEveryKindOfFormat) {
  for (const char* name :
       {"f32", "bf16", "e4m3fn", "int8/32", "int3/128:f16+zp", "uint4/32:f16+f16", "q4_k", "q3_k", "q6_k", "iq4_nl",
        "nf4/64", "mxfp4", "nvfp4", "ternary/row:f32", "bipolar1/32", "posit8", "int5/32:f32"}) {
    constexpr int64_t kRows = 171, kCols = 512;
    const auto matrix = random_matrix(format_of(name), kRows, kCols, 3);
    ASSERT_TRUE(matrix.ok()) << name << ": " << matrix.message();
    std::vector<float> values(kRows * kCols);
    tensor::dequantize_rows(*matrix, 0, kRows, values.data());
    double squares = 0;
    for (const float v : values) squares += static_cast<double>(v) * v;
    const double rms = std::sqrt(squares / static_cast<double>(values.size()) * kCols);
    EXPECT_GT(rms, 0.1) << name;
    EXPECT_LT(rms, 10) << name;
    // Row 64 + r is row r.
    EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 107 * kCols),
              std::vector<float>(values.begin() + 64 * kCols, values.end()))
        << name;
    EXPECT_NE(std::vector<float>(values.begin(), values.begin() + kCols),
              std::vector<float>(values.begin() + kCols, values.begin() + 2 * kCols))
        << name;
  }
}

TEST(RandomWeights, FillAGraph) {
  const Shape* tiny = find_shape("tiny").value();
  const models::Model model = build_shape(*tiny).value();
  ThreadPool pool(2), one(1);
  const auto weights = random_weights(model.graph, format_of("int4/64"), format_of("q8_0"), pool);
  ASSERT_TRUE(weights.ok()) << weights.message();
  const auto again = random_weights(model.graph, format_of("int4/64"), format_of("q8_0"), one);
  uint64_t matrices = 0;
  for (const graph::Parameter& p : model.graph.parameters) {
    const tensor::Weight& w = *weights->at(p.name);
    const bool outer = p.name == "token_embd.weight" || p.name == "output.weight";
    if (p.is_matrix()) {
      EXPECT_EQ(formats::print(w.parts[0].format()), outer ? "q8_0" : "int4/64") << p.name;
      matrices += w.bytes();
    }
    EXPECT_TRUE(std::ranges::equal(w.parts[0].bytes(), again->at(p.name)->parts[0].bytes())) << p.name;
  }
  EXPECT_EQ(weight_bytes(model.graph, format_of("int4/64"), format_of("q8_0")).value(), matrices);
}

}  // namespace
}  // namespace lowbit::cost
