// The main job up to its plan: calibrate, measure what each choice costs, allocate. Every step leaves its result in
// the work folder and is not repeated.
#pragma once

#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "base/progress.h"
#include "quant/quantize.h"
#include "search/budget.h"
#include "search/probe.h"

namespace lowbit::search {

// Parameters whose names a pattern matches get a format of their own.
struct Override {
  std::string pattern;
  std::regex regex;
  formats::Format format;
};

struct JobOptions {
  std::optional<Budget> budget;           // or
  std::optional<formats::Format> format;  // one format for all matrices
  std::vector<Override> overrides;        // the first that matches counts
  std::string calibration_text;           // empty: none (no second moments: scales by plain error search)
  int64_t context = 512;
  int64_t chunks = 24;       // of calibration
  int64_t probe_chunks = 2;  // held out of calibration, for the probes
  quant::CalibrationOptions calibration;
  SensitivityOptions sensitivity;
  formats::Format probe_format;
  std::string work;  // folder
  std::shared_ptr<ThreadPool> pool;
  Isa isa = active_isa();
};

struct Job {
  models::OpenedModel opened;
  tensor::Weights weights;
  std::optional<quant::WorkFolder> work;
  bool calibrated = false;
  SearchResult search;  // plan and all that led to it; sites are empty without a budget
  std::map<std::string, Probe> probes;
};

// What the pieces of a work folder depend on, apart from each plan: the source, the texts, the options.
Result<std::string> work_key(const std::string& model_path, const JobOptions& options);

Result<std::unique_ptr<Job>> make_plan(const std::string& model_path, const JobOptions& options,
                                       const ProgressFn& progress = {});

}  // namespace lowbit::search
