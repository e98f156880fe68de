# SPDX-License-Identifier: MIT
"""Whole sessions in a simulated room, in virtual time."""

from __future__ import annotations

import asyncio
import math
import struct
from typing import TYPE_CHECKING, Any

import pytest
from bleak.exc import BleakError, BleakGATTProtocolError

from tenuto import event_loops
from tenuto.errors import TenutoError
from tenuto.simulator import Edge, FirmwareError, Press, VirtualPerson, World
from tests.simulator.rig import (
    BATTERY_LEVEL,
    CONTROL,
    FIRMWARE,
    HEART_RATE,
    LOG,
    SECRET,
    UPLOAD,
    bonded,
    client_of,
    find,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.links.radios.bumble import BumbleAdapter
    from tenuto.simulator import SimulatedWearable

DATA = bytes(i * 7 & 0xFF for i in range(2048))
SUM = f"got 2048 sum {sum(DATA) & 0xFFFF}\n".encode()


async def play_session(
    band: SimulatedWearable, adapter: BumbleAdapter, said: list[str]
) -> list[Edge]:
    """Find, be refused, pair, upload, buzz, be dropped, come back with the bond."""
    loop = asyncio.get_running_loop()
    start_s = loop.time()

    def say(*what: Any) -> None:
        said.append(f"{loop.time() - start_s:.6f} {band.id} {' '.join(map(str, what))}")

    device = await find(adapter, band.id, timeout_s=60)
    assert device is not None
    say("found", device.address)
    gone = asyncio.Event()
    client = client_of(adapter, band, lambda _: gone.set(), timeout=300)
    await client.connect()
    say("connected", client._backend.mtu_size)
    with pytest.raises(BleakGATTProtocolError):
        await client.write_gatt_char(CONTROL, b"\x02", response=True)
    await client.pair()
    log: list[bytes] = []
    rates: list[int] = []
    await client.start_notify(LOG, lambda _, data: log.append(bytes(data)))
    await client.start_notify(HEART_RATE, lambda _, data: rates.append(data[1]))
    for index, offset in enumerate(range(0, len(DATA), 240)):
        chunk = struct.pack("<H", offset) + DATA[offset : offset + 240]
        await client.write_gatt_char(UPLOAD, chunk, response=False)
        if index % 4 == 3:
            await asyncio.sleep(0.1)
    await client.write_gatt_char(CONTROL, b"\x02", response=True)
    await client.write_gatt_char(CONTROL, struct.pack("<BBH", 1, 80, 250), response=True)
    await asyncio.sleep(5)
    say("log", log, "rates", rates)
    assert log == [SUM]
    assert rates
    await client.write_gatt_char(CONTROL, b"\x03", response=True)
    await gone.wait()
    say("dropped")
    assert await find(adapter, band.id, timeout_s=60) is not None
    await client.connect()
    assert await client.read_gatt_char(SECRET) == b"secret"
    count = len(rates)
    await client.start_notify(HEART_RATE, lambda _, data: rates.append(data[1]))
    await asyncio.sleep(5)
    assert len(rates) > count
    await client.disconnect()
    await asyncio.sleep(1)
    say("done", band.app.polls)
    bleio = band.board.bleio.adapter
    assert bleio.advertising
    assert (list(bleio.blocking_calls), list(bleio.errors)) == ([], [])
    assert band.app.service.upload.dropped == 0
    return band.motor.edges


async def test_a_session_from_the_first_sight_to_the_return_with_the_bond() -> None:
    async with World(seed=1) as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE, person=VirtualPerson())
        edges = await play_session(band, await world.adapter(), [])
        assert [(edge.on, edge.strength_pct) for edge in edges] == [(True, 80), (False, 0)]
        assert edges[1].t_ms - edges[0].t_ms == pytest.approx(250)


async def _crowd(seed: int, count: int) -> tuple[list[str], list[list[Edge]]]:
    said: list[str] = []
    async with World(seed, loss=0.05, advertising_loss=0.1) as world:
        bands = [
            await world.add_wearable(
                f"band-{index}",
                firmware_dir=FIRMWARE,
                person=VirtualPerson(seed=index, start_bpm=100),
                drift_ppm=index * 3.0,
            )
            for index in range(count)
        ]
        adapter = await world.adapter()
        await asyncio.gather(*(play_session(band, adapter, said) for band in bands))
        return said, [band.motor.edges for band in bands]


@pytest.mark.slow
async def test_twenty_wearables_in_one_room_each_have_their_session() -> None:
    said, edges = await _crowd(7, 20)

    assert sum("done" in line for line in said) == 20
    assert all(len(of_one) == 2 for of_one in edges)


@pytest.mark.slow
def test_two_runs_of_one_seed_are_the_same_and_another_seed_is_not() -> None:
    first, again, other = (
        event_loops.run(_crowd(seed, 5), speed=math.inf) for seed in (11, 11, 12)
    )

    assert first == again
    assert [[edge.loop_s for edge in of_one] for of_one in first[1]] == [
        [edge.loop_s for edge in of_one] for of_one in again[1]
    ]
    assert first != other


async def test_the_radio_has_no_say_in_what_the_board_does_by_itself() -> None:
    async with bonded() as (world, band, _, client):
        world.radio.silence(band.address, 60, after_s=1)
        band.app.due_ms = band.board.ticks_ms() + 30_000
        due_ms = band.app.due_ms
        await asyncio.sleep(2)
        band.board.wake()  # takes the new due time into account
        await asyncio.sleep(60)
        assert band.app.due_seen_ms == [due_ms]
        assert not client.is_connected


