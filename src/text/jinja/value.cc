#include "text/jinja/value.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "text/jinja/characters.h"

namespace lowbit::text::jinja {
namespace {

constexpr int kMaxNesting = 200;

void check_nesting(Heap& heap, int depth) {
  heap.step();
  if (depth > kMaxNesting) fail("a value is nested too deeply");
}

const List* range_items(const Value& value) {
  if (value.is_sequence()) return value.list;
  if (!value.is(Kind::object)) return nullptr;
  return value.object->type == Object::Type::view ? &static_cast<View*>(value.object)->items : nullptr;
}

bool equal_lists(Heap& heap, const List& a, const List& b, int depth) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!equal(heap, a[i], b[i], depth + 1)) return false;
  }
  return true;
}

bool equal_dicts(Heap& heap, const Dict& a, const Dict& b, int depth) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = find(heap, b, key);
    if (other == nullptr || !equal(heap, value, *other, depth + 1)) return false;
  }
  return true;
}

bool equal_objects(const Object& a, const Object& b) {
  if (&a == &b) return true;
  if (a.type != Object::Type::range || b.type != Object::Type::range) return false;
  const auto& x = static_cast<const Range&>(a);
  const auto& y = static_cast<const Range&>(b);
  return x.count == y.count && (x.count == 0 || (x.start == y.start && (x.count == 1 || x.step == y.step)));
}

}  // namespace

void fail(std::string message) { throw Failure{std::move(message)}; }

Value Value::of(Kind kind) {
  Value out;
  out.kind = kind;
  return out;
}

Value Value::of(bool value) {
  Value out = of(Kind::boolean);
  out.boolean = value;
  return out;
}

Value Value::of(int64_t value) {
  Value out = of(Kind::integer);
  out.integer = value;
  return out;
}

Value Value::of(double value) {
  Value out = of(Kind::real);
  out.real = value;
  return out;
}

Value Value::borrowed(const std::string* text) {
  Value out = of(Kind::string);
  out.string = text;
  return out;
}

Value Value::undefined(const std::string* name) {
  Value out;
  out.string = name;
  return out;
}

Value Value::of(Object* object) {
  Value out = of(Kind::object);
  out.object = object;
  return out;
}

void Heap::step(uint64_t count) {
  if (count > steps_) fail("the template takes too many steps");
  steps_ -= count;
}

void Heap::room(uint64_t bytes) const {
  if (bytes > bytes_) fail("the template takes too much memory");
}

void Heap::grow(uint64_t bytes) {
  room(bytes);
  bytes_ -= bytes;
}

Value Heap::string(std::string text) {
  grow(text.size() + sizeof(std::string));
  return Value::borrowed(&strings_.emplace_back(std::move(text)));
}

Value Heap::list(List items) {
  grow(items.size() * sizeof(Value) + sizeof(List));
  Value out;
  out.kind = Kind::list;
  out.list = &lists_.emplace_back(std::move(items));
  return out;
}

Value Heap::tuple(List items) {
  Value out = list(std::move(items));
  out.kind = Kind::tuple;
  return out;
}

Value Heap::dict(Dict items) {
  grow(items.items.size() * 2 * sizeof(Value) + sizeof(Dict));
  Value out;
  out.kind = Kind::dict;
  out.dict = &dicts_.emplace_back(std::move(items));
  return out;
}

Value Heap::from_json(const nlohmann::ordered_json& json, int depth) {
  check_nesting(*this, depth);
  if (json.is_string()) return Value::borrowed(json.get_ptr<const std::string*>());
  if (json.is_boolean()) return Value::of(json.get<bool>());
  if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX) return Value::of(json.get<double>());
  if (json.is_number_integer()) return Value::of(json.get<int64_t>());
  if (json.is_number()) return Value::of(json.get<double>());
  if (json.is_array()) {
    List out;
    for (const auto& item : json) out.push_back(from_json(item, depth + 1));
    return list(std::move(out));
  }
  if (json.is_object()) {
    Dict out;
    for (auto it = json.begin(); it != json.end(); ++it) {
      out.items.emplace_back(Value::borrowed(&it.key()), from_json(it.value(), depth + 1));
    }
    return dict(std::move(out));
  }
  return Value::none();
}

const char* type_name(const Value& value) {
  switch (value.kind) {
    case Kind::absent:
    case Kind::undefined:
      return "undefined";
    case Kind::none:
      return "None";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::string:
      return "str";
    case Kind::list:
      return "list";
    case Kind::tuple:
      return "tuple";
    case Kind::dict:
      return "dict";
    case Kind::object:
      break;
  }
  static constexpr const char* kTypes[] = {"iterator", "view",   "range", "namespace", "function",
                                           "macro",    "method", "loop",  "cycler",    "joiner"};
  return kTypes[static_cast<size_t>(value.object->type)];
}

bool truth(const Value& value) {
  switch (value.kind) {
    case Kind::absent:
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
      return value.boolean;
    case Kind::integer:
      return value.integer != 0;
    case Kind::real:
      return value.real != 0;
    case Kind::string:
      return !value.string->empty();
    case Kind::list:
    case Kind::tuple:
      return !value.list->empty();
    case Kind::dict:
      return !value.dict->items.empty();
    case Kind::object:
      break;
  }
  if (value.object->type == Object::Type::range) return static_cast<Range*>(value.object)->count > 0;
  return value.object->type != Object::Type::view || !static_cast<View*>(value.object)->items.empty();
}

