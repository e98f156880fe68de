# SPDX-License-Identifier: MIT
"""The link model: connection events, loss, silence, and the faults of bumble that are mended."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError
from bumble import core, gatt, hci
from bumble.device import AdvertisingType

from tenuto import event_loops
from tenuto.simulator import World
from tenuto.simulator.controller import VirtualController, power_on_device
from tenuto.simulator.radio import Happening, Radio, RadioEvent
from tests.simulator.rig import (
    CONTROL,
    FIRMWARE,
    LOG,
    SECRET,
    UPLOAD,
    bonded,
    client_of,
    find,
)

if TYPE_CHECKING:
    from tenuto.links.radios.bumble import BumbleAdapter

HOST = "F0:00:00:00:00:01"
BEACON = "C0:00:00:00:00:77"
NAME = b"\x07\x09beacon"
FLAGS = b"\x02\x01\x06"


async def upload(client: BleakClient, data: bytes) -> None:
    for index, offset in enumerate(range(0, len(data), 240)):
        chunk = offset.to_bytes(2, "little") + data[offset : offset + 240]
        await client.write_gatt_char(UPLOAD, chunk, response=False)
        if index % 4 == 3:
            await asyncio.sleep(0.5)
    await asyncio.sleep(2)


@pytest.mark.parametrize("interval_ms", [30.0, 50.0])
async def test_a_write_takes_from_one_to_three_connection_intervals(interval_ms: float) -> None:
    async with bonded(interval_ms=interval_ms) as (_, _band, _adapter, client):
        await asyncio.sleep(1)  # the board has asked for its 30 ms by then
        loop = asyncio.get_running_loop()
        for index in range(20):
            await asyncio.sleep(0.1 + index * 0.0017)
            start_s = loop.time()
            await client.write_gatt_char(CONTROL, b"\x06\x00", response=True)
            assert 0.030 <= loop.time() - start_s <= 0.090


async def test_a_radio_in_a_hurry_keeps_to_what_was_agreed_on_once_it_has_time() -> None:
    async with bonded() as (world, band, adapter, client):
        await asyncio.sleep(1)  # the board has asked for its 30 ms by then
        loop = asyncio.get_running_loop()

        async def write_s(client: BleakClient) -> float:
            start_s = loop.time()
            await client.write_gatt_char(CONTROL, b"\x06\x00", response=True)
            return loop.time() - start_s

        world.radio.hurry(1)
        assert await write_s(client) <= 0.005
        await client.disconnect()
        again = client_of(adapter, band)
        await again.connect()
        await asyncio.sleep(1)
        assert await write_s(again) <= 0.005
        world.radio.hurry(None)
        assert 0.030 <= await write_s(again) <= 0.090


@pytest.mark.parametrize("loss", [0.0, 0.3, 0.7])
async def test_loss_costs_time_and_never_a_byte_or_the_order(loss: float) -> None:
    async with bonded(seed=5, loss=loss) as (world, band, _, client):
        lines: list[bytes] = []
        await client.start_notify(LOG, lambda _, data: lines.append(bytes(data)))
        data = bytes(i * 7 & 0xFF for i in range(4000))
        await upload(client, data)
        await asyncio.sleep(10)
        assert bytes(band.app.uploaded) == data
        for _ in range(50):
            band.button.press(50)
            await asyncio.sleep(1)
        await asyncio.sleep(10)
        said = [line for line in b"".join(lines).split(b"\n") if line]
        assert said == [f"button {int(p)} {t}".encode() for p, t in band.app.presses]
        assert len(said) == 100
        statistics = world.radio.link_statistics(HOST, band.address)
        assert bool(statistics.retransmissions) == bool(loss)
        assert statistics.timeouts == 0


async def test_hopeless_loss_ends_the_link() -> None:
    async with bonded(supervision_ms=1000) as (world, _band, _, client):
        world.radio.loss = 0.99

        async def read_on() -> None:
            while True:
                await client.read_gatt_char(SECRET)

        with pytest.raises(BleakError, match="0x08"):
            await read_on()
        assert not client.is_connected


async def test_a_silence_kills_the_link_on_both_sides_after_the_supervision_timeout() -> None:
    async with bonded(supervision_ms=4000) as (world, band, _, client):
        lost_at_s: list[float] = []
        loop = asyncio.get_running_loop()
        client._backend.set_disconnected_callback(lambda: lost_at_s.append(loop.time()))
        start_s = loop.time()
        silence = world.radio.silence(band.address)
        with pytest.raises(BleakError, match="0x08"):
            await client.read_gatt_char(SECRET)
        assert lost_at_s == [pytest.approx(start_s + 4, abs=0.05)]
        assert not band.board.bleio.adapter.connected
        silence.end()
        await client.connect()
        assert await client.read_gatt_char(SECRET) == b"secret"


async def test_an_idle_link_dies_in_a_silence_too() -> None:
    async with bonded() as (world, band, _, client):
        world.radio.silence(HOST, 60, after_s=10)
        await asyncio.sleep(13.9)
        assert client.is_connected
        await asyncio.sleep(0.2)
        assert not client.is_connected
        assert not band.board.bleio.adapter.connected


async def test_a_short_silence_only_delays() -> None:
    async with bonded() as (world, _band, _, client):
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        world.radio.silence(None, 3)
        assert await client.read_gatt_char(SECRET) == b"secret"
        assert 3 < loop.time() - start_s < 3.2
        await asyncio.sleep(60)
        assert client.is_connected


async def test_short_silences_with_a_word_between_do_not_add_up() -> None:
    async with bonded() as (world, _band, _, client):
        for _ in range(5):
            world.radio.silence(None, 3)
            await asyncio.sleep(3.5)
        assert client.is_connected


async def test_overlapping_silences_last_as_long_as_the_longest() -> None:
    async with bonded() as (world, band, _, client):
        world.radio.silence(band.address, 2)
        world.radio.silence(None, 10, after_s=1)
        await asyncio.sleep(4.2)
        assert not client.is_connected
        with pytest.raises(TimeoutError):
            await client.connect(timeout=3)
        await client.connect(timeout=10)


async def test_nobody_is_found_or_connected_to_in_a_silence() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        world.radio.silence(band.address, 60)
        assert await find(adapter, "band", timeout_s=20) is None
        with pytest.raises(TimeoutError):
            await client_of(adapter, band).connect(timeout=20)
        assert await find(adapter, "band", timeout_s=30) is not None
        world.radio.silence(HOST, 60)
        assert await find(adapter, "band", timeout_s=20) is None


async def test_a_silence_of_one_wearable_leaves_the_other_in_peace() -> None:
    async with World() as world:
        one = await world.add_wearable("one", firmware_dir=FIRMWARE)
        two = await world.add_wearable("two", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        clients = [client_of(adapter, band) for band in (one, two)]
        for client in clients:
            await client.connect()
        world.radio.silence(one.address, 20)
        await asyncio.sleep(10)
        assert [c.is_connected for c in clients] == [False, True]


async def _trace(seed: int) -> list[RadioEvent]:
    events: list[RadioEvent] = []
    async with World(seed, loss=0.2, advertising_loss=0.2) as world:
        world.radio.on_event = events.append
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        client = client_of(adapter, band)
        await client.connect()
        await client.pair()
        await upload(client, bytes(1000))
        world.radio.silence(band.address, 7)
        await asyncio.sleep(10)
        await client.connect()
        await client.read_gatt_char(SECRET)
    return events


def test_one_seed_gives_one_course_of_events_and_another_seed_another() -> None:
    traces = [event_loops.run(_trace(seed), speed=math.inf) for seed in (1, 1, 2)]

    assert traces[0] == traces[1]
    assert traces[0] != traces[2]
    assert {event.what for event in traces[0]} == set(Happening)


async def _beacon(radio: Radio, kind: AdvertisingType, interval_ms: float = 100) -> Any:
    device, controller = await power_on_device(radio, "beacon", BEACON, secure_connections=False)
    await device.start_advertising(
        kind,
        advertising_data=FLAGS,
        scan_response_data=NAME,
        advertising_interval_min=interval_ms,
        advertising_interval_max=interval_ms,
    )
    return controller


async def _names(adapter: BumbleAdapter, mode: Any) -> set[str | None]:
    found = await BleakScanner.discover(
        5, return_adv=True, scanning_mode=mode, backend=adapter.scanner_backend
    )
    return {advertisement.local_name for _, advertisement in found.values()}


async def test_a_name_in_the_scan_response_is_for_active_scanners_only() -> None:
    async with World() as world:
        await _beacon(world.radio, AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE)
        adapter = await world.adapter()
        assert await _names(adapter, "active") == {"beacon"}
        assert await _names(adapter, "passive") == {None}


async def test_who_advertises_without_being_connectable_is_not_connected_to() -> None:
    async with World() as world:
        await _beacon(world.radio, AdvertisingType.UNDIRECTED_SCANNABLE)
        adapter = await world.adapter()
        client = BleakClient(BEACON, backend=adapter.client_backend)
        with pytest.raises(TimeoutError):
            await client.connect(timeout=5)


async def test_advertisements_come_at_their_interval_with_the_jitter_of_the_specification() -> None:
    async with World() as world:
        times_s: list[float] = []
        world.radio.on_event = lambda event: times_s.append(event.t_s)
        adapter = await world.adapter()
        async with BleakScanner(backend=adapter.scanner_backend):
            controller = await _beacon(
                world.radio, AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE, interval_ms=200
            )
            await asyncio.sleep(60)
            controller.power_off()
        gaps_s = [b - a for a, b in itertools.pairwise(times_s)]
        assert all(0.2 <= gap_s <= 0.2101 for gap_s in gaps_s)
        assert len(set(gaps_s)) > 100


async def test_no_more_goes_over_the_air_than_its_bit_rate_allows() -> None:
    async with World(interval_ms=7.5) as world:
        device, _ = await power_on_device(world.radio, "p", BEACON, secure_connections=False)
        got: list[bytes] = []
        done = asyncio.Event()

        def on_write(_: Any, value: bytes) -> None:
            got.append(value)
            if len(got) == 200:
                done.set()

        uuid = core.UUID(UPLOAD)
        characteristic: gatt.Characteristic[bytes] = gatt.Characteristic(
            uuid,
            gatt.Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
            gatt.Characteristic.Permissions.WRITEABLE,
            gatt.CharacteristicValue(write=on_write),
        )
        device.add_service(gatt.Service(uuid, [characteristic]))
        await device.start_advertising()
        client = BleakClient(BEACON, backend=(await world.adapter()).client_backend)
        await client.connect()
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for number in range(200):
            await client.write_gatt_char(UPLOAD, bytes([number]) * 240, response=False)
        await done.wait()
        assert [value[0] for value in got] == list(range(200))
        assert loop.time() - start_s > 200 * 240 * 8e-6


async def test_the_peripheral_is_told_the_parameters_that_the_central_chose() -> None:
    async with World(interval_ms=50, supervision_ms=6000) as world:
        device, _ = await power_on_device(world.radio, "p", BEACON, secure_connections=False)
        told: list[Any] = []
        device.on("connection", lambda connection: told.append(connection.parameters))
        await device.start_advertising()
        adapter = await world.adapter()
        await adapter.connect(hci.Address(BEACON))
        assert [(p.connection_interval, p.supervision_timeout) for p in told] == [(50, 6000)]


@pytest.mark.parametrize("loss", [-0.1, 1.0])
def test_an_impossible_loss_is_refused(loss: float) -> None:
    with pytest.raises(ValueError, match="loss"):
        Radio(loss=loss)


class Kernel:
    """A host that writes HCI itself, as Linux does, and keeps the events that it gets."""

    def __init__(self, radio: Radio) -> None:
        self.events: list[hci.HCI_Packet] = []
        self._controller = VirtualController("kernel", radio, hci.Address(HOST))
        self._controller.set_packet_sink(self)

    def on_packet(self, packet: bytes) -> None:
        self.events.append(hci.HCI_Packet.from_bytes(packet))

    async def send(self, command: hci.HCI_Command) -> None:
        self._controller.on_packet(bytes(command))
        await asyncio.sleep(0.5)

    async def connect(self, address: str) -> None:
        await self.send(
            hci.HCI_LE_Extended_Create_Connection_Command(
                initiator_filter_policy=0,
                own_address_type=hci.OwnAddressType.RANDOM,
                peer_address_type=hci.Address.RANDOM_DEVICE_ADDRESS,
                peer_address=hci.Address(address),
                initiating_phys=hci.PhyBit.LE_1M,
                scan_intervals=[96],
                scan_windows=[48],
                connection_interval_mins=[24],
                connection_interval_maxs=[40],
                max_latencies=[0],
                supervision_timeouts=[42],
                min_ce_lengths=[0],
                max_ce_lengths=[0],
            )
        )

    def told(self) -> list[str]:
        """Return the names of the events about connections, and forget them."""
        names = [type(event).__name__ for event in self.events]
        self.events.clear()
        return [name for name in names if "Connection_Complete" in name]


CONNECTED = hci.HCI_LE_CONNECTION_COMPLETE_EVENT
ENHANCED = hci.HCI_LE_ENHANCED_CONNECTION_COMPLETE_EVENT


@pytest.mark.parametrize(
    "asked, expected",
    [
        ([CONNECTED, ENHANCED], "HCI_LE_Enhanced_Connection_Complete_Event"),
        ([CONNECTED], "HCI_LE_Connection_Complete_Event"),
        (None, "HCI_LE_Connection_Complete_Event"),
    ],
)
async def test_a_host_gets_the_event_of_a_connection_that_it_has_asked_for(
    asked: list[int] | None, expected: str
) -> None:
    """Linux asks for the enhanced one of a controller with LL privacy, and waits for it alone."""
    radio = Radio()
    await _beacon(radio, AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE)
    kernel = Kernel(radio)
    if asked is not None:
        mask = hci.HCI_LE_Set_Event_Mask_Command.mask(asked)
        await kernel.send(hci.HCI_LE_Set_Event_Mask_Command(le_event_mask=mask))
    await kernel.connect("C0:00:00:00:00:78")  # nobody is there
    await kernel.send(hci.HCI_LE_Create_Connection_Cancel_Command())
    assert kernel.told() == [expected]
    await kernel.connect(BEACON)
    assert kernel.told() == [expected]
    await kernel.send(hci.HCI_Reset_Command())
    await kernel.connect("C0:00:00:00:00:78")
    await kernel.send(hci.HCI_LE_Create_Connection_Cancel_Command())
    assert kernel.told() == ["HCI_LE_Connection_Complete_Event"], "it asks anew after a reset"
