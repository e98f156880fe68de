# SPDX-License-Identifier: MIT
"""`tenuto history`: list what was played, show it, take it elsewhere, delete it, look after it."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter, validators

from tenuto.cli import tables
from tenuto.config import find_config
from tenuto.errors import InputError, StoreError
from tenuto.history import Store, replay, summarize
from tenuto.history.adherence import day_of
from tenuto.history.timeline import Account, Outline, account
from tenuto.report.named import titled, titled_row
from tenuto.sessions import events
from tenuto.terminal import words

from .common import (
    ConfigFile,
    confirmed,
    history_file,
    history_to_read,
    id_of,
    output_to,
    parse_date,
    whose,
    write_output,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import date
    from typing import BinaryIO, TextIO

    from tenuto.config import Config
    from tenuto.history import SessionRow, StoredSession, Summary
    from tenuto.history.reading import HistoryReader
    from tenuto.history.repair import Checked
    from tenuto.sessions.events import Event

READ_TIMEOUT_S = 30.0
LONG_TIMEOUT_S = 600.0
"""Time limit for commands that read the whole history."""
SESSIONS_AT_ONCE = 32
Number = Annotated[int, Parameter(name="ID")]

app = App(name="history", help="List what was played, show it, export, delete, check.")


@app.default
@app.command(name="list")
def list_sessions(
    *,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))] = 20,
    person: str | None = None,
    wearable: str | None = None,
    routine: str | None = None,
    since: str | None = None,
    until: str | None = None,
    config: ConfigFile = None,
) -> None:
    """List the sessions that were played, the newest first.

    Args:
        limit: how many
        person: only those of one person
        wearable: only those on one wearable
        routine: only those of one routine
        since: only those that began on this day, such as 2026-11-20, or later
        until: only those that began on this day or before
        config: as in all commands
    """
    settings = find_config(config)
    is_there = settings.fleet.is_read or settings.history_path.exists()
    first = None if since is None else parse_date(since, "--since")
    last = None if until is None else parse_date(until, "--until")
    wanted = partial(
        _is_wanted,
        person=person and id_of(settings.people, person),
        wearable=wearable and id_of(settings.wearables, wearable),
        routine=routine,
        first=first,
        last=last,
    )
    sessions = asyncio.run(_newest(history_to_read(settings), limit, wanted)) if is_there else []
    if not sessions:
        if any(given is not None for given in (person, wearable, routine, since, until)):
            print("No session is like that; `tenuto history` lists all.")
        else:
            path = settings.history_path
            print(f"Nothing was played yet; `tenuto run` plays, and {path} will have it.")
        return
    has_persons = len({session.row.person for session in sessions} - {None}) > 1
    person_column = ("person",) if has_persons else ()
    _write_table(
        (
            *("!>id", "!when", "routine", "wearable", *person_column),
            *("ended", "!>holds", "!>time", "!>bpm"),
        ),
        (_row(settings, session, has_person=has_persons) for session in sessions),
    )


@app.command
def show(
    number: Number,
    /,
    *,
    every: Annotated[bool, Parameter(name="--events")] = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    config: ConfigFile = None,
) -> None:
    """Show a session: its results, and its score.

    Args:
        number: the session's id, from `tenuto history`
        every: show all that happened as well, line by line
        as_json: print one JSON object a line, as `tenuto run --json` does, and nothing else
        config: as in all commands
    """
    settings = find_config(config)
    if not (settings.fleet.is_read or settings.history_path.exists()):
        raise _no_session(number)
    session = titled(settings, _session(history_to_read(settings), number))
    happened = replay(session)
    if as_json:
        for event, _ in happened:
            sys.stdout.write(json.dumps(events.to_json(event), allow_nan=False) + "\n")
        return
    row = session.row
    wearer = "" if row.person is None else f", {row.person}"
    print(words.printable(f"Session {row.id}{_parts(row)}, {_when(row)}, on {row.where}{wearer}"))
    for line in words.summary(summarize(event for event, _ in happened)):
        print(line)
    records = [record for part in (session, *session.parts) for record in part.records]
    sure = [r.uncertainty_ms for r in records if r.uncertainty_ms is not None]
    if sure:
        print(f"Times   right to within {max(sure)} ms, by the computer's clock")
    _print_score(account(session))
    print()
    if not every:
        print(f"{words.count(len(happened), 'event', 'events')}: --events shows all.")
        return
    _write_table(
        ("!at", "!event", ""),
        ((_clock(event.t_ms), event.name, _details(event)) for event, _ in happened),
    )


@app.command
def week(
    *,
    day: Annotated[str | None, Parameter(name="--date")] = None,
    person: str | None = None,
    config: ConfigFile = None,
) -> None:
    """Show how a week went: the streak, the days, the time of each muscle.

    Args:
        day: any day of the week, such as 2026-11-20; without it today
        person: whose week; without it that of the last session
        config: as in all commands
    """
    from tenuto.history.period import WEEK, Period, PeriodAccount, period_account
    from tenuto.report.text import week_lines
    from tenuto.routines.library import Library

    settings = find_config(config)
    history = history_to_read(settings)
    today = datetime.now(UTC).astimezone().date()
    period = Period.of(WEEK, today if day is None else parse_date(day))
    known = Library.of(settings).exercises()

    async def read() -> PeriodAccount:
        async with asyncio.timeout(READ_TIMEOUT_S), history as store:
            who = await whose(settings, store, person)
            return await period_account(store, period, today, who, known)

    told = asyncio.run(read())
    for line in week_lines(told, settings.person_title(told.person)):
        print(line)


Format = Literal["jsonl", "csv", "csv-comma", "fit", "openmhealth", "fhir"]


@app.command
def export(
    numbers: Annotated[tuple[int, ...], Parameter(name="ID")] = (),
    /,
    *,
    form: Annotated[Format, Parameter(name="--format")] = "jsonl",
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)
    ] = None,
    config: ConfigFile = None,
) -> int:
    """Export sessions. The files hold health data; only you may read them.

    Args:
        numbers: the ids of the sessions; without any all of them
        form: jsonl has everything and can be imported again; csv has a row for each hold, and
            csv-comma the same for an Excel whose numbers have a comma, as in Germany; fit is for
            sports watches and their portals, a file for each session; openmhealth has data points
            as JSON, and fhir observations and care plans as a FHIR R4 bundle
        output: the file; without it standard output. For fit a file for one session or a folder
            for many; without it files are made here and named
        config: as in all commands
    """
    history = history_to_read(find_config(config))
    if form == "fit":
        chosen = asyncio.run(_chosen(history, numbers))
        simulated = set(asyncio.run(_numbers(history, is_simulated=True)).values()) & set(chosen)
        if simulated and not numbers:
            chosen = [number for number in chosen if number not in simulated]
            out = words.count(len(simulated), "simulated session is", "simulated sessions are")
            print(f"{out} left out; an ID takes one along", file=sys.stderr)
        elif simulated:
            print("it was simulated: a portal counts it all the same", file=sys.stderr)
        return _write_fit(_accounts(history, chosen), output, is_one=len(numbers) == 1)
    if form == "jsonl" and numbers:
        raise InputError("jsonl has the whole history: leave the ID out, or take another format")
    chosen = [] if form == "jsonl" else asyncio.run(_chosen(history, numbers))
    with output_to(output) as file:
        asyncio.run(_write(form, history, chosen, file, is_all=not numbers))
    if output is not None and str(output) != "-":
        print(f"{output} is written", file=sys.stderr)
    return 0


async def _numbers(
    history: AbstractAsyncContextManager[HistoryReader], *, is_simulated: bool | None = None
) -> dict[int, int]:
    async with asyncio.timeout(READ_TIMEOUT_S), history as store:
        return await store.numbers(is_simulated=is_simulated)


async def _chosen(
    history: AbstractAsyncContextManager[HistoryReader], numbers: tuple[int, ...]
) -> list[int]:
    """Return the sessions that were named, or all of them, the oldest first."""
    known = await _numbers(history)
    for number in sorted(set(numbers).difference(known)):
        raise _no_session(number)
    return list(dict.fromkeys(known[number] for number in numbers or known))


async def _write(
    form: Format,
    history: AbstractAsyncContextManager[HistoryReader],
    numbers: Sequence[int],
    file: BinaryIO,
    *,
    is_all: bool,
) -> None:
    """Write sessions to a file as they are read: they need not have room in memory."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        await _write_text(form, history, numbers, text, is_all=is_all)
    finally:
        text.detach()  # or its end would close standard output


