// Methods of lists, dicts and the objects of loops; which methods a value has.
#include <fmt/format.h>

#include "text/jinja/filters.h"
#include "text/jinja/written_formats.h"

namespace lowbit::text::jinja {

std::span<const Row> string_methods();

namespace {

Value keys(Interpreter& in, const Value& self, const Args&) {
  return Value::of(in.heap.make<View>("dict_keys", items_of(in.heap, self)));
}

Value values(Interpreter& in, const Value& self, const Args&) {
  List out;
  for (const auto& item : self.dict->items) out.push_back(item.second);
  in.heap.step(out.size());
  return Value::of(in.heap.make<View>("dict_values", std::move(out)));
}

Value items(Interpreter& in, const Value& self, const Args&) {
  List out;
  for (const auto& [key, value] : self.dict->items) out.push_back(in.heap.pair(key, value));
  in.heap.step(out.size());
  return Value::of(in.heap.make<View>("dict_items", std::move(out)));
}

Value get(Interpreter& in, const Value& self, const Args& args) {
  if (const Value* value = find(in.heap, *self.dict, args[0])) return *value;
  return args[1].is_absent() ? Value::none() : args[1];
}

Value copy(Interpreter& in, const Value& self, const Args&) {
  if (self.is(Kind::dict)) {
    in.heap.step(self.dict->items.size());
    return in.heap.dict(*self.dict);
  }
  return in.heap.list(items_of(in.heap, self));
}

// What would change a value in place; jinja2's immutable sandbox forbids it, too.
Value forbidden(Interpreter&, const Value& self, const Args&) {
  fail(fmt::format("a template must not change a {}", type_name(self)));
}

Value count(Interpreter& in, const Value& self, const Args& args) {
  int64_t out = 0;
  for (const Value& item : *self.list) out += equal(in.heap, item, args[0]) ? 1 : 0;
  return Value::of(out);
}

Value index(Interpreter& in, const Value& self, const Args& args) {
  for (size_t i = 0; i < self.list->size(); ++i) {
    if (equal(in.heap, (*self.list)[i], args[0])) return Value::of(static_cast<int64_t>(i));
  }
  fail("\"index\" finds nothing");
}

Value cycle(Interpreter&, const Value& self, const Args& args) {
  const List& given = args.call->positional;
  if (given.empty()) fail("\"cycle\" takes at least one value");
  return given[static_cast<Loop*>(self.object)->index % given.size()];
}

Value changed(Interpreter& in, const Value& self, const Args& args) {
  auto& loop = *static_cast<Loop*>(self.object);
  const Value now = in.heap.tuple(args.call->positional);
  const bool out = loop.last_changed.is_absent() || !equal(in.heap, loop.last_changed, now);
  loop.last_changed = now;
  return Value::of(out);
}

Value cycler_next(Interpreter&, const Value& self, const Args&) {
  auto& cycler = *static_cast<Cycler*>(self.object);
  const Value out = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return out;
}

Value cycler_reset(Interpreter&, const Value& self, const Args&) {
  static_cast<Cycler*>(self.object)->position = 0;
  return Value::none();
}

constexpr Row kDictMethods[] = {
    {"get", "/ key default?", get}, {"items", "", items},        {"keys", "", keys},
    {"values", "", values},         {"copy", "", copy},          {"update", "*", forbidden},
    {"pop", "*", forbidden},        {"popitem", "*", forbidden}, {"clear", "*", forbidden},
    {"setdefault", "*", forbidden},
};
constexpr Row kListMethods[] = {
    {"index", "/ value", index}, {"count", "/ value", count}, {"copy", "", copy},       {"append", "*", forbidden},
    {"extend", "*", forbidden},  {"insert", "*", forbidden},  {"pop", "*", forbidden},  {"remove", "*", forbidden},
    {"clear", "*", forbidden},   {"reverse", "*", forbidden}, {"sort", "*", forbidden},
};
constexpr Row kLoopMethods[] = {{"cycle", "*", cycle}, {"changed", "*", changed}};
constexpr Row kCyclerMethods[] = {{"next", "", cycler_next}, {"reset", "", cycler_reset}};

std::span<const Row> methods_of(const Value& self) {
  if (self.is_string()) return string_methods();
  if (self.is(Kind::dict)) return kDictMethods;
  if (self.is(Kind::list)) return kListMethods;
  if (self.is(Kind::tuple)) return std::span(kListMethods).first(2);
  if (!self.is(Kind::object)) return {};
  if (self.object->type == Object::Type::loop) return kLoopMethods;
  if (self.object->type == Object::Type::cycler) return kCyclerMethods;
  return {};
}

// A value of a field, as a format specification asks for it.
std::string write_field(Interpreter& in, const Value& value, char conversion, const std::string& spec) {
  std::string text;
  conversion == 'r' || conversion == 'a' ? print_repr(in.heap, text, value) : print(in.heap, text, value);
  if (spec.empty()) return text;
  if (spec.size() > 12 || spec.find_first_of("{}") != spec.npos) fail("a format has a specification not known here");
  size_t digits = 0;
  for (const char c : spec) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 4) fail("a format is too wide");
  }
  const std::string format = "{:" + spec + "}";
  try {
    if (conversion == '\0' && value.is(Kind::real)) return fmt::format(fmt::runtime(format), value.real);
    if (conversion == '\0' && value.is_integral()) {
      const bool real = std::string_view("eEfFgG%").find(spec.back()) != std::string_view::npos;
      return real ? fmt::format(fmt::runtime(format), value.as_real())
                  : fmt::format(fmt::runtime(format), value.as_integer());
    }
    if (conversion == '\0' && !value.is_string()) fail(fmt::format("{} takes no format", type_name(value)));
    return fmt::format(fmt::runtime(format), text);
  } catch (const std::exception&) {
    fail("a format has a specification not known here");
  }
}

