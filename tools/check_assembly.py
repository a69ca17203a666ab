#!/usr/bin/env python3
"""Hot tiles keep their accumulators in registers: no innermost loop of the product kernels spills a vector.

Disassembles what the release build made of src/kernels/{matmul,matmul/few,gemm}/<isa>.cc (it is brought up to date first)
and looks at every loop that multiplies (vpdpbusd, vdpbf16ps, vpmaddubsw, vfmadd, tdpb) or counts (vpopcntd) and has no
other in it. A vector or tile that goes to or from the stack in a loop of one block is a failure. In one of several blocks,
which may end a stretch or have other kinds of ends beside, so do some that no step pays for: MOST_SPILLS, or one for 16
products. Such loops are not looked at with 16 registers (FEW_REGISTERS), nor in tiles of long spans (LONG_SPANS), which have
three values for each output, of a stretch, a span and a row, and keep the third in memory
(docs/decisions/scales-of-weights-once.md): on a stack that is aligned to vectors (docs/decisions/vectors-on-the-stack.md), which
is looked at instead. What a tile loads before and stores after its loops is not in the count. Where
there is a build by GCC (make gcc), how many of its loops spill is a warning for each file: the compiler of the program is
clang.
"""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

import sources

TARGET = "x86_64"
DISASSEMBLER = "llvm-objdump-19"
MOST_SPILLS = 4
FEW_REGISTERS = ("/avx2.cc", "/avxvnni.cc")
KERNEL = re.compile(r"src/kernels/(?:matmul|matmul/few|gemm)/(\w+)\.cc")
PRODUCT = re.compile(r"\t(tdpb..d|v(pdpbusd|dpbf16ps|pmaddubsw|popcntd|fn?madd\d+ps))\t")
SPILL = re.compile(r"\t(v|tile)\S+\t.*\(%rsp\)")
LONG_SPANS = re.compile(r"few_tileINS\w+ELb1EEEv|dot_blocksINS\w+ELb1EEEv")
ALIGNED = re.compile(r"\tandq\t\$-(0x[248]0), %rsp")
HEAD = re.compile(r"^[0-9a-f]+ <(_Z\S+)>:")
LINE = re.compile(r"^\s*([0-9a-f]+):\s*(\t.*)")
JUMP = re.compile(r"^\tj\w+\t(?:0x)?([0-9a-f]+) <")


def functions(disassembly):
    """(name, [(address, instruction)]) of every function."""
    name, lines = "", []
    for text in [*disassembly.splitlines(), "0 <_Zend>:"]:
        if head := HEAD.match(text):
            if lines:
                yield name, lines
            name, lines = head.group(1), []
        elif line := LINE.match(text):
            lines.append((int(line.group(1), 16), line.group(2)))


def inner_loops(lines):
    """(instructions, whether it is one block) of every loop, a jump back, that has no other in it."""
    jumps = [(at, int(jump.group(1), 16)) for at, text in lines if (jump := JUMP.match(text))]
    loops = [(begin, end) for end, begin in jumps if lines[0][0] <= begin <= end]
    for begin, end in loops:
        if not any(begin <= b and e <= end and (b, e) != (begin, end) for b, e in loops):
            is_one = not any(begin < to <= end for _, to in jumps)
            yield [text for at, text in lines if begin <= at <= end], is_one


def is_aligned(lines):
    """Whether the stack of a function is aligned to the vectors that it keeps there."""
    kept = [text for _, text in lines if SPILL.search(text)]
    least = 64 if any("%zmm" in text for text in kept) else 32 if kept else 0
    return max((int(found.group(1), 16) for _, text in lines if (found := ALIGNED.match(text))), default=0) >= least


