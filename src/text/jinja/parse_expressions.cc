#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

#include "text/jinja/parser.h"

namespace lowbit::text::jinja {
namespace {

constexpr int kMaxNesting = 150;
constexpr int kMaxDepth = 600;  // of a tree: a chain of operators nests to the left

}  // namespace

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxNesting) {
    --parser_.nesting_;
    parser_.error("the template is nested too deeply");
  }
}

void Parser::error_expected(std::string_view what) const {
  const Token& token = current();
  std::string found = token.text;
  if (token.kind == TokenKind::end) found = "end of the template";
  if (token.kind == TokenKind::block_end || token.kind == TokenKind::output_end) found = "end of the tag";
  error(fmt::format("found \"{}\", expected {}", found.substr(0, 40), what));
}

bool Parser::skip_op(std::string_view op) {
  const bool seen = sees_op(op);
  if (seen) next();
  return seen;
}

bool Parser::skip_word(std::string_view word) {
  const bool seen = sees_word(word);
  if (seen) next();
  return seen;
}

void Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) error_expected(fmt::format("\"{}\"", op));
}

void Parser::expect_word(std::string_view word) {
  if (!skip_word(word)) error_expected(fmt::format("\"{}\"", word));
}

void Parser::expect(TokenKind kind, std::string_view what) {
  if (!sees(kind)) error_expected(what);
  next();
}

std::string Parser::expect_name() {
  if (!sees(TokenKind::name)) error_expected("a name");
  return next().text;
}

ExprPtr Parser::make(ExprKind kind, int line, std::string text) const {
  auto out = std::make_unique<Expr>();
  out->kind = kind;
  out->line = line;
  out->text = std::move(text);
  return out;
}

void Parser::add(Expr& parent, ExprPtr child) const {
  if (child != nullptr) parent.depth = std::max(parent.depth, child->depth + 1);
  if (parent.depth > kMaxDepth) error("an expression is nested too deeply");
  parent.children.push_back(std::move(child));
}

ExprPtr Parser::make_binary(ExprKind kind, std::string text, ExprPtr left, ExprPtr right) const {
  ExprPtr out = make(kind, left->line, std::move(text));
  add(*out, std::move(left));
  add(*out, std::move(right));
  return out;
}

ExprPtr Parser::parse_tuple(bool with_conditional, std::string_view end_word, bool in_parentheses) {
  const int line = current().line;
  std::vector<ExprPtr> items;
  bool tuple = false;
  for (;;) {
    if (!items.empty()) expect_op(",");
    const bool end = sees(TokenKind::output_end) || sees(TokenKind::block_end) || sees_op(")");
    if (end || (!end_word.empty() && sees_word(end_word))) break;
    items.push_back(parse_expression(with_conditional));
    if (!sees_op(",")) break;
    tuple = true;
  }
  if (!tuple && !items.empty()) return std::move(items[0]);
  if (!tuple && !in_parentheses) error_expected("an expression");
  ExprPtr out = make(ExprKind::tuple, line);
  for (ExprPtr& item : items) add(*out, std::move(item));
  return out;
}

ExprPtr Parser::parse_expression(bool with_conditional) {
  const Nesting nesting(*this);
  return with_conditional ? parse_conditional() : parse_or();
}

ExprPtr Parser::parse_conditional() {
  ExprPtr value = parse_or();
  while (skip_word("if")) {
    ExprPtr out = make(ExprKind::conditional, value->line);
    add(*out, parse_or());
    add(*out, std::move(value));
    add(*out, skip_word("else") ? parse_expression() : nullptr);
    value = std::move(out);
  }
  return value;
}

ExprPtr Parser::parse_or() {
  ExprPtr left = parse_and();
  while (skip_word("or")) left = make_binary(ExprKind::logical_or, "", std::move(left), parse_and());
  return left;
}

ExprPtr Parser::parse_and() {
  ExprPtr left = parse_not();
  while (skip_word("and")) left = make_binary(ExprKind::logical_and, "", std::move(left), parse_not());
  return left;
}

ExprPtr Parser::parse_not() {
  if (!sees_word("not")) return parse_compare();
  const Nesting nesting(*this);
  ExprPtr out = make(ExprKind::logical_not, next().line);
  add(*out, parse_not());
  return out;
}

ExprPtr Parser::parse_compare() {
  ExprPtr left = parse_sum();
  ExprPtr out;
  for (;;) {
    std::string op;
    for (const char* each : {"==", "!=", "<", "<=", ">", ">="}) {
      if (sees_op(each)) op = each;
    }
    if (sees_word("in")) op = "in";
    if (sees_word("not") && ahead().kind == TokenKind::name && ahead().text == "in") {
      next();
      op = "not in";
    }
    if (op.empty()) return out == nullptr ? std::move(left) : std::move(out);
    next();
    if (out == nullptr) {
      out = make(ExprKind::compare, left->line);
      add(*out, std::move(left));
    }
    out->ops.push_back(op);
    add(*out, parse_sum());
  }
}

