#!/usr/bin/env python3
"""The words and the table of tools/demo, from the JSON files that its commands wrote.

demo_table.py source FOLDER                        what the source model is
demo_table.py result FOLDER MODEL PROMPT NAMES...  one row for each of NAMES (the source first), then the answers
"""

import json
import pathlib
import sys


def load(folder, name, command):
    return json.loads((pathlib.Path(folder) / f"{name}.{command}.json").read_text())


def describe_source(folder):
    facts = load(folder, "source", "inspect")
    print(
        f"{facts['architecture']}, {facts['parameters'] / 1e6:.1f} million parameters, {facts['bytes'] / 1e6:.1f} MB, "
        f"{facts['bits_per_weight']:.2f} bits per weight"
    )


def table_row(folder, name, label):
    measured, answered = load(folder, name, "eval"), load(folder, name, "run")
    size = load(folder, name, "inspect" if name == "source" else "quantize")
    predicted = size.get("predicted_kl")
    return [
        label,
        f"{size['bits_per_weight']:.2f}",
        f"{size['bytes'] / 1e6:.1f}",
        f"{measured['perplexity']:.3f} ± {measured['perplexity_stderr']:.3f}",
        "" if predicted is None else f"{predicted:.4f}",
        f"{measured['kl_mean']:.4f}",
        f"{100 * measured['top1_agreement']:.1f} %",
        f"{answered['decode_tokens_per_s']:.1f}",
    ]


def print_result(folder, model, prompt, names):
    head = ["model", "bits/weight", "MB", "perplexity", "KL predicted", "KL measured", "same top-1", "tokens/s"]
    rows = [head] + [table_row(folder, n, f"source ({model})" if n == "source" else n) for n in names]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]))
    print("\nKL (nats per token) and top-1 against the source computed in fp32; the source's own row is what its")
    print("low-precision activations cost.")
    print(f"\nprompt: {prompt}")
    for name in names:
        print(f"{name}: {load(folder, name, 'run')['text'].strip()}")


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "source":
        describe_source(arguments[1])
    elif len(arguments) >= 5 and arguments[0] == "result":
        print_result(arguments[1], arguments[2], arguments[3], arguments[4:])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
