#include "kernels/matmul/floating.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/bits.h"
#include "kernels/limits/limits.h"
#include "kernels/list.h"
#include "kernels/matmul/groups.h"
#include "kernels/matmul/pairs.h"
#include "kernels/matmul/plan.h"
#include "kernels/matmul/small_floats.h"
#include "tensor/codes_block.h"

namespace lowbit::kernels {

namespace {

using tensor::kRowBlock;
using tensor::PackedMatrix;

// kFloatRows of the instruction sets, at most.
constexpr int64_t kFloatRows = 2;

// Up to so many tokens of bf16 decoding weights costs less than pairing their columns.
constexpr int64_t kFewPairedTokens = 12;

constexpr int kUnknown = std::numeric_limits<int>::min();

// Columns that are decoded together, with trits whole bytes of them: two row blocks of them are a third of the
// first-level cache.
constexpr int64_t kChunkColumns = 128, kTritColumns = kTritSteps * tensor::kColumnStep;
// Tokens whose chunks stay in the second-level cache, in whole tiles.
constexpr int64_t kWindowTokens = 516;

// Buffers of one thread, kept between calls.
struct Scratch {
  std::vector<float> panels, acc;
  GroupValues groups;
};

Scratch& scratch() {
  static thread_local Scratch s;
  return s;
}

// Calls visit(first, depth) for each chunk of columns.
template <class Visit>
void for_each_chunk(int64_t cols, int64_t chunk, const Visit& visit) {
  for (int64_t first = 0; first < cols; first += chunk) visit(first, std::min(chunk, cols - first));
}

// Bytes of the first columns of a row block.
int64_t packed_bytes(const FloatWeights& w, int64_t cols) {
  const bool codes = w.kind == FloatKind::values || w.kind == FloatKind::halves;
  return codes ? tensor::row_block_code_bytes(w.bits, cols) : cols * kRowBlock * (w.bits == 32 ? 4 : 2);
}

// Codes from 128 on have the values of those below with the sign turned, NaN apart.
bool mirrored(std::span<const float> values) {
  for (size_t c = 0; c < 128; ++c) {
    const bool nans = values[c] != values[c] && values[c + 128] != values[c + 128];
    if (!nans && float_bits(values[c]) != (float_bits(values[c + 128]) ^ 0x80000000)) return false;
  }
  return true;
}

void plan_codes(std::span<const float> table, FloatPlan& plan) {
  plan.kind = FloatKind::values;
  plan.values.assign(256, 0.0f);
  std::copy(table.begin(), table.end(), plan.values.begin());
  if (table.size() == 64 || table.size() == 256) {
    plan.small = small_float_of(table);
    if (plan.small && (plan.small->sign == 0 || plan.small->least > 0)) plan.small.reset();
  }
  if (table.size() <= 16) return;
  plan.halves = upper_halves(static_cast<uint32_t>(table.size()), table.data());
  if (plan.halves.empty()) return;
  plan.kind = FloatKind::halves;
  plan.signed_halves = table.size() == 256 && mirrored(table);
}

// Four columns of four tokens, token by token, the other way round.
using Four = float __attribute__((vector_size(16)));
inline void transpose(const float* const (&from)[4], int64_t col, float* out, int64_t step) {
  Four row[4];
  for (int t = 0; t < 4; ++t) std::memcpy(&row[t], from[t] + col, sizeof(Four));
  const Four a = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
  const Four b = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
  const Four c = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
  const Four d = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
  const Four columns[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
                           __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i) std::memcpy(out + i * step, &columns[i], sizeof(Four));
}

// `depth` words of each of `count` rows.
void pack_tile(const float* in, int64_t stride, int64_t count, int64_t depth, float* out) {
  const auto row = [&](int64_t t) { return in + t * stride; };
  int64_t t = 0;
  const int64_t whole = depth / 4 * 4;
  for (; t + 4 <= count; t += 4) {
    const float* const rows[4] = {row(t), row(t + 1), row(t + 2), row(t + 3)};
    for (int64_t c = 0; c < whole; c += 4) transpose(rows, c, out + c * count + t, count);
    for (int64_t c = whole; c < depth; ++c) {
      for (int64_t i = 0; i < 4; ++i) out[c * count + t + i] = rows[i][c];
    }
  }
  for (; t < count; ++t) {
    for (int64_t c = 0; c < depth; ++c) out[c * count + t] = row(t)[c];
  }
}

const float* pack_tiles(const Activations& x, const FloatPlan& plan, bool paired, ThreadPool& pool) {
  static thread_local std::vector<float> buffer;
  struct Tile {
    int64_t window, window_tokens, token, tokens;
  };
  static thread_local std::vector<Tile> tiles;
  tiles.clear();
  for_each_tile(x.tokens, kWindowTokens, [&](int64_t window, int64_t window_tokens) {
    for_each_tile(window_tokens, plan.token_tile,
                  [&](int64_t token, int64_t tokens) { tiles.push_back({window, window_tokens, token, tokens}); });
  });
  const int64_t together = paired ? 2 : 1;  // columns of a word
  const int64_t words = ceil_div(x.cols, together);
  float* out = sized(buffer, x.tokens * words);
  // The buffers are those of the thread that calls, not of the one that packs.
  const std::span<const Tile> all = tiles;
  pool.parallel_for(std::ssize(all), 1, [&](int64_t begin, int64_t end, int) {
    for (const Tile& t : all.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin))) {
      for_each_chunk(x.cols, plan.chunk_columns, [&](int64_t first, int64_t depth) {
        const float* rows = x.values + (t.window + t.token) * x.cols + first;
        const int64_t some = ceil_div(depth, together);
        float* to = out + t.window * words + t.window_tokens * (first / together) + t.token * some;
        if (!paired) return pack_tile(rows, x.cols, t.tokens, some, to);
        static thread_local std::vector<float> pairs;
        float* own = sized(pairs, t.tokens * some);
        for (int64_t i = 0; i < t.tokens; ++i) pair_up(rows + i * x.cols, depth, own + i * some);
        pack_tile(own, some, t.tokens, some, to);
      });
    }
  });
  return out;
}

