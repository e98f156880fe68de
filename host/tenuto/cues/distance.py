# SPDX-License-Identifier: MIT
"""How far two patterns are from each other, as the skin takes them.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.routines.haptics import STRENGTH_RATIO_MIN, felt

if TYPE_CHECKING:
    from tenuto.routines.haptics import Pattern

MOVE_MS = 80.0
"""Moving an edge by so much costs 1, as much as leaving it out (Victor and Purpura 1996)."""


def distance(one: Pattern, other: Pattern) -> float:
    """Return the spike-train distance of two patterns; strength does not count.

    The beginnings of the pulses are one train, their ends another.  To leave an edge out or to add
    one costs 1, to move it costs its way in units of `MOVE_MS`.
    """
    beginnings, ends = _edges(one)
    other_beginnings, other_ends = _edges(other)
    return _train(beginnings, other_beginnings) + _train(ends, other_ends)


def is_strength_apart(one: Pattern, other: Pattern) -> bool:
    """Return whether two patterns of as many pulses differ in strength so that it can be felt."""
    pairs = zip(felt(one), felt(other), strict=True)
    return any(max(a[0], b[0]) >= STRENGTH_RATIO_MIN * min(a[0], b[0]) for a, b in pairs)


def _edges(pattern: Pattern) -> tuple[list[int], list[int]]:
    beginnings, ends, now_ms = [], [], 0
    for _, on_ms, off_ms in felt(pattern):
        beginnings.append(now_ms)
        ends.append(now_ms + on_ms)
        now_ms += on_ms + off_ms
    return beginnings, ends


def _train(one: list[int], other: list[int]) -> float:
    row = [float(number) for number in range(len(other) + 1)]
    for count, at_ms in enumerate(one, 1):
        before, row = row, [float(count)]
        for number, other_ms in enumerate(other):
            moved = before[number] + abs(at_ms - other_ms) / MOVE_MS
            row.append(min(before[number + 1] + 1, row[number] + 1, moved))
    return row[-1]
