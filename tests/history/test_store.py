# SPDX-License-Identifier: MIT
from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tenuto.daemon.sinks import SinkQueue
from tenuto.errors import StoreError
from tenuto.history import ExerciseNote, HistorySink, Store, StoredSession, replay
from tenuto.history.schema import APPLICATION_ID, SCHEMA_VERSION
from tenuto.sessions.events import Entry, LinkLost, RecordsLost, SessionEnded
from tenuto_core import vocab
from tests.history.sessions import Band, whole_session
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FULL_DISK_PAGES = 20
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "history.db"


async def only(store: Store) -> StoredSession:
    (row,) = await store.sessions()
    session = await store.session(row.id)
    assert session is not None
    return session


def happened(entries: Sequence[Entry]) -> list[tuple[object, int]]:
    return [(entry.event, entry.utc_ms) for entry in entries]


async def test_a_session_comes_back_with_every_event(path: Path) -> None:
    entries = whole_session()
    async with Store(path) as store:
        await store.add(entries)
    async with Store(path) as store:
        session = await only(store)

    assert happened(entries) == replay(session)
    row = session.row
    assert (
        row.person,
        row.routine,
        row.reason,
        row.source,
    ) == ("ada", "lower-back", "finished", "plan")
    assert (entries[0].utc_ms, entries[-1].utc_ms) == (row.started_utc_ms, row.ended_utc_ms)
    assert row.key == entries[0].session


