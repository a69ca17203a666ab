// The tree of a template.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/jinja/value.h"

namespace lowbit::text::jinja {

enum class ExprKind : unsigned char {
  constant,     // value
  name,         // text
  captured,     // what a filter block or a filtered set holds
  list,         // children
  tuple,        // children
  dict,         // children: key, value, key, value …
  attribute,    // children[0].text
  subscript,    // children[0][children[1]]
  slice,        // children: begin, end, step, each may be null; only as children[1] of a subscript
  call,         // children[0](arguments)
  filter,       // children[0] | text(arguments)
  test,         // children[0] is text(arguments)
  negative,     // -children[0]
  positive,     // +children[0]
  logical_not,  // children[0]
  logical_and,  // children[0], children[1]
  logical_or,
  compare,      // children[0] ops[0] children[1] ops[1] children[2] …
  arithmetic,   // children[0] text children[1]
  concat,       // children
  conditional,  // children: condition, value, otherwise (may be null)
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Argument {
  enum class Kind : unsigned char { positional, named, list, dict } kind = Kind::positional;
  std::string name;
  ExprPtr value;
};

struct Expr {
  ExprKind kind;
  int line = 0;
  int depth = 1;  // of the tree below, itself included
  std::string text;
  Value value;
  std::vector<ExprPtr> children;
  std::vector<std::string> ops;
  std::vector<Argument> arguments;
};

enum class StmtKind : unsigned char {
  data,        // text
  output,      // expr
  condition,   // exprs[i] -> bodies[i]; one more body: else
  loop,        // for target in expr [if test], bodies: each, else
  set,         // target = expr
  set_block,   // target = [expr applied to] bodies[0]
  macro,       // macro
  call_block,  // expr, a call, with macro as its caller
  filter,      // expr applied to bodies[0]
  with,        // targets[i] = exprs[i] in bodies[0]
  scope,       // bodies[0] with variables of its own
  break_loop,
  continue_loop,
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

struct MacroDef {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Body body;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct Stmt {
  StmtKind kind;
  int line = 0;
  std::string text;
  ExprPtr target, expr, test;
  std::vector<ExprPtr> targets, exprs;
  std::vector<Body> bodies;
  bool recursive = false;
  std::unique_ptr<MacroDef> macro;
};

// Throws a Failure.
Body parse(std::string_view source);

}  // namespace lowbit::text::jinja
