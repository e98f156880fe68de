# SPDX-License-Identifier: MIT
"""The outbox: what the broker has not acknowledged yet, kept beside the history."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.history import Store, Waiting
from tenuto.history.store import APPLICATION_ID

if TYPE_CHECKING:
    import pytest


def message(number: int) -> Waiting:
    return Waiting(number, 1_000 + number, "tenuto/wrist/event", b"{%d}" % number)


async def test_the_outbox_keeps_messages_in_order_until_they_are_removed(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        assert await store.outbox_last() == 0
        assert await store.outbox_add([message(1), message(2), message(3)]) == 0
        await store.outbox_add([message(2)])  # one that is there already
        await store.outbox_remove([2])
    async with Store(tmp_path / "h.db") as store:
        assert await store.outbox_last() == 3
        assert await store.outbox_after(0, 10) == [message(1), message(3)]
        assert await store.outbox_after(1, 10) == [message(3)]
        assert await store.outbox_after(0, 1) == [message(1)]


async def test_a_full_outbox_lets_the_oldest_go_and_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenuto.history.store.OUTBOX_MAX", 3)
    async with Store(tmp_path / "h.db") as store:
        dropped = await store.outbox_add([message(number) for number in range(1, 6)])

        assert dropped == 2
        assert [item.id for item in await store.outbox_after(0, 10)] == [3, 4, 5]


async def test_it_is_how_many_wait_that_counts_not_how_far_apart_their_ids_are(
    tmp_path: Path,
) -> None:
    async with Store(tmp_path / "h.db") as store:
        hours = [message(number * 3_600_000_000) for number in range(1, 25)]
        for hour in hours:
            assert await store.outbox_add([hour]) == 0

        assert await store.outbox_after(0, 100) == hours


async def test_a_history_of_version_1_is_brought_up_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(Path(__file__).with_name("schema_v1.sql").read_text(encoding="utf-8"))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        db.execute(
            "INSERT INTO sessions (wearable, boot_id, seq, started_utc_ms)"
            " VALUES ('wrist', 1, 2, 3)"
        )
        db.commit()
    async with Store(path) as store:
        assert [row.key.wearable for row in await store.sessions()] == ["wrist"]
        await store.outbox_add([message(1)])
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(tmp_path / "n.db")) as new:
        async with Store(tmp_path / "n.db"):
            pass
        tables = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        assert old.execute(tables).fetchall() == new.execute(tables).fetchall()
