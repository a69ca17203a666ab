#!/usr/bin/env python3
"""Hot tiles keep their accumulators in registers: no innermost loop of the product kernels spills a vector.

Compiles src/kernels/{matmul,matmul/few,gemm}/<isa>.cc to assembly as the release build does and looks at every loop of one block
that multiplies (vpdpbusd, vdpbf16ps, vpmaddubsw, vfmadd, tdpb) or counts (vpopcntd). A vector or tile that goes to or from the
stack in there is a failure. Innermost loops are what is looked at: what a tile loads before and stores after them is
not in the count.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import sources

COMPILER = "clang++-19"
CACHE = ["ccache"] if shutil.which("ccache") else []  # as the build has it
FLAGS = ["-std=c++20", "-O3", "-DNDEBUG", "-ffp-contract=off", "-fno-math-errno", "-Isrc", "-S"]
PRODUCT = re.compile(r"\t(tdpb..d|v(pdpbusd|dpbf16ps|pmaddubsw|popcntd|fn?madd\d+ps))\b")
SPILL = re.compile(r"\t(v|tile)\S+\t.*\(%rsp\)")
LABEL = re.compile(r"^(\.L\S+|_Z\S+):")
JUMP = re.compile(r"^\tj\w+\t(\.L\S+)")


def isa_flags(root):
    """{"avx2": ["-mavx2", ...]} as cmake/rooms.cmake has it."""
    rows = re.findall(r"set\(LOWBIT_ISA_FLAGS_(\w+) ([^)]*)\)", sources.read(root, "cmake/rooms.cmake"))
    known = {}
    for isa, flags in rows:  # a set may begin with that of another
        known[isa] = re.sub(r"\$\{LOWBIT_ISA_FLAGS_(\w+)\}", lambda other: " ".join(known[other.group(1)]), flags).split()
    return known


def inner_loops(assembly):
    """(function, lines) of every block that jumps back to its own head."""
    function, label, block = "", "", []
    for line in assembly.splitlines():
        head = LABEL.match(line)
        if head:
            label, block = head.group(1), []
            function = label if label.startswith("_Z") else function
        else:
            block.append(line)
            jump = JUMP.match(line)
            if jump and jump.group(1) == label:
                yield function, list(block)


def judge(name, assembly):
    loops = [(f, block) for f, block in inner_loops(assembly) if any(PRODUCT.search(line) for line in block)]
    failures = [] if loops else [f"{name}: no innermost loop multiplies; what was looked for is not there"]
    for function, block in loops:
        spills = [line.strip() for line in block if SPILL.search(line)]
        if spills:
            failures.append(f"{name}: {function}: a loop of {len(block)} instructions spills: {spills[0]}")
    return failures


def check(root):
    if shutil.which(COMPILER) is None:
        return [f"{COMPILER} is not installed (tools/bootstrap installs it)"], []
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for isa, flags in isa_flags(root).items():
            for name in sources.tracked(root):
                if re.fullmatch(rf"src/kernels/(matmul|matmul/few|gemm)/{isa}\.cc", name) and "simd/" in sources.read(root, name):
                    out = pathlib.Path(folder) / f"{len(running)}.s"
                    command = [*CACHE, COMPILER, *FLAGS, *flags, name, "-o", str(out)]
                    running.append((name, out, subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True)))
        for name, out, process in running:
            _, errors = process.communicate()
            failures += judge(name, out.read_text()) if process.returncode == 0 else [f"{name}: {errors.strip()}"]
    return failures, []


def self_test():
    # What follows a loop is not in it.
    after = "\tvmovups\t%zmm3, 64(%rsp)\n"
    loop = "_Zkernel:\n.LBB0_1:\n\tvpdpbusd\t%zmm1, %zmm2, %zmm3\n{}\tjne\t.LBB0_1\n" + after
    if judge("a.cc", loop.format("")):
        raise SystemExit("self-test: a clean loop fails")
    for text in (loop.format("\tvmovups\t%zmm3, 64(%rsp)\n"), "_Zkernel:\n\tretq\n"):
        if len(judge("a.cc", text)) != 1:
            raise SystemExit("self-test: a spill, or a missing loop, passes")


if __name__ == "__main__":
    sys.exit(sources.main(check, self_test))
