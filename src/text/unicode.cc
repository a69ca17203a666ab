#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "base/check.h"
#include "text/regex.h"

namespace lowbit::text {
namespace {

struct Young {
  uint32_t first, last, version;
};

constexpr Young kYoung[] = {
#define LOWBIT_YOUNG(first, last, version) {first, last, version},
#include "text/young_characters.inc"
#undef LOWBIT_YOUNG
};

// The version of young_characters.inc; 0 for all others.
uint32_t young(uint32_t c) {
  if (c < kYoung[0].first) return 0;
  const auto* row =
      std::partition_point(std::begin(kYoung), std::end(kYoung), [&](const Young& y) { return y.last < c; });
  return row != std::end(kYoung) && row->first <= c ? row->version : 0;
}

utf8proc_category_t category(uint32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool of_marks(utf8proc_category_t kind) {
  return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_ME;
}

const utf8proc_uint8_t* bytes(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) return false;
  }
  return true;
}

std::string normalize_known(std::string_view text, NormalForm form) {
  const bool compose = form == NormalForm::nfc || form == NormalForm::nfkc;
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  const int options =
      UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatible ? UTF8PROC_COMPAT : 0);
  utf8proc_uint8_t* out = nullptr;
  const auto length = utf8proc_map(bytes(text), static_cast<utf8proc_ssize_t>(text.size()), &out,
                                   static_cast<utf8proc_option_t>(options));
  if (length < 0) return std::string(text);  // no memory: a text as it was
  std::string made(reinterpret_cast<const char*>(out), static_cast<size_t>(length));
  std::free(out);
  return made;
}

}  // namespace

size_t char_length(char first_byte) {
  const uint8_t b = static_cast<uint8_t>(first_byte);
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

uint32_t first_char(std::string_view text) {
  utf8proc_int32_t c = 0;
  const auto length = utf8proc_iterate(bytes(text), static_cast<utf8proc_ssize_t>(text.size()), &c);
  LOWBIT_CHECK(length > 0);
  return static_cast<uint32_t>(c);
}

uint32_t last_char(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return first_char(text.substr(at));
}

void append_char(std::string& text, uint32_t c) {
  utf8proc_uint8_t out[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), out);
  text.append(reinterpret_cast<const char*>(out), static_cast<size_t>(length));
}

bool is_white_space(uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  const auto kind = category(c);
  return c == 0x85 || kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL || kind == UTF8PROC_CATEGORY_ZP;
}

bool is_nonspacing_mark(uint32_t c) {
  return (category(c) == UTF8PROC_CATEGORY_MN && young(c) == 0) || c == 0x1734;  // Mc since Unicode 14
}

bool is_mark(uint32_t c) {
  return (of_marks(category(c)) && young(c) < 10) || c == 0x1CF2 || c == 0x1CF3;  // letters since Unicode 12
}

bool is_numeric(uint32_t c) {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(uint32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  const auto kind = category(c);
  if (c == 0x166D || c == 0x111C9) return true;  // were so in Unicode 8
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO && young(c) == 0;
}

bool is_control(uint32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_CC || (kind == UTF8PROC_CATEGORY_CF && young(c) == 0) ||
         kind == UTF8PROC_CATEGORY_CO;
}

bool is_word(uint32_t c) {
  const auto kind = category(c);
  return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO) || of_marks(kind) ||
         kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_PC ||
         c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9);
}

bool is_cjk_ideograph(uint32_t c) {
  constexpr struct {
    uint32_t low, high;
  } kBlocks[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                 {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  for (const auto& block : kBlocks) {
    if (c >= block.low && c <= block.high) return true;
  }
  return false;
}

std::string normalize(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  // Younger characters are no part of any composition.
  std::string out;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = char_length(text[at]);
    if (length > 1 && young(first_char(text.substr(at))) == 10) {
      out += normalize_known(text.substr(done, at - done), form);
      out += text.substr(at, length);
      done = at + length;
    }
    at += length;
  }
  return out + normalize_known(text.substr(done), form);
}

std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); at += char_length(text[at])) {
    const uint32_t c = first_char(text.substr(at));
    if (c == 0x130) {
      out += "i\xCC\x87";  // the only character whose lower case is two
    } else {
      append_char(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
  return out;
}

std::string lower_case_of_words(std::string_view text) {
  constexpr std::string_view kCapitalSigma = "\xCE\xA3", kFinalSigma = "\xCF\x82";
  static const Regex kEndsWord = Regex::compile(R"((?=\p{Cased})\P{Case_Ignorable}\p{Case_Ignorable}*+\x{3A3})"
                                                R"((?!\p{Case_Ignorable}*+\p{Cased}))")
                                     .value();
  if (text.find(kCapitalSigma) == text.npos) return lower_case(text);
  std::string out;
  size_t done = 0;
  Regex::Matcher(kEndsWord).each(text, [&](const Regex::Matcher::Match& match) {
    out += lower_case(text.substr(done, match.end - kCapitalSigma.size() - done));
    out += kFinalSigma;
    done = match.end;
  });
  return out + lower_case(text.substr(done));
}

size_t grapheme_end(std::string_view text, size_t from) {
  utf8proc_int32_t state = 0;
  uint32_t before = first_char(text.substr(from));
  size_t at = from + char_length(text[from]);
  while (at < text.size()) {
    const uint32_t next = first_char(text.substr(at));
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before), static_cast<utf8proc_int32_t>(next),
                                         &state)) {
      break;
    }
    before = next;
    at += char_length(text[at]);
  }
  return at;
}

}  // namespace lowbit::text
