# SPDX-License-Identifier: MIT
"""An upload over the air that is cut at every single packet: the old plan or the new one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto.simulator.radio import Happening, RadioEvent
from tests.daemon.rig import connected
from tests.world.rig import Room, room

if TYPE_CHECKING:
    from pathlib import Path

NAME = "band-1"
ROUTINES = ("lower-back", "lower-back-short")


class Cut:
    """Breaks the link once the packet number `at` from now on has gone through; 0 for never."""

    def __init__(self, it: Room, at: int) -> None:
        self._it = it
        self._at = at
        self.count = 0
        it.world.radio.on_event = self

    def __call__(self, event: RadioEvent) -> None:
        if event.what is not Happening.DATA:
            return
        self.count += 1
        if self.count == self._at:
            address = self._it.bands[NAME].address
            asyncio.get_running_loop().call_soon(self._it.world.radio.drop, address)

    def stop(self) -> int:
        self._it.world.radio.on_event = None
        return self.count


async def start(it: Room, routine: str) -> bool:
    """Ask for it once; whether it begins or has begun."""
    answer = await it.daemon.submit(Command(wearable=NAME, verb=Verb.START, routine=routine))
    assert answer.ok or answer.reason in ("unreachable", "already_playing"), answer
    return answer.ok or answer.reason == "already_playing"


async def start_in_the_end(it: Room, routine: str) -> None:
    async with asyncio.timeout(300):
        await connected(it.daemon, NAME)
        while not await start(it, routine):
            await asyncio.sleep(0.5)
            await connected(it.daemon, NAME)


async def stop(it: Room) -> None:
    async with asyncio.timeout(300):
        while it.bands[NAME].app.band.is_playing:
            await connected(it.daemon, NAME)
            await it.daemon.submit(Command(wearable=NAME, verb=Verb.STOP))
            await asyncio.sleep(0.5)


@pytest.mark.slow
async def test_cut_at_every_packet_it_has_the_old_plan_or_the_new_and_begins_later(
    tmp_path: Path,
) -> None:
    plans = {name: Library().plan(name) for name in ROUTINES}

    async with room(tmp_path / "h.db", worn=False) as it:
        player = it.bands[NAME].app.band.player
        await start_in_the_end(it, ROUTINES[0])
        await stop(it)
        number = packets = 0
        while number <= packets:
            wanted = ROUTINES[(number + 1) % 2]
            cut = Cut(it, number)
            await start(it, wanted)
            await asyncio.sleep(1)
            packets = max(packets, cut.stop()) if number == 0 else packets
            held = plans[player.plan.name]
            assert bytes(player.plan.data) == held.data
            assert player.plan_id == held.plan_id
            await start_in_the_end(it, wanted)
            assert player.plan.name == wanted
            assert it.bands[NAME].app.band.is_playing
            await stop(it)
            number += 1
        assert packets >= 12, "an upload takes more"
        sessions = await it.store.sessions()
        assert {row.reason for row in sessions} == {"stopped"}
        assert len(sessions) <= packets + 2 + packets, "it began more often than asked"
