# SPDX-License-Identifier: MIT
"""A band that goes from one host to another while it plays, over the air, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from tenuto.fleet.postgres import CentralHistory
from tenuto.links.ble import BleAdapter, BleLink
from tenuto.links.radios.adapters import radio_of
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import SessionEnded
from tenuto.shipped import shipped
from tenuto.simulator import VirtualPerson, World
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tenuto_core.log import unpack_record
from tests.daemon.rig import Collector, connected, daemon_for, utc_ms
from tests.fleet.test_one_history import join_all, kept, room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tenuto.daemon.commands import Commands
    from tenuto.simulator import SimulatedWearable

SHARED = b"k" * 16


@asynccontextmanager
async def host(
    world: World, band: SimulatedWearable, path: Path
) -> AsyncIterator[tuple[Commands, Collector]]:
    """A host with a radio of its own, which has the key of the fleet."""
    async with AsyncExitStack() as stack:
        adapter = BleAdapter(radio_of(await world.adapter(f"radio of {path.stem}")), name=path.stem)
        stack.push_async_callback(adapter.close)
        keys = KeyStore(None, SHARED).of("band")
        driver = BandDriver(BleLink(adapter, band.address), keys=keys, utc_ms=utc_ms)
        seen = Collector()
        daemon, _ = await stack.enter_async_context(daemon_for(path, {"band": driver}, seen))
        yield daemon, seen


async def test_a_session_that_two_hosts_follow_is_one_with_the_log_of_the_band(
    central: str, tmp_path: Path
) -> None:
    async with World(seed=3) as world:
        band = await world.add_wearable(
            "band", firmware_dir=shipped("firmware"), person=VirtualPerson(seed=3, start_bpm=None)
        )
        async with host(world, band, tmp_path / "a.db") as (daemon, _):
            await connected(daemon)
            await daemon.submit(Command(wearable="band", verb=Verb.START))
            await asyncio.sleep(60)
        await asyncio.sleep(20)  # out of reach of both
        async with host(world, band, tmp_path / "b.db") as (daemon, seen):
            await seen.until(lambda entry: isinstance(entry.event, SessionEnded))
            await asyncio.sleep(5)
        log = band.app.band.log
        logged = [
            (number, *unpack_record(log.read(number, 1))) for number in range(log.first, log.next)
        ]

    async with CentralHistory(central) as history:
        for name in ("b", "a"):
            async with room(tmp_path, central, name) as one:
                assert len(await one.store.sessions()) == 1
                assert await one.store.forwarding.note_all() == 1
                await one.forwarder.forward()
        assert await join_all(history) == 0
        (row,) = await history.sessions()
        told = kept(await history.session(row.id))

    assert row.reason == "finished"
    assert told == [one for one in logged if told[0][0] <= one[0] <= told[-1][0]]
    assert len(told) > 40
