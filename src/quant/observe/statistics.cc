#include "quant/observe/statistics.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "grad/backward.h"
#include "kernels/rows/rows.h"
#include "quant/observe/second_moment.h"

namespace lowbit::quant {
namespace {

using graph::Op;
using graph::ValueId;

std::string moment_piece(ValueId id) { return fmt::format("moments-{}", id); }
constexpr const char* kHeadPiece = "head-weights";
constexpr const char* kFisherDone = "fisher";
std::string fisher_piece(ValueId id) { return fmt::format("fisher-{}", id); }

template <class T>
std::span<const std::byte> as_bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

Result<std::vector<float>> read_floats(const WorkFolder& work, const std::string& piece, int64_t count) {
  LOWBIT_ASSIGN(const MappedFile file, work.read(piece));
  if (file.bytes().size() != static_cast<size_t>(count) * sizeof(float)) {
    return errorf("{}: has {} bytes, expected {}; delete the folder and start again", file.path(),
                  file.bytes().size(), count * 4);
  }
  std::vector<float> values(static_cast<size_t>(count));
  std::memcpy(values.data(), file.bytes().data(), file.bytes().size());
  return values;
}

// The linear that uses a parameter (for a tied embedding: the head), or null.
const graph::Node* linear_of(const graph::Graph& graph, const std::string& parameter) {
  for (const int32_t n : graph::users_of(graph, parameter)) {
    const graph::Node& node = graph.nodes[static_cast<size_t>(n)];
    if (node.op == Op::linear) return &node;
  }
  return nullptr;
}

const graph::Node* embed_of(const graph::Graph& graph, const std::string& parameter) {
  for (const int32_t n : graph::users_of(graph, parameter)) {
    const graph::Node& node = graph.nodes[static_cast<size_t>(n)];
    if (node.op == Op::embed) return &node;
  }
  return nullptr;
}

// Mean of p (1 - p) per token of the vocabulary, added up in the order of the tokens.
class HeadWeights {
 public:
  explicit HeadWeights(int64_t vocabulary) : sums_(static_cast<size_t>(vocabulary), 0.0) {}

  void add(std::vector<float>& logits, ThreadPool& pool, Isa isa) {
    const auto vocabulary = static_cast<int64_t>(sums_.size());
    const int64_t rows = static_cast<int64_t>(logits.size()) / vocabulary;
    pool.parallel_for(rows, 1, [&](int64_t begin, int64_t end, int) {
      std::vector<float> row(static_cast<size_t>((vocabulary + 15) / 16 * 16));
      for (int64_t t = begin; t < end; ++t) {
        float* out = logits.data() + t * vocabulary;
        std::copy_n(out, vocabulary, row.data());
        float sum = 0.0f;
        kernels::softmax(isa, {vocabulary, 1.0f, row.data(), &sum});
        for (int64_t i = 0; i < vocabulary; ++i) {
          const float p = row[static_cast<size_t>(i)] / sum;
          out[i] = p * (1.0f - p);
        }
      }
    });
    pool.parallel_for(vocabulary, 512, [&](int64_t begin, int64_t end, int) {
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t i = begin; i < end; ++i)
          sums_[static_cast<size_t>(i)] += static_cast<double>(logits[static_cast<size_t>(t * vocabulary + i)]);
      }
    });
    tokens_ += rows;
  }

  std::vector<float> mean() const {
    std::vector<float> result(sums_.size());
    for (size_t i = 0; i < sums_.size(); ++i)
      result[i] = static_cast<float>(sums_[i] / static_cast<double>(std::max<int64_t>(tokens_, 1)));
    return result;
  }

 private:
  std::vector<double> sums_;
  int64_t tokens_ = 0;
};

// One set of values observed together: as many as fit the memory.
Status observe_moments(exec::Executor& executor, std::span<const std::vector<int32_t>> chunks,
                       const std::set<ValueId>& wanted, bool head, ThreadPool& pool, Isa isa, const WorkFolder& work,
                       const ProgressFn& progress) {
  std::map<ValueId, SecondMoment> moments;
  for (const ValueId id : wanted)
    moments.emplace(id, SecondMoment(executor.graph().values[static_cast<size_t>(id)].width));
  HeadWeights head_weights(executor.vocabulary());
  std::vector<float> logits;
  size_t longest = 1;
  for (const auto& chunk : chunks) longest = std::max(longest, chunk.size());
  exec::Cache cache = executor.new_cache(static_cast<int64_t>(longest));
  for (size_t c = 0; c < chunks.size(); ++c) {
    report_progress(progress, "observing inputs", static_cast<double>(c), static_cast<double>(chunks.size()));
    cache.truncate(0);
    const exec::Segment segment{chunks[c], &cache, static_cast<int64_t>(chunks[c].size())};
    const auto tap = [&](ValueId id, const graph::Value&, const float* rows, int64_t tokens) {
      if (const auto it = moments.find(id); it != moments.end()) it->second.add(rows, tokens, pool);
    };
    LOWBIT_TRY(executor.forward({&segment, 1}, logits, tap));
    if (head) head_weights.add(logits, pool, isa);
  }
  for (const auto& [id, moment] : moments) {
    std::vector<float> matrix = moment.matrix();
    const float scale = 1.0f / static_cast<float>(std::max<int64_t>(moment.tokens(), 1));
    for (float& v : matrix) v *= scale;
    LOWBIT_TRY(work.write(moment_piece(id), as_bytes_of(matrix)));
  }
  if (head) LOWBIT_TRY(work.write(kHeadPiece, as_bytes_of(head_weights.mean())));
  return {};
}

