# SPDX-License-Identifier: MIT
"""A simulated world behind TCP: each program that connects gets a Bluetooth controller in it.

What travels is plain HCI (H4 packets, Core 5.4, Vol 4, Part A), so any host stack that can speak
it over TCP can be tested: `bumble:tcp-client:127.0.0.1:9000` is such a host.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, cast

from bumble import hci
from bumble.core import InvalidPacketError
from bumble.transport.common import PacketParser

from tenuto.errors import InputError

from .controller import VirtualController

if TYPE_CHECKING:
    from .radio import Radio

_log = logging.getLogger(__name__)

CONTROLLERS_MAX = 255


def parse_endpoint(text: str) -> tuple[str, int]:
    """Read `host:port`.

    Raises:
        InputError: It is something else.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 0xFFFF:
        raise InputError(f"{text!r} is not host:port, such as 127.0.0.1:9000")
    return host.strip("[]"), int(port)


class _HciConnection(asyncio.Protocol):
    """One program and its controller."""

    def __init__(self, radio: Radio, number: int) -> None:
        address = hci.Address(f"F0:00:00:00:01:{number:02X}")
        self._controller = VirtualController(f"tcp {number}", radio, address)
        self._controller.set_packet_sink(self)
        self._parser = PacketParser(self._controller)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        _log.info("controller=%s connected", self._controller.name)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (InvalidPacketError, ValueError, IndexError) as error:
            _log.warning("controller=%s is sent what is not HCI: %s", self._controller.name, error)
            if self._transport is not None:
                self._transport.close()

    def on_packet(self, packet: bytes) -> None:
        """Send a packet of the controller to its host."""
        if self._transport is not None:
            self._transport.write(bytes(packet))

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._controller.power_off()
        _log.info("controller=%s gone", self._controller.name)


async def listen(radio: Radio, host: str, port: int) -> asyncio.Server:
    """Offer controllers on this radio; the server is the caller's to close.

    Raises:
        OSError: It cannot listen there.
    """
    numbers = itertools.cycle(range(1, CONTROLLERS_MAX + 1))
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _HciConnection(radio, next(numbers)), host, port)
