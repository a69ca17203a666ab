#include "text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <span>

#include "text/metadata.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

#define LOWBIT_PRE_TOKENIZER(name, ...) +1
constexpr size_t kRowCount = 0
#include "text/pre_tokenizers.inc"
    ;
#undef LOWBIT_PRE_TOKENIZER

constexpr size_t kMaxPatterns = 4;

struct Row {
  std::string_view name;
  const char* patterns[kMaxPatterns];  // the rest is null
};

constexpr Row kRows[kRowCount] = {
#define LOWBIT_PRE_TOKENIZER(name, ...) {name, {__VA_ARGS__}},
#include "text/pre_tokenizers.inc"
#undef LOWBIT_PRE_TOKENIZER
};

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using Code = std::unique_ptr<pcre2_code, CodeDeleter>;

PCRE2_SPTR units(const char* text) { return reinterpret_cast<PCRE2_SPTR>(text); }

// The patterns are rows of ours: one that does not compile is a programmer's error.
Code compile(const char* pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(units(pattern), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
  LOWBIT_CHECK(code != nullptr);
  // Where this machine has no just-in-time compiler the matcher is slower, nothing else.
  (void)pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return code;
}

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

// Matches in a well-formed subject from start on; false where there is no further one.
bool match(const pcre2_code* code, std::string_view subject, size_t start, pcre2_match_data* data) {
  int found = pcre2_match(code, units(subject.data()), subject.size(), start, PCRE2_NO_UTF_CHECK, data, nullptr);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
    found = pcre2_match(code, units(subject.data()), subject.size(), start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                        nullptr);
  }
  return found > 0;  // other errors are limits of time and memory: what is left stays one piece
}

}  // namespace

struct PreTokenizer::Patterns {
  std::vector<Code> codes;
};

struct PreTokenizer::Splitter::Scratch {
  std::shared_ptr<const Patterns> patterns;
  std::unique_ptr<pcre2_match_data, MatchDeleter> match_data;
  std::vector<std::string_view> pieces, next;

  void cut(const pcre2_code* code, std::string_view piece) {
    size_t done = 0, start = 0;
    while (start < piece.size() && match(code, piece, start, match_data.get())) {
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match_data.get());
      if (range[1] <= range[0]) {  // an empty match cuts nothing
        start = range[0] < piece.size() ? range[0] + utf8_step(piece.substr(range[0])).length : piece.size();
        continue;
      }
      if (range[0] > done) next.push_back(piece.substr(done, range[0] - done));
      next.push_back(piece.substr(range[0], range[1] - range[0]));
      done = start = range[1];
    }
    if (done < piece.size()) next.push_back(piece.substr(done));
  }
};

std::string PreTokenizer::known_names() {
  std::string names;
  for (const Row& row : kRows) names.append(names.empty() ? "" : ", ").append(row.name);
  return names;
}

Result<PreTokenizer> PreTokenizer::find(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    auto patterns = std::make_shared<Patterns>();
    for (const char* pattern : row.patterns) {
      if (pattern != nullptr) patterns->codes.push_back(compile(pattern));
    }
    PreTokenizer out;
    out.patterns_ = std::move(patterns);
    return out;
  }
  return errorf("is {}, expected one of {}", quote_text(name), known_names());
}

PreTokenizer::Splitter::Splitter(const PreTokenizer& owner) : scratch_(std::make_unique<Scratch>()) {
  scratch_->patterns = owner.patterns_;
  scratch_->match_data.reset(pcre2_match_data_create(1, nullptr));
  LOWBIT_CHECK(scratch_->match_data != nullptr);
}
PreTokenizer::Splitter::~Splitter() = default;

const std::vector<std::string_view>& PreTokenizer::Splitter::split(std::string_view text) {
  Scratch& s = *scratch_;
  s.pieces.clear();
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
    for (const Code& code : s.patterns->codes) {
      s.next.clear();
      for (const std::string_view part : parts) s.cut(code.get(), part);
      parts.swap(s.next);
    }
    s.pieces.insert(s.pieces.end(), parts.begin(), parts.end());
  }
  return s.pieces;
}

}  // namespace lowbit::text
