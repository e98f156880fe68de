# SPDX-License-Identifier: MIT
"""Prescribing a routine to somebody, and ending that, whoever asks.

It is kept in the history of this host, which forwards it where there is a fleet. A computer that
only shows the central history writes it there, with the rights of its user.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError
from tenuto.history import Store
from tenuto.history.adherence import day_of
from tenuto.history.prescription import (
    BY,
    DAY,
    DAYS_RULE,
    NAME,
    NOTE,
    TIMES,
    WEEK,
    Prescription,
    in_order,
)
from tenuto.history.prescription_table import new_id, one_of
from tenuto.routines.library import name_among
from tenuto.toml.rules import Text
from tenuto.toml.tables import key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenuto.fleet.postgres import CentralHistory

    from .build import Host
    from .operations import Person

YEARS_MAX = 3
"""How far ahead a last day may be: a later one is a slip of the pen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescribe:
    """What somebody is to do, and when; days of the week, or a number of times a week."""

    routine: str = key(NAME, "a routine's name or title")
    person: str = key(NAME, "a person's id")
    days: tuple[str, ...] = key(DAYS_RULE, "days of the week", default=())
    times_a_week: int | None = key(TIMES, "in place of days", default=None)
    first: date | None = key(DAY, "the first day, today without it", name="from", default=None)
    last: date = key(DAY, "the last day", name="until")
    assigned_by: str = key(BY, "who says so", name="by", default="")
    note: str = key(NOTE, "for the person", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPrescription:
    """Which prescription ends today."""

    id: str = key(Text(16), "how its id begins")


@dataclass(frozen=True, slots=True)
class Prescribed:
    """Which prescription it is, and what to tell people about it."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What the people of this host are to do today.

    Attributes:
        due: What is due and not done yet: `person` and their `name`, `title`, `routine` by which
            `start` begins it, whether that routine `is_here`, `when`, `until`, `note`, and the
            ids of the `wearables` that the person wears here. None where nothing is prescribed.
        next_due: The next day on which something is due, as in 2027-01-31; None for no such day.
    """

    due: list[dict[str, Any]] | None
    next_due: str | None


async def due_today(host: Host, _asked: object, _person: Person) -> Due:
    """Tell what is due.

    Raises:
        StoreError: The history cannot be read.
    """
    from tenuto.history.person_summary import PersonSummaries  # noqa: PLC0415 - few need it

    await host.history.flush()
    prescribed = await PersonSummaries(host.store).prescribed(round(host.time.utc_ms()))
    people = {person.id for person in host.config.people}
    standings = [one for person in sorted(people) for one in prescribed.get(person, ())]
    if not standings:
        return Due(due=None, next_due=None)
    days = [one.next_due for one in standings if one.next_due is not None]
    await host.files.look()
    rows = [_row(host, one.prescription) for one in standings if one.is_due]
    return Due(due=rows, next_due=min(days).isoformat() if days else None)


def _row(host: Host, one: Prescription) -> dict[str, Any]:
    return {
        "person": one.person,
        "name": host.config.person_title(one.person),
        "title": one.title,
        "routine": one.routine,
        "is_here": name_among(host.files.labels, one.routine) is not None,
        "when": one.when,
        "until": one.until().isoformat(),
        "note": one.note,
        "wearables": [its.id for its in host.config.wearables if its.person == one.person],
    }


async def prescribe(host: Host, asked: Prescribe, _person: Person) -> Prescribed:
    """Prescribe a routine to somebody.

    Raises:
        InputError: There is no such routine or person, or the days do not fit together.
        StoreError: The history cannot be used.
    """
    from tenuto.terminal.words import date_words  # noqa: PLC0415 - few need it

    now_ms = round(host.time.utc_ms())
    today = day_of(now_ms)
    first, last = asked.first or today, asked.last
    if last < max(first, today):
        raise InputError(f"the last day, {last}, is before {max(first, today)}")
    if last.year > today.year + YEARS_MAX:
        raise InputError(f"the last day, {last}, is more than {YEARS_MAX} years ahead")
    days = in_order(asked.days)
    if bool(days) == (asked.times_a_week is not None):
        raise InputError("say either on which days of the week, or how many times a week")
    person = host.config.person(asked.person)
    if person is None and not host.config.fleet.is_read:
        known = ", ".join(one.id for one in host.config.people) or "nobody"
        raise InputError(f"no [[person]] has the id {asked.person!r}; there is {known}")
    routine, title = await _routine(host, asked.routine)
    one = Prescription(
        id=new_id(),
        person=asked.person,
        routine=routine,
        title=title,
        days=days,
        times_a_week=len(days) or asked.times_a_week or 1,
        first=first,
        last=last,
        assigned_by=asked.assigned_by,
        assigned_utc_ms=now_ms,
        note=asked.note,
    )
    week = (first + timedelta(days=count) for count in range(WEEK))
    if not any(map(one.is_for, week)):
        raise InputError(f"from {first} to {last} there is none of the days, {one.when}")
    async with _history(host) as history:
        if isinstance(history, Store):
            await history.prescribing.add(one)
        else:
            from tenuto.fleet import prescribing  # noqa: PLC0415 - few need it

            await history.work(partial(prescribing.prescribe, one=one))
    host.on_prescribed()
    who = asked.person if person is None else person.title
    return Prescribed(one.id, f"{who}: {title}, {one.when}, until {date_words(last)}")


async def end_prescription(host: Host, asked: EndPrescription, _person: Person) -> Prescribed:
    """End a prescription; from today on it holds no more.

    Raises:
        InputError: There is no such prescription, or it is over already.
        StoreError: The history cannot be used.
    """
    now_ms = round(host.time.utc_ms())
    async with _history(host) as history:
        one = one_of(await history.prescriptions(), asked.id)
        if one.until() < day_of(now_ms):
            raise InputError(f"the prescription {one.id} is over already")
        if isinstance(history, Store):
            await history.prescribing.end(one.id, now_ms)
        else:
            from tenuto.fleet import prescribing  # noqa: PLC0415 - few need it

            await history.work(partial(prescribing.end, prescription_id=one.id, utc_ms=now_ms))
    host.on_prescribed()
    return Prescribed(one.id, f"{host.config.person_title(one.person)}: {one.title} has ended")


@asynccontextmanager
async def _history(host: Host) -> AsyncIterator[Store | CentralHistory]:
    """Open the history in which prescriptions are kept."""
    fleet = host.config.fleet
    if fleet.is_read:
        from tenuto.fleet.postgres import CentralHistory  # noqa: PLC0415 - few need it

        async with CentralHistory(fleet.url, host.config.central_password) as central:
            yield central
    elif hasattr(host, "store"):
        yield host.store
    else:
        async with Store(host.config.history_path) as store:
            yield store


async def _routine(host: Host, word: str) -> tuple[str, str]:
    """Return a routine as the sessions have it, and what people are shown for it.

    In the central history it may also be one that only other computers have: what was played or
    prescribed there.
    """
    try:
        found = await host.files.read(lambda: host.library.routine(word))
    except InputError as error:
        if not host.config.fleet.is_read or word in await host.files.read(host.library.names):
            raise
        async with _history(host) as history:
            known = await history.routines()
        name = name_among(known, word)
        if name is None:
            others = ", ".join(known) or "none yet"
            raise InputError(f"{error}; in the central history: {others}") from None
        return name, known[name]
    return found.shown_name, found.shown_title
