#include "search/budget.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "search/tied_sites.h"

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

quant::Plan make_plan(const PlanInput& input, const std::vector<FormatSite>& sites,
                      const std::vector<uint32_t>& chosen) {
  std::map<std::string, quant::TensorPlan> plans;
  for (const quant::TensorPlan& f : input.fixed) plans[f.name] = f;
  for (size_t i = 0; i < sites.size(); ++i) {
    const FormatSite& site = sites[i];
    const SiteChoice& choice = site.choices[chosen[i]];
    quant::TensorPlan& plan = plans[site.parameter];
    plan.name = site.parameter;
    const bool same =
        !plan.parts.empty() && plan.parts.back().format == choice.format && plan.parts.back().keep == choice.keep;
    if (!choice.kept.empty()) {
      plan.parts = choice.kept;
    } else if (same) {
      plan.parts.back().rows += site.rows;
    } else {
      const bool rounds = !choice.keep && !choice.format.is_plain();
      plan.parts.push_back({choice.format, site.rows, choice.keep, rounds ? input.method : ""});
    }
    int64_t rows = 0;
    for (const quant::PartPlan& part : plan.parts) rows += part.rows;
    plan.shape = site.shape.empty() ? std::vector<int64_t>{rows, site.cols} : site.shape;
  }
  quant::Plan plan;
  for (const std::string& name : input.order) plan.tensors.push_back(plans.at(name));
  return plan;
}

struct Sizes {
  uint64_t file = 0, data = 0;
  uint64_t of(const Budget& budget) const { return budget.file_bytes ? file : data; }
};

Result<Sizes> sizes_of(const quant::Plan& plan, const PlanInput& input) {
  static const io::MetadataTypes kNone;
  Sizes sizes;
  const std::vector<io::StoredTensor> stored = plan.stored();
  LOWBIT_ASSIGN(sizes.file, input.kind->file_bytes({*input.metadata, input.types == nullptr ? kNone : *input.types,
                                                    plan.to_json(), stored, input.facts}));
  LOWBIT_ASSIGN(sizes.data, plan.data_bytes(*input.kind));
  return sizes;
}

// A plan that fits.
struct Found {
  std::vector<FormatSite> sites;
  TiedSites tied;
  Allocation allocation;         // of the tied sites
  std::vector<uint32_t> chosen;  // of each site
  quant::Plan plan;
  Sizes sizes;
};

class Planner {
 public:
  Planner(const PlanInput& input, const Budget& budget) : input_(input), budget_(budget) {}

  Status check() {
    LOWBIT_TRY(prepare());
    return least_.sizes.of(budget_) > limit_ ? Status(too_little()) : Status();
  }

  Result<SearchResult> run() {
    LOWBIT_TRY(prepare());
    const size_t count = divided_.size();
    if (count <= kMostCombined) {
      for (uint32_t set = 0; set < 1U << count; ++set) {
        std::vector<bool> divide(count);
        for (size_t i = 0; i < count; ++i) divide[i] = (set >> i & 1U) != 0;
        LOWBIT_TRY(attempt(divide));
      }
    } else {
      std::vector<bool> divide(count, false);
      LOWBIT_TRY(attempt(divide));
      for (size_t i = 0; i < count; ++i) {
        divide[i] = true;
        LOWBIT_ASSIGN(const bool better, attempt(divide));
        divide[i] = better;
      }
    }
    if (!best_) {
      if (least_.sizes.of(budget_) > limit_) return too_little();
      best_ = least_;
    }
    return result();
  }

 private:
  static constexpr size_t kMostCombined = 3;
  static constexpr int kMostAttempts = 8;

  // The plan of the smallest choice everywhere, and what can be divided.
  Status prepare() {
    for (size_t i = 0; i < input_.parameters.size(); ++i) {
      if (!input_.parameters[i].divisions.empty()) divided_.push_back(i);
    }
    least_.sites = sites_with(std::vector<bool>(divided_.size(), false));
    for (const FormatSite& site : least_.sites) {
      for (const SiteChoice& choice : site.choices) {
        if (std::isfinite(choice.loss)) continue;
        return errorf("tensor {} in {}: its loss is not a finite number", site.parameter,
                      formats::print(choice.format));
      }
    }
    LOWBIT_ASSIGN(least_.tied, TiedSites::make(least_.sites, *input_.kind));
    for (const Site& site : least_.tied.sites()) {
      const auto smaller = [](const Choice& a, const Choice& b) {
        return a.bytes != b.bytes ? a.bytes < b.bytes : a.loss < b.loss;
      };
      const auto at = std::min_element(site.choices.begin(), site.choices.end(), smaller);
      least_.allocation.choice.push_back(static_cast<uint32_t>(at - site.choices.begin()));
      least_.allocation.loss += at->loss;
    }
    LOWBIT_TRY(complete(least_));
    parameters_ = least_.plan.parameters();
    limit_ = budget_.file_bytes
                 ? *budget_.file_bytes
                 : static_cast<uint64_t>(*budget_.bits_per_weight * static_cast<double>(parameters_) / 8.0);
    return {};
  }

  std::vector<FormatSite> sites_with(const std::vector<bool>& divide) const {
    std::vector<FormatSite> sites;
    for (size_t i = 0, d = 0; i < input_.parameters.size(); ++i) {
      const ParameterSites& p = input_.parameters[i];
      if (!p.divisions.empty() && divide[d++]) {
        sites.insert(sites.end(), p.divisions.begin(), p.divisions.end());
      } else {
        sites.push_back(p.whole);
      }
    }
    return sites;
  }

