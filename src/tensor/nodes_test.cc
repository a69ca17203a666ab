#include "tensor/nodes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "base/pages.h"
#include "base/rng.h"
#include "tensor/copy_weights.h"

namespace lowbit::tensor {
namespace {

// Nodes that only write down what they are told.
struct Recorder {
  std::vector<int> of_page;  // -1: nobody's
  std::vector<int> of_thread;
  const std::byte* begin = nullptr;
  int64_t bound_twice = 0, odd = 0;

  Nodes nodes(int count) {
    Nodes out;
    out.count = count;
    out.run_here = [this](int node) {
      static std::mutex mutex;
      const std::lock_guard lock(mutex);
      of_thread.push_back(node);
    };
    out.bind = [this](std::span<std::byte> pages, int node) {
      if (begin == nullptr) begin = pages.data();
      const auto first = static_cast<size_t>(pages.data() - begin);
      odd += first % kLargePage != 0;
      for (size_t at = first; at < first + pages.size(); at += kLargePage) {
        of_page.resize(std::max(of_page.size(), at / kLargePage + 1), -1);
        bound_twice += of_page[at / kLargePage] != -1;
        of_page[at / kLargePage] = node;
      }
    };
    return out;
  }
};

TEST(Nodes, EachPageGoesToTheNodeThatHasItsMiddle) {
  Rng rng(2);
  for (int turn = 0; turn < 50; ++turn) {
    std::vector<Shared> shared;
    size_t total = 0;
    for (int i = 0; i < 20; ++i) {
      const size_t bytes = 64 * (1 + rng.below(200000));
      shared.push_back({total, bytes});
      total += bytes;
    }
    std::vector<std::byte> room(total);  // nobody writes to it
    for (const int count : {2, 3, 8}) {
      Recorder record;
      record.begin = room.data();
      spread_pages(record.nodes(count), room, shared);
      ASSERT_EQ(record.of_page.size(), (total + kLargePage - 1) / kLargePage);
      EXPECT_EQ(record.bound_twice + record.odd, 0);
      for (size_t page = 0; page < record.of_page.size(); ++page) {
        const size_t begin = page * kLargePage, middle = begin + std::min(kLargePage, total - begin) / 2;
        const auto part = std::ranges::find_if(shared, [&](const Shared& s) { return middle < s.offset + s.bytes; });
        const auto node = static_cast<int>((middle - part->offset) * static_cast<size_t>(count) / part->bytes);
        EXPECT_EQ(record.of_page[page], node) << page;
      }
    }
  }
}

TEST(Nodes, ThreadsAreDividedInOrder) {
  ThreadPool pool(5);
  Recorder record;
  spread_threads(record.nodes(2), pool);
  std::ranges::sort(record.of_thread);
  EXPECT_EQ(record.of_thread, (std::vector<int>{0, 0, 0, 1, 1}));
  record.of_thread.clear();
  spread_threads(record.nodes(1), pool);
  EXPECT_TRUE(record.of_thread.empty());
}

// The halves of codes and of scales to their nodes; the copies are the weights.
TEST(Nodes, CopiesAreSpread) {
  const formats::Format format = formats::parse_format("int8/32:f16").value();
  constexpr int64_t kRows = 4096, kCols = 4096;
  auto weight = std::make_shared<Weight>();
  weight->shape = {kRows, kCols};
  weight->parts.push_back(PackedMatrix::allocate(format, kRows, kCols).value());
  const std::span<std::byte> bytes = weight->parts[0].writable();
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 2654435761u >> 13);
  ThreadPool pool(2);
  Recorder record;
  const Weights copies = copy_weights({{"w", weight}}, pool, record.nodes(2)).value();
  EXPECT_TRUE(std::ranges::equal(copies.at("w")->parts[0].bytes(), weight->parts[0].bytes()));
  EXPECT_EQ(record.of_thread.size(), 2u);
  // 16 MB of codes, 1 MB of scales.
  EXPECT_EQ(record.of_page, (std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1, 1}));
}

TEST(Nodes, ThisMachineHasSome) {
  const Nodes& nodes = machine_nodes();
  EXPECT_GE(nodes.count, 1);
  EXPECT_EQ(nodes.count > 1, nodes.run_here != nullptr && nodes.bind != nullptr);
}

}  // namespace
}  // namespace lowbit::tensor
