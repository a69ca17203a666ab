"""Finds the functions of a C++ file by its braces: enough for sizes and ladders of this code, no compiler needed."""

import dataclasses
import re

import sources


@dataclasses.dataclass
class Function:
    name: str
    first_line: int  # of the declaration, not of a comment or attribute line before it
    last_line: int  # of the closing brace
    body: str  # between the braces: comments blanked, strings kept

    @property
    def lines(self):
        return self.last_line - self.first_line + 1


def _blank_preprocessor(code):
    """Directives blanked, and all but the first branch of every #if, so that braces balance."""
    out, depth_skipped, stack, continued = [], 0, [], False
    for line in code.split("\n"):
        directive = re.match(r"\s*#\s*(\w+)", line) if not continued else None
        if directive:
            word = directive.group(1)
            if word in ("if", "ifdef", "ifndef"):
                stack.append(False)
            elif word in ("else", "elif") and stack and not stack[-1]:
                stack[-1] = True
                depth_skipped += 1
            elif word == "endif" and stack:
                depth_skipped -= stack.pop()
        hidden = directive is not None or continued or depth_skipped > 0
        continued = (directive is not None or continued) and line.endswith("\\")
        out.append(" " * len(line) if hidden else line)
    return "\n".join(out)


def _at_depth_zero(head):
    """The head without what stands in (), [] and the operator of an operator function."""
    head = re.sub(r"\boperator\s*(\(\)|\[\]|[^\s\w(]+)", "operator_", head)
    kept, depth = [], 0
    for char in head:
        if char in "([":
            depth += 1
            kept.append(char if depth == 1 else "")
        elif char in ")]":
            kept.append(char if depth == 1 else "")
            depth -= 1
        elif depth == 0:
            kept.append(char)
    return "".join(kept)


def _without_template(head):
    """The head without its leading template<...> lists."""
    while match := re.match(r"\s*template\s*<", head):
        depth, end = 1, match.end()
        while end < len(head) and depth > 0:
            depth += {"<": 1, ">": -1}.get(head[end], 0)
            end += 1
        head = head[end:]
    return head


# A macro on lines of its own before a declaration, as LOWBIT_PER_ISA(...) before a namespace.
_LEADING_MACRO = re.compile(r"\s*[A-Z][A-Z0-9_]+\([^()]*(?:\([^()]*\)[^()]*)*\)[ \t]*\n(?=\s*\S)")

_SCOPE = re.compile(r"^(?:inline\s+)?(?:typedef\s+)?(namespace|class|struct|union|enum|extern)\b")


def _kind(head):
    """What the brace after `head` opens at the level of a namespace or a class: scope, function, member, data."""
    head = _without_template(re.sub(r"\b(?:public|private|protected)\s*:(?!:)", " ", head)).strip()
    head = re.sub(r"\[\[.*?\]\]|\balignas\s*\([^)]*\)|__attribute__\s*\(\(.*?\)\)", " ", head).strip()
    flat = _at_depth_zero(head)
    scope = _SCOPE.match(flat)
    if scope and not re.search(r"\)\s*(?:const|noexcept|override|final|\s)*$", flat):
        return "scope"
    if re.search(r"\[\]\s*(?:<[^>]*>\s*)?(?:\(\)\s*)?(?:mutable|noexcept|constexpr|\s)*(?:->[\w\s:<>*&]+)?$", flat):
        if "=" in flat:
            return "function"  # a lambda that initialises a variable
    if "()" not in flat or "=" in flat.split("()")[0]:
        return "data"
    after = flat[flat.index("()") + 2 :]
    if re.search(r"(?<!:):(?!:)", after) and re.search(r"[\w>]\s*$", flat) and not flat.rstrip().endswith(")"):
        return "member"  # `: a_{1}` in the initialisers of a constructor
    return "function"


def _name(head):
    flat = _at_depth_zero(_without_template(head))
    before = flat.split("()")[0].split("=")[0]
    words = re.findall(r"[~\w:]+", before)
    name = words[-1].lstrip(":") if words else "?"
    if re.fullmatch(r"TEST(_[FP])?|TYPED_TEST|RC_GTEST_PROP|BENCHMARK_\w+", name):
        arguments = re.search(r"\(([^()]*)\)", head)
        return f"{name}({' '.join(arguments.group(1).split()) if arguments else ''})"
    return name


def _matching_brace(code, start):
    depth = 0
    for i in range(start, len(code)):
        if code[i] == "{":
            depth += 1
        elif code[i] == "}":
            depth -= 1
            if depth == 0:
                return i
    return len(code) - 1


def find_functions(text):
    """All functions at the level of namespaces and classes (lambdas and local classes count to their function)."""
    code = _blank_preprocessor(sources.strip_comments(text))
    shown = sources.strip_comments(text, keep_strings=True)  # the same length: positions agree
    functions, head_start, parens, i = [], 0, 0, 0
    while i < len(code):
        char = code[i]
        if char == "(":
            parens += 1
        elif char == ")":
            parens -= 1
        elif char == ";" and parens == 0 or char == "}":
            head_start, parens = i + 1, 0
        elif char == "{":
            while macro := _LEADING_MACRO.match(code, head_start, i):
                head_start = macro.end()
            head = code[head_start:i]
            kind = "data" if parens > 0 else _kind(head)
            if kind == "scope":
                head_start, parens = i + 1, 0
            else:
                end = _matching_brace(code, i)
                if kind == "function":
                    first = head_start + len(head) - len(head.lstrip())
                    label = re.match(r"(?:public|private|protected)\s*:\s*", code[first:i])
                    first += label.end() if label else 0
                    lines = (code.count("\n", 0, first) + 1, code.count("\n", 0, end) + 1)
                    functions.append(Function(_name(code[first:i]), *lines, shown[i + 1 : end]))
                    head_start, parens = end + 1, 0
                i = end
        i += 1
    return functions
