#include "search/probe.h"

#include <algorithm>
#include <cmath>

#include "eval/perplexity.h"
#include "exec/executor.h"
#include "models/pooling.h"

namespace lowbit::search {
namespace {

// Logits of all positions of the chunks under some weights.
Result<std::vector<std::vector<float>>> logits_of(const ProbeInput& input, const tensor::Weights& weights) {
  LOWBIT_ASSIGN(const auto executor,
                exec::Executor::create(input.opened->model.graph, weights, input.pool, input.isa));
  std::vector<std::vector<float>> result;
  for (const auto& chunk : input.chunks) {
    exec::Cache cache = executor->new_cache(static_cast<int64_t>(chunk.size()));
    const exec::Segment segment{chunk, &cache, static_cast<int64_t>(chunk.size())};
    result.emplace_back();
    LOWBIT_TRY(executor->forward({&segment, 1}, result.back()));
  }
  return result;
}

double mean_kl(const std::vector<std::vector<float>>& base, const std::vector<std::vector<float>>& other,
               int64_t vocabulary, ThreadPool& pool) {
  double sum = 0.0;
  int64_t count = 0;
  for (size_t c = 0; c < base.size(); ++c) {
    const int64_t rows = static_cast<int64_t>(base[c].size()) / vocabulary;
    std::vector<double> kl(static_cast<size_t>(rows));
    pool.parallel_for(rows, 4, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const auto at = static_cast<size_t>(i * vocabulary), width = static_cast<size_t>(vocabulary);
        const std::span<const float> p = std::span(base[c]).subspan(at, width),
                                     q = std::span(other[c]).subspan(at, width);
        kl[static_cast<size_t>(i)] = eval::kl_divergence(p, eval::LogSoftmax(p), q, eval::LogSoftmax(q));
      }
    });
    for (const double v : kl) sum += v;
    count += rows;
  }
  return count == 0 ? 0.0 : sum / static_cast<double>(count);
}

// Mean of 1 - cosine of the sentence vectors.
double mean_turn(const std::vector<std::vector<float>>& base, const std::vector<std::vector<float>>& other,
                 const models::Model& model, int64_t width) {
  double sum = 0.0;
  for (size_t c = 0; c < base.size(); ++c) {
    const std::vector<double> a = models::pool(base[c], static_cast<size_t>(width), model.pooling);
    const std::vector<double> b = models::pool(other[c], static_cast<size_t>(width), model.pooling);
    double aa = 0.0, bb = 0.0, ab = 0.0;
    for (size_t i = 0; i < a.size(); ++i) {
      aa += a[i] * a[i];
      bb += b[i] * b[i];
      ab += a[i] * b[i];
    }
    if (aa > 0.0 && bb > 0.0) sum += 1.0 - ab / std::sqrt(aa * bb);
  }
  return base.empty() ? 0.0 : std::max(sum / static_cast<double>(base.size()), 0.0);
}

// All parameters of a kind rounded; adds up what that should lose.
Result<tensor::Weights> rounded(const ProbeInput& input, const tensor::Weights& sources,
                                const std::vector<std::string>& names, double& predicted) {
  tensor::Weights weights = sources;
  const graph::Graph& graph = input.opened->model.graph;
  quant::FactorCache factors(graph, input.options.rounding);
  for (const std::string& name : names) {
    const std::shared_ptr<const tensor::Weight>& source = sources.at(name);
    LOWBIT_ASSIGN(const quant::ParameterStatistics statistics, quant::read_statistics(*input.work, graph, name));
    quant::TensorPlan plan{name, source->shape, {{input.format, source->rows(), false, input.options.method}}};
    quant::SolveInput solve;
    solve.source = source.get();
    solve.plan = &plan;
    solve.statistics = &statistics;
    solve.options = input.options.rounding;
    solve.pool = input.pool.get();
    LOWBIT_ASSIGN(solve.factor, factors.get(name, statistics));
    quant::SolveReport report;
    LOWBIT_ASSIGN(tensor::Weight weight, quant::solve(solve, report));
    predicted += report.loss;
    weights[name] = std::make_shared<tensor::Weight>(std::move(weight));
  }
  return weights;
}

// Named by all that it depends on beside the work folder's key: which parameters, and what they are rounded to.
std::string piece_name(const ProbeInput& input, const std::string& kind, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  const std::string text =
      fmt::format("{}\n{}\n{}\n{}", kind, fmt::join(names, "\n"), formats::print(input.format), input.options.method);
  return "probe-" + sha256_hex(std::as_bytes(std::span(text))).substr(0, 16);
}

Result<Probe> measure(const ProbeInput& input, const std::vector<std::string>& names,
                      std::vector<std::vector<float>>& base) {
  Probe probe;
  LOWBIT_ASSIGN(const tensor::Weights* sources, input.weights());
  if (base.empty()) {
    LOWBIT_ASSIGN(base, logits_of(input, *sources));
  }
  LOWBIT_ASSIGN(const tensor::Weights weights, rounded(input, *sources, names, probe.predicted));
  LOWBIT_ASSIGN(const auto logits, logits_of(input, weights));
  const models::Model& model = input.opened->model;
  const int64_t width = model.graph.values[static_cast<size_t>(model.graph.logits)].width;
  probe.measured = model.encoder ? mean_turn(base, logits, model, width) : mean_kl(base, logits, width, *input.pool);
  return probe;
}

}  // namespace

double Probe::correction(double most) const {
  if (!(measured > 0.0) || !(predicted > 0.0)) return 1.0;
  return std::clamp(measured / predicted, 1.0 / most, most);
}

Result<std::map<std::string, Probe>> probe_kinds(const ProbeInput& input, const std::vector<std::string>& parameters,
                                                 const ProgressFn& progress) {
  std::map<std::string, std::vector<std::string>> kinds;
  for (const std::string& name : parameters) kinds[probed_with(name, input.options)].push_back(name);
  std::map<std::string, Probe> result;
  std::vector<std::vector<float>> base;
  double done = 0.0;
  for (const auto& [kind, names] : kinds) {
    report_progress(progress, "probing " + kind, done++, static_cast<double>(kinds.size()));
    const std::string piece = piece_name(input, kind, names);
    if (input.work->has(piece)) {
      LOWBIT_ASSIGN(const quant::WorkPiece file, input.work->read(piece));
      Probe probe;
      if (file.bytes().size() == sizeof probe) {
        std::copy_n(file.bytes().data(), sizeof probe, reinterpret_cast<std::byte*>(&probe));
        result[kind] = probe;
        continue;
      }
    }
    LOWBIT_ASSIGN(const Probe probe, measure(input, names, base));
    LOWBIT_TRY(input.work->write(piece, std::as_bytes(std::span(&probe, 1))));
    result[kind] = probe;
  }
  return result;
}

}  // namespace lowbit::search
