#!/usr/bin/env python3
"""Casts of arrays against CPFloat, in alternating runs on one core.

bench/formats_against_cpfloat.py CPFLOAT [--program build/release/lowbit] [--pairs 5] [--cc gcc] [--isa avx2]

CPFLOAT: a checkout of https://github.com/north-numerical-computing/cpfloat (its src/ is enough). A harness is compiled
in a temporary folder with CC (clang-19), -O3, for this machine, without OpenMP; both cast the same number of floats that lie in
the second-level cache. Printed: medians of the runs, ns per number, and their ratio. CPFloat's E4M3 differs from OCP's
(largest value 480); the work is the same.
"""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import tempfile

HARNESS = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cpfloat_binary32.h"
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
    parser.add_argument("--cc", default="clang-19")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "harness.c")
        source.write_text(HARNESS)
        binary = str(pathlib.Path(folder, "harness"))
        flags = ["-O3", "-march=native"] if args.isa != "avx2" else ["-O3", "-mavx2", "-mfma"]
        subprocess.run([args.cc, *flags, "-w", f"-I{args.cpfloat / 'src'}", str(source), "-o", binary, "-lm"], check=True)
        print(f"{platform.processor() or platform.machine()}; ns per number, medians of {args.pairs} alternating runs\n")
        print("| format | rounding | CPFloat | lowbit | ratio | copy |\n|---|---|--:|--:|--:|--:|")
        for name, precision, emin, emax in ROWS:
            for rounding in ("rne", "sr"):
                compare(args, binary, name, (precision, emin, emax), rounding)


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
