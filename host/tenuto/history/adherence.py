# SPDX-License-Identifier: MIT
"""How regularly somebody stretches, against what is advised.  Pure.

What is advised for stretching: 60 s for each exercise in all, on two to three days a week or more
(American College of Sports Medicine; the sources are in `EVIDENCE.md`). It is shown as a mark to
compare with, and nothing here scolds. For strength holds nothing is advised.

A day counts when at least one hold was held to its end. A streak is a number of such days in a
row, with at most `REST_DAYS_MAX` days of rest between two of them: whoever keeps to twice a week
keeps the streak. A day that is not over yet breaks nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from tenuto.routines.exercise import STRETCH
from tenuto.sessions.events import COMPLETE, CUT, FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .timeline import Outline, Phase

YEARS = (1971, 2099)
"""The first and the last one in which there can be sessions."""
REST_DAYS_MAX = 3
EXERCISE_MS = 60_000
DAYS_A_WEEK = (2, 3)


def read_day(text: str) -> date:
    """Read a day, such as 2026-11-20.

    Raises:
        ValueError: It is none, or not of a year in which there can be sessions.
    """
    with suppress(ValueError):
        day = date.fromisoformat(text)
        if YEARS[0] <= day.year <= YEARS[1]:
            return day
    raise ValueError(f"allowed is a day such as 2026-11-20, from {YEARS[0]} to {YEARS[1]}")


def day_of(utc_ms: int, zone: tzinfo | None = None) -> date:
    """Return the day of a moment, in a time zone or, without one, in that of this computer."""
    return datetime.fromtimestamp(utc_ms / 1000, zone).astimezone(zone).date()


def midnight_utc_ms(day: date, zone: tzinfo | None = None) -> int:
    """Return the moment at which a day begins, also where its clock passes over midnight."""
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)


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
    """Return the streak as it stands on a day; later ones do not count.

    Args:
        days: Those that count, in any order.
        today: The day.
    """
    longest = run = 0
    last: date | None = None
    for day in sorted({day for day in days if day <= today}):
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

    def add(self, left_ms: int, right_ms: int, days: int = 0) -> None:
        """Add what was held on one day more, or in one session."""
        self.left_ms += left_ms
        self.right_ms += right_ms
        self.days += days


@dataclass(slots=True)
class Tally:
    """What some days came to.

    Attributes:
        days: Those that count, in order.
        stretch_days: Those of them on which a stretch was held to its end.
        completed, skipped, cut: holds.
        pauses: How often a session stood still.
        muscles: By the kind of exercise and by name, those held longest first.
    """

    sessions: int = 0
    days: list[date] = field(default_factory=list)
    stretch_days: list[date] = field(default_factory=list)
    held_ms: int = 0
    completed: int = 0
    skipped: int = 0
    cut: int = 0
    pauses: int = 0
    muscles: dict[str, dict[str, Muscle]] = field(default_factory=dict)


def tally(outlines: Sequence[Outline], zone: tzinfo | None = None) -> Tally:
    """Count what sessions came to."""
    total = Tally(sessions=len(outlines))
    by_day: dict[date, list[Outline]] = {}
    for told in outlines:
        by_day.setdefault(day_of(told.row.started_utc_ms, zone), []).append(told)
        summary = told.summary
        total.held_ms += sum(hold.held_ms for hold in told.holds)
        total.completed += summary.holds_completed
        total.skipped += summary.holds_skipped
        total.cut += summary.holds_cut
        total.pauses += summary.pauses
    for day, on_day in sorted(by_day.items()):
        done = [told.kind(h) for told in on_day for h in told.holds if h.outcome == COMPLETE]
        if done:
            total.days.append(day)
        if STRETCH in done:
            total.stretch_days.append(day)
        for kind, today in muscles(on_day).items():
            of_kind = total.muscles.setdefault(kind, {})
            for name, one in today.items():
                of_kind.setdefault(name, Muscle()).add(one.left_ms, one.right_ms, one.days)
    total.muscles = {kind: _longest_first(held) for kind, held in total.muscles.items()}
    return total


def muscles(outlines: Iterable[Outline]) -> dict[str, dict[str, Muscle]]:
    """Return how long each muscle was held in sessions of one day, by the kind of exercise."""
    total: dict[str, dict[str, Muscle]] = {}
    for told in outlines:
        for kind, held in told.muscle_ms().items():
            for name, sides_ms in held.items():
                total.setdefault(kind, {}).setdefault(name, Muscle()).add(*sides_ms)
    for of_kind in total.values():
        for one in of_kind.values():
            one.days = int(one.less_ms >= EXERCISE_MS)
    return {kind: _longest_first(of_kind) for kind, of_kind in total.items()}


def _longest_first(held: dict[str, Muscle]) -> dict[str, Muscle]:
    return dict(sorted(held.items(), key=lambda item: (-item[1].less_ms, item[0])))


@dataclass(frozen=True, slots=True)
class StoppedAt:
    """Where a session was stopped in a hold.

    Attributes:
        suggested_ms: A hold that was reached, in whole 5 s; at least 5 s.
    """

    hold: Phase
    suggested_ms: int


def stopped_at(told: Outline) -> StoppedAt | None:
    """Tell where a session was stopped in a hold; None if it ran to its end, or between holds.

    A hold may also be cut in a session that ran to its end: where it was left, and taken up later.

    Neither is an open hold or a phase meant, which have no hold time.
    """
    cut = [hold for hold in told.holds if hold.outcome == CUT]
    if not cut or told.summary.reason == FINISHED:
        return None
    hold = cut[-1]
    if hold.is_open or hold.phase:  # it has no time of its own that could be shorter
        return None
    return StoppedAt(hold, max(5_000, hold.held_ms // 5_000 * 5_000))
