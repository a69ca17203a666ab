#include "text/hf_normalizer.h"

#include "text/base64.h"
#include "text/bert_text.h"
#include "text/byte_alphabet.h"
#include "text/characters_map.h"
#include "text/regex.h"
#include "text/spelling.h"
#include "text/unicode.h"

namespace lowbit::text {
namespace {

using Step = std::function<std::string(std::string)>;

template <NormalForm form>
Result<Step> normal_form(const JsonReader&) {
  return Step([](std::string text) { return normalize(text, form); });
}

Result<Step> lowercase(const JsonReader&) {
  return Step([](std::string text) { return lower_case(text); });
}

// keep(c): the characters that stay.
template <class Keep>
std::string filter(std::string_view text, Keep&& keep) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = char_length(text[at]);
    if (keep(first_char(text.substr(at)))) out += text.substr(at, length);
    at += length;
  }
  return out;
}

Result<Step> strip_accents(const JsonReader&) {
  return Step([](std::string text) { return filter(text, [](uint32_t c) { return !is_mark(c); }); });
}

Result<Step> strip(const JsonReader& json) {
  LOWBIT_ASSIGN(const bool left, json.boolean("strip_left", true));
  LOWBIT_ASSIGN(const bool right, json.boolean("strip_right", true));
  return Step([left, right](std::string text) {
    std::string_view rest = text;
    while (left && !rest.empty() && is_white_space(first_char(rest))) rest.remove_prefix(char_length(rest[0]));
    while (right && !rest.empty() && is_white_space(last_char(rest))) {
      do {
        rest.remove_suffix(1);
      } while (!rest.empty() && (static_cast<uint8_t>(text[rest.data() - text.data() + rest.size()]) & 0xC0) == 0x80);
    }
    return std::string(rest);
  });
}

Result<Step> replace(const JsonReader& json) {
  LOWBIT_ASSIGN(const JsonReader pattern, json.required("pattern"));
  LOWBIT_ASSIGN(const std::string content, json.string("content", ""));
  LOWBIT_ASSIGN(const JsonReader literal, pattern.member("String"));
  if (!literal.is_null()) {
    LOWBIT_ASSIGN(const std::string from, literal.string());
    return Step([from, content](std::string text) { return replace_all(text, from, content); });
  }
  LOWBIT_ASSIGN(const JsonReader written, pattern.required("Regex"));
  LOWBIT_ASSIGN(const std::string source, written.string());
  const auto regex = Regex::compile(source);
  if (!regex.ok()) return written.error("does not work: " + regex.message());
  return Step([regex = *regex, content](std::string text) {
    std::string out;
    size_t done = 0;
    Regex::Matcher(regex).each(text, [&](const Regex::Matcher::Match& match) {
      out.append(text, done, match.begin - done).append(content);
      done = match.end;
    });
    return out.append(text, done);
  });
}

Result<Step> prepend(const JsonReader& json) {
  LOWBIT_ASSIGN(const std::string what, json.string("prepend", ""));
  return Step([what](std::string text) { return text.empty() ? text : what + text; });
}

Result<Step> bert(const JsonReader& json) {
  BertRules rules;
  LOWBIT_ASSIGN(rules.clean, json.boolean("clean_text", true));
  LOWBIT_ASSIGN(rules.split_cjk, json.boolean("handle_chinese_chars", true));
  LOWBIT_ASSIGN(rules.lower_case, json.boolean("lowercase", true));
  LOWBIT_ASSIGN(rules.strip_accents, json.boolean("strip_accents", rules.lower_case));
  return Step([rules](std::string text) { return bert_normalize(text, rules); });
}

// Of each cluster of up to 5 bytes the shortest entry that it begins with stands for all of it; else character by
// character. SentencePiece itself takes the longest entry; models are trained with this.
std::string apply_map(const CharactersMap& map, std::string_view text) {
  std::string out;
  constexpr size_t kMaxCluster = 5;
  for (size_t at = 0; at < text.size();) {
    const size_t end = grapheme_end(text, at);
    const std::string_view cluster = text.substr(at, end - at);
    const auto whole = cluster.size() <= kMaxCluster ? map.shortest(cluster) : CharactersMap::Match{};
    if (whole.length > 0) {
      out += whole.replacement;
    } else {
      for (size_t i = 0; i < cluster.size();) {
        const std::string_view one = cluster.substr(i, char_length(cluster[i]));
        const auto match = map.shortest(one);
        out += match.length > 0 ? match.replacement : one;
        i += one.size();
      }
    }
    at = end;
  }
  return out;
}

Result<Step> precompiled(const JsonReader& json) {
  LOWBIT_ASSIGN(const JsonReader written, json.member("precompiled_charsmap"));
  if (written.is_null()) return Step([](std::string text) { return text; });
  LOWBIT_ASSIGN(const std::string coded, written.string());
  const auto bytes = decode_base64(coded);
  if (!bytes) return written.expected("base64");
  auto map = CharactersMap::parse(*bytes);
  if (!map.ok()) return written.error("does not fit: " + map.message());
  return Step([map = std::make_shared<CharactersMap>(std::move(map).value())](std::string text) {
    return repair_utf8(apply_map(*map, text));
  });
}

Result<Step> byte_level(const JsonReader&) {
  return Step([](std::string text) {
    std::string out;
    for (const char c : text) out += ByteAlphabet::get().written(static_cast<uint8_t>(c));
    return out;
  });
}

// The rules of SentencePiece's nmt: no control characters, blanks for the white space of other scripts.
Result<Step> nmt(const JsonReader&) {
  return Step([](std::string text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t length = char_length(text[at]);
      const uint32_t c = first_char(std::string_view(text).substr(at));
      const bool gone = (c >= 1 && c <= 8) || c == 11 || (c >= 14 && c <= 31) || c == 0x7F || c == 0x8F || c == 0x9F;
      const bool blank = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      if (!gone) out += blank ? std::string_view(" ") : std::string_view(text).substr(at, length);
      at += length;
    }
    return out;
  });
}

struct Row {
  std::string_view type;
  Result<Step> (*read)(const JsonReader&);
};

constexpr Row kRows[] = {{"NFC", normal_form<NormalForm::nfc>},
                         {"NFD", normal_form<NormalForm::nfd>},
                         {"NFKC", normal_form<NormalForm::nfkc>},
                         {"NFKD", normal_form<NormalForm::nfkd>},
                         {"Lowercase", lowercase},
                         {"Strip", strip},
                         {"StripAccents", strip_accents},
                         {"Replace", replace},
                         {"Prepend", prepend},
                         {"BertNormalizer", bert},
                         {"Precompiled", precompiled},
                         {"Nmt", nmt},
                         {"ByteLevel", byte_level}};

}  // namespace

Result<HfNormalizer> HfNormalizer::read(const JsonReader& json) {
  HfNormalizer out;
  if (!json.is_null()) LOWBIT_TRY(out.add(json));
  return out;
}

Status HfNormalizer::add(const JsonReader& json) { return read_steps(json, "normalizers", kRows, steps_); }

std::string HfNormalizer::run(std::string text) const {
  for (const Step& step : steps_) text = step(std::move(text));
  return text;
}

}  // namespace lowbit::text
