#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, tests/corpus/<target>/: small relatives of goldens/, and what else the targets eat.

    python3 tools/make_corpus.py build/release/lowbit

Needs numpy (for the script of the golden model) and the program, which makes the native files. A seed is only where a
fuzzer starts, so it may come from lowbit, as no golden may.
"""

import io
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "corpus"
sys.path.insert(0, str(ROOT / "goldens"))
sys.dont_write_bytecode = True

import make_tiny_llama as golden  # noqa: E402

FORMATS = [
    "e4m3fn", "int4/128:f16+zp", "e2m1/16:e4m3fn/tensor:f32", "uint4/32:uint6+uint6/256:f16+f16", "q4_k", "nf4", "ternary",
    "posit8.0", "lns4.2", "fix8.4", "bipolar3", "ue5m3", "mxfp4", "int8/32:f16",
]  # fmt: skip

TEXTS = ["Hello, world! It's 12 o'clock.", "  a\n\n\tb \r\n", "\u4f60\u597d \U0001f600 caf\u00e9", "<|a|><u>a <|a", "\x00\xff\xfe"]


def shrink():
    """The golden model with one layer, 32 wide, of 40 tokens."""
    golden.WIDTH, golden.HIDDEN, golden.HEADS, golden.KV_HEADS, golden.HEAD_DIM = 32, 32, 2, 1, 16
    golden.LAYERS, golden.CONTEXT, golden.VOCABULARY = 1, 64, 40
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [golden.LETTERS[ord(" ")]]
    golden.MERGES = [m for m in golden.MERGES if m[0] in letters and m[1] in letters][: 40 - 3 - len(letters)]
    golden.TOKENS = golden.CONTROL + letters + [left + right for left, right in golden.MERGES]
    golden.IDS = {token: i for i, token in enumerate(golden.TOKENS)}


def models(program, folder):
    """Model files: GGUF with every type of tensor, native files with plain, packed and divided tensors."""
    mixed = folder / "mixed.gguf"
    golden.write_gguf(mixed, "seed", golden.make_weights(untied=False), True)
    seeds = {"mixed.gguf": mixed}
    for name, options in {
        "int4": ["--format", "int4/32"],
        "bf16": ["--format", "bf16"],
        "tensors": ["--format", "q4_1", "--tensor", "ffn=e2m1/16:e4m3fn", "--tensor", "attn=nf4/32"],
    }.items():
        out = folder / f"{name}.safetensors"
        subprocess.run([program, "quantize", mixed, "-o", out, "--method", "nearest", *options], check=True, stdout=subprocess.DEVNULL)
        seeds[out.name] = out
    return {name: path.read_bytes() for name, path in seeds.items()}


def types_seed():
    """One block of every type of GGUF: the first of the golden's tensors of blocks."""
    golden_file = (ROOT / "goldens" / "ggml-types.gguf").read_bytes()
    count = struct.unpack_from("<Q", golden_file, 8)[0]
    at, tensors = 24, []
    for _ in range(count):
        length = struct.unpack_from("<Q", golden_file, at)[0]
        name = golden_file[at + 8 : at + 8 + length]
        tensors.append((name, *struct.unpack_from("<IQQIQ", golden_file, at + 8 + length)))
        at += 8 + length + 32
    start, head, data = (at + 31) // 32 * 32, b"", b""
    for (name, _, cols, rows, kind, offset), after in zip(tensors, tensors[1:]):
        if name.endswith(b".values"):
            continue
        head += struct.pack("<Q", len(name)) + name + struct.pack("<IQQIQ", 2, cols, rows, kind, len(data))
        data += golden_file[start + offset : start + after[5]]
    head = b"GGUF" + struct.pack("<IQQ", 3, count // 2, 0) + head
    return head + bytes(-len(head) % 32) + data


def arrays():
    for name, array in {
        "f4": np.arange(6, dtype="<f4").reshape(2, 3),
        "u1": np.arange(5, dtype="u1"),
        "u2": np.arange(8, dtype="<u2").reshape(2, 2, 2),
        "scalar": np.float32(1.5),
        "empty": np.zeros((0, 3), "<f4"),
        "fortran": np.asfortranarray(np.zeros((2, 3), "<f4")),
    }.items():
        for version in [(1, 0), (2, 0)]:
            file = io.BytesIO()
            np.lib.format.write_array(file, np.asanyarray(array), version=version)
            yield f"{name}-{version[0]}.npy", file.getvalue()


def listings():
    """A name of a model, a line's end and what a hub tells of its repository."""
    weights = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)] + ["model.safetensors.index.json"]
    for name, model, files in [
        ("folder", "hf:o/n", ["config.json", "tokenizer.json", "1_Pooling/config.json", "chat_template.jinja", *weights]),
        ("file", "hf:o/n:q4/a.gguf@v1", ["README.md", "q4/a.gguf", "q8/a.gguf"]),
        ("split", "hf:o/n", [f"a-0000{i}-of-00002.gguf" for i in (1, 2)]),
        ("numbers", "hf:o/n", ["a-00001-of-00000.gguf", "a-00001-of-99999.gguf"]),
        ("outside", "hf:o/n", ["config.json", "../config.json"]),
    ]:
        siblings = [{"rfilename": file} for file in files]
        yield name, f"{model}\n{json.dumps({'sha': '0123456789' * 4, 'siblings': siblings})}".encode()


def put(target, seeds):
    folder = CORPUS / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in seeds.items():
        (folder / name).write_bytes(content)


def main():
    shrink()
    with tempfile.TemporaryDirectory() as folder:
        files = models(sys.argv[1], pathlib.Path(folder))
    put("models_fuzz", {name: files[name] for name in ("mixed.gguf", "int4.safetensors")})
    put("gguf_fuzz", {"mixed.gguf": files["mixed.gguf"], "types.gguf": types_seed()})
    put("safetensors_fuzz", {name: files[name] for name in ("bf16.safetensors", "tensors.safetensors")})
    put("npy_fuzz", dict(arrays()))
    put("parse_fuzz", {f"format-{i}": text.encode() for i, text in enumerate(FORMATS)})
    put("hf_listing_fuzz", dict(listings()))
    put("recipe_fuzz", {path.name: path.read_bytes() for path in sorted((ROOT / "recipes").glob("*.toml"))})
    # The first byte chooses: a text for one of the tokenizers, or metadata, a line's end and a text.
    texts = {f"text-{i}": bytes([i]) + text.encode("utf-8", "surrogateescape") for i, text in enumerate(TEXTS)}
    metadata = b"\x80" + json.dumps(golden.metadata("seed")).encode() + b"\nalice was"
    put("tokenizer_fuzz", {**texts, "metadata": metadata})


if __name__ == "__main__":
    main()
