#include "quant/observe/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
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
constexpr const char* kSharePiece = "token-shares";
std::string fisher_piece(ValueId id) { return fmt::format("fisher-{}", id); }
// Sums over the first chunks, of a job that may be killed.
std::string state_piece(const std::string& piece) { return piece + "-state"; }

template <class T>
std::span<const std::byte> as_bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

Result<std::vector<float>> read_floats(const WorkFolder& work, const std::string& piece, int64_t count) {
  LOWBIT_ASSIGN(const WorkPiece file, work.read(piece));
  if (file.bytes().size() != static_cast<size_t>(count) * sizeof(float)) {
    return errorf("{}: has {} bytes, expected {}; delete the folder and start again", file.path(),
                  file.bytes().size(), count * 4);
  }
  std::vector<float> values(static_cast<size_t>(count));
  std::memcpy(values.data(), file.bytes().data(), file.bytes().size());
  const auto finite = [](float v) { return std::isfinite(v); };
  if (!std::all_of(values.begin(), values.end(), finite)) {
    return errorf("{}: calibration gave numbers that are not finite: the model overflows on the text", file.path());
  }
  return values;
}

// A count of chunks and then anything: the form of every state.
std::vector<std::byte> with_count(int64_t chunks, std::span<const std::byte> sums) {
  std::vector<std::byte> bytes(sizeof chunks);
  std::memcpy(bytes.data(), &chunks, sizeof chunks);
  bytes.insert(bytes.end(), sums.begin(), sums.end());
  return bytes;
}

// The count, and the sums behind it through `load` (which says whether they fit); 0 where there is no usable state.
template <class Load>
int64_t read_state(const WorkFolder& work, const std::string& piece, int64_t most, const Load& load) {
  if (!work.has(state_piece(piece))) return 0;
  const auto state = work.read(state_piece(piece));
  int64_t chunks = 0;
  if (!state.ok() || state->bytes().size() < sizeof chunks) return 0;
  std::memcpy(&chunks, state->bytes().data(), sizeof chunks);
  if (chunks < 0 || chunks > most || !load(state->bytes().subspan(sizeof chunks))) return 0;
  return chunks;
}

bool copy_doubles(std::span<const std::byte> from, std::span<double> to) {
  if (from.size() != to.size_bytes()) return false;
  std::memcpy(to.data(), from.data(), from.size());
  return true;
}

// The linear that uses a parameter (for a tied embedding: the head), or null.
const graph::Node* linear_of(const graph::Graph& graph, const std::string& parameter) {
  for (const int32_t n : graph::users_of(graph, parameter)) {
    const graph::Node& node = graph.nodes[static_cast<size_t>(n)];
    if (graph::is_product(node.op)) return &node;
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
    tokens_ += static_cast<double>(rows);
  }

  std::vector<float> mean() const {
    std::vector<float> result(sums_.size());
    for (size_t i = 0; i < sums_.size(); ++i) result[i] = static_cast<float>(sums_[i] / std::max(tokens_, 1.0));
    return result;
  }

  // Sums, then the number of tokens.
  std::vector<double> save() const {
    std::vector<double> state = sums_;
    state.push_back(tokens_);
    return state;
  }
  bool load(std::span<const std::byte> bytes) {
    std::vector<double> state(sums_.size() + 1);
    if (!copy_doubles(bytes, state)) return false;
    tokens_ = state.back();
    state.pop_back();
    sums_ = std::move(state);
    return true;
  }

 private:
  std::vector<double> sums_;
  double tokens_ = 0.0;
};

// One set of values observed together: as many as fit the memory. Each has its own count of chunks that are in its
// sums: a kill between two states is no harm.
class MomentPass {
 public:
  MomentPass(exec::Executor& executor, const std::set<ValueId>& wanted, bool head, const WorkFolder& work,
             int64_t chunks)
      : executor_(executor), work_(work) {
    for (const ValueId id : wanted) {
      Moment moment{SecondMoment(executor.graph().values[static_cast<size_t>(id)].columns()), 0};
      moment.chunks = read_state(work, moment_piece(id), chunks, [&](std::span<const std::byte> bytes) {
        auto found = SecondMoment::load(bytes);
        const bool fits = found.ok() && found->cols() == moment.sums.cols();
        if (fits) moment.sums = std::move(found).value();
        return fits;
      });
      moments_.emplace(id, std::move(moment));
    }
    if (!head) return;
    head_.emplace(executor.vocabulary());
    head_chunks_ = read_state(work, kHeadPiece, chunks, [&](auto bytes) { return head_->load(bytes); });
  }

