#!/usr/bin/env python3
"""Tokens per second of GGUF files in lowbit and in an engine of the llama.cpp family, side by side.

bench/engine_against_llamacpp.py --llama-bench PATH MODEL.gguf... [--rounds N] [--threads N] [--prompt N] [--tokens N]
                                 [--program PATH] [--json]

PATH is a llama-bench program (of llama.cpp or ik_llama.cpp). The engines take turns, so that what else the machine does
meets both; the table has medians over the rounds and the quartiles of the ratio. pp512: a prompt of 512 tokens; tg128:
128 tokens after an empty prompt, which lowbit measures in the middle, at a context of 64. Both run the same file again
and again, as llama-bench does it: weights that fit into a cache may stay there (lowbit bench --cold off).
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def theirs(options, model):
    """[{work: tokens per second}, what the program says of itself]"""
    rows = json.loads(run(options.llama_bench, "-m", model, "-p", options.prompt, "-n", options.tokens, "-t",
                          options.threads, "-r", 1, "-o", "json"))
    rates = {"prefill" if row["n_prompt"] else "decode": float(row["avg_ts"]) for row in rows}
    return rates, f"{rows[0].get('build_commit', '?')} ({rows[0].get('build_number', '?')})"


def ours(options, model):
    said = json.loads(run(options.program, "bench", model, "--prefill", options.prompt, "--context", options.tokens // 2,
                          "--batch", 1, "--threads", options.threads, "--cold", "off", "--json"))
    return {row["work"]: row["rate"] for row in said["rows"]}, said["machine"]


def measure(options, model):
    """[(work, their median, our median, ratio, lower and upper quartile of the ratio)]"""
    found = {"prefill": [], "decode": []}
    machine, build = {}, ""
    for turn in range(options.rounds):
        # Whoever runs second finds the file in memory: the order changes from round to round.
        results = {}
        for engine in (theirs, ours) if turn % 2 == 0 else (ours, theirs):
            results[engine] = engine(options, model)
        build, machine = results[theirs][1], results[ours][1]
        for work, pairs in found.items():
            pairs.append((results[theirs][0][work], results[ours][0][work]))
    rows = []
    for work, pairs in found.items():
        ratios = sorted(b / a for a, b in pairs)
        rows.append({"model": pathlib.Path(model).name,
                     "work": f"pp{options.prompt}" if work == "prefill" else f"tg{options.tokens}",
                     "theirs": statistics.median(a for a, _ in pairs), "lowbit": statistics.median(b for _, b in pairs),
                     "ratio": statistics.median(ratios), "ratio_quartiles": [ratios[len(ratios) // 4],
                                                                             ratios[len(ratios) * 3 // 4]]})
    return rows, machine, build


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--llama-bench", required=True, metavar="PATH")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--program", default="build/release/lowbit")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if min(options.rounds, options.threads, options.prompt, options.tokens) < 1:
        parser.error("--rounds, --threads, --prompt and --tokens are at least 1")
    rows, machine, build = [], {}, ""
    for model in options.models:
        more, machine, build = measure(options, model)
        rows += more
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    about = {"cpu": machine["cpu"], "isa": machine["isa"], "threads": options.threads, "rounds": options.rounds,
             "lowbit": commit, "llama_bench": build, "date": datetime.date.today().isoformat()}
    if options.json:
        print(json.dumps({"machine": about, "rows": rows}))
        return
    print(", ".join(f"{key} {value}" for key, value in about.items()) + "\n")
    print("| model | work | llama-bench tokens/s | lowbit tokens/s | lowbit / llama-bench (quartiles) |\n|---|---|--:|--:|--:|")
    for row in rows:
        low, high = row["ratio_quartiles"]
        print(f"| {row['model']} | {row['work']} | {row['theirs']:.1f} | {row['lowbit']:.1f} | {row['ratio']:.2f} "
              f"({low:.2f} to {high:.2f}) |")


if __name__ == "__main__":
    main()
