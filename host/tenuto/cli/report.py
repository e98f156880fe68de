# SPDX-License-Identifier: MIT
"""`tenuto report`: a session, a week or a month as a page or a picture."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from tenuto.config import find_config
from tenuto.errors import InputError

from .common import ConfigFile, history_file, write_output

if TYPE_CHECKING:
    from tenuto.config import Config
    from tenuto.history import SessionRow, Store
    from tenuto.report import Report

READ_TIMEOUT_S = 60.0
Format = Literal["html", "svg", "png"]

app = App(name="report")


@app.default
def report(
    what: Annotated[str, Parameter(name="SESSION|week|month")] = "last",
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)
    ] = None,
    form: Annotated[Format | None, Parameter(name="--format")] = None,
    day: Annotated[str | None, Parameter(name="--date")] = None,
    person: str | None = None,
    config: ConfigFile = None,
) -> None:
    """Show a session, a week or a month as a page or a picture.

    It makes one file that needs nothing else, to look at in a browser, to print or to show.
    It holds health data; only you may read the file.

    Args:
        what: a session's id, from `tenuto history`; week; month; without it the last session
        output: the file, - for standard output; without it one is made here and named
        form: html, svg or png; without it what the file's name says, or html
        day: a day in the week or month that is meant, such as 2026-11-20; without it today
        person: whose week or month; without it that of the last session
        config: as in all commands
    """
    settings = find_config(config)
    path = history_file(settings)
    if not path.exists():
        raise InputError(f"there is no history at {path} yet; `tenuto run` begins one")
    form = form or _form_of(output)
    made, name = asyncio.run(_make(settings, path, what, day, person))
    data = _in_form(made, form)
    if output is not None and str(output) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    output = output or Path(f"tenuto-{name}.{form}")
    write_output(output, data)
    print(f"{output} is written: {made.title}", file=sys.stderr)


def _form_of(output: Path | None) -> Format:
    match "" if output is None else output.suffix.lower():
        case ".svg":
            return "svg"
        case ".png":
            return "png"
        case _:
            return "html"


def _in_form(made: Report, form: Format) -> bytes:
    if form == "html":
        return made.html.encode()
    svg = made.svg()
    if form == "svg":
        return svg.encode()
    from tenuto.report.png import png

    return png(svg)


async def _make(
    config: Config, path: Path, what: str, day: str | None, person: str | None
) -> tuple[Report, str]:
    """Return the report and a name for its file."""
    from tenuto.history import Store

    async with asyncio.timeout(READ_TIMEOUT_S), Store(path, read_only=True) as store:
        newest = await store.sessions()
        if not newest:
            raise InputError("nothing was played yet; `tenuto run` plays")
        if what in ("week", "month"):
            real = next((row for row in newest if not row.is_simulated), newest[0])
            return await _period(config, store, what, day, person or real.person)
        if day is not None or person is not None:
            raise InputError("--date and --person go with week or month")
        if what != "last" and not what.isdecimal():
            raise InputError(f"{what!r} is no report: allowed is a session's id, week, month, last")
        return await _session(config, store, newest[0].id if what == "last" else int(what))


async def _session(config: Config, store: Store, number: int) -> tuple[Report, str]:
    from tenuto.history.timeline import account
    from tenuto.report import session_report
    from tenuto.routines.library import Library

    session = await store.session(number)
    if session is None:
        raise InputError(f"there is no session {number}; `tenuto history` lists those there are")
    told = account(session, Library.of(config).muscles())
    zones = None
    who = config.person(session.row.person)
    if who is not None:
        zones = who.zones(_began(session.row).year)
    return session_report(told, zones=zones), f"session-{number}"


async def _period(
    config: Config, store: Store, name: str, day: str | None, person: str | None
) -> tuple[Report, str]:
    from tenuto.history.adherence import day_of, streak
    from tenuto.history.completed_holds import held_utc_ms
    from tenuto.history.timeline import account
    from tenuto.report import Period, period_report
    from tenuto.routines.library import Library

    today = datetime.now(UTC).astimezone().date()
    period = Period.of(name, today if day is None else _date(day))
    from_utc_ms = _midnight_utc_ms(period.first)
    to_utc_ms = _midnight_utc_ms(period.last + timedelta(days=1))
    known = Library.of(config).muscles()
    accounts = [
        account(session, known)
        for session in await store.between(from_utc_ms, to_utc_ms)
        if session.row.person == person and not session.row.is_simulated
    ]
    days = streak([day_of(utc_ms) for utc_ms in await held_utc_ms(store, person)], today)
    suffix = f"{period.first:%Y-%m-%d}" if name == "week" else f"{period.first:%Y-%m}"
    return period_report(accounts, period, days, today), f"{name}-{suffix}"


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--date is {text!r}, allowed is a day such as 2026-11-20") from None


def _midnight_utc_ms(day: date) -> int:
    return round(datetime.combine(day, time()).astimezone().timestamp() * 1000)


def _began(row: SessionRow) -> datetime:
    return datetime.fromtimestamp(row.started_utc_ms / 1000, UTC).astimezone()