ExprPtr Parser::parse_sum() {
  ExprPtr left = parse_concat();
  while (sees_op("+") || sees_op("-")) {
    std::string op = next().text;
    left = make_binary(ExprKind::arithmetic, std::move(op), std::move(left), parse_concat());
  }
  return left;
}

ExprPtr Parser::parse_concat() {
  ExprPtr left = parse_product();
  if (!sees_op("~")) return left;
  ExprPtr out = make(ExprKind::concat, left->line);
  add(*out, std::move(left));
  while (skip_op("~")) add(*out, parse_product());
  return out;
}

ExprPtr Parser::parse_product() {
  ExprPtr left = parse_power();
  while (sees_op("*") || sees_op("/") || sees_op("//") || sees_op("%")) {
    std::string op = next().text;
    left = make_binary(ExprKind::arithmetic, std::move(op), std::move(left), parse_power());
  }
  return left;
}

ExprPtr Parser::parse_power() {
  ExprPtr left = parse_unary();
  while (skip_op("**")) left = make_binary(ExprKind::arithmetic, "**", std::move(left), parse_unary());
  return left;
}

ExprPtr Parser::parse_unary(bool with_filter) {
  const Nesting nesting(*this);
  ExprPtr out;
  if (sees_op("-") || sees_op("+")) {
    const Token sign = next();
    out = make(sign.text == "-" ? ExprKind::negative : ExprKind::positive, sign.line);
    add(*out, parse_unary(false));
  } else {
    out = parse_primary();
  }
  out = parse_postfix(std::move(out));
  return with_filter ? parse_filters(std::move(out)) : std::move(out);
}

ExprPtr Parser::parse_primary() {
  if (sees_op("[")) return parse_list();
  if (sees_op("{")) return parse_dict();
  if (!sees_op("(")) return parse_literal();
  next();
  const Nesting nesting(*this);
  ExprPtr out = parse_tuple(true, "", true);
  expect_op(")");
  return out;
}

ExprPtr Parser::parse_literal() {
  const Token token = current();
  ExprPtr out = make(ExprKind::constant, token.line);
  const std::string& text = token.text;
  if (token.kind == TokenKind::string) {
    while (sees(TokenKind::string)) out->text += next().text;
    out->value = Value::borrowed(&out->text);
    return out;
  }
  if (token.kind == TokenKind::integer) {
    const bool prefixed = text.size() > 2 && std::string_view("xXoObB").find(text[1]) != std::string_view::npos;
    const int base = !prefixed ? 10 : (text[1] | 0x20) == 'x' ? 16 : (text[1] | 0x20) == 'o' ? 8 : 2;
    int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + (prefixed ? 2 : 0), end, value, base);
    if (read.ec != std::errc() || read.ptr != end) error(fmt::format("{} is no 64-bit number", text.substr(0, 40)));
    if (!prefixed && text[0] == '0' && value != 0) error(fmt::format("the number {} begins with 0", text));
    out->value = Value::of(value);
  } else if (token.kind == TokenKind::real) {
    out->value = Value::of(std::strtod(text.c_str(), nullptr));
  } else if (token.kind == TokenKind::name) {
    if (text == "true" || text == "True" || text == "false" || text == "False") {
      out->value = Value::of((text[0] | 0x20) == 't');
    } else if (text == "none" || text == "None") {
      out->value = Value::none();
    } else {
      out->kind = ExprKind::name;
      out->text = text;
      for (MacroDef* macro : macros_) {
        macro->uses_caller |= text == "caller";
        macro->uses_varargs |= text == "varargs";
        macro->uses_kwargs |= text == "kwargs";
      }
    }
  } else {
    error_expected("an expression");
  }
  next();
  return out;
}

ExprPtr Parser::parse_list() {
  ExprPtr out = make(ExprKind::list, next().line);
  while (!sees_op("]")) {
    if (!out->children.empty()) expect_op(",");
    if (sees_op("]")) break;
    add(*out, parse_expression());
  }
  next();
  return out;
}

ExprPtr Parser::parse_dict() {
  ExprPtr out = make(ExprKind::dict, next().line);
  while (!sees_op("}")) {
    if (!out->children.empty()) expect_op(",");
    if (sees_op("}")) break;
    add(*out, parse_expression());
    expect_op(":");
    add(*out, parse_expression());
  }
  next();
  return out;
}

ExprPtr Parser::parse_postfix(ExprPtr node) {
  for (;;) {
    if (sees_op(".") || sees_op("[")) {
      node = parse_subscript(std::move(node));
    } else if (sees_op("(")) {
      ExprPtr call = make(ExprKind::call, current().line);
      add(*call, std::move(node));
      parse_arguments(*call);
      node = std::move(call);
    } else {
      return node;
    }
  }
}

