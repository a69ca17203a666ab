#include "text/hf_decoder.h"

#include <functional>

#include "text/bert_text.h"
#include "text/byte_alphabet.h"
#include "text/regex.h"
#include "text/spelling.h"

namespace lowbit::text {
namespace {

// What a decoder makes of one token; begins: the first of a text.
using Step = std::function<std::string(std::string token, bool begins)>;

struct Chain {
  std::vector<Step> steps;
  bool fused = false;  // what follows sees the whole text
  Detokenizer out;     // only `lead` and `lead_count` are used
};

Status byte_level(const JsonReader&, Chain& chain) {
  chain.steps.emplace_back([](std::string token, bool) { return ByteAlphabet::get().decode(token).value_or(token); });
  return {};
}

Status byte_fallback(const JsonReader&, Chain& chain) {
  chain.steps.emplace_back([](std::string token, bool) {
    const int byte = byte_of_token(token);
    return byte < 0 ? token : std::string(1, static_cast<char>(byte));
  });
  return {};
}

Status metaspace(const JsonReader& json, Chain& chain) {
  LOWBIT_ASSIGN(const std::string mark, json.string("replacement", kMetaspace));
  LOWBIT_ASSIGN(const bool old, json.boolean("add_prefix_space", true));
  LOWBIT_ASSIGN(const std::string scheme, json.string("prepend_scheme", old ? "always" : "never"));
  const bool prefixed = scheme != "never";
  chain.steps.emplace_back([mark, prefixed](std::string token, bool begins) {
    return replace_all(token, mark, begins && prefixed ? "" : " ");
  });
  return {};
}

Status word_piece(const JsonReader& json, Chain& chain) {
  LOWBIT_ASSIGN(const std::string prefix, json.string("prefix", "##"));
  LOWBIT_ASSIGN(const bool clean, json.boolean("cleanup", true));
  chain.steps.emplace_back([prefix, clean](std::string token, bool begins) {
    if (!begins) token = token.compare(0, prefix.size(), prefix) == 0 ? token.substr(prefix.size()) : " " + token;
    return clean ? bert_clean_up(token) : token;
  });
  return {};
}

Status replace(const JsonReader& json, Chain& chain) {
  LOWBIT_ASSIGN(const JsonReader pattern, json.required("pattern"));
  LOWBIT_ASSIGN(const std::string content, json.string("content", ""));
  LOWBIT_ASSIGN(const JsonReader literal, pattern.member("String"));
  if (!literal.is_null()) {
    LOWBIT_ASSIGN(const std::string from, literal.string());
    chain.steps.emplace_back([from, content](std::string token, bool) { return replace_all(token, from, content); });
    return {};
  }
  LOWBIT_ASSIGN(const JsonReader written, pattern.required("Regex"));
  LOWBIT_ASSIGN(const std::string source, written.string());
  const auto regex = Regex::compile(source);
  if (!regex.ok()) return written.error("does not work: " + regex.message());
  chain.steps.emplace_back([regex = *regex, content](std::string token, bool) {
    if (repair_utf8(token) != token) return token;  // the bytes of half a character
    std::string out;
    size_t done = 0;
    Regex::Matcher(regex).each(token, [&](const Regex::Matcher::Match& match) {
      out.append(token, done, match.begin - done).append(content);
      done = match.end;
    });
    return out.append(token, done);
  });
  return {};
}

Status fuse(const JsonReader&, Chain& chain) {
  chain.fused = true;
  return {};
}

// Takes up to `count` of the content from the front or the back of a token.
std::string strip_token(std::string_view token, const std::string& content, int64_t start, int64_t stop) {
  const size_t size = content.size();
  for (int64_t i = 0; i < start && token.substr(0, size) == content; ++i) token.remove_prefix(size);
  for (int64_t i = 0; i < stop && token.size() >= size && token.substr(token.size() - size) == content; ++i) {
    token.remove_suffix(size);
  }
  return std::string(token);
}

Status strip(const JsonReader& json, Chain& chain) {
  LOWBIT_ASSIGN(const JsonReader what, json.required("content"));
  LOWBIT_ASSIGN(const std::string content, what.string());
  LOWBIT_ASSIGN(const JsonReader start, json.required("start"));
  LOWBIT_ASSIGN(const JsonReader stop, json.required("stop"));
  LOWBIT_ASSIGN(const int64_t front, start.integer(0, 1 << 20));
  LOWBIT_ASSIGN(const int64_t back, stop.integer(0, 1 << 20));
  if (content.empty()) return what.expected("one character");
  if (!chain.fused) {
    chain.steps.emplace_back(
        [content, front, back](std::string token, bool) { return strip_token(token, content, front, back); });
    return {};
  }
  if (back > 0) return stop.expected("0 after \"Fuse\" (the end of a text is not known while it streams)");
  chain.out.lead = content;
  chain.out.lead_count = static_cast<size_t>(front);
  return {};
}

struct Row {
  std::string_view type;
  Status (*read)(const JsonReader&, Chain&);
};

constexpr Row kRows[] = {
    {"ByteLevel", byte_level}, {"Metaspace", metaspace}, {"WordPiece", word_piece}, {"ByteFallback", byte_fallback},
    {"Replace", replace},      {"Fuse", fuse},           {"Strip", strip}};

Status add(const JsonReader& json, Chain& chain) {
  LOWBIT_ASSIGN(const std::string type, json.type());
  if (type == "Sequence") {
    LOWBIT_ASSIGN(const JsonReader list, json.required("decoders"));
    LOWBIT_ASSIGN(const auto items, list.items());
    for (const JsonReader& item : items) LOWBIT_TRY(add(item, chain));
    return {};
  }
  std::string known = "Sequence";
  for (const Row& row : kRows) {
    known.append(", ").append(row.type);
    if (row.type == type) return row.read(json, chain);
  }
  LOWBIT_ASSIGN(const JsonReader name, json.required("type"));
  return name.expected("one of " + known);
}

}  // namespace

Result<Detokenizer> make_hf_detokenizer(const JsonReader& json, const std::vector<std::string>& tokens) {
  Chain chain;
  if (json.is_null()) {
    chain.steps.emplace_back([](std::string token, bool begins) { return begins ? token : " " + token; });
  } else {
    LOWBIT_TRY(add(json, chain));
  }
  const auto spell = [&](std::string token, bool begins) {
    for (const Step& step : chain.steps) token = step(std::move(token), begins);
    return token;
  };
  Detokenizer out = std::move(chain.out);
  out.pieces.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    out.pieces.push_back(spell(tokens[id], false));
    std::string first = spell(tokens[id], true);
    if (first != out.pieces.back()) out.beginning.emplace(static_cast<int32_t>(id), std::move(first));
  }
  return out;
}

}  // namespace lowbit::text
