#!/usr/bin/env python3
"""Hot tiles keep their accumulators in registers: no innermost loop of the product kernels spills a vector.

Compiles src/kernels/{matmul,matmul/few,gemm}/<isa>.cc to assembly as the release build does and looks at every loop that
multiplies (vpdpbusd, vdpbf16ps, vpmaddubsw, vfmadd, tdpb) or counts (vpopcntd) and has no other in it. A vector or tile
that goes to or from the stack in a loop of one block is a failure. In one of several blocks, which may end a stretch or
have other kinds of ends beside, so do some that no step pays for: MOST_SPILLS, or one for 16 products. With the 16
registers of AVX2 such loops are not looked at. What a tile loads before and stores after its loops is not in the count.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import sources

COMPILER = "clang++-19"
MOST_SPILLS = 4
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
    """(function, lines, whether it is one block) of every loop, a jump back to a label, that has no other in it."""
    function, labels, lines, loops = "", {}, [], []
    for line in [*assembly.splitlines(), "_Zend:"]:
        head = LABEL.match(line)
        if head and head.group(1).startswith("_Z"):
            for begin, end in loops:
                if not any(begin <= b and e <= end and (b, e) != (begin, end) for b, e in loops):
                    is_one = not any(begin < at < end for at in labels.values())
                    yield function, lines[begin:end], is_one
            function, labels, lines, loops = head.group(1), {}, [], []
        elif head:
            labels[head.group(1)] = len(lines)
        else:
            lines.append(line)
            jump = JUMP.match(line)
            if jump and jump.group(1) in labels:
                loops.append((labels[jump.group(1)], len(lines)))


def judge(name, assembly):
    failures, found = [], False
    for function, lines, is_one in inner_loops(assembly):
        products = sum(1 for line in lines if PRODUCT.search(line))
        if products == 0 or (not is_one and name.endswith("/avx2.cc")):
            continue
        found = True
        spills = [line.strip() for line in lines if SPILL.search(line)]
        if len(spills) > (0 if is_one else max(MOST_SPILLS, products // 16)):
            failures.append(f"{name}: {function}: a loop of {len(lines)} instructions spills {len(spills)} times: {spills[0]}")
    return failures if found else [f"{name}: no innermost loop multiplies; what was looked for is not there"]


def check(root):
    if shutil.which(COMPILER) is None:
        return [f"{COMPILER} is not installed (tools/bootstrap installs it)"], []
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for isa, flags in isa_flags(root).items():
            for name in sources.tracked(root):
                is_kernel = re.fullmatch(rf"src/kernels/(matmul|matmul/few|gemm)/{isa}\.cc", name)
                if is_kernel and "simd/" in sources.read(root, name):
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
    spill = "\tvmovups\t%zmm3, 64(%rsp)\n"
    for text in (loop.format(spill), "_Zkernel:\n\tretq\n"):
        if len(judge("a.cc", text)) != 1:
            raise SystemExit("self-test: a spill, or a missing loop, passes")
    # Of several blocks: some spills pass, more do not; an outer loop is not looked at.
    for count, wrong in ((MOST_SPILLS, 0), (MOST_SPILLS + 1, 1)):
        text = loop.format(spill * count + "\tjb\t.LBB0_2\n.LBB0_2:\n")
        if len(judge("a.cc", text)) != wrong or judge("a/avx2.cc", text + loop.format("")):
            raise SystemExit("self-test: loops of several blocks")
    outer = "_Zkernel:\n.LBB0_3:\n" + spill + loop.format("").removeprefix("_Zkernel:\n") + "\tjne\t.LBB0_3\n"
    if judge("a.cc", outer):
        raise SystemExit("self-test: an outer loop is looked at")


if __name__ == "__main__":
    sys.exit(sources.main(check, self_test))
