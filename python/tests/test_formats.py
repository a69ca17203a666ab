"""lowbit against ml_dtypes, all codes and 10^7 numbers of each format; what the Python functions promise."""

import numpy as np
import pytest

import lowbit
from inputs import floats, same

COUNT = 10_000_000


ML_NAMES = ["bf16", "e4m3fn", "e4m3", "e4m3fnuz", "e4m3b11fnuz", "e5m2", "e5m2fnuz", "e3m4", "e2m3", "e3m2", "e2m1"]


@pytest.mark.parametrize("name", ML_NAMES)
def test_casts_are_those_of_ml_dtypes(name):
    pytest.importorskip("ml_dtypes")
    x = floats(name, COUNT, 1)
    with np.errstate(all="ignore"):
        theirs = x.astype(lowbit.dtype(name)).astype(np.float32)
    ours = lowbit.cast(x, name, saturate="none", threads=2)
    if not lowbit.info(name)["has_nan"]:
        keep = ~np.isnan(x)  # without a NaN each library picks a number
        x, theirs, ours = x[keep], theirs[keep], ours[keep]
    wrong = ~same(ours, theirs)
    assert not wrong.any(), (name, x[wrong][:5], ours[wrong][:5], theirs[wrong][:5])


@pytest.mark.parametrize("name", ML_NAMES + ["e8m0"])
def test_codes_are_those_of_ml_dtypes(name):
    pytest.importorskip("ml_dtypes")
    bits = lowbit.info(name)["bits"]
    codes = np.arange(1 << bits, dtype=np.uint8 if bits <= 8 else np.uint16)
    theirs = codes.view(lowbit.dtype(name))
    assert same(lowbit.decode(theirs), theirs.astype(np.float32)).all()
    finite = ~np.isnan(lowbit.decode(codes, name))
    assert (lowbit.encode(lowbit.decode(codes, name), name, saturate="none")[finite] == codes[finite]).all()


def test_stochastic_rounding_does_not_depend_on_threads():
    x = np.random.default_rng(3).standard_normal(100_003).astype(np.float32)
    one = lowbit.cast(x, "e4m3fn", round="sr", seed=11)
    assert (one == lowbit.cast(x, "e4m3fn", round="sr", seed=11, threads=2)).all()
    assert (one != lowbit.cast(x, "e4m3fn", round="sr", seed=12)).any()
    low, high = lowbit.cast(x, "e4m3fn", round="rd"), lowbit.cast(x, "e4m3fn", round="ru")
    assert ((one == low) | (one == high)).all()


def test_arrays_of_any_kind():
    x = np.random.default_rng(4).standard_normal((6, 8, 32)).astype(np.float32)
    whole = lowbit.cast(x, "mxfp4")
    assert (lowbit.cast(x[:, ::2], "mxfp4") == whole[:, ::2]).all()
    assert lowbit.cast(x.T, "e5m2").shape == x.T.shape
    assert lowbit.cast(np.float32(3.3), "e2m1").shape == ()
    assert lowbit.cast(np.zeros((0, 4), np.float32), "mxfp4").shape == (0, 4)
    out = np.empty_like(x)
    assert lowbit.cast(x, "e4m3fn", out=out) is out
    # Doubles are rounded once: through float32 this would be the tie, and 0.
    assert lowbit.cast(np.array([0.25 + 2**-40]), "e2m1")[0] == 0.5
    assert lowbit.cast(np.array([2**-900]), "e11m4")[0] == 2**-900


def test_blocks_along_any_axis():
    x = np.random.default_rng(5).standard_normal((3, 40, 37)).astype(np.float32)
    for name in ("mxfp4", "nvfp4", "mx9", "e4m3fn/16x16:f32", "nf4/8:uint8/32:f32"):
        for axis in (-3, -2, -1, 0, 1, 2):
            moved = np.moveaxis(lowbit.cast(np.moveaxis(x, axis, -1), name), -1, axis)
            assert (lowbit.cast(x, name, axis=axis, threads=2) == moved).all(), (name, axis)
    assert lowbit.cast(np.float32(3.3), "mxfp4", axis=0) == 3
    with pytest.raises(ValueError, match="axis"):
        lowbit.cast(x, "mxfp4", axis=3)
    with pytest.raises(ValueError, match="no blocks"):
        lowbit.cast(x, "e4m3fn", axis=0)


