# SPDX-License-Identifier: MIT
"""Strangers on the only link of a band: how long they stay, and what a gesture does to them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from bleak.exc import BleakError

from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.links.uuids import INBOX_UUID, OUTBOX_UUID
from tenuto.wearables.pairing import Target, pair_over_air
from tenuto_core import vocab, wire
from tests.firmware_app.rig import Room, plan, room, start, until
from tests.simulator.rig import client_of

if TYPE_CHECKING:
    from bleak import BleakClient

STRANGERS_KEY = b"s" * 16
OTHERS_S = 2
"""For so long a host that is sent away stays, while others may come."""
PAIRING_DONE = [(100, 150), (100, 150)]


async def bonded_stranger(it: Room) -> BleakClient:
    client = await it.stranger()
    await client.pair()
    return client


async def begs(client: BleakClient, heard: list[bytes]) -> None:
    """Hand over a key again and again, for as long as the link lasts."""
    await client.start_notify(OUTBOX_UUID, lambda _, data: heard.append(bytes(data)))
    with suppress(BleakError):
        while client.is_connected:
            for frame in (wire.encode(wire.HELLO, 1), wire.encode(wire.KEY_SET, 2, STRANGERS_KEY)):
                await client.write_gatt_char(INBOX_UUID, frame, response=False)
            await asyncio.sleep(0.1)


async def test_a_stranger_that_waits_for_the_gesture_gets_nothing_by_it() -> None:
    async with room() as it:
        client, heard = await bonded_stranger(it), list[bytes]()
        begging = asyncio.create_task(begs(client, heard))
        await asyncio.sleep(1)
        it.gesture()

        await until(lambda: it.band.is_pairing(it.worn.board.ticks_ms()), 5, 0.02)
        await until(lambda: not client.is_connected, 3, 0.02)

        await begging
        await asyncio.sleep(2)
        answers = [wire.decode(frame) for packet in heard for frame in wire.split(packet)]
        taken = [values[0] for op, _, values, _ in answers if op == wire.KEY_SET | wire.ANSWER]
        assert set(taken) == {vocab.NOT_OPEN}
        assert it.band.keyring is not None
        assert it.band.keyring.count == 0
        assert it.pulses()[-3:] == [(100, 400), (100, 150), (100, 400)], "no buzz of success"
        felt = len(it.worn.motor.edges)
        # The window is open for whoever comes now.
        host = it.host()
        await host.connect(lambda: None)
        await asyncio.sleep(1)
        assert host.is_new
        assert it.pulses(felt) == PAIRING_DONE


async def test_what_a_stranger_has_sent_does_not_count_as_the_next_ones() -> None:
    """The band looks at what has come every 21 ms, and links may change in between."""
    async with room() as it:
        it.gesture()
        await asyncio.sleep(3)
        inbox = it.worn.app.ble._radio.inbox
        left = wire.encode(wire.KEY_SET, 2, STRANGERS_KEY)
        it.worn.board.on_connection(lambda: inbox._packets.append(left))
        client = await bonded_stranger(it)
        await asyncio.sleep(1)
        assert client.is_connected
        assert it.band.keyring is not None
        assert it.band.keyring.count == 0


async def test_a_gesture_while_a_host_waits_lets_it_in_when_it_comes_back() -> None:
    async with room() as it:
        loop, shown = asyncio.get_running_loop(), list[str]()
        for pressed_s in (0.5, 30.0):  # while it is connecting, and when it was asked to
            loop.call_later(pressed_s, it.gesture)
            paired = await pair_over_air(Target(it.worn.address), it.adapter, it.keys, shown.append)
            assert paired.is_new
            assert it.keys.forget("band", it.worn.address)
            await asyncio.sleep(65)
            began_s = loop.time()
        assert loop.time() - began_s < 1
        assert len(shown) == 1


async def test_a_hold_sends_away_whoever_is_connected() -> None:
    async with room() as it:
        host = await it.pair()
        await asyncio.sleep(61)
        lost, felt = asyncio.Event(), len(it.worn.motor.edges)
        await host.disconnect()
        await host.connect(lost.set)
        it.worn.button.press(1_000)
        await asyncio.wait_for(lost.wait(), 2)
        await asyncio.sleep(1)
        assert it.pulses(felt) == [(60, 300)]
        # The owner comes back by the key, and a hold in a session means stop and no more.
        await host.connect(lost.clear)
        await start(host, plan())
        await until(lambda: it.band.player.number == 1)
        it.worn.button.press(1_000)
        await until(lambda: not it.band.is_playing, 2)
        await asyncio.sleep(3)
        assert (await host.status()).state == "idle"


async def test_a_hold_sends_away_who_came_by_an_earlier_window() -> None:
    async with room() as it:
        it.gesture()
        await asyncio.sleep(3)
        client = await bonded_stranger(it)
        await asyncio.sleep(90)
        assert client.is_connected
        it.worn.button.press(1_000)
        await until(lambda: not client.is_connected, 2)


async def stay_s(client: BleakClient, *, bonds: bool) -> float:
    """Connect, and give how long that lasted."""
    loop = asyncio.get_running_loop()
    await client.connect()
    began_s = loop.time()
    if bonds:
        await client.pair()
    await until(lambda: not client.is_connected, 60, 0.05)
    return loop.time() - began_s


@pytest.mark.parametrize("bonds,limit_s", [(False, 4), (True, 8)])
async def test_who_proves_nothing_is_soon_sent_away_and_sooner_the_next_time(
    bonds: bool, limit_s: float
) -> None:
    async with room() as it:
        client = client_of(await it.world.adapter("stranger"), it.worn)
        first_s = await stay_s(client, bonds=bonds)
        assert limit_s - 2 < first_s - OTHERS_S < limit_s + 1
        for _ in range(3):  # it comes back at once
            assert await stay_s(client, bonds=bonds) - OTHERS_S < limit_s / 2 + 1
        await asyncio.sleep(3.5)  # it lets others have their turn
        assert await stay_s(client, bonds=bonds) - OTHERS_S > limit_s - 2


@pytest.mark.parametrize("flavour", ["nrf52840", "esp32s3"])
@pytest.mark.parametrize("bonds", [False, True])
async def test_a_stranger_that_comes_back_at_once_keeps_the_owner_out_for_seconds_only(
    bonds: bool, flavour: str
) -> None:
    """Its radio is quicker than the owner's: it hears each advertisement first."""
    async with room(flavour=flavour) as it:
        loop, quick = asyncio.get_running_loop(), it.radio
        it.adapter = BleAdapter(radio_of(await it.world.adapter("owner")))
        await (await it.pair()).disconnect()

        async def occupy() -> None:
            lost = asyncio.Event()
            client = client_of(quick, it.worn, lambda _: lost.set(), timeout=60)
            while True:
                lost.clear()
                with suppress(BleakError, TimeoutError):
                    await client.connect()
                    if bonds:
                        await client.pair()
                    await lost.wait()

        occupying = asyncio.create_task(occupy())
        for pause_s in (80, 7, 11, 13):
            await asyncio.sleep(pause_s)
            assert it.worn.app.ble._connection is not None, "the stranger has the link"
            began_s, host = loop.time(), it.host()
            await host.connect(lambda: None)
            assert loop.time() - began_s < 10
            assert (await host.status()).state == "idle"
            await host.disconnect()
        occupying.cancel()
        await asyncio.wait({occupying})


