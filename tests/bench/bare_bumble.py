# SPDX-License-Identifier: MIT
"""The floor of virtual time: bare bumble on both ends of each link, with the packets of a session.

What went over the virtual radio is noted, and goes once more between devices of bumble alone, over
bumble's own link, each packet at its time. Nobody reads the values.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

from bumble.controller import Controller
from bumble.core import UUID
from bumble.device import Device, DeviceConfiguration, Peer
from bumble.gatt import Characteristic, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink

from tenuto.simulator.radio import Radio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bumble.gatt_client import CharacteristicProxy

SERVICE = UUID("4fafc201-1fb5-459e-8fcc-c5c9c331914b")
INBOX = UUID("beb5483e-36e1-4688-b7f5-ea07361b26a8")
OUTBOX = UUID("beb5483e-36e1-4688-b7f5-ea07361b26a9")
MTU = 517

ATT_CHANNEL = b"\x04\x00"
WRITE_REQUEST, NOTIFICATION, WRITE_COMMAND = 0x12, 0x1B, 0x52
VALUE_AT = 4 + 3
"""After L2CAP's head of four bytes, the opcode and the handle."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One value over the air.

    Attributes:
        wearable: The address of the wearable.
        opcode: ATT's: a notification comes from the wearable, a write goes to it.
    """

    at_s: float
    wearable: str
    opcode: int
    value: bytes


@contextlib.contextmanager
def noted() -> Iterator[list[Packet]]:
    """Note each value that is sent over a virtual radio."""
    packets: list[Packet] = []
    send = Radio.send_data

    def note(
        self: Radio,
        source: Address,
        destination: Address,
        data: bytes,
        on_sent: Callable[[], None] | None = None,
    ) -> None:
        opcode = data[4]
        if data[2:4] == ATT_CHANNEL and opcode in (WRITE_REQUEST, NOTIFICATION, WRITE_COMMAND):
            wearable = source if opcode == NOTIFICATION else destination
            now_s = asyncio.get_running_loop().time()
            packets.append(Packet(now_s, str(wearable), opcode, data[VALUE_AT:]))
        send(self, source, destination, data, on_sent)

    with mock.patch.object(Radio, "send_data", note):
        yield packets


@dataclass(slots=True)
class _Link:
    """A wearable of bumble's and what its host knows of it.

    Attributes:
        came: Values that the host was told.
    """

    device: Device
    outbox: Characteristic[bytes]
    inbox: CharacteristicProxy[bytes]
    came: int = 0

    def take(self, _value: bytes) -> None:
        self.came += 1


def _device(link: LocalLink, name: str, address: str) -> Device:
    controller = Controller(name, link=link)
    host = Host(controller, controller)
    config = DeviceConfiguration(name=name, address=Address(address))
    return Device(config=config, host=host)


async def _link(air: LocalLink, host: Device, number: int) -> _Link:
    address = f"F0:00:00:00:01:{number:02X}"
    wearable = _device(air, f"wearable-{number}", address)
    properties = Characteristic.Properties
    inbox: Characteristic[bytes] = Characteristic(
        INBOX,
        properties.WRITE | properties.WRITE_WITHOUT_RESPONSE,
        Characteristic.Permissions.WRITEABLE,
        b"",
    )
    outbox: Characteristic[bytes] = Characteristic(
        OUTBOX, properties.NOTIFY, Characteristic.Permissions.READABLE, b""
    )
    wearable.add_service(Service(SERVICE, [inbox, outbox]))
    await wearable.power_on()
    await wearable.start_advertising()
    peer = Peer(await host.connect(Address(address)))
    await peer.request_mtu(MTU)
    await peer.discover_services()
    await peer.discover_characteristics()
    (there,) = peer.get_characteristics_by_uuid(INBOX)
    (told,) = peer.get_characteristics_by_uuid(OUTBOX)
    link = _Link(wearable, outbox, there)
    await peer.subscribe(told, link.take)
    return link


async def replay(packets: Sequence[Packet]) -> float:
    """Send packets once more, each at its time, and return the processor time in seconds.

    Raises:
        RuntimeError: Not all of them arrived.
    """
    air = LocalLink()  # type: ignore[no-untyped-call]
    host = _device(air, "host", "F0:00:00:00:02:01")
    await host.power_on()
    names = dict.fromkeys(packet.wearable for packet in packets)
    links = {name: await _link(air, host, number) for number, name in enumerate(names)}
    loop = asyncio.get_running_loop()
    delay_s = loop.time() - packets[0].at_s
    asking: set[asyncio.Task[None]] = set()
    began_s = time.process_time()
    for packet in packets:
        if (wait_s := packet.at_s + delay_s - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        link = links[packet.wearable]
        if packet.opcode == NOTIFICATION:
            (connection,) = link.device.connections.values()
            await link.device.notify_subscriber(connection, link.outbox, packet.value, force=True)
        elif packet.opcode == WRITE_COMMAND:
            await link.inbox.write_value(packet.value)
        else:
            ask = link.inbox.write_value(packet.value, with_response=True)
            task = asyncio.create_task(ask, name="bare bumble asks")
            asking.add(task)
            task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    await asyncio.sleep(1)
    spent_s = time.process_time() - began_s
    told = sum(packet.opcode == NOTIFICATION for packet in packets)
    if (came := sum(link.came for link in links.values())) != told:
        raise RuntimeError(f"of {told} values {came} arrived")
    return spent_s
