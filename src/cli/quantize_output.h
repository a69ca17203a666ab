// What a quantization found: for scripts, for people, and as a page.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "eval/perplexity.h"
#include "eval/similarity.h"
#include "quant/histogram.h"
#include "quant/quantize.h"
#include "search/job.h"

namespace lowbit::cli {

struct QuantizeFindings {
  std::string model_name, out, command, calibration_name, evaluation_name;
  const search::Job* job = nullptr;
  const quant::QuantizeOutcome* outcome = nullptr;  // null: a dry run
  double seconds = 0.0;
  // For the page.
  const runtime::Engine* result = nullptr;
  const runtime::Engine* base = nullptr;
  std::optional<eval::EvalResult> measured;          // of a decoder
  std::optional<eval::SimilarityResult> similarity;  // of an encoder
  std::string prompt, answer_before, answer_after;
  struct Histogram {
    std::string tensor, format;
    quant::GridHistogram histogram;
  };
  std::vector<Histogram> histograms;
};

// Keys of `quantize --json`.
Json quantize_json(const QuantizeFindings& findings);

// Lines for a terminal.
std::string quantize_text(const QuantizeFindings& findings);

// Results for report/page.h.
Json quantize_report(const QuantizeFindings& findings);

}  // namespace lowbit::cli