  Status run(std::span<const std::vector<int32_t>> chunks, int64_t checkpoint, ThreadPool& pool, Isa isa,
             const ProgressFn& progress) {
    size_t longest = 1;
    for (const auto& chunk : chunks) longest = std::max(longest, chunk.size());
    exec::Cache cache = executor_.new_cache(static_cast<int64_t>(longest));
    const auto count = static_cast<int64_t>(chunks.size());
    std::vector<float> logits;
    for (int64_t c = first(count); c < count; ++c) {
      report_progress(progress, "observing inputs", static_cast<double>(c), static_cast<double>(count));
      const auto& chunk = chunks[static_cast<size_t>(c)];
      cache.truncate(0);
      const exec::Segment segment{chunk, &cache, static_cast<int64_t>(chunk.size())};
      const auto tap = [&](ValueId id, const graph::Value& value, const float* rows, int64_t tokens) {
        const auto it = moments_.find(id);
        if (it != moments_.end() && it->second.chunks <= c) it->second.sums.add(rows, tokens * value.slots, pool);
      };
      LOWBIT_TRY(executor_.forward({&segment, 1}, logits, tap));
      if (head_ && head_chunks_ <= c) head_->add(logits, pool, isa);
      for (auto& [id, moment] : moments_) moment.chunks = std::max(moment.chunks, c + 1);
      head_chunks_ = std::max(head_chunks_, c + 1);
      if ((c + 1) % checkpoint == 0 && c + 1 < count) LOWBIT_TRY(save());
    }
    return finish();
  }

 private:
  struct Moment {
    SecondMoment sums;
    int64_t chunks = 0;
  };

  int64_t first(int64_t count) const {
    int64_t least = head_ ? head_chunks_ : count;
    for (const auto& [id, moment] : moments_) least = std::min(least, moment.chunks);
    return least;
  }

  Status save() const {
    for (const auto& [id, moment] : moments_) {
      LOWBIT_TRY(work_.write(state_piece(moment_piece(id)), with_count(moment.chunks, moment.sums.save())));
    }
    if (!head_) return {};
    return work_.write(state_piece(kHeadPiece), with_count(head_chunks_, as_bytes_of(head_->save())));
  }

  Status finish() const {
    for (const auto& [id, moment] : moments_) {
      std::vector<float> matrix = moment.sums.matrix();
      const float scale = 1.0f / static_cast<float>(std::max<int64_t>(moment.sums.tokens(), 1));
      for (float& v : matrix) v *= scale;
      LOWBIT_TRY(work_.write(moment_piece(id), as_bytes_of(matrix)));
      LOWBIT_TRY(work_.erase(state_piece(moment_piece(id))));
    }
    if (!head_) return {};
    LOWBIT_TRY(work_.write(kHeadPiece, as_bytes_of(head_->mean())));
    return work_.erase(state_piece(kHeadPiece));
  }

  exec::Executor& executor_;
  const WorkFolder& work_;
  std::map<ValueId, Moment> moments_;
  std::optional<HeadWeights> head_;
  int64_t head_chunks_ = 0;
};

// Outputs whose gradients are asked for: of products (the logits apart) and of embeddings.
std::set<ValueId> gradient_values(const graph::Graph& graph) {
  std::set<ValueId> ids;
  for (const graph::Node& node : graph.nodes) {
    const bool wanted = node.op == Op::embed || (graph::is_product(node.op) && node.output != graph.logits);
    if (wanted) ids.insert(node.output);
  }
  return ids;
}

// Mean square of the gradient at the outputs of products and embeddings, per output; of experts, per output of each.
class FisherPass {
 public:
  FisherPass(const models::Model& model, const WorkFolder& work) : model_(model), graph_(model.graph), work_(work) {
    for (const ValueId id : gradient_values(graph_)) {
      const graph::Node& node = producer(id);
      const bool experts = node.op == Op::expert_linear;
      first_[id] = sums_.size();
      sums_.resize(sums_.size() + static_cast<size_t>(experts ? graph_.parameter(node.weights[0])->rows()
                                                              : graph_.values[static_cast<size_t>(id)].width),
                   0.0);
      if (experts) chosen_[node.inputs[1]] = {};
    }
    sums_.push_back(0.0);  // tokens
  }

