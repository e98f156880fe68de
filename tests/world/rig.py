# SPDX-License-Identifier: MIT
"""A room: simulated wearables with the real firmware, and a daemon that keeps them over the air."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.shipped import shipped
from tenuto.simulator import VirtualPerson, World
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tests.daemon.rig import Collector, daemon_for, utc_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tenuto.daemon.commands import Commands
    from tenuto.history import Store
    from tenuto.simulator import SimulatedWearable


class Room:
    """What `room` gives."""

    def __init__(self, world: World, daemon: Commands, store: Store, seen: Collector) -> None:
        self.world = world
        self.daemon = daemon
        self.store = store
        self.seen = seen

    @property
    def bands(self) -> Mapping[str, SimulatedWearable]:
        return self.world.wearables


@asynccontextmanager
async def room(
    path: Path,
    *,
    count: int = 1,
    seed: int = 0,
    drift_ppm: float = 0.0,
    calm: bool = True,
    worn: bool = True,
    **world: Any,
) -> AsyncIterator[Room]:
    """`count` wearables named `band-1` and so on, in reach of one daemon."""
    keys, drivers = KeyStore(None), dict[str, BandDriver]()
    async with World(seed=seed, **world) as air, AsyncExitStack() as stack:
        adapter = BleAdapter(radio_of(await air.adapter()), name="simulated")
        stack.push_async_callback(adapter.close)
        for number in range(1, count + 1):
            person = VirtualPerson(seed=seed + number, start_bpm=None if calm else 128.0)
            band = await air.add_wearable(
                f"band-{number}",
                firmware_dir=shipped("firmware"),
                person=person if worn else None,
                drift_ppm=drift_ppm,
            )
            link = BleLink(adapter, band.address)
            drivers[band.id] = BandDriver(link, keys=keys.of(band.id), utc_ms=utc_ms)
        seen = Collector()
        daemon, store = await stack.enter_async_context(daemon_for(path, drivers, seen, seed=seed))
        yield Room(air, daemon, store, seen)
