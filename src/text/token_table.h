// All tokens that a text begins with, found by walking a sorted table byte by byte.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lowbit::text {

class TokenTable {
 public:
  TokenTable() = default;
  // Of equal tokens the first counts. Empty ones are left out.
  explicit TokenTable(std::vector<std::pair<std::string, int32_t>> tokens) : rows_(std::move(tokens)) {
    std::stable_sort(rows_.begin(), rows_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    rows_.erase(
        std::unique(rows_.begin(), rows_.end(), [](const auto& a, const auto& b) { return a.first == b.first; }),
        rows_.end());
    if (!rows_.empty() && rows_.front().first.empty()) rows_.erase(rows_.begin());
    size_t row = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      begin_[byte] = row;
      while (row < rows_.size() && static_cast<uint8_t>(rows_[row].first[0]) == byte) ++row;
    }
    begin_[256] = rows_.size();
  }

  // Visits (length, id) of each token that the text begins with, the shortest first.
  template <class Visit>
  void prefixes(std::string_view text, Visit&& visit) const {
    if (text.empty()) return;
    const uint8_t first = static_cast<uint8_t>(text[0]);
    size_t low = begin_[first], high = begin_[first + 1];
    for (size_t depth = 1; low < high; ++depth) {
      // Rows [low, high) begin with the first `depth` bytes; the token that is just these stands first.
      if (rows_[low].first.size() == depth) {
        visit(depth, rows_[low].second);
        ++low;
      }
      if (depth == text.size()) return;
      const uint8_t next = static_cast<uint8_t>(text[depth]);
      const auto before = [&](const auto& row) { return static_cast<uint8_t>(row.first[depth]) < next; };
      const auto upto = [&](const auto& row) { return static_cast<uint8_t>(row.first[depth]) <= next; };
      const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(low);
      const auto end = rows_.begin() + static_cast<std::ptrdiff_t>(high);
      const auto from = std::partition_point(begin, end, before);
      const auto to = std::partition_point(from, end, upto);
      low = static_cast<size_t>(from - rows_.begin());
      high = static_cast<size_t>(to - rows_.begin());
    }
  }

  // The longest token that the text begins with: its length, 0 where there is none, and its id.
  std::pair<size_t, int32_t> longest(std::string_view text) const {
    std::pair<size_t, int32_t> best{0, -1};
    prefixes(text, [&](size_t length, int32_t id) { best = {length, id}; });
    return best;
  }

  int32_t find(std::string_view token) const {
    const auto found = longest(token);
    return found.first == token.size() ? found.second : -1;
  }

 private:
  std::vector<std::pair<std::string, int32_t>> rows_;
  std::array<size_t, 257> begin_{};
};

}  // namespace lowbit::text
