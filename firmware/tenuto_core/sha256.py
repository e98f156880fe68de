# SPDX-License-Identifier: MIT
"""SHA-256 (FIPS 180-4) for boards whose CircuitPython has no `hashlib`, such as the nRF52840.

Slow: about 10 ms for each 64 bytes there.  Where there is a `hashlib`, that is used instead.
"""

import struct
from binascii import unhexlify

_MASK = 0xFFFFFFFF
# The first 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the
# square roots of the first 8.
_CUBE_ROOTS = struct.unpack(
    ">64I",
    unhexlify(
        "428a2f9871374491b5c0fbcfe9b5dba53956c25b59f111f1923f82a4ab1c5ed5"
        "d807aa9812835b01243185be550c7dc372be5d7480deb1fe9bdc06a7c19bf174"
        "e49b69c1efbe47860fc19dc6240ca1cc2de92c6f4a7484aa5cb0a9dc76f988da"
        "983e5152a831c66db00327c8bf597fc7c6e00bf3d5a7914706ca635114292967"
        "27b70a852e1b21384d2c6dfc53380d13650a7354766a0abb81c2c92e92722c85"
        "a2bfe8a1a81a664bc24b8b70c76c51a3d192e819d6990624f40e3585106aa070"
        "19a4c1161e376c082748774c34b0bcb5391c0cb34ed8aa4a5b9cca4f682e6ff3"
        "748f82ee78a5636f84c878148cc7020890befffaa4506cebbef9a3f7c67178f2"
    ),
)
_SQUARE_ROOTS = struct.unpack(
    ">8I", unhexlify("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19")
)


def _turn(word: int, by: int) -> int:
    return (word >> by | word << (32 - by)) & _MASK


def _mix(state: list[int], block: bytes) -> list[int]:
    words = list(struct.unpack(">16I", block))
    for t in range(16, 64):
        early, late = words[t - 15], words[t - 2]
        small = _turn(early, 7) ^ _turn(early, 18) ^ early >> 3
        large = _turn(late, 17) ^ _turn(late, 19) ^ late >> 10
        words.append((words[t - 16] + small + words[t - 7] + large) & _MASK)
    a, b, c, d, e, f, g, h = state
    for t in range(64):
        turned = _turn(e, 6) ^ _turn(e, 11) ^ _turn(e, 25)
        one = h + turned + ((e & f) ^ (~e & _MASK & g)) + _CUBE_ROOTS[t] + words[t]
        turned = _turn(a, 2) ^ _turn(a, 13) ^ _turn(a, 22)
        two = turned + ((a & b) ^ (a & c) ^ (b & c))
        h, g, f, e, d, c, b = g, f, e, (d + one) & _MASK, c, b, a
        a = (one + two) & _MASK
    return [(old + new) & _MASK for old, new in zip(state, (a, b, c, d, e, f, g, h))]


def sha256(data: bytes) -> bytes:
    """The 32 bytes of the digest."""
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack(">II", 0, len(data) * 8)
    state = list(_SQUARE_ROOTS)
    for at in range(0, len(padded), 64):
        state = _mix(state, padded[at : at + 64])
    return struct.pack(">8I", *state)
