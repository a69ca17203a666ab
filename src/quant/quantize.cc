#include "quant/quantize.h"

#include <cstring>

#include "models/written_kinds.h"
#include "tensor/gather.h"

namespace lowbit::quant {
namespace {

// The plan of one tensor and what rounding depends on, as the name of its piece.
std::string piece_name(const QuantizeJob& job, const TensorPlan& plan, std::span<const TensorPlan* const> sharers) {
  Plan one;
  one.tensors.push_back(plan);
  const MethodOptions& o = job.options;
  std::string text =
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}", one.to_json().dump(), job.statistics, o.damping, o.act_order,
                  o.block, o.descent_sweeps, static_cast<int>(o.scales.search), o.scales.steps, o.scales.lowest,
                  o.scales.highest, o.scales.refits, o.scales.power_of_two_threshold.value_or(0.0));
  for (const TensorPlan* other : sharers) text += " " + other->name;
  return "tensor-" + sha256_hex(std::as_bytes(std::span(text))).substr(0, 24);
}

// Piece: the report, then the row order, then the parts' bytes.
struct PieceHeader {
  double loss, relative_error, damping;
  uint64_t failed_factorizations, row_order;
};

Status save_piece(const WorkFolder& work, const std::string& name, const tensor::Weight& weight,
                  const SolveReport& report) {
  const PieceHeader header{report.loss, report.relative_error, report.damping,
                           static_cast<uint64_t>(report.failed_factorizations), weight.row_order.size()};
  std::vector<std::byte> bytes(sizeof header + weight.row_order.size() * 4);
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!weight.row_order.empty()) {
    std::memcpy(bytes.data() + sizeof header, weight.row_order.data(), weight.row_order.size() * 4);
  }
  for (const tensor::PackedMatrix& part : weight.parts) {
    bytes.insert(bytes.end(), part.bytes().begin(), part.bytes().end());
  }
  return work.write(name, bytes);
}

Result<tensor::Weight> load_piece(const WorkFolder& work, const std::string& name, const TensorPlan& plan,
                                  SolveReport& report) {
  LOWBIT_ASSIGN(const WorkPiece file, work.read(name));
  const auto damaged = [&] { return errorf("{}: is no piece of tensor {}", file.path(), plan.name); };
  PieceHeader header{};
  std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() < sizeof header) return damaged();
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes = bytes.subspan(sizeof header);
  report = {header.loss, header.relative_error, header.damping, static_cast<int>(header.failed_factorizations)};
  tensor::Weight weight;
  weight.shape = plan.shape;
  const uint64_t rows = plan.divided() ? static_cast<uint64_t>(plan.rows()) : 0;
  if (header.row_order != rows || bytes.size() < rows * 4) return damaged();
  weight.row_order.resize(rows);
  if (rows > 0) std::memcpy(weight.row_order.data(), bytes.data(), rows * 4);
  bytes = bytes.subspan(rows * 4);
  for (const PartPlan& part : plan.parts) {
    LOWBIT_ASSIGN(const auto layout, tensor::PackedLayout::of(part.format, part.rows, plan.shape.back()));
    if (bytes.size() < layout.total_bytes) return damaged();
    LOWBIT_ASSIGN(tensor::PackedMatrix matrix,
                  tensor::PackedMatrix::view(part.format, part.rows, plan.shape.back(),
                                             bytes.first(layout.total_bytes), file.owner()));
    weight.parts.push_back(std::move(matrix));
    bytes = bytes.subspan(layout.total_bytes);
  }
  if (!bytes.empty() || !tensor::check_weight(weight).ok()) return damaged();
  return weight;
}

class Runner {
 public:
  Runner(const QuantizeJob& job, const io::WrittenKind& kind)
      : job_(job), kind_(kind), factors_(job.opened->model.graph, job.options) {}

  // The tensor, from the source where it is kept, from the work folder where it was solved, else solved now.
  Result<tensor::Weight> tensor(const TensorPlan& plan, SolveReport& report, bool& reused) {
    reused = false;
    report = {};
    if (plan.kept()) {
      LOWBIT_ASSIGN(const auto source, models::load_weight(*job_.opened, plan.name));
      if (plan.divided() || source->row_order.empty()) return *source;
    }
    const std::vector<const TensorPlan*> sharers = sharers_of(plan);
    const std::string piece = piece_name(job_, plan, sharers);
    if (job_.work->has(piece)) {
      auto found = load_piece(*job_.work, piece, plan, report);
      reused = found.ok();
      if (reused) return found;
    }
    LOWBIT_TRY(solve_piece(plan, sharers, piece));
    return load_piece(*job_.work, piece, plan, report);
  }

 private:
  // The tensors that share one scale of the tensor above the scales of its groups, as NVFP4 has it: vLLM multiplies
  // with those that are tied at once, and has one such scale for all. Empty: the tensor alone.
  std::vector<const TensorPlan*> sharers_of(const TensorPlan& plan) const {
    const std::string key = kind_.tied == nullptr ? std::string() : kind_.tied(plan.name);
    const auto& levels = plan.parts[0].format.levels;
    if (key.empty() || levels.size() < 2 || levels.back().group != formats::kGroupTensor) return {};
    std::vector<const TensorPlan*> sharers;
    for (const TensorPlan& other : job_.plan->tensors) {
      if (kind_.tied(other.name) == key) sharers.push_back(&other);
    }
    return sharers;
  }

