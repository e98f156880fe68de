# SPDX-License-Identifier: MIT
"""Spoils good inputs, for where no coverage-guided fuzzer is at hand; makes bad ones shorter."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from tests.fuzz.limits import INPUT_BYTES_MAX

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

_EDGES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
_TRIES_MAX = 2_000


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
    return bytes(data[:INPUT_BYTES_MAX])


def failure(target: Callable[[bytes], None], data: bytes) -> tuple[str, int] | None:
    """Give which error a target raises and in which line, None if it raises none."""
    try:
        target(data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to be told apart
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} {where.filename}", where.lineno or 0
    return None


def shrunk(target: Callable[[bytes], None], data: bytes) -> bytes:
    """Give a shorter input that fails in the same place; the same where none is found."""
    wanted = failure(target, data)
    size, tries = len(data) // 2, 0
    while wanted is not None and size and tries < _TRIES_MAX:
        at = 0
        while at < len(data) and tries < _TRIES_MAX:
            shorter = data[:at] + data[at + size :]
            tries += 1
            if failure(target, shorter) == wanted:
                data = shorter
            else:
                at += size
        size //= 2
    return data
