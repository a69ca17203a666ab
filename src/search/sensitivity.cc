#include "search/sensitivity.h"

#include <algorithm>
#include <cctype>

#include "tensor/gather.h"

namespace lowbit::search {
namespace {

struct Candidate {
  std::string_view ending, format;
};

constexpr Candidate kCandidates[] = {
#define LOWBIT_CANDIDATE(ending, format) {ending, format},
#include "search/candidates.inc"
#undef LOWBIT_CANDIDATE
};

// A divided parameter: the first 1/32 of the rows by importance, up to 1/16, 1/8, 1/4, 1/2, all.
constexpr int64_t kDivisions[] = {32, 16, 8, 4, 2, 1};

Result<uint64_t> stored_bytes(const quant::TensorPlan& plan, const io::WrittenKind& kind) {
  quant::Plan one;
  one.tensors.push_back(plan);
  return one.data_bytes(kind);
}

// Rows [first, end) with every candidate, and with the source's codes where it has them in one part.
Result<FormatSite> site_of(const quant::TensorPlan& source, int64_t first, int64_t end,
                           std::span<const formats::Format> candidates, const io::WrittenKind& kind) {
  const int64_t all = source.rows(), cols = source.shape.back(), rows = end - first;
  FormatSite site{source.name, kind_of(source.name), first, rows, cols, rows < all, {}, source.shape};
  const auto add = [&](const formats::Format& format, bool keep) -> Status {
    LOWBIT_ASSIGN(const uint64_t bytes, stored_bytes({source.name, {rows, cols}, {{format, rows, keep, ""}}}, kind));
    site.choices.push_back({format, keep, bytes, 0.0});
    return {};
  };
  for (const formats::Format& format : candidates) {
    LOWBIT_ASSIGN(const formats::Format held, kind.holds(format, source.name, source.shape));
    LOWBIT_TRY(add(held, false));
  }
  if (source.parts.size() != 1) return site;
  const auto held = kind.holds(source.parts[0].format, source.name, source.shape);
  if (held.ok() && *held == source.parts[0].format) LOWBIT_TRY(add(*held, true));
  return site;
}

double norm_of(const float* row, int64_t cols) {
  double sum = 0.0;
  for (int64_t c = 0; c < cols; ++c) sum += static_cast<double>(row[c]) * static_cast<double>(row[c]);
  return sum;
}

}  // namespace

std::vector<formats::Format> default_candidates(const io::WrittenKind& kind) {
  std::vector<formats::Format> result;
  for (const Candidate& one : kCandidates) {
    if (one.ending == kind.ending) result.push_back(formats::parse_format(one.format).value());
  }
  return result;
}

std::string kind_of(const std::string& name) {
  std::string kind;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool digit = std::isdigit(static_cast<unsigned char>(name[i])) != 0;
    const bool alone = digit && i > 0 && (name[i - 1] == '.' || name[i - 1] == '_');
    if (!digit) kind += name[i];
    if (alone) kind += '#';
  }
  return kind;
}

std::string probed_with(const std::string& name, const SensitivityOptions& options) {
  return options.probe_each ? name : kind_of(name);
}

Result<ParameterSites> sites_of(const quant::TensorPlan& source, const SensitivityOptions& options) {
  const int64_t rows = source.rows();
  ParameterSites sites;
  LOWBIT_ASSIGN(sites.whole, site_of(source, 0, rows, options.candidates, *options.kind));
  if (source.parts.size() > 1 && options.kind->divides) {
    LOWBIT_ASSIGN(const uint64_t bytes, stored_bytes(source, *options.kind));
    sites.whole.choices.push_back({source.parts[0].format, true, bytes, 0.0, source.parts});
  }
  if (rows < options.divide_rows || !options.kind->divides) return sites;
  int64_t first = 0;
  for (const int64_t division : kDivisions) {
    const int64_t end = division == 1 ? rows : rows / division / tensor::kRowBlock * tensor::kRowBlock;
    if (end == first) continue;
    LOWBIT_ASSIGN(FormatSite site, site_of(source, first, end, options.candidates, *options.kind));
    sites.divisions.push_back(std::move(site));
    first = end;
  }
  if (sites.divisions.size() < 2) sites.divisions.clear();
  return sites;
}

Result<ParameterSites> fixed_site(const quant::TensorPlan& source, const formats::Format& format,
                                  const io::WrittenKind& kind) {
  ParameterSites sites;
  sites.fixed = true;
  LOWBIT_ASSIGN(sites.whole, site_of(source, 0, source.rows(), {&format, 1}, kind));
  sites.whole.choices.resize(1);
  return sites;
}

