#include "cli/policy_options.h"

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
  options.flag("--fast", fast, "--kv int8/32:f16 --attention int8: long contexts cost half, and a little quality");
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

void PolicyOptions::add_to(Options& options) {
  options
      .option("--activations", "FORMAT", castable_format(activations),
              "format of activations in front of every matrix product (int8/32:f32 where the weight has small "
              "integers, int14/32:f32 in front of the logits, else f32)")
      .offer = Offer::formats;
  options.option("--kv", "FORMAT", castable_format(kv), "format of the keys and values that attention keeps (f16)")
      .offer = Offer::formats;
  add_attention_to(options);
  options.flag("--reference", reference, "fp32 activations and cache: the yardstick");
  add_threads_option(options, threads);
  options.check([this]() -> Status {
    if (reference && (activations || kv || integer_attention || fast)) {
      return errorf("--reference sets what --activations, --kv, --attention and --fast would set");
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
  return policy;
}

}  // namespace lowbit::cli