// The value that a field names: nothing (the next one), a number, or a name; then .name and [name].
Value find_field(Interpreter& in, std::string_view field, const Call& call, size_t& next) {
  const size_t end = std::min(field.find_first_of(".["), field.size());
  const std::string_view name = field.substr(0, end);
  Value out = Value::absent();
  if (name.empty() || name.find_first_not_of("0123456789") == name.npos) {
    if (name.size() > 4) fail("a format has too few values");
    const size_t at = name.empty() ? next++ : static_cast<size_t>(std::stoi(std::string(name)));
    if (at < call.positional.size()) out = call.positional[at];
  }
  for (const auto& [key, value] : call.named) {
    if (key == name) out = value;
  }
  if (out.is_absent()) fail("a format names a value that is not there");
  for (std::string_view left = field.substr(end); !left.empty();) {
    const bool item = left[0] == '[';
    left.remove_prefix(1);
    const std::string_view part = left.substr(0, item ? left.find(']') : left.find_first_of(".["));
    left.remove_prefix(std::min(part.size() + (item ? 1 : 0), left.size()));
    const bool number = item && !part.empty() && part.size() < 5 && part.find_first_not_of("0123456789") == part.npos;
    const Value key = in.heap.string(std::string(part));
    if (!item && part.starts_with('_')) fail("a format asks for a private name");
    out = number ? in.subscript(out, Value::of(int64_t{std::stoi(std::string(part))})) : in.subscript(out, key);
    if (out.is(Kind::undefined)) fail("a format names a value that is not there");
  }
  return out;
}

}  // namespace

Value brace_format(Interpreter& in, const std::string& format, const Call& call) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    in.heap.room(out.size());
    const char c = format[i];
    if (c != '{' && c != '}') {
      out += c;
    } else if (i + 1 < format.size() && format[i + 1] == c) {
      out += c;
      ++i;
    } else {
      const size_t end = format.find('}', i);
      if (c == '}' || end == std::string::npos) fail("a format has a brace without its other one");
      std::string_view field = std::string_view(format).substr(i + 1, end - i - 1);
      const size_t colon = field.find(':');
      const std::string spec(colon == field.npos ? "" : field.substr(colon + 1));
      field = field.substr(0, colon);
      const size_t mark = field.find('!');
      const char conversion = mark == field.npos || mark + 1 >= field.size() ? '\0' : field[mark + 1];
      out += write_field(in, find_field(in, field.substr(0, mark), call, next), conversion, spec);
      i = end;
    }
  }
  return in.heap.string(std::move(out));
}

const Row* find_method(const Value& self, std::string_view name) {
  for (const Row& row : methods_of(self)) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace lowbit::text::jinja
