"""Every low-precision number format, bit-exact, on NumPy arrays.

A format is a string, as everywhere in lowbit: "e4m3fn", "binary8p4se", "posit16", "fix8.4", "nf4"; with scales of
blocks along an axis "mxfp4", "nvfp4", "mx6", "e4m3fn/128:f32", "e4m3fn/128x128:f32". Results are the same for any number of threads and any
processor. Wrong strings raise ValueError with the column and the nearest names.
"""

import numpy as np

from . import _lowbit

__all__ = ["cast", "encode", "decode", "apply", "formats", "info", "dtype"]

# What ml_dtypes and NumPy call the elements of lowbit.
_ML_DTYPES = {
    "bf16": "bfloat16",
    "e4m3fn": "float8_e4m3fn",
    "e4m3": "float8_e4m3",
    "e4m3fnuz": "float8_e4m3fnuz",
    "e4m3b11fnuz": "float8_e4m3b11fnuz",
    "e5m2": "float8_e5m2",
    "e5m2fnuz": "float8_e5m2fnuz",
    "e3m4": "float8_e3m4",
    "e8m0": "float8_e8m0fnu",
    "e2m3": "float6_e2m3fn",
    "e3m2": "float6_e3m2fn",
    "e2m1": "float4_e2m1fn",
}


def dtype(format):
    """The NumPy dtype of a format: NumPy's own, or that of ml_dtypes (which must be installed). KeyError: there is none."""
    name = info(format)["name"]
    if name in ("f16", "f32"):
        return np.dtype(np.float16 if name == "f16" else np.float32)
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, _ML_DTYPES[name]))


def info(format):
    """Facts of an element: name, bits, max, min, has_nan, has_infinity, exact_in_float32."""
    return _lowbit.info(format)


def formats():
    """The names there are: a list of (name or shape, "element", "family" or meaning, source)."""
    return _lowbit.names()


def _flat(x, wanted):
    # Contiguous arrays of the wanted type come through without a copy.
    return np.ascontiguousarray(x, dtype=wanted).reshape(-1)


def _is_double(x):
    return x.dtype == np.float64 or x.dtype.kind in "iu"


def cast(x, format, *, round="rne", saturate="finite", seed=0, scale_rule="automatic", threshold=0.0, axis=-1, threads=1, out=None):
    """The values of x in a format: an array of x's shape.

    float32 for float32 and narrower input. float64 (and integer) input is rounded once, from its own value, and gives
    float64. Formats with scales take float32 and go by `scale_rule` (see the format library's block.h) with blocks along
    `axis`: as though that axis were moved to the end, the array cast, and the axis moved back. Blocks of several rows
    (128x128) lie in the last two axes then. `out`: a contiguous array of the result's type to write to (may be x). threads: 0 for all.
    """
    x = np.asarray(x)
    if not _lowbit.is_element(format):
        result = _result(out, x.shape, np.float32)
        if not -max(x.ndim, 1) <= axis < max(x.ndim, 1):
            raise ValueError(f"axis: found {axis}, expected {-max(x.ndim, 1)} to {max(x.ndim, 1) - 1}")
        flat = _flat(x, np.float32)
        _lowbit.cast_blocks(format, flat, x.shape, axis, result.reshape(-1), scale_rule, threshold, round, saturate, seed, threads)
        return result
    if axis != -1:
        raise ValueError(f"axis: found {axis} with {format}, which has no blocks")
    if _is_double(x):
        result = _result(out, x.shape, np.float64)
        _lowbit.cast_double(format, _flat(x, np.float64), result.reshape(-1), round, saturate, seed)
        return result
    result = _result(out, x.shape, np.float32)
    _lowbit.cast(format, _flat(x, np.float32), result.reshape(-1), round, saturate, seed, threads)
    return result


def _result(out, shape, wanted):
    if out is None:
        return np.empty(shape, wanted)
    if out.shape != shape or out.dtype != wanted or not out.flags.c_contiguous:
        raise ValueError(f"out: found shape {out.shape} and dtype {out.dtype}, expected {shape}, {np.dtype(wanted)}, contiguous")
    return out


def _code_type(format):
    bits = info(format)["bits"]
    return np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32


def encode(x, format, *, round="rne", saturate="finite", seed=0, threads=1):
    """The codes of x: uint8 for formats of at most 8 bits, else uint16 (uint32 for tf32 and f32), of x's shape."""
    x = np.asarray(x)
    out = np.empty(x.shape, _code_type(format))
    if _is_double(x):
        _lowbit.encode_double(format, _flat(x, np.float64), out.reshape(-1), round, saturate, seed)
    else:
        _lowbit.encode(format, _flat(x, np.float32), out.reshape(-1), round, saturate, seed, threads)
    return out


def decode(codes, format=None, *, threads=1):
    """The float32 values of codes, which are unsigned integers, or an array of an ml_dtypes type (format is then known)."""
    codes = np.asarray(codes)
    names = {"float16": "f16", **{value: key for key, value in _ML_DTYPES.items()}}
    if codes.dtype.name in names:
        format = format or names[codes.dtype.name]
        codes = codes.view(np.uint8 if codes.dtype.itemsize == 1 else np.uint16)
    if format is None:
        raise ValueError(f"format: found none, and a dtype {codes.dtype} that says none")
    if codes.dtype not in (np.uint8, np.uint16, np.uint32):
        raise ValueError(f"codes: found dtype {codes.dtype}, expected uint8, uint16 or uint32")
    out = np.empty(codes.shape, np.float32)
    _lowbit.decode(format, np.ascontiguousarray(codes).reshape(-1), out.reshape(-1), threads)
    return out


def apply(operation, format, *operands, round="rne", saturate="finite", seed=0):
    """The codes of an operation on arrays of codes of one format, rounded once; NumPy's broadcasting.

    operation: "add", "subtract", "multiply", "divide" (a, b), "square_root" (a), "fma" (a * b + c), "faa" (a + b + c).
    """
    operands = [np.asarray(x) for x in operands]
    for x in operands:
        if x.dtype.kind != "u" or x.dtype.itemsize > 4:
            raise ValueError(f"codes: found dtype {x.dtype}, expected uint8, uint16 or uint32")
    operands = np.broadcast_arrays(*operands)
    shape = operands[0].shape if operands else ()
    out = np.empty(shape, np.uint32)
    _lowbit.apply(operation, format, [_flat(x, np.uint32) for x in operands], out.reshape(-1), round, saturate, seed)
    return out.astype(_code_type(format))
