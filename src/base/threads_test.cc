#include "base/threads.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace lowbit {
namespace {

TEST(ThreadPool, EveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const int64_t count : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      pool.parallel_for(count, 3, [&](int64_t begin, int64_t end, int thread) {
        EXPECT_LT(thread, pool.size());
        for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
      });
      for (const auto& n : seen) EXPECT_EQ(n, 1);
    }
  }
}

TEST(ThreadPool, OnEachThreadOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<std::thread::id> ids(static_cast<size_t>(pool.size()));
    for (int turn = 0; turn < 20; ++turn) {
      std::vector<std::atomic<int>> seen(ids.size());
      pool.on_each_thread([&](int thread) {
        ++seen[static_cast<size_t>(thread)];
        ids[static_cast<size_t>(thread)] = std::this_thread::get_id();
      });
      for (const auto& n : seen) EXPECT_EQ(n, 1);
      EXPECT_EQ(std::set<std::thread::id>(ids.begin(), ids.end()).size(), ids.size());
    }
    EXPECT_EQ(ids[0], std::this_thread::get_id());
  }
}

// From whichever thread: the caller gets it, and the pool can be used again.
TEST(ThreadPool, WhatABodyThrowsIsThrownToTheCaller) {
  ThreadPool pool(3);
  for (int64_t bad = 0; bad < 50; ++bad) {
    std::atomic<int> done{0};
    const auto body = [&](int64_t begin, int64_t, int) {
      if (begin == bad) throw std::runtime_error("at " + std::to_string(begin));
      ++done;
    };
    try {
      pool.parallel_for(50, 1, body);
      ADD_FAILURE() << bad;
    } catch (const std::runtime_error& e) {
      EXPECT_EQ(e.what(), "at " + std::to_string(bad));
    }
    EXPECT_LT(done, 50);
    done = 0;
    pool.parallel_for(40, 1, [&](int64_t, int64_t, int) { ++done; });
    EXPECT_EQ(done, 40);
  }
  EXPECT_THROW(pool.parallel_for(100, 1, [](int64_t, int64_t, int) { throw std::bad_alloc(); }), std::bad_alloc);
}

#if defined(__SANITIZE_ADDRESS__)
#define LOWBIT_NO_LIMIT 1  // its shadow memory has no bound
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOWBIT_NO_LIMIT 1
#endif
#endif

#ifndef LOWBIT_NO_LIMIT
// With no room for the stack of one more thread, in a process of its own.
TEST(ThreadPoolDeathTest, GoesOnWithTheThreadsThatThereAre) {
  const auto body = [] {
    const rlimit none{64 << 20, 64 << 20};  // bytes of address space: less than is mapped already
    setrlimit(RLIMIT_AS, &none);
    ThreadPool pool(256);
    int64_t sum = 0;
    std::atomic<int64_t> all{0};
    for (int64_t i = 0; i < 100; ++i) sum += i;
    pool.parallel_for(100, 1, [&](int64_t begin, int64_t, int) { all += begin; });
    std::_Exit(pool.size() < 256 && all == sum ? 0 : 3);
  };
  EXPECT_EXIT(body(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace lowbit
