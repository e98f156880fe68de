# SPDX-License-Identifier: MIT
"""The simulated side, in a process of its own: controllers, air, wearables and their wearers.

What a host leaves to its Bluetooth adapter and to the wearables is here, so that the host's process
does what a host has to do and nothing else.  Either the wearables are Tenuto's firmware, and what
goes over each link is written down; or they are peripherals of bare bumble that say the same, each
packet at its time.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from bumble import ll
from bumble.gatt import Characteristic, Service
from bumble.keys import MemoryKeyStore

from tenuto.links.uuids import INBOX_UUID, OUTBOX_UUID, SERVICE_UUID
from tenuto.shipped import shipped
from tenuto.simulator import VirtualPerson, World
from tenuto.simulator.controller import power_on_device
from tenuto.simulator.server import listen as offer_controllers
from tests.bench.scale import child

if TYPE_CHECKING:
    from bumble.device import Connection, Device

    from tenuto.simulator.radio import Radio

HOST = "127.0.0.1"
LINK_INTERVAL_MS = 15.0
"""Of a new link; soon it asks for the interval that it wants."""
HURRY_MS = 1.0
"""While the wearables are linked, before anything is measured."""
ADVERTISING_MS = 100.0
BPM = (60, 120)
L2CAP_HEADER_BYTES, ATT_HEADER_BYTES, ATT_CID = 4, 3, 4
SAID = {0x1B: "notify"}
WRITTEN = {0x12: "request", 0x52: "command"}


def address_of(number: int) -> str:
    """Give the address of a wearable, counted from 1."""
    return f"C0:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}"


class Tap:
    """Writes down what goes over the links: (s since begin, address of the wearable, what, value).

    said: by the wearables: `notify` with hexadecimal bytes, `interval` in ms.  written: by the
    host: `request` and `command` with hexadecimal bytes.
    """

    def __init__(self, radio: Radio) -> None:
        self.begin_s: float | None = None
        self.said: list[tuple[float, str, str, Any]] = []
        self.written: list[tuple[float, str, str, Any]] = []
        self._loop = asyncio.get_running_loop()
        self._send_data, self._send_control = radio.send_data, radio.send_control
        radio.send_data = self._on_data  # type: ignore[method-assign]
        radio.send_control = self._on_control  # type: ignore[method-assign]

    def _note(self, into: list[Any], wearable: Any, what: str, value: Any) -> None:
        if self.begin_s is not None:
            at_s = round(self._loop.time() - self.begin_s, 6)
            into.append((at_s, wearable.to_string(with_type_qualifier=False), what, value))

    def _on_data(self, source: Any, destination: Any, data: bytes, on_sent: Any = None) -> None:
        if int.from_bytes(data[2:4], "little") == ATT_CID:
            op, value = data[L2CAP_HEADER_BYTES], data[L2CAP_HEADER_BYTES + ATT_HEADER_BYTES :]
            if op in SAID:
                self._note(self.said, source, SAID[op], value.hex())
            elif op in WRITTEN:
                self._note(self.written, destination, WRITTEN[op], value.hex())
        self._send_data(source, destination, data, on_sent)

    def _on_control(self, source: Any, destination: Any, packet: Any, on_sent: Any = None) -> None:
        if isinstance(packet, ll.ConnectionUpdateInd):
            self._note(self.said, source, "interval", packet.interval * 1.25)
        self._send_control(source, destination, packet, on_sent)


class Bare:
    """A peripheral of bare bumble that is written to at one characteristic and notifies another."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._connection: Connection | None = None
        properties = Characteristic.Properties
        inbox: Characteristic[bytes] = Characteristic(
            INBOX_UUID,
            properties.WRITE | properties.WRITE_WITHOUT_RESPONSE,
            Characteristic.WRITEABLE,
            b"",
        )
        self._outbox: Characteristic[bytes] = Characteristic(
            OUTBOX_UUID, properties.NOTIFY, Characteristic.READABLE, b""
        )
        device.add_service(Service(SERVICE_UUID, [inbox, self._outbox]))
        device.on(device.EVENT_CONNECTION, self._on_connection)

    def _on_connection(self, connection: Connection) -> None:
        self._connection = connection

    async def say(self, what: str, value: Any) -> None:
        """Say what a wearable once said."""
        assert self._connection is not None
        if what == "notify":
            server, data = self._device.gatt_server, bytes.fromhex(value)
            await server.notify_subscriber(self._connection, self._outbox, data)
        else:
            timeout_ms = self._connection.parameters.supervision_timeout
            await self._connection.update_parameters(value, value, 0, timeout_ms)


async def replay(world: World, given: Any) -> None:
    """Be bare peripherals that say at its time what is in the score."""
    devices = {}
    for number in range(1, given["count"] + 1):
        device, _ = await power_on_device(
            world.radio,
            f"bare-{number}",
            address_of(number),
            secure_connections=True,
            keystore=MemoryKeyStore(),
        )
        devices[address_of(number)] = Bare(device)
        await device.start_advertising(
            advertising_interval_min=ADVERTISING_MS, advertising_interval_max=ADVERTISING_MS
        )
    child.say(adapter=await adapter(world))
    order = await child.listen()
    world.radio.hurry(None)
    child.settle()
    talking: set[asyncio.Task[None]] = set()

    def say(address: str, what: str, value: Any) -> None:
        task = asyncio.create_task(devices[address].say(what, value))
        talking.add(task)
        task.add_done_callback(talking.discard)

    await child.play(order["begin_s"], given["score"], say)
    child.say()
    await child.listen()


async def record(world: World, given: Any) -> None:
    """Be Tenuto's wearables, worn by people, and write down what they and the host say."""
    tap, dice = Tap(world.radio), random.Random(1)
    for number in range(1, given["count"] + 1):
        person = VirtualPerson(seed=number, start_bpm=dice.uniform(*BPM))
        band = await world.add_wearable(
            f"band-{number}", firmware_dir=shipped("firmware"), person=person, lets_in=False
        )
        assert band.address == address_of(number)
        band.app.band.keyring.add(child.KEY, by_cable=False)
    child.say(adapter=await adapter(world))
    order = await child.listen()
    world.radio.hurry(None)
    child.settle()
    tap.begin_s = order["begin_s"]
    spent = await child.spent(order)
    child.say(
        **spent,
        said=tap.said,
        written=tap.written,
        clocks={
            band.id: (band.board.clock.loop_time(0), band.app.band.player.started_ms)
            for band in world.wearables.values()
        },
    )
    await child.listen()


async def adapter(world: World) -> str:
    """Offer controllers to other processes; gives what bumble calls them."""
    server = await offer_controllers(world.radio, HOST, 0)
    return f"tcp-client:{HOST}:{server.sockets[0].getsockname()[1]}"


async def main(given: Any) -> None:
    """Until the parent ends it."""
    async with AsyncExitStack() as stack:
        world = World(seed=1, forced_interval_ms=LINK_INTERVAL_MS)
        await stack.enter_async_context(world)
        world.radio.hurry(HURRY_MS)
        await (record if given["score"] is None else replay)(world, given)


if __name__ == "__main__":
    child.run(main)
