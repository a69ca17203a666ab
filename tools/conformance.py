#!/usr/bin/env python3
"""Writes docs/conformance.md: edges of number formats where libraries disagree.

tools/conformance.py > docs/conformance.md, in an environment with lowbit's Python package, ml_dtypes and gfloat (and
torch, where it is installed): `make conformance`. Their columns are computed here and now. What other libraries do was
measured elsewhere (version in the heading) and stands below as text.
"""

import importlib
import math
from importlib import metadata

import numpy as np

import lowbit


def version(name):
    try:
        importlib.import_module(name)
        return metadata.version(name)
    except ImportError:
        return None


def show(x):
    x = float(x)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "-Inf" if x < 0 else "Inf"
    if x == 0:
        return "-0" if math.copysign(1, x) < 0 else "0"
    mantissa, exponent = math.frexp(x)
    return f"2^{exponent - 1}" if mantissa == 0.5 and abs(exponent) > 12 else f"{x:.7g}"


def ours(x, name):
    parts = [show(lowbit.cast(np.array([x]), name, saturate=s)[0]) for s in ("finite", "none")]
    return parts[0] if parts[0] == parts[1] else f"{parts[0]} (finite), {parts[1]} (none)"


def ml(x, name):
    if version("ml_dtypes") is None:
        return "-"
    with np.errstate(all="ignore"):
        return show(np.array([x]).astype(lowbit.dtype(name)).astype(np.float32)[0])


GFLOAT = {"e4m3fn": "ocp_e4m3", "e5m2": "ocp_e5m2", "e2m1": "ocp_e2m1", "bf16": "bfloat16", "f16": "binary16"}


def gf(x, name):
    if version("gfloat") is None or name not in GFLOAT:
        return "-"
    import gfloat
    from gfloat import formats

    info = getattr(formats, f"format_info_{GFLOAT[name]}")
    out = []
    for saturate in (True, False):
        try:
            out.append(show(gfloat.round_float(info, float(x), gfloat.RoundMode.TiesToEven, saturate)))
        except Exception as error:
            out.append(type(error).__name__)
    return out[0] if out[0] == out[1] else f"{out[0]} (sat), {out[1]}"


TORCH = {"e4m3fn": "float8_e4m3fn", "e5m2": "float8_e5m2", "e4m3fnuz": "float8_e4m3fnuz", "bf16": "bfloat16", "f16": "float16"}


def torch_cast(x, name):
    if version("torch") is None or name not in TORCH:
        return "-"
    import torch

    return show(torch.tensor([x], dtype=torch.float32).to(getattr(torch, TORCH[name])).float()[0])


# Edge, format, input, what the standard says, what others were seen to do.
ELEMENTS = [
    ("overflow tie", "e4m3fn", 464.0, "OFP8: 448 (even), in both modes", "CPFloat, emax 8: 470 becomes 480"),
    ("beyond the tie", "e4m3fn", 465.0, "OFP8: 448 saturating, NaN else", ""),
    ("far beyond", "e4m3fn", 1000.0, "OFP8: 448 saturating, NaN else", "Pychop: 0 from 256 on"),
    ("infinity", "e4m3fn", math.inf, "OFP8: 448 saturating, NaN else", ""),
    ("overflow tie", "e5m2", 61440.0, "OFP8: 57344 saturating, Inf else", ""),
    ("infinity", "e5m2", math.inf, "OFP8: 57344 saturating, Inf else", ""),
    ("minus zero", "e4m3fnuz", -0.0, "0: there is no -0", ""),
    ("tiny, negative", "e4m3fnuz", -1e-30, "0: there is no -0", ""),
    ("overflow", "e4m3fnuz", 1000.0, "no standard; NaN in LLVM", ""),
    ("NaN without a code", "e2m1", math.nan, "MX: undefined", "Universal: 0 without a word"),
    ("overflow", "e2m1", 100.0, "MX: 6", ""),
    ("tie of the last step", "e2m1", 7.0, "MX: 6", ""),
    ("2^-40 above a tie, a double", "e2m1", 0.25 + 2.0**-40, "0.5: one rounding", "Universal: 0 (through float)"),
    ("overflow tie", "f16", 65520.0, "IEEE 754: Inf", "Pychop: 65536"),
    ("overflow", "f16", 65536.0, "IEEE 754: Inf", "Pychop: 0; QPyTorch: 65536 is a value"),
    ("half of the least number", "bf16", 2.0**-134, "IEEE 754: 0 (even)", "libraries that flush subnormals: 0 for all below 2^-126"),
]


def block(values, name, rule):
    return lowbit.cast(np.array(values, np.float32), name, scale_rule=rule)


