#include "cost/model_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/memory.h"
#include "cost/reading.h"
#include "cost/shapes.h"
#include "exec/executor.h"
#include "tensor/copy_weights.h"

namespace lowbit::cost {
namespace {

constexpr int64_t kChunk = 512;        // tokens of a prompt that go together, as sessions do it
constexpr double kOfFreeMemory = 0.8;  // never more
constexpr uint64_t kSeed = 1;

using exec::Cache;
using exec::Executor;
using exec::Segment;

uint64_t bytes_of(const tensor::Weights& weights) {
  uint64_t sum = 0;
  for (const auto& [name, weight] : weights) sum += weight->bytes();
  return sum;
}

ModelRate row(const char* work, int64_t tokens, int64_t context, int64_t batch) {
  ModelRate rate;
  rate.work = work;
  rate.tokens = tokens;
  rate.context = context;
  rate.batch = batch;
  return rate;
}

class Bench {
 public:
  Bench(const models::Model& model, const MachineLimits& limits, std::shared_ptr<ThreadPool> pool,
        const ModelRatesOptions& options, const ProgressFn& progress)
      : model_(model), limits_(limits), pool_(std::move(pool)), options_(options), progress_(progress) {}

  Result<ModelRates> run(const tensor::Weights& weights) {
    weights_ = &weights;
    out_.weight_bytes = bytes_of(weights);
    LOWBIT_TRY(add_executor(weights));
    const bool decodes = !model_.encoder;
    total_ = static_cast<double>(options_.prefill.size() +
                                 (decodes ? options_.context.size() * options_.batch.size() : 0));
    for (const int64_t tokens : options_.prefill) LOWBIT_TRY(prefill(tokens));
    if (!decodes || options_.context.empty() || options_.batch.empty()) return std::move(out_);
    LOWBIT_TRY(add_copies());
    for (const int64_t context : options_.context) {
      for (const int64_t batch : options_.batch) LOWBIT_TRY(decode(context, batch));
    }
    return std::move(out_);
  }

 private:
  const models::Model& model_;
  const MachineLimits& limits_;
  std::shared_ptr<ThreadPool> pool_;
  const ModelRatesOptions& options_;
  const ProgressFn& progress_;
  const tensor::Weights* weights_ = nullptr;
  std::vector<std::span<const std::byte>> memory_;  // of all copies
  std::vector<std::unique_ptr<Executor>> executors_;
  std::vector<float> logits_;
  std::optional<double> experts_read_;  // by the step of the present row
  ModelRates out_;
  double total_ = 0, done_ = 0;

  Status add_executor(const tensor::Weights& weights) {
    const auto formats = [&](const std::string& name) {
      std::vector<formats::Format> all;
      for (const tensor::PackedMatrix& part : weights.at(name)->parts) all.push_back(part.format());
      return all;
    };
    graph::Graph graph = graph::insert_casts(model_.graph, options_.policy, formats);
    for (const auto& [name, weight] : weights) {
      for (const tensor::PackedMatrix& part : weight->parts) memory_.push_back(part.bytes());
    }
    executors_.emplace_back();
    LOWBIT_ASSIGN(executors_.back(), Executor::create(std::move(graph), weights, pool_, limits_.isa));
    return {};
  }

  double kv_bytes_of_token() const { return static_cast<double>(executors_[0]->new_cache(16).bytes()) / 16; }

  // Copies until they fill cold_bytes; the caches of the largest row must fit beside them.
  Status add_copies() {
    const uint64_t bytes = out_.weight_bytes;
    if (bytes == 0 || bytes >= options_.cold_bytes) return {};
    const auto wanted = (options_.cold_bytes + bytes - 1) / bytes;
    const double caches = kv_bytes_of_token() * static_cast<double>(*std::ranges::max_element(options_.batch)) *
                          static_cast<double>(*std::ranges::max_element(options_.context) + 16);
    const double room = kOfFreeMemory * static_cast<double>(available_memory()) - caches;
    const double fit = 1 + std::max(0.0, room) / static_cast<double>(bytes);
    const auto copies = static_cast<int>(std::min(static_cast<double>(wanted), std::floor(fit)));
    while (out_.copies < copies) {
      LOWBIT_ASSIGN(const tensor::Weights copy, tensor::copy_weights(*weights_, *pool_));
      LOWBIT_TRY(add_executor(copy));
      report_progress(progress_, "copying weights", ++out_.copies, copies);
    }
    return {};
  }

