# SPDX-License-Identifier: MIT
"""Nothing that was acknowledged is lost, whenever the power or the process goes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tenuto.control import is_possible
from tenuto.errors import StoreError
from tenuto.history import Store
from tests.control.rig import user
from tests.crash.kills import cut_the_power, fill_the_disk, kill_daemons, kill_writers
from tests.history.sessions import eventful_session

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

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


async def test_a_history_is_synced_before_it_says_that_it_has_something(tmp_path: Path) -> None:
    """The power cuts above stand on it: what was acknowledged is on the disk itself."""
    async with Store(tmp_path / "h.db") as store:

        def settings(db: sqlite3.Connection) -> tuple[str, int]:
            (mode,) = db.execute("PRAGMA journal_mode").fetchone()
            (sync,) = db.execute("PRAGMA synchronous").fetchone()
            return mode, sync

        assert await store.work(settings) == ("wal", 2)
