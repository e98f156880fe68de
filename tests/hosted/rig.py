# SPDX-License-Identifier: MIT
"""A room with one device that can only buzz, and a daemon that plays for it."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.config import Wearable
from tenuto.history import replay
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.routines.library import Library
from tenuto.routines.routine import parse
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import Unfelt
from tenuto.simulator import World
from tenuto.state.keys import KeyStore
from tenuto.wearables import registry
from tenuto.wearables.hosted import HostedDriver
from tenuto.wearables.model import BuildContext
from tests.daemon.rig import Collector, connected, daemon_for, utc_ms
from tests.sample_routines import SHORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tenuto.daemon.commands import Commands
    from tenuto.history import Store
    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.events import Event
    from tenuto.simulator.peripheral import SimulatedPeripheral

ROUTINE = parse(SHORT, "short.toml")
NAME = "tag"


@dataclass
class HostedRoom:
    """What `hosted_room` gives."""

    world: World
    device: Any
    driver: HostedDriver
    daemon: Commands
    store: Store
    seen: Collector
    plan: CompiledPlan

    async def start(self) -> None:
        """Begin the short routine as the device feels it."""
        await connected(self.daemon, NAME)
        await self.daemon.supervisors[NAME].start(self.plan)

    async def ask(self, verb: Verb) -> Any:
        return await self.daemon.submit(Command(wearable=NAME, verb=verb))

    async def state(self) -> str:
        return (await self.driver.status()).state

    async def lost(self) -> None:
        """Break the link."""
        self.world.radio.drop(self.device.address)
        await asyncio.sleep(0.5)

    def events(self, *kinds: type[Event]) -> list[Event]:
        """Return what was seen so far of some kinds, in order."""
        return [entry.event for entry in self.seen.entries if isinstance(entry.event, kinds)]

    async def told(self) -> list[Event]:
        """Return all events of the newest session in the history."""
        await asyncio.sleep(2)
        rows = await self.store.sessions()
        stored = await self.store.session(max(rows, key=lambda row: row.id).id)
        assert stored is not None
        return [event for event, _ in replay(stored)]


def wearable_of(model_id: str, **more: Any) -> Wearable:
    return Wearable(id=NAME, model=model_id, link="simulated", **more)


@asynccontextmanager
async def hosted_room(
    path: Path,
    model_id: str = "alert",
    *,
    keeps: bool = False,
    options: Any = None,
    **world: Any,
) -> AsyncIterator[HostedRoom]:
    """The room.

    Args:
        path: Of the history; the player's files are beside it.
        model_id: Which device.
        keeps: Whether plans and journal are on disk, as with a real device.
        options: The model's own part of the configuration.
        world: See `World`.
    """
    model = registry.find(model_id)
    assert model.simulate is not None
    wearable = wearable_of(model_id, options=options)
    async with World(**{"seed": 1} | world) as air:
        device: SimulatedPeripheral = await model.simulate(air, NAME, None)  # type: ignore[assignment]
        adapter = BleAdapter(radio_of(await air.adapter()), name="simulated")

        async def located(_: str) -> tuple[BleAdapter, str]:
            return adapter, device.address

        if keeps:
            wearable = Wearable(
                id=NAME, model=model_id, link="ble", address=device.address, options=options
            )
        context = BuildContext(
            adapter=lambda _: adapter,
            simulated=located,
            keys=KeyStore(None),
            utc_ms=utc_ms,
            rng=random.Random(1),
            folder=path.parent,
        )
        driver = await registry.build_driver(wearable, context)
        assert isinstance(driver, HostedDriver)
        seen = Collector()
        plan = Library().compile(ROUTINE, feel=registry.feel(wearable))
        async with daemon_for(path, {NAME: driver}, seen) as (daemon, store):
            yield HostedRoom(air, device, driver, daemon, store, seen, plan)
        await adapter.close()


def unfelt_in(told: list[Event]) -> int:
    return sum(isinstance(event, Unfelt) for event in told)