async def _write_text(
    form: Format,
    history: AbstractAsyncContextManager[HistoryReader],
    numbers: Sequence[int],
    text: TextIO,
    *,
    is_all: bool,
) -> None:
    from tenuto.history.csv_table import write_table
    from tenuto.history.fhir import write_bundle
    from tenuto.history.jsonlines import write_lines
    from tenuto.history.openmhealth import write_points

    async with asyncio.timeout(LONG_TIMEOUT_S), history as store:
        if form == "jsonl":
            await write_lines(store, text.write)
        elif form == "openmhealth":
            await store.read_sittings(
                numbers, lambda sessions: write_points(map(account, sessions), text)
            )
        elif form == "fhir":
            prescribed = await store.prescriptions()
            today = datetime.now(UTC).astimezone().date()
            await store.read_outlines(
                numbers,
                lambda outlines: write_bundle(
                    outlines, text, prescribed, today, all_prescriptions=is_all
                ),
            )
        else:
            is_comma = form == "csv-comma"
            await store.read_outlines(
                numbers, lambda outlines: write_table(outlines, text, decimal_comma=is_comma)
            )


def _accounts(
    history: AbstractAsyncContextManager[HistoryReader], numbers: Sequence[int]
) -> Iterator[Account]:
    """Yield sessions in full, some at a time: with all of them in memory it would be full."""

    async def some(of: Sequence[int]) -> list[StoredSession]:
        async with asyncio.timeout(LONG_TIMEOUT_S), history as store:
            return await store.read_sittings(of, list)

    for at in range(0, len(numbers), SESSIONS_AT_ONCE):
        yield from map(account, asyncio.run(some(numbers[at : at + SESSIONS_AT_ONCE])))


