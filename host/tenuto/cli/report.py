# SPDX-License-Identifier: MIT
"""`tenuto report`: a session, a week or a month as a page or a picture."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from tenuto.config import find_config
from tenuto.errors import InputError
from tenuto.terminal import words

from .common import ConfigFile, history_to_read, parse_date, whose, write_output

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tenuto.config import Config
    from tenuto.history import SessionRow
    from tenuto.history.reading import HistoryReader
    from tenuto.report import Report

READ_TIMEOUT_S = 60.0
Format = Literal["html", "svg", "png"]

_FORMS: dict[str, Format] = {
    "": "html",
    ".html": "html",
    ".htm": "html",
    ".svg": "svg",
    ".png": "png",
}

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
        day: any day of the week or month, such as 2026-11-20; without it today
        person: whose week or month; without it that of the last session
        config: as in all commands
    """
    settings = find_config(config)
    history = history_to_read(settings)
    form = form or _form_of(output)
    made, name = asyncio.run(_make(settings, history, what, day, person))
    data = _in_form(made, form)
    if output is not None and str(output) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    output = output or Path(f"tenuto-{name}.{form}")
    write_output(output, data)
    print(f"{output} is written: {words.printable(made.title)}", file=sys.stderr)


def _form_of(output: Path | None) -> Format:
    suffix = "" if output is None else output.suffix.lower()
    form = _FORMS.get(suffix)
    if form is None:
        advice = "; print the html page to a file in the browser" if suffix == ".pdf" else ""
        raise InputError(
            f"{output} cannot be made: a report ends in .html, .svg or .png, or --format says which"
            f" it is{advice}"
        )
    return form


def _in_form(made: Report, form: Format) -> bytes:
    if form == "html":
        return made.html.encode()
    svg = made.svg()
    if form == "svg":
        return svg.encode()
    from tenuto.report.png import png

    return png(svg)


async def _make(
    config: Config,
    history: AbstractAsyncContextManager[HistoryReader],
    what: str,
    day: str | None,
    person: str | None,
) -> tuple[Report, str]:
    """Return the report and a name for its file."""
    from tenuto.history.period import NAMES as PERIODS

    async with asyncio.timeout(READ_TIMEOUT_S), history as store:
        newest = await store.sittings(1)
        if not newest:
            raise InputError("nothing was played yet; `tenuto run` plays")
        if what in PERIODS:
            return await _period(config, store, what, day, await whose(config, store, person))
        if day is not None or person is not None:
            raise InputError("--date and --person go with week or month")
        if what != "last" and not what.isdecimal():
            raise InputError(f"{what!r} is no report: allowed is a session's id, week, month, last")
        return await _session(config, store, newest[0].id if what == "last" else int(what))


async def _session(config: Config, store: HistoryReader, number: int) -> tuple[Report, str]:
    from tenuto.history.timeline import account
    from tenuto.report import session_report
    from tenuto.report.named import titled
    from tenuto.routines.library import Library

    session = await store.sitting(number)
    if session is None:
        raise InputError(f"there is no session {number}; `tenuto history` lists those there are")
    who = config.person(session.row.person)
    zones = None if who is None else who.zones(_began(session.row).year)
    told = account(titled(config, session), Library.of(config).exercises())
    return session_report(told, zones=zones), f"session-{number}"


async def _period(
    config: Config, store: HistoryReader, name: str, day: str | None, person: str | None
) -> tuple[Report, str]:
    from tenuto.history.period import WEEK, Period, period_account
    from tenuto.report import period_report
    from tenuto.routines.library import Library

    today = datetime.now(UTC).astimezone().date()
    period = Period.of(name, today if day is None else parse_date(day))
    told = await period_account(store, period, today, person, Library.of(config).exercises())
    suffix = f"{period.first:%Y-%m-%d}" if name == WEEK else f"{period.first:%Y-%m}"
    return period_report(told, person=config.person_title(person)), f"{name}-{suffix}"


def _began(row: SessionRow) -> datetime:
    return datetime.fromtimestamp(row.started_utc_ms / 1000, UTC).astimezone()
