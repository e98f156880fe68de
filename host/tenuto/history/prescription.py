# SPDX-License-Identifier: MIT
"""What somebody is to do: a routine, on days of the week, from one day to another.  Pure.

A prescription is for days of the week, such as Monday and Thursday, or for a number of times in a
week on any days. It is done on a day on which a session of its routine had a hold that was held to
its end.

Adherence is counted by weeks, from Monday: on how many days it was done, of those on which it was
due, and never more than that. A session on another day of the same week counts as well. What can
still be done is not due yet in this count, so a day or a week that is not over breaks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tenuto.toml.rules import Choice, ListOf, Text, Whole, show
from tenuto.toml.tables import key, read_table

from .adherence import day_of, read_day, week_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK = len(DAYS)


class _Day:
    """A day, as text in a file."""

    def read(self, value: object) -> date:
        """Return the day."""
        if not isinstance(value, str) or len(value) != len("2026-11-30"):
            raise ValueError(f"is {show(value)}, allowed is a day such as 2027-01-31")
        try:
            return read_day(value)
        except ValueError as error:
            raise ValueError(f"is {show(value)}, {error}") from None

    def write(self, day: date) -> str:
        """Return a day as text."""
        return day.isoformat()

    def schema(self) -> dict[str, Any]:
        """Return the schema of a date."""
        return {"type": "string", "format": "date"}


NAME = Text(64)
"""Of a routine, and of people."""
DAY = _Day()
DAYS_RULE = ListOf(Choice(DAYS), WEEK)
TIMES = Whole(1, WEEK)
BY = Text(64, empty=True)
NOTE = Text(500, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """One prescription; but for its end it never changes.

    Attributes:
        id: 16 hexadecimal digits, the same in every history.
        person: What the history calls them.
        routine: As the sessions have it.
        title: What people call the routine.
        days: Of the week, some of `DAYS` in their order; empty for any.
        times_a_week: As many as `days` where there are some.
        first, last: The first and the last day.
        assigned_by: Whoever assigned it, empty where that is not known.
        assigned_utc_ms: When that was, in ms since 1970.
        note: For the person, empty for none.
        ended_utc_ms: When it was ended before its last day, None if it was not.
    """

    id: str = ""
    person: str = ""
    routine: str = key(NAME, "a routine's name")
    title: str = key(NAME, "what people call it")
    days: tuple[str, ...] = key(DAYS_RULE, "days of the week")
    times_a_week: int = key(TIMES, "how many times a week")
    first: date = key(DAY, "the first day")
    last: date = key(DAY, "the last day")
    assigned_by: str = key(BY, "who says so", default="")
    note: str = key(NOTE, "for the person", default="")
    assigned_utc_ms: int = 0
    ended_utc_ms: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no prescription can be.

        Raises:
            ValueError: It says what is wrong.
        """
        if self.days != in_order(self.days):
            raise ValueError(f"the days are {', '.join(self.days)}, allowed is {', '.join(DAYS)}")
        if self.days and self.times_a_week != len(self.days):
            raise ValueError(f"it has {len(self.days)} days and is for {self.times_a_week} times")
        if not 1 <= self.times_a_week <= WEEK:
            raise ValueError(f"it is for {self.times_a_week} times a week, allowed is 1 to {WEEK}")
        if self.last < self.first:
            raise ValueError(f"its last day, {self.last}, is before its first one, {self.first}")

    def to_json(self) -> dict[str, Any]:
        """Return what never changes of it, but for its id, its person and when it was assigned."""
        return {
            "routine": self.routine,
            "title": self.title,
            "days": list(self.days),
            "times_a_week": self.times_a_week,
            "first": DAY.write(self.first),
            "last": DAY.write(self.last),
            "assigned_by": self.assigned_by,
            "note": self.note,
        }

    @property
    def when(self) -> str:
        """Its days, for people: `Mon, Wed` or `twice a week`."""
        if self.days == DAYS:
            return "daily"
        if self.days:
            return ", ".join(day.capitalize() for day in self.days)
        return {1: "once a week", 2: "twice a week"}.get(
            self.times_a_week, f"{self.times_a_week} times a week"
        )

    def until(self, zone: tzinfo | None = None) -> date:
        """Return the last day on which it holds; that of its end does not count any more."""
        if self.ended_utc_ms is None:
            return self.last
        return min(self.last, day_of(self.ended_utc_ms, zone) - timedelta(days=1))

    def is_for(self, day: date, zone: tzinfo | None = None) -> bool:
        """Return whether it may be done on a day."""
        return self.first <= day <= self.until(zone) and (
            not self.days or DAYS[day.weekday()] in self.days
        )


