#!/usr/bin/env python3
"""What no tracked file holds: paths and hosts of one machine, traces of how a text came about, names that say nothing."""

import re
import sys

import sources

# (pattern, what it is). Written so that no pattern matches itself.
WORDS = [
    (r"(?<![\w.~-])/(?:wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+)/", "a path of one machine"),
    (r"(?<![\w.~-])/tm[p]/[a-z]", "a path of one machine (use a fresh temporary folder)"),
    (r"/opt/whee[l]s|\bartifactor[y]\b|\bdevp[i]\b|--(?:extra-)?index-ur[l]|\bpypi\.(?!org\b)[a-z]+\.[a-z]", "a package mirror"),
    (r"\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}:\d{2,5}\b", "a private address"),
    (r"(?i)\bsub-?agen[t]s?\b|\bco-authored-b[y]\b|\bgenerated (?:by|with) [a]i\b|\bas an ai (?:language )?mode[l]\b", "not about the project"),
    (r"(?i)\b(?:in this|previous|earlier|last) (?:chat |coding )?sessio[n]\b|\bthe brie[f] (?:says|asks)\b|\byour brie[f]\b", "not about the project"),
    (r"^(?:<{7} |={7}$|>{7} )", "a conflict marker"),
]  # fmt: skip
COMPILED = [(re.compile(pattern, re.MULTILINE), what) for pattern, what in WORDS]

# "path: text matched" -> why it may stand there.
ALLOWED = {}

# Names that say nothing about what is inside.
EMPTY_NAMES = {"util", "utils", "common", "helper", "helpers", "manager", "misc"}

# Texts of others, and data.
UNREAD = ("share/text/", "goldens/", "LICENSE", "tests/corpus/")
BINARY = (".png", ".gguf", ".safetensors", ".npy", ".npz", ".zip", ".gz", ".bin")


def check(root):
    failures = []
    for name in sources.tracked(root):
        for part in re.split(r"[/_.-]", name):
            if part in EMPTY_NAMES:
                failures.append(f"{name}: nothing is named {part!r}; say what it is for")
        if name.startswith(UNREAD) and not name.endswith("README.md") or name.endswith(BINARY):
            continue
        text = sources.read(root, name)
        for pattern, what in COMPILED:
            for match in pattern.finditer(text):
                if f"{name}: {match.group(0)}" not in ALLOWED:
                    line = text.count("\n", 0, match.start()) + 1
                    failures.append(f"{name}:{line}: {match.group(0)!r} is {what}")
    return failures, []


def self_test():
    def once(text):
        sources.expect(check, {"docs/a.md": f"some words {text} and more\n"}, "docs/a.md:1")

    for path in ("wor" "k/main", "roo" "t/x", "hom" "e/someone/x", "tm" "p/x"):
        once(f"/{path}")
    once("--index-" "url https://example.org")
    once("https://pypi" ".example.net/simple")
    once("10.0." "3.4:8080")
    once("a sub" "agent wrote this")
    once("as the last ses" "sion did")
    sources.expect(check, {"a.md": "x\n<<<<" "<<< here\n"}, "a.md:2")
    sources.expect(check, {"src/base/string_util.h": "", "src/common/x.h": ""}, "'util'", "'common'")
    fine = "network/work/x, tests/root/, a session of the runtime, https://pypi.org/project/x, 10.5, {tmp}/x, ~/work/x\n"
    sources.expect(check, {"docs/a.md": fine, "src/base/utility.h": ""})


if __name__ == "__main__":
    sys.exit(sources.main(check, self_test))
