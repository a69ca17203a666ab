#include "cli/options.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/nearest.h"
#include "cli/policy_options.h"
#include "cli/sampling_options.h"

namespace lowbit::cli {
namespace {

// A command with one of each kind.
struct Example {
  std::string model, file = "-", prompt;
  int64_t n = 256;
  double temperature = 0.0;
  uint64_t number = 0;
  std::vector<std::string> stop;
  bool json = false;
  Options options;

  Example() {
    options.positional("MODEL", text(model), "");
    options.positional("FILE", text(file), "", false);
    options.option("-p,--prompt", "PROMPT", text(prompt), "").required = true;
    options.option("-n,--tokens", "N", integer(n, -1, 1000), "");
    options.option("--temp", "T", real(temperature, 0.0, 10.0), "");
    options.option("--seed", "S", seed(number), "");
    options.option("--stop", "TEXT", append(stop), "").repeated = true;
    options.flag("--json", json, "");
  }
  // Empty where all is well.
  std::string parse(const std::vector<std::string>& arguments) {
    const Status status = options.parse(arguments);
    return status.ok() ? "" : status.message();
  }
};

TEST(OptionsTest, TakesValuesInEveryUsualWay) {
  Example e;
  ASSERT_EQ(e.parse({"-n", "-1", "m.gguf", "--temp=0.5", "-p", "-", "--json", "--seed", "18446744073709551615"}), "");
  EXPECT_EQ(e.model, "m.gguf");
  EXPECT_EQ(e.file, "-");
  EXPECT_EQ(e.prompt, "-");
  EXPECT_EQ(e.n, -1);
  EXPECT_EQ(e.temperature, 0.5);
  EXPECT_EQ(e.number, std::numeric_limits<uint64_t>::max());
  EXPECT_TRUE(e.json);

  Example f;
  ASSERT_EQ(f.parse({"-n7", "m", "-", "-p", "--json is text here", "-n8"}), "");
  EXPECT_EQ(f.prompt, "--json is text here");
  EXPECT_EQ(f.n, 8);  // the last one counts
  EXPECT_FALSE(f.json);
}

TEST(OptionsTest, RepeatsPositionalArguments) {
  std::string action;
  std::vector<std::string> words;
  int64_t n = 0;
  Options options;
  options.positional("ACTION", text(action), "", false);
  options.positional("F", append(words), "", false).repeated = true;
  options.option("-n", "N", integer(n, 0, 9), "");
  ASSERT_TRUE(options.parse({"show", "a", "-n", "7", "b", "c"}).ok());
  EXPECT_EQ(action, "show");
  EXPECT_EQ(words, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(n, 7);
}

TEST(OptionsTest, KeepsPositionalTextAsItIs) {
  std::vector<std::string> words;
  std::string first;
  Options options;
  options.positional("FIRST", text(first), "");
  options.positional("F", append(words), "", false).repeated = true;
  const std::vector<std::string> typed = {"[-1,0,1]", "[a]", "x,y", "[]", "[1,2]/64:f16", "{}"};
  std::vector<std::string> arguments = typed;
  arguments.insert(arguments.begin(), "[0,1]");
  ASSERT_TRUE(options.parse(arguments).ok());
  EXPECT_EQ(first, "[0,1]");
  EXPECT_EQ(words, typed);
}

TEST(OptionsTest, KeepsTextAsItIs) {
  for (const std::string& prompt : {std::string(), std::string("[a,b]"), std::string("\"q\" 'r' \\n"),
                                    std::string("a\nb"), std::string("\xff\xfe"), std::string("--")}) {
    Example e;
    ASSERT_EQ(e.parse({"m", "-p", prompt}), "") << prompt;
    EXPECT_EQ(e.prompt, prompt);
  }
  Example e;
  ASSERT_EQ(e.parse({"m", "--stop", "a,b", "--stop=[c]", "-p", "x", "--stop", " "}), "");
  EXPECT_EQ(e.stop, (std::vector<std::string>{"a,b", "[c]", " "}));
}

TEST(OptionsTest, SaysWhatIsWrong) {
  const auto complaint = [](const std::vector<std::string>& arguments) { return Example().parse(arguments); };
  EXPECT_EQ(complaint({"-p", "x"}), "MODEL is missing");
  EXPECT_EQ(complaint({"m"}), "--prompt PROMPT is missing");
  EXPECT_EQ(complaint({"m", "-p"}), "-p needs a value");
  EXPECT_EQ(complaint({"m", "-p", "x", "--temp"}), "--temp needs a value");
  EXPECT_EQ(complaint({"m", "-p", "x", "--json=1"}), "--json takes no value");
  EXPECT_EQ(complaint({"m", "f", "g", "-p", "x"}), "unexpected argument \"g\"");
  // An unknown option is said before a missing one: it may be the same, misspelled.
  EXPECT_EQ(complaint({"m", "--promt", "x"}), "unknown option --promt; did you mean --prompt?");
  EXPECT_EQ(complaint({"m", "-p", "x", "--xyzzy=3"}), "unknown option --xyzzy");
  for (const char* n : {"", "x", "1.5", "1e2", "-2", "1001", "99999999999999999999", " 1", "1 ", "0x10"}) {
    EXPECT_EQ(complaint({"m", "-p", "x", "-n", n}),
              fmt::format("--tokens: \"{}\" is no integer of at least -1 and at most 1000", n));
  }
  for (const char* t : {"nan", "inf", "-0.1", "11", "warm"}) {
    EXPECT_EQ(complaint({"m", "-p", "x", "--temp", t}), fmt::format("--temp: \"{}\" is no number from 0 to 10", t));
  }
  EXPECT_EQ(complaint({"m", "-p", "x", "--stop", ""}), "--stop: an empty text is not allowed");
}

TEST(OptionsTest, HelpWinsOverMissingArguments) {
  for (const char* name : {"--help", "-h"}) {
    Example e;
    EXPECT_EQ(e.parse({name}), "");
    EXPECT_TRUE(e.options.help_asked());
  }
  Example e;
  EXPECT_EQ(e.parse({"m", "-p", "--help"}), "");
  EXPECT_FALSE(e.options.help_asked());
}

TEST(PolicyOptionsTest, SetsThePolicy) {
  const auto parsed = [](const std::vector<std::string>& arguments) -> Result<graph::NumericPolicy> {
    PolicyOptions policy;
    Options options;
    policy.add_to(options);
    LOWBIT_TRY(options.parse(arguments));
    return policy.policy();
  };
  const graph::NumericPolicy standard = graph::NumericPolicy::standard();
  const auto format = [](const char* name) { return formats::parse_format(name).value(); };

  const auto plain = parsed({}).value();
  EXPECT_EQ(plain.integer_activations, standard.integer_activations);
  EXPECT_EQ(plain.other_activations, standard.other_activations);
  EXPECT_EQ(plain.kv, standard.kv);

  const auto chosen = parsed({"--activations", "bf16", "--kv", "e4m3fn"}).value();
  EXPECT_EQ(chosen.integer_activations, format("bf16"));
  EXPECT_EQ(chosen.other_activations, format("bf16"));
  EXPECT_EQ(chosen.kv, format("e4m3fn"));

  EXPECT_EQ(parsed({"--reference"}).value().kv, format("f32"));
  EXPECT_EQ(parsed({"--reference"}).value().integer_activations, format("f32"));

  const auto fast = parsed({"--fast"}).value();
  EXPECT_TRUE(fast.integer_attention);
  EXPECT_EQ(fast.kv, format("int8/64:f16"));
  EXPECT_EQ(fast.integer_activations, standard.integer_activations);
  EXPECT_EQ(fast.other_activations, format("bf16"));
  EXPECT_EQ(parsed({"--fast", "--activations", "f32"}).value().other_activations, format("f32"));
  EXPECT_FALSE(parsed({"--fast", "--attention", "f32"}).value().integer_attention);
  EXPECT_EQ(parsed({"--attention", "int8", "--kv", "int4/16:f16"}).value().kv, format("int4/16:f16"));
  using graph::KvHadamard;
  EXPECT_EQ(parsed({"--kv-hadamard", "k"}).value().kv_hadamard, (KvHadamard{true, false}));
  EXPECT_EQ(parsed({"--kv-hadamard", "v"}).value().kv_hadamard, (KvHadamard{false, true}));
  EXPECT_EQ(parsed({"--kv-hadamard", "kv", "--kv", "int4/32"}).value().kv_hadamard, (KvHadamard{true, true}));
  EXPECT_EQ(parsed({"--kv-hadamard", "none"}).value().kv_hadamard, KvHadamard{});
  EXPECT_EQ(parsed({"--kv", "int4/32"}).value().kv_hadamard, (KvHadamard{true, false}));
  EXPECT_EQ(parsed({"--kv", "mxfp4"}).value().kv_hadamard, (KvHadamard{true, false}));
  EXPECT_EQ(parsed({"--kv", "int4/32", "--kv-hadamard", "none"}).value().kv_hadamard, KvHadamard{});
  EXPECT_EQ(parsed({"--kv", "int8/32"}).value().kv_hadamard, (KvHadamard{true, false}));
  EXPECT_EQ(parsed({"--kv", "bf16"}).value().kv_hadamard, KvHadamard{});
  EXPECT_EQ(parsed({}).value().kv_hadamard, KvHadamard{});
  EXPECT_FALSE(parsed({"--kv-hadamard", "q"}).ok());
  EXPECT_FALSE(parsed({"--reference", "--kv-hadamard", "k"}).ok());

  EXPECT_FALSE(parsed({"--reference", "--kv", "f16"}).ok());
  EXPECT_FALSE(parsed({"--reference", "--fast"}).ok());
  for (const char* kv : {"f16", "nf4/16:f16", "int8", "int8/10:f16"}) {
    EXPECT_NE(parsed({"--attention", "int8", "--kv", kv}).message().find("int8/32:f16"), std::string::npos) << kv;
  }
  EXPECT_EQ(parsed({"--attention", "int7"}).message(), "--attention: found int7, expected int8 or f32");
  EXPECT_FALSE(parsed({"--threads", "-1"}).ok());
  const auto wrong = parsed({"--kv", "itn8"});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.message().find("--kv: "), 0u);
  EXPECT_NE(wrong.message().find("int8"), std::string::npos) << "the nearest name: " << wrong.message();
}

TEST(PolicyOptionsTest, IsReported) {
  graph::NumericPolicy policy = graph::NumericPolicy::standard();
  EXPECT_EQ(policy_json(policy), Json({{"integer_activations", "int8/32:f32"},
                                       {"other_activations", "f32"},
                                       {"head_activations", "int14/32:f32"},
                                       {"kv", "f16"},
                                       {"attention", "f32"},
                                       {"kv_hadamard", "none"}}));
  policy.kv_hadamard = {true, true};
  EXPECT_EQ(policy_json(policy).at("kv_hadamard"), "kv");
}

TEST(SamplingOptionsTest, ReachesTheSampler) {
  SamplingArguments arguments;
  Options options;
  arguments.add_to(options);
  ASSERT_TRUE(options
                  .parse({"-n", "5", "--temp", "0.7", "--top-k", "40", "--top-p", "0.9", "--min-p", "0.05",
                          "--repeat-penalty", "1.1", "--seed", "9", "--stop", "a", "--stop", "b"})
                  .ok());
  const runtime::GenerateOptions generate = arguments.generate_options();
  EXPECT_EQ(generate.max_tokens, 5);
  EXPECT_EQ(generate.sampling.temperature, 0.7);
  EXPECT_EQ(generate.sampling.top_k, 40);
  EXPECT_EQ(generate.sampling.top_p, 0.9);
  EXPECT_EQ(generate.sampling.min_p, 0.05);
  EXPECT_EQ(generate.sampling.repetition_penalty, 1.1);
  EXPECT_EQ(generate.sampling.seed, 9u);
  EXPECT_EQ(generate.stop, (std::vector<std::string>{"a", "b"}));
}

TEST(NearestTest, CountsLettersAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", "abc"), 0u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("eval", "evla"), 1u);
  EXPECT_EQ(edit_distance("--temp", "--tmep"), 1u);
}

TEST(NearestTest, OffersOnlyWhatIsNear) {
  const std::vector<std::string_view> names = {"pull", "inspect", "tokenize", "run", "chat", "eval"};
  EXPECT_EQ(nearest("pul", names), (std::vector<std::string_view>{"pull"}));
  EXPECT_EQ(nearest("token", names), (std::vector<std::string_view>{"tokenize"}));
  EXPECT_EQ(nearest("insepct", names), (std::vector<std::string_view>{"inspect"}));
  EXPECT_TRUE(nearest("xyzzy", names).empty());
  EXPECT_TRUE(nearest("", names).empty());
  EXPECT_EQ(did_you_mean("evla", names), "; did you mean eval?");
  EXPECT_EQ(did_you_mean("xyzzy", names), "");
}

}  // namespace
}  // namespace lowbit::cli