bool equal(Heap& heap, const Value& a, const Value& b, int depth) {
  check_nesting(heap, depth);
  if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
  if (a.is_number() && b.is_number()) return a.as_real() == b.as_real();
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::string:
      return *a.string == *b.string;
    case Kind::list:
    case Kind::tuple:
      return a.list == b.list || equal_lists(heap, *a.list, *b.list, depth);
    case Kind::dict:
      return a.dict == b.dict || equal_dicts(heap, *a.dict, *b.dict, depth);
    case Kind::object:
      return equal_objects(*a.object, *b.object);
    default:
      return true;
  }
}

bool less(Heap& heap, const Value& a, const Value& b, int depth) {
  check_nesting(heap, depth);
  if (a.is_integral() && b.is_integral()) return a.as_integer() < b.as_integer();
  if (a.is_number() && b.is_number()) return a.as_real() < b.as_real();
  if (a.is_string() && b.is_string()) return *a.string < *b.string;  // UTF-8 sorts as its characters do
  if (a.kind != b.kind || !a.is_sequence()) {
    fail(fmt::format("{} and {} cannot be ordered", type_name(a), type_name(b)));
  }
  for (size_t i = 0; i < std::min(a.list->size(), b.list->size()); ++i) {
    if (!equal(heap, (*a.list)[i], (*b.list)[i], depth + 1)) {
      return less(heap, (*a.list)[i], (*b.list)[i], depth + 1);
    }
  }
  return a.list->size() < b.list->size();
}

bool contains(Heap& heap, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) fail(fmt::format("\"in\" of a str takes a str, not {}", type_name(item)));
    return container.string->find(*item.string) != std::string::npos;
  }
  if (container.is(Kind::dict)) return find(heap, *container.dict, item) != nullptr;
  if (container.is(Kind::object) && container.object->type == Object::Type::iterator) {
    auto& iterator = static_cast<Iterator&>(*container.object);
    while (iterator.next < iterator.items.size()) {
      if (equal(heap, item, iterator.items[iterator.next++])) return true;
    }
    return false;
  }
  if (const List* list = range_items(container)) {
    for (const Value& each : *list) {
      if (equal(heap, item, each)) return true;
    }
    return false;
  }
  for (const Value& each : items_of(heap, container)) {
    if (equal(heap, item, each)) return true;
  }
  return false;
}

const Value* find(const Dict& dict, std::string_view key) {
  for (const auto& [name, value] : dict.items) {
    if (name.is_string() && *name.string == key) return &value;
  }
  return nullptr;
}

const Value* find(Heap& heap, const Dict& dict, const Value& key) {
  heap.step(1 + dict.items.size() / 8);
  if (key.is_string()) return find(dict, *key.string);
  for (const auto& [name, value] : dict.items) {
    if (equal(heap, name, key)) return &value;
  }
  return nullptr;
}

void insert(Heap& heap, Dict& dict, const Value& key, const Value& value) {
  if (key.is(Kind::list) || key.is(Kind::dict)) fail(fmt::format("a {} cannot be a key", type_name(key)));
  if (const Value* old = find(heap, dict, key)) {
    *const_cast<Value*>(old) = value;
  } else {
    dict.items.emplace_back(key, value);
  }
}

List items_of(Heap& heap, const Value& value) {
  List out;
  if (const List* list = range_items(value)) {
    out = *list;
  } else if (value.is(Kind::dict)) {
    for (const auto& item : value.dict->items) out.push_back(item.first);
  } else if (value.is_string()) {
    heap.room(value.string->size() * (sizeof(Value) + sizeof(std::string)));
    for (const std::string_view character : characters(*value.string)) {
      out.push_back(heap.string(std::string(character)));
    }
  } else if (value.is(Kind::object) && value.object->type == Object::Type::iterator) {
    auto& iterator = static_cast<Iterator&>(*value.object);
    out.assign(iterator.items.begin() + static_cast<ptrdiff_t>(iterator.next), iterator.items.end());
    iterator.next = iterator.items.size();
  } else if (value.is(Kind::object) && value.object->type == Object::Type::range) {
    const auto& range = static_cast<Range&>(*value.object);
    for (int64_t i = 0; i < range.count; ++i) out.push_back(Value::of(range.start + i * range.step));
  } else if (!value.is(Kind::undefined)) {
    fail(fmt::format("{} is not iterable", type_name(value)));
  }
  heap.step(out.size());
  return out;
}

bool iterable(const Value& value) {
  if (value.is(Kind::object)) return value.object->type <= Object::Type::range;
  return value.is(Kind::undefined) || value.kind >= Kind::string;
}

int64_t length_of(const Value& value) {
  if (const List* list = range_items(value)) return static_cast<int64_t>(list->size());
  if (value.is(Kind::dict)) return static_cast<int64_t>(value.dict->items.size());
  if (value.is_string()) return static_cast<int64_t>(count_characters(*value.string));
  if (value.is(Kind::undefined)) return 0;
  if (value.is(Kind::object) && value.object->type == Object::Type::range) {
    return static_cast<Range*>(value.object)->count;
  }
  fail(fmt::format("{} has no length", type_name(value)));
}

}  // namespace lowbit::text::jinja