  std::vector<int32_t> random_tokens(int64_t count) const {
    std::vector<int32_t> tokens(static_cast<size_t>(count));
    const auto vocabulary = static_cast<uint64_t>(std::max<int64_t>(model_.vocabulary, 1));
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>((i * 7919 + 1) % vocabulary);
    return tokens;
  }

  // step() runs once; its first error ends the row.
  Status time_row(ModelRate rate, int least_runs, const std::function<Status()>& step) {
    Status failed;
    const bool decodes = rate.work == "decode";
    ReadingBeside beside(limits_, *pool_, memory_);
    rate.timing = measure(
        [&] {
          if (!failed.ok()) return;
          failed = step();
        },
        options_.seconds, least_runs,
        [&] {
          if (decodes) beside.read();
        });
    LOWBIT_TRY(failed);
    const auto bytes = [&](const std::string& name) { return static_cast<double>(weights_->at(name)->bytes()); };
    double entries = 0;
    for (const graph::Node& node : model_.graph.nodes) {
      if (node.op == graph::Op::attention) entries += 2.0 * node.attention.kv_heads * node.attention.dim;
    }
    const StepWork work = work_of(model_.graph, rate.tokens, rate.context, rate.batch,
                                  entries > 0 ? kv_bytes_of_token() / entries : 0, bytes, experts_read_);
    rate.tokens_per_s = static_cast<double>(rate.tokens * rate.batch) / rate.timing.seconds;
    rate.bytes_per_s = work.bytes / rate.timing.seconds;
    rate.ops_per_s = work.ops / rate.timing.seconds;
    rate.reading = beside.bytes_per_s();
    rate.share = decodes ? rate.bytes_per_s / rate.reading : rate.ops_per_s / limits_.int8_ops_per_s;
    out_.rows.push_back(std::move(rate));
    report_progress(progress_, "measuring", ++done_, total_);
    return {};
  }

  bool fits(const char* what, int64_t context, int64_t batch, double bytes) {
    const double room = kOfFreeMemory * static_cast<double>(available_memory());
    if (bytes <= room) return true;
    out_.left_out.push_back(
        fmt::format("{} of batch {} at context {} needs {:.0f} MB for keys and values; {:.0f} are to spare", what,
                    batch, context, bytes / 1e6, room / 1e6));
    ++done_;
    return false;
  }

  Status prefill(int64_t tokens) {
    if (!fits("prefill", tokens, 1, kv_bytes_of_token() * static_cast<double>(tokens))) return {};
    const std::vector<int32_t> ids = random_tokens(tokens);
    Cache cache = executors_[0]->new_cache(tokens);
    // An encoder reads a whole text in one pass, and all its tokens are wanted.
    const int64_t chunk = model_.encoder ? tokens : kChunk;
    return time_row(row("prefill", tokens, 0, 1), 3, [&]() -> Status {
      cache.truncate(0);
      for (int64_t at = 0; at < tokens; at += chunk) {
        const int64_t count = std::min(chunk, tokens - at);
        const int64_t logits = model_.encoder ? count : at + count == tokens ? 1 : 0;
        const Segment segment = {std::span(ids).subspan(static_cast<size_t>(at), static_cast<size_t>(count)), &cache,
                                 logits};
        LOWBIT_TRY(executors_[0]->forward({&segment, 1}, logits_));
      }
      return {};
    });
  }

