# SPDX-License-Identifier: MIT
"""What somebody has done: the last session, the streak, this week.  For dashboards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tenuto.routines.exercise import STRETCH

from .adherence import DAYS_A_WEEK, EXERCISE_MS, REST_DAYS_MAX, day_of, streak, week_of
from .prescription_table import standings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, tzinfo

    from .prescription import Standing
    from .rows import SessionRow
    from .store import Store
    from .timeline import Outline

HELD_WITHIN = timedelta(days=366)
"""How far back the last session is looked for in which a hold was held to its end."""
PAGE_ROWS = 256


@dataclass(frozen=True, slots=True)
class Counted:
    """A session that has ended, as far as it counts here.

    Attributes:
        row: Of the session.
        held_ms: In all holds.
        completed: Holds that were held to their end.
        planned: Holds of its plan, None where that is not known.
        stretches: How many different ones were held, as far as the session came.
    """

    row: SessionRow
    held_ms: int
    completed: int
    planned: int | None
    stretches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSummary:
    """What somebody has done up to a day.

    Attributes:
        last: None before any session.
        last_held: The last one with a hold that was held to its end, None if there was none within
            `HELD_WITHIN`.
        streak_days: Days in a row, see `adherence`.
        keep_until: The last day on which a session keeps the streak.
        held_ms: In this week, from Monday, as are `days` and `sessions`.
        days: On which a hold was held to its end.
        sessions: How many.
        advised_days: A week; None where the last session had no stretch, because for strength
            holds nothing is advised.
        advised_ms: Held in a week, for the stretches of the last session; None where it had none.
    """

    last: Counted | None
    last_held: Counted | None
    streak_days: int
    keep_until: date | None
    held_ms: int
    days: int
    sessions: int
    advised_days: int | None
    advised_ms: int | None


def count(told: Outline) -> Counted:
    """Count a session."""
    holds = told.holds
    return Counted(
        told.row,
        sum(hold.held_ms for hold in holds),
        told.summary.holds_completed,
        told.summary.holds_planned,
        len({hold.exercise for hold in holds if told.kind(hold) == STRETCH}),
    )


def person_summary(
    counted: Sequence[Counted], now_utc_ms: int, zone: tzinfo | None = None
) -> PersonSummary:
    """Sum up what somebody has done; a simulated session may be the last, but counts for nothing.

    Args:
        counted: Their sessions, in any order.
        now_utc_ms: The moment up to which.
        zone: What days are counted in; None for that of this computer.
    """
    today = day_of(now_utc_ms, zone)
    monday = week_of(today)
    real = [item for item in counted if not item.row.is_simulated]
    held = [item for item in real if item.completed]
    days = {_day(item, zone) for item in held}
    week = [item for item in real if _day(item, zone) >= monday]
    run = streak(days, today)
    last = max(counted, key=lambda item: item.row.started_utc_ms, default=None)
    stretches = 0 if last is None else last.stretches
    return PersonSummary(
        last=last,
        last_held=max(held, key=lambda item: item.row.started_utc_ms, default=None),
        streak_days=run.present,
        keep_until=run.keep_until,
        held_ms=sum(item.held_ms for item in week),
        days=len({day for day in days if day >= monday}),
        sessions=len(week),
        advised_days=DAYS_A_WEEK[0] if stretches or last is None else None,
        advised_ms=stretches * EXERCISE_MS * DAYS_A_WEEK[0] if stretches else None,
    )


def _day(item: Counted, zone: tzinfo | None) -> date:
    return day_of(item.row.started_utc_ms, zone)


class PersonSummaries:
    """Reads from the history no more than it needs: what counts for a streak or for this week.

    What was counted is kept until the next time, and no longer than it is needed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[tuple[int, int | None], Counted] = {}

    async def of(
        self,
        mine: Callable[[SessionRow], bool],
        now_utc_ms: int,
        zone: tzinfo | None = None,
    ) -> PersonSummary:
        """Sum up what somebody has done; see `of_each`."""
        (stands,) = await self.of_each([mine], now_utc_ms, zone)
        return stands

    async def of_each(
        self,
        subjects: Sequence[Callable[[SessionRow], bool]],
        now_utc_ms: int,
        zone: tzinfo | None = None,
    ) -> list[PersonSummary]:
        """Sum up what each of several has done, in one way through the history.

        Args:
            subjects: For each, which sessions are theirs.
            now_utc_ms: The moment up to whose day: a later session is of a clock that was ahead.
            zone: What days are counted in; None for that of this computer.

        Raises:
            StoreError: The history cannot be read.
        """
        today = day_of(now_utc_ms, zone)
        monday = week_of(today)
        looks = [_Look(mine, monday) for mine in subjects]
        used: dict[tuple[int, int | None], Counted] = {}
        going: list[_Look] = looks
        last: int | None = None
        while going:
            page = await self._store.sittings(PAGE_ROWS, before=last)
            for row in page:
                if row.ended_utc_ms is None:
                    continue
                day = day_of(row.started_utc_ms, zone)
                if day > today:
                    continue
                going = [look for look in going if not look.is_over(day)]
                for look in going:
                    if look.wants(row):
                        look.take(await self._count(row, used), day)
            if len(page) < PAGE_ROWS:
                break
            last = page[-1].id
        self._cache = used
        return [person_summary(look.counted, now_utc_ms, zone) for look in looks]

    async def prescribed(
        self, now_utc_ms: int, zone: tzinfo | None = None
    ) -> dict[str, list[Standing]]:
        """Tell how people stand with what is prescribed to them, by what the history calls them.

        Args:
            now_utc_ms: The moment up to which.
            zone: What days are counted in; None for that of this computer.

        Raises:
            StoreError: The history cannot be read.
        """
        found: dict[str, list[Standing]] = {}
        for one in await standings(self._store, day_of(now_utc_ms, zone), zone=zone):
            found.setdefault(one.prescription.person, []).append(one)
        return found

    async def _count(
        self, row: SessionRow, used: dict[tuple[int, int | None], Counted]
    ) -> Counted | None:
        key = (row.id, row.ended_utc_ms)
        found = used.get(key) or self._cache.get(key)
        if found is None:
            told = await self._store.outlines([row])
            if not told:
                return None
            found = count(told[0])
        used[key] = found
        return found


class _Look:
    """What counts for one of them, while sessions come by from the newest on."""

    def __init__(self, mine: Callable[[SessionRow], bool], monday: date) -> None:
        self.counted: list[Counted] = []
        self._mine = mine
        self._monday = self._oldest = monday
        self._is_held = False

    def is_over(self, day: date) -> bool:
        """Return whether what was before this day counts no more: the streak was broken since."""
        if self.counted and not self._is_held:
            return day < self._monday - HELD_WITHIN
        return bool(self.counted) and day < self._oldest - timedelta(days=REST_DAYS_MAX + 1)

    def wants(self, row: SessionRow) -> bool:
        """Return whether a session counts: a simulated one only as the last."""
        return not (row.is_simulated and self.counted) and self._mine(row)

    def take(self, found: Counted | None, day: date) -> None:
        """Count a session, None where it was deleted meanwhile."""
        if found is None:
            return
        self.counted.append(found)
        if found.completed and not found.row.is_simulated:
            self._is_held = True
            self._oldest = min(self._oldest, day)
