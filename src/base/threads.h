// A pool of threads for parallel loops. Work is split by index; results never depend on the number of threads
// because each index writes only its own output.
#pragma once

#include <cstdint>
#include <memory>

namespace lowbit {

class ThreadPool {
 public:
  // threads <= 0: as many as the machine has processors. At most 256, and fewer where the system gives no more.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  // Calls body(int64_t begin, int64_t end, int thread) over [0, count) in chunks of `grain`; blocks until done.
  // Thread i of n begins with the i-th n-th of the chunks; one that is done with its own takes what others have left.
  // thread is in [0, size()): index for per-thread scratch. Not reentrant from inside a body. What a body throws is
  // thrown here, the first of several; which other indices were done is then open. Allocates nothing.
  template <class Body>
  void parallel_for(int64_t count, int64_t grain, const Body& body) {
    const auto call = [](const void* to, int64_t begin, int64_t end, int thread) {
      (*static_cast<const Body*>(to))(begin, end, thread);
    };
    run(count, grain, call, &body, true);
  }

  // Calls body(int thread) once on each thread, the caller's too; blocks until done.
  template <class Body>
  void on_each_thread(const Body& body) {
    const auto call = [](const void* to, int64_t, int64_t, int thread) { (*static_cast<const Body*>(to))(thread); };
    run(size(), 1, call, &body, false);
  }

 private:
  using Call = void (*)(const void* body, int64_t begin, int64_t end, int thread);
  // shared: a thread that is done takes what others have left.
  void run(int64_t count, int64_t grain, Call call, const void* body, bool shared);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lowbit
