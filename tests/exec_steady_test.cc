// A token in the steady state takes no memory and makes no system call.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

#include "tiny_llama.h"

namespace {
std::atomic<int64_t> g_allocations{0};
}  // namespace

// All of C++'s allocations come by here, of this program.
void* operator new(size_t bytes) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace lowbit::test {
namespace {

// Positions after a prompt of 33 tokens and some more: neither the angles of rotary positions, which double, nor the
// scores, which come by blocks of 16 positions, outgrow their memory.
constexpr int kPrompt = 33, kWarm = 3, kCounted = 8;

struct Sequence {
  std::unique_ptr<exec::Executor> executor;
  std::vector<exec::Cache> caches;
  std::vector<int32_t> tokens;
  std::vector<exec::Segment> segments;
  std::vector<float> logits;

  Sequence(const std::string& weights, const char* kv, int threads, int batch, const TinyShape& shape = {}) {
    Rng rng(3);
    const TinyLlama tiny = tiny_llama(shape, weights, rng);
    graph::NumericPolicy policy = graph::NumericPolicy::standard();
    policy.kv = format_of(kv);
    policy.integer_attention = true;  // where the cache takes it
    policy.kv_hadamard = {policy.kv.element.bits <= 4, policy.kv.element.bits <= 4};
    executor =
        test::executor(with_casts(tiny.model.graph, tiny.weights, policy), tiny.weights, active_isa(), threads);
    tokens = random_tokens(kPrompt, shape.vocabulary, rng);
    for (int i = 0; i < batch; ++i) caches.push_back(executor->new_cache(64));
    for (exec::Cache& cache : caches) segments.push_back({tokens, &cache, 1});
    forward();
    for (exec::Segment& s : segments) s.tokens = s.tokens.first(1);
    for (int i = 0; i < kWarm; ++i) forward();
  }
  // Of some tokens, in several rounds of the same: which thread does what is left to chance, and each has memory of
  // its own that grows once.
  int64_t fewest_allocations() {
    int64_t fewest = std::numeric_limits<int64_t>::max();
    for (int round = 0; round < 20 && fewest > 0; ++round) {
      for (exec::Cache& cache : caches) cache.truncate(kPrompt + kWarm);
      const int64_t before = g_allocations.load();
      for (int i = 0; i < kCounted; ++i) forward();
      fewest = std::min(fewest, g_allocations.load() - before);
    }
    return fewest;
  }
  void forward() {
    if (!executor->forward(segments, logits).ok()) std::abort();
  }
};

TEST(Steady, NoAllocationForAToken) {
  for (const char* weights : {"int4/32", "q4_k", "nvfp4", "bf16", "e4m3fn/row"}) {
    for (const char* kv : {"f16", "int8/32:f16", "e4m3fn", "int4/32:f16"}) {
      for (const int threads : {1, 2}) {
        for (const int batch : {1, 3}) {
          Sequence sequence(weights, kv, threads, batch);
          EXPECT_EQ(sequence.fewest_allocations(), 0)
              << weights << ", kv " << kv << ", " << threads << " threads, batch " << batch;
        }
      }
    }
  }
}

TEST(Steady, NoAllocationForATokenOfExperts) {
  TinyShape shape;
  shape.experts = 7;
  for (const char* weights : {"int4/32", "q4_k", "bf16"}) {
    for (const int threads : {1, 2}) {
      for (const int batch : {1, 3}) {
        Sequence sequence(weights, "f16", threads, batch, shape);
        EXPECT_EQ(sequence.fewest_allocations(), 0) << weights << ", " << threads << " threads, batch " << batch;
      }
    }
  }
}

// From now on this process may leave, and any other system call ends it. False where the system has no such thing.
bool forbid_system_calls() {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog program = {std::size(rules), rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

constexpr int kNotPossible = 42;

// How a process ends that decodes some tokens, on one thread (two that wait long for each other do sleep), and then
// perhaps makes a system call.
int status_of_decoding(bool then_call) {
  const pid_t child = fork();
  if (child == 0) {
    Sequence sequence("int4/32", "int8/32:f16", 1, 1);
    if (!forbid_system_calls()) _exit(kNotPossible);
    for (int i = 0; i < kCounted; ++i) sequence.forward();
    if (then_call) (void)getppid();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST(Steady, NoSystemCallForAToken) {
#ifdef LOWBIT_SANITIZED
  GTEST_SKIP() << "the sanitizer makes calls of its own";
#endif
  const int status = status_of_decoding(false);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotPossible) GTEST_SKIP() << "this system has no seccomp filters";
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "ended by signal " << WTERMSIG(status);
  // The watch itself.
  EXPECT_TRUE(WIFSIGNALED(status_of_decoding(true)));
}

}  // namespace
}  // namespace lowbit::test
