# SPDX-License-Identifier: MIT
"""The bleak backend over bumble, on the simulated radio and on a serial port."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bleak.uuids import normalize_uuid_str
from bumble import core, gatt, hci
from bumble.device import AdvertisingType
from bumble.keys import PairingKeys
from bumble.transport import open_transport

from tenuto.links.radios.bumble import (
    ADDRESSES_KNOWN_MAX,
    ATT_TIMEOUT_S,
    BumbleAdapter,
    PrivateKeyStore,
)
from tenuto.simulator import VirtualPerson, World
from tenuto.simulator.controller import VirtualController, power_on_device
from tenuto.simulator.radio import Happening, Radio, RadioEvent
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

ABSENT = "C0:00:00:00:00:99"
SERVICE = "7e5a0001-1c3f-4b8e-9a52-0d6c5b1f2e3a"
SLOW_UUID = "7e5a0077-1c3f-4b8e-9a52-0d6c5b1f2e3a"


async def test_a_wearable_is_found_by_its_service_and_by_its_name() -> None:
    async with World() as world:
        for name in ("one", "two"):
            await world.add_wearable(name, firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        found = await BleakScanner.discover(
            5, return_adv=True, service_uuids=[SERVICE], backend=adapter.scanner_backend
        )
        assert {a.local_name for _, a in found.values()} == {"one", "two"}
        assert all(a.service_uuids == [SERVICE] and a.rssi < 0 for _, a in found.values())
        assert not await BleakScanner.discover(
            5, service_uuids=[HEART_RATE], backend=adapter.scanner_backend
        )
        two = await find(adapter, "two")
        assert two is not None
        assert two.address == world.wearables["two"].address


async def test_scanners_share_the_radio_and_one_that_stops_leaves_the_other_scanning() -> None:
    async with World() as world:
        await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        heard: list[str] = []
        async with BleakScanner(
            lambda device, _: heard.append(device.address), backend=adapter.scanner_backend
        ):
            async with BleakScanner(backend=adapter.scanner_backend, scanning_mode="active"):
                await asyncio.sleep(1)
            heard.clear()
            await asyncio.sleep(1)
        assert heard
        heard.clear()
        await asyncio.sleep(1)
        assert not heard


async def test_a_command_whose_caller_was_cancelled_keeps_its_answer_from_the_next_one() -> None:
    async with World() as world:
        host = (await world.adapter()).device.host
        read_name = hci.HCI_Read_Local_Name_Command()
        for _ in range(3):
            cancelled = asyncio.create_task(host.send_sync_command(read_name))
            await asyncio.sleep(0)
            cancelled.cancel()
            told = await host.send_sync_command(hci.HCI_Read_BD_ADDR_Command())
            assert isinstance(told, hci.HCI_Read_BD_ADDR_ReturnParameters)


async def test_the_controller_is_told_each_bond_once_and_all_anew_when_one_has_changed() -> None:
    async with World() as world:
        device = (await world.adapter()).device
        assert device.keystore is not None
        told: list[hci.HCI_Packet] = []
        send = device.host.send_hci_packet

        def note(packet: hci.HCI_Packet) -> None:
            told.append(packet)
            send(packet)

        device.host.send_hci_packet = note  # type: ignore[method-assign]
        bonds = {f"C0:00:00:00:00:{n:02X}": bytes([n]) * 16 for n in range(9, 0, -1)}

        async def bond(address: str, irk: bytes) -> list[str]:
            told.clear()
            await device.update_keys(address, PairingKeys(irk=PairingKeys.Key(irk)))
            return [
                str(packet.peer_identity_address)
                for packet in told
                if isinstance(packet, hci.HCI_LE_Add_Device_To_Resolving_List_Command)
                and packet.peer_identity_address != hci.Address.ANY
            ]

        for address, irk in bonds.items():
            assert await bond(address, irk) == [address]
        assert sorted(await bond(next(iter(bonds)), bytes(16))) == sorted(bonds)


async def test_a_malformed_advertisement_is_ignored() -> None:
    async with World() as world:
        device, _ = await power_on_device(world.radio, "bad", ABSENT, secure_connections=False)
        for data in (b"\x02\xff\x01", b"\x05\x02\x01", b"\x1f\x09", b"\x03\x16\x01\x02", b"\x00"):
            await device.start_advertising(
                AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE, advertising_data=data
            )
            await asyncio.sleep(1)
        adapter = await world.adapter()
        await BleakScanner.discover(3, backend=adapter.scanner_backend)


@pytest.mark.parametrize(
    "field",
    [b"\x04\x09A\xe4B", b"\x02\xff\x01", b"\x01\x0a", b"\x02\x16\x01", b"\x04\x02\x01\x02\x03"],
    ids=[
        "a name in Latin-1",
        "half a company",
        "no power",
        "half a service",
        "a service and a half",
    ],
)
async def test_one_wrong_field_of_an_advertisement_hides_no_device(field: bytes) -> None:
    async with World() as world:
        device, _ = await power_on_device(world.radio, "odd", ABSENT, secure_connections=False)
        await device.start_advertising(
            AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE,
            advertising_data=field + b"\x03\x03\x0d\x18" + b"\x02\x0a\xf4",
        )
        adapter = await world.adapter()
        async with BleakScanner(backend=adapter.scanner_backend) as scanner:
            await asyncio.sleep(3)
            (told,) = [
                told
                for found, told in scanner.discovered_devices_and_advertisement_data.values()
                if found.address == ABSENT
            ]
        assert normalize_uuid_str("180d") in told.service_uuids
        if field[1] == 0x09:
            assert told.local_name == "A\ufffdB"
        if field[1] != 0x0A:
            assert told.tx_power == -12


def report(address: hci.Address, data: bytes) -> bytes:
    """What a controller says of a packet of somebody who may be asked for more."""
    kind = hci.HCI_LE_Advertising_Report_Event.EventType.ADV_IND
    heard = hci.HCI_LE_Advertising_Report_Event.Report(
        event_type=kind, address_type=address.address_type, address=address, data=data, rssi=-50
    )
    return bytes(hci.HCI_LE_Advertising_Report_Event([heard]))


async def test_nothing_grows_with_what_strangers_shout() -> None:
    """Each from a new address, each with a service that nobody has."""
    async with World() as world:
        await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        async with BleakScanner(backend=adapter.scanner_backend) as scanner:
            await asyncio.sleep(1)
            services = len(core.UUID.UUIDS)
            hear = adapter.device.host.on_packet
            for number in range(2 * ADDRESSES_KNOWN_MAX):
                address = hci.Address(f"C0:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}")
                for again in range(1 + number % 2):  # some say only what asks for a scan response
                    service = (number * 2 + again).to_bytes(16, "little")
                    hear(report(address, b"\x11\x07" + service + b"\x11\x21" + service))
            device = adapter.device
            assert len(core.UUID.UUIDS) == services
            assert len(device.advertisement_accumulators) <= ADDRESSES_KNOWN_MAX
            assert len(scanner.discovered_devices) <= ADDRESSES_KNOWN_MAX
            await asyncio.sleep(5)
            assert "band" in [device.name for device in scanner.discovered_devices]
            (data,) = [
                data
                for _, data in scanner.discovered_devices_and_advertisement_data.values()
                if data.service_uuids == [str(UUID(int=2 * number + again))]
            ]
            assert data.service_data == {str(UUID(int=2 * number + again)): b""}


async def test_without_a_bond_what_is_protected_is_refused() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        async with client_of(await world.adapter(), band) as client:
            for operation in (
                client.read_gatt_char(SECRET),
                client.write_gatt_char(CONTROL, b"\x02", response=True),
            ):
                with pytest.raises(BleakGATTProtocolError, match="Insufficient Authentication"):
                    await operation
            assert await client.read_gatt_char(BATTERY_LEVEL) == bytes([87])


async def test_a_bond_is_used_at_the_next_connect_without_being_asked_for() -> None:
    async with bonded() as (_, band, adapter, client):
        await client.disconnect()
        again = client_of(adapter, band)
        await again.connect()
        assert band.board.bleio.adapter.connections[0].paired
        assert await again.read_gatt_char(SECRET) == b"secret"


async def test_a_refused_request_is_repeated_with_encryption_when_there_is_a_bond() -> None:
    async with bonded() as (_, _band, adapter, client):
        keys = adapter.device.keystore.all_keys  # type: ignore[union-attr]
        await client.disconnect()
        kept = dict(keys)
        keys.clear()
        await client.connect()
        with pytest.raises(BleakGATTProtocolError, match="Insufficient Encryption"):
            await client.read_gatt_char(SECRET)
        keys.update(kept)
        assert await client.read_gatt_char(SECRET) == b"secret"
        await client.write_gatt_char(CONTROL, b"\x06\x42", response=True)


async def test_pairing_may_be_part_of_connecting_and_pairing_twice_does_no_harm() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        client = client_of(await world.adapter(), band, pair=True)
        await client.connect()
        await client.pair()
        assert await client.read_gatt_char(SECRET) == b"secret"


async def test_unpair_forgets_the_bond_and_disconnects() -> None:
    async with bonded() as (_, _band, adapter, client):
        await client.unpair()
        assert not client.is_connected
        assert not await adapter.device.keystore.get_all()  # type: ignore[union-attr]
        with pytest.raises(BleakDeviceNotFoundError):
            await client.unpair()
        await client.connect()
        with pytest.raises(BleakGATTProtocolError):
            await client.read_gatt_char(SECRET)
        await client.pair()
        assert await client.read_gatt_char(SECRET) == b"secret"


async def test_a_loss_during_an_operation_is_an_error_and_no_cancellation() -> None:
    lost: list[BleakClient] = []
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        client = client_of(await world.adapter(), band, lost.append)
        await client.connect()
        world.radio.silence(band.address)
        reads = [client.read_gatt_char(BATTERY_LEVEL) for _ in range(3)]
        results = await asyncio.gather(*reads, return_exceptions=True)
        assert [type(result) for result in results] == [BleakError] * 3
        assert len(lost) == 1
        for operation in (
            client.read_gatt_char(BATTERY_LEVEL),
            client.write_gatt_char(CONTROL, b"\x02"),
            client.start_notify(LOG, lambda *_: None),
        ):
            with pytest.raises(BleakError):
                await operation
        assert len(lost) == 1


async def test_a_loss_while_the_services_are_discovered_ends_the_connect() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        client = client_of(await world.adapter(), band, timeout=60)
        silence = world.radio.silence(band.address, after_s=0.5)
        with pytest.raises(BleakError, match="0x08"):
            await client.connect()
        assert not client.is_connected
        silence.end()
        await client.connect()
        assert await client.read_gatt_char(BATTERY_LEVEL) == bytes([87])


async def test_a_cancelled_operation_is_cancelled_and_its_late_answer_harms_nobody() -> None:
    async with bonded() as (_, _band, _, client):
        for delay_s in (0, 0.01, 0.03, 0.05):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await client.read_gatt_char(BATTERY_LEVEL)
            assert await client.read_gatt_char(SECRET) == b"secret"


async def test_a_connect_that_times_out_or_is_cancelled_frees_the_radio() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        loop = asyncio.get_running_loop()
        absent = BleakClient(ABSENT, backend=adapter.client_backend)
        start_s = loop.time()
        with pytest.raises(TimeoutError):
            await absent.connect(timeout=2)
        assert loop.time() - start_s < 2.1
        connecting = asyncio.create_task(absent.connect())
        await asyncio.sleep(1)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        async with client_of(adapter, band) as client:
            assert client.is_connected


async def test_connects_take_turns_and_one_that_gives_up_in_the_queue_disturbs_nobody() -> None:
    async with World() as world:
        bands = [await world.add_wearable(f"b{i}", firmware_dir=FIRMWARE) for i in range(3)]
        adapter = await world.adapter()
        silence = world.radio.silence(bands[0].address, 5)
        clients = [client_of(adapter, band) for band in bands]

        async def connect(index: int, timeout_s: float) -> Any:
            try:
                return await clients[index].connect(timeout=timeout_s)
            except TimeoutError:
                return "timeout"

        results = await asyncio.gather(connect(0, 30), connect(1, 2), connect(2, 30))
        assert silence.is_over
        assert list(results) == [None, "timeout", None]
        assert [c.is_connected for c in clients] == [True, False, True]


@pytest.mark.parametrize("after_ms", range(0, 300, 7))
async def test_a_connect_may_be_cancelled_at_any_moment(after_ms: int) -> None:
    async with World(seed=after_ms) as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        client = client_of(adapter, band)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(after_ms / 1000):
                await client.connect()
        assert not client.is_connected
        await client.connect()
        assert await client.read_gatt_char(BATTERY_LEVEL) == bytes([87])
        await client.disconnect()
        await asyncio.sleep(5)
        assert not adapter.device.connections
        assert not band.board.bleio.adapter.connected


async def test_disconnect_tells_both_sides_and_calls_back_once() -> None:
    lost: list[BleakClient] = []
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        client = client_of(await world.adapter(), band, lost.append)
        await client.connect()
        with pytest.raises(BleakError, match="already"):
            await client.connect()
        await client.disconnect()
        await client.disconnect()
        await asyncio.sleep(1)
        assert lost == [client]
        assert not band.board.bleio.adapter.connected
        assert band.board.bleio.adapter.advertising


async def test_notifications_come_from_start_to_stop_and_a_bad_callback_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bonded() as (_, band, _, client):
        got: list[bytes] = []

        def on_data(_: Any, data: bytearray) -> None:
            got.append(bytes(data))
            raise ValueError("bad callback")

        await client.start_notify(LOG, on_data)
        with pytest.raises(BleakError, match="already"):
            await client.start_notify(LOG, on_data)
        with pytest.raises(BleakError, match="neither"):
            await client.start_notify(SECRET, on_data)
        for _ in range(2):
            band.button.press(100)
            await asyncio.sleep(1)
        assert len(got) == 4
        assert "bad callback" in caplog.text
        await client.stop_notify(LOG)
        await client.stop_notify(LOG)
        band.button.press(100)
        await asyncio.sleep(1)
        assert len(got) == 4


async def test_a_bonded_wearable_remembers_what_was_subscribed_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bonded() as (_, band, _, client):
        await client.start_notify(LOG, lambda *_: None)
        await client.disconnect()
        await client.connect()
        band.button.press(100)
        await asyncio.sleep(1)
        got: list[bytes] = []
        await client.start_notify(LOG, lambda _, data: got.append(bytes(data)))
        band.button.press(100)
        await asyncio.sleep(1)
        assert len(got) == 2
        assert not caplog.records


async def test_a_bonded_wearable_notifies_after_a_reconnect_without_being_asked_again() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE, person=VirtualPerson())
        client = client_of(await world.adapter(), band)
        await client.connect()
        await client.pair()
        await client.start_notify(HEART_RATE, lambda *_: None)
        await client.disconnect()
        await client.connect()
        statistics = world.radio.link_statistics("F0:00:00:00:00:01", band.address)
        before = statistics.data_pdus
        await asyncio.sleep(20)
        assert statistics.data_pdus - before > 15


async def test_a_connect_that_is_given_up_as_it_succeeds_leaves_no_connection_behind() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        connecting = asyncio.create_task(client_of(adapter, band).connect())

        def give_up(event: RadioEvent) -> None:
            if event.what is Happening.CONNECTED:
                connecting.cancel()

        world.radio.on_event = give_up
        with pytest.raises(asyncio.CancelledError):
            await connecting
        world.radio.on_event = None
        await asyncio.sleep(5)
        assert not adapter.device.connections
        assert not band.board.bleio.adapter.connected
        await client_of(adapter, band).connect()


async def test_what_does_not_fit_into_one_packet_is_refused_not_lost() -> None:
    async with bonded() as (_, band, _, client):
        upload = client.services.get_characteristic(UPLOAD)
        assert upload is not None
        room = upload.max_write_without_response_size
        assert room == client._backend.mtu_size - 3 == 509
        with pytest.raises(BleakError, match="509"):
            await client.write_gatt_char(upload, bytes(room + 1), response=False)
        assert band.app.uploaded == b""


async def test_writes_without_response_wait_for_the_radio_and_all_arrive() -> None:
    async with bonded() as (world, band, adapter, client):
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        queue = adapter.device.host.le_acl_packet_queue
        assert queue is not None
        for _ in range(300):
            await client.write_gatt_char(UPLOAD, bytes(240), response=False)
            assert queue.pending <= 33
        assert loop.time() - start_s > 0.5
        await asyncio.sleep(2)
        before = world.radio.link_statistics("F0:00:00:00:00:01", band.address).data_bytes
        assert before > 300 * 240


async def test_a_peer_that_never_answers_is_given_up_after_the_att_timeout() -> None:
    async with World() as world:
        device, _ = await power_on_device(world.radio, "slow", ABSENT, secure_connections=False)

        async def never(_connection: Any) -> bytes:
            await asyncio.sleep(3600)
            return b""

        device.add_service(
            gatt.Service(
                core.UUID(SERVICE),
                [
                    gatt.Characteristic(
                        core.UUID(SLOW_UUID),
                        gatt.Characteristic.Properties.READ,
                        gatt.Characteristic.Permissions.READABLE,
                        gatt.CharacteristicValue(read=never),
                    )
                ],
            )
        )
        await device.start_advertising()
        adapter = await world.adapter()
        client = BleakClient(ABSENT, backend=adapter.client_backend)
        await client.connect()
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        with pytest.raises(BleakError, match="no answer"):
            await client.read_gatt_char(SLOW_UUID)
        assert loop.time() - start_s == pytest.approx(ATT_TIMEOUT_S, abs=1)
        assert not client.is_connected


async def test_the_loss_of_the_adapter_ends_everything_with_clear_errors() -> None:
    lost: list[BleakClient] = []
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        client = client_of(adapter, band, lost.append)
        await client.connect()
        reading = asyncio.create_task(client.read_gatt_char(BATTERY_LEVEL))
        connecting = asyncio.create_task(
            BleakClient(ABSENT, backend=adapter.client_backend).connect()
        )
        scanner = BleakScanner(backend=adapter.scanner_backend)
        await scanner.start()
        await asyncio.sleep(0.01)
        adapter.device.host.on_transport_lost()  # type: ignore[no-untyped-call]
        results = await asyncio.gather(reading, connecting, return_exceptions=True)
        assert [isinstance(result, BleakError) for result in results] == [True, True], results
        assert lost == [client]
        await scanner.stop()
        for operation in (client.connect(), scanner.start()):
            with pytest.raises(BleakBluetoothNotAvailableError, match="gone"):
                await operation


async def test_closing_the_adapter_while_connecting_is_an_error_for_who_waits() -> None:
    async with World() as world:
        adapter = await world.adapter()
        connecting = asyncio.create_task(
            BleakClient(ABSENT, backend=adapter.client_backend).connect()
        )
        await asyncio.sleep(1)
        await adapter.close()
        await adapter.close()
        with pytest.raises(BleakError):
            await connecting


async def test_known_services_make_a_reconnect_quick() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await world.adapter()
        adapter.services_cache = {}
        client = client_of(adapter, band)
        loop = asyncio.get_running_loop()
        took_s = []
        for _ in range(2):
            start_s = loop.time()
            await client.connect()
            took_s.append(loop.time() - start_s)
            assert await client.read_gatt_char(BATTERY_LEVEL) == bytes([87])
            await client.start_notify(LOG, lambda *_: None)
            await client.disconnect()
            await asyncio.sleep(1)
        assert took_s[1] < took_s[0] / 3


async def test_a_second_client_of_one_wearable_is_told_so() -> None:
    async with bonded() as (_, band, adapter, client):
        second = client_of(adapter, band)
        with pytest.raises(BleakError, match="another client"):
            await second.connect()
        await client.disconnect()
        await second.connect()
        assert await second.read_gatt_char(SECRET) == b"secret"


async def test_of_two_hosts_that_call_at_once_one_gets_the_wearable() -> None:
    async with World() as world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        clients = [client_of(await world.adapter(name), band) for name in ("a", "b")]
        results = await asyncio.gather(
            *(client.connect(timeout=10) for client in clients), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) in (
            ["BleakError", "NoneType"],
            ["NoneType", "TimeoutError"],
        )
        assert sum(client.is_connected for client in clients) == 1


async def test_what_is_no_address_is_told_of() -> None:
    async with World() as world:
        adapter = await world.adapter()
        client = BleakClient("no address", backend=adapter.client_backend)
        with pytest.raises(BleakError, match="no Bluetooth address"):
            await client.connect()


async def test_bonds_are_kept_where_only_their_owner_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "keys.json"
    before = os.umask(0)
    try:
        store = PrivateKeyStore("F0:00:00:00:00:01", path, "usb:0")
        keys = PairingKeys(ltk=PairingKeys.Key(bytes(16)))
        await store.update(ABSENT, keys)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    again = PrivateKeyStore("F0:00:00:00:00:01", path, "usb:0")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await again.get(ABSENT) == keys
    await again.delete(ABSENT)
    await again.delete(ABSENT)
    assert await again.get_all() == []
    assert [p.name for p in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("content", ["no json", "[]", '{"adapters": []}'])
def test_a_broken_file_of_bonds_is_told_of_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(BleakError, match=r"keys\.json"):
        PrivateKeyStore("F0:00:00:00:00:01", path, "usb:0")
    assert path.read_text() == content


@pytest.mark.parametrize("spec", ["serial:/nowhere/at/all", "no-such-kind:0", "usb:x:y:z"])
async def test_a_radio_that_is_not_there_is_told_of(tmp_path: Path, spec: str) -> None:
    with pytest.raises(BleakBluetoothNotAvailableError, match=spec.partition(":")[0]):
        await BumbleAdapter.open_transport(spec, tmp_path / "keys.json")


@pytest.mark.slow
@pytest.mark.real_time
async def test_a_radio_behind_a_serial_port(tmp_path: Path) -> None:
    """A controller on a pseudo terminal stands in for a microcontroller with an HCI firmware."""
    port = tmp_path / "tty"
    keys = tmp_path / "keys.json"
    addresses: list[str] = []

    radio = Radio()
    transport = await open_transport(f"pty:{port}")
    controller = VirtualController("usb", radio, hci.Address("F0:00:00:00:00:00"))
    transport.source.set_packet_sink(controller)
    controller.set_packet_sink(transport.sink)
    world = World()
    world.radio = radio
    async with world:
        band = await world.add_wearable("band", firmware_dir=FIRMWARE)
        for _ in range(2):
            adapter = await BumbleAdapter.open_transport(f"serial:{port}", keys, interval_ms=7.5)
            try:
                addresses.append(str(adapter.device.random_address))
                device = await find(adapter, "band")
                assert device is not None
                async with BleakClient(device, backend=adapter.client_backend) as client:
                    await client.pair()
                    assert await client.read_gatt_char(SECRET) == b"secret"
            finally:
                await adapter.close()
        assert len(band.board.flash.all_keys) == 1
    controller.power_off()
    await transport.close()

    assert addresses[0] == addresses[1]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    kept = json.loads(keys.read_text())
    assert kept.pop("adapters") == {f"serial:{port}": addresses[0]}
    assert list(kept) == [addresses[0]]
