#include "base/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace lowbit {
namespace {

// About 50 microseconds.
constexpr int kSpins = 2000;

// Tells the processor that a loop only waits.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake, done;
  std::vector<std::thread> threads;
  Call call = nullptr;
  const void* body = nullptr;
  int64_t grain = 1;
  bool shared = true;
  // A stretch of the work for each thread, which takes it in order, so that what it reads lies together; one that is
  // done takes from the others.
  struct alignas(64) Stretch {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Stretch> stretches;
  alignas(64) std::atomic<uint64_t> generation{0};
  alignas(64) std::atomic<int> running{0};
  std::atomic<int> sleeping{0};      // threads that wait for `wake`
  std::atomic<bool> waiting{false};  // for `done`
  std::exception_ptr thrown;         // by a body; the first
  std::atomic<bool> stop{false};
  int size = 1;

  void work(int thread) {
    const int count = shared ? size : 1;
    for (int i = 0; i < count; ++i) work_on(stretches[static_cast<size_t>((thread + i) % size)], thread);
  }

  void work_on(Stretch& stretch, int thread) {
    for (;;) {
      const int64_t begin = stretch.next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= stretch.end) return;
      try {
        call(body, begin, std::min(begin + grain, stretch.end), thread);
      } catch (...) {
        // Nobody takes any more.
        for (Stretch& s : stretches) s.next.store(s.end, std::memory_order_relaxed);
        const std::lock_guard lock(mutex);
        if (!thrown) thrown = std::current_exception();
      }
    }
  }

  // Stretches of whole grains.
  void divide(int64_t count) {
    const int64_t grains = (count + grain - 1) / grain;
    for (int i = 0; i < size; ++i) {
      Stretch& s = stretches[static_cast<size_t>(i)];
      s.next.store(grains * i / size * grain, std::memory_order_relaxed);
      s.end = std::min(grains * (i + 1) / size * grain, count);
    }
  }

  // Waits until the generation is not `seen`. Between two operations of one token the pause is a few microseconds: a
  // thread looks for work that long before it sleeps, and a loop that finds nobody asleep makes no system call.
  void await(uint64_t seen) {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (generation.load(std::memory_order_acquire) != seen || stop.load(std::memory_order_relaxed)) return;
      pause();
    }
    std::unique_lock lock(mutex);
    // Sequentially consistent, as is the store of the generation and the look at `sleeping` after it: one of the two
    // sees the other.
    sleeping.fetch_add(1);
    wake.wait(lock, [&] { return generation.load() != seen || stop.load(); });
    sleeping.fetch_sub(1);
  }

  void loop(int thread) {
    uint64_t seen = 0;
    for (;;) {
      await(seen);
      if (stop.load()) return;
      seen = generation.load(std::memory_order_acquire);
      work(thread);
      if (running.fetch_sub(1) == 1 && waiting.load()) {
        const std::lock_guard lock(mutex);
        done.notify_one();
      }
    }
  }

  void join() {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (running.load(std::memory_order_acquire) == 0) return;
      pause();
    }
    std::unique_lock lock(mutex);
    waiting.store(true);
    done.wait(lock, [&] { return running.load() == 0; });
    waiting.store(false);
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  if (threads <= 0) threads = std::max(1u, std::thread::hardware_concurrency());
  threads = std::min(threads, 256);
  state_->threads.reserve(static_cast<size_t>(threads));
  try {
    for (int i = 1; i < threads; ++i) state_->threads.emplace_back([s = state_.get(), i] { s->loop(i); });
  } catch (const std::system_error&) {
    // The system gives no more: those that there are do the work.
  }
  state_->size = 1 + static_cast<int>(state_->threads.size());
  state_->stretches = std::vector<State::Stretch>(static_cast<size_t>(state_->size));
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop.store(true);
  }
  state_->wake.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

int ThreadPool::size() const { return state_->size; }

void ThreadPool::run(int64_t count, int64_t grain, Call call, const void* body, bool shared) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  State& s = *state_;
  if (s.size == 1 || count <= grain) {
    call(body, 0, count, 0);
    return;
  }
  s.call = call;
  s.body = body;
  s.grain = grain;
  s.shared = shared;
  s.divide(count);
  s.running.store(s.size - 1, std::memory_order_relaxed);
  s.generation.fetch_add(1);
  if (s.sleeping.load() > 0) {
    const std::lock_guard lock(s.mutex);
    s.wake.notify_all();
  }
  s.work(0);
  s.join();
  if (s.thrown) std::rethrow_exception(std::exchange(s.thrown, nullptr));
}

}  // namespace lowbit
