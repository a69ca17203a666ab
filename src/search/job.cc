#include "search/job.h"

#include <algorithm>
#include <limits>

#include "base/file.h"
#include "io/model_file.h"
#include "search/assignment.h"
#include "search/sequences.h"
#include "text/tokenizer.h"

namespace lowbit::search {
namespace {

// Raise it when a change gives other bytes from the same input: then work folders of older programs are not used.
constexpr int kAlgorithmVersion = 3;
constexpr uint64_t kHashBlock = uint64_t{16} << 20;

// Weights as calibration and probes want them: checked, and all in memory once anything asks for all.
class WeightSource {
 public:
  WeightSource(const Job& job, const JobOptions& options, const ProgressFn& progress)
      : opened_(job.opened), options_(options), progress_(progress) {}

  Result<std::shared_ptr<const tensor::Weight>> one(const std::string& name) const {
    if (all_) return all_->at(name);
    LOWBIT_ASSIGN(auto weight, models::load_weight(opened_, name));
    if (const Status finite = quant::check_finite(*weight, *options_.pool); !finite.ok()) {
      return errorf("{}: tensor {}: {}", opened_.file->path(), name, finite.message());
    }
    return weight;
  }

  Result<const tensor::Weights*> all() {
    if (!all_) {
      tensor::Weights weights;
      const auto& parameters = opened_.model.graph.parameters;
      for (size_t i = 0; i < parameters.size(); ++i) {
        report_progress(progress_, "loading", static_cast<double>(i), static_cast<double>(parameters.size()));
        LOWBIT_ASSIGN(weights[parameters[i].name], one(parameters[i].name));
      }
      all_ = std::move(weights);
    }
    return static_cast<const tensor::Weights*>(&*all_);
  }

 private:
  const models::OpenedModel& opened_;
  const JobOptions& options_;
  const ProgressFn& progress_;
  std::optional<tensor::Weights> all_;
};

// Everything up to the plan, with what is needed on the way only.
class Planning {
 public:
  Planning(Job& job, const JobOptions& options, const ProgressFn& progress)
      : job_(job), options_(options), progress_(progress), weights_(job, options, progress) {}

  Status run() {
    LOWBIT_ASSIGN(assignment_, Assignment::make(job_.opened, options_.rules, *options_.sensitivity.kind));
    const bool calibrates = options_.budget || assignment_->rounds(options_.format);
    LOWBIT_TRY(check_text(calibrates));
    const bool calibrated = calibrates && !options_.calibration_text.empty();
    if (!options_.budget) {
      LOWBIT_TRY(plan_uniform(calibrated));
      if (options_.dry_run) return {};
    } else {
      LOWBIT_TRY(list_sites());
      LOWBIT_TRY(check_budget(input_, *options_.budget));  // sizes are known before anything is measured
    }
    LOWBIT_ASSIGN(const std::string key, work_key(*job_.opened.file, options_, progress_));
    LOWBIT_ASSIGN(job_.work, quant::WorkFolder::open(options_.work, key));
    if (calibrated) LOWBIT_TRY(calibrate());
    return options_.budget ? plan_budget() : Status();
  }

 private:
  Status check_text(bool calibrates) const {
    if (!options_.calibration_text.empty() || !calibrates) return {};
    if (options_.budget) return errorf("a budget needs calibration, and there is no text for it");
    const quant::Method* method = quant::find_method(options_.sensitivity.method);
    LOWBIT_CHECK(method != nullptr);
    if (!method->needs_second_moments || !options_.importance.empty()) return {};
    return errorf("method {} needs calibration, and there is no text for it", options_.sensitivity.method);
  }

