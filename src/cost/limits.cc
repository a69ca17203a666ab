#include "cost/limits.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <span>
#include <vector>

#include "base/memory.h"
#include "base/pages.h"
#include "cost/timing.h"
#include "kernels/limits/limits.h"

namespace lowbit::cost {
namespace {

using Clock = std::chrono::steady_clock;
using kernels::PeakArgs;

constexpr int64_t kPiece = int64_t{1} << 20;  // bytes that a thread takes at a time
constexpr double kSlice = 1e-4;               // seconds of products that a thread does at a time
// Rates are taken over a few milliseconds, so that on a busy machine, too, some window has all processors to itself.
constexpr double kWindow = 2e-3;
constexpr int kMostTurns = 8;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Keeps a thread on a processor of its own while it lives: on a busy machine the system else may leave several
// threads on one, and what they can do together is never seen. Nothing changes where the system does not allow it.
class OnProcessor {
 public:
  explicit OnProcessor(int thread) {
#if defined(__linux__)
    if (::sched_getaffinity(0, sizeof before_, &before_) != 0) return;
    int skip = thread % std::max(1, CPU_COUNT(&before_));
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &before_) || skip-- > 0) continue;
      cpu_set_t only;
      CPU_ZERO(&only);
      CPU_SET(cpu, &only);
      changed_ = ::sched_setaffinity(0, sizeof only, &only) == 0;
      return;
    }
#endif
  }
  ~OnProcessor() {
#if defined(__linux__)
    if (changed_) ::sched_setaffinity(0, sizeof before_, &before_);
#endif
  }
  OnProcessor(const OnProcessor&) = delete;
  OnProcessor& operator=(const OnProcessor&) = delete;

 private:
#if defined(__linux__)
  cpu_set_t before_{};
#endif
  bool changed_ = false;
};

double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

class Reading {
 public:
  Reading(Isa isa, ThreadPool& pool, const uint8_t* data, int64_t pieces)
      : isa_(isa), pool_(pool), data_(data), sums_(static_cast<size_t>(pieces)), stretches_(sums_.size()) {}

  // The fastest rate of a window in one pass over all pieces, in bytes a second; 0 where a sum is wrong.
  double pass(int streams, int64_t prefetch, uint32_t expected) {
    pool_.parallel_for(std::ssize(sums_), 32, [&](int64_t from, int64_t to, int thread) {
      const OnProcessor pinned(thread);
      for (int64_t i = from; i < to; ++i) {
        const auto at = static_cast<size_t>(i);
        const double begin = now();
        kernels::read_sum(isa_, {data_ + i * kPiece, kPiece, streams, prefetch, &sums_[at]});
        stretches_[at] = {begin, now(), static_cast<double>(kPiece)};
      }
    });
    if (!std::ranges::all_of(sums_, [&](uint32_t sum) { return sum == expected; })) return 0;
    return fastest_window(stretches_, kWindow);
  }

 private:
  Isa isa_;
  ThreadPool& pool_;
  const uint8_t* data_;
  std::vector<uint32_t> sums_;
  std::vector<Stretch> stretches_;
};

Status measure_reading(ThreadPool& pool, const LimitOptions& options, const ProgressFn& progress,
                       MachineLimits& out) {
  const uint64_t wanted = std::min<uint64_t>(options.bytes, available_memory() / 2);
  const int64_t pieces = std::max<int64_t>(pool.size(), static_cast<int64_t>(wanted) / kPiece);
  out.read_bytes = static_cast<uint64_t>(pieces * kPiece);
  // In large pages, as weights are.
  LOWBIT_ASSIGN(const std::shared_ptr<std::byte> memory, allocate_pages(out.read_bytes));
  auto* const bytes = reinterpret_cast<uint8_t*>(memory.get());
  // Small words: the sum of a piece fits 31 bits in every lane.
  uint32_t expected = 0;
  for (uint32_t i = 0; i < kPiece / 4; ++i) expected += i & 31;
  pool.parallel_for(pieces, 1, [&](int64_t from, int64_t to, int) {
    for (int64_t i = from; i < to; ++i) {
      auto* words = reinterpret_cast<uint32_t*>(bytes + i * kPiece);
      for (uint32_t w = 0; w < kPiece / 4; ++w) words[w] = w & 31;
    }
  });
  Reading reading(out.isa, pool, bytes, pieces);
  const auto run = [&](int streams, int64_t prefetch) -> Status {
    const double rate = reading.pass(streams, prefetch, expected);
    if (rate == 0) return errorf("reading memory in {} streams gave a wrong sum", streams);
    if (rate <= out.read_bytes_per_s) return {};
    out.read_bytes_per_s = rate;
    out.streams = streams;
    out.prefetch = prefetch;
    return {};
  };
  const auto begin = Clock::now();
  do {
    for (const int streams : {1, 2, 4, 8}) {
      for (const int64_t prefetch : {0, 512, 2048}) LOWBIT_TRY(run(streams, prefetch));
    }
    report_progress(progress, "the machine's limits", std::min(seconds_since(begin), options.seconds),
                    options.seconds);
  } while (seconds_since(begin) < options.seconds * 0.7);
  return {};
}

