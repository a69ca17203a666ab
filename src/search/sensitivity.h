// What each choice of a format would cost, in nats per token, for every place where a format can be chosen.
#pragma once

#include <memory>
#include <span>
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
  // Of a whole parameter that is kept: all parts of the source (with its own order of rows); format is the first's.
  std::vector<quant::PartPlan> kept = {};
};

// Rows [first, first + rows) of a parameter in order of importance; the whole parameter unless it is divided.
struct FormatSite {
  std::string parameter;
  std::string kind;  // sites of a kind share a correction: probed_with()
  int64_t first = 0, rows = 0, cols = 0;
  bool divided = false;
  std::vector<SiteChoice> choices;  // first the candidates in their order, then what can be kept
  std::vector<int64_t> shape = {};  // of the parameter; empty: [rows, cols]
};

// Where formats of one parameter can be chosen: one for the whole or, in a parameter of many rows, one for each of
// its divisions (which then costs an order of rows). Both have the same candidates.
struct ParameterSites {
  FormatSite whole;
  std::vector<FormatSite> divisions;  // empty, or at least two
  bool fixed = false;                 // whole has one choice, which was asked for
};

struct SensitivityOptions {
  std::vector<formats::Format> candidates;  // empty: the rows of candidates.inc
  std::string method = "gptq";
  quant::MethodOptions rounding;
  int64_t trial_rows = 64;                           // rows of a site that are really rounded for each candidate
  const io::WrittenKind* kind = &io::native_kind();  // of the file that is made
  // Each parameter is probed for itself, not all of a kind together: in an encoder that pools, layers of one kind
  // differ much, since errors of equal sign at all positions add up the more the nearer the layer is to the pooling.
  bool probe_each = false;
  int64_t divide_rows = 8192;  // parameters with at least so many rows are divided by importance
};

// Of a search for a file of this kind.
std::vector<formats::Format> default_candidates(const io::WrittenKind& kind = io::native_kind());

// "blk.12.attn_q.weight" -> "blk.#.attn_q.weight".
std::string kind_of(const std::string& name);

// The parameters that share a probe and a correction: the kind, or the parameter alone.
std::string probed_with(const std::string& name, const SensitivityOptions& options);

// Sites of one parameter, choices without losses. source: the parameter as it is (keep in all parts), which decides
// what can be kept.
Result<ParameterSites> sites_of(const quant::TensorPlan& source, const SensitivityOptions& options);

// The same where the format was asked for.
Result<ParameterSites> fixed_site(const quant::TensorPlan& source, const formats::Format& format,
                                  const io::WrittenKind& kind = io::native_kind());

// Fills the losses of all choices by rounding trial rows.
Status measure_sites(ParameterSites& sites, const tensor::Weight& source,
                     const quant::ParameterStatistics& statistics, const quant::GptqFactor* factor,
                     const SensitivityOptions& options, ThreadPool& pool);

// The measured losses in a fixed order, and back; false where there are more or fewer of them.
std::vector<double> losses_of(const ParameterSites& sites);
bool set_losses(std::span<const double> losses, ParameterSites& sites);

}  // namespace lowbit::search
