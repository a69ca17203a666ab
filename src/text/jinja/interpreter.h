// Runs the tree of a template. Statements stand in execute.cc, expressions in evaluate.cc, operators in operators.cc;
// what templates call (filters, tests, methods, functions) are rows of tables in the files of these names.
#pragma once

#include <ctime>
#include <deque>

#include "text/jinja/ast.h"

namespace lowbit::text::jinja {

struct Frame {
  Frame* parent = nullptr;
  std::vector<std::pair<const std::string*, Value>> names;

  Value* find(const std::string& name);
  void set(const std::string& name, const Value& value);
};

// Arguments as a template writes them.
struct Call {
  List positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Arguments by the parameters of a row: those left out are absent.
struct Args {
  List values;
  const Call* call;
  const Value& operator[](size_t i) const { return values[i]; }
};

class Interpreter;

// Something a template can call. parameters: names, with "?" those that may be left out; after "/" they are given by
// position only; "*": anything, read from `call`.
struct Row {
  std::string_view name, parameters;
  Value (*apply)(Interpreter& in, const Value& self, const Args& args);
};

const Row* find_filter(std::string_view name);
const Row* find_test(std::string_view name);
const Row* find_method(const Value& self, std::string_view name);
const Row* find_function(std::string_view name);

struct Function : Object {
  explicit Function(const Row* r) : Object(Type::function), row(r) {}
  const Row* row;
};

struct Method : Object {
  Method(const Value& s, const Row* r) : Object(Type::method), self(s), row(r) {}
  Value self;
  const Row* row;
};

struct Macro : Object {
  Macro(const MacroDef* d, Frame* f) : Object(Type::macro), def(d), frame(f) {}
  const MacroDef* def;
  Frame* frame;
};

struct Loop : Object {
  Loop() : Object(Type::loop) {}
  List items;
  size_t index = 0;  // from 0
  int depth = 0;     // of recursion, from 0
  const Stmt* stmt = nullptr;
  Frame* frame = nullptr;  // around the loop
  Value last_changed = Value::absent();
};

// cycler(...) with `next` and joiner(...) whose first call is empty.
struct Cycler : Object {
  Cycler(Type type, List values) : Object(type), items(std::move(values)) {}
  List items;
  size_t position = 0;
};

class Interpreter {
 public:
  Interpreter(const Limits& limits, const std::tm& now) : heap(limits), limits_(limits), now_(now) {}

  std::string run(const Body& body, const nlohmann::ordered_json& variables);
  int line() const { return line_; }
  const std::tm& now() const { return now_; }

  Value call(const Value& callee, const Call& call);
  Value apply(const Row& row, const Value& self, const Call& call);
  Value filter(const std::string& name, const Value& value, const Call& call);
  bool test(const std::string& name, const Value& value, const Call& call);
  Value attribute(const Value& object, const std::string& name);  // object.name
  Value subscript(const Value& object, const Value& key);         // object[key]
  Value slice(const Value& object, const Value& begin, const Value& end, const Value& step);
  Value arithmetic(std::string_view op, const Value& a, const Value& b);
  std::string text(const Value& value) { return to_text(heap, value); }

  Heap heap;

 private:
  enum class Flow : unsigned char { next, break_loop, continue_loop };
  class Depth;
  class Scope;    // the current frame, put back at the end
  class Capture;  // the current output, put back at the end

  Flow execute(const Body& body);
  Flow execute(const Stmt& stmt);
  Flow execute_condition(const Stmt& stmt);
  Flow execute_loop(const Stmt& stmt, const Value& sequence, int depth);
  Flow execute_set_block(const Stmt& stmt);
  Flow execute_filter(const Stmt& stmt);
  Flow execute_with(const Stmt& stmt);
  Flow execute_scope(const Stmt& stmt);
  void execute_call_block(const Stmt& stmt);
  List filtered(const Stmt& stmt, const Value& sequence);
  void assign(const Expr& target, const Value& value);
  void write(std::string_view text);
  Value call_macro(const Macro& macro, const Call& call);
  void bind_parameters(const MacroDef& def, const Call& call, Frame& frame);
  Value recurse(const Loop& loop, const Value& sequence);
  Frame* make_frame(Frame* parent);

  Value evaluate(const Expr& expr);
  Value evaluate_filter(const Expr& expr);
  Value evaluate_name(const Expr& expr);
  Value evaluate_items(const Expr& expr);
  Value evaluate_dict(const Expr& expr);
  Value evaluate_subscript(const Expr& expr);
  Value evaluate_call(const Expr& expr, const Value* caller = nullptr);
  Value evaluate_compare(const Expr& expr);
  Value evaluate_concat(const Expr& expr);
  Value evaluate_sign(const Expr& expr);
  Value loop_attribute(Loop& loop, const std::string& name);
  bool compare(std::string_view op, const Value& a, const Value& b);
  Call arguments(const Expr& expr);
  static Args bind(const Row& row, const Call& call);

  const Limits limits_;
  const std::tm now_;
  int line_ = 1, depth_ = 0;
  std::deque<Frame> frames_;
  Frame* frame_ = nullptr;
  std::string* out_ = nullptr;
  Value captured_;
};

}  // namespace lowbit::text::jinja
