# SPDX-License-Identifier: MIT
"""Holds that grow by a rule that a person wrote into the routine, and never otherwise.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .exercise import Exercise
    from .routine import Routine


@dataclass(frozen=True, slots=True)
class Growth:
    """What became of an exercise: its hold as written and now, and how often it was held."""

    exercise: str
    written_ms: int
    hold_ms: int
    times: int


def grows(routine: Routine) -> bool:
    """Return whether any exercise has a rule."""
    return any(exercise.progression is not None for exercise in routine.exercises)


def grown(routine: Routine, times: Mapping[str, int]) -> Routine:
    """Return the routine as it is to be played now.

    Args:
        routine: As it is written.
        times: In how many sessions each exercise was held to its end.
    """
    return replace(
        routine,
        exercises=tuple(_grown(item, times.get(item.name, 0)) for item in routine.exercises),
    )


def growths(written: Routine, now: Routine, times: Mapping[str, int]) -> Iterator[Growth]:
    """Return what has grown; `now` is what `grown` made of `written`."""
    for before, after in zip(written.exercises, now.exercises, strict=True):
        if after.hold_ms != before.hold_ms:
            written_ms, now_ms = before.longest_hold_ms, after.longest_hold_ms
            yield Growth(before.name, written_ms, now_ms, times.get(before.name, 0))


def _grown(exercise: Exercise, times: int) -> Exercise:
    rule = exercise.progression
    if rule is None:
        return exercise
    more_ms = times // rule.every * rule.add_ms

    def longer(hold_ms: int) -> int:
        return max(hold_ms, min(hold_ms + more_ms, rule.max_ms))

    return replace(exercise, **exercise.with_holds(longer))
