// Tokens to trees. Expressions stand in parse_expressions.cc, statements in parse_statements.cc.
#pragma once

#include <initializer_list>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace lowbit::text::jinja {

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}
  Body parse_template();

 private:
  // Counts the nesting of the parser's own calls; hostile text must not use up the stack.
  class Nesting {
   public:
    explicit Nesting(Parser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Parser& parser_;
  };

  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  [[noreturn]] void error(const std::string& message) const { throw Failure{message, current().line}; }
  [[noreturn]] void error_expected(std::string_view what) const;
  bool sees(TokenKind kind) const { return current().kind == kind; }
  bool sees_op(std::string_view op) const { return sees(TokenKind::op) && current().text == op; }
  bool sees_word(std::string_view word) const { return sees(TokenKind::name) && current().text == word; }
  Token next() { return sees(TokenKind::end) ? current() : tokens_[at_++]; }
  bool skip_op(std::string_view op);
  bool skip_word(std::string_view word);
  void expect_op(std::string_view op);
  void expect_word(std::string_view word);
  void expect(TokenKind kind, std::string_view what);
  std::string expect_name();

  ExprPtr make(ExprKind kind, int line, std::string text = "") const;
  // Adds a child (which may be null) and keeps count of the depth.
  void add(Expr& parent, ExprPtr child) const;
  ExprPtr make_binary(ExprKind kind, std::string text, ExprPtr left, ExprPtr right) const;

  ExprPtr parse_tuple(bool with_conditional = true, std::string_view end_word = "", bool in_parentheses = false);
  ExprPtr parse_expression(bool with_conditional = true);
  ExprPtr parse_conditional();
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filter = true);
  ExprPtr parse_primary();
  ExprPtr parse_literal();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  ExprPtr parse_index();
  ExprPtr parse_filters(ExprPtr node);
  ExprPtr parse_filter(ExprPtr node);
  ExprPtr parse_test(ExprPtr node);
  void parse_arguments(Expr& call);
  ExprPtr parse_target(std::string_view end_word, bool with_namespace);
  ExprPtr parse_target_item(bool with_namespace);

  // Statements up to one of the words, which becomes the current token.
  Body parse_body(std::initializer_list<std::string_view> ends);
  Body parse_body_to(std::string_view end);
  Body parse_until(std::initializer_list<std::string_view> ends);
  using Statement = std::unique_ptr<Stmt>;
  Statement parse_statement();
  void parse_set(Stmt& stmt);
  void parse_for(Stmt& stmt);
  void parse_if(Stmt& stmt);
  void parse_with(Stmt& stmt);
  void parse_macro(Stmt& stmt);
  void parse_call(Stmt& stmt);
  void parse_filter_block(Stmt& stmt);
  void parse_block(Stmt& stmt);
  void parse_generation(Stmt& stmt);
  void parse_break(Stmt& stmt);
  void parse_parameters(MacroDef& macro);
  void parse_macro_body(MacroDef& macro, std::string_view end);
  ExprPtr captured(int line) const { return make(ExprKind::captured, line); }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;                  // that enclose what is being parsed, in the innermost macro
  std::vector<MacroDef*> macros_;  // that enclose it
};

}  // namespace lowbit::text::jinja
