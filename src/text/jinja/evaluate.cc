#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/scopes.h"

namespace lowbit::text::jinja {
namespace {

int64_t clamp_index(int64_t index, int64_t length, int64_t low, int64_t high) {
  if (index < 0) index += length;
  return std::clamp(index, low, high);
}

// An index of Python, -length to length - 1, as a position; -1: outside.
int64_t position(const Value& key, int64_t length) {
  const int64_t index = key.as_integer();
  const int64_t at = index < 0 ? index + length : index;
  return at >= 0 && at < length ? at : -1;
}

bool is_object(const Value& value, Object::Type type) { return value.is(Kind::object) && value.object->type == type; }

std::string quoted_name(const Value& undefined) {
  return undefined.string == nullptr ? "a value" : fmt::format("\"{}\"", *undefined.string);
}

}  // namespace

Value Interpreter::evaluate(const Expr& expr) {
  const Depth depth(*this);
  heap.step();
  line_ = expr.line;
  const auto child = [&](size_t i) {
    const Value out = evaluate(*expr.children[i]);
    line_ = expr.line;
    return out;
  };
  switch (expr.kind) {
    case ExprKind::constant:
      return expr.value;
    case ExprKind::name:
      return evaluate_name(expr);
    case ExprKind::captured:
      return captured_;
    case ExprKind::list:
    case ExprKind::tuple:
      return evaluate_items(expr);
    case ExprKind::dict:
      return evaluate_dict(expr);
    case ExprKind::attribute:
      return attribute(child(0), expr.text);
    case ExprKind::subscript:
      return evaluate_subscript(expr);
    case ExprKind::slice:
      fail("a slice stands alone");
    case ExprKind::call:
      return evaluate_call(expr);
    case ExprKind::filter:
    case ExprKind::test:
      return evaluate_filter(expr);
    case ExprKind::negative:
    case ExprKind::positive:
      return evaluate_sign(expr);
    case ExprKind::logical_not:
      return Value::of(!truth(child(0)));
    case ExprKind::logical_and: {
      const Value left = child(0);
      return truth(left) ? child(1) : left;
    }
    case ExprKind::logical_or: {
      const Value left = child(0);
      return truth(left) ? left : child(1);
    }
    case ExprKind::compare:
      return evaluate_compare(expr);
    case ExprKind::arithmetic: {
      const Value left = child(0);
      return arithmetic(expr.text, left, child(1));
    }
    case ExprKind::concat:
      return evaluate_concat(expr);
    case ExprKind::conditional:
      if (truth(child(0))) return child(1);
      return expr.children[2] == nullptr ? Value() : child(2);
  }
  return {};
}

Value Interpreter::evaluate_filter(const Expr& expr) {
  const Value value = evaluate(*expr.children[0]);
  const Call call = arguments(expr);
  line_ = expr.line;
  return expr.kind == ExprKind::filter ? filter(expr.text, value, call) : Value::of(test(expr.text, value, call));
}

Value Interpreter::evaluate_name(const Expr& expr) {
  for (Frame* frame = frame_; frame != nullptr; frame = frame->parent) {
    if (const Value* value = frame->find(expr.text)) return *value;
  }
  if (const Row* row = find_function(expr.text)) return Value::of(heap.make<Function>(row));
  return Value::undefined(&expr.text);
}

Value Interpreter::evaluate_items(const Expr& expr) {
  List out;
  for (const ExprPtr& child : expr.children) out.push_back(evaluate(*child));
  return expr.kind == ExprKind::list ? heap.list(std::move(out)) : heap.tuple(std::move(out));
}

Value Interpreter::evaluate_dict(const Expr& expr) {
  Dict out;
  for (size_t i = 0; i < expr.children.size(); i += 2) {
    const Value key = evaluate(*expr.children[i]);
    insert(heap, out, key, evaluate(*expr.children[i + 1]));
  }
  return heap.dict(std::move(out));
}

Value Interpreter::evaluate_subscript(const Expr& expr) {
  const Value object = evaluate(*expr.children[0]);
  const Expr& key = *expr.children[1];
  if (key.kind != ExprKind::slice) return subscript(object, evaluate(key));
  const auto part = [&](size_t i) { return key.children[i] == nullptr ? Value::none() : evaluate(*key.children[i]); };
  const Value begin = part(0), end = part(1), step = part(2);
  return slice(object, begin, end, step);
}

Value Interpreter::evaluate_call(const Expr& expr, const Value* caller) {
  const Expr& callee = *expr.children[0];
  // Methods are called where they are found, without an object for each.
  if (callee.kind == ExprKind::attribute && caller == nullptr) {
    const Value self = evaluate(*callee.children[0]);
    if (const Row* row = find_method(self, callee.text)) {
      const Call call = arguments(expr);
      line_ = expr.line;
      return apply(*row, self, call);
    }
    const Value function = attribute(self, callee.text);
    return call(function, arguments(expr));
  }
  const Value function = evaluate(callee);
  Call call_arguments = arguments(expr);
  if (caller != nullptr) call_arguments.named.emplace_back("caller", *caller);
  line_ = expr.line;
  return call(function, call_arguments);
}

Call Interpreter::arguments(const Expr& expr) {
  Call out;
  for (const Argument& argument : expr.arguments) {
    const Value value = evaluate(*argument.value);
    if (argument.kind == Argument::Kind::positional) {
      out.positional.push_back(value);
    } else if (argument.kind == Argument::Kind::named) {
      out.named.emplace_back(argument.name, value);
    } else if (argument.kind == Argument::Kind::list) {
      const List items = items_of(heap, value);
      heap.room(items.size() * sizeof(Value));
      out.positional.insert(out.positional.end(), items.begin(), items.end());
    } else {
      if (!value.is(Kind::dict)) fail(fmt::format("\"**\" takes a dict, not {}", type_name(value)));
      for (const auto& [key, item] : value.dict->items) {
        if (!key.is_string()) fail("names of arguments are strings");
        out.named.emplace_back(*key.string, item);
      }
    }
  }
  return out;
}

Args Interpreter::bind(const Row& row, const Call& call) {
  Args out{{}, &call};
  if (row.parameters == "*") return out;
  size_t used = 0, position = 0;
  std::string_view left = row.parameters;
  if (left.starts_with("/ ")) {
    if (!call.named.empty()) fail(fmt::format("\"{}\" takes no named arguments", row.name));
    left.remove_prefix(2);
  }
  for (; !left.empty(); ++position) {
    std::string_view name = left.substr(0, left.find(' '));
    left.remove_prefix(std::min(name.size() + 1, left.size()));
    const bool optional = name.ends_with('?');
    if (optional) name.remove_suffix(1);
    Value value = position < call.positional.size() ? call.positional[position] : Value::absent();
    for (const auto& [key, named] : call.named) {
      if (key != name) continue;
      if (!value.is_absent()) fail(fmt::format("\"{}\" has two values for \"{}\"", row.name, name));
      value = named;
      ++used;
    }
    if (value.is_absent() && !optional) fail(fmt::format("\"{}\" lacks the argument \"{}\"", row.name, name));
    out.values.push_back(value);
  }
  if (call.positional.size() > position) fail(fmt::format("\"{}\" takes at most {} arguments", row.name, position));
  if (used < call.named.size()) fail(fmt::format("\"{}\" has an argument that it does not know", row.name));
  return out;
}

Value Interpreter::apply(const Row& row, const Value& self, const Call& call) {
  return row.apply(*this, self, bind(row, call));
}

Value Interpreter::call(const Value& callee, const Call& call) {
  const Depth depth(*this);
  if (callee.is(Kind::undefined)) fail(fmt::format("{} is undefined and cannot be called", quoted_name(callee)));
  if (!callee.is(Kind::object)) fail(fmt::format("{} cannot be called", type_name(callee)));
  Object* object = callee.object;
  switch (object->type) {
    case Object::Type::function:
      return apply(*static_cast<Function*>(object)->row, Value::absent(), call);
    case Object::Type::method:
      return apply(*static_cast<Method*>(object)->row, static_cast<Method*>(object)->self, call);
    case Object::Type::macro:
      return call_macro(*static_cast<Macro*>(object), call);
    case Object::Type::loop:
      if (call.positional.size() != 1) fail("a loop is called with one sequence");
      return recurse(*static_cast<Loop*>(object), call.positional[0]);
    case Object::Type::joiner: {
      auto& joiner = *static_cast<Cycler*>(object);
      if (joiner.position++ > 0) return joiner.items[0];
      return heap.string("");
    }
    default:
      fail(fmt::format("{} cannot be called", type_name(callee)));
  }
}

Value Interpreter::filter(const std::string& name, const Value& value, const Call& call) {
  const Depth depth(*this);
  const Row* row = find_filter(name);
  if (row == nullptr) fail(fmt::format("the filter \"{}\" is not known", name));
  return apply(*row, value, call);
}

bool Interpreter::test(const std::string& name, const Value& value, const Call& call) {
  const Depth depth(*this);
  const Row* row = find_test(name);
  if (row == nullptr) fail(fmt::format("the test \"{}\" is not known", name));
  return truth(apply(*row, value, call));
}

Value Interpreter::loop_attribute(Loop& loop, const std::string& name) {
  const auto count = static_cast<int64_t>(loop.items.size()), index = static_cast<int64_t>(loop.index);
  if (name == "index") return Value::of(index + 1);
  if (name == "index0") return Value::of(index);
  if (name == "revindex") return Value::of(count - index);
  if (name == "revindex0") return Value::of(count - index - 1);
  if (name == "first") return Value::of(index == 0);
  if (name == "last") return Value::of(index + 1 == count);
  if (name == "length") return Value::of(count);
  if (name == "depth") return Value::of(static_cast<int64_t>(loop.depth + 1));
  if (name == "depth0") return Value::of(static_cast<int64_t>(loop.depth));
  if (name == "previtem" && index > 0) return loop.items[loop.index - 1];
  if (name == "nextitem" && index + 1 < count) return loop.items[loop.index + 1];
  return Value::undefined(nullptr);
}

Value Interpreter::attribute(const Value& object, const std::string& name) {
  if (object.is(Kind::undefined)) {
    fail(fmt::format("{} is undefined, so it has no \"{}\"", quoted_name(object), name));
  }
  if (const Row* row = find_method(object, name)) return Value::of(heap.make<Method>(object, row));
  if (object.is(Kind::dict)) {
    if (const Value* value = find(*object.dict, name)) return *value;
  } else if (is_object(object, Object::Type::space)) {
    if (const Value* value = find(static_cast<Namespace*>(object.object)->values, name)) return *value;
  } else if (is_object(object, Object::Type::loop)) {
    return loop_attribute(*static_cast<Loop*>(object.object), name);
  } else if (is_object(object, Object::Type::macro) && name == "name") {
    return Value::borrowed(&static_cast<Macro*>(object.object)->def->name);
  } else if (is_object(object, Object::Type::cycler) && name == "current") {
    const auto& cycler = *static_cast<Cycler*>(object.object);
    return cycler.items[cycler.position];
  }
  return Value::undefined(&name);
}

Value Interpreter::subscript(const Value& object, const Value& key) {
  if (object.is(Kind::undefined)) fail(fmt::format("{} is undefined, so it has no items", quoted_name(object)));
  const std::string* name = key.is_string() ? key.string : nullptr;
  if (object.is(Kind::dict)) {
    if (const Value* value = find(heap, *object.dict, key)) return *value;
  } else if (key.is_integral() && object.is_sequence()) {
    const int64_t at = position(key, static_cast<int64_t>(object.list->size()));
    return at < 0 ? Value::undefined(nullptr) : (*object.list)[static_cast<size_t>(at)];
  } else if (key.is_integral() && object.is_string()) {
    heap.step(object.string->size() / 64);
    const auto all = characters(*object.string);
    const int64_t at = position(key, static_cast<int64_t>(all.size()));
    return at < 0 ? Value::undefined(nullptr) : heap.string(std::string(all[static_cast<size_t>(at)]));
  } else if (key.is_integral() && is_object(object, Object::Type::range)) {
    const auto& range = *static_cast<Range*>(object.object);
    const int64_t at = position(key, range.count);
    return at < 0 ? Value::undefined(nullptr) : Value::of(range.start + at * range.step);
  }
  return name == nullptr ? Value::undefined(nullptr) : attribute(object, *name);
}

Value Interpreter::slice(const Value& object, const Value& begin, const Value& end, const Value& step) {
  const auto whole = [&](const Value& value, int64_t otherwise) {
    if (value.is(Kind::none)) return otherwise;
    if (!value.is_integral()) fail(fmt::format("a slice takes integers, not {}", type_name(value)));
    return std::clamp<int64_t>(value.as_integer(), -(int64_t{1} << 40), int64_t{1} << 40);
  };
  const bool is_range = is_object(object, Object::Type::range);
  if (!object.is_string() && !object.is_sequence() && !is_range) {
    fail(fmt::format("{} cannot be sliced", object.is(Kind::undefined) ? quoted_name(object) : type_name(object)));
  }
  const List items = items_of(heap, object);
  const auto length = static_cast<int64_t>(items.size());
  const int64_t stride = whole(step, 1);
  if (stride == 0) fail("the step of a slice is 0");
  const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? length : length - 1;
  const int64_t from =
      begin.is(Kind::none) ? (stride > 0 ? low : high) : clamp_index(whole(begin, 0), length, low, high);
  const int64_t to = end.is(Kind::none) ? (stride > 0 ? high : low) : clamp_index(whole(end, 0), length, low, high);
  List out;
  for (int64_t i = from; stride > 0 ? i < to : i > to; i += stride) out.push_back(items[static_cast<size_t>(i)]);
  heap.step(out.size());
  if (object.is_string()) {
    std::string text;
    for (const Value& item : out) text += *item.string;
    return heap.string(std::move(text));
  }
  return object.is(Kind::tuple) ? heap.tuple(std::move(out)) : heap.list(std::move(out));
}

bool Interpreter::compare(std::string_view op, const Value& a, const Value& b) {
  if (op == "==") return equal(heap, a, b);
  if (op == "!=") return !equal(heap, a, b);
  if (op == "in") return contains(heap, b, a);
  if (op == "not in") return !contains(heap, b, a);
  const bool not_a_number = (a.is(Kind::real) && a.real != a.real) || (b.is(Kind::real) && b.real != b.real);
  if (op == "<") return less(heap, a, b);
  if (op == ">") return less(heap, b, a);
  if (op == "<=") return !less(heap, b, a) && !not_a_number;
  return !less(heap, a, b) && !not_a_number;
}

Value Interpreter::evaluate_compare(const Expr& expr) {
  Value left = evaluate(*expr.children[0]);
  for (size_t i = 0; i < expr.ops.size(); ++i) {
    const Value right = evaluate(*expr.children[i + 1]);
    line_ = expr.line;
    if (!compare(expr.ops[i], left, right)) return Value::of(false);
    left = right;
  }
  return Value::of(true);
}

Value Interpreter::evaluate_concat(const Expr& expr) {
  std::string out;
  for (const ExprPtr& child : expr.children) {
    print(heap, out, evaluate(*child));
    heap.room(out.size());
  }
  return heap.string(std::move(out));
}

Value Interpreter::evaluate_sign(const Expr& expr) {
  const Value value = evaluate(*expr.children[0]);
  if (!value.is_number()) fail(fmt::format("{} has no sign", type_name(value)));
  if (value.is(Kind::real)) return expr.kind == ExprKind::negative ? Value::of(-value.real) : value;
  if (expr.kind == ExprKind::positive) return Value::of(value.as_integer());
  if (value.as_integer() == INT64_MIN) fail("a number does not fit 64 bits");
  return Value::of(-value.as_integer());
}

}  // namespace lowbit::text::jinja
