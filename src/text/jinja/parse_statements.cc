#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/parser.h"

namespace lowbit::text::jinja {

Body Parser::parse_template() {
  Body out = parse_until({});
  if (!sees(TokenKind::end)) error_expected("the end of the template");
  return out;
}

Body Parser::parse_until(std::initializer_list<std::string_view> ends) {
  const Nesting nesting(*this);
  Body out;
  const auto append = [&](StmtKind kind) -> Stmt& {
    out.push_back(std::make_unique<Stmt>());
    out.back()->kind = kind;
    out.back()->line = current().line;
    return *out.back();
  };
  for (;;) {
    if (sees(TokenKind::data)) {
      append(StmtKind::data).text = current().text;
      next();
    } else if (sees(TokenKind::output_begin)) {
      next();
      append(StmtKind::output).expr = parse_tuple();
      expect(TokenKind::output_end, "\"}}\"");
    } else if (sees(TokenKind::block_begin)) {
      next();
      if (!sees(TokenKind::name)) error_expected("the name of a tag");
      if (std::find(ends.begin(), ends.end(), current().text) != ends.end()) return out;
      out.push_back(parse_statement());
      expect(TokenKind::block_end, "\"%}\"");
    } else {
      if (ends.size() > 0) error(fmt::format("the template ends, expected \"{}\"", *ends.begin()));
      return out;
    }
  }
}

Body Parser::parse_body(std::initializer_list<std::string_view> ends) {
  skip_op(":");
  expect(TokenKind::block_end, "\"%}\"");
  return parse_until(ends);
}

Body Parser::parse_body_to(std::string_view end) {
  Body out = parse_body({end});
  next();
  return out;
}

Parser::Statement Parser::parse_statement() {
  struct Row {
    std::string_view word;
    StmtKind kind;
    void (Parser::*parse)(Stmt&);
  };
  static constexpr Row kRows[] = {
      {"set", StmtKind::set, &Parser::parse_set},
      {"for", StmtKind::loop, &Parser::parse_for},
      {"if", StmtKind::condition, &Parser::parse_if},
      {"with", StmtKind::with, &Parser::parse_with},
      {"macro", StmtKind::macro, &Parser::parse_macro},
      {"call", StmtKind::call_block, &Parser::parse_call},
      {"filter", StmtKind::filter, &Parser::parse_filter_block},
      {"block", StmtKind::scope, &Parser::parse_block},
      {"generation", StmtKind::scope, &Parser::parse_generation},
      {"break", StmtKind::break_loop, &Parser::parse_break},
      {"continue", StmtKind::continue_loop, &Parser::parse_break},
  };
  for (const Row& row : kRows) {
    if (current().text != row.word) continue;
    auto out = std::make_unique<Stmt>();
    out->kind = row.kind;
    out->line = next().line;
    (this->*row.parse)(*out);
    return out;
  }
  error(fmt::format("the tag \"{}\" is not known here", current().text.substr(0, 40)));
}

void Parser::parse_set(Stmt& stmt) {
  stmt.target = parse_target("", true);
  if (skip_op("=")) {
    stmt.expr = parse_tuple();
    return;
  }
  stmt.kind = StmtKind::set_block;
  if (sees_op("|")) stmt.expr = parse_filter(captured(stmt.line));
  stmt.bodies.push_back(parse_body_to("endset"));
}

void Parser::parse_for(Stmt& stmt) {
  ++loops_;
  stmt.target = parse_target("in", false);
  expect_word("in");
  stmt.expr = parse_tuple(false, "recursive");
  if (skip_word("if")) stmt.test = parse_expression();
  stmt.recursive = skip_word("recursive");
  stmt.bodies.push_back(parse_body({"endfor", "else"}));
  --loops_;
  if (next().text == "else") stmt.bodies.push_back(parse_body_to("endfor"));
}

void Parser::parse_if(Stmt& stmt) {
  for (;;) {
    stmt.exprs.push_back(parse_tuple(false));
    stmt.bodies.push_back(parse_body({"endif", "elif", "else"}));
    const std::string word = next().text;
    if (word == "elif") continue;
    if (word == "else") stmt.bodies.push_back(parse_body_to("endif"));
    return;
  }
}

void Parser::parse_with(Stmt& stmt) {
  while (!sees(TokenKind::block_end)) {
    if (!stmt.targets.empty()) expect_op(",");
    stmt.targets.push_back(parse_target("", false));
    expect_op("=");
    stmt.exprs.push_back(parse_expression());
  }
  stmt.bodies.push_back(parse_body_to("endwith"));
}

void Parser::parse_parameters(MacroDef& macro) {
  expect_op("(");
  while (!sees_op(")")) {
    if (!macro.parameters.empty()) expect_op(",");
    macro.parameters.push_back(expect_name());
    if (skip_op("=")) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      error("a parameter without default follows one with a default");
    }
  }
  next();
}

