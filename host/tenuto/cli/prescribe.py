# SPDX-License-Identifier: MIT
"""`tenuto prescribe`: what somebody is to do, on which days, until when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter

from tenuto.config import find_config
from tenuto.errors import ControlError, InputError
from tenuto.history.adherence import day_of
from tenuto.history.prescription import DAYS
from tenuto.history.prescription_table import standings
from tenuto.terminal import words

from . import tables
from .common import ConfigFile, history_to_read, id_of, make_setting, parse_date, whose
from .prompt import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from tenuto.config import Config
    from tenuto.daemon.operations import Operation
    from tenuto.daemon.prescriptions import Prescribed
    from tenuto.history.prescription import Standing
    from tenuto.history.reading import HistoryReader

A = TypeVar("A")

READ_TIMEOUT_S = 30.0
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

app = App(
    name="prescribe",
    help=(
        "Prescribe a routine: to whom, on which days, until when.\n\n"
        "What is due is shown on the page, in Home Assistant, by `tenuto status` and by"
        " `tenuto prescribe list`."
        " Where [fleet] read is true, prescriptions are kept in the central history, for all hosts."
    ),
)


@app.default
def prescribe(
    routine: str,
    /,
    *,
    person: str,
    until: str,
    days: str | None = None,
    times: int | None = None,
    begins: Annotated[str | None, Parameter(name="--from")] = None,
    by: str = "",
    note: str = "",
    config: ConfigFile = None,
) -> None:
    """Prescribe a routine to somebody.

    Args:
        routine: a routine's name or title
        person: their id or name, from [[person]] in the configuration
        until: the last day, such as 2027-01-31
        days: of the week, such as mon,wed,fri, or daily
        times: in place of days: so many times a week, on any days
        begins: the first day; without it today
        by: who prescribes it; in the central history it is the user of the database
        note: a message to the person
        config: as in all commands
    """
    from tenuto.daemon.operations import PRESCRIBE

    settings = find_config(config)
    asked = _read(
        PRESCRIBE,
        {
            "routine": routine,
            "person": id_of(settings.people, person),
            "days": None if days is None else _days(days),
            "times_a_week": times,
            "from": None if begins is None else parse_date(begins, "--from").isoformat(),
            "until": parse_date(until, "--until").isoformat(),
            "by": by,
            "note": note,
        },
    )
    done = asyncio.run(_ask(settings, PRESCRIBE, asked))
    print(f"{done.text}\nIts id is {done.id}; `tenuto prescribe end {done.id}` ends it.")


@app.command
def end(
    prescription: Annotated[str, Parameter(name="ID")], /, *, config: ConfigFile = None
) -> None:
    """End a prescription; it is not due any more, today included.

    Args:
        prescription: its id, from `tenuto prescribe list`, or how that begins
        config: as in all commands
    """
    from tenuto.daemon.operations import END_PRESCRIPTION

    asked = _read(END_PRESCRIPTION, {"id": prescription})
    print(asyncio.run(_ask(find_config(config), END_PRESCRIPTION, asked)).text)


@app.command(name="list")
def list_prescriptions(
    *,
    person: str | None = None,
    every: Annotated[bool, Parameter(name="--all")] = False,
    config: ConfigFile = None,
) -> None:
    """List what is prescribed, what is due, and on how many days it was done.

    Args:
        person: only what is prescribed to one person
        every: also what is over
        config: as in all commands
    """
    settings = find_config(config)
    is_there = settings.fleet.is_read or settings.history_path.exists()
    history = history_to_read(settings) if is_there else None
    found = (
        [] if history is None else asyncio.run(_standings(settings, history, person, every=every))
    )
    if not found:
        print("Nothing is prescribed." if every else "Nothing is prescribed at present.")
        return
    columns = ("!id", "person", "routine", "when", "!until", "due", "!>this week", "!>in all")
    table = tables.table(*columns)
    for one in found:
        what = one.prescription
        table.add_row(
            what.id,
            *map(words.printable, (settings.person_title(what.person) or "", what.title)),
            *(what.when, what.until().isoformat(), words.due(one)),
            *(words.kept_to(one.week), words.kept_to(one.total)),
        )
    notes = [one.prescription for one in found if one.prescription.note]
    tables.write(table, *(words.printable(f"{one.id}: {one.note}") for one in notes))


def _days(text: str) -> list[str]:
    """Return days of the week, from `mon,wed`, `Monday, Wednesday` or `daily`."""
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    return list(DAYS) if words == ["daily"] else list(map(_day, words))


def _day(word: str) -> str:
    """Return a day as `DAYS` has it, from its name or how that begins; else what was typed."""
    is_one = any(name.startswith(word) for name in _NAMES)
    return word[:3] if is_one and len(word) >= 3 else word


def _read(operation: Operation[A, Prescribed], told: Mapping[str, object]) -> A:
    """Read what was typed by the rules for what comes from anywhere."""
    try:
        return operation.read(told)
    except ControlError as error:
        raise InputError(str(error)) from None


async def _ask(config: Config, operation: Operation[A, Prescribed], asked: A) -> Prescribed:
    from tenuto.daemon.dispatch import open_dispatcher

    async with open_dispatcher(make_setting(config, 1.0)) as dispatch:
        return await dispatch.call(operation, asked, Terminal())


async def _standings(
    config: Config,
    history: AbstractAsyncContextManager[HistoryReader],
    person: str | None,
    *,
    every: bool,
) -> list[Standing]:
    async with asyncio.timeout(READ_TIMEOUT_S), history as store:
        who = None if person is None else await whose(config, store, person)
        today = day_of(round(datetime.now(UTC).timestamp() * 1000))
        return await standings(store, today, who, also_over=every)