  Status run(grad::Backward& backward, std::span<const std::vector<int32_t>> chunks,
             const CalibrationOptions& options, Isa isa, const ProgressFn& progress) {
    const auto count = std::min(static_cast<int64_t>(chunks.size()), options.fisher_chunks);
    const auto tap = [&](ValueId id, const graph::Value& value, const float* gradient, int64_t tokens) {
      const auto it = first_.find(id);
      if (it == first_.end()) return;
      const int64_t cols = value.columns();
      for (int64_t row = 0; row < tokens * value.slots; ++row) {
        double* sum = sums_.data() + it->second + expert_of(id, row) * cols;
        for (int64_t i = 0; i < cols; ++i) {
          const auto g = static_cast<double>(gradient[row * cols + i]);
          sum[i] += g * g;
        }
      }
    };
    const auto keep = [&](ValueId id, const graph::Value& value, const float* rows, int64_t tokens) {
      const auto it = chosen_.find(id);
      if (it != chosen_.end()) it->second.assign(rows, rows + tokens * value.width);
    };
    int64_t c = read_state(work_, kName, count, [&](auto bytes) { return copy_doubles(bytes, sums_); });
    for (; c < count; ++c) {
      report_progress(progress, "observing gradients", static_cast<double>(c), static_cast<double>(count));
      const auto& chunk = chunks[static_cast<size_t>(c)];
      const size_t length = std::min(chunk.size(), static_cast<size_t>(options.fisher_tokens));
      const auto stream = static_cast<uint64_t>(c);
      LOWBIT_TRY(backward.run(std::span(chunk).first(length),
                              model_.encoder ? grad::sampled_direction(model_.pooling, options.seed, stream)
                                             : grad::sampled_fisher(options.seed, stream, isa),
                              keep, tap));
      sums_.back() += static_cast<double>(length);
      const bool save = (c + 1) % kCheckpoint == 0 && c + 1 < count;
      if (save) LOWBIT_TRY(work_.write(state_piece(kName), with_count(c + 1, as_bytes_of(sums_))));
    }
    return finish();
  }

 private:
  static constexpr const char* kName = "fisher";
  static constexpr int64_t kCheckpoint = 2;  // the sums are small

  const graph::Node& producer(ValueId id) const {
    return graph_.nodes[static_cast<size_t>(graph_.values[static_cast<size_t>(id)].producer)];
  }
  // The expert that a row of a value belongs to; 0 where there are none.
  int64_t expert_of(ValueId id, int64_t row) const {
    const graph::Node& node = producer(id);
    if (node.op != Op::expert_linear) return 0;
    const int64_t k = graph_.values[static_cast<size_t>(node.inputs[1])].width / 2;
    return static_cast<int64_t>(chosen_.at(node.inputs[1])[static_cast<size_t>(row / k * 2 * k + row % k)]);
  }

  Status finish() const {
    for (auto it = first_.begin(); it != first_.end(); ++it) {
      const auto next = std::next(it);
      const size_t end = next == first_.end() ? sums_.size() - 1 : next->second;
      std::vector<float> mean;
      for (size_t i = it->second; i < end; ++i) {
        mean.push_back(static_cast<float>(sums_[i] / std::max(sums_.back(), 1.0)));
      }
      LOWBIT_TRY(work_.write(fisher_piece(it->first), as_bytes_of(mean)));
    }
    return work_.erase(state_piece(kName));
  }

  const models::Model& model_;
  const graph::Graph& graph_;
  const WorkFolder& work_;
  std::map<ValueId, std::vector<float>> chosen_;  // of the running chunk: experts and weights of each token
  std::map<ValueId, size_t> first_;               // where the sums of a value begin
  std::vector<double> sums_;
};

bool has_gradients(const graph::Graph& graph, const WorkFolder& work) {
  const std::set<ValueId> ids = gradient_values(graph);
  return std::all_of(ids.begin(), ids.end(), [&](ValueId id) { return work.has(fisher_piece(id)); });
}

// Inputs of linears that are not observed yet, in sets that fit the memory.
std::vector<std::set<ValueId>> moment_passes(const graph::Graph& graph, const WorkFolder& work, uint64_t memory) {
  std::vector<std::set<ValueId>> passes;
  std::set<ValueId> seen;
  uint64_t held = 0;
  for (const graph::Node& node : graph.nodes) {
    if (!graph::is_product(node.op)) continue;
    const ValueId id = graph::uncast_input(graph, node);
    if (!seen.insert(id).second || work.has(moment_piece(id))) continue;
    const auto width = static_cast<uint64_t>(graph.values[static_cast<size_t>(id)].columns());
    held += width * width * sizeof(float);
    if (passes.empty() || held > memory) {
      passes.emplace_back();
      held = width * width * sizeof(float);
    }
    passes.back().insert(id);
  }
  if (passes.empty() && !work.has(kHeadPiece)) passes.emplace_back();
  return passes;
}

