#include "formats/names.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "formats/codebook.h"
#include "formats/families.h"

namespace lowbit::formats {
namespace {

struct NamedElement {
  std::string_view name;
  ElementFormat element;
};

ElementFormat parametric(std::string_view text) {
  const ElementParse parsed = parse_parametric(text);
  LOWBIT_CHECK(parsed.ok);
  return parsed.element;
}

// Never freed, so that lookups stay valid while the program ends.
const std::vector<NamedElement>& named_table() {
  static const auto& table = *new std::vector<NamedElement>{
#define LOWBIT_ELEMENT(name, meaning, source) {name, parametric(meaning)},
#define LOWBIT_ALIAS(name, meaning, source)
#define LOWBIT_SPELLING(name, meaning, source)
#include "formats/formats.inc"
#undef LOWBIT_ELEMENT
#undef LOWBIT_ALIAS
#undef LOWBIT_SPELLING
#define LOWBIT_CODEBOOK(name, bits, source, ...) {name, make_codebook(name, bits, {__VA_ARGS__})},
#include "formats/codebooks.inc"
#undef LOWBIT_CODEBOOK
  };
  return table;
}

constexpr Alias kAliases[] = {
#define LOWBIT_ELEMENT(name, meaning, source)
#define LOWBIT_ALIAS(name, meaning, source) {name, meaning, source},
#define LOWBIT_SPELLING(name, meaning, source)
#include "formats/formats.inc"
#undef LOWBIT_ALIAS
#undef LOWBIT_SPELLING
// The spellings stand behind all names that print() may give.
#define LOWBIT_ALIAS(name, meaning, source)
#define LOWBIT_SPELLING(name, meaning, source) {name, meaning, source},
#include "formats/formats.inc"
#undef LOWBIT_ELEMENT
#undef LOWBIT_ALIAS
#undef LOWBIT_SPELLING
};

constexpr size_t kPrintedAliases = 0
#define LOWBIT_ELEMENT(name, meaning, source)
#define LOWBIT_ALIAS(name, meaning, source) +1
#define LOWBIT_SPELLING(name, meaning, source)
#include "formats/formats.inc"
#undef LOWBIT_ELEMENT
#undef LOWBIT_ALIAS
#undef LOWBIT_SPELLING
    ;

constexpr ElementRow kElementRows[] = {
#define LOWBIT_ELEMENT(name, meaning, source) {name, source},
#define LOWBIT_ALIAS(name, meaning, source)
#define LOWBIT_SPELLING(name, meaning, source)
#include "formats/formats.inc"
#undef LOWBIT_ELEMENT
#undef LOWBIT_ALIAS
#undef LOWBIT_SPELLING
#define LOWBIT_CODEBOOK(name, bits, source, ...) {name, source},
#include "formats/codebooks.inc"
#undef LOWBIT_CODEBOOK
};

// Optimal string alignment: insertions, deletions, substitutions, swaps of neighbours.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

const ElementFormat* find_named_element(std::string_view name) {
  for (const NamedElement& row : named_table()) {
    if (row.name == name) return &row.element;
  }
  return nullptr;
}

std::string_view name_of(const ElementFormat& element) {
  for (const NamedElement& row : named_table()) {
    if (row.element == element) return row.name;
  }
  return {};
}

const Alias* find_alias(std::string_view name) {
  for (const Alias& row : kAliases) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string_view alias_of(const Format& format) {
  struct Row {
    std::string_view name;
    Format format;
  };
  static const auto& rows = *[] {
    auto* made = new std::vector<Row>;
    for (const Alias& alias : std::span(kAliases).first(kPrintedAliases)) {
      auto parsed = parse_format(alias.meaning);
      LOWBIT_CHECK(parsed.ok());
      made->push_back({alias.name, std::move(parsed).value()});
    }
    return made;
  }();
  for (const Row& row : rows) {
    if (row.format == format) return row.name;
  }
  return {};
}

std::string nearest_names(std::string_view name) {
  if (name.size() > 40) return {};
  std::vector<std::string> integers;
  std::vector<std::tuple<size_t, size_t, std::string_view>> found;  // distance, row, name
  const auto consider = [&](std::string_view candidate) {
    for (const auto& [distance, row, known] : found) {
      if (known == candidate) return;
    }
    const size_t distance = edit_distance(name, candidate);
    if (distance <= std::max<size_t>(1, std::max(name.size(), candidate.size()) / 2)) {
      found.emplace_back(distance, found.size(), candidate);
    }
  };
  for (const ElementRow& row : kElementRows) consider(row.name);
  for (const Alias& row : kAliases) consider(row.name);
  for (const Family& family : families()) consider(family.example);
  for (int bits = 1; bits <= 8; ++bits) {
    for (const char* prefix : {"int", "uint"}) integers.push_back(fmt::format("{}{}", prefix, bits));
  }
  for (const std::string& integer : integers) consider(integer);
  std::sort(found.begin(), found.end());
  std::string out;
  for (size_t i = 0; i < found.size() && i < 3; ++i) {
    if (i > 0) out += ", ";
    out += std::get<2>(found[i]);
  }
  return out;
}

std::span<const Alias> aliases() { return kAliases; }
std::span<const ElementRow> named_elements() { return kElementRows; }

}  // namespace lowbit::formats
