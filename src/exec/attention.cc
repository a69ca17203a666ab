// Attention over the cache. For one query the definition is: scores s_j = chain of fma over the head's dimensions;
// softmax (scaled, less the maximum, sum in 16 lanes by position); output = chain of fma over positions ascending,
// divided by the sum. Nothing depends on where a chunk begins.
//
// A task is some tokens of a sequence and the query heads of one kv head: rows that share the widened keys and
// values. All matrices of a task are in blocks of 16 columns (kernels/attention). Where there are fewer tasks than
// keep the threads busy, a task is cut: scores by positions, weights by rows, output by columns; sums and chains stay
// whole.
#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/bits.h"
#include "exec/state.h"

namespace lowbit::exec {
namespace {

using kernels::kRowTile;

constexpr int64_t kChunk = 8;                 // blocks of 16 positions widened at a time: they stay near
constexpr int64_t kScoreRoom = 320 * 1024;    // scores of a task, which stay in the second
constexpr int64_t kMostRows = 16 * kRowTile;  // of a task, but where one token has more
constexpr int64_t kLeastCut = 1 << 18;        // products of scores that are worth three more waits

// Memory that is kept from call to call and only grows.
class Room {
 public:
  // `count` floats from a multiple of 64 bytes on.
  float* floats(int64_t count) {
    const auto need = static_cast<size_t>(count) + 16;
    if (store_.size() < need) store_.resize(need);
    const auto at = reinterpret_cast<uintptr_t>(store_.data()) / 4;
    return store_.data() + (16 - at % 16) % 16;
  }

 private:
  std::vector<float> store_;
};

// What one task computes with. Matrices have a row for each token and query head.
struct Work {
  float* q;         // [blocks of columns][rows][16]
  float* scores;    // [blocks of positions][rows][16], from base() on
  float* out;       // [blocks of columns][rows][16]
  float* maxima;    // [parts][rows][16]
  float* sums;      // [rows][16]
  float* greatest;  // [rows]
};

struct Task {
  const graph::Attention* a;
  const KvStore* store;
  Isa isa;
  const float* q;  // row of the first token of the tile
  float* out;
  int64_t tokens;    // in the tile
  int64_t position;  // of the first
  int64_t length;    // of the sequence, with the tokens of this pass
  int64_t kv_head;
  const int64_t* first;  // [rows]: positions that a row sees, from base() on; both ascend
  const int64_t* end;
  Work w;