// Of all values of an element of at most 8 bits, NaN apart, which stays NaN in any sum.
int exponent_of_codes(const formats::ElementFormat& element) {
  std::vector<float> values;
  std::ranges::copy_if(formats::decode_table(element), std::back_inserter(values), [](float v) { return v == v; });
  return common_exponent(values);
}

const formats::ElementFormat& bf16() {
  static const formats::ElementFormat element = formats::parse_element("bf16").value();
  return element;
}

// Whether all values of a format are bf16.
bool is_bf16(const formats::Format& format) {
  if (!format.is_plain()) return false;
  return format.element == bf16() || (format.element.bits <= 8 && exponent_of_codes(format.element) != kUnpaired);
}

// By all threads.
template <class T>
int exponent_of_many(std::span<const T> values, ThreadPool& pool) {
  std::atomic<int> least = std::numeric_limits<int>::max();
  pool.parallel_for(std::ssize(values), 1 << 14, [&](int64_t begin, int64_t end, int) {
    const int found = common_exponent(values.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    int known = least.load();
    while (found < known && !least.compare_exchange_weak(known, found)) {
    }
  });
  return least;
}

int exponent_of_weights(const PackedMatrix& matrix, ThreadPool& pool) {
  const formats::ElementFormat& element = matrix.format().element;
  if (element.bits <= 8) return exponent_of_codes(element);
  const std::span<const std::byte> bytes = matrix.bytes();
  return exponent_of_many(std::span(reinterpret_cast<const uint16_t*>(bytes.data()), bytes.size() / 2), pool);
}

// Whether products with these activations have the bits of the chain if columns are paired.
bool may_be_paired(const PartPlan& plan, const Activations& x, ThreadPool& pool) {
  if (!pairs_columns(plan, x.tokens)) return false;
  std::atomic<int>& known = *plan.floats.common;
  if (known == kUnknown) known = exponent_of_weights(*plan.matrix, pool);
  return may_pair(known, exponent_of_many(std::span(x.values, static_cast<size_t>(x.tokens * x.cols)), pool));
}

}  // namespace

FloatPlan plan_floats(Isa isa, const PackedMatrix& matrix, int64_t group, const formats::Format& activation) {
  static const formats::ElementFormat f16 = formats::parse_element("f16").value();
  const formats::Format& format = matrix.format();
  const formats::ElementFormat& element = format.element;
  const MatmulTraits traits = traits_of(isa);
  FloatPlan plan;
  plan.token_tile = traits.float_tile;
  int64_t few = format.is_plain() ? traits.float_few : 0;
  plan.chunk_columns = kChunkColumns;
  if (element.bits <= 8) {
    if (tensor::code_width(element) == kTrits) plan.chunk_columns = kTritColumns;
    plan_codes(formats::decode_table(element), plan);
    // A turn of the kernel, up to 32 columns, has one scale and ends no later than the row.
    const bool whole =
        matrix.cols() % tensor::kColumnStep == 0 && (group >= matrix.cols() || group % tensor::kColumnStep == 0);
    const bool decodes = element.bits == 4 || (isa >= Isa::avx512 ? plan.signed_halves : plan.small.has_value());
    const bool scales_alone = !format.has_minimum() && !format.has_zero_point();
    few = whole && decodes && scales_alone ? traits.float_few_codes : 0;
  } else if (element.bits != 32) {
    plan.kind = element == f16 ? FloatKind::f16 : element == bf16() ? FloatKind::bf16 : FloatKind::words;
    if (plan.kind == FloatKind::words) {
      plan.words = formats::decode_table(element).data();
      few = 0;
    }
  }
  plan.few_tokens = few;
  if (has_bf16_products(isa) && activation.is_plain() && activation.element == bf16() && is_bf16(format))
    plan.common = std::make_shared<std::atomic<int>>(kUnknown);
  return plan;
}

