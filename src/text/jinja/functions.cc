// Functions that templates find without being given them.
#include <fmt/format.h>

#include "text/jinja/filters.h"

namespace lowbit::text::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // as jinja2's sandbox

Value range(Interpreter& in, const Value&, const Args& args) {
  const List& given = args.call->positional;
  if (given.empty() || given.size() > 3 || !args.call->named.empty()) fail("\"range\" takes 1 to 3 integers");
  for (const Value& value : given) (void)integer_of(value);
  const int64_t start = given.size() > 1 ? given[0].as_integer() : 0;
  const int64_t stop = given[given.size() > 1 ? 1 : 0].as_integer();
  const int64_t step = given.size() > 2 ? given[2].as_integer() : 1;
  if (step == 0) fail("the step of a range is 0");
  const __int128 distance = step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
  const __int128 stride = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
  const __int128 count = distance <= 0 ? 0 : (distance + stride - 1) / stride;
  if (count > kMaxRange) fail(fmt::format("a range has more than {} items", kMaxRange));
  return Value::of(in.heap.make<Range>(start, stop, step, static_cast<int64_t>(count)));
}

void fill(Interpreter& in, Dict& out, const Call& call) {
  if (call.positional.size() > 1) fail("a dict is made of one value and of named ones");
  if (!call.positional.empty() && call.positional[0].is(Kind::dict)) {
    in.heap.step(call.positional[0].dict->items.size());
    out = *call.positional[0].dict;
  } else if (!call.positional.empty()) {
    for (const Value& item : items_of(in.heap, call.positional[0])) {
      const List pair = items_of(in.heap, item);
      if (pair.size() != 2) fail("a dict is made of pairs");
      insert(in.heap, out, pair[0], pair[1]);
    }
  }
  for (const auto& [name, value] : call.named) insert(in.heap, out, in.heap.string(name), value);
}

Value dict(Interpreter& in, const Value&, const Args& args) {
  Dict out;
  fill(in, out, *args.call);
  return in.heap.dict(std::move(out));
}

Value make_namespace(Interpreter& in, const Value&, const Args& args) {
  auto* out = in.heap.make<Namespace>();
  fill(in, out->values, *args.call);
  in.heap.grow(out->values.items.size() * 2 * sizeof(Value));
  return Value::of(out);
}

Value cycler(Interpreter& in, const Value&, const Args& args) {
  if (args.call->positional.empty() || !args.call->named.empty()) fail("\"cycler\" takes at least one value");
  return Value::of(in.heap.make<Cycler>(Object::Type::cycler, args.call->positional));
}

Value joiner(Interpreter& in, const Value&, const Args& args) {
  const Value between = args[0].is_absent() ? in.heap.string(", ") : args[0];
  return Value::of(in.heap.make<Cycler>(Object::Type::joiner, List{between}));
}

Value raise_exception(Interpreter& in, const Value&, const Args& args) { fail(in.text(args[0])); }

Value strftime_now(Interpreter& in, const Value&, const Args& args) {
  const std::string format = in.text(args[0]);
  if (format.empty()) return in.heap.string("");
  char buffer[1024];
  const size_t size = std::strftime(buffer, sizeof buffer, format.c_str(), &in.now());
  return in.heap.string(std::string(buffer, size));
}

constexpr Row kFunctions[] = {
    {"range", "*", range},
    {"dict", "*", dict},
    {"namespace", "*", make_namespace},
    {"cycler", "*", cycler},
    {"joiner", "sep?", joiner},
    {"raise_exception", "message", raise_exception},
    {"strftime_now", "format", strftime_now},
};

}  // namespace

const Row* find_function(std::string_view name) {
  for (const Row& row : kFunctions) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace lowbit::text::jinja
