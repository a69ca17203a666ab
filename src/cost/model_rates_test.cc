#include "cost/model_rates.h"

#include <gtest/gtest.h>

#include <set>

#include "base/memory.h"
#include "cost/kernel_rates.h"
#include "cost/shapes.h"

namespace lowbit::cost {
namespace {

formats::Format format_of(const char* text) { return formats::parse_format(text).value(); }

MachineLimits small_limits(Isa isa, ThreadPool& pool) {
  LimitOptions options;
  options.bytes = 1 << 24;
  options.seconds = 0.01;
  return measure_limits(isa, pool, options).value();
}

TEST(Limits, AreThereForEveryIsa) {
  ThreadPool pool(2);
  for (const Isa isa : offered_isas()) {
    const MachineLimits limits = small_limits(isa, pool);
    EXPECT_EQ(limits.threads, 2);
    EXPECT_EQ(limits.read_bytes, uint64_t{1} << 24);
    EXPECT_GT(limits.read_bytes_per_s, 0);
    EXPECT_GT(limits.int8_ops_per_s, 0);
    EXPECT_GE(limits.bf16_ops_per_s, limits.fp32_ops_per_s);
    EXPECT_FALSE(limits.processor.empty());
  }
  EXPECT_GT(available_memory(), 0u);
}

// Counted by hand: two layers of 64 wide, 4 heads and 2 kv heads of 16, 160 hidden, 256 words.
TEST(StepWork, CountsWhatAStepReadsAndMultiplies) {
  const models::Model model = build_shape(*find_shape("tiny").value()).value();
  const auto one = [](const std::string&) { return 1.0; };
  const double layer = 64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 160 * 64;
  StepWork work = work_of(model.graph, 1, 100, 3, 2.0, one);
  EXPECT_EQ(work.ops, 3 * 2 * (2 * layer + 256 * 64));
  // 7 matrices a layer and the head; keys and values of 101 tokens, 2 bytes each.
  EXPECT_EQ(work.bytes, 2 * 7 + 1 + 3.0 * 2 * 2 * 32 * 101 * 2);
  // Of a prompt only the last token goes on after the last attention.
  work = work_of(model.graph, 10, 0, 1, 0, one);
  const double before = 64 * 64 + 2 * 32 * 64, after = layer - before;
  EXPECT_EQ(work.ops, 2 * (10 * (layer + before) + after + 256 * 64));
}

// 8 experts of 96, of which a token chooses 2.
TEST(StepWork, CountsTheExpertsThatAreChosen) {
  const models::Model model = build_shape(*find_shape("tiny-moe").value()).value();
  const auto bytes = [](const std::string& name) { return name.find("_exps") == name.npos ? 0.0 : 1.0; };
  const double layer = 64 * 64 + 2 * 32 * 64 + 64 * 64 + 8 * 64 + 2 * 3 * 96 * 64;
  StepWork work = work_of(model.graph, 1, 0, 1, 0, bytes);
  EXPECT_EQ(work.ops, 2 * (2 * layer + 256 * 64));
  EXPECT_EQ(work.bytes, 2 * 3 * 0.25);
  work = work_of(model.graph, 1, 0, 2, 0, bytes);
  EXPECT_EQ(work.bytes, 2 * 3 * (1 - 0.75 * 0.75));
  work = work_of(model.graph, 1, 0, 2, 0, bytes, 0.25);  // both the same
  EXPECT_EQ(work.bytes, 2 * 3 * 0.25);
}

TEST(ModelRates, OfExperts) {
  const models::Model model = build_shape(*find_shape("tiny-moe").value()).value();
  const auto pool = std::make_shared<ThreadPool>(2);
  const tensor::Weights weights =
      random_weights(model.graph, format_of("int4/32"), format_of("int4/32"), *pool).value();
  ModelRatesOptions options;
  options.prefill = {40};
  options.context = {0};
  options.batch = {1, 3};
  options.seconds = 0.001;
  options.cold_bytes = 0;
  const auto rates = measure_model(model, weights, small_limits(active_isa(), *pool), pool, options);
  ASSERT_TRUE(rates.ok()) << rates.message();
  ASSERT_EQ(rates->rows.size(), 3u);
  // Three tokens read no less than one and no more than three.
  const double one = rates->rows[1].bytes_per_s * rates->rows[1].timing.seconds;
  const double three = rates->rows[2].bytes_per_s * rates->rows[2].timing.seconds;
  EXPECT_GE(three, one);
  EXPECT_LE(three, 3 * one);
}

TEST(ModelRates, ARowForEveryChoice) {
  const models::Model model = build_shape(*find_shape("tiny").value()).value();
  const auto pool = std::make_shared<ThreadPool>(2);
  const tensor::Weights weights =
      random_weights(model.graph, format_of("int4/32"), format_of("int4/32"), *pool).value();
  ModelRatesOptions options;
  options.prefill = {3, 600};
  options.context = {0, 17};
  options.batch = {1, 2};
  options.seconds = 0.001;
  options.cold_bytes = 200'000;
  const MachineLimits limits = small_limits(active_isa(), *pool);
  const auto rates = measure_model(model, weights, limits, pool, options);
  ASSERT_TRUE(rates.ok()) << rates.message();
  ASSERT_EQ(rates->rows.size(), 6u);
  EXPECT_EQ(rates->copies, static_cast<int>((200'000 + rates->weight_bytes - 1) / rates->weight_bytes));
  EXPECT_GT(rates->copies, 1);
  EXPECT_TRUE(rates->left_out.empty());
  for (const ModelRate& rate : rates->rows) {
    EXPECT_GT(rate.tokens_per_s, 0);
    EXPECT_GT(rate.share, 0);
    EXPECT_LE(rate.timing.lower, rate.timing.upper);
    EXPECT_NEAR(rate.tokens_per_s * rate.timing.seconds, static_cast<double>(rate.tokens * rate.batch), 1e-6);
  }
  EXPECT_EQ(rates->rows[1].tokens, 600);
  EXPECT_EQ(rates->rows[5].context, 17);
  EXPECT_EQ(rates->rows[5].batch, 2);
}

TEST(KernelRates, EveryFormatIsCheckedAndTimed) {
  ThreadPool pool(2);
  const MachineLimits limits = small_limits(Isa::portable, pool);
  KernelRatesOptions options;
  options.formats = usual_products();
  options.matrices = {{64, 256}};
  options.tokens = {1, 3};
  options.seconds = 0;
  options.cold_bytes = 40'000;
  const std::set<std::string> floats = {"nf4/64", "e4m3fn/64", "f16"};
  int rows = 0;
  const Status status = measure_kernels(options, limits, pool, [&](const KernelRate& rate) {
    ++rows;
    EXPECT_GT(rate.share, 0) << rate.weight;
    EXPECT_GT(rate.copies, 1) << rate.weight;
    EXPECT_EQ(rate.activation == "f32", floats.contains(rate.weight)) << rate.weight << " " << rate.activation;
    EXPECT_EQ(rate.activation == "bf16", rate.weight == "bf16") << rate.weight << " " << rate.activation;
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(rows, std::ssize(options.formats) * 2);
}

// Activations of two planes, and of no integers.
TEST(KernelRates, ActivationsOfEveryKind) {
  ThreadPool pool(1);
  const MachineLimits limits = small_limits(active_isa(), pool);
  KernelRatesOptions options;
  options.formats = {format_of("int4/32"), format_of("nf4/64"), format_of("bf16")};
  options.matrices = {{40, 100}};
  options.tokens = {2};
  options.seconds = 0;
  options.cold_bytes = 0;
  for (const char* name : {"int14/32:f32", "int5/row:f16", "bf16", "e4m3fn/32:f32"}) {
    options.activation = format_of(name);
    const Status status = measure_kernels(options, limits, pool, [](const KernelRate&) {});
    EXPECT_TRUE(status.ok()) << name << ": " << status.message();
  }
}

}  // namespace
}  // namespace lowbit::cost
