#include "text/characters_map.h"

namespace lowbit::text {
namespace {

uint32_t little_endian(std::string_view bytes, size_t at) {
  uint32_t out = 0;
  for (size_t i = 4; i-- > 0;) out = out << 8 | static_cast<uint8_t>(bytes[at + i]);
  return out;
}

// The fields of a unit.
uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & 1u << 9) >> 6); }
uint32_t label(uint32_t unit) { return unit & (1u << 31 | 0xFFu); }
bool has_value(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value(uint32_t unit) { return unit & ((1u << 31) - 1); }

}  // namespace

Result<CharactersMap> CharactersMap::parse(std::string_view bytes) {
  CharactersMap out;
  if (bytes.empty()) return out;
  if (bytes.size() < 4) return errorf("the map of characters has {} bytes, expected at least 4", bytes.size());
  const uint32_t size = little_endian(bytes, 0);
  if (size % 4 != 0 || size > bytes.size() - 4) {
    return errorf("the map of characters has a trie of {} bytes, expected a multiple of 4 up to {}", size,
                  bytes.size() - 4);
  }
  for (size_t at = 4; at < 4 + size_t{size}; at += 4) out.units_.push_back(little_endian(bytes, at));
  out.replacements_ = std::string(bytes.substr(4 + size_t{size}));
  return out;
}

CharactersMap::Match CharactersMap::match(std::string_view text, bool first) const {
  Match best;
  if (units_.empty()) return best;
  uint32_t at = offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    if (byte == 0) break;
    at ^= byte;
    // A damaged map points anywhere: what lies outside is no entry.
    if (at >= units_.size() || label(units_[at]) != byte) break;
    const uint32_t unit = units_[at];
    at ^= offset(unit);
    if (!has_value(unit)) continue;
    if (at >= units_.size()) break;
    const size_t begin = value(units_[at]);
    if (begin >= replacements_.size()) break;
    const size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
    best = {i + 1, std::string_view(replacements_).substr(begin, end - begin)};
    if (first) break;
  }
  return best;
}

}  // namespace lowbit::text
