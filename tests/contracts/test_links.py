# SPDX-License-Identifier: MIT
"""What every link promises, see `tenuto.links.base.Link`: over the air, by cable, in memory."""

from __future__ import annotations

import asyncio
import math
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tenuto import event_loops
from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.espruino import EspruinoLink
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.links.radios.adapters import radio_of
from tenuto.links.serial import SerialLink
from tenuto.shipped import shipped
from tenuto.simulator import World
from tenuto_core import wire
from tests.bangle.room import simulated_watch
from tests.conftest import needs_module
from tests.daemon.rig import RecordingMotor
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tenuto.links.base import Link


@dataclass
class Stage:
    """A link with what it takes to break it.

    lose: breaks it, as the world does.  absent, present: take the wearable away, bring it back.
    """

    link: Link
    lose: Callable[[], Awaitable[None]]
    absent: Callable[[], Awaitable[None]]
    present: Callable[[], Awaitable[None]]
    packets: list[bytes] = field(default_factory=list)
    lost: int = 0

    async def connect(self) -> None:
        await self.link.connect(self.packets.append, self.on_lost)

    def on_lost(self) -> None:
        self.lost += 1

    async def greet(self) -> bytes:
        """Ask who it is; gives the answer's frame."""
        before = len(self.packets)
        await self.link.send(wire.encode(wire.HELLO, 7))
        async with asyncio.timeout(patience_s(3)):
            while True:
                for packet in self.packets[before:]:
                    for frame in wire.split(packet):
                        if wire.decode(frame)[:2] == (wire.HELLO | wire.ANSWER, 7):
                            return frame
                await asyncio.sleep(0.01)


@asynccontextmanager
async def in_memory(_folder: Path) -> AsyncIterator[Stage]:
    link = InProcessLink(InProcessBand(RecordingMotor()))

    async def lose() -> None:
        link.drop()

    async def reachable(*, is_on: bool) -> None:
        link.reachable = is_on

    yield Stage(link, lose, lambda: reachable(is_on=False), lambda: reachable(is_on=True))


@asynccontextmanager
async def over_the_air(_folder: Path) -> AsyncIterator[Stage]:
    async with World(seed=1) as world:
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        adapter = BleAdapter(radio_of(await world.adapter()), name="simulated")
        link = BleLink(adapter, band.address)

        async def lose() -> None:
            world.radio.drop(band.address)
            await asyncio.sleep(1)

        yield Stage(link, lose, band.stop, band.boot)
        await link.disconnect()
        await adapter.close()


@asynccontextmanager
async def by_lines(_folder: Path) -> AsyncIterator[Stage]:
    """A watch that answers pieces of 20 bytes, as after a connection without a larger MTU."""
    needs_module("quickjs")
    async with World(seed=1) as world:
        watch = await simulated_watch(world, mtu=23)
        adapter = BleAdapter(radio_of(await world.adapter()), name="simulated")
        link = EspruinoLink(adapter, watch.address)

        async def lose() -> None:
            world.radio.drop(watch.address)
            await asyncio.sleep(1)

        yield Stage(link, lose, watch.stop, watch.boot)
        await link.disconnect()
        await adapter.close()


@asynccontextmanager
async def by_cable(folder: Path) -> AsyncIterator[Stage]:
    path = folder / "port"
    async with World(seed=1) as world:
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        plug = AsyncExitStack()

        async def plug_in() -> None:
            pty = await plug.enter_async_context(band.cable.pty())
            path.symlink_to(pty.path)

        async def unplug() -> None:
            path.unlink()
            await plug.aclose()
            await asyncio.sleep(0.1)

        async def lose() -> None:
            await unplug()
            await plug_in()

        await plug_in()
        link = SerialLink(str(path))
        yield Stage(link, lose, unplug, plug_in)
        await link.disconnect()
        await plug.aclose()


def virtually(scenario: Coroutine[None, None, None]) -> None:
    event_loops.run(scenario, speed=math.inf)


LINKS: dict[
    str, tuple[Callable[[Path], AbstractAsyncContextManager[Stage]], Callable[..., None]]
] = {
    "memory": (in_memory, virtually),
    "ble": (over_the_air, virtually),
    "espruino": (by_lines, virtually),
    "serial": (by_cable, event_loops.run),
}


@pytest.fixture(
    params=[
        "memory",
        pytest.param("ble", marks=pytest.mark.slow),
        pytest.param("espruino", marks=pytest.mark.slow),
        pytest.param(
            "serial",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(sys.platform == "win32", reason="there are no ptys"),
            ],
        ),
    ]
)
def on_stage(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Plays a scene with one kind of link."""
    make, run = LINKS[request.param]

    def play(scene: Callable[[Stage], Awaitable[None]]) -> None:
        async def scenario() -> None:
            async with make(tmp_path) as stage:
                await scene(stage)

        run(scenario())

    return play


def test_it_carries_frames_both_ways(on_stage: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.connect()
        assert stage.link.packet_bytes >= wire.MIN_FRAME
        _, tag, values, name = wire.decode(await stage.greet())
        assert (tag, values[1], name) == (
            7,
            wire.VERSION,
            name_of(stage),
        )
        assert stage.lost == 0

    on_stage(scene)


def name_of(stage: Stage) -> bytes:
    names = {InProcessLink: b"memory", EspruinoLink: b"Bangle.js"}
    return names.get(type(stage.link), b"band")


def test_before_and_after_nothing_can_be_sent(on_stage: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        for _ in range(2):
            with pytest.raises(LinkError) as caught:
                await stage.link.send(b"\x01\x00")
            assert caught.value.reason is LinkReason.LOST
            await stage.connect()
            await stage.greet()
            await stage.link.disconnect()
        await stage.link.disconnect()
        with pytest.raises(LinkError):
            await stage.link.send(b"\x01\x00")
        await asyncio.sleep(0.2)
        assert stage.lost == 0, "who lets go is not told that it is lost"

    on_stage(scene)


def test_a_loss_is_told_once_and_it_can_be_made_again(on_stage: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        for number in (1, 2):
            await stage.connect()
            await stage.greet()
            await stage.lose()
            await asyncio.sleep(0.2)
            assert stage.lost == number
            with pytest.raises(LinkError):
                await stage.link.send(b"\x01\x00")
        await stage.connect()
        await stage.greet()
        assert stage.lost == 2

    on_stage(scene)


def test_what_is_not_there_is_said_and_found_once_it_is(on_stage: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.absent()
        with pytest.raises(LinkError) as caught:
            await stage.connect()
        assert caught.value.reason is LinkReason.NOT_FOUND
        assert str(caught.value)
        await stage.present()
        await stage.connect()
        await stage.greet()
        assert stage.lost == 0

    on_stage(scene)


def test_packets_after_the_end_come_to_nobody(on_stage: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.connect()
        await stage.link.send(wire.encode(wire.HELLO, 9))
        await stage.link.disconnect()
        count = len(stage.packets)
        await asyncio.sleep(0.5)
        assert len(stage.packets) == count

    on_stage(scene)
