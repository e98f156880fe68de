# SPDX-License-Identifier: MIT
"""How often a host speaks to the central history, in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.fleet import forwarder
from tenuto.fleet.inbox import lags
from tenuto.fleet.postgres import CentralHistory, PostgresDatabase
from tests.fleet.test_one_history import room
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_host_with_nothing_new_looks_and_is_heard_of_once_a_minute(
    central: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    execute = PostgresDatabase.execute

    def note(db: PostgresDatabase, sql: str, values: tuple[object, ...] = ()) -> object:
        asked.append(sql)
        return execute(db, sql, values)

    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        await a.forwarder.forward()
        monkeypatch.setattr(PostgresDatabase, "execute", note)
        await asyncio.sleep(forwarder.EVERY_S)
        await a.forwarder.forward()
        assert len(asked) == 2, f"what was deleted and what was prescribed: {asked}"

        (before,) = await history.work(lags)
        await asyncio.sleep(forwarder.SAY_EVERY_S)
        await a.forwarder.forward()
        (after,) = await history.work(lags)
        assert before.heard_at is not None
        assert after.heard_at is not None
        assert after.heard_at > before.heard_at

        await a.store.add(whole_session())
        await a.store.forwarding.note_all()
        await a.forwarder.forward()
        (last,) = await history.work(lags)
        assert (last.waiting, last.unjoined) == (0, 1)
