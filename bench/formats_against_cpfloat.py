#!/usr/bin/env python3
"""Casts of arrays against CPFloat, in alternating runs on one core.

bench/formats_against_cpfloat.py CPFLOAT [--program build/release/lowbit] [--pairs 5] [--cc clang-19] [--isa avx2]

CPFLOAT: a checkout of https://github.com/north-numerical-computing/cpfloat with its submodule deps/pcg-c (without it
CPFloat falls back on the C library's random numbers). It is compiled in a temporary folder as its Makefile does it: gcc,
-O3 -march=native -std=gnu99, PCG for the random bits, one thread; --cc takes another compiler. Both cast the same number
of floats that lie in the second-level cache, on the same core. Printed: medians of the runs, ns per number, and their
ratio. CPFloat's E4M3 differs from OCP's (largest value 480); the work is the same.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

HARNESS = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cpfloat_definitions.h"
optstruct *init_optstruct(void);
int cpfloatf(float *, const float *, const size_t, optstruct *);
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
int main(int argc, char **argv) {
  const size_t n = 1 << 15;
  float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
  unsigned s = 1;
  for (size_t i = 0; i < n; ++i) { float sum = -2; for (int k = 0; k < 4; ++k) { s = s * 1664525u + 1013904223u; sum += (s >> 16) / 65536.0f; } x[i] = sum * 1.7f; }
  optstruct *o = init_optstruct();
  o->precision = atoi(argv[1]); o->emin = atoi(argv[2]); o->emax = atoi(argv[3]);
  o->round = strcmp(argv[4], "sr") ? CPFLOAT_RND_NE : CPFLOAT_RND_SP;
  o->explim = CPFLOAT_EXPRANGE_TARG; o->subnormal = CPFLOAT_SUBN_USE; o->saturation = CPFLOAT_SAT_USE; o->flip = 0;
  double best[51]; int runs = 51;
  for (int r = 0; r < runs; ++r) { const double t = now(); cpfloatf(y, x, n, o); __asm__ volatile("" : : "r"(y) : "memory"); best[r] = now() - t; }
  for (int i = 0; i < runs; ++i) for (int j = i + 1; j < runs; ++j) if (best[j] < best[i]) { double t = best[i]; best[i] = best[j]; best[j] = t; }
  printf("%g\n", best[runs / 2] / n * 1e9);
  return 0;
}
"""

# Format, precision, emin, emax.
ROWS = [("e4m3fn", 4, -6, 8), ("e5m2", 3, -14, 15), ("f16", 11, -14, 15), ("bf16", 8, -126, 127), ("tf32", 11, -126, 127), ("e3m2", 3, -2, 4)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cpfloat", type=pathlib.Path)
    parser.add_argument("--program", default="build/release/lowbit")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--isa", default=None)
    parser.add_argument("--cc", default="gcc")
    args = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        binary, flags = build(args, pathlib.Path(folder))
        version = subprocess.run([args.cc, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
        print(f"{processor()}; CPFloat by {version}, {' '.join(flags)}; ns per number, medians of {args.pairs} alternating runs\n")
        print("| format | rounding | CPFloat | lowbit | ratio | copy |\n|---|---|--:|--:|--:|--:|")
        for name, precision, emin, emax in ROWS:
            for rounding in ("rne", "sr"):
                compare(args, binary, name, (precision, emin, emax), rounding)


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "unknown processor")


def build(args, folder):
    """The harness and how CPFloat was compiled."""
    flags = ["-O3", *(["-march=native"] if args.isa != "avx2" else ["-mavx2", "-mfma"]), "-std=gnu99"]
    pcg = args.cpfloat / "deps/pcg-c"
    random = ["-include", str(pcg / "include/pcg_variants.h")] if (pcg / "include/pcg_variants.h").exists() else []
    sources = [str(path) for path in sorted((pcg / "src").glob("*.c"))] if random else []
    # Its functions are static inline in headers; the Makefile takes that away to make a library.
    for header in (args.cpfloat / "src").glob("*.h"):
        text = header.read_text()
        keep = header.name == "cpfloat_definitions.h"
        (folder / header.name).write_text(text if keep else text.replace("static inline", ""))
    for name, text in (("harness.c", HARNESS), ("library.c", '#include "cpfloat_binary32.h"\n')):
        (folder / name).write_text(text)
        sources.append(str(folder / name))
    binary = str(folder / "harness")
    include = [f"-I{pcg / 'include'}"] if random else []
    subprocess.run([args.cc, *flags, *random, "-w", *include, *sources, "-o", binary, "-lm"], check=True)
    return binary, flags + (["with PCG"] if random else ["without PCG"])


def compare(args, binary, name, shape, rounding):
    theirs, ours, copy = [], [], []
    for _ in range(args.pairs):
        run = subprocess.run([binary, *map(str, shape), rounding], capture_output=True, text=True, check=True)
        theirs.append(float(run.stdout))
        command = [args.program, "bench", "formats", "--format", name, "--round", rounding, "--json"]
        if args.isa:
            command += ["--isa", args.isa]
        rows = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["rows"]
        ours += [row["rate"] for row in rows if row["work"] == "cast"]
        copy += [row["rate"] for row in rows if row["work"] == "copy"]
    a, b = statistics.median(theirs), statistics.median(ours)
    print(f"| {name} | {rounding} | {a:.3f} | {b:.3f} | {a / b:.1f} | {statistics.median(copy):.3f} |", flush=True)


if __name__ == "__main__":
    main()
