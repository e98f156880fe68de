# SPDX-License-Identifier: MIT
"""A band through simulated ESPHome proxies: heard, reached, and followed from room to room."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.sessions.commands import Command, Verb
from tests.daemon.rig import connected
from tests.proxies.rig import house
from tests.storm.rooms import records_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.proxies.rig import ProxyHouse

NAME = "band-1"


async def start(it: ProxyHouse, name: str = NAME) -> None:
    await connected(it.daemon, name)
    answer = await it.daemon.submit(Command(wearable=name, verb=Verb.START))
    assert answer.ok, answer


async def check_history(it: ProxyHouse, name: str = NAME) -> None:
    """Each record of the session is in the history, once."""
    await asyncio.sleep(5)  # it writes several at once
    (row,) = [row for row in await it.store.sessions() if row.wearable == name]
    assert row.reason == "finished"
    stored = await it.store.session(row.id)
    assert stored is not None
    logged = [one for one in records_of(it.bands[name].app.band.log) if one.seq >= row.key.seq]
    assert [one.record for one in stored.records] == logged


async def test_a_walk_in_mid_hold_costs_no_cue_and_no_record(tmp_path: Path) -> None:
    async with house(tmp_path / "h.db") as it:
        await start(it)
        assert (it.proxies["room-a"].links, it.proxies["room-b"].links) == (1, 0)
        await asyncio.sleep(20)
        await it.world.house.walk(it.bands[NAME].address, 1, 10)
        await it.seen.ended()
        assert (it.proxies["room-a"].links, it.proxies["room-b"].links) == (0, 1)
        names = [entry.event.name for entry in it.seen.entries]
        assert names.count("link_lost") == names.count("link_restored") == 1
        await check_history(it)
