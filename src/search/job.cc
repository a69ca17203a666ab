#include "search/job.h"

#include <algorithm>

#include "base/file.h"
#include "eval/perplexity.h"
#include "text/tokenizer.h"

namespace lowbit::search {
namespace {

// Matrices whose format is up to us, in the order of the graph's parameters.
std::vector<std::string> matrices(const Job& job) {
  std::vector<std::string> names;
  for (const graph::Parameter& p : job.opened.model.graph.parameters) {
    if (p.shape.size() == 2 && quant::has_statistics(job.opened.model.graph, p.name)) names.push_back(p.name);
  }
  return names;
}

const Override* override_of(const JobOptions& options, const std::string& name) {
  for (const Override& o : options.overrides) {
    if (std::regex_search(name, o.regex)) return &o;
  }
  return nullptr;
}

quant::TensorPlan keep_plan(const tensor::Weight& source, const std::string& name) {
  quant::TensorPlan plan{name, source.shape, {}};
  for (const tensor::PackedMatrix& part : source.parts) plan.parts.push_back({part.format(), part.rows(), true, ""});
  return plan;
}

quant::TensorPlan uniform_plan(const tensor::Weight& source, const std::string& name, const formats::Format& format,
                               const std::string& method) {
  if (source.parts.size() == 1 && source.parts[0].format() == format) return keep_plan(source, name);
  return {name, source.shape, {{format, source.rows(), false, format.is_plain() ? "" : method}}};
}

Status calibrate(Job& job, const JobOptions& options, std::vector<std::vector<int32_t>>& probe_chunks,
                 const ProgressFn& progress) {
  const std::string& path = job.opened.file->path();
  LOWBIT_ASSIGN(const text::Tokenizer tokenizer, text::Tokenizer::from_metadata(job.opened.file->metadata(), path));
  const int64_t wanted = options.chunks + options.probe_chunks;
  LOWBIT_ASSIGN(auto chunks, eval::chunk_tokens(tokenizer, options.calibration_text, options.context, wanted));
  // The last ones are held out; a short text probes what it calibrates on.
  const size_t held = std::min(static_cast<size_t>(options.probe_chunks), chunks.size());
  probe_chunks.assign(chunks.end() - static_cast<std::ptrdiff_t>(held), chunks.end());
  if (chunks.size() > held) chunks.resize(chunks.size() - held);
  LOWBIT_TRY(quant::calibrate(job.opened, job.weights, chunks, options.calibration, options.pool, options.isa,
                              *job.work, progress));
  job.calibrated = true;
  return {};
}

// Losses of all sites, from the work folder where an earlier run measured them.
Result<std::vector<FormatSite>> measured_sites(Job& job, const JobOptions& options,
                                               const std::vector<std::string>& names, const ProgressFn& progress) {
  std::vector<FormatSite> all;
  quant::FactorCache factors(job.opened.model.graph, options.sensitivity.rounding);
  double done = 0.0;
  for (const std::string& name : names) {
    report_progress(progress, "measuring sensitivity", done++, static_cast<double>(names.size()));
    const tensor::Weight& source = *job.weights.at(name);
    LOWBIT_ASSIGN(std::vector<FormatSite> sites, sites_of(name, source, options.sensitivity));
    const std::string piece = "losses-" + sha256_hex(std::as_bytes(std::span(name))).substr(0, 16);
    std::vector<double> losses;
    if (job.work->has(piece)) {
      LOWBIT_ASSIGN(const MappedFile file, job.work->read(piece));
      losses.resize(file.bytes().size() / sizeof(double));
      std::copy_n(file.bytes().data(), losses.size() * sizeof(double), reinterpret_cast<std::byte*>(losses.data()));
    } else {
      LOWBIT_ASSIGN(const quant::ParameterStatistics statistics,
                    quant::read_statistics(*job.work, job.opened.model.graph, name));
      LOWBIT_ASSIGN(const quant::GptqFactor* factor, factors.get(name, statistics));
      LOWBIT_TRY(measure_sites(sites, source, statistics, factor, options.sensitivity, *options.pool));
      for (const FormatSite& site : sites) {
        for (const SiteChoice& choice : site.choices) losses.push_back(choice.loss);
      }
      LOWBIT_TRY(job.work->write(piece, std::as_bytes(std::span(losses))));
    }
    size_t at = 0;
    for (FormatSite& site : sites) {
      for (SiteChoice& choice : site.choices) {
        if (at == losses.size()) return errorf("work folder {}: damaged; delete it and start again", options.work);
        choice.loss = losses[at++];
      }
      all.push_back(std::move(site));
    }
  }
  return all;
}

Status plan_budget(Job& job, const JobOptions& options, const std::vector<std::vector<int32_t>>& probe_chunks,
                   const ProgressFn& progress) {
  std::vector<std::string> free_names, order;
  std::vector<Fixed> fixed;
  const std::vector<std::string> all = matrices(job);
  for (const graph::Parameter& p : job.opened.model.graph.parameters) {
    order.push_back(p.name);
    const tensor::Weight& source = *job.weights.at(p.name);
    const bool matrix = std::find(all.begin(), all.end(), p.name) != all.end();
    const Override* chosen = override_of(options, p.name);
    if (matrix && chosen == nullptr) {
      free_names.push_back(p.name);
    } else if (matrix || chosen != nullptr) {
      fixed.push_back({p.name, uniform_plan(source, p.name, chosen->format, options.sensitivity.method)});
    } else {
      fixed.push_back({p.name, keep_plan(source, p.name)});
    }
  }
  LOWBIT_ASSIGN(std::vector<FormatSite> sites, measured_sites(job, options, free_names, progress));
  std::map<std::string, double> corrections;
  if (!probe_chunks.empty()) {
    ProbeInput probe{&job.opened,          &job.weights, &*job.work,   options.sensitivity,
                     options.probe_format, probe_chunks, options.pool, options.isa};
    LOWBIT_ASSIGN(job.probes, probe_kinds(probe, free_names, progress));
    for (const auto& [kind, p] : job.probes) corrections[kind] = p.correction();
  }
  LOWBIT_ASSIGN(job.search, plan_for_budget(std::move(sites), corrections, fixed, order, *options.budget,
                                            job.opened.file->metadata()));
  return {};
}

void plan_uniform(Job& job, const JobOptions& options) {
  const std::vector<std::string> all = matrices(job);
  const std::string method = job.calibrated ? options.sensitivity.method : "nearest";
  for (const graph::Parameter& p : job.opened.model.graph.parameters) {
    const tensor::Weight& source = *job.weights.at(p.name);
    const Override* chosen = override_of(options, p.name);
    const bool matrix = std::find(all.begin(), all.end(), p.name) != all.end();
    if (chosen != nullptr || matrix) {
      const formats::Format& format = chosen != nullptr ? chosen->format : *options.format;
      job.search.plan.tensors.push_back(uniform_plan(source, p.name, format, method));
    } else {
      job.search.plan.tensors.push_back(keep_plan(source, p.name));
    }
  }
}

}  // namespace

Result<std::string> work_key(const std::string& model_path, const JobOptions& options) {
  LOWBIT_ASSIGN(const std::string source, sha256_file(model_path));
  const quant::MethodOptions& o = options.sensitivity.rounding;
  nlohmann::json key = {
      {"version", 1},
      {"source", source},
      {"text", sha256_hex(std::as_bytes(std::span(options.calibration_text)))},
      {"context", options.context},
      {"chunks", {options.chunks, options.probe_chunks}},
      {"fisher", {options.calibration.fisher_chunks, options.calibration.fisher_tokens, options.calibration.seed}},
      {"method", options.sensitivity.method},
      {"rounding",
       {o.damping, o.act_order, o.block, o.descent_sweeps, static_cast<int>(o.scales.search), o.scales.steps,
        o.scales.lowest, o.scales.highest, o.scales.refits}},
      {"trials", {options.sensitivity.trial_rows, options.sensitivity.divide_rows}},
      {"probe", formats::print(options.probe_format)},
      {"candidates", nlohmann::json::array()},
  };
  for (const formats::Format& f : options.sensitivity.candidates) key["candidates"].push_back(formats::print(f));
  return key.dump(1);
}

Result<std::unique_ptr<Job>> make_plan(const std::string& model_path, const JobOptions& given,
                                       const ProgressFn& progress) {
  JobOptions options = given;
  if (options.sensitivity.candidates.empty()) options.sensitivity.candidates = default_candidates();
  auto job = std::make_unique<Job>();
  LOWBIT_ASSIGN(job->opened, models::open(model_path));
  LOWBIT_ASSIGN(job->weights, models::load_weights(job->opened, progress));
  LOWBIT_ASSIGN(const std::string key, work_key(model_path, options));
  LOWBIT_ASSIGN(job->work, quant::WorkFolder::open(options.work, key));
  std::vector<std::vector<int32_t>> probe_chunks;
  const bool plain = options.format && options.format->is_plain();
  if (!options.calibration_text.empty() && !plain) LOWBIT_TRY(calibrate(*job, options, probe_chunks, progress));
  if (options.budget) {
    if (!job->calibrated) return errorf("a budget needs calibration: give a text with --text");
    LOWBIT_TRY(plan_budget(*job, options, probe_chunks, progress));
  } else {
    LOWBIT_CHECK(options.format.has_value());
    plan_uniform(*job, options);
  }
  return job;
}

}  // namespace lowbit::search
