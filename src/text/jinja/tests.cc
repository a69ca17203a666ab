// Tests: what stands after "is".
#include <fmt/format.h>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"

namespace lowbit::text::jinja {
namespace {

Value remainder(Interpreter& in, const Value& self, const Value& by) {
  if (!self.is_number()) fail(fmt::format("a test of numbers got {}", type_name(self)));
  return in.arithmetic("%", self, by);
}

bool of_kind(const Value& self, Kind kind) { return self.kind == kind; }

// All letters of one case, and at least one.
bool all_of_case(const std::string& text, bool (*is_case)(std::string_view), bool (*is_other)(std::string_view)) {
  bool any = false;
  for (const std::string_view character : characters(text)) {
    if (is_other(character)) return false;
    any = any || is_case(character);
  }
  return any;
}

bool is_sequence(const Value& self) {
  if (self.is(Kind::object)) return self.object->type == Object::Type::range;
  return self.is(Kind::undefined) || self.is_string() || self.is_sequence() || self.is(Kind::dict);
}

bool is_callable(const Value& self) {
  if (self.is(Kind::undefined)) return true;  // as jinja2 has it
  if (!self.is(Kind::object)) return false;
  const Object::Type type = self.object->type;
  return type == Object::Type::function || type == Object::Type::macro || type == Object::Type::method ||
         type == Object::Type::loop || type == Object::Type::joiner;
}

bool same(Heap& heap, const Value& a, const Value& b) {
  if (a.kind != b.kind) return false;
  if (a.is_sequence()) return a.list == b.list;
  if (a.is(Kind::dict)) return a.dict == b.dict;
  if (a.is(Kind::object)) return a.object == b.object;
  return equal(heap, a, b);
}

#define LOWBIT_TEST(expression)                                       \
  [](Interpreter& in, const Value& self, const Args& args) -> Value { \
    (void)in, (void)self, (void)args;                                 \
    return Value::of(static_cast<bool>(expression));                  \
  }

constexpr Row kTests[] = {
    {"defined", "", LOWBIT_TEST(!of_kind(self, Kind::undefined))},
    {"undefined", "", LOWBIT_TEST(of_kind(self, Kind::undefined))},
    {"none", "", LOWBIT_TEST(of_kind(self, Kind::none))},
    {"string", "", LOWBIT_TEST(self.is_string())},
    {"number", "", LOWBIT_TEST(self.is_number())},
    {"integer", "", LOWBIT_TEST(of_kind(self, Kind::integer))},
    {"float", "", LOWBIT_TEST(of_kind(self, Kind::real))},
    {"boolean", "", LOWBIT_TEST(of_kind(self, Kind::boolean))},
    {"true", "", LOWBIT_TEST(of_kind(self, Kind::boolean) && self.boolean)},
    {"false", "", LOWBIT_TEST(of_kind(self, Kind::boolean) && !self.boolean)},
    {"mapping", "", LOWBIT_TEST(of_kind(self, Kind::dict))},
    {"iterable", "", LOWBIT_TEST(iterable(self))},
    {"sequence", "", LOWBIT_TEST(is_sequence(self))},
    {"callable", "", LOWBIT_TEST(is_callable(self))},
    {"escaped", "", LOWBIT_TEST(self.is_string() && self.markup)},
    {"odd", "", LOWBIT_TEST(equal(in.heap, remainder(in, self, Value::of(int64_t{2})), Value::of(int64_t{1})))},
    {"even", "", LOWBIT_TEST(!truth(remainder(in, self, Value::of(int64_t{2}))))},
    {"divisibleby", "num", LOWBIT_TEST(!truth(remainder(in, self, args[0])))},
    {"lower", "", LOWBIT_TEST(all_of_case(in.text(self), is_lower, is_upper))},
    {"upper", "", LOWBIT_TEST(all_of_case(in.text(self), is_upper, is_lower))},
    {"sameas", "other", LOWBIT_TEST(same(in.heap, self, args[0]))},
    {"in", "seq", LOWBIT_TEST(contains(in.heap, args[0], self))},
    {"filter", "", LOWBIT_TEST(self.is_string() && find_filter(*self.string) != nullptr)},
    {"test", "", LOWBIT_TEST(self.is_string() && find_test(*self.string) != nullptr)},
    {"eq", "other", LOWBIT_TEST(equal(in.heap, self, args[0]))},
    {"equalto", "other", LOWBIT_TEST(equal(in.heap, self, args[0]))},
    {"==", "other", LOWBIT_TEST(equal(in.heap, self, args[0]))},
    {"ne", "other", LOWBIT_TEST(!equal(in.heap, self, args[0]))},
    {"!=", "other", LOWBIT_TEST(!equal(in.heap, self, args[0]))},
    {"lt", "other", LOWBIT_TEST(less(in.heap, self, args[0]))},
    {"lessthan", "other", LOWBIT_TEST(less(in.heap, self, args[0]))},
    {"<", "other", LOWBIT_TEST(less(in.heap, self, args[0]))},
    {"gt", "other", LOWBIT_TEST(less(in.heap, args[0], self))},
    {"greaterthan", "other", LOWBIT_TEST(less(in.heap, args[0], self))},
    {">", "other", LOWBIT_TEST(less(in.heap, args[0], self))},
    {"le", "other", LOWBIT_TEST(!less(in.heap, args[0], self))},
    {"<=", "other", LOWBIT_TEST(!less(in.heap, args[0], self))},
    {"ge", "other", LOWBIT_TEST(!less(in.heap, self, args[0]))},
    {">=", "other", LOWBIT_TEST(!less(in.heap, self, args[0]))},
};
#undef LOWBIT_TEST

}  // namespace

const Row* find_test(std::string_view name) {
  for (const Row& row : kTests) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace lowbit::text::jinja