namespace {

// The parameter's rows on trial, by importance, and how much the rows of a site matter in all.
struct Trials {
  std::vector<int32_t> order, inverse;
  std::vector<double> energy;  // f_r |w_r|^2 of each row
  quant::TensorRange range;
};

Trials prepare_trials(const tensor::Weight& source, const quant::ParameterStatistics& statistics) {
  Trials t{quant::importance_order(statistics), tensor::inverse_row_order(source), {}, {}};
  t.energy.resize(t.order.size());
  std::vector<float> row(static_cast<size_t>(source.cols()));
  for (size_t r = 0; r < t.order.size(); ++r) {
    tensor::dequantize_row(source, t.inverse, static_cast<int64_t>(r), row.data());
    t.range.add(row);
    t.energy[r] = static_cast<double>(statistics.row_weights[r]) * norm_of(row.data(), source.cols());
  }
  return t;
}

void sum_divisions(ParameterSites& sites) {
  if (sites.divisions.empty()) return;
  for (size_t c = 0; c < sites.whole.choices.size(); ++c) {
    if (sites.whole.choices[c].keep) continue;
    double& loss = sites.whole.choices[c].loss = 0.0;
    for (const FormatSite& site : sites.divisions) loss += site.choices[c].loss;
  }
}

// The sites whose losses are measured; those of the whole follow from its divisions.
std::span<FormatSite> measured(ParameterSites& sites) {
  return sites.divisions.empty() ? std::span(&sites.whole, 1) : std::span(sites.divisions);
}

}  // namespace

std::vector<double> losses_of(const ParameterSites& sites) {
  std::vector<double> losses;
  for (const FormatSite& site : measured(const_cast<ParameterSites&>(sites))) {
    for (const SiteChoice& choice : site.choices) losses.push_back(choice.loss);
  }
  return losses;
}

bool set_losses(std::span<const double> losses, ParameterSites& sites) {
  size_t at = 0;
  for (FormatSite& site : measured(sites)) {
    for (SiteChoice& choice : site.choices) {
      if (at == losses.size()) return false;
      choice.loss = losses[at++];
    }
  }
  sum_divisions(sites);
  return at == losses.size();
}

Status measure_sites(ParameterSites& sites, const tensor::Weight& source,
                     const quant::ParameterStatistics& statistics, const quant::GptqFactor* factor,
                     const SensitivityOptions& options, ThreadPool& pool) {
  const int64_t cols = source.cols();
  const Trials trials = prepare_trials(source, statistics);
  for (FormatSite& site : measured(sites)) {
    const int64_t count = std::min(options.trial_rows, site.rows);
    std::vector<float> values(static_cast<size_t>(count * cols));
    std::vector<int32_t> chosen;
    double all = 0.0, tried = 0.0;
    const auto row_at = [&](int64_t i) { return trials.order[static_cast<size_t>(site.first + i)]; };
    for (int64_t i = 0; i < site.rows; ++i) all += trials.energy[static_cast<size_t>(row_at(i))];
    for (int64_t i = 0; i < count; ++i) {
      const int32_t r = row_at((2 * i + 1) * site.rows / (2 * count));
      tensor::dequantize_row(source, trials.inverse, r, values.data() + i * cols);
      chosen.push_back(r);
      tried += trials.energy[static_cast<size_t>(r)];
    }
    // Trial rows are a single tile of a method's work: threads share the candidates instead.
    std::vector<Status> done(site.choices.size());
    pool.parallel_for(static_cast<int64_t>(site.choices.size()), 1, [&](int64_t begin, int64_t end, int) {
      ThreadPool alone(1);
      for (int64_t c = begin; c < end; ++c) {
        SiteChoice& choice = site.choices[static_cast<size_t>(c)];
        if (choice.keep) continue;
        const quant::TensorScales scales = quant::prepare(choice.format, trials.range, options.rounding.scales);
        const auto trial = quant::try_format(values, count, cols, choice.format, scales, options.method, statistics,
                                             factor, options.rounding, alone);
        if (!trial.ok()) {
          done[static_cast<size_t>(c)] = trial.error();
          continue;
        }
        double loss = 0.0;
        for (size_t i = 0; i < chosen.size(); ++i) {
          loss += 0.5 * static_cast<double>(statistics.row_weights[static_cast<size_t>(chosen[i])]) *
                  trial->weighted_error[i];
        }
        choice.loss = tried > 0.0 ? loss * all / tried : 0.0;
      }
    });
    for (const Status& status : done) LOWBIT_TRY(status);
  }
  sum_divisions(sites);
  return {};
}

}  // namespace lowbit::search
