# SPDX-License-Identifier: MIT
"""How a person likes what a routine says: stronger or lighter, longer or shorter holds.  Pure.

What is adjusted is the routine and the vocabulary, before they are compiled, so that every cue
still has its room and every limit still holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from tenuto.errors import InputError

if TYPE_CHECKING:
    from .exercise import Settings
    from .haptics import Pattern, Vocabulary
    from .routine import Routine

    _S = TypeVar("_S", bound=Settings)

STRENGTH_PCT = (10, 150)
HOLD_PCT = (50, 200)
HOLD_MS_MIN = 5_000
"""No hold is made shorter than this, unless it was; a shorter one has no room for its cues."""
_HOLD_MS_MAX = 1_800_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What is done to each routine that starts on a wearable.

    Attributes:
        strength_pct: Of the strength in the vocabulary, within `STRENGTH_PCT`; a motor has no more
            than 100 %.
        hold_pct: Of the hold times in the routine, within `HOLD_PCT`.
        halfway: False leaves out the halfway cue; True is what the routine says.
        countdown: False leaves out the ticks; True is what the routine says.

    Raises:
        InputError: If a number is out of its range.
    """

    strength_pct: int = 100
    hold_pct: int = 100
    halfway: bool = True
    countdown: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        for what, pct, (low, high) in (
            ("the strength", self.strength_pct, STRENGTH_PCT),
            ("the length of holds", self.hold_pct, HOLD_PCT),
        ):
            if not low <= pct <= high:
                raise InputError(f"{what} is {pct} %, allowed is {low} to {high} %")


AS_WRITTEN = Adjustment()


def adjust(routine: Routine, adjustment: Adjustment) -> Routine:
    """Return the routine as it is to be compiled.

    Phases keep their times, which belong together, and open holds have none.
    Holds come out in whole seconds, none shorter than `HOLD_MS_MIN` that was not so before.
    """
    if adjustment == replace(AS_WRITTEN, strength_pct=adjustment.strength_pct):
        return routine
    return replace(
        routine,
        defaults=_adjust_settings(routine.defaults, adjustment),
        exercises=tuple(_adjust_settings(item, adjustment) for item in routine.exercises),
    )


def _adjust_settings(settings: _S, adjustment: Adjustment) -> _S:
    scaled = replace(
        settings, **settings.with_holds(lambda hold_ms: _scale(hold_ms, adjustment.hold_pct))
    )
    mark_ms = scaled.mark_every_ms
    return replace(
        scaled,
        mark_every_ms=mark_ms if mark_ms and mark_ms < scaled.longest_hold_ms else None,
        halfway=settings.halfway if adjustment.halfway else False,
        countdown=settings.countdown if adjustment.countdown else "off",
    )


def _scale(hold_ms: int, pct: int) -> int:
    if pct == 100:
        return hold_ms
    scaled_ms = round(hold_ms * pct / 100_000) * 1_000
    return min(max(scaled_ms, min(hold_ms, HOLD_MS_MIN)), _HOLD_MS_MAX)


def adjust_patterns(routine: Routine, adjustment: Adjustment) -> Routine:
    """Return the routine with the strengths of its own patterns as `adjust_vocabulary` has them."""
    if adjustment.strength_pct == 100:
        return routine
    return routine.with_patterns(lambda pattern: _strengthen(pattern, adjustment.strength_pct))


def adjust_vocabulary(vocabulary: Vocabulary, adjustment: Adjustment) -> Vocabulary:
    """Return the vocabulary as it is to be compiled; strengths stay between 1 and 100 %."""
    if adjustment.strength_pct == 100:
        return vocabulary
    patterns = [_strengthen(pattern, adjustment.strength_pct) for pattern in vocabulary.patterns]
    return replace(vocabulary, patterns=tuple(patterns))


def _strengthen(pattern: Pattern, pct: int) -> Pattern:
    return tuple(
        (min(100, max(1, round(strength_pct * pct / 100))), on_ms, off_ms)
        for strength_pct, on_ms, off_ms in pattern
    )
