# SPDX-License-Identifier: MIT
"""What somebody has done: the last session, the streak, this week.  For dashboards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tenuto.routines.routine import STRETCH

from .adherence import DAYS_A_WEEK, EXERCISE_MS, REST_DAYS_MAX, day_of, streak, week_of
from .timeline import COMPLETE, account

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, tzinfo

    from .rows import SessionRow, StoredSession
    from .store import Store

CACHED_MAX = 4096


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
    streak_days: int
    keep_until: date | None
    held_ms: int
    days: int
    sessions: int
    advised_days: int | None
    advised_ms: int | None


def count(session: StoredSession) -> Counted:
    """Count a stored session."""
    told = account(session)
    holds = told.holds
    return Counted(
        session.row,
        sum(hold.held_ms for hold in holds),
        sum(hold.outcome == COMPLETE for hold in holds),
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
    days = {_day(item, zone) for item in real if item.completed}
    week = [item for item in real if _day(item, zone) >= monday]
    run = streak(days, today)
    last = max(counted, key=lambda item: item.row.started_utc_ms, default=None)
    stretches = 0 if last is None else last.stretches
    return PersonSummary(
        last=last,
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
    """Reads from the history no more than it needs: what counts for a streak or for this week."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[tuple[int, int | None], Counted] = {}

    async def of(
        self,
        mine: Callable[[SessionRow], bool],
        now_utc_ms: int,
        zone: tzinfo | None = None,
    ) -> PersonSummary:
        """Sum up what somebody has done.

        Args:
            mine: Which sessions are theirs.
            now_utc_ms: The moment up to which.
            zone: What days are counted in; None for that of this computer.

        Raises:
            StoreError: The history cannot be read.
        """
        counted: list[Counted] = []
        oldest = week_of(day_of(now_utc_ms, zone))
        for row in await self._store.sessions():
            if row.ended_utc_ms is None or not mine(row):
                continue
            day = day_of(row.started_utc_ms, zone)
            if counted and day < oldest - timedelta(days=REST_DAYS_MAX + 1):
                break  # whatever there was before, the streak has been broken since
            found = await self._count(row)
            if found is None:
                continue
            counted.append(found)
            if found.completed and not row.is_simulated:
                oldest = min(oldest, day)
        return person_summary(counted, now_utc_ms, zone)

    async def _count(self, row: SessionRow) -> Counted | None:
        key = (row.id, row.ended_utc_ms)
        if key not in self._cache:
            stored = await self._store.session(row.id)
            if stored is None:
                return None
            self._cache[key] = count(stored)
            while len(self._cache) > CACHED_MAX:
                del self._cache[next(iter(self._cache))]
        return self._cache[key]
