// From a budget to a plan: losses of all choices, corrected by what probes really lose, and an exact allocation.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quant/plan.h"
#include "search/sensitivity.h"

namespace lowbit::search {

struct Budget {
  std::optional<double> bits_per_weight;  // of tensor data
  std::optional<uint64_t> file_bytes;     // of the whole file
};
// "4.25bpw", "80MB", "76MiB", "80000000B".
Result<Budget> parse_budget(const std::string& text);

// A parameter whose format is not up to the search.
struct Fixed {
  std::string parameter;
  quant::TensorPlan plan;
};

struct SearchResult {
  quant::Plan plan;
  double predicted_kl = 0.0;  // nats per token
  uint64_t file_bytes = 0;
  std::vector<ParetoPoint> frontier;          // file bytes and predicted KL
  std::vector<FormatSite> sites;              // with corrected losses
  std::vector<uint32_t> chosen;               // per site
  std::map<std::string, double> corrections;  // per kind
};

// sites: losses measured. corrections: factor per kind (1 where missing). fixed: parameters not in sites.
// An error where the budget cannot be met says the least that can.
Result<SearchResult> plan_for_budget(std::vector<FormatSite> sites, const std::map<std::string, double>& corrections,
                                     const std::vector<Fixed>& fixed, const std::vector<std::string>& order,
                                     const Budget& budget, const nlohmann::json& metadata);

}  // namespace lowbit::search
