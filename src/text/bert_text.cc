#include "text/bert_text.h"

#include "text/spelling.h"
#include "text/unicode.h"

namespace lowbit::text {
namespace {

template <class Visit>
void each_char(std::string_view text, Visit&& visit) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = char_length(text[at]);
    visit(first_char(text.substr(at)), text.substr(at, length));
    at += length;
  }
}

}  // namespace

std::string bert_normalize(std::string_view text, const BertRules& rules) {
  std::string out;
  each_char(text, [&](uint32_t c, std::string_view bytes) {
    if (rules.clean && (c == 0 || c == 0xFFFD || is_control(c))) return;
    const bool alone = rules.split_cjk && is_cjk_ideograph(c);
    if (alone) out += ' ';
    out += rules.clean && is_white_space(c) ? std::string_view(" ") : bytes;
    if (alone) out += ' ';
  });
  if (rules.strip_accents) {
    const std::string decomposed = normalize(out, NormalForm::nfd);
    out.clear();
    each_char(decomposed, [&](uint32_t c, std::string_view bytes) {
      if (!is_nonspacing_mark(c)) out += bytes;
    });
  }
  return rules.lower_case ? lower_case(out) : out;
}

std::vector<std::string_view> bert_words(std::string_view text) {
  std::vector<std::string_view> out;
  size_t begin = 0, at = 0;
  const auto end_word = [&] {
    if (at > begin) out.push_back(text.substr(begin, at - begin));
  };
  while (at < text.size()) {
    const uint32_t c = first_char(text.substr(at));
    const size_t length = char_length(text[at]);
    if (is_white_space(c) || is_punctuation(c)) {
      end_word();
      if (!is_white_space(c)) out.push_back(text.substr(at, length));
      begin = at + length;
    }
    at += length;
  }
  end_word();
  return out;
}

std::string bert_clean_up(std::string_view piece) {
  constexpr std::string_view kRules[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                            {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                            {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  std::string out(piece);
  for (const auto& rule : kRules) out = replace_all(out, rule[0], rule[1]);
  return out;
}

}  // namespace lowbit::text
