# SPDX-License-Identifier: MIT
"""A history that something has happened to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tenuto.history import Store, replay
from tenuto.history.repair import check, rebuild, salvage
from tenuto.sessions.events import Entry, SessionEnded
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.history import SessionRow

DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


async def fill(path: Path, sessions: int = 3) -> list[SessionRow]:
    """Keep some sessions; gives their rows."""
    async with Store(path) as store:
        for boot in range(1, sessions + 1):
            await store.add(whole_session(boot_id=boot, boot_utc_ms=boot * DAY_MS))
        return await store.sessions()


def damage(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(statement, values)


async def test_a_sound_history_is_sound_also_beside_a_daemon(path: Path) -> None:
    await fill(path)
    async with Store(path) as daemon, Store(path, read_only=True) as store:
        await daemon.add(whole_session(boot_id=9)[:12])

        assert (await check(store)).is_sound


async def test_a_session_that_only_the_host_ended_is_sound(path: Path) -> None:
    entries = whole_session()[:9]
    ended = SessionEnded(t_ms=5_000, reason="failed", source="host")
    async with Store(path) as store:
        await store.add(
            [*entries, Entry(entries[0].session, "wrist", None, ended, entries[-1].utc_ms)]
        )

        assert (await check(store)).is_sound


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET reason = 'stopped', source = 'host'",
        "UPDATE sessions SET ended_utc_ms = NULL, reason = NULL, source = NULL WHERE id = 2",
        "UPDATE sessions SET started_utc_ms = 5, plan_id = NULL",
        "DELETE FROM sessions WHERE id = 2",
        "UPDATE records SET session_id = 77 WHERE seq % 3",
    ],
)
async def test_rows_that_are_wrong_or_gone_are_made_anew_from_the_records(
    path: Path, statement: str
) -> None:
    before = await fill(path)
    async with Store(path) as store:
        events = [replay(s) for s in await store.between(0, 1 << 60)]
    damage(path, statement)
    async with Store(path) as store:
        assert not (await check(store)).is_sound
        await rebuild(store)

        assert (await check(store)).is_sound
        after = await store.sessions()
        assert [(r.key, r.started_utc_ms, r.ended_utc_ms, r.reason, r.plan_id) for r in before] == [
            (r.key, r.started_utc_ms, r.ended_utc_ms, r.reason, r.plan_id) for r in after
        ]
        assert events == [replay(s) for s in await store.between(0, 1 << 60)]


async def test_a_damaged_plan_is_taken_out(path: Path) -> None:
    await fill(path)
    damage(path, "UPDATE plans SET data = zeroblob(200)")
    async with Store(path) as store:
        assert "is damaged" in (await check(store)).faults[0]
        await rebuild(store)

        assert (await check(store)).is_sound
        assert len(await store.sessions()) == 3


def break_pages(path: Path) -> None:
    """Overwrite a stretch in the middle, as a failing disk or a bad cable does."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xa5" * 6_000)


async def test_what_can_be_read_of_a_damaged_file_is_saved(path: Path) -> None:
    before = await fill(path, sessions=20)
    break_pages(path)
    async with Store(path, read_only=True) as store:
        found = await check(store)
    assert found.damage

    kept, saved = await salvage(path)
    assert kept.is_file()
    assert saved["records"] > 0
    async with Store(path) as store:
        assert (await check(store)).is_sound
        after = {row.key for row in await store.sessions()}
    assert len(after) >= 10
    assert after <= {row.key for row in before}
    assert sorted(file.name for file in path.parent.glob("salvage-*")) == []


async def test_the_damaged_file_is_never_overwritten(path: Path) -> None:
    await fill(path, sessions=20)
    break_pages(path)
    first, _ = await salvage(path)
    break_pages(path)
    second, _ = await salvage(path)

    assert first != second
    assert first.is_file()


async def test_bytes_that_are_no_database_give_an_empty_history(path: Path) -> None:
    path.write_bytes(b"my diary " * 500)  # noqa: ASYNC240 - nobody waits
    kept, saved = await salvage(path)

    assert set(saved.values()) == {0}
    assert kept.read_bytes() == b"my diary " * 500
