// Values of a template while it is rendered, with Python's meaning. All of them live in a Heap until the rendering
// ends: values are plain and may point in circles.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lowbit::text::jinja {

// Thrown inside the interpreter only; Template::parse and Template::render turn it into an Error. line 0: not known
// yet.
struct Failure {
  std::string message;
  int line = 0;
};
[[noreturn]] void fail(std::string message);

enum class Kind : uint8_t { absent, undefined, none, boolean, integer, real, string, list, tuple, dict, object };

struct Value;
struct Object;
using List = std::vector<Value>;

struct Value {
  Kind kind = Kind::undefined;
  bool markup = false;  // a string of the filters `safe` and `escape`
  union {
    bool boolean;
    int64_t integer;
    double real;
    const std::string* string;  // of undefined: its name, or null
    const List* list;           // of list and tuple
    const struct Dict* dict;
    Object* object;
  };

  Value() : string(nullptr) {}
  static Value none() { return of(Kind::none); }
  static Value absent() { return of(Kind::absent); }
  static Value of(bool value);
  static Value of(int64_t value);
  static Value of(double value);
  static Value borrowed(const std::string* text);
  static Value undefined(const std::string* name);
  static Value of(Object* object);

  bool is(Kind k) const { return kind == k; }
  bool is_absent() const { return kind == Kind::absent; }
  bool is_string() const { return kind == Kind::string; }
  bool is_integral() const { return kind == Kind::integer || kind == Kind::boolean; }
  bool is_number() const { return is_integral() || kind == Kind::real; }
  bool is_sequence() const { return kind == Kind::list || kind == Kind::tuple; }
  int64_t as_integer() const { return kind == Kind::boolean ? (boolean ? 1 : 0) : integer; }
  double as_real() const { return kind == Kind::real ? real : static_cast<double>(as_integer()); }

 private:
  static Value of(Kind kind);
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;  // in the order of insertion
};

struct Object {
  enum class Type : uint8_t { iterator, view, range, space, function, macro, method, loop, cycler, joiner };
  explicit Object(Type t) : type(t) {}
  virtual ~Object() = default;
  Type type;
};

// What filters such as map and select return: always true, without length, read once.
struct Iterator : Object {
  explicit Iterator(List values) : Object(Type::iterator), items(std::move(values)) {}
  List items;
  size_t next = 0;
};

// dict.keys(), .values(), .items(): `items` holds what it runs over.
struct View : Object {
  View(const char* n, List values) : Object(Type::view), name(n), items(std::move(values)) {}
  const char* name;
  List items;
};

struct Range : Object {
  Range(int64_t a, int64_t b, int64_t s, int64_t n) : Object(Type::range), start(a), stop(b), step(s), count(n) {}
  int64_t start, stop, step, count;
};

struct Namespace : Object {
  Namespace() : Object(Type::space) {}
  Dict values;
};

struct Limits {
  uint64_t steps = 20'000'000;    // nodes evaluated and items visited
  uint64_t bytes = 256ULL << 20;  // of all values made, freed or not
  uint64_t output = 64ULL << 20;
  int depth = 1500;  // of nested nodes and calls
};

// Owns the values of one rendering and counts what it costs.
class Heap {
 public:
  explicit Heap(const Limits& limits) : steps_(limits.steps), bytes_(limits.bytes) {}

  // One unit of work each; a Failure where the limit is passed.
  void step(uint64_t count = 1);
  // Memory that will be taken. `room` only asks whether it could be.
  void grow(uint64_t bytes);
  void room(uint64_t bytes) const;

  Value string(std::string text);
  Value list(List items);
  Value tuple(List items);
  Value dict(Dict items);
  Value pair(const Value& first, const Value& second) { return tuple({first, second}); }
  Value iterator(List items) { return Value::of(make<Iterator>(std::move(items))); }
  template <class T, class... Args>
  T* make(Args&&... args) {
    grow(sizeof(T));
    auto owned = std::make_unique<T>(std::forward<Args>(args)...);
    T* out = owned.get();
    objects_.push_back(std::move(owned));
    return out;
  }
  // Strings are borrowed from the JSON value.
  Value from_json(const nlohmann::ordered_json& json, int depth = 0);

 private:
  uint64_t steps_, bytes_;
  std::deque<std::string> strings_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::vector<std::unique_ptr<Object>> objects_;
};

// "str", "list", … as Python names the type.
const char* type_name(const Value& value);
bool truth(const Value& value);
// a == b.
bool equal(Heap& heap, const Value& a, const Value& b, int depth = 0);
// a < b; a Failure where Python has no order.
bool less(Heap& heap, const Value& a, const Value& b, int depth = 0);
// item in container.
bool contains(Heap& heap, const Value& container, const Value& item);
const Value* find(Heap& heap, const Dict& dict, const Value& key);
const Value* find(const Dict& dict, std::string_view key);
void insert(Heap& heap, Dict& dict, const Value& key, const Value& value);

// str() and repr().
void print(Heap& heap, std::string& out, const Value& value);
void print_repr(Heap& heap, std::string& out, const Value& value, int depth = 0);
std::string to_text(Heap& heap, const Value& value);
std::string print_real(double value);

// The items of anything iterable (characters of strings, keys of dicts); reads an iterator to its end.
List items_of(Heap& heap, const Value& value);
bool iterable(const Value& value);
// len(); a Failure for what has none.
int64_t length_of(const Value& value);

struct JsonStyle {
  bool ascii = false, sort_keys = false;
  bool pretty = false;
  std::string indent, item_separator = ", ", key_separator = ": ";
};
void print_json(Heap& heap, std::string& out, const Value& value, const JsonStyle& style, int depth = 0);

}  // namespace lowbit::text::jinja
