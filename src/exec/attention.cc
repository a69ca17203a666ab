// Attention over the cache. For one query the definition is: scores s_j = chain of fma over the head's dimensions;
// softmax (scaled, less the maximum, sum in 16 lanes by position); output = chain of fma over positions ascending,
// divided by the sum. Nothing depends on where a chunk begins.
//
// Over a cache of integers (graph::Attention::integer) scores and outputs are chains over exact integer sums instead:
// kernels/attention/attention.h. Where there are fewer tasks than keep the threads busy, a task is cut: scores by
// positions, weights by rows, output by columns; sums and chains stay whole.
#include <algorithm>
#include <numeric>

#include "exec/attention_task.h"
#include "exec/state.h"

namespace lowbit::exec {
namespace {

using kernels::kRowTile;

constexpr int64_t kScoreRoom = 320 * 1024;    // scores of a task, which stay in the second
constexpr int64_t kMostRows = 16 * kRowTile;  // of a task, but where one token has more
constexpr int64_t kLeastCut = 1 << 18;        // products of scores that are worth three more waits

// Keys and values of tokens that no other task reads into the cache: by who reads them next.
void put_if_alone(const AttentionTask& t) {
  if (!t.is_alone) return;
  const int64_t width = int64_t{t.a->kv_heads} * t.a->dim;
  for (int64_t i = 0; i < t.tokens; ++i) {
    const int64_t at = i * width + t.kv_head * t.a->dim;
    t.store->put(t.kv_head, t.position + i, t.k + at, t.v + at);
  }
}

void run_whole(AttentionTask t) {
  static thread_local Room room;
  put_if_alone(t);
  t.w = work_at(t, 1, room.bytes(work_bytes(t, 1)));
  pack_queries(t);
  score(t, 0, t.blocks(), t.w.maxima);
  for (int64_t row = 0; row < t.rows(); ++row) find_greatest(t, row, 1);
  mix_all(t, 0, t.panels(), [&](const RowTile& tile) { weigh(t, tile); });
  finish(t);
}

// The tasks of a pass, and how they are run.
struct Pass {
  std::vector<AttentionTask> tasks;
  std::vector<int64_t> first, end;  // of all rows
  ThreadPool* pool = nullptr;

  // Runs body(task, piece) for each of `pieces` pieces of each task.
  template <class Body>
  void over_pieces(int64_t pieces, const Body& body) {
    pool->parallel_for(std::ssize(tasks) * pieces, 1, [&](int64_t from, int64_t to, int) {
      for (int64_t i = from; i < to; ++i) body(tasks[static_cast<size_t>(i / pieces)], i % pieces);
    });
  }
};

// Tasks of as many rows each.
void run_cut(Pass& pass) {
  static thread_local Room room;
  constexpr int64_t kSlice = 2;  // panels of a piece of the output
  int64_t size = 0, chunks = INT64_MAX, slices = 0;
  for (const AttentionTask& t : pass.tasks) {
    chunks = std::min(chunks, ceil_div(t.blocks(), kChunk));
    slices = std::max(slices, ceil_div(t.panels(), kSlice));
  }
  const int64_t parts = std::min<int64_t>(chunks, 4 * pass.pool->size());
  for (const AttentionTask& t : pass.tasks) size += work_bytes(t, parts);
  pass.over_pieces(1, [](const AttentionTask& t, int64_t) { put_if_alone(t); });
  std::byte* at = room.bytes(size);
  for (AttentionTask& t : pass.tasks) {
    t.w = work_at(t, parts, at);
    at += work_bytes(t, parts);
    pack_queries(t);
  }
  pass.over_pieces(parts, [parts](const AttentionTask& t, int64_t part) {
    const int64_t all = ceil_div(t.blocks(), kChunk);
    score(t, all * part / parts * kChunk, std::min(t.blocks(), all * (part + 1) / parts * kChunk),
          t.w.maxima + part * t.rows() * 16);
  });
  pass.over_pieces(pass.tasks[0].rows(), [parts](const AttentionTask& t, int64_t row) {
    find_greatest(t, row, parts);
    weigh(t, {row, 1, t.first[row / kRowTile * kRowTile] / 16, ceil_div(t.end[row], 16)});
  });
  pass.over_pieces(slices, [](const AttentionTask& t, int64_t slice) {
    mix_all(t, slice * kSlice, std::min(t.panels(), (slice + 1) * kSlice), [](const RowTile&) {});
  });
  for (const AttentionTask& t : pass.tasks) finish(t);
}

// Whether threads would wait for the last tasks, and the tasks are long and narrow enough to be cut.
bool is_worth_cutting(const Pass& pass) {
  const auto count = static_cast<int64_t>(pass.tasks.size()), threads = int64_t{pass.pool->size()};
  if (count % threads == 0 || count >= 3 * threads) return false;
  int64_t products = 0;
  for (const AttentionTask& t : pass.tasks) {
    if (t.rows() > 4 * kRowTile || t.rows() != pass.tasks[0].rows()) return false;
    products += t.rows() * t.blocks() * 16 * t.a->dim;
  }
  return products >= kLeastCut;
}

// Tokens of a tile whose first one has this position: as many as keep the scores near, in whole tiles of rows.
int64_t tile_tokens(const graph::Attention& a, int64_t position, int64_t length) {
  const int64_t group = a.heads / a.kv_heads, least = kRowTile / std::gcd(kRowTile, group);
  const int64_t width = a.end_key(std::min(position + least, length - 1), length) - a.first_key(position);
  const int64_t rows = std::min(kMostRows, kScoreRoom / width);
  return std::max<int64_t>(1, rows / group >= least ? rows / group / least * least : rows / group);
}

// Keys and values of sequences whose tokens fill several tiles, block by block.
void put_blocks(Executor::State& s, const graph::Node& node) {
  const graph::Attention& a = node.attention;
  const float* k = s.rows_of(node.inputs[1]);
  const float* v = s.rows_of(node.inputs[2]);
  const int64_t width = int64_t{a.kv_heads} * a.dim;
  int64_t row = 0;
  for (const Segment& segment : s.segments) {
    KvStore& store = segment.cache->state().layers[static_cast<size_t>(a.layer)];
    const auto count = static_cast<int64_t>(segment.tokens.size());
    const int64_t start = segment.cache->length(), from = row - start;
    row += count;
    if (count == 0 || tile_tokens(a, start, start + count) >= count) continue;
    const auto put_block = [&](int64_t block) {
      for (int64_t p = std::max(start, block * 16); p < std::min(start + count, block * 16 + 16); ++p) {
        for (int64_t head = 0; head < a.kv_heads; ++head) {
          const int64_t at = (from + p) * width + head * a.dim;
          store.put(head, p, k + at, v + at);
        }
      }
    };
    const int64_t first = start / 16, blocks = ceil_div(start + count, 16) - first;
    s.pool->parallel_for(blocks, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) put_block(first + i);
    });
  }
}

