#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "text/jinja/scopes.h"

namespace lowbit::text::jinja {

Value* Frame::find(const std::string& name) {
  for (auto& [key, value] : names) {
    if (*key == name) return &value;
  }
  return nullptr;
}

void Frame::set(const std::string& name, const Value& value) {
  if (Value* old = find(name)) {
    *old = value;
  } else {
    names.emplace_back(&name, value);
  }
}

Frame* Interpreter::make_frame(Frame* parent) {
  heap.grow(sizeof(Frame) + 8 * sizeof(Value));
  frames_.emplace_back().parent = parent;
  return &frames_.back();
}

std::string Interpreter::run(const Body& body, const nlohmann::ordered_json& variables) {
  Frame* context = make_frame(nullptr);
  for (auto it = variables.begin(); it != variables.end(); ++it) context->set(it.key(), heap.from_json(it.value()));
  frame_ = make_frame(context);
  std::string out;
  out_ = &out;
  execute(body);
  return out;
}

void Interpreter::write(std::string_view text) {
  if (out_->size() + text.size() > limits_.output) fail("the template writes too much");
  heap.room(out_->size() + text.size());
  out_->append(text);
}

Interpreter::Flow Interpreter::execute(const Body& body) {
  for (const auto& stmt : body) {
    const Flow flow = execute(*stmt);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::execute(const Stmt& stmt) {
  const Depth depth(*this);
  heap.step();
  line_ = stmt.line;
  switch (stmt.kind) {
    case StmtKind::data:
      write(stmt.text);
      break;
    case StmtKind::output:
      write(text(evaluate(*stmt.expr)));
      break;
    case StmtKind::condition:
      return execute_condition(stmt);
    case StmtKind::loop:
      return execute_loop(stmt, evaluate(*stmt.expr), 0);
    case StmtKind::set:
      assign(*stmt.target, evaluate(*stmt.expr));
      break;
    case StmtKind::set_block:
      return execute_set_block(stmt);
    case StmtKind::macro:
      frame_->set(stmt.macro->name, Value::of(heap.make<Macro>(stmt.macro.get(), frame_)));
      break;
    case StmtKind::call_block:
      execute_call_block(stmt);
      break;
    case StmtKind::filter:
      return execute_filter(stmt);
    case StmtKind::with:
      return execute_with(stmt);
    case StmtKind::scope:
      return execute_scope(stmt);
    case StmtKind::break_loop:
      return Flow::break_loop;
    case StmtKind::continue_loop:
      return Flow::continue_loop;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::execute_condition(const Stmt& stmt) {
  for (size_t i = 0; i < stmt.exprs.size(); ++i) {
    if (truth(evaluate(*stmt.exprs[i]))) return execute(stmt.bodies[i]);
  }
  return stmt.bodies.size() > stmt.exprs.size() ? execute(stmt.bodies.back()) : Flow::next;
}

// The items of a loop that pass its test, which sees the item and what stands around the loop.
List Interpreter::filtered(const Stmt& stmt, const Value& sequence) {
  List items = items_of(heap, sequence);
  heap.grow(items.size() * sizeof(Value));
  if (stmt.test == nullptr) return items;
  List out;
  const Scope scope(*this, make_frame(frame_));
  for (const Value& item : items) {
    assign(*stmt.target, item);
    if (truth(evaluate(*stmt.test))) out.push_back(item);
  }
  return out;
}

Interpreter::Flow Interpreter::execute_loop(const Stmt& stmt, const Value& sequence, int depth) {
  static const std::string kLoop = "loop";
  Loop& loop = *heap.make<Loop>();
  loop.stmt = &stmt;
  loop.frame = frame_;
  loop.depth = depth;
  loop.items = filtered(stmt, sequence);
  const Scope scope(*this, make_frame(frame_));
  bool whole = false;  // one round reached its end: what jinja2 asks before the else
  for (loop.index = 0; loop.index < loop.items.size(); ++loop.index) {
    heap.step();
    frame_->names.clear();
    frame_->set(kLoop, Value::of(&loop));
    assign(*stmt.target, loop.items[loop.index]);
    const Flow flow = execute(stmt.bodies[0]);
    if (flow == Flow::break_loop) break;
    whole = whole || flow == Flow::next;
  }
  if (whole || stmt.bodies.size() < 2) return Flow::next;
  frame_->names.clear();
  return execute(stmt.bodies[1]);
}

Interpreter::Flow Interpreter::execute_set_block(const Stmt& stmt) {
  std::string text;
  {
    const Scope scope(*this, make_frame(frame_));
    const Capture capture(*this, text);
    const Flow flow = execute(stmt.bodies[0]);
    if (flow != Flow::next) return flow;
  }
  Value value = heap.string(std::move(text));
  if (stmt.expr != nullptr) {
    captured_ = value;
    value = evaluate(*stmt.expr);
  }
  assign(*stmt.target, value);
  return Flow::next;
}

Interpreter::Flow Interpreter::execute_filter(const Stmt& stmt) {
  std::string written;
  const Scope scope(*this, make_frame(frame_));
  {
    const Capture capture(*this, written);
    const Flow flow = execute(stmt.bodies[0]);
    if (flow != Flow::next) return flow;
  }
  captured_ = heap.string(std::move(written));
  write(text(evaluate(*stmt.expr)));
  return Flow::next;
}

Interpreter::Flow Interpreter::execute_with(const Stmt& stmt) {
  List values;
  for (const ExprPtr& expr : stmt.exprs) values.push_back(evaluate(*expr));
  const Scope scope(*this, make_frame(frame_));
  for (size_t i = 0; i < values.size(); ++i) assign(*stmt.targets[i], values[i]);
  return execute(stmt.bodies[0]);
}

Interpreter::Flow Interpreter::execute_scope(const Stmt& stmt) {
  const Scope scope(*this, make_frame(frame_));
  return execute(stmt.bodies[0]);
}

void Interpreter::execute_call_block(const Stmt& stmt) {
  const Value caller = Value::of(heap.make<Macro>(stmt.macro.get(), frame_));
  write(text(evaluate_call(*stmt.expr, &caller)));
}

void Interpreter::assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::name) {
    frame_->set(target.text, value);
    return;
  }
  if (target.kind == ExprKind::attribute) {
    const Value object = evaluate(*target.children[0]);
    if (!object.is(Kind::object) || object.object->type != Object::Type::space) {
      fail(fmt::format("\"{}\" is no namespace, so \"{}\" cannot be set in it", target.children[0]->text,
                       target.text));
    }
    insert(heap, static_cast<Namespace*>(object.object)->values, Value::borrowed(&target.text), value);
    heap.grow(sizeof(Value));
    return;
  }
  const List items = items_of(heap, value);
  if (items.size() != target.children.size()) {
    fail(fmt::format("{} values for {} names", items.size(), target.children.size()));
  }
  for (size_t i = 0; i < items.size(); ++i) assign(*target.children[i], items[i]);
}

void Interpreter::bind_parameters(const MacroDef& def, const Call& call, Frame& frame) {
  static const std::string kCaller = "caller", kVarargs = "varargs", kKwargs = "kwargs";
  auto named = call.named;
  const auto take = [&](const std::string& name) {
    for (auto it = named.begin(); it != named.end(); ++it) {
      if (it->first != name) continue;
      const Value out = it->second;
      named.erase(it);
      return out;
    }
    return Value::absent();
  };
  const size_t required = def.parameters.size() - def.defaults.size();
  for (size_t i = 0; i < def.parameters.size(); ++i) {
    const std::string& name = def.parameters[i];
    Value value = i < call.positional.size() ? call.positional[i] : take(name);
    if (value.is_absent()) value = i >= required ? evaluate(*def.defaults[i - required]) : Value::undefined(&name);
    frame.set(name, value);
  }
  if (def.uses_caller && frame.find(kCaller) == nullptr) {
    const Value caller = take(kCaller);
    frame.set(kCaller, caller.is_absent() ? Value::undefined(&kCaller) : caller);
  }
  if (def.uses_kwargs) {
    Dict rest;
    for (const auto& [name, value] : named) insert(heap, rest, heap.string(name), value);
    frame.set(kKwargs, heap.dict(std::move(rest)));
  } else if (!named.empty()) {
    fail(fmt::format("macro \"{}\" has no parameter \"{}\"", def.name, named[0].first));
  }
  const size_t given = std::min(call.positional.size(), def.parameters.size());
  if (def.uses_varargs) {
    frame.set(kVarargs, heap.tuple({call.positional.begin() + static_cast<ptrdiff_t>(given), call.positional.end()}));
  } else if (given < call.positional.size()) {
    fail(fmt::format("macro \"{}\" takes at most {} arguments", def.name, def.parameters.size()));
  }
}

Value Interpreter::call_macro(const Macro& macro, const Call& call) {
  const Depth depth(*this);
  const Scope scope(*this, make_frame(macro.frame));
  bind_parameters(*macro.def, call, *frame_);
  std::string text;
  {
    const Capture capture(*this, text);
    execute(macro.def->body);
  }
  return heap.string(std::move(text));
}

// loop(children) of a recursive loop.
Value Interpreter::recurse(const Loop& loop, const Value& sequence) {
  const Depth depth(*this);
  if (!loop.stmt->recursive) fail("the loop is not recursive");
  const Scope scope(*this, loop.frame);
  std::string text;
  {
    const Capture capture(*this, text);
    execute_loop(*loop.stmt, sequence, loop.depth + 1);
  }
  return heap.string(std::move(text));
}

}  // namespace lowbit::text::jinja
