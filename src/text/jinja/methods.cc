// Methods of strings, lists and dicts, and of the objects that templates are given.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/written_formats.h"

namespace lowbit::text::jinja {

int64_t integer_of(const Value& value) {
  if (!value.is_integral()) fail(fmt::format("{} is no integer", type_name(value)));
  return value.as_integer();
}

std::string spaces(const Heap& heap, int64_t count) {
  const auto size = static_cast<uint64_t>(std::max<int64_t>(count, 0));
  heap.room(size);
  return std::string(size, ' ');
}

std::string capitalize_text(std::string_view text) {
  if (text.empty()) return {};
  const std::string_view first = characters(text.substr(0, 4)).front();
  return to_upper(first) + to_lower(text.substr(first.size()));
}

std::string replace_text(const Heap& heap, const std::string& text, const std::string& old, const std::string& with,
                         int64_t count) {
  std::string out;
  size_t at = 0;
  uint64_t left = count < 0 ? UINT64_MAX : static_cast<uint64_t>(count);
  if (old.empty()) {  // before all characters, and at the end
    for (const std::string_view character : characters(text)) {
      if (left-- == 0) return out + text.substr(at);
      heap.room(out.size() + with.size());
      out.append(with).append(character);
      at += character.size();
    }
    return left > 0 ? out + with : out;
  }
  for (size_t found = text.find(old); found != std::string::npos && left-- != 0; found = text.find(old, at)) {
    heap.room(out.size() + with.size());
    out.append(text, at, found - at).append(with);
    at = found + old.size();
  }
  return out + text.substr(at);
}

std::string center_text(const Heap& heap, const std::string& text, int64_t width, const std::string& fill) {
  const int64_t missing = width - static_cast<int64_t>(count_characters(text));
  if (missing <= 0) return text;
  const int64_t left = missing / 2 + (missing & width & 1);
  heap.room(static_cast<uint64_t>(missing) * fill.size());
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return out;
}

namespace {

Value make(Interpreter& in, std::string_view text) { return in.heap.string(std::string(text)); }

const std::string& string_of(const Value& value) {
  if (!value.is_string()) fail(fmt::format("{} is no str", type_name(value)));
  return *value.string;
}

// The argument of strip: null for white space.
const std::string* set_of(const Value& value) {
  return value.is_absent() || value.is(Kind::none) ? nullptr : &string_of(value);
}

Value strip(Interpreter& in, const Value& self, const Args& args) {
  return make(in, strip_right(strip_left(*self.string, set_of(args[0])), set_of(args[0])));
}
Value lstrip(Interpreter& in, const Value& self, const Args& args) {
  return make(in, strip_left(*self.string, set_of(args[0])));
}
Value rstrip(Interpreter& in, const Value& self, const Args& args) {
  return make(in, strip_right(*self.string, set_of(args[0])));
}

// Words between stretches of white space; after `most` of them the rest stays together. From the left.
List split_words(Interpreter& in, std::string_view left, int64_t most) {
  List out;
  for (left = strip_left(left); !left.empty(); left = strip_left(left)) {
    size_t length = 0;
    const bool rest = most >= 0 && static_cast<int64_t>(out.size()) == most;
    while (!rest && length < left.size() && leading_space(left.substr(length)) == 0) ++length;
    if (rest) length = left.size();
    out.push_back(make(in, left.substr(0, length)));
    left.remove_prefix(rest ? left.size() : length);
  }
  return out;
}

List split_words_right(Interpreter& in, std::string_view left, int64_t most) {
  List out;
  for (left = strip_right(left); !left.empty(); left = strip_right(left)) {
    size_t begin = left.size();
    const bool rest = most >= 0 && static_cast<int64_t>(out.size()) == most;
    while (!rest && begin > 0 && trailing_space(left.substr(0, begin)) == 0) --begin;
    if (rest) begin = 0;
    out.push_back(make(in, left.substr(begin)));
    left = left.substr(0, rest ? 0 : begin);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Value split_at(Interpreter& in, const Value& self, const Args& args, bool from_right) {
  const int64_t most = args[1].is_absent() ? -1 : integer_of(args[1]);
  std::string_view left = *self.string;
  if (set_of(args[0]) == nullptr) {
    return in.heap.list(from_right ? split_words_right(in, left, most) : split_words(in, left, most));
  }
  const std::string& between = string_of(args[0]);
  if (between.empty()) fail("\"split\" takes a separator that is not empty");
  List out;
  while (most < 0 || static_cast<int64_t>(out.size()) < most) {
    const size_t at = from_right ? left.rfind(between) : left.find(between);
    if (at == left.npos) break;
    out.push_back(make(in, from_right ? left.substr(at + between.size()) : left.substr(0, at)));
    left = from_right ? left.substr(0, at) : left.substr(at + between.size());
  }
  out.push_back(make(in, left));
  if (from_right) std::reverse(out.begin(), out.end());
  return in.heap.list(std::move(out));
}

Value split(Interpreter& in, const Value& self, const Args& args) { return split_at(in, self, args, false); }
Value rsplit(Interpreter& in, const Value& self, const Args& args) { return split_at(in, self, args, true); }

Value splitlines(Interpreter& in, const Value& self, const Args& args) {
  List out;
  for (const std::string_view line : split_lines(*self.string, truth(args[0]))) out.push_back(make(in, line));
  return in.heap.list(std::move(out));
}

bool affix(const std::string& text, const Value& wanted, bool at_end) {
  if (wanted.is(Kind::tuple)) {
    return std::any_of(wanted.list->begin(), wanted.list->end(),
                       [&](const Value& each) { return affix(text, Value(each), at_end); });
  }
  return at_end ? text.ends_with(string_of(wanted)) : text.starts_with(string_of(wanted));
}

Value startswith(Interpreter& in, const Value& self, const Args& args) {
  if (args[1].is_absent()) return Value::of(affix(*self.string, args[0], false));
  const Value part = in.slice(self, args[1], args[2].is_absent() ? Value::none() : args[2], Value::none());
  return Value::of(affix(*part.string, args[0], false));
}
Value endswith(Interpreter& in, const Value& self, const Args& args) {
  if (args[1].is_absent()) return Value::of(affix(*self.string, args[0], true));
  const Value part = in.slice(self, args[1], args[2].is_absent() ? Value::none() : args[2], Value::none());
  return Value::of(affix(*part.string, args[0], true));
}

Value upper(Interpreter& in, const Value& self, const Args&) { return make(in, to_upper(*self.string)); }
Value lower(Interpreter& in, const Value& self, const Args&) { return make(in, to_lower(*self.string)); }
Value capitalize(Interpreter& in, const Value& self, const Args&) { return make(in, capitalize_text(*self.string)); }

Value title(Interpreter& in, const Value& self, const Args&) {
  std::string out;
  bool inside = false;
  for (const std::string_view character : characters(*self.string)) {
    out += inside ? to_lower(character) : to_upper(character);
    inside = is_letter(character);
  }
  return make(in, out);
}

Value swapcase(Interpreter& in, const Value& self, const Args&) {
  std::string out;
  for (const std::string_view character : characters(*self.string)) {
    out += is_upper(character) ? to_lower(character) : to_upper(character);
  }
  return make(in, out);
}

Value replace(Interpreter& in, const Value& self, const Args& args) {
  const int64_t count = args[2].is_absent() ? -1 : integer_of(args[2]);
  return make(in, replace_text(in.heap, *self.string, string_of(args[0]), string_of(args[1]), count));
}

int64_t find_at(Interpreter& in, const Value& self, const Args& args, bool from_right) {
  std::string_view text = *self.string;
  int64_t skipped = 0;
  if (!args[1].is_absent()) {
    const Value part = in.slice(self, args[1], args[2].is_absent() ? Value::none() : args[2], Value::none());
    const int64_t length = length_of(self), begin = args[1].is(Kind::none) ? 0 : args[1].as_integer();
    skipped = std::clamp<int64_t>(begin < 0 ? begin + length : begin, 0, length);
    text = *part.string;
  }
  const size_t at = from_right ? text.rfind(string_of(args[0])) : text.find(string_of(args[0]));
  return at == text.npos ? -1 : skipped + static_cast<int64_t>(count_characters(text.substr(0, at)));
}

Value find(Interpreter& in, const Value& self, const Args& args) { return Value::of(find_at(in, self, args, false)); }
Value rfind(Interpreter& in, const Value& self, const Args& args) { return Value::of(find_at(in, self, args, true)); }

Value index(Interpreter& in, const Value& self, const Args& args) {
  const int64_t at = find_at(in, self, args, false);
  return at < 0 ? (fail("\"index\" finds nothing"), Value()) : Value::of(at);
}

Value rindex(Interpreter& in, const Value& self, const Args& args) {
  const int64_t at = find_at(in, self, args, true);
  return at < 0 ? (fail("\"rindex\" finds nothing"), Value()) : Value::of(at);
}

Value count(Interpreter&, const Value& self, const Args& args) {
  const std::string& wanted = string_of(args[0]);
  if (wanted.empty()) return Value::of(static_cast<int64_t>(count_characters(*self.string)) + 1);
  int64_t out = 0;
  for (size_t at = self.string->find(wanted); at != std::string::npos; ++out) {
    at = self.string->find(wanted, at + wanted.size());
  }
  return Value::of(out);
}

Value join(Interpreter& in, const Value& self, const Args& args) {
  std::string out;
  bool begun = false;
  for (const Value& item : items_of(in.heap, args[0])) {
    if (begun) out += *self.string;
    begun = true;
    out += string_of(item);
    in.heap.room(out.size());
  }
  return make(in, out);
}

bool all_characters(const Value& self, bool (*is)(std::string_view)) {
  const auto all = characters(*self.string);
  return !all.empty() && std::all_of(all.begin(), all.end(), is);
}

bool digit(std::string_view c) { return c.size() == 1 && c[0] >= '0' && c[0] <= '9'; }

template <bool (*is)(std::string_view)>
Value all_are(Interpreter&, const Value& self, const Args&) {
  return Value::of(all_characters(self, is));
}
bool letter_or_digit(std::string_view c) { return c != "_" && is_word(c); }
bool white(std::string_view c) { return leading_space(c) > 0; }

Value islower(Interpreter& in, const Value& self, const Args& args) {
  return find_test("lower")->apply(in, self, args);
}
Value isupper(Interpreter& in, const Value& self, const Args& args) {
  return find_test("upper")->apply(in, self, args);
}

std::string fill_of(const Value& value) { return value.is_absent() ? " " : string_of(value); }

Value center(Interpreter& in, const Value& self, const Args& args) {
  return make(in, center_text(in.heap, *self.string, integer_of(args[0]), fill_of(args[1])));
}

std::string padding(Interpreter& in, const Value& self, int64_t width, const std::string& fill) {
  const int64_t missing = std::max<int64_t>(0, width - length_of(self));
  in.heap.room(static_cast<uint64_t>(missing));
  std::string out;
  for (int64_t i = 0; i < missing; ++i) out += fill;
  return out;
}

Value ljust(Interpreter& in, const Value& self, const Args& args) {
  return make(in, *self.string + padding(in, self, integer_of(args[0]), fill_of(args[1])));
}
Value rjust(Interpreter& in, const Value& self, const Args& args) {
  return make(in, padding(in, self, integer_of(args[0]), fill_of(args[1])) + *self.string);
}
Value zfill(Interpreter& in, const Value& self, const Args& args) {
  const size_t sign = self.string->starts_with('-') || self.string->starts_with('+') ? 1 : 0;
  const std::string zeros = padding(in, self, integer_of(args[0]), "0");
  return make(in, self.string->substr(0, sign) + zeros + self.string->substr(sign));
}

Value partition_at(Interpreter& in, const Value& self, const Args& args, bool from_right) {
  const std::string_view text = *self.string;
  const std::string& between = string_of(args[0]);
  if (between.empty()) fail("\"partition\" takes a separator that is not empty");
  const size_t at = from_right ? text.rfind(between) : text.find(between);
  const Value empty = make(in, "");
  if (at == text.npos) return in.heap.tuple(from_right ? List{empty, empty, self} : List{self, empty, empty});
  return in.heap.tuple({make(in, text.substr(0, at)), args[0], make(in, text.substr(at + between.size()))});
}
Value partition(Interpreter& in, const Value& self, const Args& args) { return partition_at(in, self, args, false); }
Value rpartition(Interpreter& in, const Value& self, const Args& args) { return partition_at(in, self, args, true); }

Value removeprefix(Interpreter& in, const Value& self, const Args& args) {
  const size_t size = string_of(args[0]).size();
  return self.string->starts_with(*args[0].string) ? make(in, self.string->substr(size)) : self;
}
Value removesuffix(Interpreter& in, const Value& self, const Args& args) {
  const size_t size = string_of(args[0]).size();
  return self.string->ends_with(*args[0].string) ? make(in, self.string->substr(0, self.string->size() - size))
                                                 : self;
}

Value format(Interpreter& in, const Value& self, const Args& args) {
  return brace_format(in, *self.string, *args.call);
}

constexpr Row kStringMethods[] = {
    {"strip", "/ chars?", strip},
    {"lstrip", "/ chars?", lstrip},
    {"rstrip", "/ chars?", rstrip},
    {"split", "sep? maxsplit?", split},
    {"rsplit", "sep? maxsplit?", rsplit},
    {"splitlines", "keepends?", splitlines},
    {"startswith", "/ prefix start? end?", startswith},
    {"endswith", "/ suffix start? end?", endswith},
    {"upper", "", upper},
    {"lower", "", lower},
    {"casefold", "", lower},
    {"capitalize", "", capitalize},
    {"title", "", title},
    {"swapcase", "", swapcase},
    {"replace", "/ old new count?", replace},
    {"find", "/ sub start? end?", find},
    {"rfind", "/ sub start? end?", rfind},
    {"index", "/ sub start? end?", index},
    {"rindex", "/ sub start? end?", rindex},
    {"count", "/ sub", count},
    {"join", "/ iterable", join},
    {"isdigit", "", all_are<digit>},
    {"isdecimal", "", all_are<digit>},
    {"isnumeric", "", all_are<digit>},
    {"isalpha", "", all_are<is_letter>},
    {"isalnum", "", all_are<letter_or_digit>},
    {"isspace", "", all_are<white>},
    {"islower", "", islower},
    {"isupper", "", isupper},
    {"center", "/ width fillchar?", center},
    {"ljust", "/ width fillchar?", ljust},
    {"rjust", "/ width fillchar?", rjust},
    {"zfill", "/ width", zfill},
    {"partition", "/ sep", partition},
    {"rpartition", "/ sep", rpartition},
    {"removeprefix", "/ prefix", removeprefix},
    {"removesuffix", "/ suffix", removesuffix},
    {"format", "*", format},
};

}  // namespace

std::span<const Row> string_methods() { return kStringMethods; }

}  // namespace lowbit::text::jinja
