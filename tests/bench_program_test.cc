// lowbit bench as a user runs it: rows and keys, not speeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cost/shapes.h"
#include "exec/executor.h"
#include "program.h"

namespace lowbit::tests {
namespace {

using Json = nlohmann::json;

Json json_of(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "bench");
  for (const char* more : {"--json", "--seconds", "0.001", "--cold", "20"}) arguments.emplace_back(more);
  const Finished done = run(arguments);
  EXPECT_EQ(done.exit, 0) << done.err;
  EXPECT_EQ(done.err, "");
  return Json::parse(done.out, nullptr, false);
}

void expect_keys(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) EXPECT_TRUE(object.contains(key)) << key;
}

// The keys that scripts rely on.
void expect_contract(const Json& json, const char* unit) {
  ASSERT_TRUE(json.is_object());
  expect_keys(json.at("machine"), {"isa", "threads", "read_bytes_per_s", "int8_ops_per_s", "bf16_ops_per_s"});
  for (const char* limit : {"read_bytes_per_s", "int8_ops_per_s", "bf16_ops_per_s"}) {
    EXPECT_GT(json.at("machine").at(limit).get<double>(), 0) << limit;
  }
  ASSERT_FALSE(json.at("rows").empty());
  for (const Json& row : json.at("rows")) {
    expect_keys(row, {"work", "name", "tokens", "context", "batch", "rate", "unit", "share_of_limit", "spread"});
    EXPECT_EQ(row.at("unit"), unit);
    EXPECT_GT(row.at("rate").get<double>(), 0);
    EXPECT_GT(row.at("share_of_limit").get<double>(), 0);
  }
}

void expect_usage_error(const std::vector<std::string>& arguments, const std::string& words) {
  const Finished done = run(arguments);
  EXPECT_EQ(done.exit, 2) << done.err;
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  EXPECT_NE(done.err.find(words), std::string::npos) << done.err;
}

TEST(BenchProgram, AShape) {
  const Json json = json_of({"--shape", "tiny", "--format", "int4/32", "--format", "q4_k", "--head", "q8_0",
                             "--prefill", "5,9", "--context", "0,40", "--batch", "1,3", "--threads", "1"});
  expect_contract(json, "tokens/s");
  EXPECT_EQ(json["machine"]["threads"], 1);
  ASSERT_EQ(json["rows"].size(), 12u);
  EXPECT_EQ(json["rows"][0]["work"], "prefill");
  EXPECT_EQ(json["rows"][1]["tokens"], 9);
  EXPECT_EQ(json["rows"][1]["context"], 0);
  EXPECT_EQ(json["rows"][5]["work"], "decode");
  EXPECT_EQ(json["rows"][5]["context"], 40);
  EXPECT_EQ(json["rows"][5]["batch"], 3);
  EXPECT_EQ(json["rows"][5]["tokens"], 1);
  EXPECT_EQ(json["rows"][6]["name"], "tiny q4_k");
  EXPECT_GT(json["models"][0]["copies"], 1);
  EXPECT_LT(json["models"][1]["copies"].get<int>() * json["models"][1]["weight_bytes"].get<double>(), 30e6);
}

TEST(BenchProgram, WhatIsNotAskedForIsNotMeasured) {
  const Json json = json_of({"--shape", "tiny", "--prefill", "none", "--context", "3", "--batch", "2", "--kv",
                             "int8/16:f32", "--activations", "f32", "--isa", "portable"});
  expect_contract(json, "tokens/s");
  ASSERT_EQ(json["rows"].size(), 1u);
  EXPECT_EQ(json["machine"]["isa"], "portable");
}

TEST(BenchProgram, AModel) {
  const std::string model = "goldens/tiny-llama.gguf";
  const Json json = json_of({model, "--prefill", "4", "--context", "2", "--batch", "1"});
  expect_contract(json, "tokens/s");
  EXPECT_EQ(json["rows"].size(), 2u);
  const Finished text =
      run({"bench", model, "--prefill", "4", "--context", "none", "--seconds", "0.001", "--cold", "20"});
  EXPECT_EQ(text.exit, 0) << text.err;
  EXPECT_NE(text.out.find("% of int8"), std::string::npos) << text.out;
  EXPECT_EQ(text.out.find("decode"), std::string::npos) << text.out;
}

TEST(BenchProgram, Kernels) {
  const Json json = json_of({"kernels", "--format", "int4/32", "--format", "nf4/64", "--matrix", "64x128", "--matrix",
                             "16x64", "--batch", "1,5"});
  expect_contract(json, "ns/element");
  EXPECT_EQ(json["rows"].size(), 8u);
  EXPECT_EQ(json["rows"][0]["work"], "kernel");
}

TEST(BenchProgram, Formats) {
  const Finished done = run({"bench", "formats", "--format", "e4m3fn", "--seconds", "0.001", "--json"});
  EXPECT_EQ(done.exit, 0) << done.err;
  const Json json = Json::parse(done.out);
  for (const Json& row : json["rows"]) EXPECT_EQ(row["unit"], "ns/element");
}

