"""FarmHash Fingerprint64 of many strings of one length at once.

The function is that of Google's FarmHash (its namespace `farmhashna`): 64 bits, the same on every machine. All sums and
products are modulo 2^64.
"""

from __future__ import annotations

import numpy as np

_K0, _K1, _K2 = (np.uint64(value) for value in (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))
_SEED = 81
Words = np.ndarray
"""uint64 (N,)."""


def fingerprint64(strings: np.ndarray) -> Words:
    """Fingerprints of strings of one length, uint8 (N, length)."""
    count, length = strings.shape
    if length == 0:
        return np.full(count, _K2)
    if length < 4:
        return _up_to_3(strings, length)
    if length < 8:
        first, last = (_fetch(strings, place, "<u4") for place in (0, length - 4))
        return _mix(np.uint64(length) + (first << np.uint64(3)), last, _multiplier(length))
    if length <= 16:
        return fingerprint64_of_ends(_fetch(strings, 0), _fetch(strings, length - 8), length)
    if length <= 32:
        return _up_to_32(strings, length)
    return _up_to_64(strings, length) if length <= 64 else _long(strings, length)


def fingerprint64_of_ends(first: Words, last: Words, length: int) -> Words:
    """Fingerprints of strings of 8 to 16 bytes, of which only the first and last 8 matter.

    Args:
      first, last: these bytes as little-endian numbers.
      length: of the strings.
    """
    multiplier = _multiplier(length)
    first = first + _K2
    one = _rotate(last, 37)
    one *= multiplier
    one += first
    other = _rotate(first, 25)
    other += last
    other *= multiplier
    return _mix(one, other, multiplier)


def remainder(values: Words, divisor: int) -> Words:
    """`values % divisor`, which numpy divides one by one; by a constant it divides several at a time."""
    quotient = values // np.uint64(divisor)
    quotient *= np.uint64(divisor)
    return values - quotient


def _up_to_3(strings: np.ndarray, length: int) -> Words:
    first, middle, last = (strings[:, place].astype(np.uint64) for place in (0, length >> 1, length - 1))
    one = first + (middle << np.uint64(8))
    other = np.uint64(length) + (last << np.uint64(2))
    return _shift_mix(one * _K2 ^ other * _K0) * _K2


def _up_to_32(strings: np.ndarray, length: int) -> Words:
    multiplier = _multiplier(length)
    a, b = _fetch(strings, 0) * _K1, _fetch(strings, 8)
    c, d = _fetch(strings, length - 8) * multiplier, _fetch(strings, length - 16) * _K2
    return _mix(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _K2, 18) + c, multiplier)


def _up_to_64(strings: np.ndarray, length: int) -> Words:
    multiplier = _multiplier(length)
    a, b = _fetch(strings, 0) * _K2, _fetch(strings, 8)
    c, d = _fetch(strings, length - 8) * multiplier, _fetch(strings, length - 16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _mix(y, a + _rotate(b + _K2, 18) + c, multiplier)
    e, f = _fetch(strings, 16) * multiplier, _fetch(strings, 24)
    g = (y + _fetch(strings, length - 32)) * multiplier
    h = (z + _fetch(strings, length - 24)) * multiplier
    return _mix(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, multiplier)


def _long(strings: np.ndarray, length: int) -> Words:
    """More than 64 bytes: all whole pieces of 64 but the last, then the last 64 bytes."""
    zeros = np.zeros(len(strings), np.uint64)
    x, y = zeros + np.uint64(_SEED), zeros + np.uint64((_SEED * int(_K1) + 113) % 2**64)
    z = _shift_mix(y * _K2 + np.uint64(113)) * _K2
    v, w = (zeros, zeros), (zeros, zeros)
    x = x * _K2 + _fetch(strings, 0)
    for place in range(0, (length - 1) // 64 * 64, 64):
        x, y, z, v, w = _round(strings, place, (x, y, z, v, w), _K1, np.uint64(1))
    multiplier = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    w = (w[0] + np.uint64((length - 1) & 63), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    x, y, z, v, w = _round(strings, length - 64, (x, y, z, v, w), multiplier, np.uint64(9))
    return _mix(
        _mix(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z, _mix(v[1], w[1], multiplier) + x, multiplier
    )  # fmt: skip


_State = tuple[Words, Words, Words, tuple[Words, Words], tuple[Words, Words]]


def _round(strings: np.ndarray, place: int, state: _State, multiplier: Words | np.uint64, factor: np.uint64) -> _State:
    """Mix 64 bytes, from `place` on, into the state."""
    x, y, z, v, w = state
    at = [_fetch(strings, place + offset) for offset in range(0, 64, 8)]
    x = _rotate(x + y + v[0] + at[1], 37) * multiplier
    y = _rotate(y + v[1] + at[6], 42) * multiplier
    x = x ^ (w[1] * factor)
    y = y + v[0] * factor + at[5]
    z = _rotate(z + w[0], 33) * multiplier
    v = _weak(at[:4], v[1] * multiplier, x + w[0])
    w = _weak(at[4:], z + w[1], y + at[2])
    return z, y, x, v, w


def _weak(words: list[Words], a: Words, b: Words) -> tuple[Words, Words]:
    a = a + words[0]
    b = _rotate(b + a + words[3], 21)
    total = a + words[1] + words[2]
    return total + words[3], b + _rotate(total, 44) + a


def _fetch(strings: np.ndarray, place: int, kind: str = "<u8") -> Words:
    """The little-endian numbers that begin at a place."""
    size = np.dtype(kind).itemsize
    return np.ascontiguousarray(strings[:, place : place + size]).view(kind)[:, 0].astype(np.uint64)


def _multiplier(length: int) -> np.uint64:
    return np.uint64((int(_K2) + 2 * length) % 2**64)


def _rotate(words: Words, bits: int) -> Words:
    rotated = words >> np.uint64(bits)
    rotated |= words << np.uint64(64 - bits)
    return rotated


def _shift_mix(words: Words) -> Words:
    return words ^ (words >> np.uint64(47))


def _mix(one: Words, other: Words, multiplier: Words | np.uint64) -> Words:
    """Two words to one."""
    mixed = _shift_mix((one ^ other) * multiplier)
    mixed ^= other
    mixed *= multiplier
    mixed ^= mixed >> np.uint64(47)
    mixed *= multiplier
    return mixed
