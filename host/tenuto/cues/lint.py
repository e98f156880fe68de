# SPDX-License-Identifier: MIT
"""Which cues of a vocabulary will be hard to feel or to tell apart, before anybody has felt them.

Skin tells patterns apart by the number of pulses first, then by their length, and by strength last.
So two patterns of as many pulses need one that is twice as long as the other's, and strength is
there for comfort.  Pure.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.routines.feel import fit, silenced
from tenuto.routines.haptics import CUE_MS_MAX, GAP_MS_MIN, PULSE_MS_MIN, felt
from tenuto_core.plan import pattern_ms
from tenuto_core.vocab import CUES

from .distance import apart, distance, is_strength_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from tenuto.routines.feel import Feel
    from tenuto.routines.haptics import Pattern, Vocabulary

TWICE = 2.0
"""Pulses need this ratio of lengths to be told apart; 3 is better."""
NEAR = 1.2
"""Patterns whose lengths are within this ratio are about as long as each other."""
_PLACES = {"halfway": "in the middle of a hold", "mark": "in the middle of a hold"} | {
    "countdown": "in the last seconds of a step"
}
_EDGE = "between steps"
_SHORT_MS, _LONG_MS, _PAUSE_MS = 120, 480, 150
_PULSES_MAX = 5
_EXCHANGES_MAX = 50


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """It will be confused, or cannot be played."""
    WARNING = "warning"
    """It may not be felt, or something other than the pattern must tell it apart."""
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a cue or with a pair of them.

    Attributes:
        level: How bad it is.
        cues: Which ones, one or two; none where the whole vocabulary cannot be played.
        text: What is wrong, for people.
        proposal: For the last of the cues: `on_off_ms` that would be better; empty for none.
    """

    level: Level
    cues: tuple[str, ...]
    text: str
    proposal: tuple[int, ...] = ()

    def __str__(self) -> str:
        names = " and ".join(self.cues)
        better = f"; better for {self.cues[-1]}: on_off_ms = {list(self.proposal)}"
        return f"{names}{': ' if names else ''}{self.text}{better if self.proposal else ''}"


def lint(
    vocabulary: Vocabulary, feel: Feel | None = None, only: Collection[str] = CUES
) -> tuple[Finding, ...]:
    """Return what will be hard to feel or to tell apart, the worst first.

    Args:
        vocabulary: As it was written.
        feel: What the motor of the wearable can do; None where it plays all as it is written.
        only: The cues that are used.
    """
    try:
        fitted = vocabulary if feel is None else fit(vocabulary, feel)
    except InputError as error:
        return tuple(Finding(Level.ERROR, (), mistake.text) for mistake in error.mistakes)
    patterns = {
        cue: pattern
        for cue, pattern in zip(CUES, fitted.patterns, strict=True)
        if pattern and cue in only
    }
    found = [
        Finding(Level.WARNING, (cue,), text)
        for cue, pattern in zip(CUES, vocabulary.patterns, strict=True)
        if cue in only and not (feel is not None and feel.only_counts)
        for text in _lint_pattern(pattern)
    ]
    for one, other in itertools.combinations(patterns, 2):
        finding = _lint_pair(one, other, patterns, feel)
        if finding is not None:
            found.append(finding)
    where = "" if feel is None else f" on a {feel.title}"
    found += [
        Finding(Level.NOTE, (cue,), f"silent{where}, where it would feel like another")
        for cue in silenced(vocabulary, fitted)
        if cue in only
    ]
    return tuple(sorted(found, key=lambda one: list(Level).index(one.level)))


def nearest_pairs(vocabulary: Vocabulary, feel: Feel | None = None) -> list[tuple[float, str, str]]:
    """Return the distance of each pair of cues that are felt, the nearest first.

    Raises:
        InputError: The motor cannot play the vocabulary.
    """
    fitted = vocabulary if feel is None else fit(vocabulary, feel)
    patterns = zip(CUES, fitted.patterns, strict=True)
    heard = [(cue, pattern) for cue, pattern in patterns if pattern]
    pairs = itertools.combinations(heard, 2)
    return sorted((distance(one, other), a, b) for (a, one), (b, other) in pairs)


def _lint_pattern(pattern: Pattern) -> Iterator[str]:
    for number, (_, on_ms, off_ms) in enumerate(pattern, 1):
        if on_ms < PULSE_MS_MIN:
            yield f"buzz {number} of {on_ms} ms may not be felt, {PULSE_MS_MIN} ms or more is"
        if number < len(pattern) and off_ms < GAP_MS_MIN:
            yield (
                f"the pause of {off_ms} ms after buzz {number} is not felt,"
                f" {GAP_MS_MIN} ms or more is"
            )
    if pattern_ms(pattern) > CUE_MS_MAX:
        yield f"{pattern_ms(pattern)} ms is long for one cue, {CUE_MS_MAX} ms is enough"


