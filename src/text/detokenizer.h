// What ids stand for, one after the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lowbit::text {

struct Detokenizer {
  std::vector<std::string> pieces;  // of each token
  std::unordered_map<int32_t, std::string>
      beginning;          // of those that are written otherwise at the beginning of a text
  std::string lead;       // what encoding put in front: taken away at the beginning,
  size_t lead_count = 0;  // at most so many times

  std::string_view piece(int32_t id, bool begins) const {
    if (!begins) return pieces[id];
    const auto found = beginning.find(id);
    std::string_view out = found == beginning.end() ? pieces[id] : found->second;
    for (size_t i = 0; i < lead_count && !lead.empty() && out.substr(0, lead.size()) == lead; ++i) {
      out.remove_prefix(lead.size());
    }
    return out;
  }
};

}  // namespace lowbit::text