def _write_fit(sessions: Iterable[Account], output: Path | None, *, is_one: bool) -> int:
    """Write a FIT file for each session.

    Returns:
        The exit code.
    """
    from tenuto.history.fit import fit_file

    is_stream = output is not None and str(output) == "-"
    if not is_one and output is not None and not output.is_dir():
        text = f"{output} is no folder: FIT has one session a file, so many need a folder"
        raise InputError(text)
    written, left = 0, 0
    for session in sessions:
        try:
            data = fit_file(session)
        except InputError as error:
            if is_one:
                raise
            print(f"tenuto: session {session.row.id} is left out: {error}", file=sys.stderr)
            left += 1
            continue
        if is_stream:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return 0
        name = f"tenuto-session-{session.row.id}.fit"
        file = Path(name) if output is None else output / name if output.is_dir() else output
        write_output(file, data)
        print(f"{file} is written", file=sys.stderr)
        written += 1
    if not is_one:
        print(f"{words.count(written, 'file', 'files')} in all", file=sys.stderr)
    return 1 if left else 0


@app.command(name="import")
def import_file(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    same_people: bool = False,
    config: ConfigFile = None,
) -> None:
    """Import what `tenuto history export` wrote as JSON Lines; what is already here stays.

    Args:
        file: the file, or - for standard input
        same_people: people of the file are the same as those here who have the same id
        config: as in all commands
    """
    from tenuto.files import lines_of, open_regular, spooled
    from tenuto.history.jsonlines import LINE_LETTERS_MAX, Taken, read_lines

    is_stdin = str(file) == "-"
    name = "standard input" if is_stdin else str(file)

    async def take(source: BinaryIO) -> Taken:
        lines = lines_of(source, name, 4 * LINE_LETTERS_MAX)
        async with (
            asyncio.timeout(LONG_TIMEOUT_S),
            Store(find_config(config).history_path) as store,
        ):
            return await read_lines(store, lines, name, same_people=same_people)

    try:
        # The history's thread must not wait for whoever fills a pipe, nor for a Ctrl-C.
        with spooled(sys.stdin.buffer) if is_stdin else open_regular(file) as source:
            taken = asyncio.run(take(source))
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    news = words.count(taken.sessions, "session is", "sessions are")
    print(f"{news} new, with {words.count(taken.records, 'record', 'records')}")
    for name in taken.namesakes:
        label = name.rpartition(" (")[0]
        print(
            words.printable(
                f"{name} is kept apart from {label}; `tenuto history rename '{name}' {label}` "
                "makes them one, if they are"
            )
        )