async def test_a_reset_loses_the_link_and_the_memory_and_keeps_bond_and_flash() -> None:
    async with bonded() as (_, band, _, client):
        await client.write_gatt_char(CONTROL, b"\x06\x42", response=True)
        await client.write_gatt_char(CONTROL, struct.pack("<BBH", 1, 80, 60_000), response=True)
        await asyncio.sleep(1)
        assert band.motor.is_on
        app = band.app
        await band.reset()
        assert not band.motor.is_on
        assert band.app is not app
        assert band.boots == 2
        await asyncio.sleep(3.5)
        assert client.is_connected  # it has not noticed yet
        await asyncio.sleep(1)
        assert not client.is_connected
        await client.connect()
        assert await client.read_gatt_char(SECRET) == b"secret"
        assert band.board.nvm[0] == 0x42
        assert band.board.ticks_ms() < 10_000


async def test_the_firmware_may_reset_its_board() -> None:
    async with bonded() as (_, band, _, client):
        with pytest.raises(BleakError, match="0x08"):  # it is gone before it could answer
            await client.write_gatt_char(CONTROL, b"\x07", response=True)
        await asyncio.sleep(5)
        assert band.boots == 2
        band.check()
        await client.connect()
        assert await client.read_gatt_char(SECRET) == b"secret"


async def test_a_crash_of_the_firmware_stops_the_motor_and_is_told_of() -> None:
    async def session() -> None:
        async with bonded() as (_, band, _, client):
            await client.write_gatt_char(CONTROL, struct.pack("<BBH", 1, 9, 60_000), response=True)
            await asyncio.sleep(1)
            await client.write_gatt_char(CONTROL, b"\x05", response=True)
            await asyncio.sleep(1)
            assert isinstance(band.crashed, RuntimeError)
            assert not band.motor.is_on

    with pytest.raises(FirmwareError, match="asked to crash"):
        await session()


async def test_a_firmware_that_cannot_start_is_told_of(tmp_path: Path) -> None:
    async with World() as world:
        with pytest.raises(FirmwareError, match=r"band does not start.*no module named 'app'"):
            await world.add_wearable("band", firmware_dir=tmp_path)
        await world.add_wearable("band", firmware_dir=FIRMWARE)
        with pytest.raises(TenutoError, match="already"):
            await world.add_wearable("band", firmware_dir=FIRMWARE)


async def test_presses_reach_the_host_with_the_time_of_the_wearable() -> None:
    async with World() as world:
        person = VirtualPerson(presses=[Press(20.0, 300)])
        band = await world.add_wearable("band", firmware_dir=FIRMWARE, person=person)
        async with client_of(await world.adapter(), band) as client:
            log: list[bytes] = []
            await client.start_notify(LOG, lambda _, data: log.append(bytes(data)))
            await asyncio.sleep(30)
        assert b"".join(log) == b"button 1 20000\nbutton 0 20300\n"


async def test_two_hosts_share_the_air_and_a_wearable_serves_one() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        first = client_of(await world.adapter("first"), band)
        second = client_of(await world.adapter("second"), band)
        await first.connect()
        with pytest.raises(TimeoutError):
            await second.connect(timeout=5)
        await first.disconnect()
        await second.connect()
        assert await second.read_gatt_char(BATTERY_LEVEL) == bytes([87])


async def test_leaving_a_world_in_the_middle_of_everything_leaves_no_task_behind() -> None:
    async with World(loss=0.2) as world:
        person = VirtualPerson()
        band = await world.add_wearable("band", firmware_dir=FIRMWARE, person=person)
        adapter = await world.adapter()
        client = client_of(adapter, band)
        await client.connect()
        await client.pair()
        band.motor.on(50, 60_000)
        reading = asyncio.create_task(client.read_gatt_char(SECRET))
        await asyncio.sleep(0.01)
    assert not band.motor.is_on
    await asyncio.gather(reading, return_exceptions=True)
    await asyncio.sleep(60)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_cancelled_session_ends_cleanly() -> None:
    async def session() -> None:
        async with bonded() as (_, _band, _, client):
            while True:
                await client.read_gatt_char(SECRET)

    playing = asyncio.create_task(session())
    await asyncio.sleep(7)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    await asyncio.sleep(1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.slow
def test_the_same_session_runs_in_scaled_time() -> None:
    async def main() -> None:
        async with World(seed=1) as world:
            band = await world.add_wearable("band", firmware_dir=FIRMWARE, person=VirtualPerson())
            await play_session(band, await world.adapter(), [])

    event_loops.run(asyncio.wait_for(main(), 600), speed=20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
async def test_silences_at_random_lose_no_press(seed: int) -> None:
    async with bonded(seed=seed, loss=0.1) as (world, band, _, client):
        random = world.radio.random
        for _ in range(5):
            world.radio.silence(None, random.uniform(0, 20), after_s=random.uniform(0, 100))
        for _ in range(20):
            band.button.press(50)
            await asyncio.sleep(5)
        await asyncio.sleep(30)
        if not client.is_connected:
            await client.connect()
        assert await client.read_gatt_char(SECRET) == b"secret"
        assert len(band.app.presses) == 40
        assert not band.board.bleio.adapter.errors


async def test_a_world_that_fails_to_connect_says_why() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        client = client_of(await world.adapter(), band)
        with pytest.raises(BleakError, match="not connected"):
            await client._backend.pair()
