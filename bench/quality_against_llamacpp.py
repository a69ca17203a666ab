#!/usr/bin/env python3
"""Quality by bytes, lowbit against llama.cpp, both measured in one run.

bench/quality_against_llamacpp.py --llama-cpp DIR MODEL TEXT [--chunks N] [--work DIR] [--program PATH] [--extra BUDGET]...

DIR holds llama-quantize, llama-imatrix and llama-perplexity. MODEL is a GGUF file or a name that `lowbit pull` knows.
llama.cpp makes each of RECIPES with an importance matrix of the calibration text that lowbit uses; lowbit gets the size
of that file as its budget. Each side's KL divergence is that of its own tool against the source in F32 on the same
text and chunks (of 512 tokens, the last 255 predictions of each); the column "same file in lowbit" is llama.cpp's file
measured by `lowbit eval`. Prints a table in Markdown. What exists in the work folder is not made again.
"""

import argparse
import json
import pathlib
import re
import subprocess

# Name, type, options of llama-quantize: the settings by hand that lose least for their size on small models.
RECIPES = [
    ("Q5_1 everywhere", "Q5_1", ["--pure"]),
    ("Q4_K_M, embedding Q5_1", "Q4_K_M", ["--token-embedding-type", "q5_1"]),
    ("Q4_1 everywhere", "Q4_1", ["--pure"]),
    ("IQ4_NL, embedding Q5_1", "IQ4_NL", ["--token-embedding-type", "q5_1"]),
    ("Q4_K_M, embedding IQ4_NL", "Q4_K_M", ["--token-embedding-type", "iq4_nl"]),
    ("IQ4_NL everywhere", "IQ4_NL", ["--pure"]),
]
CONTEXT = 512


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{done.stderr.strip()[-2000:]}")
    return done.stdout + done.stderr


def run_json(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    return json.loads(done.stdout)


class Bench:
    def __init__(self, options):
        self.o = options
        self.tools = pathlib.Path(options.llama_cpp)
        self.work = pathlib.Path(options.work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.model = pathlib.Path(options.model)
        if not self.model.is_file():
            self.model = pathlib.Path(run_json(options.program, "pull", options.model, "--json")["path"])

    def made(self, name, *command):
        """The file `name` in the work folder, made by the command (in which "OUT" stands for it) where it is missing."""
        path = self.work / name
        if not path.exists():
            part = path.with_name("part-" + name)
            run(*[part if a == "OUT" else a for a in command])
            part.rename(path)
        return path

    def llama(self, tool, *arguments):
        return [self.tools / tool, *arguments]

    def prepare(self):
        o = self.o
        self.f32 = self.made("f32.gguf", *self.llama("llama-quantize", "--allow-requantize", self.model, "OUT", "F32"))
        self.imatrix = self.made("imatrix.gguf", *self.llama(
            "llama-imatrix", "-m", self.f32, "-f", o.calibration, "-c", CONTEXT, "--chunks", o.imatrix_chunks, "-o", "OUT"))
        self.base = self.made(f"base-{o.chunks}.kld", *self.llama(
            "llama-perplexity", "-m", self.f32, "-f", o.text, "-c", CONTEXT, "--chunks", o.chunks,
            "--kl-divergence-base", "OUT"))

    def llama_row(self, title, kind, flags):
        o = self.o
        name = re.sub(r"[^a-z0-9]+", "-", title.lower())
        path = self.made(f"{name}.gguf", *self.llama(
            "llama-quantize", "--allow-requantize", "--imatrix", self.imatrix, *flags, self.model, "OUT", kind))
        said = run(*self.llama("llama-perplexity", "-m", path, "-f", o.text, "-c", CONTEXT, "--chunks", o.chunks,
                               "--kl-divergence", "--kl-divergence-base", self.base))
        kl = re.search(r"Mean\s+KLD:\s+([-0-9.]+)\s*±\s*([0-9.]+)", said)
        top = re.search(r"Same top p:\s+([0-9.]+)", said)
        if not kl or not top:
            raise SystemExit(f"llama-perplexity printed no KL divergence for {path}")
        return {"title": title, "bytes": path.stat().st_size, "path": path, "kl": float(kl[1]), "error": float(kl[2]),
                "top1": float(top[1]) / 100}

    def score(self, path):
        return run_json(self.o.program, "eval", path, "--base", self.model, "--text", self.o.text, "--context", CONTEXT,
                        "--chunks", self.o.chunks, "--json")

    def lowbit_row(self, budget):
        out = self.work / f"{budget}.safetensors"
        if not out.exists():
            run_json(self.o.program, "quantize", self.model, "-o", out, "--budget", budget,
                     "--text", self.o.calibration, "--work", self.work / "pieces", "--json")
        scored = self.score(out)
        return {"bytes": out.stat().st_size, "kl": scored["kl_mean"], "error": scored["kl_stderr"],
                "top1": scored["top1_agreement"]}


def table(rows):
    lines = ["| llama.cpp | file MB | KL | same top-1 | same file in lowbit, KL | lowbit, file MB | KL | same top-1 | KL ratio |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for theirs, ours in rows:
        left = "| - | | | | |"
        if theirs:
            left = (f"| {theirs['title']} | {theirs['bytes'] / 1e6:.1f} | {theirs['kl']:.4f} ± {theirs['error']:.4f} | "
                    f"{100 * theirs['top1']:.1f} % | {theirs['in_lowbit']:.4f} |")
        ratio = f"{ours['kl'] / theirs['kl']:.2f}" if theirs else ""
        lines.append(f"{left} {ours['bytes'] / 1e6:.1f} | {ours['kl']:.4f} ± {ours['error']:.4f} | "
                     f"{100 * ours['top1']:.1f} % | {ratio} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--llama-cpp", required=True, metavar="DIR")
    parser.add_argument("--chunks", type=int, default=16)
    parser.add_argument("--imatrix-chunks", type=int, default=128)
    parser.add_argument("--calibration", default="share/text/calibration.txt")
    parser.add_argument("--work", default="out/bench")
    parser.add_argument("--program", default="build/release/lowbit")
    parser.add_argument("--extra", action="append", default=[], metavar="BUDGET", help="a size that llama.cpp has nothing for")
    options = parser.parse_args()
    bench = Bench(options)
    bench.prepare()
    rows = []
    for title, kind, flags in RECIPES:
        theirs = bench.llama_row(title, kind, flags)
        theirs["in_lowbit"] = bench.score(theirs["path"])["kl_mean"]
        rows.append((theirs, bench.lowbit_row(f"{theirs['bytes']}B")))
        print(f"{title}: {theirs['kl']:.4f}, lowbit {rows[-1][1]['kl']:.4f}", flush=True)
    rows.sort(key=lambda row: -row[0]["bytes"])
    rows += [(None, bench.lowbit_row(budget)) for budget in options.extra]
    print(f"\n{bench.model.name}, {pathlib.Path(options.text).name}, first {options.chunks} chunks of {CONTEXT}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