  Status decode(int64_t context, int64_t batch) {
    if (!fits("decode", context, batch, kv_bytes_of_token() * static_cast<double>(batch * (context + 16)))) return {};
    const std::vector<int32_t> ids = random_tokens(batch);
    std::vector<Cache> caches;
    for (int64_t b = 0; b < batch; ++b) {
      caches.push_back(executors_[0]->new_cache(context + 1));
      caches.back().fill(context, kSeed + static_cast<uint64_t>(b), *pool_);
    }
    std::vector<Segment> segments;
    for (size_t b = 0; b < caches.size(); ++b) segments.push_back({std::span(ids).subspan(b, 1), &caches[b], 1});
    LOWBIT_TRY(count_experts(segments));
    size_t turn = 0;
    return time_row(row("decode", 1, context, batch), 5, [&]() -> Status {
      for (Cache& cache : caches) cache.truncate(context);
      return executors_[turn++ % executors_.size()]->forward(segments, logits_);
    });
  }

  // Tokens that choose alike read an expert once: who chooses what is looked at in one pass.
  Status count_experts(std::span<const Segment> segments) {
    std::map<std::string, int64_t> experts;  // of a router's choice
    for (const graph::Node& node : model_.graph.nodes) {
      if (node.op != graph::Op::top_k) continue;
      experts[node.name] = model_.graph.values[static_cast<size_t>(node.inputs[0])].width;
    }
    if (experts.empty()) return {};
    double share = 0;
    const auto tap = [&](graph::ValueId, const graph::Value& value, const float* rows, int64_t tokens) {
      const auto found = experts.find(value.name);
      if (found == experts.end()) return;
      std::set<float> ids;
      for (int64_t t = 0; t < tokens; ++t)
        ids.insert(rows + t * value.width, rows + t * value.width + value.width / 2);
      share += static_cast<double>(ids.size()) / static_cast<double>(found->second);
    };
    LOWBIT_TRY(executors_[0]->forward(segments, logits_, tap));
    experts_read_ = share / static_cast<double>(experts.size());
    return {};
  }
};

}  // namespace

StepWork work_of(const graph::Graph& graph, int64_t tokens, int64_t context, int64_t batch, double kv_entry_bytes,
                 const std::function<double(const std::string&)>& weight_bytes, std::optional<double> experts_read) {
  StepWork work;
  const auto rows = static_cast<double>(tokens * batch), sequences = static_cast<double>(batch);
  const int32_t free = graph::first_free_node(graph);
  double chosen = 1;  // share of the experts
  int64_t used = 0;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const graph::Node& node = graph.nodes[n];
    if (node.op == graph::Op::top_k) used = node.top_k.k;
    if (node.op == graph::Op::attention) {
      const graph::Attention& a = node.attention;
      const int64_t seen = a.window > 0 ? std::min<int64_t>(a.window, context + tokens) : context + tokens;
      work.bytes += 2.0 * a.kv_heads * a.dim * static_cast<double>(seen) * sequences * kv_entry_bytes;
    }
    if (!graph::is_product(node.op)) continue;
    const auto parameter = std::ranges::find(graph.parameters, node.weights[0], &graph::Parameter::name);
    double count = 1, read = 1;
    for (const int64_t d : parameter->shape) count *= static_cast<double>(d);
    if (parameter->shape.size() == 3) {
      chosen = static_cast<double>(used) / static_cast<double>(parameter->shape[0]);
      count *= chosen;
      read = experts_read.value_or(1 - std::pow(1 - chosen, rows));
    }
    // After the last attention only the tokens whose logits are asked for go on.
    work.ops += 2 * count * (static_cast<int32_t>(n) >= free ? sequences : rows);
    work.bytes += read * weight_bytes(node.weights[0]);
  }
  return work;
}

Result<ModelRates> measure_model(const models::Model& model, const tensor::Weights& weights,
                                 const MachineLimits& limits, std::shared_ptr<ThreadPool> pool,
                                 const ModelRatesOptions& options, const ProgressFn& progress) {
  return Bench(model, limits, std::move(pool), options, progress).run(weights);
}

}  // namespace lowbit::cost
