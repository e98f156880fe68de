# SPDX-License-Identifier: MIT
"""JSON from outside, checked value by value; what is wrong raises ValueError with what and how.

Pure.
"""

from __future__ import annotations

import json
from typing import Any

ITEMS_MAX = 256
"""Of what comes from outside; a pattern has at most 16 pulses."""
TIME_MS_MAX = 60_000


def parse(text: str) -> Any:  # noqa: ANN401 - checked by the callers
    """Return a JSON text's value; NaN and its like are no numbers."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    return json.loads(text, parse_constant=refuse)


def real(value: object, low: float, high: float, what: str) -> float:
    """Return a number within bounds, which are finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is no number")  # noqa: TRY004 - the caller takes ValueError
    if not low <= value <= high:
        raise ValueError(f"{what} is out of range, allowed is {low:g} to {high:g}")
    return value


def items(value: object, what: str) -> list[Any]:
    """Return a list of at most `ITEMS_MAX` items."""
    if not isinstance(value, list):
        raise ValueError(f"{what} is no list")  # noqa: TRY004 - the caller takes ValueError
    if len(value) > ITEMS_MAX:
        raise ValueError(f"{what} has {len(value)} items, allowed are {ITEMS_MAX}")
    return value


def table(value: object, what: str) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")  # noqa: TRY004 - the caller takes ValueError
    return value


def times(value: object, what: str) -> list[int]:
    """Return a list of times in ms."""
    return [round(real(one, 0, TIME_MS_MAX, what)) for one in items(value, what)]
