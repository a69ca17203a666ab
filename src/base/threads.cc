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

// Tells the processor that a loop only waits.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake, done;
  std::vector<std::thread> threads;
  const std::function<void(int64_t, int64_t, int)>* body = nullptr;
  int64_t count = 0, grain = 1;
  std::atomic<int64_t> next{0};
  std::atomic<uint64_t> generation{0};
  std::atomic<int> running{0};
  std::exception_ptr thrown;  // by a body; the first
  bool stop = false;
  int size = 1;

  void work(int thread) {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      try {
        (*body)(begin, std::min(begin + grain, count), thread);
      } catch (...) {
        next.store(count, std::memory_order_relaxed);  // nobody takes any more
        const std::lock_guard lock(mutex);
        if (!thrown) thrown = std::current_exception();
      }
    }
  }

  void loop(int thread) {
    uint64_t seen = 0;
    for (;;) {
      // Spin a little first: between two operations of one token the pause is a few microseconds.
      for (int spin = 0; spin < 4000 && generation.load(std::memory_order_acquire) == seen; ++spin) {
        pause();
      }
      if (generation.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return generation.load() != seen || stop; });
        if (stop) return;
      }
      seen = generation.load(std::memory_order_acquire);
      work(thread);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        std::lock_guard lock(mutex);
        done.notify_one();
      }
    }
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
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

int ThreadPool::size() const { return state_->size; }

void ThreadPool::parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, int)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  State& s = *state_;
  if (s.size == 1 || count <= grain) {
    body(0, count, 0);
    return;
  }
  s.body = &body;
  s.count = count;
  s.grain = grain;
  s.next.store(0);
  s.running.store(s.size - 1);
  {
    std::lock_guard lock(s.mutex);
    s.generation.fetch_add(1, std::memory_order_release);
  }
  s.wake.notify_all();
  s.work(0);
  for (int spin = 0; spin < 4000 && s.running.load(std::memory_order_acquire) != 0; ++spin) pause();
  std::unique_lock lock(s.mutex);
  s.done.wait(lock, [&] { return s.running.load(std::memory_order_acquire) == 0; });
  if (s.thrown) std::rethrow_exception(std::exchange(s.thrown, nullptr));
}

}  // namespace lowbit
