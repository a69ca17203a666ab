#!/usr/bin/env python3
"""Measures formats and budgets of one model and writes docs/quality.md.

tools/quality_table.py MODEL TEXT [--chunks N] [--work DIR] [--program PATH]

Every row is quantized by `lowbit quantize` and measured by `lowbit eval` against MODEL in fp32. Rows that are in the work
folder already are not made again.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess

FAMILIES = {
    "integers with zero points, groups of 64": [f"uint{b}/64:f16+zp" for b in (2, 3, 4, 5, 6)],
    "integers, symmetric, groups of 32": ["int3/32", "q4_0", "int5/32", "int6/32", "q8_0"],
    "floats, OCP MX": ["mxfp4", "mxfp6", "mxfp8"],
}
BUDGETS = ["3.5bpw", "77.6MB", "82.9MB", "86.0MB"]


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    return json.loads(done.stdout)


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = pathlib.Path(options.work)
        self.work.mkdir(parents=True, exist_ok=True)

    def measure(self, flag, value):
        o = self.options
        key = hashlib.sha256(f"{o.model} {o.text} {o.chunks} {flag} {value}".encode()).hexdigest()[:16]
        saved = self.work / f"{key}.json"
        if saved.exists():
            return json.loads(saved.read_text())
        out = self.work / "model.safetensors"
        made = run(o.program, "quantize", o.model, "-o", str(out), flag, value, "--work", str(self.work / "pieces"), "--json")
        scored = run(o.program, "eval", str(out), "--base", o.model, "--text", o.text, "--chunks", str(o.chunks), "--json")
        row = {"name": value, "bytes": made["bytes"], "bits": made["bits_per_weight"], "predicted": made["predicted_kl"],
               "kl": scored["kl_mean"], "error": scored["kl_stderr"], "top1": scored["top1_agreement"],
               "perplexity": scored["perplexity"]}
        saved.write_text(json.dumps(row))
        print(f"{value:24} {row['bytes'] / 1e6:7.1f} MB  KL {row['kl']:.4f}", flush=True)
        return row


def table(rows):
    lines = ["| | file MB | bits per weight | KL | same top-1 | perplexity |", "|---|--:|--:|--:|--:|--:|"]
    for r in rows:
        lines.append(f"| `{r['name']}` | {r['bytes'] / 1e6:.1f} | {r['bits']:.3f} | {r['kl']:.4f} ± {r['error']:.4f} | "
                     f"{100 * r['top1']:.1f} % | {r['perplexity']:.3f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--chunks", type=int, default=16)
    parser.add_argument("--work", default="out/quality")
    parser.add_argument("--program", default="build/release/lowbit")
    parser.add_argument("--out", default="docs/quality.md")
    parser.add_argument("--family", default="", help="only the families whose name has this in it")
    bench = Bench(parser.parse_args())
    o = bench.options
    budgets = [bench.measure("--budget", b) for b in BUDGETS]
    families = {name: [bench.measure("--format", f) for f in formats] for name, formats in FAMILIES.items() if o.family in name}
    sections = [
        "# Quality by bytes",
        f"Made by `tools/quality_table.py`: `{pathlib.Path(o.model).name}`, `{pathlib.Path(o.text).name}`, the first {o.chunks} chunks of "
        "512 tokens. KL is that of the next-token distribution against the source model in fp32, in nats per token, with its "
        "standard error; the models run as `lowbit run` runs them (int8 activations where the weights are integers). "
        "Calibrated on `share/text/calibration.txt`; everything is rounded by `gptq`.",
        "## The best mix for a size", table(budgets)]
    for name, rows in families.items():
        sections += [f"## One format everywhere: {name}", table(rows)]
    pathlib.Path(o.out).write_text("\n\n".join(sections) + "\n")
    falling = all(a["kl"] > b["kl"] for rows in [budgets, *families.values()] for a, b in zip(rows, rows[1:]))
    print("more bits give less KL in every family" if falling else "NOT monotone: see the tables")


if __name__ == "__main__":
    main()