ExprPtr Parser::parse_subscript(ExprPtr node) {
  const Token open = next();
  if (open.text == ".") {
    if (sees(TokenKind::integer)) return make_binary(ExprKind::subscript, "", std::move(node), parse_literal());
    ExprPtr out = make(ExprKind::attribute, open.line, expect_name());
    add(*out, std::move(node));
    return out;
  }
  std::vector<ExprPtr> indices;
  while (!sees_op("]")) {
    if (!indices.empty()) expect_op(",");
    indices.push_back(parse_index());
  }
  next();
  if (indices.size() == 1) return make_binary(ExprKind::subscript, "", std::move(node), std::move(indices[0]));
  ExprPtr tuple = make(ExprKind::tuple, open.line);
  for (ExprPtr& index : indices) {
    if (index->kind == ExprKind::slice) error("a slice stands in a list of indices");
    add(*tuple, std::move(index));
  }
  return make_binary(ExprKind::subscript, "", std::move(node), std::move(tuple));
}

ExprPtr Parser::parse_index() {
  const int line = current().line;
  ExprPtr begin = sees_op(":") ? nullptr : parse_expression();
  if (!sees_op(":")) return begin;
  next();
  ExprPtr out = make(ExprKind::slice, line);
  add(*out, std::move(begin));
  const auto ends = [&] { return sees_op(":") || sees_op("]") || sees_op(","); };
  add(*out, ends() ? nullptr : parse_expression());
  add(*out, skip_op(":") && !ends() ? parse_expression() : nullptr);
  return out;
}

ExprPtr Parser::parse_filters(ExprPtr node) {
  for (;;) {
    if (sees_op("|")) {
      node = parse_filter(std::move(node));
    } else if (sees_word("is")) {
      node = parse_test(std::move(node));
    } else if (sees_op("(")) {
      node = parse_postfix(std::move(node));
    } else {
      return node;
    }
  }
}

// Filters, as many as follow. Of a filter block: the current token is the first filter's name.
ExprPtr Parser::parse_filter(ExprPtr node) {
  for (bool begin = !sees_op("|"); begin || sees_op("|"); begin = false) {
    if (!begin) next();
    const int line = current().line;
    ExprPtr out = make(ExprKind::filter, line, expect_name());
    while (skip_op(".")) out->text += "." + expect_name();
    add(*out, std::move(node));
    if (sees_op("(")) parse_arguments(*out);
    node = std::move(out);
  }
  return node;
}

ExprPtr Parser::parse_test(ExprPtr node) {
  const int line = next().line;
  const bool negated = skip_word("not");
  ExprPtr out = make(ExprKind::test, line, expect_name());
  while (skip_op(".")) out->text += "." + expect_name();
  add(*out, std::move(node));
  const TokenKind kind = current().kind;
  const bool literal = kind == TokenKind::name || kind == TokenKind::string || kind == TokenKind::integer ||
                       kind == TokenKind::real || sees_op("[") || sees_op("{");
  if (sees_op("(")) {
    parse_arguments(*out);
  } else if (literal && !sees_word("else") && !sees_word("or") && !sees_word("and")) {
    if (sees_word("is")) error("tests cannot be chained");
    const Nesting nesting(*this);
    Argument argument;
    argument.value = parse_postfix(parse_primary());
    out->depth = std::max(out->depth, argument.value->depth + 1);
    out->arguments.push_back(std::move(argument));
  }
  if (!negated) return out;
  ExprPtr inverse = make(ExprKind::logical_not, line);
  add(*inverse, std::move(out));
  return inverse;
}

void Parser::parse_arguments(Expr& call) {
  expect_op("(");
  bool named = false, list = false, dict = false;
  const auto ensure = [&](bool allowed) {
    if (!allowed) error("the arguments of a call stand in a wrong order");
  };
  while (!sees_op(")")) {
    if (!call.arguments.empty()) expect_op(",");
    if (!call.arguments.empty() && sees_op(")")) break;
    Argument argument;
    if (skip_op("*")) {
      ensure(!list && !dict);
      list = true;
      argument.kind = Argument::Kind::list;
    } else if (skip_op("**")) {
      ensure(!dict);
      dict = true;
      argument.kind = Argument::Kind::dict;
    } else if (sees(TokenKind::name) && ahead().kind == TokenKind::op && ahead().text == "=") {
      ensure(!dict);
      named = true;
      argument.kind = Argument::Kind::named;
      argument.name = next().text;
      for (const Argument& other : call.arguments) {
        if (other.name == argument.name) error(fmt::format("the argument \"{}\" is repeated", argument.name));
      }
      next();
    } else {
      ensure(!named && !list && !dict);
    }
    argument.value = parse_expression();
    call.depth = std::max(call.depth, argument.value->depth + 1);
    if (call.depth > kMaxDepth) error("an expression is nested too deeply");
    call.arguments.push_back(std::move(argument));
  }
  next();
}

}  // namespace lowbit::text::jinja