// Mean square of the gradient at the outputs of linears and embeddings, per output.
Status observe_gradients(const graph::Graph& graph, const tensor::Weights& weights,
                         std::span<const std::vector<int32_t>> chunks, const CalibrationOptions& options,
                         std::shared_ptr<ThreadPool> pool, Isa isa, const WorkFolder& work,
                         const ProgressFn& progress) {
  std::map<ValueId, std::vector<double>> sums;
  for (const graph::Node& node : graph.nodes) {
    if (node.op != Op::linear && node.op != Op::embed) continue;
    if (node.output != graph.logits)
      sums[node.output].assign(static_cast<size_t>(graph.values[static_cast<size_t>(node.output)].width), 0.0);
  }
  LOWBIT_ASSIGN(const auto backward, grad::Backward::create(graph, weights, pool, isa));
  const size_t count = std::min(chunks.size(), static_cast<size_t>(options.fisher_chunks));
  int64_t seen = 0;
  for (size_t c = 0; c < count; ++c) {
    report_progress(progress, "observing gradients", static_cast<double>(c), static_cast<double>(count));
    const size_t length = std::min(chunks[c].size(), static_cast<size_t>(options.fisher_tokens));
    const auto tap = [&](ValueId id, const graph::Value& value, const float* gradient, int64_t tokens) {
      const auto it = sums.find(id);
      if (it == sums.end()) return;
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t i = 0; i < value.width; ++i) {
          const auto g = static_cast<double>(gradient[t * value.width + i]);
          it->second[static_cast<size_t>(i)] += g * g;
        }
      }
    };
    LOWBIT_TRY(
        backward->run(std::span(chunks[c]).first(length), grad::sampled_fisher(options.seed, c, isa), {}, tap));
    seen += static_cast<int64_t>(length);
  }
  for (const auto& [id, sum] : sums) {
    std::vector<float> mean(sum.size());
    for (size_t i = 0; i < sum.size(); ++i)
      mean[i] = static_cast<float>(sum[i] / static_cast<double>(std::max<int64_t>(seen, 1)));
    LOWBIT_TRY(work.write(fisher_piece(id), as_bytes_of(mean)));
  }
  return work.write(kFisherDone, {});
}

double sum_of(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float v : values) sum += static_cast<double>(v);
  return sum;
}

}  // namespace

bool has_statistics(const graph::Graph& graph, const std::string& parameter) {
  return linear_of(graph, parameter) != nullptr || embed_of(graph, parameter) != nullptr;
}

ValueId observed_input(const graph::Graph& graph, const std::string& parameter) {
  const graph::Node* linear = linear_of(graph, parameter);
  if (linear != nullptr) return graph::uncast_input(graph, *linear);
  const graph::Node* embed = embed_of(graph, parameter);
  LOWBIT_CHECK(embed != nullptr);
  return embed->output;
}

Status calibrate(const models::OpenedModel& opened, const tensor::Weights& weights,
                 std::span<const std::vector<int32_t>> chunks, const CalibrationOptions& options,
                 std::shared_ptr<ThreadPool> pool, Isa isa, const WorkFolder& work, const ProgressFn& progress) {
  const graph::Graph& graph = opened.model.graph;
  std::vector<std::set<ValueId>> passes;
  uint64_t held = 0;
  for (const graph::Node& node : graph.nodes) {
    if (node.op != Op::linear) continue;
    const ValueId id = graph::uncast_input(graph, node);
    if (work.has(moment_piece(id)) || (!passes.empty() && passes.back().contains(id))) continue;
    const auto width = static_cast<uint64_t>(graph.values[static_cast<size_t>(id)].width);
    held += width * width * sizeof(float);
    if (passes.empty() || held > options.memory) {
      passes.emplace_back();
      held = width * width * sizeof(float);
    }
    passes.back().insert(id);
  }
  if (passes.empty() && !work.has(kHeadPiece)) passes.emplace_back();
  if (!passes.empty()) {
    LOWBIT_ASSIGN(const auto executor, exec::Executor::create(graph, weights, pool, isa));
    for (const auto& wanted : passes) {
      LOWBIT_TRY(observe_moments(*executor, chunks, wanted, !work.has(kHeadPiece), *pool, isa, work, progress));
    }
  }
  if (!work.has(kFisherDone)) {
    LOWBIT_TRY(observe_gradients(graph, weights, chunks, options, pool, isa, work, progress));
  }
  return {};
}

Result<ParameterStatistics> read_statistics(const WorkFolder& work, const graph::Graph& graph,
                                            const std::string& parameter) {
  const graph::Node* linear = linear_of(graph, parameter);
  LOWBIT_CHECK(linear != nullptr);
  const int64_t cols = graph.parameter(parameter)->shape[1], rows = graph.parameter(parameter)->shape[0];
  ParameterStatistics result;
  LOWBIT_ASSIGN(result.second_moments,
                read_floats(work, moment_piece(observed_input(graph, parameter)), cols * cols));
  const bool head = linear->output == graph.logits;
  LOWBIT_ASSIGN(result.row_weights, read_floats(work, head ? kHeadPiece : fisher_piece(linear->output), rows));
  // A tenth of the mean is added: rows that calibration happened to leave alone are not free.
  const auto floor = static_cast<float>(0.1 * sum_of(result.row_weights) / static_cast<double>(rows));
  const double total = sum_of(result.row_weights);
  for (float& w : result.row_weights) w += floor;
  if (const graph::Node* embed = embed_of(graph, parameter); embed != nullptr && total > 0.0) {
    LOWBIT_ASSIGN(const std::vector<float> gradient, read_floats(work, fisher_piece(embed->output), cols));
    for (int64_t c = 0; c < cols; ++c) {
      result.second_moments[static_cast<size_t>(c * cols + c)] +=
          static_cast<float>(static_cast<double>(gradient[static_cast<size_t>(c)]) / total);
    }
  }
  return result;
}

}  // namespace lowbit::quant
