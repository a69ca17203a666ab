#include "text/hf_pre_tokenizer.h"

#include <algorithm>

#include "text/byte_alphabet.h"
#include "text/regex.h"
#include "text/spelling.h"
#include "text/unicode.h"

namespace lowbit::text {
namespace {

using Pieces = HfPreTokenizer::Pieces;
using Step = HfPreTokenizer::Step;

constexpr std::string_view kGpt2 =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

enum class Behavior : uint8_t { removed, isolated, merged_with_previous, merged_with_next, contiguous };

struct Range {
  size_t begin, end;
  bool match;
};

// The ranges that become pieces; `match` marks those to be left out.
std::vector<Range> arrange(Behavior behavior, const std::vector<Range>& ranges) {
  std::vector<Range> out;
  switch (behavior) {
    case Behavior::removed:
      return ranges;
    case Behavior::isolated:
      for (const Range& r : ranges) out.push_back({r.begin, r.end, false});
      return out;
    case Behavior::contiguous:
      for (size_t i = 0; i < ranges.size(); ++i) {
        if (i > 0 && ranges[i].match == ranges[i - 1].match) {
          out.back().end = ranges[i].end;
        } else {
          out.push_back({ranges[i].begin, ranges[i].end, false});
        }
      }
      return out;
    case Behavior::merged_with_previous:
      for (size_t i = 0; i < ranges.size(); ++i) {
        if (ranges[i].match && !out.empty() && !ranges[i - 1].match) {
          out.back().end = ranges[i].end;
        } else {
          out.push_back({ranges[i].begin, ranges[i].end, false});
        }
      }
      return out;
    case Behavior::merged_with_next:
      for (size_t i = ranges.size(); i-- > 0;) {
        if (ranges[i].match && !out.empty() && !ranges[i + 1].match) {
          out.back().begin = ranges[i].begin;
        } else {
          out.push_back({ranges[i].begin, ranges[i].end, false});
        }
      }
      std::reverse(out.begin(), out.end());
      return out;
  }
  return out;
}

// match_all(text, visit): visits the (begin, end) of matches from the left.
template <class MatchAll>
Pieces split(Pieces pieces, Behavior behavior, bool invert, MatchAll&& match_all) {
  Pieces out;
  std::vector<Range> ranges;
  for (HfPiece& piece : pieces) {
    ranges.clear();
    size_t done = 0;
    match_all(piece.text, [&](size_t begin, size_t end) {
      if (begin > done) ranges.push_back({done, begin, invert});
      ranges.push_back({begin, end, !invert});
      done = end;
    });
    if (done < piece.text.size()) ranges.push_back({done, piece.text.size(), invert});
    for (const Range& r : arrange(behavior, ranges)) {
      if (r.match || r.begin == r.end) continue;
      out.push_back({piece.text.substr(r.begin, r.end - r.begin), piece.begins && r.begin == 0});
    }
  }
  return out;
}

Step split_by(const Regex& regex, Behavior behavior, bool invert) {
  return [regex, behavior, invert](Pieces pieces) {
    Regex::Matcher matcher(regex);
    return split(std::move(pieces), behavior, invert, [&](std::string_view text, auto&& visit) {
      matcher.each(text, [&](const Regex::Matcher::Match& match) { visit(match.begin, match.end); });
    });
  };
}

// Every character with the property is a match of its own.
template <class Is>
Step split_at(Is is, Behavior behavior) {
  return [is, behavior](Pieces pieces) {
    return split(std::move(pieces), behavior, false, [&](std::string_view text, auto&& visit) {
      for (size_t at = 0; at < text.size();) {
        const size_t length = char_length(text[at]);
        if (is(first_char(text.substr(at)))) visit(at, at + length);
        at += length;
      }
    });
  };
}

Result<Behavior> read_behavior(const JsonReader& json, std::string_view none) {
  constexpr std::pair<std::string_view, Behavior> kNames[] = {{"Removed", Behavior::removed},
                                                              {"Isolated", Behavior::isolated},
                                                              {"MergedWithPrevious", Behavior::merged_with_previous},
                                                              {"MergedWithNext", Behavior::merged_with_next},
                                                              {"Contiguous", Behavior::contiguous}};
  LOWBIT_ASSIGN(const std::string name, json.string("behavior", none));
  for (const auto& [known, behavior] : kNames) {
    if (known == name) return behavior;
  }
  LOWBIT_ASSIGN(const JsonReader value, json.member("behavior"));
  return value.expected("one of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

Result<Step> read_split(const JsonReader& json) {
  LOWBIT_ASSIGN(const JsonReader pattern, json.required("pattern"));
  LOWBIT_ASSIGN(const Behavior behavior, read_behavior(json, ""));
  LOWBIT_ASSIGN(const bool invert, json.boolean("invert", false));
  LOWBIT_ASSIGN(const JsonReader literal, pattern.member("String"));
  LOWBIT_ASSIGN(const JsonReader written,
                literal.is_null() ? pattern.required("Regex") : Result<JsonReader>(literal));
  LOWBIT_ASSIGN(const std::string source, written.string());
  const auto regex = Regex::compile(literal.is_null() ? source : literal_pattern(source));
  if (!regex.ok()) return written.error("does not work: " + regex.message());
  return split_by(*regex, behavior, invert);
}

Result<Step> read_digits(const JsonReader& json) {
  LOWBIT_ASSIGN(const bool alone, json.boolean("individual_digits", false));
  return split_at(is_numeric, alone ? Behavior::isolated : Behavior::contiguous);
}

Result<Step> read_punctuation(const JsonReader& json) {
  LOWBIT_ASSIGN(const Behavior behavior, read_behavior(json, "Isolated"));
  return split_at(is_punctuation, behavior);
}

Result<Step> read_whitespace(const JsonReader&) {
  // \w of Unicode's UTS 18, which has joiners and lacks superscripts.
  const std::string word =
      "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200C}\\x{200D}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{"
      "1F169}"
      "\\x{1F170}-\\x{1F189}";
  return split_by(Regex::compile("[" + word + "]+|[^\\s" + word + "]+").value(), Behavior::removed, true);
}

Result<Step> read_whitespace_split(const JsonReader&) { return split_at(is_white_space, Behavior::removed); }

Result<Step> read_bert(const JsonReader&) {
  return Step([blanks = split_at(is_white_space, Behavior::removed),
               marks = split_at(is_punctuation, Behavior::isolated)](Pieces pieces) {
    return marks(blanks(std::move(pieces)));
  });
}

Result<Step> read_delimiter(const JsonReader& json) {
  LOWBIT_ASSIGN(const JsonReader delimiter, json.required("delimiter"));
  LOWBIT_ASSIGN(const std::string text, delimiter.string());
  if (text.empty() || char_length(text[0]) != text.size()) return delimiter.expected("one character");
  return split_at([c = first_char(text)](uint32_t other) { return other == c; }, Behavior::removed);
}

Result<Step> read_byte_level(const JsonReader& json) {
  LOWBIT_ASSIGN(const bool prefix, json.boolean("add_prefix_space", true));
  LOWBIT_ASSIGN(const bool cuts, json.boolean("use_regex", true));
  const Step cut = split_by(Regex::compile(kGpt2).value(), Behavior::isolated, false);
  return Step([prefix, cuts, cut](Pieces pieces) {
    for (HfPiece& piece : pieces) {
      if (prefix && piece.text[0] != ' ') piece.text.insert(0, 1, ' ');
    }
    if (cuts) pieces = cut(std::move(pieces));
    for (HfPiece& piece : pieces) {
      std::string spelt;
      for (const char c : piece.text) spelt += ByteAlphabet::get().written(static_cast<uint8_t>(c));
      piece.text = std::move(spelt);
    }
    return pieces;
  });
}

Result<Step> read_metaspace(const JsonReader& json) {
  LOWBIT_ASSIGN(const std::string mark, json.string("replacement", kMetaspace));
  LOWBIT_ASSIGN(const bool old, json.boolean("add_prefix_space", true));
  LOWBIT_ASSIGN(const std::string scheme, json.string("prepend_scheme", old ? "always" : "never"));
  LOWBIT_ASSIGN(const bool cuts, json.boolean("split", true));
  if (mark.empty() || (scheme != "always" && scheme != "first" && scheme != "never")) {
    LOWBIT_ASSIGN(const JsonReader value, json.member(mark.empty() ? "replacement" : "prepend_scheme"));
    return value.expected(mark.empty() ? "one character" : "always, first or never");
  }
  const auto regex = Regex::compile(literal_pattern(mark));
  if (!regex.ok()) return json.error("does not work: " + regex.message());
  const Step cut = split_by(*regex, Behavior::merged_with_next, false);
  return Step([mark, scheme, cuts, cut](Pieces pieces) {
    for (HfPiece& piece : pieces) {
      piece.text = replace_all(piece.text, " ", mark);
      const bool prefix = scheme == "always" || (scheme == "first" && piece.begins);
      if (prefix && piece.text.compare(0, mark.size(), mark) != 0) piece.text.insert(0, mark);
    }
    return cuts ? cut(std::move(pieces)) : std::move(pieces);
  });
}

struct Row {
  std::string_view type;
  Result<Step> (*read)(const JsonReader&);
};

constexpr Row kRows[] = {
    {"ByteLevel", read_byte_level},    {"Split", read_split},           {"Digits", read_digits},
    {"Punctuation", read_punctuation}, {"Whitespace", read_whitespace}, {"WhitespaceSplit", read_whitespace_split},
    {"Metaspace", read_metaspace},     {"BertPreTokenizer", read_bert}, {"CharDelimiterSplit", read_delimiter}};

// False where a step stands that rows do not know.
Result<bool> collect(const JsonReader& json, std::vector<std::string>& out) {
  LOWBIT_ASSIGN(const std::string type, json.type());
  if (type == "Sequence") {
    LOWBIT_ASSIGN(const JsonReader list, json.required("pretokenizers"));
    LOWBIT_ASSIGN(const auto items, list.items());
    for (const JsonReader& item : items) {
      LOWBIT_ASSIGN(const bool known, collect(item, out));
      if (!known) return false;
    }
    return true;
  }
  if (type == "ByteLevel") {
    LOWBIT_ASSIGN(const bool prefix, json.boolean("add_prefix_space", true));
    LOWBIT_ASSIGN(const bool cuts, json.boolean("use_regex", true));
    if (cuts) out.emplace_back(kGpt2);
    return !prefix;
  }
  if (type == "Digits") {
    LOWBIT_ASSIGN(const bool alone, json.boolean("individual_digits", false));
    out.emplace_back("\\p{N}");
    return alone;
  }
  if (type == "Punctuation") {
    LOWBIT_ASSIGN(const Behavior behavior, read_behavior(json, "Isolated"));
    out.emplace_back("[\\p{P}$+<=>^~|`]+");  // as Falcon's row writes it
    return behavior == Behavior::contiguous;
  }
  if (type != "Split") return false;
  LOWBIT_ASSIGN(const JsonReader pattern, json.required("pattern"));
  LOWBIT_ASSIGN(const Behavior behavior, read_behavior(json, ""));
  LOWBIT_ASSIGN(const bool invert, json.boolean("invert", false));
  LOWBIT_ASSIGN(const std::string source, pattern.string("Regex", ""));
  out.push_back(source);
  const bool all = behavior == Behavior::isolated || (behavior == Behavior::removed && invert);
  return !source.empty() && all;
}

}  // namespace

Result<HfPreTokenizer> HfPreTokenizer::read(const JsonReader& json) {
  HfPreTokenizer out;
  if (!json.is_null()) LOWBIT_TRY(out.add(json));
  return out;
}

Status HfPreTokenizer::add(const JsonReader& json) { return read_steps(json, "pretokenizers", kRows, steps_); }

Pieces HfPreTokenizer::run(Pieces pieces) const {
  pieces.erase(std::remove_if(pieces.begin(), pieces.end(), [](const HfPiece& p) { return p.text.empty(); }),
               pieces.end());
  for (const Step& step : steps_) pieces = step(std::move(pieces));
  return pieces;
}

std::vector<std::string> HfPreTokenizer::patterns(const JsonReader& json) {
  std::vector<std::string> out;
  const auto known = json.is_null() ? Result<bool>(false) : collect(json, out);
  if (!known.ok() || !*known) out.clear();
  return out;
}

}  // namespace lowbit::text
