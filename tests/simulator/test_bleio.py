# SPDX-License-Identifier: MIT
"""CircuitPython's `_bleio` as its nRF port behaves, seen from the program and from the air."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from bleak.exc import BleakError, BleakGATTProtocolError, BleakGATTProtocolErrorCode

from tenuto.simulator import SimulatedBoard, World
from tests.simulator.rig import FIRMWARE, client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bleak import BleakClient

FLAGS = b"\x02\x01\x06"


def _short(number: int) -> str:
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"


@asynccontextmanager
async def a_board() -> AsyncIterator[tuple[World, SimulatedBoard, Any]]:
    """A board without a program; the test is the program."""
    async with World() as world:
        board = SimulatedBoard(world.radio, "raw", "C0:00:00:00:00:09", firmware_dir=FIRMWARE)
        await board.boot()
        try:
            yield world, board, board.bleio
        finally:
            await board.stop()


async def connect(world: World, board: SimulatedBoard) -> BleakClient:
    board.bleio.adapter.start_advertising(FLAGS)
    client = client_of(await world.adapter(), board)
    await client.connect()
    await asyncio.sleep(1)  # the board asks for its preferred interval
    return client


async def test_values_have_the_lengths_of_the_soft_device() -> None:
    async with a_board() as (_, _board, b):
        service = b.Service(b.UUID(0x180F))
        add = b.Characteristic.add_to_service
        with pytest.raises(ValueError, match="0-512"):
            add(service, b.UUID(0x2BE0), max_length=513)
        with pytest.raises(ValueError, match="0-510"):
            add(service, b.UUID(0x2BE0), max_length=511, fixed_length=True)
        with pytest.raises(ValueError, match="initial_value"):
            add(service, b.UUID(0x2BE0), max_length=4, initial_value=b"12345")
        fixed = add(service, b.UUID(0x2BE0), max_length=4, fixed_length=True)
        assert fixed.value == bytes(4)
        with pytest.raises(ValueError, match="fixed length"):
            fixed.value = b"123"
        assert fixed.value == bytes(4)


async def test_only_the_newest_service_takes_characteristics() -> None:
    async with a_board() as (_, _board, b):
        first = b.Service(b.UUID(0x180F))
        b.Service(b.UUID(0x180D))
        with pytest.raises(b.BluetoothError, match="most recently"):
            b.Characteristic.add_to_service(first, b.UUID(0x2BE0))


async def test_advertising_once_ends_at_its_timeout_or_with_a_connection() -> None:
    async with a_board() as (world, board, b):
        adapter = b.adapter
        with pytest.raises(ValueError, match="interval"):
            adapter.start_advertising(FLAGS, interval=0.01)
        adapter.start_advertising(FLAGS, timeout=2)
        with pytest.raises(b.BluetoothError, match="Already"):
            adapter.start_advertising(FLAGS)
        await asyncio.sleep(1.9)
        assert adapter.advertising
        await asyncio.sleep(0.2)
        assert not adapter.advertising
        client = await connect(world, board)
        assert adapter.connected
        assert not adapter.advertising
        adapter.enabled = False
        await asyncio.sleep(1)
        assert not client.is_connected
        with pytest.raises(b.BluetoothError, match="enabled"):
            adapter.start_advertising(FLAGS)


async def test_permissions_and_properties_guard_values() -> None:
    async with a_board() as (world, board, b):
        c, a = b.Characteristic, b.Attribute
        service = b.Service(b.UUID(0x180F))
        c.add_to_service(
            service,
            b.UUID(0x2BE1),
            properties=c.READ,
            read_perm=a.ENCRYPT_WITH_MITM,
            initial_value=b"x",
        )
        c.add_to_service(
            service,
            b.UUID(0x2BE2),
            properties=c.READ | c.WRITE,
            write_perm=a.ENCRYPT_NO_MITM,
            max_length=4,
            fixed_length=True,
        )
        client = await connect(world, board)

        async def refused(operation: Any) -> BleakGATTProtocolErrorCode:
            with pytest.raises(BleakGATTProtocolError) as caught:
                await operation
            return caught.value.code

        codes = BleakGATTProtocolErrorCode
        write = client.write_gatt_char
        read = client.read_gatt_char
        assert (
            await refused(write(_short(0x2BE1), b"1", response=True)) == codes.WRITE_NOT_PERMITTED
        )
        assert (
            await refused(write(_short(0x2BE2), b"1234", response=True))
            == codes.INSUFFICIENT_AUTHENTICATION
        )
        await client.pair()
        # Just Works never satisfies a demand for protection against a man in the middle.
        assert await refused(read(_short(0x2BE1))) == codes.INSUFFICIENT_AUTHENTICATION
        assert (
            await refused(write(_short(0x2BE2), b"123", response=True))
            == codes.INVALID_ATTRIBUTE_VALUE_LENGTH
        )
        await write(_short(0x2BE2), b"1234", response=True)
        assert await read(_short(0x2BE2)) == b"1234"


async def test_a_full_characteristic_buffer_loses_the_newest_bytes() -> None:
    async with a_board() as (world, board, b):
        c = b.Characteristic
        rx = c.add_to_service(
            b.Service(b.UUID(0x180F)),
            b.UUID(0x2BE2),
            properties=c.WRITE_NO_RESPONSE,
            max_length=100,
        )
        buffer = b.CharacteristicBuffer(rx, buffer_size=64)
        with pytest.raises(ConnectionError):
            _ = buffer.in_waiting
        client = await connect(world, board)
        for letter in b"abc":
            await client.write_gatt_char(_short(0x2BE2), bytes([letter]) * 30, response=False)
        await asyncio.sleep(0.2)
        assert buffer.in_waiting == 64
        assert buffer.dropped == 26
        assert buffer.read(64) == b"a" * 30 + b"b" * 30 + b"c" * 4
        assert buffer.read(1) is None
        assert list(b.adapter.blocking_calls) == [("CharacteristicBuffer.read", 1.0)]


async def test_a_full_packet_buffer_loses_the_oldest_packets() -> None:
    async with a_board() as (world, board, b):
        c = b.Characteristic
        rx = c.add_to_service(
            b.Service(b.UUID(0x180F)), b.UUID(0x2BE2), properties=c.WRITE, max_length=20
        )
        packets = b.PacketBuffer(rx, buffer_size=2)
        client = await connect(world, board)
        for number in range(3):
            await client.write_gatt_char(_short(0x2BE2), bytes([number]) * 20, response=True)
        room = bytearray(20)
        assert packets.dropped == 1
        assert [(packets.readinto(room), room[0]) for _ in range(2)] == [(20, 1), (20, 2)]
        assert packets.readinto(room) == 0


async def test_packets_that_are_written_at_once_leave_merged() -> None:
    async with a_board() as (world, board, b):
        c = b.Characteristic
        tx = c.add_to_service(
            b.Service(b.UUID(0x180F)), b.UUID(0x2BE3), properties=c.NOTIFY, max_length=244
        )
        packets = b.PacketBuffer(tx, buffer_size=1)
        assert packets.write(b"nobody") == 0
        with pytest.raises(ValueError, match="No connection"):
            _ = packets.outgoing_packet_length
        client = await connect(world, board)
        got: list[bytes] = []
        await client.start_notify(_short(0x2BE3), lambda _, data: got.append(bytes(data)))
        assert packets.outgoing_packet_length == 244
        for number in range(4):
            assert packets.write(b"%d," % number) == 2
        await asyncio.sleep(0.3)
        assert got == [b"0,", b"1,2,3,"]
        assert not b.adapter.blocking_calls
        packets.write(bytes(244))
        packets.write(bytes(200))
        packets.write(bytes(100))
        await asyncio.sleep(0.3)
        assert [len(packet) for packet in got[2:]] == [244, 200, 100]
        assert [call for call, _ in b.adapter.blocking_calls] == ["PacketBuffer.write"]


async def test_the_sixth_notification_of_one_moment_would_block() -> None:
    async with a_board() as (world, board, b):
        c = b.Characteristic
        tx = c.add_to_service(
            b.Service(b.UUID(0x180F)), b.UUID(0x2BE3), properties=c.NOTIFY, max_length=20
        )
        client = await connect(world, board)
        got: list[bytes] = []
        await client.start_notify(_short(0x2BE3), lambda _, data: got.append(bytes(data)))
        for number in range(6):
            tx.value = b"%d" % number
        await asyncio.sleep(0.3)
        assert got == [b"%d" % number for number in range(6)]
        assert len(b.adapter.blocking_calls) == 1


async def test_the_board_asks_for_its_interval_and_may_change_it() -> None:
    async with a_board() as (world, board, b):
        await connect(world, board)
        connection = b.adapter.connections[0]
        assert connection.connection_interval == 30
        connection.connection_interval = 100
        await asyncio.sleep(1)
        assert connection.connection_interval == 100


async def test_after_erase_bonding_an_old_bond_is_worth_nothing() -> None:
    async with a_board() as (world, board, b):
        client = await connect(world, board)
        await client.pair()
        assert b.adapter.connections[0].paired
        await client.disconnect()
        await asyncio.sleep(1)
        b.adapter.erase_bonding()
        b.adapter.start_advertising(FLAGS)
        await client.connect()
        with pytest.raises(BleakError, match="unpair"):
            await client.pair()
        assert not b.adapter.connections[0].paired
        await client.unpair()
        b.adapter.start_advertising(FLAGS)
        await client.connect()
        await client.pair()
        assert b.adapter.connections[0].paired


async def test_a_text_is_a_buffer_as_on_the_board() -> None:
    async with a_board() as (_, _board, b):
        described = b.Characteristic.add_to_service(
            b.Service(b.UUID(0x180F)), b.UUID(0x2BE4), initial_value="text", user_description="d"
        )
        assert described.value == b"text"
        assert [d.value for d in described.descriptors] == [b"d"]
