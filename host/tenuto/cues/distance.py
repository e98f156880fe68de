# SPDX-License-Identifier: MIT
"""How far two patterns are from each other, as the skin takes them.  Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenuto.routines.haptics import STRENGTH_RATIO_MIN, felt
from tenuto_core.plan import pattern_ms

if TYPE_CHECKING:
    from tenuto.routines.haptics import Pattern

MOVE_MS = 80.0
"""Moving an edge by so much costs 1, as much as leaving it out (Victor and Purpura 1996)."""
VIEW_MAX = 3.0
"""What is as far as this is told apart by one view alone."""


def distance(one: Pattern, other: Pattern) -> float:
    """Return the spike-train distance of two patterns; strength does not count.

    The beginnings of the pulses are one train, their ends another.  To leave an edge out or to add
    one costs 1, to move it costs its way in units of `MOVE_MS`.
    """
    beginnings, ends = _edges(one)
    other_beginnings, other_ends = _edges(other)
    return _train(beginnings, other_beginnings) + _train(ends, other_ends)


def apart(one: Pattern, other: Pattern) -> float:
    """Return how far two patterns are for people who do not all go by the same; 0 to 9.

    Three views of them count as much as each other, each at most 3: the rhythm, as `distance` has
    it; how many pulses there are and how long they are in the mean; how many, and how long the
    longest is.  A set that is chosen by rhythm alone makes people worse who go by count and
    length, see `tests/simulator/test_perception.py`.
    """
    rhythm = distance(one, other)
    one, other = felt(one), felt(other)
    counts = len(one), len(other)
    means = [sum(pulse[1] for pulse in pattern) / len(pattern) for pattern in (one, other)]
    longest = [max(pulse[1] for pulse in pattern) for pattern in (one, other)]
    whole = _octaves(pattern_ms(one), pattern_ms(other))
    more = 4 * abs(counts[0] - counts[1]) / (1 + min(counts))
    by_mean = more + 2 * _octaves(*means) + whole
    by_longest = _octaves(*counts) + _octaves(*longest) + whole
    return min(rhythm, VIEW_MAX) + min(by_mean / 2, VIEW_MAX) + min(1.5 * by_longest, VIEW_MAX)


def _octaves(one: float, other: float) -> float:
    return abs(math.log2(one / other))


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
