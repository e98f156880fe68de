# SPDX-License-Identifier: MIT
"""The contract of a history that is read: the same answers from SQLite and from PostgreSQL.

A host keeps the same things in both cases; in one its own file is read, in the other the central
history that it has forwarded them to.
"""

from __future__ import annotations

import asyncio
import io
import random
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tenuto import config
from tenuto.cli.cue_results import show_results
from tenuto.history import Store
from tenuto.history.adherence import day_of
from tenuto.history.completed_holds import held_utc_ms
from tenuto.history.csv_table import write_table
from tenuto.history.fhir import write_bundle
from tenuto.history.fit import fit_file
from tenuto.history.jsonlines import read_lines, write_lines
from tenuto.history.openmhealth import data_points
from tenuto.history.period import Period, last_person, period_account
from tenuto.history.prescription_table import standings
from tenuto.history.timeline import account
from tenuto.report import period_report, session_report
from tenuto.sessions.events import SessionEnded, SessionKey
from tests.conftest import needs_module
from tests.history.prescribed import prescription
from tests.history.sessions import UTC_MS, eventful_session, session_in_parts, whole_session
from tests.history.test_cue_results import LESSON, QUIZ, STRENGTH, result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tenuto.history import SessionRow
    from tenuto.history.reading import HistoryReader
    from tenuto.sessions.events import Entry

pytestmark = pytest.mark.real_time

DAY_MS = 86_400_000
EACH_DAY = [whole_session(boot_id=one, boot_utc_ms=UTC_MS + one * DAY_MS) for one in range(3)]
EVENTFUL = eventful_session(boot_id=9, person="eve", boot_utc_ms=UTC_MS + 3_600_000)
PARTS = session_in_parts(boot_id=20, person="zoe", boot_utc_ms=UTC_MS + DAY_MS + 7_200_000)
IN_ORDER = [EACH_DAY[0], EVENTFUL, EACH_DAY[1], *PARTS, EACH_DAY[2]]
RESULTS = [
    result(LESSON, None, UTC_MS + 2),
    result(STRENGTH, "eve", UTC_MS + 1),
    result(QUIZ),
]
PRESCRIBED = prescription(person="ada", assigned_utc_ms=UTC_MS)

Opened: TypeAlias = "AbstractAsyncContextManager[tuple[HistoryReader, Store]]"


async def fill(store: Store) -> None:
    """Keep everything, as it may become known: in pieces, out of order."""
    entries = [entry for session in IN_ORDER for entry in session]
    pieces = [entries[at : at + 40] for at in range(0, len(entries), 40)]
    random.Random(1).shuffle(pieces)
    for piece in pieces:
        await store.add(piece)
    for one in RESULTS:
        await store.cue_results.add(one)
    await store.prescribing.add(PRESCRIBED)


@asynccontextmanager
async def in_sqlite(folder: Path) -> AsyncIterator[tuple[HistoryReader, Store]]:
    async with Store(folder / "a.db") as store:
        await fill(store)
        async with Store(folder / "a.db", read_only=True) as reader:
            yield reader, store


@asynccontextmanager
async def in_postgresql(folder: Path, url: str) -> AsyncIterator[tuple[HistoryReader, Store]]:
    from tenuto.fleet.postgres import CentralHistory
    from tests.fleet.test_one_history import join_all, room

    async with room(folder, url, "a") as one, CentralHistory(url) as owner:
        await fill(one.store)
        await one.forwarder.forward()
        assert await join_all(owner) == 0
        async with CentralHistory(url, read_only=True) as reader:
            yield reader, one.store