async def test_records_that_come_twice_or_late_are_there_once(path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - to play it again
    rng = random.Random(seed)
    entries = whole_session()
    shuffled = rng.sample([*entries, *entries], 2 * len(entries))
    async with Store(path) as store:
        while shuffled:
            await store.add(shuffled[:7])
            del shuffled[:7]

        assert happened(entries) == replay(await only(store))
        assert await store.last_seq("name:wrist", entries[0].session.boot_id) == len(entries) - 1


async def test_records_whose_session_is_not_known_are_kept_and_found_later(path: Path) -> None:
    entries = whole_session()
    async with Store(path) as store:
        await store.add(entries[5:20])
        (row,) = await store.sessions()
        assert (row.routine, row.plan_id, row.reason) == (None, None, None)

        await store.add(entries)
        assert happened(entries) == replay(await only(store))


async def test_a_daemon_that_restarts_finds_the_session_that_was_under_way(path: Path) -> None:
    band = Band()
    band.do(vocab.START)
    band.pass_ms(20_000)
    so_far = band.entries()
    async with Store(path) as store:
        await store.add([*whole_session(boot_id=7), *so_far, *whole_session(wearable="other")])
    async with Store(path) as store:
        (session,) = await store.unfinished("name:wrist")

        assert so_far[0].session == session.row.key
        assert [entry.record for entry in so_far] == [one.record for one in session.records]
        assert session.plan == band.plan.data
        assert session.row.plan_id is not None
        assert session.plan == await store.plan(session.row.plan_id)
        assert session.records[-1].record.seq == await store.last_seq("name:wrist", band.boot_id)
        assert await store.last_seq("name:wrist", 99) is None
        assert await store.plan("0" * 16) is None


async def test_a_daemon_that_dies_leaves_all_that_was_added(path: Path) -> None:
    """As by `kill -9` in the middle: no close, no checkpoint."""
    code = f"""
import asyncio, os, signal, sys
sys.path[:0] = {sys.path!r}
from tenuto.history import Store
from tests.history.sessions import whole_session

async def main():
    store = Store({str(path)!r})
    await store.open()
    await store.add(whole_session())
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], check=False, timeout=patience_s(30)
    )
    assert ended.returncode == -signal.SIGKILL

    async with Store(path) as store:
        assert happened(whole_session()) == replay(await only(store))


async def test_what_the_host_noticed_is_kept_in_its_place(path: Path) -> None:
    entries = whole_session()
    key = entries[0].session
    lost = Entry(key, "wrist", None, LinkLost(t_ms=10_000), entries[0].utc_ms + 10_000)
    async with Store(path) as store:
        await store.add([*entries, lost])
        await store.add([lost])

        events = [event for event, _ in replay(await only(store))]
    at = events.index(lost.event)
    assert len(entries) + 1 == len(events)
    assert events[at - 1].t_ms <= 10_000 <= events[at + 1].t_ms


async def test_a_gap_is_told_once_though_host_and_log_both_show_it(path: Path) -> None:
    band = Band()
    band.do(vocab.START)
    band.pass_ms(10_000)
    entries = band.entries()
    band.player.beat(60, (), band.now_ms)
    band.miss(1)
    band.pass_ms(200_000)
    gap, *rest = band.entries()
    assert isinstance(gap.event, RecordsLost)
    noticed = Entry(gap.session, "wrist", None, gap.event, gap.utc_ms)
    async with Store(path) as store:
        await store.add([*entries, noticed, *rest])

        assert happened([*entries, gap, *rest]) == replay(await only(store))


async def test_the_wearables_own_end_outweighs_the_hosts(path: Path) -> None:
    entries = whole_session()
    key = entries[0].session
    given_up = Entry(
        key, "wrist", None, SessionEnded(t_ms=5_000, reason="failed", source="host"), 1
    )
    async with Store(path) as store:
        await store.add([*entries[:9], given_up])
        (row,) = await store.sessions()
        assert (row.reason, row.source) == ("failed", "host")
        assert await store.unfinished("name:wrist") == []

        await store.add(entries)
        await store.add([given_up])
        session = await only(store)
    assert session.row.reason == "finished"
    assert [e for e, _ in replay(session) if isinstance(e, SessionEnded)] == [entries[-1].event]


async def test_a_batch_is_kept_whole_or_not_at_all(path: Path) -> None:
    entries = whole_session()
    broken = Entry(entries[0].session, "wrist", None, entries[3].event, None, entries[3].record)  # type: ignore[arg-type]
    async with Store(path) as store:
        with pytest.raises(TypeError):
            await store.add([*entries[:3], broken])
        assert await store.sessions() == []

        await store.add(entries)
        assert happened(entries) == replay(await only(store))


async def test_sessions_come_newest_first_and_as_many_as_asked(path: Path) -> None:
    async with Store(path) as store:
        for boot in (1, 2, 3):
            await store.add(whole_session(boot_id=boot, boot_utc_ms=boot * 10_000_000))
        newest = await store.sittings(2)

    assert [row.key.boot_id for row in newest] == [3, 2]


async def test_another_process_reads_while_the_daemon_writes(path: Path) -> None:
    entries = whole_session()
    async with Store(path) as writer, Store(path, read_only=True) as reader:
        assert await reader.sessions() == []
        await writer.add(entries[:10])
        assert len((await only(reader)).records) == 10
        await writer.add(entries)
        assert len(entries) == len((await only(reader)).records)
        with pytest.raises(StoreError, match="may not be written"):
            await reader.add(entries)


async def test_nobody_else_may_read_it(path: Path) -> None:
    old_mask = os.umask(0)
    try:
        async with Store(path) as store:
            await store.add(whole_session())
            modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old_mask)

    assert {0o600} == modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_the_rules_that_hold_the_data_together_are_on(path: Path) -> None:
    async with Store(path) as store:
        await store.add(whole_session())
        async with Store(path):  # a second one finds it as it is
            pass
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert {1} == {
            row[5]
            for row in db.execute("PRAGMA table_list")
            if row[2] == "table" and not row[1].startswith("sqlite_")
        }
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM sessions")
        assert db.execute("SELECT count(*) FROM records").fetchone() == (0,)
    db.close()


def other_program(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE states (x)")
    db.close()


def newer_schema(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()


@pytest.mark.parametrize(
    "make,text",
    [
        (lambda path: path.write_bytes(b"my diary " * 500), "not a database: move it away"),
        (other_program, "another program"),
        (newer_schema, "install the newer Tenuto"),
        (lambda path: path.mkdir(), "cannot be written"),
    ],
    ids=["no database", "another's", "newer", "folder"],
)
async def test_a_file_that_is_not_its_own_is_refused_and_left_alone(
    tmp_path: Path, make: object, text: str
) -> None:
    path = tmp_path / "history.db"
    make(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=text):
        await Store(path).open()

    assert before == (path.read_bytes() if path.is_file() else None)


async def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(path: Path) -> None:
    async with Store(path):
        pass
    with pytest.raises(StoreError, match=r"\[history\] path"):
        await Store(path / "history.db").open()


@contextmanager
def not_as_root() -> Iterator[None]:
    """Be somebody who may not do everything, which root may."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
async def test_a_file_that_may_not_be_written_is_named() -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "history.db"
        async with Store(path):
            path.chmod(0o444)
        os.chmod(name, 0o755)  # noqa: PTH101, S103
        with not_as_root(), pytest.raises(StoreError, match="cannot be written"):
            await Store(path).open()


async def test_reading_where_nothing_was_written_makes_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="no history"):
        await Store(path, read_only=True).open()

    assert not path.parent.exists()


