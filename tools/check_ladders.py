#!/usr/bin/env python3
"""No ladders over formats, instruction sets, file types or architectures outside the rooms that own them.

A ladder is a function that asks for many different members of one family, in `case` labels, comparisons, or a switch:
what it does for each of them belongs into a row of the family's list. Tests may enumerate.
"""

import dataclasses
import re
import sys

import cxx_functions
import sources


@dataclasses.dataclass
class Family:
    what: str
    limit: int  # so many different members asked for in one function make a ladder
    enums: tuple = ()  # names of enum classes
    members: str = ""  # further members: a pattern in case labels and comparisons
    strings: str = ""  # names written as strings: a pattern of what stands between the quotes
    owners: tuple = ()  # (path prefix, why it may)


FAMILIES = [
    Family("element formats", 4, enums=("ElementKind", "NanKind"),
           owners=(("src/formats/", "says what each kind of element means"),)),
    Family("names of formats", 4,
           strings=r"(?:u?int\d+|e\d+m\d+\w*|bf16|f16|f32|nf4|ternary|q\d_\w+|mx\w+|nvfp4|Q\d_\w+)(?:/\S*)?",
           owners=(("src/formats/", "owns the format language"),)),
    Family("instruction sets", 3, enums=("Isa",),
           owners=(("src/base/cpu.cc", "finds out what the processor has"),)),
    Family("types of GGUF tensors", 4, enums=("GgmlType", "GgufType"), members=r"(?:GGML_TYPE_|kGgml)\w+",
           owners=(("src/io/ggml_types", "the list of these types"),
                   ("src/io/gguf_values", "reads the file format's own kinds of metadata value"))),
    Family("architectures", 3, enums=("Architecture",),
           strings=r"(?:llama|mistral|mixtral|qwen\w*|gemma\w*|phi\d?\w*|smollm\w*|gpt\w*|mpt|falcon|bert|starcoder\w*|"
                   r"stablelm|olmo\w*|deepseek\w*|granite\w*|command-r|cohere\w*|mamba\d?|rwkv\d?)",
           owners=(("src/models/", "one file for each architecture"),
                   ("src/text/", "names pre-tokenizers, which files call after models"))),
]  # fmt: skip


def members_asked_for(body, family):
    """The different members of the family in case labels and == or != comparisons of a function's body."""
    code = sources.strip_comments(body)
    patterns = [rf"(?:\w+::)*{enum}::(\w+)" for enum in family.enums]
    patterns += [rf"({family.members})\b"] if family.members else []
    if family.enums and re.search(rf"\busing enum (?:\w+::)*(?:{'|'.join(family.enums)})\b", code):
        patterns.append(r"(\w+)")
    found = set()
    for pattern in patterns:
        for form in (rf"\bcase\s+{pattern}\s*:", rf"[=!]=\s*{pattern}", rf"{pattern}\s*[=!]="):
            found |= set(re.findall(form, code))
    if family.strings:
        for form in (rf'[=!]=\s*"({family.strings})"', rf'"({family.strings})"s?v?\s*[=!]='):
            found |= set(re.findall(form, body))
    return found


def check(root):
    failures = []
    for name in sources.tracked(root, (".h", ".cc"), ("src", "include", "bench")):
        if name.endswith(("_test.cc", "_fuzz.cc")):
            continue
        for function in cxx_functions.find_functions(sources.read(root, name)):
            for family in FAMILIES:
                if name.startswith(tuple(owner for owner, _ in family.owners)):
                    continue
                found = members_asked_for(function.body, family)
                if len(found) >= family.limit:
                    failures.append(
                        f"{name}:{function.first_line}: {function.name} asks for {len(found)} {family.what} "
                        f"({', '.join(sorted(found))}): make it a row of their list"
                    )
    return failures, []


def self_test():
    def function(*lines):
        return "namespace a {\nint f(T x) {\n" + "\n".join(lines) + "\n}\n}\n"

    kinds = ("floating", "integer", "fixed", "codebook")
    switch = ["switch (x) {"] + [f"case formats::ElementKind::{k}: return 1;" for k in kinds] + ["}"]
    bare = ["using enum ElementKind;", "switch (x) {"] + [f"case {k}: return 1;" for k in kinds] + ["}"]
    chain = [f"{'else ' if i else ''}if (x == Isa::{k}) return 1;" for i, k in enumerate(("portable", "avx2", "avx512"))]
    ternary = ["return x == GGML_TYPE_F32 ? 1 : x == GGML_TYPE_F16 ? 2 : x == GGML_TYPE_Q4_0 ? 3 :"
               " x == GGML_TYPE_Q4_1 ? 4 : 5;"]  # fmt: skip
    names = [f'if (x == "{n}") return 1;' for n in ("llama", "qwen2", "gemma")]
    spelled = [f'if ("{n}" == x) return 1;' for n in ("int4", "nf4", "e2m1/32:e8m0", "q4_k")]
    for lines, what in (
        (switch, "element formats"),
        (bare, "element formats"),
        (chain, "instruction sets"),
        (ternary, "GGUF tensors"),
        (names, "architectures"),
        (spelled, "names of formats"),
    ):
        sources.expect(check, {"src/quant/x.cc": function(*lines)}, what)
        sources.expect(check, {"src/quant/x_test.cc": function(*lines)})
    sources.expect(check, {"src/formats/x.cc": function(*switch), "src/models/x.cc": function(*names)})
    sources.expect(check, {"src/quant/x.cc": function(*switch[:4], "}")})  # three of four kinds
    sources.expect(check, {"src/quant/x.cc": function("// " + " ".join(switch))})  # in a comment
    sources.expect(check, {"src/quant/x.cc": function(*chain[:2]) + function(*chain[2:])})  # spread over functions


if __name__ == "__main__":
    sys.exit(sources.main(check, self_test))
