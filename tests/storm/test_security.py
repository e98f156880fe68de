# SPDX-License-Identifier: MIT
"""The attacks that SECURITY.md speaks of, on the whole stack."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from tenuto.links.uuids import INBOX_UUID, INFO_UUID, OUTBOX_UUID
from tenuto.sessions.commands import Command, Verb
from tenuto.wearables.base import Identity
from tenuto_core import vocab, wire
from tests.simulator.rig import HEART_RATE
from tests.storm.hosts import BAND, Host
from tests.storm.mqtt import StandIn
from tests.storm.rooms import RadioRoom
from tests.storm.weather import Weather, forecast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


@asynccontextmanager
async def owned(tmp_path: Path) -> AsyncIterator[tuple[RadioRoom, list[bytes]]]:
    """A band whose owner has played on it and left; with all packets that the owner sent."""
    room, sent = RadioRoom(), list[bytes]()
    weather = Weather(3, 0.0, 0.0, forecast(3).plans, ())
    await room.open(weather)
    try:
        host = Host("owner", room, StandIn(), weather, folder=tmp_path)
        await host.start()
        link: Any = host.supervisor._driver._link  # type: ignore[attr-defined]
        send = link.send

        async def spied(packet: bytes) -> None:
            sent.append(bytes(packet))
            await send(packet)

        link.send = spied
        await asyncio.wait_for(host.supervisor.connected.wait(), 60)
        room.drop()  # so that it has to prove its key once more, under our eyes
        await asyncio.sleep(20)
        start = Command(wearable=BAND, verb=Verb.START, routine="first")
        assert (await host.submit(start)).ok
        assert (await host.submit(Command(wearable=BAND, verb=Verb.STOP))).ok
        await asyncio.sleep(5)
        await host.stop(kill=False)
        await asyncio.sleep(10)
        yield room, sent
    finally:
        await room.close()


@asynccontextmanager
async def stranger(room: RadioRoom) -> AsyncIterator[BleakClient]:
    """Another central in reach, connected."""
    room._wearable.lets_in = False  # nobody presses the button for it
    adapter = await room._world.adapter("stranger")
    address = room._wearable.address
    device = await BleakScanner.find_device_by_address(
        address, timeout=30, backend=adapter.scanner_backend
    )
    assert device is not None
    async with BleakClient(device, backend=adapter.client_backend) as client:
        yield client


async def say(client: BleakClient, packets: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """Send packets, for as long as the band listens, and give the frames that come back."""
    heard: list[tuple[Any, ...]] = []

    def on_packet(_: object, data: bytearray) -> None:
        heard.extend(wire.decode(frame) for frame in wire.split(bytes(data)))

    await client.start_notify(OUTBOX_UUID, on_packet)
    with suppress(BleakError):  # the band may have had enough
        for packet in packets:
            await client.write_gatt_char(INBOX_UUID, packet, response=True)
            await asyncio.sleep(0.3)
    await asyncio.sleep(3)
    return heard


def edges(room: RadioRoom) -> int:
    return len(room._wearable.motor.edges)


@pytest.mark.slow
async def test_without_a_bond_nothing_can_be_read_or_written(tmp_path: Path) -> None:
    async with owned(tmp_path) as (room, sent), stranger(room) as client:
        before = edges(room)
        with pytest.raises(BleakError):
            await client.read_gatt_char(INFO_UUID)
        with pytest.raises(BleakError):
            await client.write_gatt_char(INBOX_UUID, sent[-1], response=True)
        await asyncio.sleep(5)
        assert edges(room) == before


@pytest.mark.slow
async def test_a_bond_without_a_key_is_worth_nothing(tmp_path: Path) -> None:
    """A new central that pairs, and equally a copy of the owner's bond."""
    beats: list[bytes] = []
    async with owned(tmp_path) as (room, _), stranger(room) as client:
        await client.pair()
        before, log_before = edges(room), room.band().log.next
        await client.start_notify(HEART_RATE, lambda _, data: beats.append(bytes(data)))
        plan_id = room.band().player.plan_id
        assert plan_id is not None
        requests = [
            wire.encode(wire.COMMAND, 1, vocab.START, 7, plan_id, 0),
            wire.encode(wire.LOG_READ, 2, 0),
            wire.encode(wire.UPLOAD_BEGIN, 3, b"12345678", 100, 0),
            wire.encode(wire.KEY_SET, 4, b"k" * 16),
            wire.encode(wire.STATS, 5),
        ]
        heard = await say(client, requests)
        await asyncio.sleep(30)
        assert {op for op, *_ in heard} <= {wire.NOT_UNDERSTOOD, wire.KEY_SET | wire.ANSWER}
        assert all(values[0] != vocab.OK for _, _, values, _ in heard)
        assert len(heard) == len(requests), "each was answered"
        assert edges(room) == before
        assert not room.band().is_playing
        assert beats == [], "the heart of somebody else"
        assert room.band().log.next == log_before


@pytest.mark.slow
async def test_what_the_owner_sent_is_worth_nothing_to_who_sends_it_again(tmp_path: Path) -> None:
    async with owned(tmp_path) as (room, sent), stranger(room) as client:
        await client.pair()
        assert any(packet[0] == wire.PROOF for packet in sent), "there is a proof to replay"
        before = edges(room)
        heard = await say(client, [*sent[-60:], *sent[::-1][:60]])
        assert heard
        for op, _, values, _ in heard:
            assert op not in (wire.COMMAND | wire.ANSWER, wire.LOG)
            if op == wire.PROOF | wire.ANSWER:
                assert values[0] != vocab.OK
        assert edges(room) == before
        assert not room.band().is_playing


@pytest.mark.slow
async def test_no_key_is_in_the_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="tenuto")  # a command line may have set it higher
    async with owned(tmp_path) as (room, _):
        band = Identity("any", 0, 0, serial=room.band().serial.decode())
        keys = [key for host in room._keys.values() for key in host.held(band)]
    said = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("tenuto")
    )
    assert said
    for key in keys:
        assert key.hex() not in said.lower()
        assert repr(key)[2:-1] not in said
    assert len(keys) == 1