def block_rows():
    zeros = block([-0.0] * 32, "mxfp4", "floor")
    nan = block([math.nan] + [1.0] * 31, "mxfp4", "floor")
    inf = block([math.inf] + [1.0] * 31, "mxfp4", "floor")
    clip = block([7.9] + [1.0] * 31, "mxfp4", "floor")
    below = block([np.nextafter(np.float32(8), np.float32(0))] + [1.0] * 31, "mxfp4", "floor")
    least = block([-2.0] + [0.5] * 31, "mxint8", "floor")
    symmetric = lowbit.cast(np.array([-2.0] + [0.5] * 31, np.float32), "fix8.6sym/32:e8m0", scale_rule="floor")
    tiny = block([2.0**-128] + [0.0] * 31, "mxfp4", "floor")
    small = block([1.0] * 16 + [1e-3] * 16, "nvfp4", "amax")
    pair = block([1.0, 1.0] + [0.3] * 14, "mx4", "floor")
    pair_nan = block([math.nan] + [1.0] * 31, "mx9", "floor")
    square = lowbit.cast(np.array([[math.nan] + [1.0] * 255] + [[1.0] * 256] * 127, np.float32), "e4m3fn/128x128:f32")
    twice = block([1.0] * 64 + [1e-3] * 64, "nf4/64:uint8/128:f32", "amax")
    return [
        ("all zeros, mxfp4", "OCP MX: scale not told", f"elements {show(zeros[0])}, scale 2^-127",
         "gfloat, Pychop: 2^-127; Universal: 2^-emax; microxcaling: 2^(-126-emax), clamped"),
        ("NaN in a block, mxfp4", "OCP MX: scale NaN makes all NaN", f"all {show(nan[1])}",
         "torchao, microxcaling: scale NaN; Universal: that element becomes 0"),
        ("infinity in a block, mxfp4", "OCP MX: undefined; P3109: does not count in the maximum",
         f"{show(inf[0])} for it, {show(inf[1])} for the 1 beside it",
         "torchao, microxcaling: scale NaN; Pychop: clamps; Universal: undefined behaviour"),
        ("7.9 under the floor rule, mxfp4", "OCP MX: clipped", show(clip[0]), "cuBLAS (round up): 8"),
        ("the float below 8, floor rule, mxfp4", "OCP MX: floor(log2) is 2", show(below[0]),
         "Universal, gfloat, Pychop: exponent by a logarithm in floating point, 3"),
        ("-2 in mxint8", "OCP MX: the code 0x80 may be left out",
         f"{show(least[0])}; {show(symmetric[0])} as fix8.6sym/32:e8m0",
         "gfloat, Pychop: -2; microxcaling: clamps to 127/64; Universal: scales by 2^7"),
        ("2^-128 alone, mxfp4", "OCP MX: scale 2^-127 at least", show(tiny[0]),
         "code that makes 1/s as the byte 254 - e fails here: e8m0's 0 is a subnormal float"),
        ("1e-3 beside 1, nvfp4", "scale in e4m3, subnormal where needed", show(small[16]),
         "torchao: scales of at least 2^-6; TransformerEngine multiplies by reciprocals: last bits differ"),
        ("0.3 beside a pair of 1, mx4", "Rouhani et al. 2023: a step of 1/2, halved for lower pairs",
         f"{show(pair[2])}; {show(block([1.0, 1.0] + [0.3] * 14, 'msfp11', 'floor')[2])} as msfp11", "-"),
        ("NaN in a block, mx9", "Rouhani et al. 2023: not told", f"all 16 {show(pair_nan[1])}, {show(pair_nan[16])} in the next", "-"),
        ("NaN in a matrix, e4m3fn/128x128", "none", f"its block {show(square[127, 127])}, {show(square[0, 128])} beside it", "-"),
        ("1e-3 beside 1, nf4/64:uint8/128", "QLoRA: 8-bit scales", show(twice[64]), "bitsandbytes: the mean is taken off the scales first"),
    ]


def main():
    names = [f"{n} {version(n)}" for n in ("ml_dtypes", "gfloat", "torch") if version(n)]
    print("# Where libraries disagree\n")
    print("Generated by `tools/conformance.py`; do not edit. Computed with " + ", ".join(names) + ". The last column was")
    print("seen with pychop 242e079, universal e6aa357, cpfloat 3583976, QPyTorch f58bba7, microxcaling 7bc4195, torchao")
    print("36027d8, TransformerEngine d0067d0. Nearest even throughout; finite and none are lowbit's saturations.\n")
    print("## Elements\n")
    print("| edge | format | input | standard | lowbit | ml_dtypes | gfloat | torch | others |")
    print("|---|---|--:|---|---|---|---|---|---|")
    for edge, name, x, standard, others in ELEMENTS:
        has_ml = name in lowbit._ML_DTYPES
        cells = [edge, f"`{name}`", show(x), standard, ours(x, name), ml(x, name) if has_ml else "-", gf(x, name), torch_cast(x, name), others]
        print("| " + " | ".join(cells) + " |")
    print("\n## Blocks\n")
    print("| edge | standard | lowbit | others |")
    print("|---|---|---|---|")
    for row in block_rows():
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
