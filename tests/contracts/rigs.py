# SPDX-License-Identifier: MIT
"""The rigs of the driver contract suite: a model's driver, and the world around its device.

A model that can be simulated needs no more than its row: `simulated` makes its rig. Those that a
model has besides are in `RIGS`.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.config import Wearable
from tenuto.errors import LinkError
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.bonding import pair
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.links.radios.adapters import radio_of
from tenuto.links.serial import SerialLink
from tenuto.routines.adjust import AS_WRITTEN, Adjustment
from tenuto.routines.library import Library
from tenuto.routines.routine import parse
from tenuto.shipped import shipped
from tenuto.simulator import SimulatedWearable, World
from tenuto.simulator.intiface import SimulatedIntiface
from tenuto.simulator.peripheral import SimulatedPeripheral
from tenuto.state.keys import KeyStore
from tenuto.wearables import registry
from tenuto.wearables.band import BandDriver
from tenuto.wearables.hosted import HostedDriver
from tenuto.wearables.intiface import IntifaceBuzzer
from tenuto.wearables.model import BuildContext, Capability, Model
from tests.conftest import needs_module
from tests.daemon.rig import RecordingMotor, utc_ms
from tests.sample_routines import SHORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from tenuto.routines.compile import CompiledPlan
    from tenuto.wearables.base import Driver


ROUTINE = parse(SHORT, "short.toml")
AWAY_S = 25.0
NOTICED_S = 6.0
"""Longer than a link lasts on which nothing is heard."""
LET_IN_S = 60.0
PAIRED_S = 3.0
"""A band that lets a host in says so by its motor."""


@dataclass
class Rig:
    """A driver with what it takes to see what its device does.

    Attributes:
        model: whose driver it is.
        wearable: as it is configured.
        driver: not connected yet.
        edges: returns what the motor did so far, as (s, strength in %; 0 is off).
        lose: breaks the link, as the world does.
        take_away, bring_back: puts the device out of reach, for a number of s where it is by radio,
            and in reach again.
        press: presses the button of the device for so many ms.
        beat: has the sensor of the device feel a beat.
        stranger: returns the driver of a host that has no key, None where no key is asked for.
    """

    model: Model
    wearable: Wearable
    driver: Driver
    edges: Callable[[], list[tuple[float, int]]]
    lose: Callable[[], Awaitable[None]]
    take_away: Callable[..., Awaitable[None]]
    bring_back: Callable[[], Awaitable[None]]
    press: Callable[[int], None]
    beat: Callable[[int], None]
    stranger: Callable[[], Awaitable[Driver]] | None = None
    lost: int = field(default=0, init=False)
    _before: int | None = field(default=None, init=False)

    def compile(self, adjustment: Adjustment = AS_WRITTEN) -> CompiledPlan:
        """Return the plan of `ROUTINE` as the device can play it."""
        feel = None if self.model.feel is None else self.model.feel(self.wearable)
        return Library().compile(ROUTINE, adjustment, feel)

    @cached_property
    def compiled(self) -> CompiledPlan:
        """The plan that is played."""
        return self.compile()

    def can(self, capability: Capability) -> bool:
        return capability in self.model.capabilities

    async def connect(self) -> None:
        if self._before is not None:
            await self.driver.connect(self._on_lost)
            return
        # A wearer's gesture is for the connection that comes next.
        async with asyncio.timeout(LET_IN_S):
            while True:
                try:
                    await self.driver.connect(self._on_lost)
                except LinkError:
                    await asyncio.sleep(1)
                else:
                    break
        await asyncio.sleep(PAIRED_S)
        self._before = len(self.edges())

    def _on_lost(self) -> None:
        self.lost += 1

    @property
    def pulses(self) -> list[tuple[float, int]]:
        """When the motor went on, and how strongly, since it was let in and has said so."""
        return [edge for edge in self.edges()[self._before or 0 :] if edge[1]]


def _edges_of(
    device: SimulatedWearable | SimulatedPeripheral,
) -> Callable[[], list[tuple[float, int]]]:
    return lambda: [(edge.loop_s, edge.strength_pct) for edge in device.motor.edges]


@asynccontextmanager
async def simulated(model: Model) -> AsyncIterator[Rig]:
    """Any model that has `simulate`: its device in a room, paired with as `tenuto pair` does."""
    if model.id == "bangle":
        needs_module("quickjs")
    assert model.simulate is not None
    assert model.build is not None
    async with World(seed=1) as world:
        device = await model.simulate(world, "wrist", None)
        assert isinstance(device, (SimulatedWearable, SimulatedPeripheral))
        adapter = BleAdapter(radio_of(await world.adapter()), name="simulated")

        def context(found: BleAdapter) -> BuildContext:
            async def locate(_: str) -> tuple[BleAdapter, str]:
                return found, device.address

            return BuildContext(
                adapter=lambda _: found,
                simulated=locate,
                keys=KeyStore(None),
                utc_ms=utc_ms,
                rng=random.Random(1),
                folder=Path(tempfile.gettempdir()),
            )

        wearable = Wearable(id="wrist", model=model.id, link="simulated")
        if model.pair is None:
            await pair(adapter, device.address)

        async def stranger() -> Driver:
            assert isinstance(device, SimulatedWearable)
            device.lets_in = False
            other = BleAdapter(radio_of(await world.adapter("stranger")), name="stranger")
            return await registry.build_driver(wearable, context(other))

        async def lose() -> None:
            world.radio.drop(device.address)
            await asyncio.sleep(1)

        async def take_away(away_s: float = AWAY_S) -> None:
            world.radio.silence(device.address, away_s)
            await asyncio.sleep(NOTICED_S)

        async def bring_back() -> None:
            await asyncio.sleep(AWAY_S)

        driver = await registry.build_driver(wearable, context(adapter))
        yield Rig(
            model,
            wearable,
            driver,
            edges=_edges_of(device),
            lose=lose,
            take_away=take_away,
            bring_back=bring_back,
            press=device.button.press,
            beat=device.heart.beat,
            stranger=stranger if Capability.TRUSTED in model.capabilities else None,
        )
        await driver.disconnect()
        await adapter.close()


@asynccontextmanager
async def in_process(model: Model) -> AsyncIterator[Rig]:
    """The band without a radio."""
    motor = RecordingMotor()
    began_s = asyncio.get_running_loop().time()
    band = InProcessBand(motor)
    link = InProcessLink(band)

    async def lose() -> None:
        link.drop()

    async def take_away(_: float = AWAY_S) -> None:
        link.reachable = False
        link.drop()

    async def bring_back() -> None:
        link.reachable = True

    def beat(bpm: int) -> None:
        band.band.beat(bpm, (), band.now_ms)
        band.poke()

    yield Rig(
        model,
        Wearable(id="wrist", link="simulated"),
        BandDriver(link),
        edges=lambda: [(began_s + at_ms / 1000, strength) for at_ms, strength in motor.edges],
        lose=lose,
        take_away=take_away,
        bring_back=bring_back,
        press=band.press,
        beat=beat,
    )


@asynccontextmanager
async def by_cable(model: Model) -> AsyncIterator[Rig]:
    """The band by cable; the port without a pseudo terminal, so that it is in virtual time."""
    async with World(seed=1) as world:
        device = await world.add_wearable("wrist", firmware_dir=shipped("firmware"))
        plugged = True

        async def open_port() -> object:
            if not plugged:
                raise FileNotFoundError("cable")
            return await device.cable.open()

        async def lose() -> None:
            device.cable.unplug()
            await asyncio.sleep(0.1)

        async def take_away(_: float = AWAY_S) -> None:
            nonlocal plugged
            plugged = False
            await lose()

        async def bring_back() -> None:
            nonlocal plugged
            plugged = True

        driver = BandDriver(
            SerialLink("cable", open_port),  # type: ignore[arg-type]
            keys=KeyStore(None).of("wrist"),
            by_cable=True,
        )
        yield Rig(
            model,
            Wearable(id="wrist", link="simulated"),
            driver,
            edges=_edges_of(device),
            lose=lose,
            take_away=take_away,
            bring_back=bring_back,
            press=device.button.press,
            beat=device.heart.beat,
        )
        await driver.disconnect()


@asynccontextmanager
async def in_one_process(model: Model) -> AsyncIterator[Rig]:
    """An Intiface device, whose server is in this process."""
    server = SimulatedIntiface()
    wearable = Wearable(id="wrist", model=model.id, link="websocket")
    assert model.feel is not None
    buzzer = IntifaceBuzzer("server", server.connect, model.feel(wearable))
    driver = HostedDriver(buzzer, None, utc_ms=utc_ms)

    async def lose() -> None:
        server.drop()
        await asyncio.sleep(0.2)

    async def take_away(_: float = AWAY_S) -> None:
        server.set_there(is_there=False)
        await asyncio.sleep(NOTICED_S)

    async def bring_back() -> None:
        server.set_there(is_there=True)

    yield Rig(
        model,
        wearable,
        driver,
        edges=lambda: [(edge.loop_s, edge.strength_pct) for edge in server.motor.edges],
        lose=lose,
        take_away=take_away,
        bring_back=bring_back,
        press=server.button.press,
        beat=server.heart.beat,
    )
    await driver.close()


RIGS: dict[str, dict[str, Callable[[Model], AbstractAsyncContextManager[Rig]]]] = {
    "band": {"in process": in_process, "by cable": by_cable},
    "intiface": {"in process": in_one_process},
}
"""By the ids of models, by a word for each."""


def rigs_of(model: Model) -> dict[str, Callable[[Model], AbstractAsyncContextManager[Rig]]]:
    """All rigs of a model."""
    found = {"simulated": simulated} if model.simulate is not None else {}
    return found | RIGS.get(model.id, {})
