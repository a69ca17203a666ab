#!/usr/bin/env python3
"""GGUF files that lowbit writes, run by llama.cpp and by lowbit: the perplexities must agree.

bench/gguf_against_llamacpp.py --llama-cpp DIR MODEL TEXT [--chunks N] [--work DIR] [--program PATH] [--only FORMAT]...

DIR holds llama-quantize and llama-perplexity. For every type that lowbit writes (and a mix by budget): the file as it is
in both programs (within 1 %), and dequantized by llama.cpp to F32 against `lowbit eval --reference` (within 0.05 %).
Exit 1 where one is farther off.
"""

import argparse
import json
import pathlib
import re
import subprocess

FORMATS = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl",
           "mxfp4", "budget"]
CONTEXT = "512"


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{done.stderr.strip()[-2000:]}")
    return done.stdout + done.stderr


def llama_perplexity(options, path):
    said = run(pathlib.Path(options.llama_cpp) / "llama-perplexity", "-m", path, "-f", options.text, "-c", CONTEXT,
               "--chunks", options.chunks)
    return float(re.search(r"Final estimate: PPL = ([0-9.]+)", said)[1])


def lowbit_perplexity(options, path, *more):
    return json.loads(run(options.program, "eval", path, "--text", options.text, "--context", CONTEXT, "--chunks",
                          options.chunks, "--json", *more))["perplexity"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--llama-cpp", required=True, metavar="DIR")
    parser.add_argument("--chunks", default="4")
    parser.add_argument("--budget", default="4.5bpw")
    parser.add_argument("--work", default="out/bench-gguf")
    parser.add_argument("--program", default="build/release/lowbit")
    parser.add_argument("--only", action="append", choices=FORMATS, metavar="FORMAT")
    options = parser.parse_args()
    work = pathlib.Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    print("| format | file MB | llama.cpp | lowbit | off | llama.cpp, F32 | lowbit --reference | off |\n|---|--:|--:|--:|--:|--:|--:|--:|")
    wrong = []
    for name in options.only or FORMATS:
        out, f32 = work / f"{name}.gguf", work / "dequantized.gguf"
        chosen = ["--budget", options.budget] if name == "budget" else ["--format", name, "--method", "nearest"]
        run(options.program, "quantize", options.model, "-o", out, *chosen, "--work", work / "pieces")
        run(pathlib.Path(options.llama_cpp) / "llama-quantize", "--allow-requantize", out, f32, "F32")
        theirs, ours = llama_perplexity(options, out), lowbit_perplexity(options, out)
        plain, reference = llama_perplexity(options, f32), lowbit_perplexity(options, out, "--reference")
        off, off_plain = ours / theirs - 1, reference / plain - 1
        mark = "" if abs(off) <= 0.01 and abs(off_plain) <= 0.0005 else " !"
        if mark:
            wrong.append(name)
        print(f"| {name}{mark} | {out.stat().st_size / 1e6:.1f} | {theirs:.4f} | {ours:.4f} | {100 * off:+.3f} % | {plain:.4f} | "
              f"{reference:.4f} | {100 * off_plain:+.4f} % |", flush=True)
        out.unlink()
        f32.unlink()
    if wrong:
        raise SystemExit(f"farther off than they should be: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
