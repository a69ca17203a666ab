#!/usr/bin/env python3
"""Compares `lowbit tokenize` with PyPI tokenizers on a megabyte of mixed text, for every kind of tokenizer.json.

    python3 tools/compare_tokenizers.py [--seed N] [--characters N] [--kind PART]... [--keep FOLDER]

Needs PyPI tokenizers and sentencepiece, and build/release/lowbit. The kinds are those of goldens/make_tokenizers.py and
more: normalizers, ways of cutting, schemes of prepending and flags of added tokens. Names of control tokens in the
text are text on both sides. Characters that Python's unicodedata does not know (younger than Unicode 14 with the
Python of Debian 12) are left out without --young: the package's tables and Debian's libraries know different ones.
Prints for each kind "N texts, M ids, D differences" and the first differences; exits 1
where there are any.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "goldens"))

import make_tokenizers as goldens  # noqa: E402
from tokenizers import (AddedToken, Regex, decoders, normalizers, pre_tokenizers, processors)  # noqa: E402

SHARED = [str(ROOT / "share/text/calibration.txt"), str(ROOT / "share/text/evaluation.txt")]


def pieces(rng, characters):
    """Code, prose, all scripts, emoji, control characters, broken UTF-8 as Python takes it (U+FFFD)."""
    code = "".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "src/text").glob("*.cc"))[:12])
    prose = "".join(pathlib.Path(f).read_text(encoding="utf-8") for f in SHARED)
    ranges = [(0, 0x80), (0x80, 0x250), (0x250, 0x600), (0x600, 0x700), (0x700, 0xE00), (0xE00, 0x2000), (0x2000, 0x2C00),
              (0x2C00, 0x3400), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xF900, 0xFFFE), (0x1F300, 0x1FA00),
              (0x10000, 0x11000), (0x1D400, 0x1D800), (0xE0000, 0xE0080)]
    total = 0
    while total < characters:
        kind = rng.randrange(6)
        if kind < 2:
            source = code if kind == 0 else prose
            at = rng.randrange(len(source))
            piece = source[at:at + rng.randrange(20, 2000)]
        elif kind == 2:
            piece = "".join(rng.choice(goldens.TEXTS) + rng.choice(["", " ", "\n"]) for _ in range(20))
        elif kind == 3:
            low, high = rng.choice(ranges)
            piece = "".join(chr(rng.randrange(low, high)) + rng.choice(["", "", " "]) for _ in range(200))
        elif kind == 4:
            piece = bytes(rng.randrange(256) for _ in range(200)).decode("utf-8", "replace")
        else:
            piece = rng.choice([" ", "\t", "\u3000"]) * rng.randrange(12) + rng.choice(["\n", "\r\n", "\r"]) * rng.randrange(4)
        total += len(piece)
        yield piece


def documents(rng, characters, young, count=24):
    parts = list(pieces(rng, characters))
    if not young:
        parts = ["".join(c for c in part if unicodedata.category(c) != "Cn") for part in parts]
    rng.shuffle(parts)
    size = (len(parts) + count - 1) // count
    return goldens.TEXTS[:12] + ["".join(parts[i:i + size]) for i in range(0, len(parts), size)]


def with_flags(tokenizer):
    """Added tokens with every combination of flags."""
    tokens = []
    for flags in range(16):
        tokens.append(AddedToken("<%s>" % "abcdefghijklmnop"[flags], lstrip=bool(flags & 1), rstrip=bool(flags & 2),
                                 single_word=bool(flags & 4), normalized=bool(flags & 8)))
        tokens.append(AddedToken(["the", "and", "int", "return", "of", "in", "to", "is", "for", "it", "The", "NFC", "\u00c9t",
                                  "std", "const", "::"][flags], lstrip=bool(flags & 1), rstrip=bool(flags & 2),
                                 single_word=bool(flags & 4), normalized=bool(flags & 8)))
    tokenizer.add_tokens(tokens)
    return tokenizer


def more_kinds(files):
    bytes_of, n = pre_tokenizers.ByteLevel, 3000
    norms = {
        "nfkc-lowercase": [normalizers.NFKC(), normalizers.Lowercase()],
        "nfd-accents": [normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip()],
        "nfkd-replace": [normalizers.NFKD(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Replace("a", "\u00e4")],
        "bert-text": [normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=True,
                                                 lowercase=False)],
        "prepend": [normalizers.NFC(), normalizers.Prepend("_")],
    }
    for name, steps in norms.items():
        yield "norm-" + name, goldens.byte_level_bpe(n, bytes_of(add_prefix_space=False), files,
                                                     normalizer=normalizers.Sequence(steps))
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    for behavior in behaviors:
        yield "cut-" + behavior, goldens.byte_level_bpe(n, pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(r"[aeiou]+|\d{1,3}|\p{P}"), behavior),
            pre_tokenizers.Punctuation(behavior), bytes_of(add_prefix_space=True, use_regex=behavior != "isolated")]), files)
    for name, cut in (("whitespace", pre_tokenizers.Whitespace()), ("bert", pre_tokenizers.BertPreTokenizer()),
                      ("digits", pre_tokenizers.Digits(True)), ("lines", pre_tokenizers.CharDelimiterSplit("\n"))):
        yield "cut-" + name, goldens.byte_level_bpe(n, pre_tokenizers.Sequence([cut, bytes_of(add_prefix_space=False)]), files)
    for scheme in ("always", "never", "first"):
        for split in (True, False):
            tokenizer = goldens.sentencepiece_bpe(n, files, "first")
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
            yield f"metaspace-{scheme}-{'split' if split else 'whole'}", tokenizer
    yield "added-flags", with_flags(goldens.byte_level_bpe(
        n, bytes_of(add_prefix_space=False), files,
        normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])))
    yield "added-flags-spm", with_flags(goldens.sentencepiece_bpe(n, files, "prepend"))
    yield "added-flags-wordpiece", with_flags(goldens.word_piece(n, files, True))


def lowbit_ids(program, path, text):
    done = subprocess.run([program, "tokenize", path, "--json"], input=text.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.decode())
    return json.loads(done.stdout)["ids"]


def compare(program, name, tokenizer, texts, folder):
    path = os.path.join(folder, name + ".json")
    tokenizer.save(path, pretty=False)
    # The package's own file, so that both sides read the same.
    tokenizer = type(tokenizer).from_file(path)
    tokenizer.encode_special_tokens = True
    if json.loads(tokenizer.to_str())["model"]["type"] == "Unigram":
        # There control tokens are pieces of the model, which the package then matches in any text; lowbit never does.
        for token in tokenizer.get_added_tokens_decoder().values():
            texts = [text.replace(token.content, " ") if token.special else text for text in texts]
    ids = differences = 0
    for text in texts:
        wanted = tokenizer.encode(text).ids
        found = lowbit_ids(program, path, text)
        ids += len(wanted)
        if found == wanted:
            continue
        differences += 1
        at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
        if differences <= 3:
            show = [[tokenizer.id_to_token(i) for i in side[max(0, at - 3):at + 5]] for side in (wanted, found)]
            print(f"  {name}: at id {at}: tokenizers {show[0]}, lowbit {show[1]}")
    print(f"{name}: {len(texts)} texts, {ids} ids, {differences} differences", flush=True)
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--characters", type=int, default=1_000_000)
    parser.add_argument("--kind", action="append", default=[], help="only kinds whose names hold this")
    parser.add_argument("--young", action="store_true", help="characters of any age")
    parser.add_argument("--keep", help="leaves the tokenizer.json files here")
    parser.add_argument("--program", default=str(ROOT / "build/release/lowbit"))
    options = parser.parse_args()
    texts = documents(random.Random(options.seed), options.characters, options.young)
    bad = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or temporary
        os.makedirs(folder, exist_ok=True)

        def kinds():
            for name, tokenizer in goldens.make_all(True, SHARED, pathlib.Path(temporary)):
                goldens.add_tokens(tokenizer)
                yield name, tokenizer
            yield from more_kinds(SHARED)

        for name, tokenizer in kinds():
            if not options.kind or any(part in name for part in options.kind):
                bad += compare(options.program, name, tokenizer, texts, folder)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
