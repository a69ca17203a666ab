#!/usr/bin/env python3
"""Budgets of size: a file 500 lines (800 at most), a function 60 lines (100 at most), signature to closing brace."""

import ast
import sys

import cxx_functions
import sources

FILE_SOFT, FILE_HARD = 500, 800
FUNCTION_SOFT, FUNCTION_HARD = 60, 100

# What may be larger than the hard limit: "path" or "path:function" -> why. A row that is not needed is a failure.
EXCEPTIONS = {}

# Lists of rows (.inc), goldens and texts are data and have no budget.
CXX, PYTHON, SHELL = (".h", ".cc"), (".py",), ("tools/bootstrap", "tools/check", "tools/demo", "tools/fuzz", ".ci/run")


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno] + [d.lineno for d in node.decorator_list])
            yield cxx_functions.Function(node.name, first, node.end_lineno, "")


def check(root, exceptions=None):
    exceptions = EXCEPTIONS if exceptions is None else exceptions
    failures, warnings, used = [], [], set()

    def judge(key, where, lines, soft, hard):
        if lines > hard and key in exceptions:
            used.add(key)
        elif lines > hard:
            failures.append(f"{where}: {lines} lines; at most {hard}")
        elif lines > soft:
            warnings.append(f"{where}: {lines} lines; better {soft}")

    for name in sources.tracked(root):
        if not (name.endswith(CXX + PYTHON) or name in SHELL) or name.startswith("goldens/"):
            continue
        text = sources.read(root, name)
        judge(name, name, text.count("\n"), FILE_SOFT, FILE_HARD)
        functions = []
        if name.endswith(CXX):
            functions = cxx_functions.find_functions(text)
        elif name.endswith(PYTHON):
            functions = python_functions(text)
        for function in functions:
            key = f"{name}:{function.name}"
            judge(key, f"{name}:{function.first_line}: {function.name}", function.lines, FUNCTION_SOFT, FUNCTION_HARD)
    failures += [f"EXCEPTIONS holds {key!r}, which needs none" for key in exceptions if key not in used]
    return failures, warnings


_TRICKY = r"""
namespace a {
struct S {
  S() : one_{1}, two_(2) { f(); }
  bool operator()(int x) const { return x == '{'; }
  int one_{1};
};
constexpr int kTable[] = {1, 2,
                          3};
template <class T, int N = 3>
auto g(T x) -> decltype(x) {
#if defined(X)
  if (x) {
#else
  if (!x) {
#endif
    log("}{ // ", R"(})", 1'000);  // }
  }
  return x;
}
MACRO_ROW(g, int)
namespace {
void last() {
}
}  // namespace
}  // namespace a
"""


def self_test():
    found = [(f.name, f.lines) for f in cxx_functions.find_functions(_TRICKY)]
    expected = [("S", 1), ("operator_", 1), ("g", 11), ("last", 2)]
    if found != expected:
        raise SystemExit(f"self-test: the functions are {expected}, found {found}")

    def body(lines):
        return "void f() {\n" + "  g();\n" * (lines - 2) + "}\n"

    sources.expect(check, {"src/a.cc": body(100), "src/b.cc": "\n" * 800})
    sources.expect(check, {"src/a.cc": body(101)}, "src/a.cc:1: f: 101 lines")
    sources.expect(check, {"src/b.cc": "\n" * 801}, "src/b.cc: 801 lines")
    sources.expect(check, {"tools/x.py": "def f():\n" + "    g()\n" * 100}, "tools/x.py:1: f: 101 lines")
    excused = {"src/a.cc:f": "a reason", "src/gone.cc": "another"}
    sources.expect(lambda root: check(root, excused), {"src/a.cc": body(101)}, "'src/gone.cc', which needs none")


if __name__ == "__main__":
    sys.exit(sources.main(check, self_test))
