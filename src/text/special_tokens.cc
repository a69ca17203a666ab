#include "text/special_tokens.h"

#include <algorithm>
#include <span>

namespace lowbit::text {

size_t free_bytes(std::span<const TextRange> plain, size_t at) {
  const auto next = std::ranges::partition_point(plain, [&](const TextRange& r) { return r.end <= at; });
  return next == plain.end() ? std::string_view::npos : next->begin > at ? next->begin - at : 0;
}

void SpecialTokens::Names::sort() {
  std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
    const int order = a.name.compare(b.name);
    return order != 0 ? order < 0 : a.id < b.id;
  });
  for (const Entry& entry : entries_) ++begin_[static_cast<uint8_t>(entry.name[0]) + 1];
  for (size_t byte = 0; byte < 256; ++byte) begin_[byte + 1] += begin_[byte];
}

const SpecialTokens::Entry* SpecialTokens::Names::longest(std::string_view text) const {
  const auto first = static_cast<uint8_t>(text[0]);
  // Of these the first `depth` bytes are those of the text.
  std::span<const Entry> alike = std::span(entries_).subspan(begin_[first], begin_[first + 1] - begin_[first]);
  const Entry* best = nullptr;
  for (size_t depth = 1; !alike.empty(); ++depth) {
    if (alike.front().name.size() == depth) {
      best = &alike.front();
      const auto longer =
          std::ranges::partition_point(alike, [&](const Entry& entry) { return entry.name.size() == depth; });
      alike = {longer, alike.end()};
    }
    if (depth == text.size()) break;
    const auto byte_at = [&](const Entry& entry) { return static_cast<uint8_t>(entry.name[depth]); };
    const auto next = std::ranges::equal_range(alike, static_cast<uint8_t>(text[depth]), {}, byte_at);
    alike = {next.begin(), next.end()};
  }
  return best;
}

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary) {
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::string& name = vocabulary.tokens[i];
    if (name.empty()) continue;
    if (vocabulary.is_special(id)) control_.add({name, id});
    if (vocabulary.types[i] == TokenType::user_defined) user_defined_.add({name, id});
  }
  user_defined_.sort();
  control_.sort();
}

SpecialTokens::Found SpecialTokens::find(std::string_view text, size_t from, bool parse_control,
                                         std::span<const TextRange> plain) const {
  for (size_t at = from; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    const Entry* best = user_defined_.longest(rest);
    const std::string_view open = parse_control ? rest.substr(0, free_bytes(plain, at)) : std::string_view();
    if (!open.empty()) {
      const Entry* control = control_.longest(open);
      const auto before = [](const Entry& a, const Entry& b) {
        return a.name.size() != b.name.size() ? a.name.size() > b.name.size() : a.id < b.id;
      };
      if (control != nullptr && (best == nullptr || before(*control, *best))) best = control;
    }
    if (best != nullptr) return {at, best->name.size(), best->id};
  }
  return {text.size(), 0, -1};
}

}  // namespace lowbit::text
