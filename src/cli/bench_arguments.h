// What `lowbit bench` takes, and the works that it measures: a file each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "cli/policy_options.h"
#include "cli/progress_bar.h"
#include "cost/format_rates.h"
#include "cost/kernel_rates.h"
#include "cost/limits.h"
#include "cost/model_rates.h"

namespace lowbit::cli {

struct BenchArguments {
  std::string what, shape;  // a work or a model; or a shape
  std::vector<std::string> format_names, rounds, isas;
  std::optional<formats::Format> head;
  std::optional<std::vector<int64_t>> prefill, context, batch;
  PolicyOptions policy;  // its threads are not used
  std::optional<int64_t> threads;
  std::vector<cost::Matrix> matrices;
  std::optional<uint64_t> cold;  // bytes
  bool memory = false, json = false;
  double seconds = 0;  // 0: the usual time of a row

  std::vector<formats::Format> formats;  // what their names mean
  Isa isa = active_isa();                // the only one asked for, where a work takes no more

  std::shared_ptr<ThreadPool> pool() const { return std::make_shared<ThreadPool>(static_cast<int>(*threads)); }
  uint64_t cold_bytes() const { return cold.value_or(cost::LimitOptions().bytes); }
  // The read rate is measured over as many bytes; with --cold off as without it.
  cost::LimitOptions limit_options() const {
    cost::LimitOptions options;
    if (cold && *cold > 0) options.bytes = *cold;
    if (seconds > 0) options.seconds = std::min(options.seconds, 10 * seconds);
    return options;
  }
};

// Each prints a table or, with --json, one object.
Status bench_formats(const BenchArguments& a);
Status bench_model(const BenchArguments& a);
Status bench_kernels(const BenchArguments& a);

// The limits as JSON's `machine`, and as a line for people.
Json limits_json(const cost::MachineLimits& limits);
std::string limits_text(const cost::MachineLimits& limits);

}  // namespace lowbit::cli
