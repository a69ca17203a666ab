"""What the check scripts share: the tracked files, C++ text without comments, and the entry of a script.

A check is a file tools/check_<name>.py with check(root) -> (failures, warnings), both lists of sentences, and
self_test() -> None, which shows with made-up files that the check can fail. `main` runs the one or the other.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def tracked(root, suffixes=None, folders=None):
    """Relative paths of the files git tracks (outside git: all files), of these suffixes and top folders, in order."""
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True)
    inside_git = listing.returncode == 0 and pathlib.Path(root).resolve() == ROOT
    if inside_git:
        names = [name for name in listing.stdout.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(root)) for path in pathlib.Path(root).rglob("*") if path.is_file()]
    names = [name for name in names if (pathlib.Path(root) / name).is_file()]  # not those deleted but not yet committed
    if suffixes is not None:
        names = [name for name in names if name.endswith(tuple(suffixes))]
    if folders is not None:
        names = [name for name in names if name.split("/")[0] in folders]
    return sorted(names)


def read(root, name):
    return (pathlib.Path(root) / name).read_text(encoding="utf-8", errors="replace")


def isas(root):
    """The names of the files that are compiled with ISA flags, without .cc, as cmake/rooms.cmake has them."""
    return set(re.findall(r"set\(LOWBIT_ISA_FLAGS_(\w+) ", read(root, "cmake/rooms.cmake")))


def isas_of(root, target):
    """Those of them that are for one processor, as CMake calls it: x86_64 or aarch64."""
    return set(re.search(rf"set\(LOWBIT_ISAS_{target} ([\w ]+)\)", read(root, "cmake/rooms.cmake")).group(1).split())


# A comment, a raw string, a string, a character: the first that starts wins. A ' between digits is a separator.
_LEXEME = re.compile(
    r"""//(?:[^\n\\]|\\.|\\\n)*|/\*.*?\*/|R"([^\s()\\]{0,16})\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"|(?<![0-9a-zA-Z_])'(?:[^'\\\n]|\\.)+'""",
    re.DOTALL,
)


def strip_comments(text, keep_strings=False):
    """C++ text with comments (and what stands in strings and characters) blanked; every line keeps its number."""

    def blank(match):
        piece = match.group(0)
        if piece.startswith("/"):
            return re.sub(r"[^\n]", " ", piece)
        if keep_strings:
            return piece
        quote = piece[-1]
        inside = piece[piece.index(quote) + 1 : -1]
        return quote + re.sub(r"[^\n]", " ", inside) + quote

    return _LEXEME.sub(blank, text)


def main(check, self_test):
    """Runs the check over the repository (exit 1 with one line for each failure), or its self-test."""
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    if sys.argv[1:]:
        print(f"usage: {sys.argv[0]} [--self-test]", file=sys.stderr)
        return 2
    failures, warnings = check(ROOT)
    for line in warnings:
        print(f"warning: {line}")
    for line in failures:
        print(f"FAILED: {line}")
    return 1 if failures else 0


def expect(check, files, *parts):
    """Self-test: `check` over these made-up files {path: text} fails once for each of `parts`, which its sentence holds."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        failures, _ = check(pathlib.Path(folder))
    unmatched = list(failures)
    for part in parts:
        found = [line for line in unmatched if part in line]
        if not found:
            raise SystemExit(f"self-test: expected a failure with {part!r}, got {failures}")
        unmatched.remove(found[0])
    if unmatched:
        raise SystemExit(f"self-test: unexpected failures {unmatched}")
