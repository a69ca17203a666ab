// The main job up to its plan: calibrate, measure what each choice costs, allocate. Every step leaves its result in
// the work folder and is not repeated.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "quant/quantize.h"
#include "quant/recipe.h"
#include "search/budget.h"
#include "search/probe.h"

namespace lowbit::search {

struct JobOptions {
  std::optional<Budget> budget;           // or
  std::optional<formats::Format> format;  // one format for all matrices
  // The first that applies counts. A rule is about matrices; with f32, f16 or bf16 also about vectors.
  std::vector<quant::FormatRule> rules;
  std::string calibration_text;  // empty: none; an error where something is rounded by a method that needs moments
  io::Importance importance;     // of columns, used where there is no text
  int64_t context = 512;
  int64_t chunks = 24;       // of calibration
  int64_t probe_chunks = 2;  // held out of calibration, for the probes
  quant::CalibrationOptions calibration;
  SensitivityOptions sensitivity;
  formats::Format probe_format;
  std::string work;                // folder
  bool work_is_temporary = false;  // the caller deletes it, whatever happens
  bool dry_run = false;            // only the plan: nothing is calibrated that only rounding needs
  std::string pre_tokenizer;       // in place of the one that the source names; empty: that one
  std::string program;             // version of the program: pieces of another are not used
  std::shared_ptr<ThreadPool> pool;
  Isa isa = active_isa();
};

struct Job {
  models::OpenedModel opened;
  nlohmann::json metadata;                // of the file to be made: that of the source, with the pre-tokenizer
  std::optional<quant::WorkFolder> work;  // none in a dry run without a budget
  bool calibrated = false;
  SearchResult search;  // plan and all that led to it; only plan and file_bytes without a budget
  std::map<std::string, Probe> probes;
  std::shared_ptr<const io::SourceFacts> facts;  // of kinds of file that need more of the source
  // Matrices that the file cannot hold in the wanted format: "tensor: wanted -> had".
  std::vector<std::string> replaced;
};

// What the pieces of a work folder depend on, apart from each plan: all files of the source, the texts, the options,
// the program.
Result<std::string> work_key(const io::ModelFile& source, const JobOptions& options, const ProgressFn& progress = {});

// Weights are loaded for calibration and probes and are gone when it returns.
Result<std::unique_ptr<Job>> make_plan(const std::string& model_path, const JobOptions& options,
                                       const ProgressFn& progress = {});

// An error of a job with a work folder: says where finished work stays, or deletes a folder without any.
Error leave_work(std::optional<quant::WorkFolder>& work, const JobOptions& options, const Error& error);

}  // namespace lowbit::search