@pytest.fixture(params=["sqlite", "postgresql"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Opened]:
    """Opens the reader that is tested, and the history of the host that wrote it."""
    if request.param == "sqlite":
        return lambda: in_sqlite(tmp_path)
    needs_module("psycopg")
    url = request.getfixturevalue("central")
    return lambda: in_postgresql(tmp_path, url)


def seqs(entries: list[Entry]) -> list[int]:
    return sorted({one.record.seq for one in entries if one.record is not None})


async def test_sessions_are_listed_newest_first_by_pages_and_filters(
    history: Callable[[], Opened],
) -> None:
    newest = [one[0].session for one in reversed(IN_ORDER)]
    async with history() as (reader, _):
        assert [row.key for row in await reader.sessions()] == newest
        rows = await reader.sittings()
        later_part = PARTS[1][0].session
        assert [row.key for row in rows] == [key for key in newest if key != later_part]
        paged: list[SessionRow] = []
        while found := await reader.sittings(1, before=paged[-1].id if paged else None):
            paged += found
        assert paged == rows
        of_ada = await reader.sittings(person="ada")
        assert [row.key.boot_id for row in of_ada] == [2, 1, 0]
        assert [row.person for row in await reader.sittings(person="eve")] == ["eve"]
        assert await reader.sittings(person="nobody") == []
        assert await reader.sittings(routine="BACK") == rows
        assert await reader.sittings(routine="%") == []


async def test_a_session_is_all_that_was_logged(history: Callable[[], Opened]) -> None:
    async with history() as (reader, _):
        for entries in IN_ORDER:
            found = await reader.find(entries[0].session)
            assert found is not None
            assert await reader.session(found.row.id) == found
            logged = {one.record.seq: one.record for one in entries if one.record is not None}
            assert [one.record for one in found.records] == [logged[at] for at in sorted(logged)]
            ended = entries[-1].event
            assert isinstance(ended, SessionEnded)
            assert found.row.reason == ended.reason
            assert found.row.plan_id is not None
            assert await reader.plan(found.row.plan_id) == found.plan
            assert found.plan is not None
        assert await reader.find(SessionKey("serial:none", 1, 1)) is None
        for number in (1 << 40, 1 << 63, 10**20):
            assert await reader.session(number) is None
            assert await reader.sitting(number) is None
        assert await reader.plan("0" * 16) is None


async def test_sessions_that_are_one_sitting_are_told_as_one(
    history: Callable[[], Opened],
) -> None:
    async with history() as (reader, _):
        (row,) = await reader.sittings(person="zoe")
        assert row.parts
        found = [await reader.sitting(number) for number in row.numbers]
        assert found[0] == found[1]
        (outline,) = await reader.outlines([row])
        assert (outline.row.reason, outline.summary.holds_completed) == ("finished", 2)
        assert await held_utc_ms(reader, "zoe") == [PARTS[0][0].utc_ms]


async def test_what_began_between_two_moments(history: Callable[[], Opened]) -> None:
    async with history() as (reader, _):
        first, second = (one[0] for one in EACH_DAY[:2])
        began_ms = [
            row.started_utc_ms for row in await reader.sessions() if row.key == second.session
        ]
        found = await reader.between(UTC_MS, began_ms[0])
        assert [one.row.key for one in found] == [first.session, EVENTFUL[0].session]
        assert [one.record.seq for one in found[0].records] == seqs(EACH_DAY[0])


async def test_days_streaks_results_and_prescriptions(history: Callable[[], Opened]) -> None:
    async with history() as (reader, _):
        days = [day_of(utc_ms) for utc_ms in await held_utc_ms(reader, "ada")]
        today = day_of(UTC_MS)
        assert set(days) == {today + timedelta(days=one) for one in range(3)}
        assert await last_person(reader) == "ada"
        told = await period_account(
            reader, Period.of("month", today), today + timedelta(days=2), "ada"
        )
        assert (len(told.sessions), told.streak.present) == (3, 3)
        assert await reader.results() == RESULTS
        assert await reader.prescriptions() == [PRESCRIBED]
        (standing,) = await standings(reader, today)
        assert standing.prescription == PRESCRIBED


async def test_reports_and_exports_are_those_of_the_host_that_wrote_it(
    history: Callable[[], Opened], tmp_path: Path
) -> None:
    today = day_of(UTC_MS) + timedelta(days=2)
    async with history() as (reader, host):
        # The host has worked out beforehand what a report on a month needs; not every history has.
        await host.keep_outlines(*await host.without_outline())
        made: list[dict[str, Any]] = []
        lines: list[list[str]] = []
        for one in (reader, host):
            # The number in the list is each history's own.
            accounts = [
                account(replace(found, row=replace(found.row, id=0)))
                for found in await one.between(0, UTC_MS * 2)
            ]
            table, bundle = io.StringIO(), io.StringIO()
            lines.append([])
            write_table(accounts, table)
            write_bundle(accounts, bundle)
            await write_lines(one, lines[-1].append)
            made.append(
                {
                    "csv": table.getvalue(),
                    "fhir": bundle.getvalue(),
                    "fit": [fit_file(told) for told in accounts],
                    "jsonl": lines[-1],
                    "openmhealth": [list(data_points(told)) for told in accounts],
                    "session": session_report(accounts[1]).html,
                    "month": period_report(
                        await period_account(one, Period.of("month", today), today, "ada")
                    ).svg(),
                }
            )
        for what, of_reader in made[0].items():
            assert of_reader == made[1][what], what
        async with Store(tmp_path / "copy.db") as copy:
            await read_lines(copy, lines[0], "copy")
            again: list[str] = []
            await write_lines(copy, again.append)
        assert again == lines[0], "and they make the same history again"


def test_a_therapist_sees_what_quizzes_came_to(
    central: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tenuto.fleet.postgres import CentralHistory
    from tenuto.fleet.rights import grant
    from tests.fleet.server import as_user

    async def prepare() -> None:
        async with in_postgresql(tmp_path, central), CentralHistory(central) as owner:
            await owner.work(lambda db: grant(db, "a_therapist", "eve"))

    asyncio.run(prepare())
    toml = f'fleet.url = "{as_user(central, "a_therapist")}"\nfleet.read = true\n'
    show_results(config.parse(toml, str(tmp_path / "tenuto.toml")), None)
    shown = capsys.readouterr().out
    assert [one.result_id in shown for one in RESULTS] == [False, True, False]


async def test_routines_are_known_by_what_was_played_and_prescribed(
    history: Callable[[], Opened],
) -> None:
    async with history() as (reader, _):
        assert await reader.routines() == {"lower-back": PRESCRIBED.title}
