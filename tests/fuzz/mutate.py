# SPDX-License-Identifier: MIT
"""Spoils good inputs, for where no coverage-guided fuzzer is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

BYTES_MAX = 4096
_EDGES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)


def mutated(good: Sequence[bytes], rng: random.Random) -> bytes:
    """Give one of the good inputs after a few changes."""
    data = bytearray(rng.choice(good))
    for _ in range(rng.choice((1, 1, 2, 4, 12))):
        at = rng.randint(0, len(data))
        size = rng.choice((1, 1, 2, 4, 16))
        kind = rng.randrange(6)
        if kind == 0:
            del data[at : at + size]
        elif kind == 1:
            data[at:at] = rng.randbytes(size)
        elif kind == 2 and data:
            data[at % len(data)] = rng.choice(_EDGES)
        elif kind == 3 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 4:
            data[at:at] = data[at : at + size] * rng.choice((1, 3, 50))
        else:
            other = rng.choice(good)
            begin = rng.randint(0, len(other))
            data[at : at + size] = other[begin : begin + size * 4]
    return bytes(data[:BYTES_MAX])
