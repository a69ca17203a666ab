#!/usr/bin/env python3
"""Arithmetic, conversions and blocks against Universal, in alternating runs on one core.

bench/formats_against_universal.py UNIVERSAL [--program build/release/lowbit] [--pairs 5] [--cxx g++ --cxx clang++-19]

UNIVERSAL: a checkout of https://github.com/stillwater-sc/universal (its include/sw is enough). A harness is compiled in a
temporary folder by each CXX, -O3 -march=native; the faster counts, row by row. Both work on as many numbers, which lie
in the second-level cache: floats to codes, one operation after the other on arrays of codes, floats to blocks (codes and
scales; NVFP4 with the scale of the tensor). Printed: medians of the runs, ns per number or operation, and their ratio.
Where lowbit lacks the format: "-". Answers differ in known ways (docs/conformance.md); the work is the same.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

HARNESS = r"""
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>
#include <universal/number/cfloat/cfloat.hpp>
#include <universal/number/lns/lns.hpp>
#include <universal/number/microfloat/microfloat.hpp>
#include <universal/number/mxfloat/mxfloat.hpp>
#include <universal/number/nvblock/nvblock.hpp>
#include <universal/number/posit/posit.hpp>
using namespace sw::universal;
const size_t n = 1 << 15;
std::vector<float> in(n);
template <class T> void keep(std::vector<T> &v) { __asm__ volatile("" : : "r"(v.data()) : "memory"); }
template <class Body> void row(const std::string &work, const std::string &name, const Body &body) {
  std::vector<double> times;
  for (int r = 0; r < 21; ++r) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%s|%s|%g\n", work.c_str(), name.c_str(), times[times.size() / 2] / n * 1e9);
}
template <class T> void encode(const char *name) {
  std::vector<T> out(n);
  row("encode", name, [&] { for (size_t i = 0; i < n; ++i) out[i] = in[i]; keep(out); });
}
template <class T> void arithmetic(const std::string &name) {
  std::vector<T> a(n), out(n);
  for (size_t i = 0; i < n; ++i) a[i] = in[i];
  row("arithmetic", name + " add", [&] { for (size_t i = 0; i < n; ++i) out[i] = a[i] + a[n - 1 - i]; keep(out); });
  row("arithmetic", name + " multiply", [&] { for (size_t i = 0; i < n; ++i) out[i] = a[i] * a[n - 1 - i]; keep(out); });
  row("arithmetic", name + " divide", [&] { for (size_t i = 0; i < n; ++i) out[i] = a[i] / a[n - 1 - i]; keep(out); });
}
int main() {
  unsigned s = 1;
  for (float &x : in) { float sum = -2; for (int k = 0; k < 4; ++k) { s = s * 1664525u + 1013904223u; sum += (s >> 16) / 65536.0f; } x = sum * 1.7f; }
  using E4m3fn = microfloat<8, 4, false, true, true>;
  using E4m3 = cfloat<8, 4, uint8_t, true, false, false>;
  encode<e2m1>("e2m1");
  encode<E4m3fn>("e4m3fn");
  encode<E4m3>("e4m3");
  encode<cfloat<8, 5, uint8_t, true, false, false>>("e5m2");
  encode<cfloat<16, 5, uint16_t, true, false, false>>("f16");
  encode<posit<8, 2, uint8_t>>("posit8");
  encode<posit<16, 2, uint16_t>>("posit16");
  arithmetic<posit<8, 2, uint8_t>>("posit8");
  arithmetic<E4m3fn>("e4m3fn");
  arithmetic<E4m3>("e4m3");
  arithmetic<lns<8, 3, uint8_t>>("lns8.3");
  std::vector<mxfp4> mx(n / mxfp4::blockSize);
  row("encode", "mxfp4", [&] { for (size_t b = 0; b < mx.size(); ++b) mx[b].quantize(&in[b * mxfp4::blockSize]); keep(mx); });
  std::vector<nvfp4> nv(n / nvfp4::blockSize);
  row("encode", "nvfp4", [&] {
    float most = 0;
    for (const float x : in) most = std::max(most, std::fabs(x));
    for (size_t b = 0; b < nv.size(); ++b) nv[b].quantize(&in[b * nvfp4::blockSize], most / (448 * 6));
    keep(nv);
  });
}
"""

FORMATS = ["e2m1", "e4m3fn", "e4m3", "e5m2", "f16", "posit8", "posit16", "lns8.3", "mxfp4", "nvfp4"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("universal", type=pathlib.Path)
    parser.add_argument("--program", default="build/release/lowbit")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cxx", action="append")
    args = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    compilers = args.cxx or ["g++", "clang++-19"]
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "harness.cc")
        source.write_text(HARNESS)
        include = f"-I{args.universal / 'include/sw'}"
        binaries = {}
        for i, cxx in enumerate(compilers):
            binaries[cxx] = str(pathlib.Path(folder, f"harness{i}"))
            subprocess.run([cxx, "-std=c++20", "-O3", "-march=native", "-w", include, str(source), "-o", binaries[cxx]], check=True)
        theirs, ours = {cxx: collections.defaultdict(list) for cxx in compilers}, collections.defaultdict(list)
        known = [name for name in FORMATS if lowbit(args.program, name) is not None]
        for _ in range(args.pairs):
            for cxx, binary in binaries.items():
                for line in subprocess.run([binary], capture_output=True, text=True, check=True).stdout.splitlines():
                    work, name, time = line.split("|")
                    theirs[cxx][work, name].append(float(time))
            for row in lowbit(args.program, *known):
                if row["round"] in ("", "rne"):
                    ours[row["work"], row["name"]].append(row["rate"])
    show(args, theirs, ours)


def lowbit(program, *formats):
    """The rows of lowbit bench formats, None where it has no such format."""
    command = [program, "bench", "formats", "--json", "--round", "rne"]
    for name in formats:
        command += ["--format", name]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout)["rows"] if done.returncode == 0 else None


def show(args, theirs, ours):
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "unknown processor")
    compilers = list(theirs)
    print(f"{cpu}; ns per number or operation, medians of {args.pairs} alternating runs; ratio: to the faster compiler\n")
    print("| work | format | " + " | ".join(f"Universal, {cxx}" for cxx in compilers) + " | lowbit | ratio |")
    print("|---|---|" + "--:|" * (len(compilers) + 2))
    for key in theirs[compilers[0]]:
        medians = [statistics.median(theirs[cxx][key]) for cxx in compilers]
        cells = [*key, *(f"{m:.2f}" for m in medians)]
        own = statistics.median(ours[key]) if key in ours else None
        cells += ["-", "-"] if own is None else [f"{own:.3f}", f"{min(medians) / own:.1f}" if own < min(medians) else f"{min(medians) / own:.2f}"]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