def read(data: object, prescription_id: str, person: str, assigned_utc_ms: int) -> Prescription:
    """Read what `Prescription.to_json` returned.

    Raises:
        ValueError: It is no prescription; it says why.
    """
    if not isinstance(data, dict):
        raise ValueError("`data` is no object")  # noqa: TRY004 - as of all that comes from outside
    one = read_table(data, Prescription)
    return replace(one, id=prescription_id, person=person, assigned_utc_ms=assigned_utc_ms)


def in_order(days: Collection[str]) -> tuple[str, ...]:
    """Return some of `DAYS`, each once, in their order."""
    return tuple(day for day in DAYS if day in days)


@dataclass(frozen=True, slots=True)
class Adherence:
    """On how many days it was done, and on how many of those it was due."""

    done: int = 0
    due: int = 0

    def __add__(self, other: Adherence) -> Adherence:
        """Return the sum."""
        return Adherence(self.done + other.done, self.due + other.due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How somebody stands with a prescription on a day.

    Attributes:
        prescription: Which one.
        is_open: Whether it holds on that day, or will.
        is_due: Whether it is to be done that day, and is not yet.
        is_done: Whether it was done that day.
        next_due: The next day on which it is due, that day included; None after the last one.
        week: This week so far.
        total: From its first day on.
    """

    prescription: Prescription
    is_open: bool
    is_due: bool
    is_done: bool
    next_due: date | None
    week: Adherence
    total: Adherence


def standing(
    one: Prescription, held: Collection[date], today: date, zone: tzinfo | None = None
) -> Standing:
    """Tell how somebody stands with a prescription.

    Args:
        one: The prescription.
        held: The days on which its routine was done, also before and after it.
        today: The day.
        zone: What days are counted in; None for that of this computer.
    """
    is_due = _is_due(one, held, today, today, zone)
    coming = (today + timedelta(days=count) for count in range(2 * WEEK))
    if today < one.first:
        coming = (one.first + timedelta(days=count) for count in range(WEEK))
    monday = week_of(today)
    return Standing(
        prescription=one,
        is_open=today <= one.until(zone),
        is_due=is_due,
        is_done=today in held and one.first <= today <= one.until(zone),
        next_due=next((day for day in coming if _is_due(one, held, day, today, zone)), None),
        week=adherence(one, held, monday, monday, today, zone),
        total=adherence(one, held, one.first, one.last, today, zone),
    )


def _is_due(
    one: Prescription, held: Collection[date], day: date, today: date, zone: tzinfo | None
) -> bool:
    """Return whether it is to be done on a day, as far as that is known today."""
    if not one.is_for(day, zone) or day in held:
        return False
    monday = week_of(day)
    done = sum(1 for other in held if monday <= other <= min(day, today) and other >= one.first)
    return bool(one.days) or done < one.times_a_week


def adherence(  # noqa: PLR0917 - each says another thing
    one: Prescription,
    held: Collection[date],
    first: date,
    last: date,
    today: date,
    zone: tzinfo | None = None,
) -> Adherence:
    """Count how a prescription was kept to in the weeks of some days, whole weeks as they are.

    Args:
        one: The prescription.
        held: The days on which its routine was done.
        first, last: The weeks from that of the first day to that of the last one.
        today: The present day; what comes later does not count.
        zone: What days are counted in; None for that of this computer.
    """
    total = Adherence()
    for monday in _mondays(max(first, one.first), min(last, today, one.until(zone))):
        total += _of_week(one, held, monday, today, zone)
    return total


def _mondays(first: date, last: date) -> Iterator[date]:
    monday = week_of(first)
    while monday <= last:
        yield monday
        monday += timedelta(days=WEEK)


def _of_week(
    one: Prescription, held: Collection[date], monday: date, today: date, zone: tzinfo | None
) -> Adherence:
    first, last = max(monday, one.first), min(monday + timedelta(days=WEEK - 1), one.until(zone))
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    planned = [day for day in days if one.is_for(day, zone)]
    most = min(one.times_a_week, len(planned))
    done = min(most, sum(1 for day in days if day in held and day <= today))
    if today > last:
        return Adherence(done, most)
    # Today is over once it is done.
    over = today if today in held else today - timedelta(days=1)
    left = (last - over).days
    due = sum(1 for day in planned if day <= over) if one.days else most - left
    return Adherence(done, max(done, due))
