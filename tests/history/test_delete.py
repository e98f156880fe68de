# SPDX-License-Identifier: MIT
"""A deleted session is gone: from the lists, from the bytes of the file, and for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.errors import StoreError
from tenuto.history import ExerciseNote, Store, Waiting, replay
from tenuto.history.repair import check
from tests.history.sessions import UTC_MS, bytes_on_disk, whole_session

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "history.db"


async def test_nothing_of_it_is_left_on_the_disk(path: Path) -> None:
    secret = whole_session(wearable="secretband", person="secretperson")
    async with Store(path) as store:
        await store.add(whole_session(boot_id=1))
        await store.add(secret)
        await store.describe(
            "0123456789abcdef", [ExerciseNote("secretexercise", "stretch", ("secretmuscle",))]
        )
        await store.outbox.add([Waiting(1, UTC_MS + 5_000, "tenuto/secretband/event", b"secret")])
        assert b"secretperson" in bytes_on_disk(path)

        assert await store.delete(2)
        assert await store.session(2) is None
        assert len(await store.sessions()) == 1
        for word in (b"secretperson", b"secretexercise", b"secretmuscle"):
            assert word not in bytes_on_disk(path)
        assert await store.outbox.after(0, 10) == []
        assert (await check(store)).is_sound
        assert not await store.delete(2)
        assert not await store.delete(99)


async def test_the_wearable_cannot_bring_it_back(path: Path) -> None:
    entries = whole_session()
    async with Store(path) as store:
        await store.add(entries)
        await store.delete(1)
        await store.add(entries)

        assert await store.sessions() == []
        assert await store.last_seq("name:wrist", entries[0].session.boot_id) == len(entries) - 1


async def test_the_rest_stays_as_it_was(path: Path) -> None:
    async with Store(path) as store:
        for boot in (1, 2, 3):
            await store.add(whole_session(boot_id=boot, boot_utc_ms=boot * DAY_MS))
        before = {s.row.id: replay(s) for s in await store.between(0, 1 << 60)}
        await store.delete(2)
        after = {s.row.id: replay(s) for s in await store.between(0, 1 << 60)}

        assert after == {number: before[number] for number in (1, 3)}
        await store.add(whole_session(boot_id=4))
        assert (await store.sessions())[0].id == 4


async def test_the_last_session_takes_its_plan_along(path: Path) -> None:
    async with Store(path) as store:
        await store.add(whole_session())
        (row,) = await store.sessions()
        assert row.plan_id is not None
        await store.delete(row.id)

        assert await store.plan(row.plan_id) is None


async def test_a_reader_in_the_way_is_named_and_a_second_call_finishes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenuto.history.store.BUSY_TIMEOUT_S", 0.01)
    async with Store(path) as store, Store(path, read_only=True) as reader:
        await store.add(whole_session(person="secretperson"))
        await reader.work(lambda db: db.execute("BEGIN").close())
        await reader.sessions()
        with pytest.raises(StoreError, match="traces of it are left"):
            await store.delete(1)
        await reader.work(lambda db: db.execute("COMMIT").close())
        assert not await store.delete(1)

        assert b"secretperson" not in bytes_on_disk(path)
