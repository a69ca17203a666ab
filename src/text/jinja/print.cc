// str(), repr() and json.dumps() of values.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/characters.h"
#include "text/jinja/value.h"

namespace lowbit::text::jinja {
namespace {

constexpr int kMaxNesting = 200;

void check(Heap& heap, const std::string& out, int depth) {
  heap.step();
  heap.room(out.size());
  if (depth > kMaxNesting) fail("a value is nested too deeply");
}

void print_string_repr(std::string& out, const std::string& text) {
  const char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
  out += quote;
  for (const std::string_view character : characters(text)) {
    const char32_t code = decode(character);
    if (character[0] == quote || character[0] == '\\') {
      out.append("\\").append(character);
    } else if (code == '\n' || code == '\r' || code == '\t') {
      out.append(code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t");
    } else if (is_printable(character)) {
      out += character;
    } else if (code < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(code));
    } else {
      out += code < 0x10000 ? fmt::format("\\u{:04x}", static_cast<uint32_t>(code))
                            : fmt::format("\\U{:08x}", static_cast<uint32_t>(code));
    }
  }
  out += quote;
}

void print_items(Heap& heap, std::string& out, const List& items, int depth) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out += ", ";
    first = false;
    print_repr(heap, out, item, depth + 1);
  }
}

void print_dict(Heap& heap, std::string& out, const Dict& dict, int depth) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : dict.items) {
    if (!first) out += ", ";
    first = false;
    print_repr(heap, out, key, depth + 1);
    out += ": ";
    print_repr(heap, out, value, depth + 1);
  }
  out += '}';
}

void print_object(Heap& heap, std::string& out, const Object& object, int depth) {
  if (object.type == Object::Type::view) {
    const auto& view = static_cast<const View&>(object);
    out.append(view.name).append("([");
    print_items(heap, out, view.items, depth);
    out += "])";
  } else if (object.type == Object::Type::range) {
    const auto& range = static_cast<const Range&>(object);
    out += range.step == 1 ? fmt::format("range({}, {})", range.start, range.stop)
                           : fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
  } else if (object.type == Object::Type::space) {
    out += "<Namespace ";
    print_dict(heap, out, static_cast<const Namespace&>(object).values, depth);
    out += '>';
  } else {
    Value value = Value::of(const_cast<Object*>(&object));
    out.append("<").append(type_name(value)).append(">");
  }
}

void print_json_string(std::string& out, const std::string& text, bool ascii) {
  out += '"';
  for (const std::string_view character : characters(text)) {
    const char32_t code = decode(character);
    constexpr std::string_view kNamed = "\"\\\b\f\n\r\t";
    const size_t named = character.size() == 1 ? kNamed.find(character[0]) : kNamed.npos;
    if (named != kNamed.npos) {
      out.append("\\").append(1, "\"\\bfnrt"[named]);
    } else if (code < 0x20 || (ascii && code >= 0x7f && code < 0x10000)) {
      out += code == 0x7f ? "\x7f" : fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
    } else if (ascii && code >= 0x10000) {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((static_cast<uint32_t>(code) - 0x10000) >> 10),
                         0xDC00 + ((static_cast<uint32_t>(code) - 0x10000) & 0x3ff));
    } else {
      out += character;
    }
  }
  out += '"';
}

std::string json_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return print_real(value);
}

std::string json_key(const Value& key) {
  if (key.is_string()) return *key.string;
  if (key.is(Kind::boolean)) return key.boolean ? "true" : "false";
  if (key.is(Kind::integer)) return fmt::format("{}", key.integer);
  if (key.is(Kind::real)) return json_real(key.real);
  if (key.is(Kind::none)) return "null";
  fail(fmt::format("a key of JSON is no {}", type_name(key)));
}

// Opens an item of a container: the comma and the line break.
void begin_item(std::string& out, const JsonStyle& style, bool first, int depth) {
  if (!first) out += style.item_separator;
  if (!style.pretty) return;
  out += '\n';
  for (int i = 0; i < depth; ++i) out += style.indent;
}

