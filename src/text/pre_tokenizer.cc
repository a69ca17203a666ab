#include "text/pre_tokenizer.h"

#include "text/metadata.h"
#include "text/regex.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

constexpr size_t kMaxPatterns = 6;
constexpr uint32_t whole_words = 1, bos = 2, nfc = 4;  // as pre_tokenizers.inc writes them

struct Row {
  std::string_view name;
  uint32_t traits;
  const char* patterns[kMaxPatterns];  // the rest is null
};

constexpr Row kRows[] = {
#define LOWBIT_PRE_TOKENIZER(name, traits, ...) {name, traits, {__VA_ARGS__}},
#include "text/pre_tokenizers.inc"
#undef LOWBIT_PRE_TOKENIZER
};

// The length of the run of well-formed characters (valid) or of other bytes (not valid) at the beginning.
size_t run_length(std::string_view text, bool valid) {
  size_t length = 0;
  while (length < text.size()) {
    const Utf8Step step = utf8_step(text.substr(length));
    if ((step.kind == Utf8Kind::character) != valid) break;
    length += step.length;
  }
  return length;
}

// Files have control characters and those beyond ASCII as themselves or as escapes.
std::string plain_pattern(std::string_view pattern) {
  std::string out;
  for (size_t at = 0; at < pattern.size();) {
    const uint32_t c = first_char(pattern.substr(at));
    if (c == '\r' || c == '\n') {
      out += c == '\r' ? "\\r" : "\\n";
    } else if (c >= 0x80) {
      out += fmt::format("\\x{{{:X}}}", c);
    } else {
      out += static_cast<char>(c);
    }
    at += char_length(pattern[at]);
  }
  return out;
}

}  // namespace

struct PreTokenizer::Patterns {
  std::vector<Regex> regexes;
  PreTokenizerTraits traits;
};

struct PreTokenizer::Splitter::Scratch {
  std::vector<Regex::Matcher> matchers;
  bool compose = false;
  std::string composed;
  std::vector<std::string_view> pieces, next;

  void cut(Regex::Matcher& matcher, std::string_view piece) {
    size_t done = 0;
    const auto add = [&](size_t end) {
      if (end > done) next.push_back(piece.substr(done, end - done));
      done = end;
    };
    matcher.each(piece, [&](const Regex::Matcher::Match& match) {
      add(match.begin);
      add(match.end);
    });
    add(piece.size());
  }
};

std::string PreTokenizer::known_names() {
  std::string names;
  for (const Row& row : kRows) names.append(names.empty() ? "" : ", ").append(row.name);
  return names;
}

std::string_view PreTokenizer::name_of(const std::vector<std::string>& patterns, bool whole, bool composes) {
  std::vector<std::string> plain;
  for (const std::string& pattern : patterns) plain.push_back(plain_pattern(pattern));
  for (const Row& row : kRows) {
    if (((row.traits & whole_words) != 0) != whole || ((row.traits & nfc) != 0) != composes) continue;
    std::vector<std::string> own;
    for (const char* pattern : row.patterns) {
      if (pattern != nullptr) own.push_back(plain_pattern(pattern));
    }
    if (own == plain) return row.name;
  }
  return {};
}

std::vector<std::string_view> PreTokenizer::patterns_of(std::string_view name) {
  std::vector<std::string_view> patterns;
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    for (const char* pattern : row.patterns) {
      if (pattern != nullptr) patterns.emplace_back(pattern);
    }
  }
  return patterns;
}

Result<PreTokenizer> PreTokenizer::find(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    auto patterns = std::make_shared<Patterns>();
    for (const char* pattern : row.patterns) {
      if (pattern == nullptr) continue;
      LOWBIT_ASSIGN(Regex regex, Regex::compile(pattern));
      patterns->regexes.push_back(std::move(regex));
    }
    patterns->traits = {(row.traits & whole_words) != 0, (row.traits & bos) != 0, (row.traits & nfc) != 0};
    PreTokenizer out;
    out.patterns_ = std::move(patterns);
    return out;
  }
  return errorf("is {}, expected one of {} (--pre-tokenizer NAME says which of them the model means)",
                quote_text(name), known_names());
}

PreTokenizerTraits PreTokenizer::traits() const { return patterns_->traits; }

PreTokenizer::Splitter::Splitter(const PreTokenizer& owner) : scratch_(std::make_unique<Scratch>()) {
  for (const Regex& regex : owner.patterns_->regexes) scratch_->matchers.emplace_back(regex);
  scratch_->compose = owner.patterns_->traits.compose;
}
PreTokenizer::Splitter::~Splitter() = default;

const std::vector<std::string_view>& PreTokenizer::Splitter::split(std::string_view text) {
  Scratch& s = *scratch_;
  s.pieces.clear();
  if (s.compose) {
    std::string composed;
    for (bool valid = true; !text.empty(); valid = !valid) {
      const size_t length = run_length(text, valid);
      composed += valid ? normalize(text.substr(0, length), NormalForm::nfc) : std::string(text.substr(0, length));
      text.remove_prefix(length);
    }
    s.composed = std::move(composed);
    text = s.composed;
  }
  for (bool valid = true; !text.empty(); valid = !valid) {
    const size_t length = run_length(text, valid);
    const std::string_view run = text.substr(0, length);
    text.remove_prefix(length);
    if (run.empty()) continue;
    if (!valid) {
      s.pieces.push_back(run);
      continue;
    }
    // Only this run is given to the matcher, which takes well-formed text alone.
    std::vector<std::string_view> parts = {run};
    for (Regex::Matcher& matcher : s.matchers) {
      s.next.clear();
      for (const std::string_view part : parts) s.cut(matcher, part);
      parts.swap(s.next);
    }
    s.pieces.insert(s.pieces.end(), parts.begin(), parts.end());
  }
  return s.pieces;
}

}  // namespace lowbit::text
