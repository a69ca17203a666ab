"""lowbit's posits against SoftPosit, the reference C code by the authors of the posit standard (PyPI: softposit).

Its functions are called in the extension module of the package itself. posit8 and posit16 are those of the drafts (0 and
1 exponent bits); pX2 has the standard's 2 in any size, in the upper bits of 32.
"""

import ctypes
import importlib.util

import numpy as np
import pytest

import lowbit
from inputs import EXHAUSTIVE, around

found = importlib.util.find_spec("_softposit")
if found is None:
    pytest.skip("SoftPosit is not installed (pip install softposit)", allow_module_level=True)
LIBRARY = ctypes.CDLL(found.origin)

# Each call costs a microsecond.
DOUBLES = 10_000_000 if EXHAUSTIVE else 500_000
OPERANDS = 1_000_000 if EXHAUSTIVE else 100_000
OPERATIONS = {"add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "square_root": "sqrt", "fma": "mulAdd"}


class Posit:
    """One of SoftPosit's types, its codes as lowbit has them."""

    def __init__(self, bits, exponent_bits):
        self.bits, self.exponent_bits = bits, exponent_bits
        self.name = f"posit{bits}.{exponent_bits}"
        if exponent_bits == 2:
            self.prefix, self.code, self.shift, self.size = "pX2", ctypes.c_uint32, 32 - bits, (bits,)
        else:
            self.prefix, self.code, self.shift, self.size = f"p{bits}", {8: ctypes.c_uint8, 16: ctypes.c_uint16}[bits], 0, ()

    def codes(self):
        return np.arange(1 << self.bits, dtype=np.uint32)

    def _call(self, symbol, result, types, columns, size):
        function = getattr(LIBRARY, symbol)
        function.restype, function.argtypes = result, types + [ctypes.c_int] * len(size)
        kind = np.float64 if result is ctypes.c_double else np.uint32
        return np.fromiter((function(*row, *size) for row in zip(*columns)), kind, len(columns[0]))

    def _moved(self, codes):
        return (codes.astype(np.uint32) << np.uint32(self.shift)).tolist()

    def encode(self, x):
        symbol = f"convertDoubleTo{self.prefix.upper()}"
        return self._call(symbol, self.code, [ctypes.c_double], [x.tolist()], self.size) >> self.shift

    def decode(self, codes):
        symbol = f"convert{self.prefix.upper()}ToDouble"
        return self._call(symbol, ctypes.c_double, [self.code], [self._moved(codes)], ())

    def apply(self, operation, *operands):
        symbol = f"{self.prefix}_{OPERATIONS[operation]}"
        moved = [self._moved(codes) for codes in operands]
        return self._call(symbol, self.code, [self.code] * len(operands), moved, self.size) >> self.shift


DRAFTS = [Posit(8, 0), Posit(16, 1)]
STANDARD = [Posit(bits, 2) for bits in range(2, 17)]
ALL = [pytest.param(p, id=p.name) for p in DRAFTS + STANDARD]


def value(code, bits, exponent_bits):
    """A posit by its definition: sign, run of equal bits, exponent, fraction."""
    if code == 0:
        return 0.0
    if code == 1 << (bits - 1):
        return np.nan
    negative = code >> (bits - 1)
    text = format((1 << bits) - code if negative else code, f"0{bits}b")[1:]
    run = len(text) - len(text.lstrip(text[0]))
    regime = run - 1 if text[0] == "1" else -run
    rest = text[run + 1 :]
    exponent = int(rest[:exponent_bits].ljust(exponent_bits, "0") or "0", 2)
    fraction = rest[exponent_bits:]
    significand = 1 + (int(fraction, 2) / (1 << len(fraction)) if fraction else 0)
    return (-1 if negative else 1) * np.ldexp(significand, (regime << exponent_bits) + exponent)


def values(bits, exponent_bits):
    return np.array([value(c, bits, exponent_bits) for c in range(1 << bits)])


def inputs(posit):
    """Doubles of any bits and of the posit's range, and its edges: a posit of one bit more is where rounding changes."""
    rng = np.random.default_rng(6)
    any_bits = rng.integers(0, 1 << 64, DOUBLES // 10, dtype=np.uint64)
    wide = posit.bits << posit.exponent_bits
    common = np.ldexp(rng.standard_normal(DOUBLES), rng.integers(-wide, wide, DOUBLES))
    points = values(posit.bits + 1, posit.exponent_bits)
    return np.concatenate([
        [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e308, -1e308],
        around(points[np.isfinite(points)]), any_bits.view(np.float64), common,
    ])


def equal(what, ours, theirs, *arguments):
    wrong = np.flatnonzero(ours != theirs)
    assert wrong.size == 0, (what, wrong.size, [[a[i] for a in arguments] for i in wrong[:5]], ours[wrong[:5]], theirs[wrong[:5]])


# Saturation none is the posit standard's: infinity becomes NaR, what is large the largest posit.


@pytest.mark.parametrize("posit", ALL)
def test_encode(posit):
    x = inputs(posit)
    with np.errstate(invalid="ignore"):
        equal(posit.name, lowbit.encode(x, posit.name, saturate="none"), posit.encode(x), x)


@pytest.mark.parametrize("posit", ALL)
def test_decode(posit):
    ours = lowbit.decode(posit.codes(), posit.name)
    theirs = posit.decode(posit.codes())
    theirs[np.isinf(theirs)] = np.nan  # SoftPosit's double of NaR
    assert np.array_equal(ours, theirs, equal_nan=True)
    assert np.array_equal(ours, values(posit.bits, posit.exponent_bits), equal_nan=True)


def operands(posit, count, seed):
    """All pairs (or triples) where they are at most 2^16, else random ones with every code somewhere."""
    if posit.bits * count <= 16:
        return [a.ravel() for a in np.meshgrid(*[posit.codes()] * count)]
    rng = np.random.default_rng(seed)
    random = [rng.integers(0, 1 << posit.bits, OPERANDS, dtype=np.uint32) for _ in range(count)]
    return [np.concatenate([a, rng.permutation(posit.codes())]) for a in random]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("posit", ALL)
def test_arithmetic(posit, operation):
    count = {"square_root": 1, "fma": 3}.get(operation, 2)
    codes = operands(posit, count, 7)
    ours = lowbit.apply(operation, posit.name, *codes, saturate="none")
    equal((posit.name, operation), ours, posit.apply(operation, *codes), *codes)


def test_all_sums_of_products_of_posit8():
    if not EXHAUSTIVE:
        pytest.skip("LOWBIT_EXHAUSTIVE tries all 2^24")
    for posit in (Posit(8, 0), Posit(8, 2)):
        a, b = [x.ravel() for x in np.meshgrid(posit.codes(), posit.codes())]
        for code in posit.codes():
            c = np.full_like(a, code)
            equal(posit.name, lowbit.apply("fma", posit.name, a, b, c, saturate="none"), posit.apply("fma", a, b, c), a, b, c)