void make_tasks(Executor::State& s, const graph::Node& node, Pass& pass) {
  const graph::Attention& a = node.attention;
  const float* q = s.rows_of(node.inputs[0]);
  const float* k = s.rows_of(node.inputs[1]);
  const float* v = s.rows_of(node.inputs[2]);
  float* out = s.rows_of(node.output);
  const int64_t width = int64_t{a.heads} * a.dim, kv_width = int64_t{a.kv_heads} * a.dim;
  const int64_t group = a.heads / a.kv_heads;
  pass.pool = s.pool.get();
  pass.tasks.clear();
  pass.first.resize(std::max(pass.first.size(), s.positions.size() * static_cast<size_t>(group)));
  pass.end.resize(pass.first.size());
  int64_t row = 0;
  for (const Segment& segment : s.segments) {
    KvStore& store = segment.cache->state().layers[static_cast<size_t>(a.layer)];
    const auto count = static_cast<int64_t>(segment.tokens.size());
    const int64_t start = segment.cache->length(), length = start + count;
    for (int64_t i = 0, tokens = 0; i < count; i += tokens, row += tokens) {
      tokens = std::min(count - i, tile_tokens(a, start + i, length));
      AttentionTask task{&a,
                         &store,
                         s.isa,
                         q + row * width,
                         k + row * kv_width,
                         v + row * kv_width,
                         out + row * width,
                         tokens == count,
                         tokens,
                         start + i,
                         length,
                         0,
                         pass.first.data() + row * group,
                         pass.end.data() + row * group,
                         {}};
      for (int64_t r = 0; r < tokens * group; ++r) {
        pass.first[static_cast<size_t>(row * group + r)] = a.first_key(start + i + r / group) - task.base();
        pass.end[static_cast<size_t>(row * group + r)] = a.end_key(start + i + r / group, length) - task.base();
      }
      for (task.kv_head = 0; task.kv_head < a.kv_heads; ++task.kv_head) pass.tasks.push_back(task);
    }
  }
}

}  // namespace

void Ops::attention(Executor::State& s, const graph::Node& node, Rows) {
  static thread_local Pass pass;
  make_tasks(s, node, pass);
  put_blocks(s, node);
  if (is_worth_cutting(pass)) {
    run_cut(pass);
  } else {
    pass.over_pieces(1, [](const AttentionTask& t, int64_t) { run_whole(t); });
  }
}

}  // namespace lowbit::exec
