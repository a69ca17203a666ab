#include "search/budget.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "io/safetensors.h"

namespace lowbit::search {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};
constexpr Unit kUnits[] = {{"GiB", 1073741824.0}, {"MiB", 1048576.0}, {"KiB", 1024.0}, {"GB", 1e9},
                           {"MB", 1e6},           {"kB", 1e3},        {"KB", 1e3},     {"B", 1.0}};

// Bytes of the row order of a divided parameter.
uint64_t order_bytes(int64_t rows) { return static_cast<uint64_t>((rows * 4 + 63) / 64 * 64); }

// Sites in terms of the knapsack: choices with corrected losses. Bytes of row orders are added by the caller.
std::vector<Site> knapsack_sites(const std::vector<FormatSite>& sites) {
  std::vector<Site> result;
  for (const FormatSite& site : sites) {
    Site s;
    s.name = fmt::format("{}[{}]", site.parameter, site.first);
    for (const SiteChoice& choice : site.choices) s.choices.push_back({choice.bytes, choice.loss});
    result.push_back(std::move(s));
  }
  return result;
}

quant::Plan make_plan(const std::vector<FormatSite>& sites, const std::vector<uint32_t>& chosen,
                      const std::vector<Fixed>& fixed, const std::vector<std::string>& order,
                      const std::string& method) {
  std::map<std::string, quant::TensorPlan> plans;
  for (const Fixed& f : fixed) plans[f.parameter] = f.plan;
  for (size_t i = 0; i < sites.size(); ++i) {
    const FormatSite& site = sites[i];
    const SiteChoice& choice = site.choices[chosen[i]];
    quant::TensorPlan& plan = plans[site.parameter];
    plan.name = site.parameter;
    const bool same =
        !plan.parts.empty() && plan.parts.back().format == choice.format && plan.parts.back().keep == choice.keep;
    if (same) {
      plan.parts.back().rows += site.rows;
    } else {
      plan.parts.push_back({choice.format, site.rows, choice.keep, choice.keep ? "" : method});
    }
    int64_t rows = 0;
    for (const quant::PartPlan& part : plan.parts) rows += part.rows;
    plan.shape = {rows, site.cols};
  }
  quant::Plan plan;
  for (const std::string& name : order) plan.tensors.push_back(plans.at(name));
  return plan;
}

}  // namespace

Result<Budget> parse_budget(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const std::string_view unit = end;
  Budget budget;
  if (end != text.c_str() && std::isfinite(value) && value > 0.0) {
    if (unit == "bpw" && value <= 32.0) {
      budget.bits_per_weight = value;
      return budget;
    }
    for (const Unit& u : kUnits) {
      if (unit == u.name && value * u.factor < 0x1p62) {
        budget.file_bytes = static_cast<uint64_t>(value * u.factor);
        return budget;
      }
    }
  }
  return errorf("budget \"{}\": expected bits per weight or a size, as in 4.25bpw, 80MB or 76MiB", text);
}

Result<SearchResult> plan_for_budget(std::vector<FormatSite> sites, const std::map<std::string, double>& corrections,
                                     const std::vector<Fixed>& fixed, const std::vector<std::string>& order,
                                     const Budget& budget, const nlohmann::json& metadata) {
  SearchResult result;
  result.corrections = corrections;
  for (FormatSite& site : sites) {
    const auto it = corrections.find(site.kind);
    for (SiteChoice& choice : site.choices) choice.loss *= it == corrections.end() ? 1.0 : it->second;
  }
  const std::vector<Site> knapsack = knapsack_sites(sites);
  uint64_t parameters = 0, rest = 0;  // bytes of what is not up to the search
  quant::Plan fixed_plan;
  for (const Fixed& f : fixed) fixed_plan.tensors.push_back(f.plan);
  parameters = fixed_plan.parameters();
  LOWBIT_ASSIGN(rest, fixed_plan.data_bytes());
  for (const FormatSite& site : sites) {
    parameters += static_cast<uint64_t>(site.rows * site.cols);
    if (site.divided && site.first == 0) {
      int64_t rows = 0;
      for (const FormatSite& other : sites) rows += other.parameter == site.parameter ? other.rows : 0;
      rest += order_bytes(rows);
    }
  }
  uint64_t limit = 0;  // for tensor data
  if (budget.bits_per_weight)
    limit = static_cast<uint64_t>(*budget.bits_per_weight * static_cast<double>(parameters) / 8.0);
  // The header's size depends a little on the plan: start from a generous guess, then correct by what it is.
  uint64_t header = 0;
  for (int attempt = 0; attempt < 8; ++attempt) {
    if (budget.file_bytes) limit = *budget.file_bytes > header ? *budget.file_bytes - header : 0;
    auto allocation = allocate(knapsack, limit > rest ? limit - rest : 0);
    if (!allocation.ok()) {
      uint64_t least = rest + (budget.file_bytes ? header : 0);
      for (const Site& s : knapsack) {
        uint64_t smallest = UINT64_MAX;
        for (const Choice& c : s.choices) smallest = std::min(smallest, c.bytes);
        least += smallest;
      }
      return budget.file_bytes
                 ? errorf("a file of {} bytes cannot be had with these candidates; the least is {} bytes ({:.1f} MB)",
                          *budget.file_bytes, least, static_cast<double>(least) / 1e6)
                 : errorf("{} bits per weight cannot be had with these candidates; the least is {:.3f}",
                          *budget.bits_per_weight,
                          8.0 * static_cast<double>(least) / static_cast<double>(parameters));
    }
    result.chosen = allocation->choice;
    result.predicted_kl = allocation->loss;
    result.plan = make_plan(sites, result.chosen, fixed, order, "gptq");
    LOWBIT_ASSIGN(result.file_bytes, io::native_file_bytes(metadata, result.plan.to_json(), result.plan.stored()));
    LOWBIT_ASSIGN(const uint64_t data, result.plan.data_bytes());
    if (!budget.file_bytes || result.file_bytes <= *budget.file_bytes) break;
    header = std::max(header + 64, result.file_bytes - data);
  }
  LOWBIT_ASSIGN(result.frontier, frontier(knapsack, 60));
  LOWBIT_ASSIGN(const uint64_t data, result.plan.data_bytes());
  for (ParetoPoint& point : result.frontier) point.bytes += rest + (result.file_bytes - data);
  result.sites = std::move(sites);
  return result;
}

}  // namespace lowbit::search
