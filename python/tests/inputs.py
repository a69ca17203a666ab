"""What the tests feed to lowbit and to others: numbers with every edge of a format, and how results compare."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import lowbit

# LOWBIT_EXHAUSTIVE tries 10^7 numbers everywhere; else only where that takes seconds.
EXHAUSTIVE = bool(os.environ.get("LOWBIT_EXHAUSTIVE"))

SPECIAL = np.array([0, np.inf, np.nan, 1e-45, 1.1754944e-38, 3.4e38], np.float32)


def random_floats(count, seed):
    """Half of any bits, half of a common range."""
    rng = np.random.default_rng(seed)
    any_bits = rng.integers(0, 1 << 32, count // 2, dtype=np.uint32).view(np.float32)
    common = np.ldexp(rng.standard_normal(count // 2), rng.integers(-20, 12, count // 2)).astype(np.float32)
    return np.concatenate([any_bits, common])


def edges(values):
    """The points where the rounding to some of the values changes: these, what lies halfway, the same beyond the last."""
    values = np.unique(values[np.isfinite(values)].astype(np.float64))
    middles = values[:-1] + np.diff(values) / 2
    first, last = values[0] - np.diff(values[:2]), values[-1] + np.diff(values[-2:])
    beyond = np.concatenate([first, (first + values[0]) / 2, last, (last + values[-1]) / 2])
    return np.concatenate([values, middles, beyond])


def around(points):
    """Points and what stands beside each in their type."""
    inf = points.dtype.type(np.inf)
    with np.errstate(over="ignore"):
        return np.concatenate([points, np.nextafter(points, -inf), np.nextafter(points, inf)])


def floats(name, count, seed):
    """count random floats, and every edge of the format, where it has at most 16 bits."""
    bits = lowbit.info(name)["bits"]
    parts = [SPECIAL, -SPECIAL, random_floats(count, seed)]
    if bits <= 16:
        values = lowbit.decode(np.arange(1 << bits, dtype=np.uint16), name)
        with np.errstate(over="ignore"):
            parts.append(around(edges(values).astype(np.float32)))
    return np.concatenate(parts)


def doubles(name, count, seed):
    """count random doubles, many of them a little beside numbers of fewer bits, where rounding twice goes wrong."""
    rng = np.random.default_rng(seed)
    wide = np.ldexp(rng.standard_normal(count // 2), rng.integers(-160, 130, count // 2))
    near = np.ldexp(rng.integers(-(1 << 12), 1 << 12, count // 2).astype(np.float64), rng.integers(-30, 12, count // 2))
    near *= 1 + rng.integers(-1, 2, near.size) * np.ldexp(1.0, -rng.integers(20, 53, near.size))
    parts = [np.array([0.0, np.inf, np.nan, 5e-324, 1e308]), wide, near]
    bits = lowbit.info(name)["bits"]
    if bits <= 16:
        parts.append(around(edges(lowbit.decode(np.arange(1 << bits, dtype=np.uint16), name))))
    else:  # between floats, and between those of them with few bits
        x = np.unique(random_floats(count // 4, seed).astype(np.float64))
        parts.append(around(x[:-1] + np.diff(x) / 2))
    x = np.concatenate(parts)
    return np.concatenate([x, -x])


def same(a, b):
    both_nan = np.isnan(a) & np.isnan(b)
    return both_nan | ((a == b) & (np.signbit(a) == np.signbit(b)))


def in_chunks(function, *arrays):
    """function of the arrays, chunk by chunk in the cache, on all processors."""
    size = 1 << 15
    with np.errstate(all="ignore"), ThreadPoolExecutor() as pool:
        parts = pool.map(lambda i: function(*(a[i : i + size] for a in arrays)), range(0, arrays[0].size, size))
        return np.concatenate(list(parts))


def random_words(count, seed):
    """The random bits that lowbit gives the elements of an array (formats/array.h), by Philox4x32-7 (Salmon et al., 2011)."""
    i = np.arange(count, dtype=np.uint64)
    index = i // 64 * 16 + i % 16
    low = np.uint64(0xFFFFFFFF)
    c = [index & low, index >> np.uint64(32), np.zeros_like(i), np.zeros_like(i)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(7):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(key[0]), p1 & low, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(key[1]), p0 & low]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.choose((i // 16 % 4).astype(np.intp), c)
