// What each choice of a format would cost, in nats per token, for every place where a format can be chosen.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "models/open.h"
#include "quant/observe/statistics.h"
#include "quant/solve.h"
#include "search/allocate.h"

namespace lowbit::search {

// One candidate for a site.
struct SiteChoice {
  formats::Format format;
  bool keep = false;   // the source's own codes
  uint64_t bytes = 0;  // as stored, padding included
  double loss = 0.0;   // predicted nats per token
};

// Rows [first, first + rows) of a parameter in order of importance; the whole parameter unless it is divided.
struct FormatSite {
  std::string parameter;
  std::string kind;  // the name without layer numbers: sites of a kind share a correction
  int64_t first = 0, rows = 0, cols = 0;
  bool divided = false;
  std::vector<SiteChoice> choices;
};

struct SensitivityOptions {
  std::vector<formats::Format> candidates;  // empty: the rows of candidates.inc
  std::string method = "gptq";
  quant::MethodOptions rounding;
  int64_t trial_rows = 64;     // rows of a site that are really rounded for each candidate
  int64_t divide_rows = 8192;  // parameters with at least so many rows are divided by importance
};

std::vector<formats::Format> default_candidates();

// "blk.12.attn_q.weight" -> "blk.#.attn_q.weight".
std::string kind_of(const std::string& name);

// Sites of one parameter, choices without losses; the parts of the source decide what can be kept.
Result<std::vector<FormatSite>> sites_of(const std::string& name, const tensor::Weight& source,
                                         const SensitivityOptions& options);

// Fills the losses of all choices of the sites of one parameter by rounding trial rows.
Status measure_sites(std::span<FormatSite> sites, const tensor::Weight& source,
                     const quant::ParameterStatistics& statistics, const quant::GptqFactor* factor,
                     const SensitivityOptions& options, ThreadPool& pool);

}  // namespace lowbit::search