  Status calibrate() {
    const std::string& path = job_.opened.file->path();
    const graph::Graph& graph = job_.opened.model.graph;
    LOWBIT_ASSIGN(const text::Tokenizer tokenizer, text::Tokenizer::from_metadata(job_.metadata, path));
    LOWBIT_ASSIGN(Sequences sequences,
                  calibration_sequences(job_.opened.model, tokenizer, options_.calibration_text,
                                        {options_.context, options_.chunks, options_.probe_chunks}));
    probe_chunks_ = std::move(sequences.probe);
    quant::CalibrationOptions calibration = options_.calibration;
    if (job_.opened.model.encoder) {
      // As many tokens; a text is never cut again, since its vector is one of the whole.
      calibration.fisher_chunks =
          texts_with_tokens(sequences.calibration, calibration.fisher_chunks * calibration.fisher_tokens);
      calibration.fisher_tokens = std::max(calibration.fisher_tokens, job_.opened.model.sentence_tokens);
    }
    job_.calibrated = true;
    if (quant::is_calibrated(graph, *job_.work)) return {};
    LOWBIT_ASSIGN(const tensor::Weights* weights, weights_.all());
    return quant::calibrate(job_.opened, *weights, sequences.calibration, calibration, options_.pool, options_.isa,
                            *job_.work, progress_);
  }

  // The plan of a tensor as the file can hold it.
  Status fit(quant::TensorPlan& plan, bool calibrated) {
    const io::WrittenKind& kind = *options_.sensitivity.kind;
    bool several = false;
    if (plan.divided() && !kind.divides) {
      if (kind.instead.empty() || !plan.kept()) {
        return errorf("{}: tensor {} has rows in several formats, which {} cannot hold; ask for one format",
                      job_.opened.file->path(), plan.name, kind.name);
      }
      plan.parts = {{plan.parts[0].format, plan.rows(), true, ""}};
      several = true;
    }
    for (quant::PartPlan& part : plan.parts) {
      auto held = kind.holds(part.format, plan.name, plan.shape);
      if (several || (!held.ok() && part.keep && !kind.instead.empty())) held = formats::parse_format(kind.instead);
      if (!held.ok()) return errorf("tensor {}: {}", plan.name, held.message());
      if (*held == part.format) continue;
      if (plan.shape.size() > 1) {
        job_.replaced.push_back(
            fmt::format("{}: {} -> {}", plan.name, formats::print(part.format), formats::print(*held)));
      }
      // What the source has already is kept as it is.
      if (const quant::TensorPlan kept = assignment_->kept(plan.name);
          kept.parts.size() == 1 && kept.parts[0].format == *held) {
        plan = kept;
        return {};
      }
      const bool moments = calibrated && assignment_->has_statistics(plan.name);
      const std::string& method = options_.sensitivity.method;
      const bool without = quant::find_method(method)->needs_second_moments && !moments;
      part = {*held, part.rows, false, held->is_plain() ? "" : (without ? "nearest" : method)};
    }
    return {};
  }

  Status plan_uniform(bool calibrated) {
    for (const graph::Parameter& p : job_.opened.model.graph.parameters) {
      job_.search.plan.tensors.push_back(
          assignment_->uniform(p.name, options_.format, options_.sensitivity.method, calibrated));
      LOWBIT_TRY(fit(job_.search.plan.tensors.back(), calibrated));
    }
    const quant::Plan& plan = job_.search.plan;
    const std::vector<io::StoredTensor> stored = plan.stored();
    const io::ModelFile& file = *job_.opened.file;
    LOWBIT_ASSIGN(job_.search.file_bytes,
                  options_.sensitivity.kind->file_bytes(
                      {job_.metadata, file.metadata_types(), plan.to_json(), stored, job_.facts.get()}));
    return {};
  }

  // Losses from the work folder where an earlier run measured them.
  Status measure(ParameterSites& sites, const std::string& name, const SensitivityOptions& sensitivity,
                 quant::FactorCache& factors) {
    const std::string what = sites.fixed ? name + "=" + formats::print(sites.whole.choices[0].format) : name;
    const std::string piece = "losses-" + sha256_hex(std::as_bytes(std::span(what))).substr(0, 16);
    if (job_.work->has(piece)) {
      LOWBIT_ASSIGN(const quant::WorkPiece file, job_.work->read(piece));
      std::vector<double> losses(file.bytes().size() / sizeof(double));
      std::copy_n(file.bytes().data(), losses.size() * sizeof(double), reinterpret_cast<std::byte*>(losses.data()));
      if (set_losses(losses, sites)) return {};
    }
    const graph::Graph& graph = job_.opened.model.graph;
    LOWBIT_ASSIGN(const quant::ParameterStatistics statistics, quant::read_statistics(*job_.work, graph, name));
    LOWBIT_ASSIGN(const quant::GptqFactor* factor, factors.get(name, statistics));
    LOWBIT_ASSIGN(const auto source, weights_.one(name));
    LOWBIT_TRY(measure_sites(sites, *source, statistics, factor, sensitivity, *options_.pool));
    const std::vector<double> losses = losses_of(sites);
    return job_.work->write(piece, std::as_bytes(std::span(losses)));
  }

