// How low precision runs, and on how many threads: the same options for every command that computes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/threads.h"
#include "cli/json_output.h"
#include "cli/options.h"
#include "graph/graph.h"

namespace lowbit::cli {

struct PolicyOptions {
  std::optional<formats::Format> activations, kv;
  std::optional<graph::KvHadamard> kv_hadamard;
  std::optional<bool> integer_attention;
  bool reference = false, fast = false;
  int64_t threads = 0;

  // Declares --activations, those of the cache, --reference and --threads; names this object, which must outlive the
  // parsing.
  void add_to(Options& options);

  // Declares --kv, --kv-hadamard, --attention and --fast alone.
  void add_cache_options(Options& options);

  // The standard policy with what was asked for in its place; --activations means every linear.
  graph::NumericPolicy policy() const;
  std::shared_ptr<ThreadPool> pool() const { return std::make_shared<ThreadPool>(static_cast<int>(threads)); }

 private:
  void add_attention_to(Options& options);
};

// The `policy` of JSON results: the formats that stand in the place of numbers, as strings.
Json policy_json(const graph::NumericPolicy& policy);

// A string of the format language.
Setter format(std::optional<formats::Format>& target);

// One whose values can be computed on the fly, as activations and caches need it.
Setter castable_format(std::optional<formats::Format>& target);

// A string of the format language, or a single element whose values a float need not hold.
Result<formats::Format> parse_any_format(const std::string& text);
Setter any_format(std::optional<formats::Format>& target);

// How numbers are rounded to a format: the same for every command that casts.
struct RoundingOptions {
  formats::CastPolicy policy;
  uint64_t seed = 0;

  // Declares --round, --saturate and --seed; names this object, which must outlive the parsing.
  void add_to(Options& options);
};

// Declares --threads; 0 stands for all processors.
void add_threads_option(Options& options, int64_t& target);

}  // namespace lowbit::cli