async def fill(store: Store) -> None:
    for boot in range(2, 100):
        await store.add(whole_session(boot_id=boot))


async def test_a_full_disk_is_told_and_the_session_goes_on_when_there_is_room(path: Path) -> None:
    async with Store(path) as store:
        await store.add(whole_session(boot_id=1))
        await store._run(
            lambda: store._db.execute(f"PRAGMA max_page_count = {FULL_DISK_PAGES}").fetchone()
        )
        with pytest.raises(StoreError, match="disk is full: make room"):
            await fill(store)
        kept = len(await store.sessions())
        await store._run(lambda: store._db.execute("PRAGMA max_page_count = 100000").fetchone())
        await store.add(whole_session(boot_id=1000))

        assert kept + 1 == len(await store.sessions())


async def test_a_database_that_is_held_by_another_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenuto.history.store.BUSY_TIMEOUT_S", 0.01)
    async with Store(path) as store:
        with sqlite3.connect(path, isolation_level=None) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="held by another program"):
                await store.add(whole_session())
        db.close()


async def test_a_closed_store_says_so_and_may_be_opened_again(path: Path) -> None:
    store = Store(path)
    with pytest.raises(StoreError, match="not open"):
        await store.sessions()
    await store.close()
    for _ in range(2):
        await store.open()
        await store.open()
        assert await store.sessions() == []
        await store.close()


async def test_in_virtual_time_the_clock_stands_still_while_the_disk_works(path: Path) -> None:
    loop = asyncio.get_running_loop()
    store = Store(path)
    async with SinkQueue(HistorySink(store)) as queue:
        began_s = loop.time()
        for entry in whole_session():
            queue.put(entry)
        await queue.flush(10)
        await store.sessions()

        assert began_s == loop.time()


async def test_how_sure_a_time_is_is_kept_with_it(tmp_path: Path) -> None:
    entries = [replace(entry, uncertainty_ms=7) for entry in whole_session()]
    async with Store(tmp_path / "h.db") as store:
        await store.add([*entries[:3], *whole_session()[3:]])
        session = await store.session(1)

    assert session is not None
    sure = [item.uncertainty_ms for item in session.records]
    assert sure == [7, 7, 7, *[None] * (len(sure) - 3)]


async def test_muscles_that_were_kept_by_another_word_meet_those_of_today(tmp_path: Path) -> None:
    entries = whole_session()
    async with Store(tmp_path / "h.db") as store:
        await store.add(entries)
        plan_id = entries[0].event.plan_id  # type: ignore[attr-defined]
        note = ExerciseNote("Glute Bridge", "strength", ("core", "Abs", "left ear"))
        await store.describe(plan_id, (note,))
        (session,) = await store.between(0, 1 << 60)

    assert session.exercises[0].muscles == ("abdominals", "left ear")
