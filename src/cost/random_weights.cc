// Random weights in packed form. A few row blocks are packed by tensor/, then repeated: fp32 numbers of a whole
// matrix never exist.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/bits.h"
#include "base/rng.h"
#include "cost/shapes.h"
#include "tensor/copy_weights.h"

namespace lowbit::cost {
namespace {

using formats::ElementFormat;
using formats::Format;
using tensor::kRowBlock;
using tensor::PackedLayout;
using tensor::PackedMatrix;

constexpr int64_t kDistinctBlocks = 4;
constexpr size_t kChoices = 256;

uint32_t bits_of(const ElementFormat& element, double value) {
  if (element.bits == 32) return std::bit_cast<uint32_t>(static_cast<float>(value));
  const uint32_t code = formats::encode(element, value);
  return element.decode(code) != 0.0f ? code : formats::encode(element, element.max_value() * 0.5);
}

// Codes of normal numbers that just fill the range, as rounding leaves them; a random byte chooses one.
struct Choices {
  std::vector<uint16_t> codes;
  double middle = 0, rms = 0;  // of their values
};

// Their middle is 0 where nothing can be taken from them: weights that are not 0 in the middle make all tokens alike,
// which then choose the same experts.
Choices choices_of(const Format& format, Rng& rng) {
  Choices out;
  const ElementFormat& element = format.element;
  const double low = element.min_value(), high = element.max_value();
  const bool moves = format.has_minimum() || format.has_zero_point() || low >= 0;
  out.middle = moves ? (low + high) / 2 : 0;
  double squares = 0;
  while (out.codes.size() < kChoices) {
    const auto code = static_cast<uint16_t>(formats::encode(element, out.middle + rng.normal() * (high - low) / 6));
    const double value = element.decode(code) - out.middle;
    if (!std::isfinite(value)) continue;
    squares += value * value;
    out.codes.push_back(code);
  }
  out.rms = std::max(std::sqrt(squares / kChoices), 1e-30);
  return out;
}

// Entries of one level near `target` (0.5 to 1.5 times); integers of all sizes, what they count is in outer levels.
std::vector<uint32_t> entries(const ElementFormat& element, size_t count, double target, Rng& rng) {
  std::vector<uint32_t> out(count);
  for (uint32_t& entry : out) {
    entry = element.is_integer() ? 1 + static_cast<uint32_t>(rng.below(element.code_count() - 1))
                                 : bits_of(element, target * (0.5 + rng.uniform()));
  }
  return out;
}

double typical(const ElementFormat& element) {
  return element.is_integer() ? std::max(1.0, static_cast<double>(element.max_value()) / 2) : 1.0;
}

tensor::Codes random_codes(const PackedMatrix& to, double size, Rng& rng) {
  const Format& format = to.format();
  const Choices choices = choices_of(format, rng);
  tensor::Codes out;
  out.codes.resize(static_cast<size_t>(to.rows() * to.cols()));
  uint64_t bits = 0;
  for (size_t i = 0; i < out.codes.size(); ++i) {
    if (i % 8 == 0) bits = rng.next_u64();
    out.codes[i] = choices.codes[bits >> (i % 8 * 8) & 0xFF];
  }
  double scale = size / choices.rms, minimum = -choices.middle * scale;
  for (size_t i = 0; i < format.levels.size(); ++i) {
    const formats::ScaleLevel& level = format.levels[i];
    const bool last = i + 1 == format.levels.size();
    const int64_t groups = to.layout().scales[i].groups;
    const auto count = static_cast<size_t>(groups == 0 ? 1 : to.rows() * groups);
    out.scales.push_back(entries(level.scale, count, last ? scale : 1.0, rng));
    scale /= typical(level.scale);
    out.minimums.emplace_back();
    if (level.minimum) {
      out.minimums.back() = entries(*level.minimum, count, last ? minimum : 1.0, rng);
      minimum /= typical(*level.minimum);
    }
    if (level.zero_point) out.minimums.back().assign(count, formats::encode(format.element, choices.middle));
  }
  return out;
}

// Section after section, the row blocks of `few` again and again. Rows beyond the last hold codes, too: nobody reads
// them.
void repeat(const PackedMatrix& few, PackedMatrix& to) {
  const auto blocks = static_cast<uint64_t>(ceil_div(to.rows(), kRowBlock));
  const auto few_blocks = static_cast<uint64_t>(ceil_div(few.rows(), kRowBlock));
  const auto copy = [&](uint64_t from_offset, uint64_t to_offset, uint64_t from_bytes, uint64_t to_bytes) {
    const uint64_t each = from_bytes / few_blocks;
    LOWBIT_CHECK(each * blocks == to_bytes);
    for (uint64_t b = 0; b < blocks; b += few_blocks) {
      std::memcpy(to.writable().data() + to_offset + b * each, few.bytes().data() + from_offset,
                  std::min(few_blocks, blocks - b) * each);
    }
  };
  const auto section = [&](const PackedLayout::Section& from, const PackedLayout::Section& target) {
    if (target.groups == 0) {
      std::memcpy(to.writable().data() + target.offset, few.bytes().data() + from.offset, target.bytes);
    } else {
      copy(from.offset, target.offset, from.bytes, target.bytes);
    }
  };
  copy(0, 0, few.layout().code_bytes, to.layout().code_bytes);
  for (size_t i = 0; i < to.format().levels.size(); ++i) {
    section(few.layout().scales[i], to.layout().scales[i]);
    section(few.layout().minimums[i], to.layout().minimums[i]);
  }
}

Result<PackedMatrix> few_rows(const Format& format, int64_t rows, int64_t cols, Rng& rng) {
  const double size = 1.0 / std::sqrt(static_cast<double>(cols));
  if (format.is_plain()) {
    std::vector<float> values(static_cast<size_t>(rows * cols));
    for (float& v : values) v = static_cast<float>(rng.normal() * size);
    return tensor::pack_plain(format, rows, cols, values);
  }
  LOWBIT_ASSIGN(PackedMatrix few, PackedMatrix::allocate(format, rows, cols));
  tensor::pack_rows(random_codes(few, size, rng), 0, rows, few);
  return few;
}

// Calls body(i) for each i on all threads; the first error is kept.
template <class Body>
Status for_each(ThreadPool& pool, size_t count, const Body& body) {
  std::mutex mutex;
  std::optional<Error> failed;
  pool.parallel_for(static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const Status status = body(static_cast<size_t>(i));
      const std::lock_guard lock(mutex);
      if (!status.ok() && !failed) failed = status.error();
    }
  });
  if (failed) return *failed;
  return {};
}

