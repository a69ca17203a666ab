// Patterns as tokenizers publish them (Oniguruma with Unicode, Ruby's syntax), matched by PCRE2.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::text {

// Immutable and cheap to copy; for any number of threads.
class Regex {
 public:
  // The error says what is wrong with the pattern and where.
  static Result<Regex> compile(std::string_view pattern);

  // Holds the scratch memory of the matcher; for one thread.
  class Matcher {
   public:
    explicit Matcher(const Regex& regex);
    ~Matcher();
    Matcher(Matcher&&) noexcept;

    struct Match {
      size_t begin, end;  // bytes
    };
    // The first match in a well-formed text at or after `from`; false where there is none.
    bool find(std::string_view text, size_t from, Match& out);
    // All matches from the left, none overlapping; the empty ones too, once for each place.
    template <class Visit>
    void each(std::string_view text, Visit&& visit);

   private:
    struct Scratch;
    std::unique_ptr<Scratch> scratch_;
  };

 private:
  friend class Matcher;
  struct Code;
  std::shared_ptr<const Code> code_;
};

template <class Visit>
void Regex::Matcher::each(std::string_view text, Visit&& visit) {
  Match match{};
  size_t from = 0, covered = 0;
  bool any = false;
  while (from <= text.size() && find(text, from, match)) {
    const bool empty = match.begin == match.end;
    if (!empty || !any || match.begin != covered) visit(match);
    any = true;
    covered = match.end;
    from = match.end;
    if (!empty) continue;
    if (from >= text.size()) break;
    do {
      ++from;
    } while (from < text.size() && (static_cast<uint8_t>(text[from]) & 0xC0) == 0x80);
  }
}

// The pattern in PCRE2's language: \s is the property White_Space, \h a hexadecimal digit, \w Unicode's words; sets
// may hold sets and intersections. For tests.
Result<std::string> translate_pattern(std::string_view pattern);

// A pattern that matches exactly this text.
std::string literal_pattern(std::string_view text);

}  // namespace lowbit::text
