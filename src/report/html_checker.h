// For the tests: whether a page is well formed.
#pragma once

#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit::report {

// A tiny oracle of well-formedness: every element closes in order, attributes are quoted, nothing but known void
// elements stays open, "&" begins a character reference and no "<" stands in text. Returns what is wrong, or nothing.
class Checker {
 public:
  explicit Checker(std::string_view page) : page_(page) {}

  std::string run() {
    if (!page_.starts_with("<!DOCTYPE html>")) return "no doctype";
    at_ = 15;
    while (at_ < page_.size() && wrong_.empty()) {
      page_[at_] == '<' ? element() : text();
    }
    if (wrong_.empty() && !open_.empty()) return "not closed: " + open_.back();
    return wrong_;
  }
  const std::set<std::string>& names() const { return names_; }

 private:
  void fail(const std::string& what) {
    wrong_ = what + " near: " + std::string(page_.substr(at_ < 60 ? 0 : at_ - 60, 120));
  }
  void reference() {
    const size_t end = page_.find(';', at_);
    const std::string_view name = page_.substr(at_, end == std::string_view::npos ? 1 : end - at_ + 1);
    if (name != "&amp;" && name != "&lt;" && name != "&gt;" && name != "&quot;" && name != "&#39;") fail("a bare &");
  }
  void text() {
    if (page_[at_] == '&') reference();
    if (page_[at_] == '>') fail("a bare >");
    ++at_;
  }
  std::string name() {
    const size_t begin = at_;
    while (at_ < page_.size() && (std::isalnum(static_cast<unsigned char>(page_[at_])) || page_[at_] == '-')) ++at_;
    return std::string(page_.substr(begin, at_ - begin));
  }
  void element() {
    ++at_;
    const bool closes = page_[at_] == '/';
    if (closes) ++at_;
    const std::string tag = name();
    if (tag.empty()) return fail("a bare <");
    names_.insert(tag);
    bool empty = tag == "meta" || tag == "wbr" || tag == "input";
    while (wrong_.empty() && page_[at_] != '>') {
      if (page_[at_] == ' ') {
        ++at_;
      } else if (page_.substr(at_, 2) == "/>") {
        empty = true;
        ++at_;
      } else {
        attribute();
      }
    }
    ++at_;
    if (closes) {
      if (open_.empty() || open_.back() != tag) return fail("closes " + tag);
      open_.pop_back();
    } else if (!empty) {
      open_.push_back(tag);
      if (tag == "script" || tag == "style") at_ = std::min(page_.find("</" + tag, at_), page_.size());
    }
  }
  void attribute() {
    if (name().empty()) return fail("no attribute name");
    if (page_[at_] != '=') return;  // like "hidden"
    if (page_[++at_] != '"') return fail("an attribute without quotes");
    while (page_[++at_] != '"') {
      if (at_ + 1 >= page_.size() || page_[at_] == '<') return fail("an attribute that does not end");
      if (page_[at_] == '&') reference();
      if (!wrong_.empty()) return;
    }
    ++at_;
  }

  std::string_view page_;
  size_t at_ = 0;
  std::vector<std::string> open_;
  std::set<std::string> names_;
  std::string wrong_;
};

inline std::string wrong_with(const std::string& page) { return Checker(page).run(); }

inline size_t count(const std::string& text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

}  // namespace lowbit::report
