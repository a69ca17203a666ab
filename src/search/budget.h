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

// What a plan is made from.
struct PlanInput {
  std::vector<ParameterSites> parameters;     // with losses as measured
  std::map<std::string, double> corrections;  // factor on losses per kind; 1 where missing
  std::vector<quant::TensorPlan> fixed;       // parameters that stay as these say, without a loss
  std::vector<std::string> order;             // of all parameters in the file
  std::string method;                         // rounds what is not kept
  const nlohmann::json* metadata = nullptr;   // of the file
  const io::MetadataTypes* types = nullptr;   // of the source's metadata
  const io::WrittenKind* kind = &io::native_kind();
  const io::SourceFacts* facts = nullptr;  // of kinds that prepare
};

struct SearchResult {
  quant::Plan plan;
  double predicted_kl = 0.0;  // nats per token
  uint64_t file_bytes = 0;
  std::vector<ParetoPoint> frontier;          // file bytes and predicted KL
  std::vector<FormatSite> sites;              // of the plan, with corrected losses
  std::vector<uint32_t> chosen;               // per site
  std::map<std::string, double> corrections;  // per kind
  struct Uniform {
    formats::Format format;
    uint64_t bytes = 0;  // of the file
    double loss = 0.0;
  };
  std::vector<Uniform> uniform;  // each candidate everywhere (but where a format was asked for)
};

// An error where nothing fits: says the least that does. Losses do not matter.
Status check_budget(const PlanInput& input, const Budget& budget);

// The plan of least loss whose file (or tensor data) fits the budget. Divided parameters are tried whole and divided:
// every combination up to three of them, else one after the other. An error where nothing fits says the least that
// does; asking for that is then met.
Result<SearchResult> plan_for_budget(PlanInput input, const Budget& budget);

}  // namespace lowbit::search