  Status complete(Found& found) const {
    found.chosen = found.tied.expand(found.allocation.choice);
    found.plan = make_plan(input_, found.sites, found.chosen);
    LOWBIT_ASSIGN(found.sizes, sizes_of(found.plan, input_));
    return {};
  }

  // The best plan with these parameters divided; whether it is the best so far.
  Result<bool> attempt(const std::vector<bool>& divide) {
    Found found;
    found.sites = sites_with(divide);
    LOWBIT_ASSIGN(found.tied, TiedSites::make(found.sites, *input_.kind));
    const std::span<const Site> knapsack = found.tied.sites();
    quant::Plan fixed;
    fixed.tensors = input_.fixed;
    LOWBIT_ASSIGN(uint64_t rest, fixed.data_bytes(*input_.kind));
    for (size_t d = 0; d < divide.size(); ++d) {
      if (divide[d]) rest += order_bytes(input_.parameters[divided_[d]].whole.rows);
    }
    // The header's size depends a little on the plan: start from that of the least, then correct by what it is.
    if (budget_.file_bytes) rest += least_.sizes.file - least_.sizes.data;
    for (int i = 0; i < kMostAttempts; ++i) {
      auto allocation = allocate(knapsack, limit_ > rest ? limit_ - rest : 0);
      if (!allocation.ok()) return false;
      found.allocation = *std::move(allocation);
      LOWBIT_TRY(complete(found));
      const uint64_t size = found.sizes.of(budget_);
      if (size <= limit_) return keep_if_better(std::move(found));
      rest += size - limit_;
    }
    return false;
  }

  bool keep_if_better(Found found) {
    const bool better = !best_ || found.allocation.loss < best_->allocation.loss ||
                        (found.allocation.loss == best_->allocation.loss && found.sizes.file < best_->sizes.file);
    if (better) best_ = std::move(found);
    return better;
  }

  Error too_little() const {
    if (budget_.file_bytes) {
      return errorf("a file of {} bytes cannot be had with these candidates; the least is {} bytes ({:.1f} MB)",
                    *budget_.file_bytes, least_.sizes.file, static_cast<double>(least_.sizes.file) / 1e6);
    }
    // Rounded up, so that what is said can be asked for.
    const double bits = 8.0 * static_cast<double>(least_.sizes.data) / static_cast<double>(parameters_);
    return errorf("{} bits per weight cannot be had with these candidates; the least is {:.4f}",
                  *budget_.bits_per_weight, std::ceil(bits * 1e4 + 1e-6) / 1e4);
  }

  Result<SearchResult> result() {
    SearchResult r;
    r.corrections = input_.corrections;
    r.predicted_kl = best_->allocation.loss;
    r.file_bytes = best_->sizes.file;
    r.chosen = best_->chosen;
    const std::span<const Site> knapsack = best_->tied.sites();
    if (!knapsack.empty()) {
      LOWBIT_ASSIGN(r.frontier, frontier(knapsack, 60));
    }
    uint64_t chosen_bytes = 0;
    for (size_t i = 0; i < knapsack.size(); ++i)
      chosen_bytes += knapsack[i].choices[best_->allocation.choice[i]].bytes;
    for (ParetoPoint& point : r.frontier) point.bytes += r.file_bytes - chosen_bytes;
    LOWBIT_TRY(add_uniform(r));
    r.plan = std::move(best_->plan);
    r.sites = std::move(best_->sites);
    return r;
  }

  Status add_uniform(SearchResult& r) const {
    const auto free_one = std::find_if(input_.parameters.begin(), input_.parameters.end(),
                                       [](const ParameterSites& p) { return !p.fixed; });
    if (free_one == input_.parameters.end()) return {};
    for (uint32_t c = 0; c < free_one->whole.choices.size() && !free_one->whole.choices[c].keep; ++c) {
      std::vector<uint32_t> chosen;
      SearchResult::Uniform uniform{free_one->whole.choices[c].format, 0, 0.0};
      for (size_t i = 0; i < least_.sites.size(); ++i) {
        chosen.push_back(input_.parameters[i].fixed ? 0 : c);
        uniform.loss += least_.sites[i].choices[chosen.back()].loss;
      }
      LOWBIT_ASSIGN(const Sizes sizes, sizes_of(make_plan(input_, least_.sites, chosen), input_));
      uniform.bytes = sizes.file;
      r.uniform.push_back(std::move(uniform));
    }
    return {};
  }

  const PlanInput& input_;
  const Budget& budget_;
  std::vector<size_t> divided_;  // parameters with divisions
  Found least_;
  uint64_t parameters_ = 0, limit_ = 0;
  std::optional<Found> best_;
};

void correct(FormatSite& site, const std::map<std::string, double>& corrections) {
  const auto it = corrections.find(site.kind);
  if (it == corrections.end()) return;
  for (SiteChoice& choice : site.choices) choice.loss *= it->second;
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

Status check_budget(const PlanInput& input, const Budget& budget) { return Planner(input, budget).check(); }

Result<SearchResult> plan_for_budget(PlanInput input, const Budget& budget) {
  LOWBIT_CHECK(input.metadata != nullptr && (budget.file_bytes || budget.bits_per_weight));
  for (ParameterSites& parameter : input.parameters) {
    correct(parameter.whole, input.corrections);
    for (FormatSite& site : parameter.divisions) correct(site, input.corrections);
  }
  return Planner(input, budget).run();
}

}  // namespace lowbit::search