bool pairs_columns(const PartPlan& plan, int64_t tokens) {
  return plan.floats.common != nullptr && plan.choice.bf16 != 0 && tokens > kFewPairedTokens;
}

bool packs_floats(const PartPlan& plan, const Activations& x) {
  return x.tokens > plan.floats.few_tokens || pairs_columns(plan, x.tokens);
}

FloatPart::FloatPart(Isa isa, const PartPlan& plan, const Activations& x, ThreadPool& pool)
    : isa_(isa), plan_(plan), x_(x), paired_(may_be_paired(plan, x, pool)) {
  if (paired_ || x.tokens > plan.floats.few_tokens) tiles_ = pack_tiles(x, plan.floats, paired_, pool);
}

int64_t FloatPart::blocks_at_once(int64_t count, int threads) const {
  // Tiles: the row blocks of a register tile, so that their panels stay in the first-level cache.
  if (tiles_ != nullptr) return kFloatRows;
  return std::clamp<int64_t>(count / (16 * threads) / 4 * 4, 4, 8);
}

FloatWeights FloatPart::weights(int64_t block, int64_t blocks) const {
  static constexpr float kOnes[kRowBlock] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const PackedMatrix& m = *plan_.matrix;
  const FloatPlan& plan = plan_.floats;
  const formats::Format& format = m.format();
  FloatWeights w = {};
  w.kind = plan.kind;
  w.bits = format.element.bits <= 8 ? tensor::code_width(format.element) : format.element.bits;
  w.signed_halves = plan.signed_halves;
  w.table = plan.kind == FloatKind::words ? plan.words : plan.values.data();
  w.halves = plan.halves.data();
  w.small = plan.small ? &*plan.small : nullptr;
  w.block_bytes = packed_bytes(w, m.cols());
  w.packed = reinterpret_cast<const uint8_t*>(m.bytes().data()) + block * w.block_bytes;
  w.cols = m.cols();
  w.group = plan_.group;
  if (format.is_plain()) {
    if (tiles_ == nullptr) w.scales = kOnes;
    return w;
  }
  GroupValues& groups = scratch().groups;
  load_groups(isa_, plan_, block, blocks, groups);
  w.group_step = plan_.groups * kRowBlock;
  w.scales = groups.scales.data();
  if (format.has_minimum()) w.minimums = groups.minimums.data();
  if (format.has_zero_point()) w.zeros = groups.zeros.data();
  return w;
}

void FloatPart::run(int64_t block, int64_t blocks, float* out, int64_t out_stride) const {
  const FloatWeights w = weights(block, blocks);
  if (tiles_ == nullptr) return k_float_few.at(isa_)({w, blocks, x_.tokens, x_.values, x_.cols, out, out_stride});
  const int64_t chunk = plan_.floats.chunk_columns, step = kRowBlock * chunk;
  float* panels = sized(scratch().panels, blocks * step);
  for_each_chunk(w.cols, chunk, [&](int64_t first, int64_t depth) {
    const FloatPanelArgs args{w, blocks, first, depth, panels, step};
    if (!paired_ || w.kind != FloatKind::bf16) k_float_panels.at(isa_)(args);
    if (paired_) k_pair_panels.at(isa_)(args);
    const bool last = first + depth == w.cols;
    const uint8_t* next = last ? w.packed + blocks * w.block_bytes : w.packed + packed_bytes(w, first + depth);
    run_tiles(args, next, out, out_stride);
  });
}

// One chunk of columns; `next` are those of the next one. Sums of the chunks before lie together in memory of their
// own.
void FloatPart::run_tiles(const FloatPanelArgs& panels, const uint8_t* next, float* out, int64_t out_stride) const {
  const int64_t width = panels.blocks * kRowBlock, cols = panels.weights.cols, first = panels.first;
  const int64_t together = paired_ ? 2 : 1;  // columns of a word
  const bool last = first + panels.depth == cols;
  float* acc = last && first == 0 ? nullptr : sized(scratch().acc, x_.tokens * width);
  for_each_tile(x_.tokens, kWindowTokens, [&](int64_t token, int64_t tokens) {
    FloatTileArgs args = {};
    args.panels = panels.panels;
    args.panel_step = panels.panel_step;
    args.blocks = panels.blocks;
    args.depth = ceil_div(panels.depth, together);
    args.tokens = tokens;
    args.x = tiles_ + token * ceil_div(cols, together) + tokens * (first / together);
    args.in = first == 0 ? nullptr : acc + token * width;
    args.in_stride = width;
    args.out = last ? out + token * out_stride : acc + token * width;
    args.out_stride = last ? out_stride : width;
    args.ahead = next;
    args.ahead_bytes = token == 0 ? packed_bytes(panels.weights, plan_.floats.chunk_columns) : 0;
    args.ahead_step = panels.weights.block_bytes;
    paired_ ? k_pair_tiles.at(isa_)(args) : k_float_tiles.at(isa_)(args);
  });
}

}  // namespace lowbit::kernels
