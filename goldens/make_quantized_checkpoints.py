#!/usr/bin/env python3
"""Small checkpoints in the layouts of GPTQ, AWQ, compressed-tensors and FP8, and their values by the definitions.

Run by hand:  python3 goldens/make_quantized_checkpoints.py  (numpy; writes the same bytes again)

hf-quantized/<name>/ holds config.json, model.safetensors with one quantized module "m", expected.safetensors with its
values in F32 ("m.weight") and format.txt with the format that says them code for code (f32: none does).
"""

import json
import os

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hf-quantized")
ROWS, COLS, GROUP = 32, 64, 32
RNG = np.random.default_rng(5)
DTYPES = {"float32": "F32", "float16": "F16", "int32": "I32", "int64": "I64", "int8": "I8", "uint8": "U8"}
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
E2M1 = np.concatenate([E2M1, -E2M1])


def save(path, tensors):
    """tensors: name -> array, or (array of bytes, dtype)."""
    header, data = {}, b""
    for name, value in tensors.items():
        array, dtype = value if isinstance(value, tuple) else (value, DTYPES[str(value.dtype)])
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + data)


def write(name, quantization, tensors, values, form):
    folder = os.path.join(FOLDER, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump({"quantization_config": quantization}, f, indent=1)
        f.write("\n")
    save(os.path.join(folder, "model.safetensors"), {"m." + key: value for key, value in tensors.items()})
    save(os.path.join(folder, "expected.safetensors"), {"m.weight": values.astype(np.float32)})
    with open(os.path.join(folder, "format.txt"), "w", encoding="utf-8") as f:
        f.write(form)


def stream(codes, bits):
    """Integers [n, ...] as a stream of bits along the first axis, in words of 32."""
    flat = codes.reshape(len(codes), -1).astype(object)
    words = np.zeros((len(codes) * bits // 32, flat.shape[1]), np.uint32)
    for column in range(flat.shape[1]):
        whole = sum(int(code) << (i * bits) for i, code in enumerate(flat[:, column]))
        for i in range(len(words)):
            words[i, column] = whole >> (32 * i) & 0xFFFFFFFF
    return words.view(np.int32)


def scales(*shape):
    return (RNG.uniform(0.01, 0.1, shape)).astype(np.float16)


def gptq(name, bits, form, version="gptq", order=False, symmetric=False):
    groups = COLS // GROUP
    q = RNG.integers(0, 2**bits, (COLS, ROWS))
    zeros = np.full((groups, ROWS), 2 ** (bits - 1)) if symmetric else RNG.integers(1, 2**bits, (groups, ROWS))
    s = scales(groups, ROWS)
    group_of = np.arange(COLS) // GROUP
    if order:
        group_of = RNG.permutation(group_of)
    stored = zeros - 1 if version == "gptq" else zeros
    values = ((q - zeros[group_of]).astype(np.float32) * s[group_of].astype(np.float32)).T
    write(name, {"quant_method": "gptq", "bits": bits, "group_size": GROUP, "desc_act": order, "checkpoint_format": version},
          {"qweight": stream(q, bits), "qzeros": np.ascontiguousarray(stream(stored.T, bits).T), "scales": s,
           "g_idx": group_of.astype(np.int32)}, values, form)  # fmt: skip


def awq():
    groups, order = COLS // GROUP, [0, 2, 4, 6, 1, 3, 5, 7]
    q, zeros, s = RNG.integers(0, 16, (COLS, ROWS)), RNG.integers(0, 16, (groups, ROWS)), scales(groups, ROWS)

    def pack(x):
        words = np.zeros((len(x), ROWS // 8), np.uint32)
        for column in range(ROWS // 8):
            for i in range(8):
                words[:, column] |= (x[:, 8 * column + order[i]] << (4 * i)).astype(np.uint32)
        return words.view(np.int32)

    of = np.arange(COLS) // GROUP
    values = ((q - zeros[of]).astype(np.float32) * s[of].astype(np.float32)).T
    write("awq", {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"},
          {"qweight": pack(q), "qzeros": pack(zeros), "scales": s}, values, "uint4/32:f16+zp")  # fmt: skip


def compressed(name, bits, groups, symmetric, form):
    half = 2 ** (bits - 1)
    q, s = RNG.integers(-half, half, (ROWS, COLS)), scales(ROWS, groups)
    zeros = np.zeros((ROWS, groups), int) if symmetric else RNG.integers(-half, half, (ROWS, groups))
    of = np.arange(COLS) // (COLS // groups)
    values = (q - zeros[:, of]).astype(np.float32) * s[:, of].astype(np.float32)
    tensors = {"weight_packed": np.ascontiguousarray(stream((q + half).T, bits).T), "weight_scale": s,
               "weight_shape": np.array([ROWS, COLS], np.int64)}  # fmt: skip
    if not symmetric:
        tensors["weight_zero_point"] = stream(zeros + half, bits)
    weights = {"num_bits": bits, "type": "int", "symmetric": symmetric, "strategy": "group" if groups > 1 else "channel"}
    write(name, {"quant_method": "compressed-tensors", "format": "pack-quantized",
                 "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}, tensors, values, form)  # fmt: skip


def e4m3(codes):
    exponent, mantissa = (codes >> 3 & 15).astype(int), (codes & 7).astype(np.float64)
    magnitude = np.where(exponent > 0, (1 + mantissa / 8) * 2.0 ** (exponent - 7), mantissa / 8 * 2.0**-6)
    return np.where(codes & 128, -magnitude, magnitude).astype(np.float32)


def fp8_codes(rows, cols):
    codes = RNG.integers(0, 256, (rows, cols)).astype(np.uint8)
    return np.where(codes & 127 == 127, 0, codes).astype(np.uint8)


def fp8(name, part, scale, of, form, rows=ROWS, cols=COLS, **keys):
    codes = fp8_codes(rows, cols)
    values = e4m3(codes) * of(scale)
    write(name, {"quant_method": "fp8", **keys}, {"weight": (codes, "F8_E4M3"), part: scale}, values, form)


def fp4(name, group, form, nv):
    codes = RNG.integers(0, 16, (ROWS, COLS)).astype(np.uint8)
    tensors = {"weight_packed": codes[:, ::2] | codes[:, 1::2] << 4}
    if nv:
        s = RNG.integers(1, 126, (ROWS, COLS // group)).astype(np.uint8)
        tensors["weight_scale"] = (s, "F8_E4M3")
        tensors["weight_global_scale"] = np.array([16.0], np.float32)
        factor = e4m3(s) / np.float32(16.0)
    else:
        s = RNG.integers(118, 132, (ROWS, COLS // group)).astype(np.uint8)
        tensors["weight_scale"] = s
        factor = (2.0 ** (s.astype(int) - 127)).astype(np.float32)
    values = E2M1[codes] * np.repeat(factor, group, axis=1)
    write(name, {"quant_method": "compressed-tensors", "format": name + "-pack-quantized"}, tensors, values, form)


def main():
    gptq("gptq-4", 4, "uint4/32:f16+zp")
    gptq("gptq-4-symmetric", 4, "int4/32:f16", symmetric=True)
    gptq("gptq-2", 2, "uint2/32:f16+zp", version="gptq_v2")
    gptq("gptq-3", 3, "uint3/32:f16+zp")
    gptq("gptq-8", 8, "uint8/32:f16+zp")
    gptq("gptq-4-order", 4, "f32", order=True)
    awq()
    compressed("int4-group", 4, 2, True, "int4/32:f16")
    compressed("int4-group-asymmetric", 4, 2, False, "uint4/32:f16+zp")
    compressed("int4-channel", 4, 1, True, "int4/row:f16")
    compressed("int8-channel", 8, 1, True, "int8/row:f16")
    one = np.array(0.037, np.float32)
    fp8("fp8-tensor", "weight_scale", one, lambda s: s, "e4m3fn/tensor:f32")
    fp8("fp8-channel", "weight_scale", RNG.uniform(0.01, 0.1, (ROWS, 1)).astype(np.float32), lambda s: s, "e4m3fn/row:f32")
    rows, cols = 40, 96
    blocks = RNG.uniform(0.01, 0.1, (3, 3)).astype(np.float32)
    fp8("fp8-block", "weight_scale_inv", blocks, lambda s: np.repeat(np.repeat(s, 16, 0), 32, 1)[:rows, :cols],
        "e4m3fn/32:f32", rows, cols, weight_block_size=[16, 32])  # fmt: skip
    fp4("mxfp4", 32, "e2m1/32:e8m0", False)
    fp4("nvfp4", 16, "e2m1/16:e4m3fn/tensor:f32", True)


if __name__ == "__main__":
    main()
