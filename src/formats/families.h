// Families of elements that are written by their parameters, such as posit8.2. Internal to the formats room.
//
// A family is a file with one function, declared and listed by its row of families.inc: it reads what stands behind
// the prefix and makes the element.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/names.h"

namespace lowbit::formats {

// Reads a token from left to right.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  size_t at() const { return at_; }
  bool done() const { return at_ == text_.size(); }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  // A decimal number of at most 4 digits without a leading zero.
  std::optional<int> number() {
    size_t end = at_;
    int value = 0;
    while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9' && end - at_ < 5) {
      value = value * 10 + (text_[end++] - '0');
    }
    const size_t digits = end - at_;
    if (digits == 0 || digits > 4 || (digits > 1 && text_[at_] == '0')) return std::nullopt;
    at_ = end;
    return value;
  }
  // A decimal number with at most two digits below the point, in hundredths: 0.5 is 50.
  std::optional<int> hundredths() {
    Scanner rest = *this;
    const auto whole = rest.number();
    if (!whole) return std::nullopt;
    int value = *whole * 100;
    if (rest.take(".")) {
      int place = 10;
      for (; place > 0 && !rest.done() && text_[rest.at_] >= '0' && text_[rest.at_] <= '9'; place /= 10) {
        value += place * (text_[rest.at_++] - '0');
      }
      if (place == 10) return std::nullopt;
    }
    *this = rest;
    return value;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// The three answers of a family.
ElementParse unknown_element();                              // the text has not the shape of this family
ElementParse wrong_element(size_t at, std::string problem);  // "found ..., expected <problem>"
ElementParse found_element(const ElementFormat& element);

// One row of families.inc.
struct Family {
  std::string_view prefix;
  ElementParse (*parse)(std::string_view text);  // of the whole text, which begins with the prefix
  std::string_view example;                      // for lists, and for what a wrong name is compared with
  std::string_view shape;                        // as help writes it
  std::string_view source;
};

std::span<const Family> families();

// The floats eXmY and ueXmY and those of P3109, as print() writes them.
std::string print_float(const ElementFormat& f);

#define LOWBIT_FAMILY(prefix, function, example, shape, source) ElementParse function(std::string_view text);
#include "formats/families.inc"
#undef LOWBIT_FAMILY

}  // namespace lowbit::formats
