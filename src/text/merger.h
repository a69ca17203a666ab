// Merges a chain of symbols pair by pair: the best pair first, the leftmost of equals, with a heap: O(n log n).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lowbit::text {

struct MergeNode {
  int32_t symbol;
  size_t begin, size;  // the bytes that it stands for
  size_t previous, next;
};

// Find: std::optional<Merge>(const MergeNode& left, const MergeNode& right), where a Merge has a `rank` (the lowest
// merges first) and the `symbol` that the pair becomes.
template <class Merge, class Find>
class Merger {
 public:
  explicit Merger(Find find) : find_(std::move(find)) {}

  void clear() { nodes_.clear(); }
  // Symbols follow one another without a gap.
  void add(int32_t symbol, size_t size) {
    const size_t at = nodes_.size();
    const size_t begin = at == 0 ? 0 : nodes_[at - 1].begin + nodes_[at - 1].size;
    if (at > 0) nodes_[at - 1].next = at;
    nodes_.push_back({symbol, begin, size, at == 0 ? kEnd : at - 1, kEnd});
  }

  // Visits the symbols that are left, in order.
  template <class Visit>
  void run(Visit&& visit) {
    heap_.clear();
    for (size_t i = 0; i + 1 < nodes_.size(); ++i) push(i);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const Candidate best = heap_.back();
      heap_.pop_back();
      apply(best);
    }
    for (size_t i = nodes_.empty() ? kEnd : 0; i != kEnd; i = nodes_[i].next) visit(nodes_[i]);
  }

 private:
  static constexpr size_t kEnd = ~size_t{0};
  struct Candidate {
    Merge merge;
    size_t at, left_size, right_size;  // sizes when it was found: what has grown since is another pair
  };

  static bool later(const Candidate& a, const Candidate& b) {
    return a.merge.rank != b.merge.rank ? a.merge.rank > b.merge.rank : a.at > b.at;
  }

  void push(size_t at) {
    const size_t next = nodes_[at].next;
    if (next == kEnd) return;
    const std::optional<Merge> merge = find_(nodes_[at], nodes_[next]);
    if (!merge) return;
    heap_.push_back({*merge, at, nodes_[at].size, nodes_[next].size});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  void apply(const Candidate& best) {
    MergeNode& left = nodes_[best.at];
    if (left.size != best.left_size || left.next == kEnd || nodes_[left.next].size != best.right_size) return;
    MergeNode& right = nodes_[left.next];
    left.symbol = best.merge.symbol;
    left.size += right.size;
    left.next = right.next;
    right.size = kGone;
    if (left.next != kEnd) nodes_[left.next].previous = best.at;
    push(best.at);
    if (left.previous != kEnd) push(left.previous);
  }

  static constexpr size_t kGone = ~size_t{0};  // size of a node merged into its left neighbour
  Find find_;
  std::vector<MergeNode> nodes_;
  std::vector<Candidate> heap_;
};

// Merges by pairs of symbols.
struct PairMerge {
  int32_t rank;
  int32_t symbol;
};

struct PairHash {
  size_t operator()(uint64_t key) const {
    key *= 0x9E3779B97F4A7C15u;
    return key ^ key >> 29;
  }
};

inline uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

using PairMerges = std::unordered_map<uint64_t, PairMerge, PairHash>;

struct FindPair {
  const PairMerges* merges;
  std::optional<PairMerge> operator()(const MergeNode& left, const MergeNode& right) const {
    const auto found = merges->find(pair_key(left.symbol, right.symbol));
    return found == merges->end() ? std::nullopt : std::optional<PairMerge>(found->second);
  }
};

using PairMerger = Merger<PairMerge, FindPair>;

}  // namespace lowbit::text