TEST(BenchProgram, WrongInput) {
  expect_usage_error({"bench"}, "expected one of MODEL, formats, kernels and --shape NAME");
  expect_usage_error({"bench", "x.gguf", "--shape", "tiny"}, "expected one of");
  expect_usage_error({"bench", "--shape", "tinny"}, "did you mean tiny");
  expect_usage_error({"bench", "--shape", "tiny", "--format", "int99"}, "--format");
  expect_usage_error({"bench", "--shape", "tiny", "--prefill", "0"}, "expected numbers from 1");
  expect_usage_error({"bench", "--shape", "tiny", "--context", "1,,2"}, "expected numbers from 0");
  expect_usage_error({"bench", "--shape", "tiny", "--batch", "1x"}, "expected numbers from 1");
  expect_usage_error({"bench", "--shape", "tiny", "--isa", "sse"}, "portable, neon, avx2, avxvnni, avx512, amx");
  expect_usage_error({"bench", "--shape", "tiny", "--isa", "portable", "--isa", "portable"}, "one --isa");
  expect_usage_error({"bench", "--shape", "tiny", "--memory"}, "--round and --memory go with formats");
  expect_usage_error({"bench", "kernels", "--context", "1"}, "go with a model or a shape");
  expect_usage_error({"bench", "kernels", "--matrix", "12"}, "--matrix");
  expect_usage_error({"bench", "formats", "--batch", "1"}, "go with a model, a shape or kernels");
  expect_usage_error({"bench", "x.gguf", "--format", "int4/32"}, "a model has its formats");
  expect_usage_error({"bench", "--shape", "tiny", "--cold", "much"}, "--cold");
  const Finished missing = run({"bench", "no-such-file.gguf"});
  EXPECT_EQ(missing.exit, 1);
  EXPECT_EQ(missing.out, "");
}

TEST(InspectFits, SaysWhatIsNeededAndHowFast) {
  const Folder folder;
  const std::map<std::string, std::string> cache = {{"LOWBIT_CACHE", folder.file("cache")}};
  const auto facts_of = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"inspect", "goldens/tiny-llama.gguf", "--fits", "--json", "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished done = run(arguments, cache);
    EXPECT_EQ(done.exit, 0) << done.err;
    return Json::parse(done.out).at("fits");
  };
  const Json fits = facts_of({});
  for (const char* key : {"weight_bytes", "cache_bytes", "cache_bytes_per_1024_tokens", "scratch_bytes",
                          "needed_bytes", "available_bytes", "decode_tokens_per_s", "prefill_tokens_per_s",
                          "decode_share", "prefill_share", "context"}) {
    EXPECT_GT(fits.at(key).get<double>(), 0) << key;
  }
  EXPECT_EQ(fits.at("context"), 256);
  EXPECT_EQ(fits.at("fits"), true);
  EXPECT_FALSE(read_file(folder.file("cache") + "/limits.json").empty());
  // f32 keys and values take twice the room of f16; half the context takes half.
  const Json shorter = facts_of({"--ctx", "128", "--kv", "f32"});
  EXPECT_EQ(shorter.at("cache_bytes"), fits.at("cache_bytes"));
  // The machine was measured once.
  EXPECT_EQ(shorter.at("machine"), fits.at("machine"));
  const Finished text = run({"inspect", "goldens/tiny-llama.gguf", "--fits", "--threads", "1"}, cache);
  EXPECT_NE(text.out.find("that this machine reads"), std::string::npos) << text.out;
  expect_usage_error({"inspect", "goldens/tiny-llama.gguf", "--ctx", "5"}, "go with --fits");
  const Finished long_context = run({"inspect", "goldens/tiny-llama.gguf", "--fits", "--ctx", "100000"}, cache);
  EXPECT_EQ(long_context.exit, 1);
}

// The cache of a bench: as long as asked for, with numbers that attention can work with, the same for every seed.
TEST(CacheFill, StandsInForAComputedContext) {
  const models::Model model = cost::build_shape(*cost::find_shape("tiny").value()).value();
  const auto pool = std::make_shared<ThreadPool>(2);
  const formats::Format f = formats::parse_format("int4/32").value();
  const tensor::Weights weights = cost::random_weights(model.graph, f, f, *pool).value();
  for (const char* kv : {"f16", "bf16", "f32", "int4/8:f32"}) {
    graph::NumericPolicy policy = graph::NumericPolicy::standard();
    policy.kv = formats::parse_format(kv).value();
    graph::Graph graph = graph::insert_casts(model.graph, policy, [&](const std::string&) { return std::vector{f}; });
    const auto executor = exec::Executor::create(std::move(graph), weights, pool, active_isa()).value();
    const auto logits_after = [&](uint64_t seed, int64_t length) {
      exec::Cache cache = executor->new_cache(40);
      EXPECT_EQ(cache.bytes(), exec::cache_bytes(executor->graph(), 40));
      cache.fill(length, seed, *pool);
      EXPECT_EQ(cache.length(), length);
      const int32_t token = 3;
      const exec::Segment segment = {{&token, 1}, &cache, 1};
      std::vector<float> logits;
      EXPECT_TRUE(executor->forward({&segment, 1}, logits).ok());
      EXPECT_EQ(cache.length(), length + 1);
      return logits;
    };
    const std::vector<float> logits = logits_after(1, 37);
    for (const float x : logits) EXPECT_LT(std::abs(x), 1e4f) << kv;
    EXPECT_EQ(logits, logits_after(1, 37)) << kv;
    EXPECT_NE(logits, logits_after(2, 37)) << kv;
    EXPECT_NE(logits, logits_after(1, 5)) << kv;
  }
}

}  // namespace
}  // namespace lowbit::tests
