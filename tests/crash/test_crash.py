# SPDX-License-Identifier: MIT
"""Nothing that was acknowledged is lost, whenever the power or the process goes."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tenuto.control import is_possible
from tenuto.errors import StoreError
from tenuto.history import Store
from tenuto.history.openmhealth import data_points
from tenuto.history.repair import check
from tenuto.history.timeline import account
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tests.crash.kills import (
    cut_the_power,
    fill_the_disk,
    kill_class_writers,
    kill_daemons,
    kill_players,
    kill_writers,
)
from tests.daemon import rig
from tests.daemon.rig import Collector, RecordingMotor, connected, daemon_for, log_of
from tests.history.sessions import eventful_session
from tests.processes import user

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


ROUTINE = "lower-back-short"
DAY_MS = 86_400_000
pytestmark = pytest.mark.slow


@pytest.fixture
def dice() -> random.Random:
    seed = random.randrange(1 << 30)  # of pytest-randomly's seed, which pytest prints
    print(f"dice {seed}")  # noqa: T201 - pytest shows it when it is wanted
    return random.Random(seed)


@pytest.fixture
def folder() -> Iterator[Path]:
    with user() as made:
        yield made


def test_kills(folder: Path, dice: random.Random) -> None:
    kill_writers(folder, 10, dice)


def test_kills_of_what_plays_for_a_device(folder: Path, dice: random.Random) -> None:
    kill_players(folder, 5, dice)


def test_kills_of_what_keeps_a_class(folder: Path, dice: random.Random) -> None:
    kill_class_writers(folder, 3, dice)


def test_power_cuts(folder: Path, dice: random.Random) -> None:
    cut_the_power(folder, 20, dice)


def test_a_full_disk(folder: Path) -> None:
    fill_the_disk(folder)


@pytest.mark.skipif(not is_possible(), reason="no such sockets here")
def test_a_daemon_that_is_killed_while_a_band_plays(folder: Path, dice: random.Random) -> None:
    assert kill_daemons(folder, 2, dice) >= 1


async def test_a_history_that_may_not_be_written_for_a_while(tmp_path: Path) -> None:
    entries = eventful_session()
    async with Store(tmp_path / "h.db") as store:
        await store.add(entries[:20])
        await store.work(lambda db: db.execute("PRAGMA query_only = ON"))
        with pytest.raises(StoreError, match="may not be written"):
            await store.add(entries[20:])
        await store.work(lambda db: db.execute("PRAGMA query_only = OFF"))
        await store.add(entries[20:])
        stored = await store.session(1)
        assert stored is not None
        records = [entry.record for entry in entries if entry.record is not None]
        assert [item.record for item in stored.records] == records


async def test_a_daemon_that_comes_back_with_its_clock_a_day_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is one, whole and as long as it was; only its own clock says how long."""
    path = tmp_path / "h.db"

    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(path, {"band": InProcessLink(band)}) as (daemon, _):
        await connected(daemon)
        await daemon.submit(Command(wearable="band", verb=Verb.START, routine=ROUTINE))
        await asyncio.sleep(40)
    monkeypatch.setattr(rig, "UTC_MS", rig.UTC_MS - DAY_MS)
    await asyncio.sleep(20)
    async with daemon_for(path, {"band": InProcessLink(band)}, seen) as (daemon, store):
        await seen.ended()
        await asyncio.sleep(1)
        assert (await check(store)).is_sound
        (row,) = await store.sessions()
        session = await store.session(row.id)
        assert session is not None
        assert [item.record for item in session.records] == [
            record for record in log_of(band) if record.seq >= row.key.seq
        ]

    told = account(session)
    assert session.row.reason == "finished"
    assert told.duration_ms == Library().plan(ROUTINE).plan.duration_ms
    assert session.row.ended_utc_ms is not None
    assert session.row.ended_utc_ms < session.row.started_utc_ms
    for point in data_points(told):
        interval = point["body"]["effective_time_frame"].get("time_interval")
        assert interval is None or interval["start_date_time"] < interval["end_date_time"]


async def test_a_history_is_synced_before_it_says_that_it_has_something(tmp_path: Path) -> None:
    """The power cuts above stand on it: what was acknowledged is on the disk itself."""
    async with Store(tmp_path / "h.db") as store:

        def settings(db: sqlite3.Connection) -> tuple[str, int]:
            (mode,) = db.execute("PRAGMA journal_mode").fetchone()
            (sync,) = db.execute("PRAGMA synchronous").fetchone()
            return mode, sync

        assert await store.work(settings) == ("wal", 2)
