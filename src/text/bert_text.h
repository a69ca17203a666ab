// The text rules of BERT (Devlin et al. 2018, tokenization.py), shared by GGUF and tokenizer.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lowbit::text {

struct BertRules {
  bool clean = true;          // no control characters, every white space a blank
  bool split_cjk = true;      // ideographs stand alone
  bool strip_accents = true;  // canonical decomposition without nonspacing marks
  bool lower_case = true;
};

// Of a well-formed text.
std::string bert_normalize(std::string_view text, const BertRules& rules);

// Words between white space; every mark of punctuation is one of its own. Views into a well-formed text.
std::vector<std::string_view> bert_words(std::string_view text);

// What decoding makes of the blanks before marks: " ." is "." and so on, for one token.
std::string bert_clean_up(std::string_view piece);

}  // namespace lowbit::text
