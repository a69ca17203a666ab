#include "cli/policy_options.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "formats/policy.h"
#include "io/format_text.h"
#include "tensor/cast.h"

namespace lowbit::cli {

Setter format(std::optional<formats::Format>& target) {
  return [&target](const std::string& value) -> Status {
    LOWBIT_ASSIGN(target, io::read_format(value));
    return {};
  };
}

Setter castable_format(std::optional<formats::Format>& target) {
  return [&target](const std::string& value) -> Status {
    LOWBIT_ASSIGN(const formats::Format found, io::read_format(value));
    LOWBIT_TRY(tensor::check_castable(found));
    target = found;
    return {};
  };
}

Result<formats::Format> parse_any_format(const std::string& text) {
  if (auto element = io::read_element(text); element.ok()) return formats::Format{std::move(*element), {}};
  return io::read_format(text);
}

Setter any_format(std::optional<formats::Format>& target) {
  return [&target](const std::string& value) -> Status {
    LOWBIT_ASSIGN(target, parse_any_format(value));
    return {};
  };
}

void RoundingOptions::add_to(Options& options) {
  const auto names = [](const std::vector<std::string_view>& list) {
    return std::vector<std::string>(list.begin(), list.end());
  };
  const auto round = [this](const std::string& value) -> Status {
    LOWBIT_ASSIGN(const formats::CastPolicy found, formats::parse_policy(value, "finite"));
    policy.rounding = found.rounding;
    policy.random_bits = found.random_bits;
    return {};
  };
  const auto saturate = [this](const std::string& value) -> Status {
    LOWBIT_ASSIGN(const formats::CastPolicy found, formats::parse_policy("rne", value));
    policy.saturation = found.saturation;
    return {};
  };
  options
      .option("--round", "R", round,
              "rounding (rne): nearest with ties to even, away, to zero, to odd (rne, rna, rnz, rno), up, down, to "
              "zero, away (ru, rd, rz, raz), to odd, jamming, stochastic (sr, sr-equal; sr-8a: 8 random bits, "
              "variant a, b or c)")
      .choices = names(formats::rounding_names());
  options
      .option("--saturate", "S", saturate,
              "beyond the range (finite): the largest value; propagate: infinities stay; none: infinity, else NaN, "
              "else the largest value; wrap: integers modulo 2^bits")
      .choices = names(formats::saturation_names());
  options.option("--seed", "S", cli::seed(seed), "of the random bits of stochastic roundings (0)");
}

void add_threads_option(Options& options, int64_t& target) {
  options.option("--threads", "T", integer(target, 0, 256), "threads, at most 256; 0: all processors (0)");
}

void PolicyOptions::add_attention_to(Options& options) {
  const auto set = [this](const std::string& value) -> Status {
    if (value != "int8" && value != "f32") return errorf("found {}, expected int8 or f32", value);
    integer_attention = value == "int8";
    return {};
  };
  options
      .option(
          "--attention", "A", set,
          "arithmetic of attention: int8 (queries become int8, weights uint8, and meet a cache of small integers in "
          "exact sums) or f32 (f32)")
      .choices = {"int8", "f32"};
  options.flag(
      "--fast", fast,
      "--kv int8/64:f16 --attention int8, and activations in bf16 where they would be f32: long contexts cost half, "
      "prompts of bf16 models up to half, and a little quality");
  options.check([this]() -> Status {
    const graph::NumericPolicy chosen = policy();
    constexpr int64_t kUsualHead = 256;
    if (!chosen.integer_attention || graph::takes_integers(chosen.kv, kUsualHead)) return {};
    return errorf(
        "--attention int8 needs a cache of small integers with scales every 16, 32, ... columns; found --kv "
        "{}, expected one like int8/32:f16",
        formats::print(chosen.kv));
  });
}

namespace {

struct HadamardChoice {
  std::string_view name;
  graph::KvHadamard sides;
};
constexpr HadamardChoice kHadamardChoices[] = {
    {"none", {}}, {"k", {true, false}}, {"v", {false, true}}, {"kv", {true, true}}};

}  // namespace

void PolicyOptions::add_cache_options(Options& options) {
  options.option("--kv", "FORMAT", castable_format(kv), "format of the keys and values that attention keeps (f16)")
      .offer = Offer::formats;
  std::vector<std::string> names;
  for (const HadamardChoice& choice : kHadamardChoices) names.emplace_back(choice.name);
  const auto set = [this, names](const std::string& value) -> Status {
    for (const HadamardChoice& choice : kHadamardChoices) {
      if (choice.name != value) continue;
      kv_hadamard = choice.sides;
      return {};
    }
    return errorf("found \"{}\", expected one of {}", value, fmt::join(names, ", "));
  };
  options
      .option("--kv-hadamard", "SIDES", set,
              "what the cache keeps times a Hadamard matrix, so that outliers cost less: keys (k), values (v), both "
              "(kv) or none (k where an element has at most 8 bits, else none)")
      .choices = names;
  add_attention_to(options);
}

void PolicyOptions::add_to(Options& options) {
  options
      .option("--activations", "FORMAT", castable_format(activations),
              "format of activations in front of every matrix product (int8/32:f32 where the weight has small "
              "integers, int14/32:f32 in front of the logits, else f32)")
      .offer = Offer::formats;
  add_cache_options(options);
  options.flag("--reference", reference, "fp32 activations and cache: the yardstick");
  add_threads_option(options, threads);
  options.check([this]() -> Status {
    if (reference && (activations || kv || kv_hadamard || integer_attention || fast)) {
      return errorf("--reference sets what --activations, --kv, --kv-hadamard, --attention and --fast would set");
    }
    return {};
  });
}

graph::NumericPolicy PolicyOptions::policy() const {
  if (reference) return graph::NumericPolicy::reference();
  graph::NumericPolicy policy = fast ? graph::NumericPolicy::fast() : graph::NumericPolicy::standard();
  if (activations) {
    policy.integer_activations = policy.other_activations = policy.head_activations = *activations;
  }
  if (kv) policy.kv = *kv;
  if (integer_attention) policy.integer_attention = *integer_attention;
  policy.kv_hadamard = kv_hadamard.value_or(graph::KvHadamard::usual(policy.kv));
  return policy;
}

Json policy_json(const graph::NumericPolicy& policy) {
  const auto same = [&](const HadamardChoice& choice) { return choice.sides == policy.kv_hadamard; };
  return {{"integer_activations", formats::print(policy.integer_activations)},
          {"other_activations", formats::print(policy.other_activations)},
          {"head_activations", formats::print(policy.head_activations)},
          {"kv", formats::print(policy.kv)},
          {"attention", policy.integer_attention ? "int8" : "f32"},
          {"kv_hadamard", std::ranges::find_if(kHadamardChoices, same)->name}};
}

}  // namespace lowbit::cli
