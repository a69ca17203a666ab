#!/usr/bin/env python3
"""Who may include whom: the ranks of LAYERS, private and public headers, and what ISA files may see."""

import fnmatch
import re
import sys

import sources

# Besides simd/ and generic.h or its parts (generic_x.h) in its group of operations (src/kernels/<group>), an ISA file may
# reach only these (directly or through those):
# plain argument structs, where an inline function compiled twice with different flags cannot hide ...
ISA_HEADERS = ["simd/*.h", "{group}/generic*.h", "*/args.h"]
# ... and system headers without function templates that a debug build would emit. No standard containers.
ISA_SYSTEM_HEADERS = {"immintrin.h", "arm_neon.h", "cstddef", "cstdint", "cstring", "type_traits", "limits"}

# Folders that see nothing but the public headers.
PUBLIC_ONLY = {"include", "examples"}

# Folders outside src/ that may include every room.
ABOVE_ALL_ROOMS = {"bench", "tests", "lab", "python"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)


def read_ranks(root):
    ranks = {}
    for line in sources.read(root, "LAYERS").splitlines():
        match = re.match(r"([a-z_]+) +([0-9]+)$", line)
        if match:
            ranks[match.group(1)] = int(match.group(2))
    return ranks


def includes(text):
    """(line, quoted or None, system or None) of every #include."""
    code = sources.strip_comments(text, keep_strings=True)
    for match in INCLUDE.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_room_file(name, text, ranks, existing):
    room = name.split("/")[1]
    if room not in ranks:
        return [f"{name}: src/{room} has no rank in LAYERS"]
    failures = []
    for line, quoted, _ in includes(text):
        if quoted is None:
            continue
        where = f'{name}:{line}: "{quoted}"'
        target = quoted.split("/")[0]
        if quoted.startswith("lowbit/"):
            continue
        if ".." in quoted.split("/") or target not in ranks or "/" not in quoted:
            failures.append(f"{where}: an include names the full path of a room of LAYERS")
        elif target != room and ranks[target] >= ranks[room]:
            failures.append(f"{where}: {room} (rank {ranks[room]}) may not include {target} (rank {ranks[target]})")
        elif f"src/{quoted}" not in existing:
            failures.append(f"{where}: no such file under src/")
    return failures


def check_public_header(name, text):
    return [
        f'{name}:{line}: "{quoted}": what users see and write includes only public headers (src/ is private)'
        for line, quoted, _ in includes(text)
        if quoted is not None and not quoted.startswith("lowbit/")
    ]


def check_isa_file(root, name, isa, existing):
    """The ISA file and every header it reaches."""
    group = "/".join(name.split("/")[1:3])
    allowed = [pattern.format(group=group) for pattern in ISA_HEADERS]
    failures = []
    if not re.search(rf"\bnamespace\b[^;{{]*\b{isa}\b|#define\s+\w*NAMESPACE\w*\s+{isa}\b", sources.read(root, name)):
        failures.append(f"{name}: what an ISA file defines stands in a namespace {isa}")
    seen, todo = {name}, [name]
    while todo:
        current = todo.pop()
        for line, quoted, system in includes(sources.read(root, current)):
            where = f"{current}:{line}: "
            reached = "" if current == name else f" (reached from {name})"
            if system is not None:
                if system not in ISA_SYSTEM_HEADERS:
                    failures.append(f"{where}<{system}>: not for code compiled with ISA flags{reached}")
            elif not any(fnmatch.fnmatch(quoted, pattern) for pattern in allowed):
                failures.append(f'{where}"{quoted}": ISA files see only {", ".join(allowed)}{reached}')
            elif f"src/{quoted}" in existing and f"src/{quoted}" not in seen:
                seen.add(f"src/{quoted}")
                todo.append(f"src/{quoted}")
    return failures


def check(root):
    ranks, isas = read_ranks(root), sources.isas(root)
    names = sources.tracked(root, (".h", ".cc", ".inc"))
    existing = set(names)
    failures = []
    for name in names:
        top, text = name.split("/")[0], sources.read(root, name)
        if top == "src":
            failures += check_room_file(name, text, ranks, existing)
            stem = name.rsplit("/", 1)[1].removesuffix(".cc")
            if name.endswith(".cc") and stem in isas:
                failures += check_isa_file(root, name, stem, existing)
        elif top in PUBLIC_ONLY:
            failures += check_public_header(name, text)
        elif top not in ABOVE_ALL_ROOMS:
            failures.append(f"{name}: C++ stands in src, include, examples, bench, tests, lab or python")
    return sorted(set(failures)), []


def self_test():
    base = {
        "LAYERS": "# ranks\nbase 0\nsimd 0\ntensor 2\nkernels 3\nio 3\n",
        "cmake/rooms.cmake": "set(LOWBIT_ISA_FLAGS_avx2 -mavx2)\nset(LOWBIT_ISA_FLAGS_more ${LOWBIT_ISA_FLAGS_avx2} -mmore)\n",
        "src/base/a.h": "#pragma once\n",
        "src/simd/avx2.h": "#include <immintrin.h>\n",
        "src/kernels/op/args.h": "#include <cstdint>\n",
        "src/kernels/op/generic.h": '#include "kernels/op/args.h"\n',
        "src/kernels/op/avx2.cc": '#include "simd/avx2.h"\n#include "kernels/op/generic.h"\nnamespace lowbit::avx2 {}\n',
        "include/lowbit/x.h": '#include <vector>\n#include "lowbit/y.h"\n',
    }
    cases = [
        ({}, []),
        ({"src/base/b.h": '#include "tensor/t.h"\n'}, ["base (rank 0) may not include tensor"]),
        ({"src/kernels/k.h": '#include "io/i.h"\n'}, ["kernels (rank 3) may not include io"]),
        ({"src/kernels/k.h": '// #include "io/i.h"\n#include "base/a.h"\n'}, []),
        ({"src/base/b.h": '#include "a.h"\n'}, ["full path of a room"]),
        ({"src/base/b.h": '#include "base/../base/a.h"\n'}, ["full path of a room"]),
        ({"src/base/b.h": '#include "base/gone.h"\n'}, ["no such file"]),
        ({"src/new/b.h": "\n"}, ["no rank in LAYERS"]),
        ({"include/lowbit/z.h": '#include "base/a.h"\n'}, ["only public headers"]),
        ({"examples/z.cc": '#include "base/a.h"\n'}, ["only public headers"]),
        ({"other/z.cc": "\n"}, ["C++ stands in"]),
        ({"src/kernels/op/args.h": "#include <vector>\n"}, ["<vector>"]),
        ({"src/kernels/op/generic.h": '#include "base/a.h"\n'}, ['"base/a.h": ISA files see only']),
        ({"src/kernels/op/avx2.cc": '#include "simd/avx2.h"\nvoid f() {}\n'}, ["namespace avx2"]),
        ({"src/kernels/op/more.cc": '#include "simd/avx2.h"\nvoid f() {}\n'}, ["namespace more"]),
        ({"src/kernels/op/part/avx2.cc": '#include "kernels/op/generic.h"\nnamespace lowbit::avx2 {}\n'}, []),
        ({"src/kernels/other/avx2.cc": '#include "kernels/op/generic.h"\nnamespace lowbit::avx2 {}\n'}, ["ISA files see only"]),
    ]
    for extra, parts in cases:
        sources.expect(check, base | extra, *parts)


if __name__ == "__main__":
    sys.exit(sources.main(check, self_test))
