#include "cli/policy_options.h"

namespace lowbit::cli {

Setter format(std::optional<formats::Format>& target) {
  return [&target](const std::string& value) -> Status {
    LOWBIT_ASSIGN(target, formats::parse_format(value));
    return {};
  };
}

void PolicyOptions::add_to(Options& options) {
  options
      .option("--activations", "FORMAT", format(activations),
              "format of activations in front of every matrix product (int8/32:f32 where the weight has small "
              "integers, int14/32:f32 in front of the logits, else f32)")
      .offer = Offer::formats;
  options.option("--kv", "FORMAT", format(kv), "format of the keys and values that attention keeps (f16)").offer =
      Offer::formats;
  options.flag("--reference", reference, "fp32 activations and cache: the yardstick");
  options.option("--threads", "T", integer(threads, 0, 4096), "threads; 0 means all processors (0)");
  options.check([this]() -> Status {
    if (reference && (activations || kv)) return errorf("--reference sets what --activations and --kv would set");
    return {};
  });
}

graph::NumericPolicy PolicyOptions::policy() const {
  if (reference) return graph::NumericPolicy::reference();
  graph::NumericPolicy policy = graph::NumericPolicy::standard();
  if (activations) {
    policy.integer_activations = policy.other_activations = policy.head_activations = *activations;
  }
  if (kv) policy.kv = *kv;
  return policy;
}

}  // namespace lowbit::cli