async def test_while_one_is_sent_away_the_next_is_not_taken_for_it() -> None:
    """What the first one still sends is heeded by nobody, whatever the second one proves."""
    async with room() as it:
        await (await it.pair()).disconnect()
        await asyncio.sleep(65)
        client, heard = await bonded_stranger(it), list[bytes]()
        begging = asyncio.create_task(begs(client, heard))
        host = it.host()
        await host.connect(lambda: None)
        assert it.worn.board.bleio.adapter.connections == (it.worn.app.ble._connection,)
        await begging
        answers = [wire.decode(frame) for packet in heard for frame in wire.split(packet)]
        assert {op for op, *_ in answers} <= {wire.HELLO | wire.ANSWER, wire.KEY_SET | wire.ANSWER}
        assert it.band.keyring is not None
        assert it.band.keyring.count == 1
        assert (await host.stats()).keys == 1


async def test_a_host_with_the_key_is_in_time_right_after_a_stranger() -> None:
    async with room() as it:
        await (await it.pair()).disconnect()
        await asyncio.sleep(65)
        it.world.radio.loss = 0.5
        for _ in range(5):
            client = await it.stranger()
            await client.disconnect()
            host = it.host()
            await host.connect(lambda: None)
            assert (await host.status()).state == "idle"
            await host.disconnect()
            await asyncio.sleep(0.5)


async def test_in_the_window_a_stranger_that_does_not_bond_leaves_time_for_the_owner() -> None:
    async with room() as it:
        it.gesture()
        await asyncio.sleep(3)
        client = await it.stranger()
        host = it.host()
        await host.connect(lambda: None)
        assert not client.is_connected
        assert host.is_new