def test_square_blocks():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.random.default_rng(6).standard_normal((2, 130, 200)).astype(np.float32)
    ours = lowbit.cast(x, "e4m3fn/128x128:f32")
    for m in range(2):
        for r in (0, 128):
            for c in (0, 128):
                block = x[m, r : r + 128, c : c + 128]
                scale = np.abs(block).max() / np.float32(448)
                theirs = (block / scale).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * scale
                assert np.abs(ours[m, r : r + 128, c : c + 128] - theirs).max() <= 0.07 * np.abs(block).max()
                assert (ours[m, r : r + 128, c : c + 128] == theirs).mean() > 0.999


def test_shared_micro_exponents():
    # Rouhani et al. 2023: the exponent of 16, one bit for each pair that is lower, 4 bits of mantissa without a hidden one.
    x = np.random.default_rng(7).standard_normal((100, 8, 2)).astype(np.float32)
    top = np.floor(np.log2(np.abs(x).max(axis=(1, 2), keepdims=True)))
    pair = np.floor(np.log2(np.abs(x).max(axis=2, keepdims=True)))
    step = 2.0 ** (top - (pair < top) - 3)
    expected = np.clip(np.rint(x / step), -15, 15) * step
    assert (lowbit.cast(x.reshape(100, 16), "mx6", scale_rule="floor") == expected.reshape(100, 16)).all()


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2", "binary8p4se", "posit8"])
@pytest.mark.parametrize("round", ["rne", "ru", "rz", "odd", "sr-8b"])
def test_apply_rounds_the_exact_result_once(name, round):
    codes = np.arange(256, dtype=np.uint8)
    a, b = codes[:, None], codes
    x, y = lowbit.decode(a, name).astype(np.float64), lowbit.decode(b, name).astype(np.float64)
    with np.errstate(invalid="ignore"):
        exact = {"add": x + y, "subtract": x - y, "multiply": x * y, "fma": x * y + y}  # all of them doubles
    for operation, result in exact.items():
        operands = (a, b, b) if operation == "fma" else (a, b)
        ours = lowbit.apply(operation, name, *operands, round=round, saturate="none", seed=9)
        theirs = lowbit.encode(result, name, round=round, saturate="none", seed=9)
        assert ours.shape == (256, 256) and ours.dtype == np.uint8
        wrong = ~same(lowbit.decode(ours, name), lowbit.decode(theirs, name))
        assert not wrong.any(), (operation, np.argwhere(wrong)[:5])


def test_errors_say_what_is_wrong():
    x = np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="column 1.*nearest names"):
        lowbit.cast(x, "e4m3fm")
    with pytest.raises(ValueError, match="rounding"):
        lowbit.cast(x, "e4m3fn", round="nearest")
    with pytest.raises(ValueError, match="scale rule"):
        lowbit.cast(x, "mxfp4", scale_rule="best")
    with pytest.raises(ValueError, match="search"):
        lowbit.cast(x, "q4_k")
    with pytest.raises(ValueError, match="beyond"):
        lowbit.decode(np.array([16], np.uint8), "e2m1")
    with pytest.raises(ValueError, match="dtype"):
        lowbit.decode(np.array([1.5]), "e2m1")
    codes = np.zeros(4, np.uint8)
    with pytest.raises(ValueError, match='"plus", expected one of add'):
        lowbit.apply("plus", "posit8", codes, codes)
    with pytest.raises(ValueError, match="found 1 operands, expected 2"):
        lowbit.apply("add", "posit8", codes)
    with pytest.raises(ValueError, match="beyond"):
        lowbit.apply("add", "e2m1", codes, codes + np.uint8(16))
    with pytest.raises(ValueError, match="dtype"):
        lowbit.apply("add", "posit8", 1.5, codes)