def judge(name, disassembly):
    failures, found = [], False
    for function, lines in functions(disassembly):
        if LONG_SPANS.search(function) and not is_aligned(lines):
            failures.append(f"{name}: {function}: vectors on a stack that is not aligned to them (LOWBIT_STACKED)")
        for loop, is_one in inner_loops(lines):
            products = sum(1 for text in loop if PRODUCT.search(text))
            if products == 0 or (not is_one and (name.endswith(FEW_REGISTERS) or LONG_SPANS.search(function))):
                continue
            found = True
            spills = [text.strip() for text in loop if SPILL.search(text)]
            if len(spills) > (0 if is_one else max(MOST_SPILLS, products // 16)):
                failures.append(f"{name}: {function}: a loop of {len(loop)} instructions spills {len(spills)} times: {spills[0]}")
    return failures if found else [f"{name}: no innermost loop multiplies; what was looked for is not there"]


def objects(root):
    """{source: its object below a build folder} of the kernels written for one instruction set of x86."""
    isas = sources.isas_of(root, TARGET)
    names = [name for name in sources.tracked(root) if (found := KERNEL.fullmatch(name)) and found.group(1) in isas]
    return {name: f"CMakeFiles/lowbit_kernels.dir/{name}.o" for name in names if "simd/" in sources.read(root, name)}


def bring_up_to_date(root, folder):
    made = subprocess.run(["cmake", "--preset", folder.name], cwd=root, capture_output=True, text=True)
    if made.returncode == 0:
        command = ["ninja", "-C", folder, "-j", str(os.cpu_count()), *objects(root).values()]
        made = subprocess.run(command, capture_output=True, text=True)
    return [] if made.returncode == 0 else [f"the {folder.name} build: {(made.stderr or made.stdout).strip()}"]


def judge_build(root, folder):
    """{source: failures} of the objects that are there."""
    found = {}
    for name, path in objects(root).items():
        if (folder / path).is_file():
            command = [DISASSEMBLER, "-d", "--no-show-raw-insn", str(folder / path)]
            found[name] = judge(name, subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def check(root):
    if platform.machine() != TARGET:
        return [], [f"only the assembly of {TARGET} is known here"]
    if shutil.which(DISASSEMBLER) is None:
        return [f"{DISASSEMBLER} is not installed (tools/bootstrap installs it)"], []
    builds = pathlib.Path(root) / "build"
    failures = bring_up_to_date(root, builds / "release")
    if not failures:
        failures = [line for lines in judge_build(root, builds / "release").values() for line in lines]
    by_gcc = judge_build(root, builds / "gcc")
    return failures, [f"{name}: GCC spills in {len(lines)} loops" for name, lines in by_gcc.items() if lines]


def self_test():
    def function(*texts):
        return "0000000000000000 <_Zkernel>:\n" + "".join(f"{at:8x}:      \t{text}\n" for at, text in enumerate(texts))

    product, spill = "vpdpbusd\t%zmm1, %zmm2, %zmm3", "vmovups\t%zmm3, 0x40(%rsp)"
    back, on = "jne\t0x1 <_Zkernel+0x1>", "jb\t0x3 <_Zkernel+0x3>"
    # What comes before and after a loop is not in it.
    if judge("a.cc", function(spill, product, back, spill)):
        raise SystemExit("self-test: a clean loop fails")
    for text in (function("nop", product, spill, back), function("retq")):
        if len(judge("a.cc", text)) != 1:
            raise SystemExit("self-test: a spill, or a missing loop, passes")
    # Of several blocks: some spills pass, more do not; with few registers they are not looked at.
    for count, wrong in ((MOST_SPILLS, 0), (MOST_SPILLS + 1, 1)):
        text = function("nop", product, on, *([spill] * count), back)
        few = [judge("a" + name, text + function("nop", product, back)) for name in FEW_REGISTERS]
        if len(judge("a.cc", text)) != wrong or few != [[] for _ in FEW_REGISTERS]:
            raise SystemExit("self-test: loops of several blocks")
    # Nor in tiles of long spans, whose loops of one block are, and whether the stack is aligned.
    aligned, half = "andq\t$-0x40, %rsp", "andq\t$-0x20, %rsp"
    for begin, blocks, wrong in ((aligned, [on], 0), (aligned, [], 1), ("nop", [on], 1), (half, [on], 1)):
        text = function(begin, product, *blocks, *([spill] * (MOST_SPILLS + 1)), back).replace("_Zkernel", "_Zfew_tileINS1SELb1EEEv")
        if len(judge("a.cc", text + function("nop", product, back))) != wrong:
            raise SystemExit("self-test: tiles of long spans")
    # An outer loop is not looked at.
    if judge("a.cc", function("nop", product, "jne\t0x1 <_Zkernel+0x1>", spill, "jne\t0x0 <_Zkernel>")):
        raise SystemExit("self-test: an outer loop is looked at")


if __name__ == "__main__":
    sys.exit(sources.main(check, self_test))