@app.command
def rename(
    old: str,
    new: str,
    /,
    *,
    yes: bool = False,
    config: ConfigFile = None,
) -> int:
    """Rename a person, for example after their `id` in the configuration has changed.

    If the history already has a person with the new name, the two become one.

    Args:
        old: what `tenuto history` calls them
        new: their id in the configuration from now on
        yes: do not ask
        config: as in all commands
    """
    from tenuto.history import persons

    path = _existing(find_config(config))

    async def known() -> set[str]:
        async with asyncio.timeout(READ_TIMEOUT_S), Store(path, read_only=True) as store:
            return set((await store.work(persons.names)).values())

    async def change() -> None:
        now_ms = round(datetime.now(UTC).timestamp() * 1000)
        async with asyncio.timeout(READ_TIMEOUT_S), Store(path) as store:
            await store.rename_person(old, new, now_ms)

    question = f"{old} and {new} become one person, for good. Are they one?"
    if {old, new} <= asyncio.run(known()) and not confirmed(question, yes=yes):
        print("Nothing is changed.")
        return 3
    asyncio.run(change())
    print(words.printable(f"{old} is {new} now."))
    return 0


@app.command
def delete(
    numbers: Annotated[tuple[int, ...], Parameter(name="ID")] = (),
    /,
    *,
    simulated: bool = False,
    person: str | None = None,
    yes: bool = False,
    config: ConfigFile = None,
) -> int:
    """Delete sessions for good: their bytes are overwritten, and no wearable brings them back.

    Args:
        numbers: one or more sessions, from `tenuto history`
        simulated: all that were played on a simulated wearable
        person: all that is kept of one person, what they know of the cues and what is prescribed to
            them too
        yes: do not ask
        config: as in all commands
    """
    path = _existing(find_config(config))
    if person is not None:
        if numbers or simulated:
            raise InputError("--person stands alone")
        return _delete_person(find_config(config), path, person, yes=yes)
    here = Store(path, read_only=True)
    rows = [_session(here, number).row for number in numbers]
    if simulated:
        rows += asyncio.run(_simulated(path))
    rows = list({row.id: row for row in rows}.values())
    if not rows:
        if not simulated:
            raise InputError("which? Name the ids of sessions, from `tenuto history`")
        print("There is no simulated session.")
        return 0
    for row in rows:
        told = f"Session {row.id}{_parts(row)}, {_when(row)}, {row.routine or '?'}"
        print(words.printable(told))
    if not confirmed("Delete what is listed, for good?", yes=yes):
        print("Nothing is deleted.")
        return 3

    async def remove() -> None:
        async with asyncio.timeout(LONG_TIMEOUT_S), Store(path) as store:
            await store.delete(*(number for row in rows for number in row.numbers))

    asyncio.run(remove())
    print("Deleted. Files that you exported before, and backups, still have it.")
    return 0


def _delete_person(config: Config, path: Path, given: str, *, yes: bool) -> int:
    async def who() -> str | None:
        async with asyncio.timeout(READ_TIMEOUT_S), Store(path, read_only=True) as store:
            return await whose(config, store, given)

    async def remove(person: str) -> tuple[int, int]:
        async with asyncio.timeout(LONG_TIMEOUT_S), Store(path) as store:
            return await store.delete_person(person)

    person = asyncio.run(who()) or given
    if not confirmed(f"Delete all that is kept of {person}, for good?", yes=yes):
        print("Nothing is deleted.")
        return 3
    sessions, results = asyncio.run(remove(person))
    told = words.count(sessions, "session", "sessions")
    about = words.count(results, "result", "results")
    print(f"Deleted: {told}, {about} about cues, and all that was prescribed.")
    print("Files that you exported before, and backups, still have it.")
    return 0


@app.command
def check(*, repair: bool = False, config: ConfigFile = None) -> int:
    """Check whether the history is sound; with --repair, repair it.

    The list of sessions is made anew from their records. Of a damaged file all that can be read
    goes into a new one, and the damaged one is kept beside it.

    Args:
        repair: repair what is wrong; end the daemon and other programs that use the history first
        config: as in all commands
    """
    from tenuto.history.repair import salvage

    path = _existing(find_config(config))
    found = asyncio.run(_check(path))
    for text in (*found.damage, *found.faults, *found.notes, *found.endless):
        print(words.printable(text.strip()))
    if found.is_sound:
        print(f"{path} is sound.")
        return 0
    if not repair:
        print("`tenuto history check --repair` mends that; end the daemon first.")
        return 1
    if found.damage:
        kept, saved = asyncio.run(salvage(path))
        print(f"Saved {words.count(saved['records'], 'record', 'records')}; the old file is {kept}")
    else:
        print(f"{words.count(asyncio.run(_rebuild(path)), 'session', 'sessions')} put right.")
    return 0 if asyncio.run(_check(path)).is_sound else 1


