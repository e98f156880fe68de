# SPDX-License-Identifier: MIT
"""The real firmware on a simulated board, and hosts with and without manners around it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.links.serial import SerialLink
from tenuto.routines.library import Library
from tenuto.sessions.commands import Verb
from tenuto.shipped import shipped
from tenuto.simulator import VirtualPerson, World
from tenuto.simulator.hardware import pulses
from tenuto.state.keys import BandKeys, KeyStore
from tenuto.wearables.band import BandDriver
from tenuto.wearables.base import Identity
from tenuto.wearables.gestures import make_gesture
from tests.daemon.rig import utc_ms
from tests.simulator.rig import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from bleak import BleakClient

    from tenuto.links.radios.bumble import BumbleAdapter
    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.events import Record
    from tenuto.simulator import SimulatedWearable
    from tenuto.simulator.costs import Costs
    from tenuto_core.band import Band

FIRMWARE = shipped("firmware")
HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"
LOCATION = "00002a38-0000-1000-8000-00805f9b34fb"
ALERT = "00002a06-0000-1000-8000-00805f9b34fb"
LIBRARY = Library()


def plan(name: str = "lower-back-short") -> CompiledPlan:
    return LIBRARY.plan(name)


class Room:
    """A world with one band whose wearer does nothing unasked."""

    def __init__(self, world: World, worn: SimulatedWearable, radio: BumbleAdapter) -> None:
        self.world = world
        self.worn = worn
        self.radio = radio
        self.adapter = BleAdapter(radio_of(radio), name="host")
        self.keys = KeyStore(None)

    @property
    def band(self) -> Band:
        band: Band = self.worn.app.band
        return band

    @property
    def blocked(self) -> list[tuple[str, float]]:
        return list(self.worn.board.bleio.adapter.blocking_calls)

    def host(self, **options: Any) -> BandDriver:
        """The band's own host, with the key that it was given so far."""
        given: dict[str, Any] = {"keys": self.keys.of("band"), "utc_ms": utc_ms}
        return BandDriver(BleLink(self.adapter, self.worn.address), **given | options)

    def cabled(self, **options: Any) -> BandDriver:
        """A host that has a cable to it."""
        return BandDriver(SerialLink("cable", self.worn.cable.open), by_cable=True, **options)

    @property
    def key(self) -> bytes | None:
        """The key that this room's host has of the band."""
        return key_in(self.keys, self.worn)

    async def stranger(self) -> BleakClient:
        """Somebody with another radio, connected and no more."""
        radio = await self.world.adapter(f"stranger {len(self.world._adapters)}")
        client = client_of(radio, self.worn)
        await client.connect()
        return client

    def gesture(self) -> None:
        """Press, press, hold."""
        make_gesture(self.worn.button, "pair")

    def click(self, times: int = 1, every_ms: int = 150) -> None:
        for number in range(times):
            self.worn.button.press(60, after_ms=number * every_ms)

    async def pair(self) -> BandDriver:
        """Let this room's host in, as a wearer does."""
        self.gesture()
        await asyncio.sleep(3)
        host = self.host()
        await host.connect(lambda: None)
        assert self.key is not None
        return host

    async def pair_by_cable(self, keys: BandKeys | None = None, *, only: bool = False) -> None:
        """Give the band a key by cable, from this room's host or from another."""
        host = self.cabled(keys=self.keys.of("band") if keys is None else keys, by_hand=True)
        await host.connect(lambda: None)
        await host.provision()
        if only:
            await host.forget_others()
        await host.disconnect()

    def pulses(self, since: int = 0) -> list[tuple[int, int]]:
        """What was felt from edge number `since` on: (strength, ms) each."""
        felt = pulses(self.worn.motor.edges[since:])
        return [(pulse.strength_pct, round(pulse.length_ms)) for pulse in felt]

    def kinds(self) -> list[int]:
        log = self.band.log
        return [log.read(n, 1)[4] for n in range(log.first, log.next)]


def key_in(keys: KeyStore, worn: SimulatedWearable) -> bytes | None:
    """The key of a band that a host tries first."""
    band = Identity("any", 0, 0, serial=worn.app.band.serial.decode())
    return next(iter(keys.of().held(band)), None)


def keys_with(key: bytes, name: str = "band") -> BandKeys:
    """What a host has that got a key from anywhere."""
    keys = KeyStore(None).of(name)
    keys.offer(Identity("any", 0, 0), key, by_cable=False)
    return keys


@asynccontextmanager
async def room(
    *,
    flavour: str = "nrf52840",
    person: VirtualPerson | None = None,
    firmware: Path = FIRMWARE,
    costs: Costs | None = None,
    **world: Any,
) -> AsyncIterator[Room]:
    async with World(**world) as air:
        worn = await air.add_wearable(
            "band",
            firmware_dir=firmware,
            flavour=flavour,
            person=person,
            lets_in=False,
            costs=costs,
        )
        yield Room(air, worn, await air.adapter())


async def follow(host: BandDriver) -> list[Record]:
    """Have the log from its beginning on."""
    records: list[Record] = []

    def take(fresh: Any) -> bool:
        records.extend(fresh)
        return True

    await host.follow(0, take, lambda _first, _end: None)
    return records


async def start(host: BandDriver, compiled: CompiledPlan) -> None:
    await host.upload(compiled.plan_id, compiled.data)
    await host.command(Verb.START, compiled.plan_id)


async def until(happened: Callable[[], Any], timeout_s: float = 600, every_s: float = 0.25) -> None:
    async with asyncio.timeout(timeout_s):
        while not happened():  # noqa: ASYNC110 - a firmware has no events to wait for
            await asyncio.sleep(every_s)
