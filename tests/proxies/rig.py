# SPDX-License-Identifier: MIT
"""A house with simulated ESPHome proxies and bands, and a daemon that is connected through them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, cast

from tenuto.errors import LinkError
from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.esphome import Endpoint
from tenuto.shipped import shipped
from tenuto.simulator import VirtualPerson, World
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tenuto.wearables.link_slots import LaneSlot
from tests.daemon.rig import Collector, daemon_for, utc_ms

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from tenuto.daemon.commands import Commands
    from tenuto.history import Store
    from tenuto.links.radios.esphome_radio import ProxyRadio
    from tenuto.simulator import SimulatedWearable
    from tenuto.simulator.proxy import SimulatedProxy


def proxies_of(
    world: World, names: Sequence[str] | None = None, keys: Mapping[str, str] | None = None
) -> BleAdapter:
    """Return the adapter that stands on proxies of a world, reached within this process."""
    from tenuto.links.radios.esphome_radio import ProxyRadio

    async def dial(endpoint: Endpoint) -> socket.socket:
        return await world.proxies[endpoint.host].dial()

    async def open_radio() -> Any:
        wanted = list(world.proxies) if names is None else names
        return await ProxyRadio.open(
            {Endpoint(name): (keys or {}).get(name) for name in wanted}, dial
        )

    return BleAdapter(open_radio, name="esphome")


async def radio_of_proxies(adapter: BleAdapter) -> ProxyRadio:
    """Return what is behind an adapter of proxies."""
    return cast("ProxyRadio", (await adapter.radio()).lanes)


class ProxyHouse:
    """What `house` gives."""

    def __init__(
        self, world: World, daemon: Commands, store: Store, seen: Collector, adapter: BleAdapter
    ) -> None:
        self.world = world
        self.daemon = daemon
        self.store = store
        self.seen = seen
        self.adapter = adapter

    @property
    def bands(self) -> Mapping[str, SimulatedWearable]:
        return self.world.wearables

    @property
    def proxies(self) -> Mapping[str, SimulatedProxy]:
        return self.world.proxies


async def _let_in(driver: BandDriver) -> None:
    """Have a band know this host, as its wearer does before it is one of many."""
    async with asyncio.timeout(60):
        while True:
            try:
                await driver.connect(lambda: None)
            except LinkError:
                await asyncio.sleep(1)
            else:
                await driver.disconnect()
                return


@asynccontextmanager
async def house(
    path: Path,
    *,
    rooms: int = 2,
    bands: int = 1,
    slots: int = 3,
    seed: int = 0,
    place: float = 0.0,
    **world: Any,
) -> AsyncIterator[ProxyHouse]:
    """`rooms` proxies, and `bands` wearables in one place, kept by one daemon through them."""
    keys, drivers = KeyStore(None), dict[str, BandDriver]()
    lanes = dict[str, LaneSlot]()
    async with World(seed=seed, **world) as air, AsyncExitStack() as stack:
        for number in range(rooms):
            await air.add_proxy(f"room-{'abcdefgh'[number]}", number, slots=slots)
        adapter = proxies_of(air)
        stack.push_async_callback(adapter.close)
        for number in range(1, bands + 1):
            band = await air.add_wearable(
                f"band-{number}",
                firmware_dir=shipped("firmware"),
                person=VirtualPerson(seed=seed + number),
            )
            air.house.put(band.address, place)
            link = BleLink(adapter, band.address)
            drivers[band.id] = BandDriver(link, keys=keys.of(band.id), utc_ms=utc_ms)
            lanes[band.id] = LaneSlot(adapter, band.address)
        for driver in drivers.values() if bands > rooms * slots else ():
            await _let_in(driver)
        seen = Collector()
        daemon, store = await stack.enter_async_context(
            daemon_for(path, drivers, seen, seed=seed, slots=lanes)
        )
        yield ProxyHouse(air, daemon, store, seen, adapter)