// Every thread does the same products again and again for some time.
std::vector<Stretch> keep_busy(ThreadPool& pool, const std::function<void(const PeakArgs&)>& kernel, PeakArgs args,
                               double seconds) {
  std::vector<std::vector<Stretch>> of_thread(static_cast<size_t>(pool.size()));
  const double end = now() + std::max(seconds, 2 * kWindow);
  pool.parallel_for(pool.size(), 1, [&](int64_t from, int64_t to, int thread) {
    const OnProcessor pinned(thread);
    for (int64_t i = from; i < to; ++i) {
      alignas(64) float out[16];
      int64_t count = 0;
      for (double begin = now(); begin < end;) {
        kernel({args.rounds, args.w, args.x, out, &count});
        const double stop = now();
        of_thread[static_cast<size_t>(i)].push_back({begin, stop, 2 * static_cast<double>(count)});
        begin = stop;
      }
    }
  });
  std::vector<Stretch> all;
  for (const std::vector<Stretch>& part : of_thread) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Operations a second of all threads together in the fastest window.
double peak_of(ThreadPool& pool, const std::function<void(const PeakArgs&)>& kernel, const void* w, const void* x,
               double seconds) {
  alignas(64) float lanes[16];
  int64_t products = 0, rounds = 10;
  const auto once = [&] {
    const double begin = now();
    kernel({rounds, w, x, lanes, &products});
    return now() - begin;
  };
  while (std::min({once(), once(), once()}) < kSlice && rounds < int64_t{1} << 20) rounds *= 2;
  double best = 0;
  // Where another program holds a processor all this time, the threads must be seen side by side once.
  for (int turn = 0; turn < kMostTurns; ++turn) {
    const std::vector<Stretch> all = keep_busy(pool, kernel, {rounds, w, x, nullptr, nullptr}, seconds);
    best = std::max(best, fastest_window(all, kWindow));
    double alone = 0;
    for (const Stretch& s : all) alone = std::max(alone, s.work / (s.end - s.begin));
    if (best > 0.9 * alone * pool.size()) break;
  }
  return best;
}

}  // namespace

Result<MachineLimits> measure_limits(Isa isa, ThreadPool& pool, const LimitOptions& options,
                                     const ProgressFn& progress) {
  MachineLimits out;
  out.isa = isa;
  out.threads = pool.size();
  out.processor = cpu_name();
  LOWBIT_TRY(measure_reading(pool, options, progress, out));
  const std::vector<uint8_t> codes(64 * kernels::kPeakSteps, 1);
  const std::vector<float> ones(16 * kernels::kPeakSteps, 1.0f);
  const std::vector<uint16_t> halves(32 * kernels::kPeakSteps, 0x3F80);
  const double each = options.seconds / 5;
  const auto peak = [&](auto kernel, const void* data) {
    return peak_of(pool, [&](const PeakArgs& args) { kernel(isa, args); }, data, data, each);
  };
  out.int8_ops_per_s = peak(kernels::peak_int8, codes.data());
  if (isa >= Isa::amx) out.tile_ops_per_s = peak(kernels::peak_tiles, codes.data());
  out.fp32_ops_per_s = peak(kernels::peak_float, ones.data());
  out.bf16_ops_per_s = out.fp32_ops_per_s;
  if (kernels::has_bf16_products(isa)) {
    out.bf16_ops_per_s = std::max(out.bf16_ops_per_s, peak(kernels::peak_bf16, halves.data()));
  }
  return out;
}

}  // namespace lowbit::cost