  Result<std::optional<TensorRange>> shared_range(std::span<const TensorPlan* const> sharers) {
    if (sharers.empty()) return std::optional<TensorRange>();
    const std::string key = kind_.tied(sharers[0]->name);
    if (key == range_key_) return std::optional(range_);
    TensorRange all;
    for (const TensorPlan* other : sharers) {
      LOWBIT_ASSIGN(const auto source, models::load_weight(*job_.opened, other->name));
      auto range = range_of(*source, *job_.pool);
      if (!range.ok()) return errorf("{}: tensor {}: {}", job_.opened->file->path(), other->name, range.message());
      const float extremes[] = {range->least, range->most};
      all.add(extremes);
    }
    range_key_ = key;
    range_ = all;
    return std::optional(range_);
  }

  Status solve_piece(const TensorPlan& plan, std::span<const TensorPlan* const> sharers, const std::string& piece) {
    LOWBIT_ASSIGN(const auto source, models::load_weight(*job_.opened, plan.name));
    SolveInput input;
    input.source = source.get();
    input.plan = &plan;
    input.options = job_.options;
    input.pool = job_.pool;
    LOWBIT_ASSIGN(input.range, shared_range(sharers));
    ParameterStatistics statistics;
    if (job_.statistics && plan.shape.size() >= 2 && has_statistics(job_.opened->model.graph, plan.name)) {
      LOWBIT_ASSIGN(statistics, read_statistics(*job_.work, job_.opened->model.graph, plan.name));
      input.statistics = &statistics;
      LOWBIT_ASSIGN(input.factor, factors_.get(plan.name, statistics));
    }
    if (job_.importance != nullptr) {
      const auto found = job_.importance->find(plan.name);
      if (found != job_.importance->end()) input.importance = found->second;
      if (!input.importance.empty() && static_cast<int64_t>(input.importance.size()) != plan.shape.back()) {
        return errorf("{}: tensor {} has rows of {} elements, and the importance matrix {} for it",
                      job_.opened->file->path(), plan.name, plan.shape.back(), input.importance.size());
      }
    }
    SolveReport report;
    auto solved = solve(input, report);
    if (!solved.ok()) return errorf("{}: tensor {}: {}", job_.opened->file->path(), plan.name, solved.message());
    return save_piece(*job_.work, piece, *solved, report);
  }

  const QuantizeJob& job_;
  const io::WrittenKind& kind_;
  FactorCache factors_;
  std::string range_key_;  // of range_
  TensorRange range_;
};

}  // namespace

Result<const GptqFactor*> FactorCache::get(const std::string& parameter, const ParameterStatistics& statistics) {
  // A parameter that is looked up (too) has moments of its own.
  const auto users = graph::users_of(graph_, parameter);
  const bool shared = users.size() == 1 && graph::is_product(graph_.nodes[static_cast<size_t>(users[0])].op);
  const std::string key = shared ? fmt::format("{}", observed_input(graph_, parameter)) : parameter;
  if (key != key_ || factor_ == nullptr) {
    LOWBIT_ASSIGN(GptqFactor factor, GptqFactor::make(statistics.second_moments, graph_.parameter(parameter)->cols(),
                                                      options_.damping, options_.act_order));
    factor_ = std::make_unique<GptqFactor>(std::move(factor));
    key_ = key;
  }
  return const_cast<const GptqFactor*>(factor_.get());
}

Result<QuantizeOutcome> quantize(const QuantizeJob& job, const std::string& out, const ProgressFn& progress) {
  const io::WrittenKind* named = models::written_kind(out);
  const io::WrittenKind& kind = named == nullptr ? io::native_kind() : *named;
  Runner runner(job, kind);
  QuantizeOutcome outcome;
  const auto& tensors = job.plan->tensors;
  double done = 0.0;
  const auto total = static_cast<double>(job.plan->parameters());
  // First all pieces, then the file: what is written to it needs no more computing.
  for (const TensorPlan& plan : tensors) {
    report_progress(progress, "rounding", done, total);
    TensorOutcome tensor{plan.name, {}, 0};
    bool reused = false;
    LOWBIT_ASSIGN(const tensor::Weight weight, runner.tensor(plan, tensor.report, reused));
    tensor.bytes = weight.bytes();
    outcome.reused += reused ? 1 : 0;
    outcome.loss += tensor.report.loss;
    outcome.tensors.push_back(std::move(tensor));
    double count = 1.0;
    for (const int64_t d : plan.shape) count *= static_cast<double>(d);
    done += count;
  }
  const std::vector<io::StoredTensor> stored = job.plan->stored();
  LOWBIT_ASSIGN(const auto writer, kind.create(out, {job.metadata, job.opened->file->metadata_types(),
                                                     job.plan->to_json(), stored, job.facts}));
  done = 0.0;
  for (const TensorPlan& plan : tensors) {
    report_progress(progress, "writing", done++, static_cast<double>(tensors.size()));
    SolveReport report;
    bool reused = false;
    LOWBIT_ASSIGN(const tensor::Weight weight, runner.tensor(plan, report, reused));
    LOWBIT_TRY(writer->write(plan.name, weight));
  }
  outcome.file_bytes = writer->file_bytes();
  LOWBIT_TRY(writer->commit());
  report_progress(progress, "writing", 1.0, 1.0);
  return outcome;
}

}  // namespace lowbit::quant
