"""lowbit against gfloat: all codes; every rounding and saturation that both have; stochastic ones with the same bits."""

import numpy as np
import pytest

import lowbit
from inputs import EXHAUSTIVE, doubles, floats, in_chunks, random_words, same

gfloat = pytest.importorskip("gfloat")
from gfloat import formats  # noqa: E402
from gfloat.types import Domain, FormatInfo, RoundMode, Signedness  # noqa: E402

COUNT = 10_000_000


def descriptor(name, bits, precision, bias, ieee):
    """IEEE's rules for the top exponent, or NaN in place of -0 and nothing else."""
    return FormatInfo(
        name=name, k=bits, precision=precision, bias=bias, has_nz=ieee, domain=Domain.Extended if ieee else Domain.Finite,
        num_high_nans=(1 << (precision - 1)) - 1 if ieee else 0, has_subnormals=True, is_signed=True, is_twos_complement=False,
    )


# Published formats by our names: those of gfloat, and those that its descriptor can say.
PUBLISHED = {
    "e4m3fn": formats.format_info_ocp_e4m3,
    "e5m2": formats.format_info_ocp_e5m2,
    "e2m1": formats.format_info_ocp_e2m1,
    "e2m3": formats.format_info_ocp_e2m3,
    "e3m2": formats.format_info_ocp_e3m2,
    "e8m0": formats.format_info_ocp_e8m0,
    "fix8.6": formats.format_info_ocp_int8,
    "f16": formats.format_info_binary16,
    "bf16": formats.format_info_bfloat16,
    "e4m3": descriptor("e4m3", 8, 4, 7, True),
    "e3m4": descriptor("e3m4", 8, 5, 3, True),
    "e4m3fnuz": descriptor("e4m3fnuz", 8, 4, 8, False),
    "e5m2fnuz": descriptor("e5m2fnuz", 8, 3, 16, False),
    "e4m3b11fnuz": descriptor("e4m3b11fnuz", 8, 4, 11, False),
    "tf32": descriptor("tf32", 19, 11, 127, True),
}

ROUNDINGS = {
    "rne": RoundMode.TiesToEven,
    "rna": RoundMode.TiesToAway,
    "rz": RoundMode.TowardZero,
    "ru": RoundMode.TowardPositive,
    "rd": RoundMode.TowardNegative,
}

# IEEE P3109's three. gfloat's fourth (ties of the random bits to odd) is nobody's.
STOCHASTIC = {"a": RoundMode.StochasticFastest, "b": RoundMode.StochasticFast, "c": RoundMode.Stochastic}


def p3109(first, last):
    for k in range(first, last + 1):
        for sign, letter in ((Signedness.Signed, "s"), (Signedness.Unsigned, "u")):
            for domain, end in ((Domain.Finite, "f"), (Domain.Extended, "e")):
                for p in range(1, k if letter == "s" else k + 1):
                    info = formats.format_info_p3109(k, p, sign, domain)
                    if info.bias <= 1024:  # gfloat's values are doubles
                        yield f"binary{k}p{p}{letter}{end}", info


def shared(x, info):
    """The inputs for which gfloat has an answer."""
    if info.num_nans == 0:
        x = x[~np.isnan(x)]
    if not info.is_signed:
        x = x[~(x < 0) & ~np.signbit(x)]  # gfloat rounds negative numbers as if there were a sign
    if not info.has_zero:
        x = x[~(x < info.smallest)]  # and below the least number as if there were more exponents
    return x


def saturations(info):
    yield True, "finite"
    if info.num_nans or info.domain == Domain.Extended:
        yield False, "none"


def agree(name, what, x, ours, theirs):
    wrong = ~same(ours.astype(np.float64), theirs)
    assert not wrong.any(), (name, what, int(wrong.sum()), x[wrong][:5], ours[wrong][:5], theirs[wrong][:5])


def compare_floats(name, info, count):
    x = shared(floats(name, count, 2), info)
    wide = x.astype(np.float64)
    if not lowbit.info(name)["exact_in_float32"]:
        x = wide  # results are doubles then, which hold every value
    for rounding, mode in ROUNDINGS.items():
        for flag, saturate in saturations(info):
            theirs = in_chunks(lambda part: gfloat.round_ndarray(info, part, mode, flag), wide)
            ours = lowbit.cast(x, name, round=rounding, saturate=saturate, threads=0)
            agree(name, (rounding, saturate), x, ours, theirs)
            codes = lowbit.encode(x, name, round=rounding, saturate=saturate, threads=0)
            values = lowbit.decode(codes, name, threads=0)
            agree(name, (rounding, saturate, "codes"), x, values, theirs.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize("name", PUBLISHED)
def test_floats(name):
    compare_floats(name, PUBLISHED[name], COUNT)


@pytest.mark.parametrize("k", range(3, 16))
def test_floats_p3109(k):
    usual = 50_000 if k <= 8 else 1_000
    for name, info in p3109(k, k):
        compare_floats(name, info, COUNT if EXHAUSTIVE else usual)


@pytest.mark.parametrize("name", [*PUBLISHED, "f32"])
def test_doubles(name):
    info = PUBLISHED.get(name, formats.format_info_binary32)
    x = shared(doubles(name, COUNT if EXHAUSTIVE else 100_000, 3), info)
    for rounding, mode in ROUNDINGS.items():
        for flag, saturate in saturations(info):
            theirs = in_chunks(lambda part: gfloat.round_ndarray(info, part, mode, flag), x)
            agree(name, (rounding, saturate), x, lowbit.cast(x, name, round=rounding, saturate=saturate), theirs)


@pytest.mark.parametrize("name", PUBLISHED)
def test_stochastic_roundings_of_the_same_bits(name):
    info = PUBLISHED[name]
    x = shared(floats(name, COUNT if EXHAUSTIVE else 200_000, 4), info)
    words = random_words(x.size, 5)
    for bits in (1, 8, 24):  # with more gfloat's sums of a float's tail and the bits would round
        part = (words & np.uint64((1 << bits) - 1)).astype(np.int64)
        for letter, mode in STOCHASTIC.items():
            for flag, saturate in saturations(info):
                theirs = in_chunks(
                    lambda v, r: gfloat.round_ndarray(info, v, mode, flag, r, bits), x.astype(np.float64), part
                )
                ours = lowbit.cast(x, name, round=f"sr-{bits}{letter}", saturate=saturate, seed=5, threads=0)
                agree(name, (bits, letter, saturate), x, ours, theirs)


def test_codes():
    # Some values of P3109 formats are no floats; these decode to the nearest one.
    for name, info in [*PUBLISHED.items(), *p3109(3, 15)]:
        codes = np.arange(1 << info.k, dtype=np.uint32)
        theirs = gfloat.decode_ndarray(info, codes.astype(np.int64))
        ours = lowbit.decode(codes, name)
        agree(name, "decode", codes, ours, theirs.astype(np.float32).astype(np.float64))
        numbers = ~np.isnan(ours)
        assert (lowbit.encode(theirs[numbers], name, saturate="none") == codes[numbers]).all(), name