  int64_t group() const { return a->heads / a->kv_heads; }
  int64_t rows() const { return tokens * group(); }
  // The scores of a tile begin at this position, a multiple of 16: what lies before it, no token of the tile sees.
  int64_t base() const { return a->first_key(position) / 16 * 16; }
  int64_t blocks() const { return ceil_div(a->end_key(position + tokens - 1, length) - base(), 16); }
  int64_t panels() const { return store->padded_dim() / 16; }
};

// The rows [row, row + count) of a task and what they see of blocks [begin, end).
struct RowTile {
  int64_t row, count;
  int64_t begin, end;
};

// Calls body with each tile of rows that sees something of blocks [begin, end).
template <class Body>
void over_row_tiles(const Task& t, int64_t begin, int64_t end, const Body& body) {
  for (int64_t row = 0; row < t.rows(); row += kRowTile) {
    const int64_t count = std::min(kRowTile, t.rows() - row);
    const int64_t from = std::max(begin, t.first[row] / 16);
    const int64_t to = std::min(end, ceil_div(t.end[row + count - 1], 16));
    if (from < to) body(RowTile{row, count, from, to});
  }
}

void pack_queries(const Task& t) {
  const int64_t dim = t.a->dim, row_width = int64_t{t.a->heads} * dim, rows = t.rows();
  for (int64_t r = 0; r < rows; ++r) {
    const float* q = t.q + r / t.group() * row_width + (t.kv_head * t.group() + r % t.group()) * dim;
    for (int64_t d = 0; d < dim; d += 16) {
      std::memcpy(t.w.q + d * rows + r * 16, q + d, static_cast<size_t>(std::min<int64_t>(16, dim - d)) * 4);
    }
  }
}

kernels::ScoresArgs scores_of(const Task& t, const RowTile& tile) {
  float* scores = t.w.scores + (tile.begin * t.rows() + tile.row) * 16;
  return {tile.count,       t.rows(),   tile.end - tile.begin, tile.begin * 16,         scores, t.first + tile.row,
          t.end + tile.row, t.a->scale, t.a->softcap,          t.w.greatest + tile.row, nullptr};
}

// Keys or values as products take them: few rows meet codes as they are, for more these are made fp32 once.
KvStore::Tiles factor(const Task& t, bool key, const KvStore::Range& range, float* widened) {
  KvStore::Tiles tiles = t.store->tiles(key, t.kv_head, range, widened);
  if (!tiles.is_codes || t.rows() <= kernels::kFewRows) return tiles;
  kernels::widen_tiles(t.isa, tiles.codes);
  tiles.is_codes = false;
  return tiles;
}

// Scores of blocks [begin, end), and the greatest of each row by lanes.
void score(const Task& t, int64_t begin, int64_t end, float* maxima, float* widened) {
  std::fill_n(maxima, t.rows() * 16, -INFINITY);
  for (int64_t block = begin; block < end; block += kChunk) {
    const int64_t count = std::min(kChunk, end - block);
    const KvStore::Tiles keys = factor(t, true, {t.base() / 16 + block, count, 0, t.panels()}, widened);
    over_row_tiles(t, block, block + count, [&](const RowTile& tile) {
      kernels::ScoresArgs scores = scores_of(t, tile);
      // Few rows, which meet codes, are one tile that begins with the first block.
      kernels::panels(t.isa, {tile.count, scores.blocks, 0, t.a->dim, t.rows(), t.w.q + tile.row * 16,
                              keys.data + (tile.begin - block) * keys.block, 256, keys.block, scores.scores, true,
                              keys.is_codes ? &keys.codes : nullptr});
      scores.lanes = maxima + tile.row * 16;
      kernels::score_maxima(t.isa, scores);
    });
  }
}

// The greatest score of a row: the first one seen begins, as NaN there wins and elsewhere loses.
void find_greatest(const Task& t, int64_t row, int64_t parts) {
  const int64_t rows = t.rows(), first = t.first[row];
  float greatest = t.w.scores[(first / 16 * rows + row) * 16 + first % 16];
  for (int64_t part = 0; part < parts; ++part) {
    const float* lanes = t.w.maxima + (part * rows + row) * 16;
    for (int64_t i = 0; i < 16; ++i) {
      if (lanes[i] > greatest) greatest = lanes[i];
    }
  }
  t.w.greatest[row] = kernels::shaped_first(t.a->scale, t.a->softcap) ? greatest : greatest * t.a->scale;
  std::fill_n(t.w.sums + row * 16, 16, 0.0f);
}

void weigh(const Task& t, const RowTile& tile) {
  kernels::ScoresArgs scores = scores_of(t, tile);
  scores.lanes = t.w.sums + tile.row * 16;
  kernels::score_weights(t.isa, scores);
}

// out += weights * values over blocks [block, block + count), whose values are given, for panels [begin, end).
void mix(const Task& t, const RowTile& tile, int64_t block, const KvStore::Tiles& values, int64_t begin,
         int64_t end) {
  const int64_t rows = t.rows(), from = tile.begin * 16, to = tile.end * 16;
  const auto run = [&](int64_t row, int64_t count, int64_t first, int64_t last, bool fresh) {
    const int64_t at = block * 16;
    if (first >= last) return;
    kernels::panels(t.isa, {count, end - begin, first - at, last - at, rows, t.w.scores + (block * rows + row) * 16,
                            values.data, values.block, 256, t.w.out + (begin * rows + row) * 16, fresh,
                            values.is_codes ? &values.codes : nullptr});
  };
  // A chain may begin with weights of 0, which leave +0 as it is, but not end with them: -0 + 0 is +0.
  const int64_t common = t.end[tile.row];
  run(tile.row, tile.count, from, std::min(to, common), t.first[tile.row] / 16 >= block);
  for (int64_t row = tile.row, next = row; row < tile.row + tile.count; row = next) {
    while (next < tile.row + tile.count && t.end[next] == t.end[row]) ++next;
    run(row, next - row, std::max(from, common), std::min(to, t.end[row]), false);
  }
}

void finish(const Task& t) {
  const int64_t dim = t.a->dim, row_width = int64_t{t.a->heads} * dim, rows = t.rows();
  for (int64_t r = 0; r < rows; ++r) {
    float* lane = t.w.sums + r * 16;
    for (int width = 8; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
    }
    float* out = t.out + r / t.group() * row_width + (t.kv_head * t.group() + r % t.group()) * dim;
    for (int64_t d = 0; d < dim; d += 16) {
      const float* sum = t.w.out + d * rows + r * 16;
      for (int64_t i = 0; i < std::min<int64_t>(16, dim - d); ++i) out[d + i] = sum[i] / lane[0];
    }
  }
}

// Floats that the matrices of a task take, with the maxima of `parts` parts.
int64_t work_size(const Task& t, int64_t parts) {
  const int64_t rows = t.rows();
  return 2 * t.store->padded_dim() * rows + (t.blocks() + parts + 1) * rows * 16 + round_up(rows, 16);
}

Work work_at(const Task& t, int64_t parts, float* at) {
  const auto take = [&](int64_t count) { return std::exchange(at, at + count); };
  const int64_t rows = t.rows(), square = t.store->padded_dim() * rows;
  Work w;
  w.q = take(square);
  w.scores = take(t.blocks() * rows * 16);
  w.out = take(square);
  w.maxima = take(parts * rows * 16);
  w.sums = take(rows * 16);
  w.greatest = at;
  return w;
}

float* widening_room(const Task& t) {
  static thread_local Room room;
  return room.floats(kChunk * t.store->padded_dim() * 16);
}

// Blocks of positions of all tiles that see them, for panels [begin, end) of the output.
template <class Before>
void mix_all(const Task& t, int64_t begin, int64_t end, const Before& before) {
  float* widened = widening_room(t);
  for (int64_t block = 0; block < t.blocks(); block += kChunk) {
    const int64_t count = std::min(kChunk, t.blocks() - block);
    const KvStore::Tiles values = factor(t, false, {t.base() / 16 + block, count, begin, end - begin}, widened);
    over_row_tiles(t, block, block + count, [&](const RowTile& tile) {
      before(tile);
      mix(t, tile, block, values, begin, end);
    });
  }
}

void run_whole(Task t) {
  static thread_local Room room;
  t.w = work_at(t, 1, room.floats(work_size(t, 1)));
  pack_queries(t);
  score(t, 0, t.blocks(), t.w.maxima, widening_room(t));
  for (int64_t row = 0; row < t.rows(); ++row) find_greatest(t, row, 1);
  mix_all(t, 0, t.panels(), [&](const RowTile& tile) { weigh(t, tile); });
  finish(t);
}

// The tasks of a pass, and how they are run.
struct Pass {
  std::vector<Task> tasks;
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
  for (const Task& t : pass.tasks) {
    chunks = std::min(chunks, ceil_div(t.blocks(), kChunk));
    slices = std::max(slices, ceil_div(t.panels(), kSlice));
  }
  const int64_t parts = std::min<int64_t>(chunks, 4 * pass.pool->size());
  for (const Task& t : pass.tasks) size += work_size(t, parts);
  float* at = room.floats(size);
  for (Task& t : pass.tasks) {
    t.w = work_at(t, parts, at);
    at += work_size(t, parts);
    pack_queries(t);
  }
  pass.over_pieces(parts, [parts](const Task& t, int64_t part) {
    const int64_t all = ceil_div(t.blocks(), kChunk);
    score(t, all * part / parts * kChunk, std::min(t.blocks(), all * (part + 1) / parts * kChunk),
          t.w.maxima + part * t.rows() * 16, widening_room(t));
  });
  pass.over_pieces(pass.tasks[0].rows(), [parts](const Task& t, int64_t row) {
    find_greatest(t, row, parts);
    weigh(t, {row, 1, t.first[row / kRowTile * kRowTile] / 16, ceil_div(t.end[row], 16)});
  });
  pass.over_pieces(slices, [](const Task& t, int64_t slice) {
    mix_all(t, slice * kSlice, std::min(t.panels(), (slice + 1) * kSlice), [](const RowTile&) {});
  });
  for (const Task& t : pass.tasks) finish(t);
}

// Whether threads would wait for the last tasks, and the tasks are long and narrow enough to be cut.
bool is_worth_cutting(const Pass& pass) {
  const auto count = static_cast<int64_t>(pass.tasks.size()), threads = int64_t{pass.pool->size()};
  if (count % threads == 0 || count >= 3 * threads) return false;
  int64_t products = 0;
  for (const Task& t : pass.tasks) {
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

// Keys and values of the pass into the cache, block by block.
void put_all(Executor::State& s, const graph::Node& node) {
  const graph::Attention& a = node.attention;
  const float* k = s.rows_of(node.inputs[1]);
  const float* v = s.rows_of(node.inputs[2]);
  const int64_t width = int64_t{a.kv_heads} * a.dim;
  int64_t row = 0;
  for (const Segment& segment : s.segments) {
    KvStore& store = segment.cache->state().layers[static_cast<size_t>(a.layer)];
    const auto count = static_cast<int64_t>(segment.tokens.size());
    const int64_t start = segment.cache->length(), from = row - start;
    const auto put_block = [&](int64_t block) {
      for (int64_t p = std::max(start, block * 16); p < std::min(start + count, block * 16 + 16); ++p) {
        for (int64_t head = 0; head < a.kv_heads; ++head) {
          const int64_t at = (from + p) * width + head * a.dim;
          store.put(head, p, k + at, v + at);
        }
      }
    };
    const int64_t first = start / 16, blocks = count == 0 ? 0 : ceil_div(start + count, 16) - first;
    s.pool->parallel_for(blocks, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) put_block(first + i);
    });
    row += count;
  }
}

void make_tasks(Executor::State& s, const graph::Node& node, Pass& pass) {
  const graph::Attention& a = node.attention;
  const float* q = s.rows_of(node.inputs[0]);
  float* out = s.rows_of(node.output);
  const int64_t width = int64_t{a.heads} * a.dim, group = a.heads / a.kv_heads;
  pass.pool = s.pool.get();
  pass.tasks.clear();
  pass.first.resize(std::max(pass.first.size(), s.positions.size() * static_cast<size_t>(group)));
  pass.end.resize(pass.first.size());
  int64_t row = 0;
  for (const Segment& segment : s.segments) {
    const KvStore& store = segment.cache->state().layers[static_cast<size_t>(a.layer)];
    const auto count = static_cast<int64_t>(segment.tokens.size());
    const int64_t start = segment.cache->length(), length = start + count;
    for (int64_t i = 0, tokens = 0; i < count; i += tokens, row += tokens) {
      tokens = std::min(count - i, tile_tokens(a, start + i, length));
      Task task{&a,
                &store,
                s.isa,
                q + row * width,
                out + row * width,
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

void Ops::attention(Executor::State& s, const graph::Node& node) {
  static thread_local Pass pass;
  put_all(s, node);
  make_tasks(s, node, pass);
  if (is_worth_cutting(pass)) {
    run_cut(pass);
  } else {
    pass.over_pieces(1, [](const Task& t, int64_t) { run_whole(t); });
  }
}

}  // namespace lowbit::exec
