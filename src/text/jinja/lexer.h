// Template text to tokens, with the white space rules of trim_blocks and lstrip_blocks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lowbit::text::jinja {

enum class TokenKind : unsigned char {
  data,
  output_begin,
  output_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  op,
  end
};

struct Token {
  TokenKind kind;
  int line;          // from 1
  std::string text;  // of a string: what it stands for
};

// Throws a Failure. The last token is `end`.
std::vector<Token> tokenize(std::string_view source);

}  // namespace lowbit::text::jinja
