#!/usr/bin/env python3
"""Measures formats and budgets of one model and writes docs/quality.md.

tools/quality_table.py MODEL TEXT [--chunks N] [--work DIR] [--program PATH]

Every row is quantized by `lowbit quantize` and measured by `lowbit eval` against MODEL in fp32. Beside every format stands
the plan for exactly its file size. Rows that are in the work folder already, made by the same program from the same
model and text, are not made again. Exit 1 where more bits lose more within a family, or where a plan loses more than the
format of its size.
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
OUT = "docs/quality.md"


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    return json.loads(done.stdout)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = pathlib.Path(options.work)
        self.work.mkdir(parents=True, exist_ok=True)
        model = options.model
        if not pathlib.Path(model).exists():  # a known name
            model = run(options.program, "pull", model, "--json")["path"]
        self.inputs = " ".join(sha256(path) for path in (options.program, model, options.text))

    def measure(self, flag, value):
        o = self.options
        key = hashlib.sha256(f"{self.inputs} {o.chunks} {flag} {value}".encode()).hexdigest()[:16]
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

    # One format everywhere, and the plan for a file of the same size.
    def pair(self, name):
        row = self.measure("--format", name)
        row["plan"] = self.measure("--budget", f"{row['bytes']}B")
        return row


def table(rows):
    planned = any("plan" in r for r in rows)
    lines = ["| | file MB | bits per weight | KL | same top-1 | perplexity |" + (" KL of the plan of this size |" if planned else ""),
             "|---|--:|--:|--:|--:|--:|" + ("--:|" if planned else "")]
    for r in rows:
        line = (f"| `{r['name']}` | {r['bytes'] / 1e6:.1f} | {r['bits']:.3f} | {r['kl']:.4f} ± {r['error']:.4f} | "
                f"{100 * r['top1']:.1f} % | {r['perplexity']:.3f} |")
        lines.append(line + (f" {r['plan']['kl']:.4f} |" if "plan" in r else ""))
    return "\n".join(lines)


def failures(budgets, families):
    """Sentences about rows that are not as they should be."""
    found = []
    for name, rows in {"budgets": budgets, **families}.items():
        for a, b in zip(rows, rows[1:]):
            if not a["kl"] > b["kl"]:
                found.append(f"{name}: {b['name']} has KL {b['kl']:.4f}, {a['name']} with fewer bits {a['kl']:.4f}")
    for name, rows in families.items():
        for r in rows:
            plan = r["plan"]
            if plan["bytes"] > r["bytes"] or not plan["kl"] < r["kl"]:
                found.append(f"{name}: {r['name']} in {r['bytes']} bytes has KL {r['kl']:.4f}, "
                             f"the plan in {plan['bytes']} bytes {plan['kl']:.4f}")
    return found


def page(options, budgets, families):
    sections = [
        "# Quality by bytes",
        f"Made by `tools/quality_table.py`: `{pathlib.Path(options.model).name}`, `{pathlib.Path(options.text).name}`, the first "
        f"{options.chunks} chunks of 512 tokens. KL is that of the next-token distribution against the source model in fp32, in nats "
        "per token, with its standard error; the models run as `lowbit run` runs them (int8 activations where the weights are "
        "integers). Calibrated on `share/text/calibration.txt`; everything is rounded by `gptq`. The last column is what "
        "`--budget` makes of a file of exactly the size of the row's.",
        "## The best mix for a size", table(budgets)]
    for name, rows in families.items():
        sections += [f"## One format everywhere: {name}", table(rows)]
    return "\n\n".join(sections) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--chunks", type=int, default=16)
    parser.add_argument("--work", default="out/quality")
    parser.add_argument("--program", default="build/release/lowbit")
    parser.add_argument("--out", default=OUT)
    parser.add_argument("--family", default="", help="only the families whose name has this in it; needs an --out of its own")
    options = parser.parse_args()
    if options.family and pathlib.Path(options.out).resolve() == pathlib.Path(OUT).resolve():
        parser.error(f"--family measures only a part: give an --out that is not {OUT}")
    chosen = {name: formats for name, formats in FAMILIES.items() if options.family in name}
    if not chosen:
        parser.error(f"--family {options.family}: there are {', '.join(FAMILIES)}")
    bench = Bench(options)
    budgets = [bench.measure("--budget", b) for b in BUDGETS]
    families = {name: [bench.pair(f) for f in formats] for name, formats in chosen.items()}
    pathlib.Path(options.out).write_text(page(options, budgets, families))
    wrong = failures(budgets, families)
    for sentence in wrong:
        print(f"NOT as it should be: {sentence}")
    if wrong:
        raise SystemExit(1)
    print("more bits give less KL in every family, and every plan loses less than the format of its size")


if __name__ == "__main__":
    main()
