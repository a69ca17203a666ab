// Filters of text and numbers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/markup.h"
#include "text/jinja/written_formats.h"

namespace lowbit::text::jinja {

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

namespace {

Value make(Interpreter& in, std::string text) { return in.heap.string(std::move(text)); }

Value trim(Interpreter& in, const Value& self, const Args& args) {
  const std::string text = in.text(self);
  const std::string* set = args[0].is_string() ? args[0].string : nullptr;
  return make(in, std::string(strip_right(strip_left(text, set), set)));
}

Value upper(Interpreter& in, const Value& self, const Args&) { return make(in, to_upper(in.text(self))); }
Value lower(Interpreter& in, const Value& self, const Args&) { return make(in, to_lower(in.text(self))); }

Value capitalize(Interpreter& in, const Value& self, const Args&) { return make(in, capitalize_text(in.text(self))); }

// Words begin after white space and after - ( { [ <, which is not str.title.
Value title(Interpreter& in, const Value& self, const Args&) {
  const std::string text = in.text(self);
  std::string out;
  bool begins = true;
  for (const std::string_view character : characters(text)) {
    const bool between =
        leading_space(character) > 0 || std::string_view("-({[<").find(character) != std::string::npos;
    out += between ? std::string(character) : begins ? to_upper(character) : to_lower(character);
    begins = between;
  }
  return make(in, std::move(out));
}

Value replace(Interpreter& in, const Value& self, const Args& args) {
  const int64_t count = args[2].is_integral() ? args[2].as_integer() : -1;
  return make(in, replace_text(in.heap, in.text(self), in.text(args[0]), in.text(args[1]), count));
}

Value string(Interpreter& in, const Value& self, const Args&) {
  return self.is_string() ? self : make(in, in.text(self));
}

Value safe(Interpreter& in, const Value& self, const Args&) {
  Value out = make(in, in.text(self));
  out.markup = true;
  return out;
}

Value escape(Interpreter& in, const Value& self, const Args&) {
  Value out = make(in, self.is_string() ? escaped(self) : escape_html(in.text(self)));
  out.markup = true;
  return out;
}

Value force_escape(Interpreter& in, const Value& self, const Args&) {
  Value out = make(in, escape_html(in.text(self)));
  out.markup = true;
  return out;
}

Value indent(Interpreter& in, const Value& self, const Args& args) {
  if (!self.is_string()) fail(fmt::format("\"indent\" takes a str, not {}", type_name(self)));
  std::string margin(4, ' ');
  if (args[0].is_string()) margin = *args[0].string;
  if (args[0].is_integral()) margin = spaces(in.heap, args[0].as_integer());
  const bool first = truth(args[1]), blank = truth(args[2]);
  const std::string text = *self.string + "\n";
  std::string out;
  size_t number = 0;
  for (const std::string_view line : split_lines(text)) {
    if (number++ > 0) out += '\n';
    if (number == 1 ? first : blank || !line.empty()) out += margin;
    out += line;
    in.heap.room(out.size());
  }
  return make(in, std::move(out));
}

Value center(Interpreter& in, const Value& self, const Args& args) {
  const std::string text = in.text(self);
  return make(in, center_text(in.heap, text, args[0].is_absent() ? 80 : integer_of(args[0]), " "));
}

Value truncate(Interpreter& in, const Value& self, const Args& args) {
  if (!self.is_string()) fail(fmt::format("\"truncate\" takes a str, not {}", type_name(self)));
  const int64_t length = args[0].is_absent() ? 255 : integer_of(args[0]);
  const std::string end = args[2].is_absent() ? "..." : in.text(args[2]);
  const int64_t leeway = args[3].is_integral() ? args[3].as_integer() : 5;
  const auto all = characters(*self.string);
  const auto kept = length - static_cast<int64_t>(count_characters(end));
  if (kept < 0 || leeway < 0) fail("\"truncate\" has a length below that of its end");
  if (static_cast<int64_t>(all.size()) - leeway <= length) return self;
  std::string out;
  for (int64_t i = 0; i < kept; ++i) out += all[static_cast<size_t>(i)];
  if (!truth(args[1])) out = out.substr(0, out.rfind(' '));
  return make(in, out + end);
}

Value wordcount(Interpreter& in, const Value& self, const Args&) {
  const std::string text = in.text(self);
  int64_t count = 0;
  bool inside = false;
  for (const std::string_view character : characters(text)) {
    const bool word = is_word(character);
    count += word && !inside;
    inside = word;
  }
  return Value::of(count);
}

Value format(Interpreter& in, const Value& self, const Args& args) {
  const std::string text = in.text(self);
  if (args.call->named.empty()) return percent_format(in.heap, text, in.heap.tuple(args.call->positional));
  if (!args.call->positional.empty()) fail("\"format\" takes values by position or by name, not both");
  Dict dict;
  for (const auto& [name, value] : args.call->named) insert(in.heap, dict, make(in, name), value);
  return percent_format(in.heap, text, in.heap.dict(std::move(dict)));
}

// The whole of a text as a number; false: it is none.
bool read_real(std::string_view text, double& out) {
  std::string digits(strip_right(strip_left(text)));
  std::erase(digits, '_');
  if (digits.empty() || digits.find_first_of("xXpP(") != std::string::npos) return false;
  char* end = nullptr;
  out = std::strtod(digits.c_str(), &end);
  return end == digits.c_str() + digits.size();
}

bool read_integer(std::string_view text, int base, int64_t& out) {
  std::string digits(strip_right(strip_left(text)));
  if (digits.find_first_of(" \t\n") != std::string::npos) return false;
  std::erase(digits, '_');
  std::string_view body = digits;
  if (!body.empty() && (body[0] == '-' || body[0] == '+')) body.remove_prefix(1);
  if (body.empty()) return false;
  if (base == 0 || base == 2 || base == 8 || base == 16) {
    const char mark = body.size() > 2 && body[0] == '0' ? static_cast<char>(body[1] | 0x20) : '\0';
    const int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked != 0 && (base == 0 || base == marked)) {
      base = marked;
      body.remove_prefix(2);
    }
    if (base == 0) base = 10;
  }
  if (base < 2 || base > 36) return false;
  const std::string number = (digits[0] == '-' ? "-" : "") + std::string(body);
  char* end = nullptr;
  errno = 0;
  out = std::strtoll(number.c_str(), &end, base);
  if (end != number.c_str() + number.size() || body.find_first_of("+- ") != body.npos) return false;
  if (errno == ERANGE) fail("a number does not fit 64 bits");
  return true;
}

Value to_integer(Interpreter&, const Value& self, const Args& args) {
  const Value otherwise = args[0].is_absent() ? Value::of(int64_t{0}) : args[0];
  const int64_t base = args[1].is_integral() ? args[1].as_integer() : 10;
  double real = 0;
  if (self.is_string()) {
    int64_t out = 0;
    if (base >= 0 && base <= 36 && read_integer(*self.string, static_cast<int>(base), out)) return Value::of(out);
    if (!read_real(*self.string, real)) return otherwise;
  } else if (self.is(Kind::undefined)) {
    fail("an undefined value is no number");
  } else if (self.is_integral()) {
    return Value::of(self.as_integer());
  } else if (self.is(Kind::real)) {
    real = self.real;
  } else {
    return otherwise;
  }
  if (std::isnan(real) || std::isinf(real)) return otherwise;
  if (std::abs(real) >= 9.2e18) fail("a number does not fit 64 bits");
  return Value::of(static_cast<int64_t>(real));
}

Value to_real(Interpreter&, const Value& self, const Args& args) {
  const Value otherwise = args[0].is_absent() ? Value::of(0.0) : args[0];
  if (self.is(Kind::undefined)) fail("an undefined value is no number");
  double out = 0;
  if (self.is_string()) return read_real(*self.string, out) ? Value::of(out) : otherwise;
  return self.is_number() ? Value::of(self.as_real()) : otherwise;
}

Value absolute(Interpreter&, const Value& self, const Args&) {
  if (!self.is_number()) fail(fmt::format("\"abs\" takes a number, not {}", type_name(self)));
  if (self.is(Kind::real)) return Value::of(std::abs(self.real));
  if (self.as_integer() == INT64_MIN) fail("a number does not fit 64 bits");
  return Value::of(std::abs(self.as_integer()));
}

// Of an integer, to tens and hundreds: halves to the even one.
int64_t round_integer(int64_t value, int64_t places) {
  if (places >= 0) return value;
  if (places < -18) return 0;
  int64_t unit = 1;
  for (int64_t i = 0; i < -places; ++i) unit *= 10;
  int64_t down = value / unit, rest = value % unit;
  if (rest < 0) {
    rest += unit;
    --down;
  }
  if (rest > unit - rest || (rest == unit - rest && (down & 1) != 0)) ++down;
  int64_t out = 0;
  if (__builtin_mul_overflow(down, unit, &out)) fail("a number does not fit 64 bits");
  return out;
}

Value round(Interpreter& in, const Value& self, const Args& args) {
  if (!self.is_number()) fail(fmt::format("\"round\" takes a number, not {}", type_name(self)));
  const int64_t places = args[0].is_absent() ? 0 : std::clamp<int64_t>(integer_of(args[0]), -400, 400);
  const std::string method = args[1].is_absent() ? "common" : in.text(args[1]);
  if (method == "common") {
    if (self.is_integral()) return Value::of(round_integer(self.as_integer(), places));
    if (!std::isfinite(self.real)) return self;
    // The decimal digits of a double are exact, so rounding them rounds the number.
    if (places >= 0) return Value::of(std::strtod(fmt::format("{:.{}f}", self.real, places).c_str(), nullptr));
    const double unit = std::pow(10.0, static_cast<double>(-places));
    return Value::of(std::nearbyint(self.real / unit) * unit);
  }
  if (method != "ceil" && method != "floor") fail("\"round\" knows common, ceil and floor");
  const double unit = std::pow(10.0, static_cast<double>(places));
  const double scaled = self.as_real() * unit;
  return Value::of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

Value to_json(Interpreter& in, const Value& self, const Args& args) {
  JsonStyle style;
  style.ascii = truth(args[0]);
  style.sort_keys = truth(args[3]);
  if (args[1].is_string() || args[1].is_integral()) {
    style.pretty = true;
    style.item_separator = ",";
    style.indent = args[1].is_string() ? *args[1].string : spaces(in.heap, args[1].as_integer());
  }
  if (args[2].is_sequence()) {
    if (args[2].list->size() != 2) fail("\"tojson\" takes two separators");
    style.item_separator = in.text((*args[2].list)[0]);
    style.key_separator = in.text((*args[2].list)[1]);
  }
  std::string out;
  print_json(in.heap, out, self, style);
  return make(in, std::move(out));
}

}  // namespace

constexpr Row kTextFilters[] = {
    {"trim", "chars?", trim},
    {"upper", "", upper},
    {"lower", "", lower},
    {"capitalize", "", capitalize},
    {"title", "", title},
    {"replace", "old new count?", replace},
    {"string", "", string},
    {"safe", "", safe},
    {"escape", "", escape},
    {"e", "", escape},
    {"forceescape", "", force_escape},
    {"indent", "width? first? blank?", indent},
    {"center", "width?", center},
    {"truncate", "length? killwords? end? leeway?", truncate},
    {"wordcount", "", wordcount},
    {"format", "*", format},
    {"int", "default? base?", to_integer},
    {"float", "default?", to_real},
    {"abs", "", absolute},
    {"round", "precision? method?", round},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", to_json},
};

std::span<const Row> text_filters() { return kTextFilters; }

}  // namespace lowbit::text::jinja
