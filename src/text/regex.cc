#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace lowbit::text {
namespace {

constexpr std::string_view kSpace = "\\t-\\r\\x{85}\\p{Z}";
constexpr std::string_view kNotSpace = "[^\\t-\\r\\x{85}\\p{Z}]";
// Letters in circles and squares are among them.
constexpr std::string_view kWord =
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{"
    "1F189}";
// Oniguruma counts these as words outside of sets, but not within.
constexpr std::string_view kLatin1Word = "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
constexpr std::string_view kHex = "0-9a-fA-F";

// The members of the classes that both languages write differently; empty for all others.
std::string_view members(char escape) {
  switch (escape) {
    case 's':
      return kSpace;
    case 'w':
      return kWord;
    case 'h':
      return kHex;
    default:
      return {};
  }
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  Result<std::string> run() {
    while (at_ < in_.size()) {
      if (in_[at_] == '[') {
        LOWBIT_ASSIGN(const std::string set, this->set(0));
        out_ += set;
      } else if (in_[at_] == '\\') {
        escape();
      } else {
        out_ += in_[at_++];
      }
    }
    return std::move(out_);
  }

 private:
  static constexpr int kMaxDepth = 20;

  // Outside of sets.
  void escape() {
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    const char lower = static_cast<char>(c | 0x20);
    const std::string_view set = members(lower);
    if (!set.empty()) {
      out_.append(c == lower ? "[" : "[^").append(set).append(lower == 'w' ? kLatin1Word : "").append("]");
    } else {
      out_ += in_.substr(at_, 2);
    }
    at_ += 2;
  }

  // One set with its brackets. Unions of sets become alternatives, intersections look-aheads.
  Result<std::string> set(int depth) {
    const size_t begin = at_++;
    if (depth > kMaxDepth) return errorf("sets in the pattern are nested deeper than {}", kMaxDepth);
    const bool negated = at_ < in_.size() && in_[at_] == '^';
    if (negated) ++at_;
    std::string plain, before;        // members of this part; look-aheads of the parts before it
    std::vector<std::string> others;  // alternatives of this part that are sets of their own
    const auto part = [&]() -> std::string {
      if (others.empty()) return "[" + plain + "]";
      std::string all = plain.empty() ? "(?:" : "(?:[" + plain + "]";
      for (size_t i = 0; i < others.size(); ++i) all.append(i == 0 && plain.empty() ? "" : "|").append(others[i]);
      return all + ")";
    };
    for (bool first = true; at_ < in_.size(); first = false) {
      if (in_[at_] == ']' && !first) {
        ++at_;
        if (others.empty() && before.empty()) return (negated ? "[^" : "[") + plain + "]";
        const std::string whole = before + part();
        return negated ? "(?:(?!" + whole + ")(?s:.))" : "(?:" + whole + ")";
      }
      if (in_.substr(at_, 2) == "&&") {
        before += "(?=" + part() + ")";
        plain.clear();
        others.clear();
        at_ += 2;
      } else if (in_[at_] == '[' && in_.substr(at_, 2) != "[:") {
        LOWBIT_ASSIGN(std::string inner, set(depth + 1));
        others.push_back(std::move(inner));
      } else {
        member(plain, others);
      }
    }
    return errorf("the set at byte {} of the pattern has no end", begin);
  }

  void member(std::string& plain, std::vector<std::string>& others) {
    if (in_.substr(at_, 2) == "[:") {
      const size_t end = in_.find(":]", at_);
      const size_t length = end == in_.npos ? 1 : end + 2 - at_;
      plain.append(length == 1 ? "\\[" : in_.substr(at_, length));
      at_ += length;
      return;
    }
    if (in_[at_] != '\\') {
      plain += in_[at_++];
      return;
    }
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    const char lower = static_cast<char>(c | 0x20);
    const std::string_view set = members(lower);
    if (c == 'S') {
      others.emplace_back(kNotSpace);
    } else if (!set.empty() && c == lower) {
      plain += set;
    } else if (!set.empty()) {
      others.push_back("[^" + std::string(set) + "]");
    } else {
      plain += in_.substr(at_, 2);
    }
    at_ += 2;
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
};

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

Result<std::string> translate_pattern(std::string_view pattern) { return Translator(pattern).run(); }

std::string literal_pattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const uint8_t byte = static_cast<uint8_t>(c);
    const bool plain = byte >= 0x80 || std::isalnum(byte) != 0;
    out += plain ? std::string(1, c) : fmt::format("\\x{{{:x}}}", byte);
  }
  return out;
}

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

struct Regex::Matcher::Scratch {
  std::shared_ptr<const Code> code;
  pcre2_match_data* data = nullptr;
  ~Scratch() { pcre2_match_data_free(data); }
};

Result<Regex> Regex::compile(std::string_view pattern) {
  constexpr size_t kMaxPattern = 1 << 16;
  if (pattern.size() > kMaxPattern)
    return errorf("the pattern has {} bytes, at most {}", pattern.size(), kMaxPattern);
  LOWBIT_ASSIGN(const std::string translated, translate_pattern(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  // Oniguruma's ^ and $ are those of lines.
  code->code = pcre2_compile(units(translated), translated.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error,
                             &offset, nullptr);
  if (code->code == nullptr) {
    PCRE2_UCHAR message[200] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    return errorf("the pattern does not compile: {} (at byte {} of {})", reinterpret_cast<const char*>(message),
                  offset, translated);
  }
  // Where this machine has no just-in-time compiler the matcher is slower, nothing else.
  (void)pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);
  Regex out;
  out.code_ = std::move(code);
  return out;
}

Regex::Matcher::Matcher(const Regex& regex) : scratch_(std::make_unique<Scratch>()) {
  scratch_->code = regex.code_;
  scratch_->data = pcre2_match_data_create(1, nullptr);
  LOWBIT_CHECK(scratch_->data != nullptr);
}
Regex::Matcher::~Matcher() = default;
Regex::Matcher::Matcher(Matcher&&) noexcept = default;

bool Regex::Matcher::find(std::string_view text, size_t from, Match& out) {
  Scratch& s = *scratch_;
  const auto run = [&](uint32_t options) {
    return pcre2_match(s.code->code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK | options, s.data, nullptr);
  };
  int found = run(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = run(PCRE2_NO_JIT);
  if (found < 0) return false;  // other errors are limits of time and memory: what is left stays one piece
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(s.data);
  out = {range[0], std::max(range[0], range[1])};
  return true;
}

}  // namespace lowbit::text
