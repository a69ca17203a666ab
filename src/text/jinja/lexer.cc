#include "text/jinja/lexer.h"

#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/value.h"

namespace lowbit::text::jinja {
namespace {

// All line breaks as \n, and one at the very end left out.
std::string normalize(std::string_view source) {
  std::string out;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (source.substr(i, 2) == "\r\n") ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_character(char c) {
  return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<signed char>(c) < 0;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)), text_(source_) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) lex_data();
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(std::string message) const { throw Failure{std::move(message), line_}; }
  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }
  std::string_view rest() const { return text_.substr(at_); }
  bool sees(std::string_view word) const { return rest().starts_with(word); }
  void advance(size_t count) {
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                                         text_.begin() + static_cast<ptrdiff_t>(at_ + count), '\n'));
    at_ += count;
  }
  void skip_space() {
    const std::string_view left = rest();
    advance(left.size() - strip_left(left).size());
  }

  // Data up to the next tag whose sign (of "{%-" or "{%+") is given, after what the sign takes away.
  void add_data(std::string_view data, char sign, bool may_strip_line) {
    std::string_view kept = data;
    if (sign == '-') {
      kept = strip_right(data);
    } else if (sign != '+' && may_strip_line) {
      const size_t line = data.rfind('\n') + 1;  // npos + 1 is 0
      const bool begins_line = line > 0 || data.data() == text_.data() || data.data()[-1] == '\n';
      if (begins_line && strip_left(data.substr(line)).empty()) kept = data.substr(0, line);
    }
    if (!kept.empty()) add(TokenKind::data, std::string(kept));
    advance(data.size());
  }

  char take_sign() {
    const char sign = at_ < text_.size() ? text_[at_] : '\0';
    if (sign != '-' && sign != '+') return '\0';
    advance(1);
    return sign;
  }

  void lex_data() {
    const std::string_view left = rest();
    size_t end = left.find('{');
    while (end != left.npos && (end + 1 >= left.size() || std::string_view("{%#").find(left[end + 1]) == left.npos)) {
      end = left.find('{', end + 1);
    }
    if (end == left.npos) return add_data(left, '+', false);
    const char kind = left[end + 1];
    const char sign = end + 2 < left.size() ? left[end + 2] : '\0';
    add_data(left.substr(0, end), sign, kind != '{');
    if (kind == '#') return skip_comment();
    if (kind == '%' && lex_raw()) return;
    add(kind == '{' ? TokenKind::output_begin : TokenKind::block_begin, "");
    advance(2);
    take_sign();
    lex_tag(kind == '{');
  }

  void skip_comment() {
    advance(2);
    take_sign();
    const size_t end = rest().find("#}");
    if (end == rest().npos) error("a comment has no end");
    const char sign = end > 0 ? rest()[end - 1] : '\0';
    advance(end + 2);
    end_tag(sign);
  }

  // After "%}" or "#}": what its sign takes away.
  void end_tag(char sign) {
    if (sign == '-') skip_space();
    if (sign != '-' && sign != '+' && sees("\n")) advance(1);
  }

  // {% raw %} to {% endraw %}.
  bool lex_raw() {
    const size_t length = match_word_tag(rest(), "raw");
    if (length == 0) return false;
    const bool strip = rest()[length - 3] == '-';
    if (rest()[length - 3] == '+') return false;
    advance(length);
    if (strip) skip_space();
    for (size_t at = rest().find("{%"); at != rest().npos; at = rest().find("{%", at + 1)) {
      const std::string_view tag = rest().substr(at);
      const size_t tag_length = match_word_tag(tag, "endraw");
      if (tag_length == 0) continue;
      const char end_sign = tag[tag_length - 3];
      add_data(rest().substr(0, at), tag[2], true);
      advance(tag_length);
      end_tag(end_sign);
      return true;
    }
    error("a raw block has no end");
  }

  // Bytes of "{%- word -%}" at the beginning of a text, white space and signs as they may be; 0: it is none.
  static size_t match_word_tag(std::string_view text, std::string_view word) {
    std::string_view left = text.substr(2);
    if (!left.empty() && (left[0] == '-' || left[0] == '+')) left.remove_prefix(1);
    left = strip_left(left);
    if (!left.starts_with(word)) return 0;
    left = strip_left(left.substr(word.size()));
    if (!left.empty() && (left[0] == '-' || left[0] == '+')) left.remove_prefix(1);
    return left.starts_with("%}") ? text.size() - left.size() + 2 : 0;
  }

  void lex_tag(bool output) {
    std::string open;  // brackets that wait for their end
    for (;;) {
      skip_space();
      if (at_ >= text_.size()) error("a tag has no end");
      if (open.empty() && lex_tag_end(output)) return;
      const char c = text_[at_];
      if (digit(c)) {
        lex_number();
      } else if (name_character(c)) {
        size_t length = 1;
        while (length < rest().size() && name_character(rest()[length])) ++length;
        take(TokenKind::name, length);
      } else if (c == '\'' || c == '"') {
        lex_string(c);
      } else {
        lex_operator(open);
      }
    }
  }

  bool lex_tag_end(bool output) {
    const std::string_view end = output ? "}}" : "%}";
    const char first = text_[at_];
    const bool sign = (first == '-' || (first == '+' && !output)) && text_.substr(at_ + 1).starts_with(end);
    if (!sign && !sees(end)) return false;
    add(output ? TokenKind::output_end : TokenKind::block_end, "");
    advance(end.size() + (sign ? 1 : 0));
    if (sign && first == '-') skip_space();
    if (!sign && !output && sees("\n")) advance(1);
    return true;
  }

  void take(TokenKind kind, size_t length) {
    std::string text(rest().substr(0, length));
    if (kind == TokenKind::integer || kind == TokenKind::real) std::erase(text, '_');
    add(kind, std::move(text));
    advance(length);
  }

  // Length of digits with single underscores between them.
  static size_t digits(std::string_view text, bool (*is_digit)(char)) {
    size_t length = 0;
    while (length < text.size() &&
           (is_digit(text[length]) ||
            (text[length] == '_' && length > 0 && length + 1 < text.size() && is_digit(text[length + 1])))) {
      ++length;
    }
    return length;
  }

  void lex_number() {
    const std::string_view left = rest();
    if (left.size() > 2 && left[0] == '0') {
      const auto hex = [](char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
      const auto octal = [](char c) { return c >= '0' && c <= '7'; };
      const auto binary = [](char c) { return c == '0' || c == '1'; };
      const char base = static_cast<char>(left[1] | 0x20);
      const size_t length = base == 'x'   ? digits(left.substr(2), hex)
                            : base == 'o' ? digits(left.substr(2), octal)
                            : base == 'b' ? digits(left.substr(2), binary)
                                          : 0;
      if (length > 0) return take(TokenKind::integer, length + 2);
    }
    const size_t whole = digits(left, digit);
    size_t length = whole;
    const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';
    if (!after_dot && length < left.size() && left[length] == '.') {
      const size_t fraction = digits(left.substr(length + 1), digit);
      if (fraction > 0) length += 1 + fraction;
    }
    if (!after_dot && length < left.size() && (left[length] | 0x20) == 'e') {
      size_t sign = length + 1;
      if (sign < left.size() && (left[sign] == '+' || left[sign] == '-')) ++sign;
      const size_t exponent = digits(left.substr(std::min(sign, left.size())), digit);
      if (exponent > 0) length = sign + exponent;
    }
    take(length == whole ? TokenKind::integer : TokenKind::real, length);
  }

  void lex_string(char quote) {
    const std::string_view left = rest();
    size_t end = 1;
    while (end < left.size() && left[end] != quote) end += left[end] == '\\' ? 2 : 1;
    if (end >= left.size()) error("a string has no end");
    add(TokenKind::string, unescape(left.substr(1, end - 1)));
    advance(end + 1);
  }

  std::string unescape(std::string_view text) const {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out += text[i];
        continue;
      }
      ++i;
      constexpr std::string_view kNamed = "abfnrtv\\'\"", kMeaning = "\a\b\f\n\r\t\v\\'\"";
      if (const size_t named = kNamed.find(text[i]); named != kNamed.npos) {
        out += kMeaning[named];
      } else if (text[i] == 'x' || text[i] == 'u' || text[i] == 'U') {
        const size_t length = text[i] == 'x' ? 2 : text[i] == 'u' ? 4 : 8;
        append_utf8(out, parse_code(text.substr(i + 1, length), length, 16));
        i += length;
      } else if (text[i] >= '0' && text[i] <= '7') {
        size_t length = 1;
        while (length < 3 && i + length < text.size() && text[i + length] >= '0' && text[i + length] <= '7') ++length;
        append_utf8(out, parse_code(text.substr(i, length), length, 8));
        i += length - 1;
      } else if (text[i] == 'N') {
        error("a string has the escape \\N, which is not known here");
      } else if (text[i] != '\n') {
        out.append("\\").append(1, text[i]);
      }
    }
    return out;
  }

  char32_t parse_code(std::string_view digits, size_t length, int base) const {
    char32_t out = 0;
    for (const char c : digits) {
      const int value = digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : 99;
      if (value >= base) error("a string has an escape that is broken");
      out = out * static_cast<char32_t>(base) + static_cast<char32_t>(value);
    }
    if (digits.size() < length || out > 0x10FFFF) error("a string has an escape that is broken");
    return out;
  }

  void lex_operator(std::string& open) {
    constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                               "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const std::string_view op : kOperators) {
      if (!sees(op)) continue;
      if (op == "(" || op == "[" || op == "{") open += op == "(" ? ')' : op == "[" ? ']' : '}';
      if (op == ")" || op == "]" || op == "}") {
        if (open.empty() || open.back() != op[0]) error("unexpected \"" + std::string(op) + "\"");
        open.pop_back();
      }
      return take(TokenKind::op, op.size());
    }
    error("unexpected character \"" + std::string(characters(rest().substr(0, 4)).front()) + "\"");
  }

  std::string source_;
  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(normalize(source)).run(); }

}  // namespace lowbit::text::jinja
