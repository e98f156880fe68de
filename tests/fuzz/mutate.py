# SPDX-License-Identifier: MIT
"""Spoils good inputs, for where no coverage-guided fuzzer is at hand; makes bad ones shorter."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

from tests.fuzz.limits import INPUT_BYTES_MAX

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

_EDGES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
_TRIES_MAX = 2_000


_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**18, 2**63, 2**64, 10**400, float("inf"), float("nan")),
    *("", "x", "\ud800", "9" * 40, [], [[]], {}, {"a": 1}),
)
"""What no reader of JSON expects everywhere; json reads them all."""


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all places in a JSON value, as (container, key)."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _with_other_values(data: bytes, rng: random.Random) -> bytes:
    """Return a text with a value of one of its lines of JSON replaced or removed."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    begin = lines[at].find(b"{")
    try:
        value = json.loads(lines[at][begin:]) if begin >= 0 else None
    except ValueError:
        return data
    places = list(_places(value)) if isinstance(value, dict) else []
    if not places:
        return data
    container, key = rng.choice(places)
    if rng.random() < 0.2:
        del container[key]
    else:
        container[key] = rng.choice(_VALUES)
    lines[at] = lines[at][:begin] + json.dumps(value).encode()
    return b"\n".join(lines)


def mutated(good: Sequence[bytes], rng: random.Random) -> bytes:
    """Give one of the good inputs after a few changes."""
    chosen = rng.choice(good)
    if b"{" in chosen and rng.random() < 0.3:
        return _with_other_values(chosen, rng)[:INPUT_BYTES_MAX]
    data = bytearray(chosen)
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