def _lint_pair(
    one: str, other: str, patterns: dict[str, Pattern], feel: Feel | None
) -> Finding | None:
    first, second = patterns[one], patterns[other]
    if _is_confused(first, second):
        is_stronger = is_strength_apart(first, second)
        text = "differ in strength alone" if is_stronger else "will be confused"
        others = [pattern for cue, pattern in patterns.items() if cue != other]
        proposal = propose(others, feel)
        places = _PLACES.get(one, _EDGE), _PLACES.get(other, _EDGE)
        if places[0] == places[1]:
            return Finding(Level.ERROR, (one, other), text, proposal)
        text += f": only their places tell them apart, {places[0]} and {places[1]}"
        return Finding(Level.WARNING, (one, other), text, proposal)
    is_near = _ratio(pattern_ms(first), pattern_ms(second)) <= NEAR
    if abs(len(felt(first)) - len(felt(second))) == 1 and is_near:
        text = "differ by one buzz and are about as long as each other: this takes attention"
        return Finding(Level.NOTE, (one, other), text)
    return None


def _is_confused(one: Pattern, other: Pattern) -> bool:
    """Return whether two patterns have as many pulses and none of them is clearly longer."""
    one, other = felt(one), felt(other)
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(_ratio(a[1], b[1]) < TWICE for a, b in pairs)


def _ratio(one: int, other: int) -> float:
    return max(one, other) / min(one, other)


def propose(others: Iterable[Pattern], feel: Feel | None = None) -> tuple[int, ...]:
    """Return `on_off_ms` of the shortest pattern that is told from all others on a motor.

    Of those that are as long, the one whose nearest neighbour is farthest; empty if there is none.
    """
    taken = tuple(others)
    best: tuple[tuple[float, float], tuple[int, ...]] | None = None
    for on_off_ms, pattern in sorted(_candidates(feel), key=lambda one: pattern_ms(one[1])):
        if best is not None and pattern_ms(pattern) > best[0][0]:
            break
        if any(_is_confused(pattern, other) for other in taken):
            continue
        nearest = min((distance(pattern, other) for other in taken), default=0.0)
        rank = (pattern_ms(pattern), -nearest)
        if best is None or rank < best[0]:
            best = rank, on_off_ms
    return () if best is None else best[1]


def propose_set(
    count: int,
    feel: Feel | None = None,
    far_apart: Callable[[Pattern, Pattern], float] = apart,
) -> list[tuple[int, ...]]:
    """Return `on_off_ms` of so many patterns that are as far from each other as can be found.

    From each candidate on, the one is taken that is farthest from those that are taken already; in
    the best of these sets patterns are exchanged as long as that spreads it.  The shortest pattern
    comes first.  A motor may offer fewer.

    Args:
        count: How many.
        feel: What the motor can do.
        far_apart: Returns how far two patterns are from each other.
    """
    pool = {pattern: on_off_ms for on_off_ms, pattern in reversed(_candidates(feel))}
    far = {(one, other): far_apart(one, other) for one in pool for other in pool}
    sets = []
    for first in pool:
        chosen = [first]
        left = {one: far[one, first] for one in pool if one != first}
        while left and len(chosen) < count:
            farthest = max(left, key=left.__getitem__)
            del left[farthest]
            chosen.append(farthest)
            left = {one: min(least, far[one, farthest]) for one, least in left.items()}
        sets.append((_spread(chosen, far), chosen))
    best = max(sets, key=lambda one: one[0])[1]
    return sorted((pool[one] for one in _exchanged(best, list(pool), far)), key=_by_length)


def _by_length(on_off_ms: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return sum(on_off_ms), on_off_ms


def _spread(
    chosen: Sequence[Pattern], far: Mapping[tuple[Pattern, Pattern], float]
) -> tuple[float, float]:
    """Return how far the nearest two are from each other, and the nearest four pairs in all."""
    pairs = sorted(far[pair] for pair in itertools.combinations(chosen, 2))
    return (pairs[0] if pairs else 0.0), sum(pairs[:4])


def _exchanged(
    chosen: list[Pattern], pool: Sequence[Pattern], far: Mapping[tuple[Pattern, Pattern], float]
) -> list[Pattern]:
    """Exchange one pattern of a set for another as long as that spreads it."""
    best = _spread(chosen, far)
    for _ in range(_EXCHANGES_MAX):
        news = (
            [*chosen[:place], one, *chosen[place + 1 :]]
            for place in range(len(chosen))
            for one in pool
            if one not in chosen
        )
        spread, new = max(((_spread(new, far), new) for new in news), default=(best, chosen))
        if spread <= best:
            break
        best, chosen = spread, new
    return chosen


@lru_cache(maxsize=16)
def _candidates(feel: Feel | None) -> tuple[tuple[tuple[int, ...], Pattern], ...]:
    found = []
    for count in range(1, _PULSES_MAX + 1):
        for lengths in itertools.product((_SHORT_MS, _LONG_MS), repeat=count):
            on_off_ms = tuple(ms for on_ms in lengths for ms in (on_ms, _PAUSE_MS))
            pattern: Pattern = tuple((100, on_ms, _PAUSE_MS) for on_ms in lengths)
            if feel is not None:
                pattern = feel.pattern(pattern) if count <= feel.pulses_max else ()
            if pattern and pattern_ms(pattern) <= CUE_MS_MAX:
                found.append((on_off_ms[:-1], pattern))
    return tuple(found)