void Parser::parse_macro_body(MacroDef& macro, std::string_view end) {
  const int loops = loops_;
  loops_ = 0;
  macro.body = parse_body_to(end);
  loops_ = loops;
  macros_.pop_back();
}

void Parser::parse_macro(Stmt& stmt) {
  stmt.macro = std::make_unique<MacroDef>();
  stmt.macro->name = expect_name();
  macros_.push_back(stmt.macro.get());
  parse_parameters(*stmt.macro);
  parse_macro_body(*stmt.macro, "endmacro");
}

void Parser::parse_call(Stmt& stmt) {
  stmt.macro = std::make_unique<MacroDef>();
  stmt.macro->name = "caller";
  if (sees_op("(")) {
    macros_.push_back(stmt.macro.get());
    parse_parameters(*stmt.macro);
    macros_.pop_back();
  }
  stmt.expr = parse_expression();
  if (stmt.expr->kind != ExprKind::call) error("a call block takes a call");
  macros_.push_back(stmt.macro.get());
  parse_macro_body(*stmt.macro, "endcall");
}

void Parser::parse_filter_block(Stmt& stmt) {
  stmt.expr = parse_filter(captured(stmt.line));
  stmt.bodies.push_back(parse_body_to("endfilter"));
}

void Parser::parse_block(Stmt& stmt) {
  stmt.text = expect_name();
  skip_word("scoped");
  skip_word("required");
  const int loops = loops_;
  loops_ = 0;
  stmt.bodies.push_back(parse_body_to("endblock"));
  loops_ = loops;
  skip_word(stmt.text);
}

// What marks the assistant's text for training; it changes nothing in what is written.
void Parser::parse_generation(Stmt& stmt) {
  const int loops = loops_;
  loops_ = 0;
  stmt.bodies.push_back(parse_body_to("endgeneration"));
  loops_ = loops;
}

void Parser::parse_break(Stmt& stmt) {
  if (loops_ == 0) throw Failure{"\"break\" and \"continue\" stand in a loop", stmt.line};
}

ExprPtr Parser::parse_target(std::string_view end_word, bool with_namespace) {
  const int line = current().line;
  ExprPtr first = parse_target_item(with_namespace);
  if (!sees_op(",")) return first;
  ExprPtr out = make(ExprKind::tuple, line);
  add(*out, std::move(first));
  while (skip_op(",")) {
    if ((!end_word.empty() && sees_word(end_word)) || sees_op("=") || sees(TokenKind::block_end)) break;
    add(*out, parse_target_item(with_namespace));
  }
  return out;
}

ExprPtr Parser::parse_target_item(bool with_namespace) {
  const int line = current().line;
  if (skip_op("(")) {
    const Nesting nesting(*this);
    ExprPtr out = parse_target("", with_namespace);
    expect_op(")");
    return out;
  }
  const std::string name = expect_name();
  for (const char* constant : {"true", "false", "none", "True", "False", "None"}) {
    if (name == constant) error(fmt::format("\"{}\" cannot be assigned to", name));
  }
  if (name == "loop" && loops_ > 0) error("\"loop\" cannot be assigned to in a loop");
  ExprPtr out = make(ExprKind::name, line, name);
  if (!with_namespace || !skip_op(".")) return out;
  ExprPtr attribute = make(ExprKind::attribute, line, expect_name());
  add(*attribute, std::move(out));
  return attribute;
}

Body parse(std::string_view source) { return Parser(source).parse_template(); }

}  // namespace lowbit::text::jinja