async def _check(path: Path) -> Checked:
    from tenuto.history.repair import Checked, check as look

    try:
        async with asyncio.timeout(LONG_TIMEOUT_S), Store(path, read_only=True) as store:
            return await look(store)
    except StoreError as error:
        if error.is_damage:
            return Checked((str(error),), ())
        raise


async def _rebuild(path: Path) -> int:
    from tenuto.history.repair import rebuild

    async with asyncio.timeout(LONG_TIMEOUT_S), Store(path) as store:
        return await rebuild(store)


def _existing(config: Config) -> Path:
    """Return the history's file.

    Raises:
        InputError: Where nothing was played yet.
    """
    path = history_file(config)
    if not path.exists():
        raise InputError(f"there is no history at {path} yet; `tenuto run` begins one")
    return path


def _session(history: AbstractAsyncContextManager[HistoryReader], number: int) -> StoredSession:
    session = asyncio.run(_one(history, number))
    if session is None:
        raise _no_session(number)
    return session


def _no_session(number: int) -> InputError:
    return InputError(f"there is no session {number}; `tenuto history` lists those there are")


def _print_score(told: Account) -> None:
    from tenuto.report.text import ASCII, UNICODE, heart_lines, text_score

    for line in heart_lines(told):
        print(line)
    width = shutil.get_terminal_size((100, 24)).columns
    try:
        f"{UNICODE.curve}{UNICODE.pause}".encode(sys.stdout.encoding or "ascii")
        letters = UNICODE
    except UnicodeEncodeError:
        letters = ASCII
    print()
    for line in text_score(told, width, letters):
        print(line)


async def _newest(
    history: AbstractAsyncContextManager[HistoryReader],
    limit: int,
    wanted: Callable[[SessionRow], bool],
) -> list[Outline]:
    async with asyncio.timeout(READ_TIMEOUT_S), history as store:
        rows = [row for row in await store.sittings() if wanted(row)]
        return await store.outlines(rows[:limit])


def _is_wanted(
    row: SessionRow,
    *,
    person: str | None,
    wearable: str | None,
    routine: str | None,
    first: date | None,
    last: date | None,
) -> bool:
    day = day_of(row.started_utc_ms)
    return (
        person in (None, row.person)
        and wearable in (None, row.wearable)
        and routine in (None, row.routine)
        and (first is None or day >= first)
        and (last is None or day <= last)
    )


async def _simulated(path: Path) -> list[SessionRow]:
    async with asyncio.timeout(READ_TIMEOUT_S), Store(path, read_only=True) as store:
        return [row for row in await store.sittings() if row.is_simulated]


async def _one(
    history: AbstractAsyncContextManager[HistoryReader], number: int
) -> StoredSession | None:
    async with asyncio.timeout(READ_TIMEOUT_S), history as store:
        return await store.sitting(number)


def _row(config: Config, session: Outline, *, has_person: bool) -> tuple[str, ...]:
    row, summary = titled_row(config, session.row), session.summary
    return (
        str(row.id),
        _when(row),
        row.routine or "?",
        row.where,
        *([row.person or ""] if has_person else []),
        row.reason or "not yet",
        _holds(summary),
        words.clock(summary.duration_ms),
        "" if summary.bpm_mean is None else f"{summary.bpm_mean:.0f}",
    )


def _holds(summary: Summary) -> str:
    planned = "?" if summary.holds_planned is None else summary.holds_planned
    return f"{summary.holds_completed}/{planned}"


def _parts(row: SessionRow) -> str:
    """Return which sessions took it up, where there are any."""
    return f" (taken up as {', '.join(map(str, row.parts))})" if row.parts else ""


def _when(row: SessionRow) -> str:
    began = datetime.fromtimestamp(row.started_utc_ms / 1000, UTC)
    return began.astimezone().strftime("%Y-%m-%d %H:%M")


def _clock(t_ms: int) -> str:
    return f"{words.clock(t_ms)}.{t_ms % 1000:03}"


def _details(event: Event) -> str:
    own = events.to_json(event)
    shown = ((key, value) for key, value in own.items() if key not in ("event", "t_ms"))
    return " ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in shown
        if value not in (None, ())
    )


def _write_table(columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    table = tables.table(*columns)
    for row in rows:
        table.add_row(*map(words.printable, row))
    tables.write(table)