void print_json_list(Heap& heap, std::string& out, const List& list, const JsonStyle& style, int depth) {
  out += '[';
  bool first = true;
  for (const Value& item : list) {
    begin_item(out, style, first, depth + 1);
    first = false;
    print_json(heap, out, item, style, depth + 1);
  }
  if (!first) begin_item(out, style, true, depth);
  out += ']';
}

void print_json_dict(Heap& heap, std::string& out, const Dict& dict, const JsonStyle& style, int depth) {
  auto items = dict.items;
  if (style.sort_keys) {
    std::sort(items.begin(), items.end(), [&](const auto& a, const auto& b) {
      if (!a.first.is_string() || !b.first.is_string()) fail("keys that are no strings cannot be sorted");
      return *a.first.string < *b.first.string;
    });
  }
  out += '{';
  bool first = true;
  for (const auto& [key, value] : items) {
    begin_item(out, style, first, depth + 1);
    first = false;
    print_json_string(out, json_key(key), style.ascii);
    out += style.key_separator;
    print_json(heap, out, value, style, depth + 1);
  }
  if (!first) begin_item(out, style, true, depth);
  out += '}';
}

}  // namespace

// As Python's repr: the shortest digits that give the same number, an exponent below 1e-4 and from 1e16 on.
std::string print_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const int decimals = std::max(0, static_cast<int>(e) - 2 - (std::signbit(value) ? 1 : 0));
  std::string out = fmt::format("{:.{}f}", value, std::max(0, decimals - exponent));
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

void print_repr(Heap& heap, std::string& out, const Value& value, int depth) {
  check(heap, out, depth);
  switch (value.kind) {
    case Kind::absent:
    case Kind::undefined:
      out += "Undefined";
      return;
    case Kind::none:
      out += "None";
      return;
    case Kind::boolean:
      out += value.boolean ? "True" : "False";
      return;
    case Kind::integer:
      out += fmt::format("{}", value.integer);
      return;
    case Kind::real:
      out += print_real(value.real);
      return;
    case Kind::string:
      if (value.markup) out += "Markup(";
      print_string_repr(out, *value.string);
      if (value.markup) out += ')';
      return;
    case Kind::list:
      out += '[';
      print_items(heap, out, *value.list, depth);
      out += ']';
      return;
    case Kind::tuple:
      out += '(';
      print_items(heap, out, *value.list, depth);
      out += value.list->size() == 1 ? ",)" : ")";
      return;
    case Kind::dict:
      print_dict(heap, out, *value.dict, depth);
      return;
    case Kind::object:
      print_object(heap, out, *value.object, depth);
      return;
  }
}

void print(Heap& heap, std::string& out, const Value& value) {
  if (value.is_string()) {
    out += *value.string;
  } else if (!value.is(Kind::undefined)) {
    print_repr(heap, out, value);
  }
}

std::string to_text(Heap& heap, const Value& value) {
  std::string out;
  print(heap, out, value);
  return out;
}

void print_json(Heap& heap, std::string& out, const Value& value, const JsonStyle& style, int depth) {
  check(heap, out, depth);
  heap.room(style.indent.size() * static_cast<size_t>(depth + 1) + out.size());
  switch (value.kind) {
    case Kind::none:
      out += "null";
      return;
    case Kind::boolean:
      out += value.boolean ? "true" : "false";
      return;
    case Kind::integer:
      out += fmt::format("{}", value.integer);
      return;
    case Kind::real:
      out += json_real(value.real);
      return;
    case Kind::string:
      print_json_string(out, *value.string, style.ascii);
      return;
    case Kind::list:
    case Kind::tuple:
      print_json_list(heap, out, *value.list, style, depth);
      return;
    case Kind::dict:
      print_json_dict(heap, out, *value.dict, style, depth);
      return;
    default:
      fail(fmt::format("{} cannot be written as JSON", type_name(value)));
  }
}

}  // namespace lowbit::text::jinja