// How often each token comes, as a share of all.
Status observe_tokens(int64_t vocabulary, std::span<const std::vector<int32_t>> chunks, const WorkFolder& work) {
  std::vector<uint64_t> counts(static_cast<size_t>(vocabulary), 0);
  uint64_t all = 0;
  for (const auto& chunk : chunks) {
    for (const int32_t id : chunk) {
      if (id >= 0 && id < vocabulary) counts[static_cast<size_t>(id)] += 1;
      all += 1;
    }
  }
  std::vector<float> shares;
  for (const uint64_t n : counts) {
    shares.push_back(static_cast<float>(static_cast<double>(n) / static_cast<double>(std::max<uint64_t>(all, 1))));
  }
  return work.write(kSharePiece, as_bytes_of(shares));
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

bool is_calibrated(const graph::Graph& graph, const WorkFolder& work) {
  return work.has(kSharePiece) && moment_passes(graph, work, UINT64_MAX).empty() && has_gradients(graph, work);
}

Status calibrate(const models::OpenedModel& opened, const tensor::Weights& weights,
                 std::span<const std::vector<int32_t>> chunks, const CalibrationOptions& options,
                 std::shared_ptr<ThreadPool> pool, Isa isa, const WorkFolder& work, const ProgressFn& progress) {
  const graph::Graph& graph = opened.model.graph;
  LOWBIT_CHECK(options.checkpoint_chunks > 0);
  if (!work.has(kSharePiece)) LOWBIT_TRY(observe_tokens(opened.model.vocabulary, chunks, work));
  const auto passes = moment_passes(graph, work, options.memory);
  if (!passes.empty()) {
    LOWBIT_ASSIGN(const auto executor, exec::Executor::create(graph, weights, pool, isa));
    for (const auto& wanted : passes) {
      MomentPass pass(*executor, wanted, !work.has(kHeadPiece), work, static_cast<int64_t>(chunks.size()));
      LOWBIT_TRY(pass.run(chunks, options.checkpoint_chunks, *pool, isa, progress));
    }
  }
  if (has_gradients(graph, work)) return {};
  LOWBIT_ASSIGN(const auto backward, grad::Backward::create(graph, weights, pool, isa));
  return FisherPass(opened.model, work).run(*backward, chunks, options, isa, progress);
}

namespace {

// A tenth of the mean is added: rows that calibration happened to leave alone are not free. Returns the sum before.
double add_floor(std::vector<float>& row_weights) {
  const double total = sum_of(row_weights);
  const auto floor = static_cast<float>(0.1 * total / static_cast<double>(row_weights.size()));
  for (float& w : row_weights) w += floor;
  return total;
}

// Of a parameter that is only looked up: an error of row r meets the gradient at the embedding whenever token r
// comes.
Result<ParameterStatistics> read_lookup_statistics(const WorkFolder& work, const graph::Node& embed, int64_t rows,
                                                   int64_t cols) {
  ParameterStatistics result;
  LOWBIT_ASSIGN(const std::vector<float> gradient, read_floats(work, fisher_piece(embed.output), cols));
  result.second_moments.assign(static_cast<size_t>(cols * cols), 0.0f);
  for (int64_t c = 0; c < cols; ++c) {
    result.second_moments[static_cast<size_t>(c * cols + c)] = gradient[static_cast<size_t>(c)];
  }
  LOWBIT_ASSIGN(result.row_weights, read_floats(work, kSharePiece, rows));
  add_floor(result.row_weights);
  return result;
}

}  // namespace

Result<ParameterStatistics> read_statistics(const WorkFolder& work, const graph::Graph& graph,
                                            const std::string& parameter) {
  LOWBIT_CHECK(has_statistics(graph, parameter));
  const graph::Parameter& shape = *graph.parameter(parameter);
  const int64_t cols = shape.cols(), rows = shape.rows();
  const graph::Node* linear = linear_of(graph, parameter);
  const graph::Node* embed = embed_of(graph, parameter);
  if (linear == nullptr) return read_lookup_statistics(work, *embed, rows, cols);
  ParameterStatistics result;
  LOWBIT_ASSIGN(result.second_moments,
                read_floats(work, moment_piece(observed_input(graph, parameter)), cols * cols));
  const bool head = linear->output == graph.logits;
  LOWBIT_ASSIGN(result.row_weights, read_floats(work, head ? kHeadPiece : fisher_piece(linear->output), rows));
  const double total = add_floor(result.row_weights);
  if (embed != nullptr && total > 0.0) {
    LOWBIT_ASSIGN(const std::vector<float> gradient, read_floats(work, fisher_piece(embed->output), cols));
    for (int64_t c = 0; c < cols; ++c) {
      result.second_moments[static_cast<size_t>(c * cols + c)] +=
          static_cast<float>(static_cast<double>(gradient[static_cast<size_t>(c)]) / total);
    }
  }
  return result;
}

}  // namespace lowbit::quant