  // What the budget is divided among, without losses.
  Status list_sites() {
    input_.method = options_.sensitivity.method;
    input_.metadata = &job_.metadata;
    input_.types = &job_.opened.file->metadata_types();
    input_.kind = options_.sensitivity.kind;
    input_.facts = job_.facts.get();
    for (const graph::Parameter& p : job_.opened.model.graph.parameters) {
      input_.order.push_back(p.name);
      const quant::TensorPlan as_it_is = assignment_->kept(p.name);
      const formats::Format* asked = assignment_->asked(p.name);
      const bool statistics = assignment_->has_statistics(p.name);
      quant::TensorPlan fixed = assignment_->uniform(p.name, std::nullopt, input_.method, true);
      const bool left = asked == nullptr && !assignment_->is_free(p.name);
      if (!statistics || left || (asked != nullptr && fixed.kept())) {
        LOWBIT_TRY(fit(fixed, true));
        input_.fixed.push_back(fixed);
        continue;
      }
      if (asked == nullptr) free_names_.push_back(p.name);
      LOWBIT_ASSIGN(ParameterSites sites, asked != nullptr ? fixed_site(as_it_is, *asked, *input_.kind)
                                                           : sites_of(as_it_is, options_.sensitivity));
      sites.whole.kind = probed_with(p.name, options_.sensitivity);
      for (FormatSite& division : sites.divisions) division.kind = sites.whole.kind;
      input_.parameters.push_back(std::move(sites));
    }
    return {};
  }

  Status plan_budget() {
    quant::FactorCache factors(job_.opened.model.graph, options_.sensitivity.rounding);
    double done = 0.0;
    for (ParameterSites& sites : input_.parameters) {
      report_progress(progress_, "measuring sensitivity", done++, static_cast<double>(input_.parameters.size()));
      LOWBIT_TRY(measure(sites, sites.whole.parameter, options_.sensitivity, factors));
    }
    ProbeInput probe{&job_.opened,          [this] { return weights_.all(); },
                     &*job_.work,           options_.sensitivity,
                     options_.probe_format, probe_chunks_,
                     options_.pool,         options_.isa};
    LOWBIT_ASSIGN(job_.probes, probe_kinds(probe, free_names_, progress_));
    const double most = options_.sensitivity.probe_each ? kMostCorrectionEach : kMostCorrection;
    for (const auto& [kind, p] : job_.probes) input_.corrections[kind] = p.correction(most);
    report_progress(progress_, "choosing formats", 0.0, 0.0);
    LOWBIT_ASSIGN(job_.search, plan_for_budget(std::move(input_), *options_.budget));
    return {};
  }

