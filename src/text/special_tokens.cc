#include "text/special_tokens.h"

#include <algorithm>

namespace lowbit::text {
namespace {

bool overlaps(std::span<const TextRange> ranges, size_t begin, size_t end) {
  const auto first =
      std::partition_point(ranges.begin(), ranges.end(), [&](const TextRange& r) { return r.end <= begin; });
  return first != ranges.end() && first->begin < end;
}

}  // namespace

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary) {
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const int32_t id = static_cast<int32_t>(i);
    const std::string& name = vocabulary.tokens[i];
    const bool control = vocabulary.is_special(id);
    if (name.empty() || (!control && vocabulary.types[i] != TokenType::user_defined)) continue;
    by_first_byte_[static_cast<uint8_t>(name[0])].push_back({name, id, control});
  }
  for (auto& entries : by_first_byte_) {
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.name.size() != b.name.size() ? a.name.size() > b.name.size() : a.id < b.id;
    });
  }
}

SpecialTokens::Found SpecialTokens::find(std::string_view text, size_t from, bool parse_control,
                                         std::span<const TextRange> plain) const {
  for (size_t at = from; at < text.size(); ++at) {
    for (const Entry& entry : by_first_byte_[static_cast<uint8_t>(text[at])]) {
      if (entry.control && !parse_control) continue;
      if (text.compare(at, entry.name.size(), entry.name) != 0) continue;
      if (entry.control && overlaps(plain, at, at + entry.name.size())) continue;
      return {at, entry.name.size(), entry.id};
    }
  }
  return {text.size(), 0, -1};
}

}  // namespace lowbit::text
