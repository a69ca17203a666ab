#!/usr/bin/env python3
"""Writes ggml-types.gguf beside itself: for every block type of GGUF a tensor of random bytes under the type's name, and
as NAME.values the F32 values that the gguf package (PyPI gguf, of the llama.cpp project) makes of it. Q8_1 and Q8_K,
which that package does not decode, are scale times code. Needs numpy and gguf. The same bytes on every run.
"""

import os
import struct

import gguf
import numpy as np

ROWS, COLUMNS = 2, 256
# Where fp16 numbers stand in a block.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q8_1": [0, 2],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "Q8_K": [],
    "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [], "NVFP4": [], "TQ1_0": [52], "TQ2_0": [64],
    "IQ1_S": [0], "IQ1_M": [], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0],
}  # fmt: skip


def half(rng):
    return np.float16(rng.normal() * 2.0 ** rng.integers(-14, 3))


def random_blocks(name, rng):
    size, length = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if name == "Q8_1":  # the package has the size of the time before its scales were fp16
        length = 36
    blocks = rng.integers(0, 256, (ROWS * COLUMNS // size, length), dtype=np.uint8)
    for block in blocks:
        for at in HALVES[name]:
            block[at : at + 2] = np.frombuffer(half(rng).tobytes(), np.uint8)
        if name == "Q8_K":
            block[:4] = np.frombuffer(np.float32(rng.normal()).tobytes(), np.uint8)
        if name == "MXFP4":
            block[0] = rng.integers(0, 250)
        if name == "NVFP4":
            block[:4] &= 0x7F
        if name == "IQ1_M":  # the fp16 scale is spread over the high ends of four words
            word = int(half(rng).view(np.uint16))
            for i in range(4):
                block[49 + 2 * i] = block[49 + 2 * i] & 0x0F | (word >> 4 * i & 15) << 4
        if name == "TQ2_0":  # codes 0, 1, 2
            codes = np.array([[b >> 2 * i & 3 for i in range(4)] for b in block[:64]]) % 3
            block[:64] = (codes << np.array([0, 2, 4, 6])).sum(axis=1)
    if name == "MXFP4":
        blocks[:2, 0] = [0, 1]
    if name == "NVFP4":
        blocks[0, :3] = [0, 0x7F, 1]
    return blocks


def values(name, blocks):
    if name == "Q8_1":
        out = blocks[:, :2].copy().view(np.float16).astype(np.float32) * blocks[:, 4:].view(np.int8)
    elif name == "Q8_K":
        out = blocks[:, :4].copy().view(np.float32) * blocks[:, 4:260].view(np.int8)
    else:
        with np.errstate(all="ignore"):
            out = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name])
    assert np.isfinite(out).all(), name
    return out.astype(np.float32)


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def main():
    rng = np.random.default_rng(20)
    tensors = []
    for name in HALVES:
        blocks = random_blocks(name, rng)
        tensors.append((name, gguf.GGMLQuantizationType[name].value, blocks.tobytes()))
        tensors.append((name + ".values", 0, values(name, blocks).tobytes()))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 0)
    offset = 0
    for name, kind, data in tensors:
        head += text(name) + struct.pack("<IQQIQ", 2, COLUMNS, ROWS, kind, offset)
        offset += (len(data) + 31) // 32 * 32
    pad = lambda b: b + bytes(-len(b) % 32)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ggml-types.gguf"), "wb") as file:
        file.write(pad(head) + b"".join(pad(data) for _, _, data in tensors))


if __name__ == "__main__":
    main()