// Which parameters are the embedding or give the logits.
bool is_outer(const graph::Graph& graph, const std::string& name) {
  const graph::Node* head = graph::head_of(graph);
  if (head != nullptr && head->weights[0] == name) return true;
  return std::ranges::any_of(graph.nodes, [&](const graph::Node& node) {
    return (node.op == graph::Op::embed || node.op == graph::Op::embed_positions) && node.weights[0] == name;
  });
}

int64_t rows_of(const graph::Parameter& p) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < p.shape.size(); ++i) rows *= p.shape[i];
  return rows;
}

}  // namespace

Result<PackedMatrix> random_matrix(const Format& format, int64_t rows, int64_t cols, uint64_t seed) {
  Rng rng(seed);
  const int64_t few = std::min(rows, kDistinctBlocks * kRowBlock);
  LOWBIT_ASSIGN(PackedMatrix first, few_rows(format, few, cols, rng));
  if (few == rows) return first;
  LOWBIT_ASSIGN(PackedMatrix all, PackedMatrix::allocate(format, rows, cols));
  repeat(first, all);
  return all;
}

Result<uint64_t> weight_bytes(const graph::Graph& graph, const Format& format, const Format& head) {
  uint64_t sum = 0;
  for (const graph::Parameter& p : graph.parameters) {
    if (!p.is_matrix()) continue;
    LOWBIT_ASSIGN(const auto layout, PackedLayout::of(is_outer(graph, p.name) ? head : format, rows_of(p), p.cols()));
    sum += layout.total_bytes;
  }
  return sum;
}

Result<tensor::Weights> random_weights(const graph::Graph& graph, const Format& format, const Format& head,
                                       ThreadPool& pool, const ProgressFn& progress) {
  std::vector<std::shared_ptr<tensor::Weight>> made(graph.parameters.size());
  std::mutex mutex;
  size_t done = 0;
  const Format f32 = formats::parse_format("f32").value();
  LOWBIT_TRY(for_each(pool, made.size(), [&](size_t i) -> Status {
    const graph::Parameter& p = graph.parameters[i];
    auto weight = std::make_shared<tensor::Weight>();
    weight->shape = p.shape;
    PackedMatrix matrix;
    if (p.is_matrix()) {
      LOWBIT_ASSIGN(matrix, random_matrix(is_outer(graph, p.name) ? head : format, rows_of(p), p.cols(), i));
    } else {
      const std::vector<float> values(static_cast<size_t>(p.cols()), p.name.ends_with(".bias") ? 0.0f : 1.0f);
      LOWBIT_ASSIGN(matrix, tensor::pack_plain(f32, 1, p.cols(), values));
    }
    weight->parts.push_back(std::move(matrix));
    made[i] = std::move(weight);
    const std::lock_guard lock(mutex);
    report_progress(progress, "making random weights", static_cast<double>(++done), static_cast<double>(made.size()));
    return {};
  }));
  tensor::Weights weights;
  for (size_t i = 0; i < made.size(); ++i) weights[graph.parameters[i].name] = std::move(made[i]);
  return tensor::copy_weights(std::move(weights), pool);
}

}  // namespace lowbit::cost
