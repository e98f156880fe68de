# SPDX-License-Identifier: MIT
"""The link by cable: frames packed by `tenuto_core.cobs` on the band's second USB serial port."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tenuto.errors import LinkError, LinkReason
from tenuto_core.cobs import Unpacker, pack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)

PACKET_BYTES = 244
READ_BYTES = 4096
OPEN_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 5.0
"""A band whose program does not run takes no bytes."""
CLOSE_TIMEOUT_S = 2.0
BAUD = 115_200
"""Means nothing over USB, but a port wants one."""


class Writer(Protocol):
    """The part of `asyncio.StreamWriter` that is needed here."""

    def write(self, data: bytes) -> None:
        """Hand over bytes."""

    async def drain(self) -> None:
        """Wait until there is room for more."""

    def close(self) -> None:
        """Close the port."""

    async def wait_closed(self) -> None:
        """Wait until it is closed."""


OpenPort: TypeAlias = "Callable[[], Awaitable[tuple[asyncio.StreamReader, Writer]]]"


def _opener(port: str) -> OpenPort:
    async def open_port() -> tuple[asyncio.StreamReader, Writer]:
        import serial_asyncio_fast  # noqa: PLC0415 - only who has a cable needs it

        reader, writer = await serial_asyncio_fast.open_serial_connection(
            url=port, baudrate=BAUD, exclusive=True
        )
        return reader, writer

    return open_port


def _reason(error: OSError) -> LinkReason:
    text = str(error).lower()
    if isinstance(error, PermissionError) or "permission" in text:
        return LinkReason.PERMISSION
    if "busy" in text or "exclusively lock" in text:
        return LinkReason.BUSY
    return LinkReason.NOT_FOUND


class SerialLink:
    """A `Link` to the band on one serial port.

    port: as the platform writes it, such as `/dev/ttyACM1`.  open_port: opens it; None for the real
    one.
    """

    def __init__(self, port: str, open_port: OpenPort | None = None) -> None:
        self.name = port
        self.firmware: str | None = None
        self.packet_bytes = PACKET_BYTES
        self._open_port = open_port or _opener(port)
        self._writer: Writer | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Open the port; see `Link`."""
        await self.disconnect()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                reader, writer = await self._open_port()
        except TimeoutError:
            raise LinkError(LinkReason.TIMEOUT, f"{self.name} does not open") from None
        except OSError as error:
            raise LinkError(_reason(error), f"{self.name} cannot be opened: {error}") from error
        self._writer = writer
        # Whatever the port had from before ends with this zero, and the first packet is whole.
        writer.write(b"\x00")
        self._reading = asyncio.create_task(
            self._read(reader, writer, on_packet, on_lost), name=f"read {self.name}"
        )

    async def _read(
        self,
        reader: asyncio.StreamReader,
        writer: Writer,
        on_packet: Callable[[bytes], None],
        on_lost: Callable[[], None],
    ) -> None:
        unpacker = Unpacker(PACKET_BYTES)
        try:
            while data := await reader.read(READ_BYTES):
                for packet in unpacker.feed(data):
                    on_packet(packet)
        except OSError as error:
            _log.info("link=%s %s", self.name, error)
        if self._writer is writer:
            self._writer = self._reading = None
            await _close(writer)
            on_lost()

    async def send(self, packet: bytes) -> None:
        """Write one packet; see `Link`."""
        writer = self._writer
        if writer is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                writer.write(pack(packet))
                await writer.drain()
        except TimeoutError:
            raise LinkError(LinkReason.TIMEOUT, f"{self.name} takes no bytes") from None
        except OSError as error:
            raise LinkError(LinkReason.LOST, f"{self.name}: {error}") from error

    async def disconnect(self) -> None:
        """Close the port; see `Link`."""
        writer, self._writer = self._writer, None
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
        if writer is not None:
            await _close(writer)


async def _close(writer: Writer) -> None:
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        _log.debug("closing: %s", error)
