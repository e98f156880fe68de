# SPDX-License-Identifier: MIT
"""A week or a month of somebody's, told in full."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from typing import TYPE_CHECKING

from .adherence import Streak, Tally, day_of, midnight_utc_ms, streak, tally, week_of
from .completed_holds import held_utc_ms
from .prescription import adherence
from .prescription_table import done_on
from .timeline import with_known

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tenuto.routines.exercise import Exercise

    from .prescription import Adherence, Prescription
    from .reading import HistoryReader
    from .timeline import Outline

WEEK, MONTH = "week", "month"
NAMES = (WEEK, MONTH)


@dataclass(frozen=True, slots=True)
class Period:
    """Some days.

    Attributes:
        name: One of `NAMES`.
        first: The first day.
        days: How many.
    """

    name: str
    first: date
    days: int

    @classmethod
    def of(cls, name: str, day: date) -> Period:
        """Return the week from Monday on, or the month, that a day is in."""
        if name == WEEK:
            return cls(name, week_of(day), 7)
        first = day.replace(day=1)
        later = (first + timedelta(days=31)).replace(day=1)
        return cls(name, first, (later - first).days)

    @property
    def last(self) -> date:
        """The last day."""
        return self.first + timedelta(days=self.days - 1)

    @property
    def before(self) -> Period:
        """The one before it."""
        return Period.of(self.name, self.first - timedelta(days=1))

    @property
    def title(self) -> str:
        """What people call it, such as `Week from 30 November to 6 December 2026`."""
        if self.name != WEEK:
            return f"{self.first:%B %Y}"
        first = f"{self.first.day}"
        if self.first.month != self.last.month:
            first += f" {self.first:%B}"
        if self.first.year != self.last.year:
            first += f" {self.first.year}"
        return f"Week from {first} to {self.last.day} {self.last:%B %Y}"


@dataclass(frozen=True, slots=True)
class Kept:
    """How somebody kept to a prescription."""

    prescription: Prescription
    adherence: Adherence


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodAccount:
    """What somebody did in a period, simulated sessions left out.

    Attributes:
        period: Which days.
        today: The present day.
        person: What the history calls them; None for sessions of nobody in particular.
        sessions: Theirs, in order.
        before: What the period before came to.
        streak: As it stood on `until`.
        simulated: How many simulated sessions of theirs are left out.
        prescribed: How they kept to what was prescribed, in the weeks that begin in the period.
    """

    period: Period
    today: date
    person: str | None
    # asyncio.run makes a text of what it returns; of a month that takes longer than the month.
    sessions: tuple[Outline, ...] = field(repr=False)
    before: Tally
    streak: Streak
    simulated: int = 0
    prescribed: tuple[Kept, ...] = ()

    @property
    def until(self) -> date:
        """The last day that can be looked at: today, or the end of a period that is over."""
        return min(self.today, self.period.last)

    @property
    def is_over(self) -> bool:
        """Whether the period has ended."""
        return self.until < self.today

    @property
    def days_so_far(self) -> int:
        """How many days of the period there were."""
        return max(1, (self.until - self.period.first).days + 1)


async def last_person(store: HistoryReader) -> str | None:
    """Return whose the last session is, one that counts where there is any; None for nobody's."""
    last = await store.sittings(1, is_simulated=False) or await store.sittings(1)
    return last[0].person if last else None


async def period_account(  # noqa: PLR0917 - each says another thing
    store: HistoryReader,
    period: Period,
    today: date,
    person: str | None,
    known: Mapping[str, Exercise] | None = None,
    zone: tzinfo | None = None,
) -> PeriodAccount:
    """Tell what somebody did in a period.

    Args:
        store: The history.
        period: Which days.
        today: The present day.
        person: What the history calls them; None for sessions of nobody in particular.
        known: Exercises by their names, for what the history itself does not know.
        zone: Of time; None for that of this computer.
    """
    first_ms = midnight_utc_ms(period.first, zone)
    rows = await store.sittings(
        from_utc_ms=midnight_utc_ms(period.before.first, zone),
        to_utc_ms=midnight_utc_ms(period.last + timedelta(days=1), zone),
    )
    theirs = [row for row in reversed(rows) if row.person == person]
    found = await store.outlines([row for row in theirs if not row.is_simulated])
    outlines = [with_known(one, known or {}) for one in found]
    held = [day_of(utc_ms, zone) for utc_ms in await held_utc_ms(store, person)]
    return PeriodAccount(
        period=period,
        today=today,
        person=person,
        sessions=tuple(one for one in outlines if one.row.started_utc_ms >= first_ms),
        before=tally([one for one in outlines if one.row.started_utc_ms < first_ms], zone),
        streak=streak(held, min(today, period.last)),
        simulated=sum(row.is_simulated for row in theirs if row.started_utc_ms >= first_ms),
        prescribed=tuple([one async for one in _kept(store, period, today, person, zone)]),
    )


async def _kept(
    store: HistoryReader, period: Period, today: date, person: str | None, zone: tzinfo | None
) -> AsyncIterator[Kept]:
    monday = week_of(period.first + timedelta(days=6))  # the first one in it
    for one in reversed(await store.prescriptions()):
        if one.person != person or one.first > period.last or one.until(zone) < period.first:
            continue
        held = await done_on(store, one, zone)
        yield Kept(one, adherence(one, held, monday, period.last, today, zone))
