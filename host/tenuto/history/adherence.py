# SPDX-License-Identifier: MIT
"""How regularly somebody stretches, against what is advised.  Pure.

What is advised: 60 s for each exercise in all, on two to three days a week or more (American
College of Sports Medicine; the sources are in `EVIDENCE.md`). It is shown as a mark to compare
with, and nothing here scolds.

A day counts when at least one hold was held to its end. A streak is a number of such days in a
row, with at most `REST_DAYS_MAX` days of rest between two of them: whoever keeps to twice a week
keeps the streak. A day that is not over yet breaks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from tenuto_core import vocab

from .timeline import COMPLETE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .timeline import Account, Phase

REST_DAYS_MAX = 3
EXERCISE_MS = 60_000
DAYS_A_WEEK = (2, 3)

_SKIPPED = vocab.STEP_OUTCOMES[vocab.STEP_SKIPPED]
_CUT = vocab.STEP_OUTCOMES[vocab.STEP_CUT]


def day_of(utc_ms: int, zone: tzinfo | None = None) -> date:
    """Return the day of a moment, in a time zone or, without one, in that of this computer."""
    return datetime.fromtimestamp(utc_ms / 1000, zone).astimezone(zone).date()


def week_of(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


@dataclass(frozen=True, slots=True)
class Streak:
    """Days in a row.  present: 0 once it is broken.  longest: ever.  last_day: None before any."""

    present: int
    longest: int
    last_day: date | None

    @property
    def keep_until(self) -> date | None:
        """The last day on which a session keeps the present streak; None where there is none."""
        if not self.present or self.last_day is None:
            return None
        return self.last_day + timedelta(days=REST_DAYS_MAX + 1)


def streak(days: Iterable[date], today: date) -> Streak:
    """Return the streak of the days that count, in any order."""
    longest = run = 0
    last: date | None = None
    for day in sorted(set(days)):
        within = last is not None and (day - last).days <= REST_DAYS_MAX + 1
        run = run + 1 if within else 1
        longest = max(longest, run)
        last = day
    alive = last is not None and (today - last).days <= REST_DAYS_MAX + 1
    return Streak(run if alive else 0, longest, last)


@dataclass(slots=True)
class Muscle:
    """How long a muscle was held, each side.  days: on which each side came to the 60 s."""

    left_ms: int = 0
    right_ms: int = 0
    days: int = 0

    @property
    def less_ms(self) -> int:
        """The side that was held less."""
        return min(self.left_ms, self.right_ms)


@dataclass(slots=True)
class Tally:
    """What some days came to.

    Attributes:
        days: Those that count, in order.
        completed, skipped, cut: holds.
        pauses: How often a session stood still.
        muscles: By name, those held longest first.
    """

    sessions: int = 0
    days: list[date] = field(default_factory=list)
    held_ms: int = 0
    completed: int = 0
    skipped: int = 0
    cut: int = 0
    pauses: int = 0
    muscles: dict[str, Muscle] = field(default_factory=dict)


def tally(accounts: Sequence[Account], zone: tzinfo | None = None) -> Tally:
    """Count what sessions came to."""
    total = Tally(sessions=len(accounts))
    by_day: dict[date, list[Account]] = {}
    for told in accounts:
        by_day.setdefault(day_of(told.row.started_utc_ms, zone), []).append(told)
        outcomes = [hold.outcome for hold in told.holds]
        total.held_ms += sum(hold.held_ms for hold in told.holds)
        total.completed += outcomes.count(COMPLETE)
        total.skipped += outcomes.count(_SKIPPED)
        total.cut += outcomes.count(_CUT)
        total.pauses += told.summary.pauses
    for day, on_day in sorted(by_day.items()):
        if any(hold.outcome == COMPLETE for told in on_day for hold in told.holds):
            total.days.append(day)
        _add_muscles(total, on_day)
    total.muscles = dict(
        sorted(total.muscles.items(), key=lambda item: (-item[1].less_ms, item[0]))
    )
    return total


def _add_muscles(total: Tally, on_day: Sequence[Account]) -> None:
    held: dict[str, tuple[int, int]] = {}
    for told in on_day:
        for muscle, (left_ms, right_ms) in told.muscle_ms().items():
            before = held.get(muscle, (0, 0))
            held[muscle] = (before[0] + left_ms, before[1] + right_ms)
    for name, (left_ms, right_ms) in held.items():
        one = total.muscles.setdefault(name, Muscle())
        one.left_ms += left_ms
        one.right_ms += right_ms
        one.days += min(left_ms, right_ms) >= EXERCISE_MS


@dataclass(frozen=True, slots=True)
class StoppedAt:
    """Where a session was stopped in a hold.

    Attributes:
        suggested_ms: A hold that was reached, in whole 5 s; at least 5 s.
    """

    hold: Phase
    suggested_ms: int


def stopped_at(told: Account) -> StoppedAt | None:
    """Tell where a session was stopped in a hold; None if it ran to its end, or between holds."""
    cut = [hold for hold in told.holds if hold.outcome == _CUT]
    if not cut:
        return None
    hold = cut[-1]
    return StoppedAt(hold, max(5_000, hold.held_ms // 5_000 * 5_000))