  Job& job_;
  const JobOptions& options_;
  const ProgressFn& progress_;
  WeightSource weights_;
  std::optional<Assignment> assignment_;
  PlanInput input_;
  std::vector<std::string> free_names_;  // parameters whose format is up to the search
  std::vector<std::vector<int32_t>> probe_chunks_;
};

// A hash of the hashes of blocks: it can tell how far it is.
Result<std::string> hash_of_model(const io::ModelFile& source, const ProgressFn& progress) {
  std::string hashes;
  for (const std::string& name : source.files()) {
    LOWBIT_ASSIGN(const MappedFile file, MappedFile::open(name));
    const auto bytes = file.bytes();
    for (uint64_t at = 0; at < bytes.size(); at += kHashBlock) {
      report_progress(progress, "reading", static_cast<double>(at), static_cast<double>(bytes.size()));
      hashes += sha256_hex(bytes.subspan(at, std::min(kHashBlock, bytes.size() - at)));
    }
  }
  return sha256_hex(std::as_bytes(std::span(hashes)));
}

}  // namespace

Result<std::string> work_key(const io::ModelFile& file, const JobOptions& options, const ProgressFn& progress) {
  LOWBIT_ASSIGN(const std::string source, hash_of_model(file, progress));
  const quant::MethodOptions& o = options.sensitivity.rounding;
  nlohmann::json key = {
      {"version", kAlgorithmVersion},
      {"program", options.program},
      {"source", source},
      {"text", sha256_hex(std::as_bytes(std::span(options.calibration_text)))},
      {"context", options.context},
      {"chunks", {options.chunks, options.probe_chunks}},
      {"fisher", {options.calibration.fisher_chunks, options.calibration.fisher_tokens, options.calibration.seed}},
      {"method", options.sensitivity.method},
      {"rounding",
       {o.damping, o.act_order, o.block, o.descent_sweeps, static_cast<int>(o.scales.search), o.scales.steps,
        o.scales.lowest, o.scales.highest, o.scales.refits}},
      {"power_of_two_threshold", nullptr},
      {"trials", {options.sensitivity.trial_rows, options.sensitivity.divide_rows}},
      {"candidates", nlohmann::json::array()},
  };
  if (!options.importance.empty()) {
    std::string all;
    for (const auto& [name, values] : options.importance) {
      all += name + sha256_hex(std::as_bytes(std::span(values)));
    }
    key["importance"] = sha256_hex(std::as_bytes(std::span(all)));
  }
  if (!options.pre_tokenizer.empty()) key["pre_tokenizer"] = options.pre_tokenizer;
  if (options.sensitivity.kind != &io::native_kind()) key["file"] = options.sensitivity.kind->ending;
  if (o.scales.power_of_two_threshold) key["power_of_two_threshold"] = *o.scales.power_of_two_threshold;
  for (const formats::Format& f : options.sensitivity.candidates) key["candidates"].push_back(formats::print(f));
  return key.dump(1);
}

Error leave_work(std::optional<quant::WorkFolder>& work, const JobOptions& options, const Error& error) {
  if (!work || options.work_is_temporary) return error;
  if (work->empty()) {
    const Status removed = work->remove();
    return removed.ok() ? error : errorf("{} (and {})", error.message, removed.message());
  }
  return errorf("{} (what is finished stays in {})", error.message, work->path());
}

// With a pre-tokenizer the file that is made names it, so that nobody has to say it again.
static Status set_metadata(const std::string& pre_tokenizer, Job& job) {
  job.metadata = job.opened.file->metadata();
  if (pre_tokenizer.empty()) return {};
  LOWBIT_TRY(text::Tokenizer::from_metadata(job.metadata, job.opened.file->path(), pre_tokenizer));
  job.metadata["tokenizer.ggml.pre"] = pre_tokenizer;
  return {};
}

Result<std::unique_ptr<Job>> make_plan(const std::string& model_path, const JobOptions& given,
                                       const ProgressFn& progress) {
  JobOptions options = given;
  LOWBIT_CHECK(options.budget.has_value() != options.format.has_value());
  if (options.sensitivity.candidates.empty())
    options.sensitivity.candidates = default_candidates(*options.sensitivity.kind);
  for (const formats::Format& format : options.sensitivity.candidates) {
    constexpr int64_t kAnyShape[] = {256, 256};
    if (const auto held = options.sensitivity.kind->holds(format, "", kAnyShape); !held.ok()) return held.error();
  }
  auto job = std::make_unique<Job>();
  LOWBIT_ASSIGN(job->opened, models::open(model_path));
  LOWBIT_TRY(set_metadata(options.pre_tokenizer, *job));
  if (options.sensitivity.kind->prepare != nullptr) {
    LOWBIT_ASSIGN(job->facts, options.sensitivity.kind->prepare(job->opened.file));
  }
  if (job->opened.model.encoder) {
    options.sensitivity.probe_each = true;
    // How often a word came in the calibration text is no measure of what it means for the vector of another text.
    options.sensitivity.divide_rows = std::numeric_limits<int64_t>::max();
  }
  const Status planned = Planning(*job, options, progress).run();
  if (!planned.ok()) return leave_work(job->work, options, planned.error());
  return job;
}

}  // namespace lowbit::search
