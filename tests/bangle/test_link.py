# SPDX-License-Identifier: MIT
"""The link of console lines: noise, a watch that asks to wait, and what is wrong with a watch."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.config import Wearable
from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.espruino import LINE_BYTES_MAX, PACKET_BYTES, EspruinoLink, as_line
from tenuto.links.radios.adapters import radio_of
from tenuto.simulator import World
from tenuto.wearables import registry
from tenuto_core import wire
from tests.bangle.room import simulated_watch
from tests.storm import sealed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenuto.simulator.bangle import SimulatedBangle

XOFF_ABOVE_BYTES = 768
"""Three eighths of the 2048 bytes that the watch's console holds."""


class Ends:
    """A watch and a link to it."""

    def __init__(self, watch: SimulatedBangle, link: EspruinoLink, adapter: BleAdapter) -> None:
        self.watch = watch
        self.adapter = adapter
        self.link = link
        self.packets: list[bytes] = []

    async def connect(self) -> None:
        await self.link.connect(self.packets.append, lambda: None)

    async def greet(self) -> int:
        """Say hello, and return how many answers came."""
        self.packets.clear()
        await self.link.send(wire.encode(wire.HELLO, 7))
        await asyncio.sleep(15)
        answers = [wire.decode(wire.split(packet)[0]) for packet in self.packets]
        return sum(op == wire.HELLO | wire.ANSWER and tag == 7 for op, tag, _, _ in answers)


@asynccontextmanager
async def ends(**given: Any) -> AsyncIterator[Ends]:
    async with World(seed=1) as world:
        watch = await simulated_watch(world, lets_in=False, **given)
        adapter = BleAdapter(radio_of(await world.adapter()), name="simulated")
        link = EspruinoLink(adapter, watch.address)
        yield Ends(watch, link, adapter)
        await link.disconnect()
        await adapter.close()


@pytest.mark.parametrize("mtu", [23, 53, 131])
async def test_noise_between_frames_breaks_none(mtu: int) -> None:
    async with ends(mtu=mtu) as found:
        await found.connect()
        for noise in (
            "console.log",
            "\x1b[J>",
            "\x13\x11",
            "~no base64!",
            "~",
            "\x08 \x08\x1b[2Khello",
            "~" + "A" * 400,
            "x" * (LINE_BYTES_MAX + 1),
        ):
            found.watch.js.console += noise + "\r\n>"
            assert await found.greet() == 1, repr(noise[:20])


async def test_a_watch_that_asks_to_wait_is_waited_for() -> None:
    async with ends() as found:
        await found.connect()
        found.watch._send(b"\x13")
        await asyncio.sleep(0.2)
        sending = asyncio.create_task(found.greet(), name="greet")
        await asyncio.sleep(3)
        assert found.packets == []
        found.watch._send(b"\x11")
        assert await sending == 1


async def test_a_watch_that_waits_for_ever_is_given_up() -> None:
    async with ends() as found:
        await found.connect()
        found.watch._send(b"\x13")
        await asyncio.sleep(0.2)
        with pytest.raises(LinkError, match="restart it") as caught:
            await found.link.send(b"\x01\x01")
        assert caught.value.reason is LinkReason.TIMEOUT


def test_four_frames_in_flight_do_not_fill_the_watch() -> None:
    assert 4 * len(as_line(bytes(PACKET_BYTES))) < XOFF_ABOVE_BYTES


async def test_a_watch_without_the_app_says_what_to_do() -> None:
    async with ends(has_app=False) as found:
        with pytest.raises(LinkError, match="tenuto wearable install") as caught:
            await found.connect()
        assert caught.value.reason is LinkReason.PROTOCOL


async def test_a_watch_that_takes_nothing_but_what_is_for_apps_says_what_to_do() -> None:
    async with ends(has_app=False) as found:
        found.watch.js.is_programmable = False
        found.watch.js.load()
        with pytest.raises(LinkError, match="tenuto wearable install") as caught:
            await found.connect()
        assert caught.value.reason is LinkReason.TIMEOUT


async def test_the_app_answers_also_where_no_other_program_is_let_in() -> None:
    async with ends() as found:
        found.watch.js.is_programmable = False
        found.watch.js.load()
        await found.connect()
        assert await found.greet() == 1
        assert (found.link.firmware, found.link.is_programmable) == (None, False)


async def test_it_tells_its_version_and_that_it_runs_anything() -> None:
    async with ends() as found:
        await found.connect()
        assert (found.link.firmware, found.link.is_programmable) == ("2v29.74", True)


@pytest.mark.parametrize("version, is_old", [("2v15.99", True), ("1v99", True), ("2v16", False)])
async def test_an_old_espruino_is_told_to_be_updated(version: str, is_old: bool) -> None:
    async with ends() as found:
        found.watch.js.evaluate(f"process.version='{version}'")
        if not is_old:
            await found.connect()
            return
        with pytest.raises(LinkError, match="update it") as caught:
            await found.connect()
        assert caught.value.reason is LinkReason.PROTOCOL


async def test_a_watch_that_is_not_heard_may_be_connected_to_a_phone() -> None:
    async with ends() as found:
        await found.watch.stop()
        with pytest.raises(LinkError, match="Gadgetbridge") as caught:
            await found.connect()
        assert caught.value.reason is LinkReason.NOT_FOUND


async def test_it_can_be_found_by_its_buzz() -> None:
    async with ends() as found:
        await found.connect()
        await found.link.alert()
        await asyncio.sleep(2)
        assert found.watch.motor.edges == [], "not by a host that has proven nothing"


@pytest.mark.parametrize(
    "programmable, passkey, is_shut",
    [(True, None, False), (True, "123456", True), (False, None, True)],
)
async def test_a_watch_is_trusted_where_nobody_can_go_round_the_key(
    programmable: bool, passkey: str | None, is_shut: bool
) -> None:
    async with ends() as found:
        settings = json.dumps({"passkey": passkey} if passkey else {})
        found.watch.js.evaluate(f"__files['setting.json']={json.dumps(settings)}")
        found.watch.js.is_programmable = programmable
        found.watch.js.load()
        await found.connect()
        assert found.link.is_shut is is_shut
        wearable = Wearable(
            id="watch", model="bangle", link="espruino", address=found.watch.address
        )
        await found.link.disconnect()
        check = registry.find("bangle").check
        assert check is not None
        assert (await check(wearable, lambda _: found.adapter)).is_trusted is is_shut


def test_what_comes_while_the_watch_opens_another_app_keeps_its_order() -> None:
    async def scenario() -> list[int]:
        heard: list[int] = []
        async with ends() as found:
            found.watch._do(found.watch.js.load)
            for number in range(20):
                found.watch._do(partial(heard.append, number))
            assert heard == [], "it was heard before the app was there"
            await asyncio.sleep(1)
        return heard

    # In a storm's loop nothing but their owner orders the timers of one instant.
    assert sealed.run(scenario(), 1) == list(range(20))
