#include "text/added_tokens.h"

#include <algorithm>

#include "text/hf_model.h"
#include "text/special_tokens.h"
#include "text/unicode.h"

namespace lowbit::text {
namespace {

// Where the white space that the text ends with begins.
size_t trailing_space(std::string_view text) {
  size_t at = text.size();
  while (at > 0) {
    size_t before = at - 1;
    while (before > 0 && (static_cast<uint8_t>(text[before]) & 0xC0) == 0x80) --before;
    if (!is_white_space(first_char(text.substr(before)))) break;
    at = before;
  }
  return at;
}

size_t leading_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && is_white_space(first_char(text.substr(at)))) at += char_length(text[at]);
  return at;
}

}  // namespace

Result<std::vector<AddedToken>> read_added_tokens(const JsonReader& json) {
  std::vector<AddedToken> out;
  LOWBIT_ASSIGN(const auto items, json.items());
  for (const JsonReader& item : items) {
    AddedToken token;
    LOWBIT_ASSIGN(const JsonReader id, item.required("id"));
    LOWBIT_ASSIGN(const int64_t number, id.integer(0, kMaxTokenId));
    LOWBIT_ASSIGN(const JsonReader content, item.required("content"));
    LOWBIT_ASSIGN(token.content, content.string());
    LOWBIT_ASSIGN(token.single_word, item.boolean("single_word", false));
    LOWBIT_ASSIGN(token.lstrip, item.boolean("lstrip", false));
    LOWBIT_ASSIGN(token.rstrip, item.boolean("rstrip", false));
    LOWBIT_ASSIGN(token.special, item.boolean("special", false));
    LOWBIT_ASSIGN(token.normalized, item.boolean("normalized", !token.special));
    token.id = static_cast<int32_t>(number);
    out.push_back(std::move(token));
  }
  return out;
}

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    if (!token.content.empty()) by_first_byte_[static_cast<uint8_t>(token.content[0])].push_back(token);
  }
  for (auto& list : by_first_byte_) {
    std::stable_sort(list.begin(), list.end(),
                     [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  }
}

const AddedToken* AddedTokenFinder::at(std::string_view rest, size_t control) const {
  for (const AddedToken& token : by_first_byte_[static_cast<uint8_t>(rest[0])]) {
    if (token.special && token.content.size() > control) continue;
    if (rest.substr(0, token.content.size()) == token.content) return &token;
  }
  return nullptr;
}

std::vector<AddedTokenFinder::Part> AddedTokenFinder::split(std::string_view text, bool parse_control,
                                                            std::span<const TextRange> plain) const {
  std::vector<Part> out;
  size_t done = 0;
  for (size_t i = 0; i < text.size();) {
    const AddedToken* token = at(text.substr(i), parse_control ? free_bytes(plain, i) : 0);
    if (token == nullptr) {
      ++i;
      continue;
    }
    size_t begin = i, end = i + token->content.size();
    i = end;
    const bool in_word = (begin > 0 && is_word(last_char(text.substr(0, begin)))) ||
                         (end < text.size() && is_word(first_char(text.substr(end))));
    if (token->single_word && in_word) continue;
    if (token->lstrip) begin = trailing_space(text.substr(0, begin));
    if (token->rstrip) end += leading_space(text.substr(end));
    begin = std::max(begin, done);  // what the token before took is taken
    end = std::max(end, begin);
    if (begin > done) out.push_back({done, begin, -1});
    out.push_back({begin, end, token->id});
    done = end;
    i = std::max(i, done);
  }
  if (done < text.size()) out.push_back({done, text.size(), -1});
  return out;
}

}  // namespace lowbit::text
