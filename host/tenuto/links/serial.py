# SPDX-License-Identifier: MIT
"""The link by cable: frames packed by `tenuto_core.cobs` on the band's second USB serial port.

A board has two ports, its console and the band's, and a computer has many more: whoever answers a
greeting in the band's own words is the band.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tenuto.errors import InputError, LinkError, LinkReason, one_line
from tenuto.retry import describe_failure
from tenuto_core import wire
from tenuto_core.cobs import Unpacker, pack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .registry import LinkContext, Place

_log = logging.getLogger(__name__)

PACKET_BYTES = 244
READ_BYTES = 4096
OPEN_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 5.0
"""A band whose program does not run takes no bytes."""
CLOSE_TIMEOUT_S = 2.0
BAUD = 115_200
"""Means nothing over USB, but a port wants one."""
AUTO = "auto"
"""The name of whichever port a band answers on."""
GREET_EVERY_S = 0.7
GREETINGS = 3
PLUG_WAIT_S = 60.0
LOOK_EVERY_S = 1.0
VENDORS = {0x239A: "Adafruit", 0x2886: "Seeed Studio", 0x303A: "Espressif"}
"""USB vendor ids of the boards that bands are made of."""
_DATA_PORT = "CDC2"
"""What CircuitPython calls the second of its two ports."""


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

    def give_up(self) -> None:
        """Close it at once; what the other end has not taken is lost."""


OpenPort: TypeAlias = "Callable[[], Awaitable[tuple[asyncio.StreamReader, Writer]]]"


def _opener(port: str) -> OpenPort:
    async def open_port() -> tuple[asyncio.StreamReader, Writer]:
        from .serial_port import open_streams  # noqa: PLC0415 - only who has a cable needs it

        return await open_streams(port, BAUD)

    return open_port


def _reason(error: OSError) -> LinkReason:
    text = str(error).lower()
    if isinstance(error, PermissionError) or "permission" in text:
        return LinkReason.PERMISSION
    if "busy" in text or "exclusively lock" in text:
        return LinkReason.BUSY
    return LinkReason.NOT_FOUND


def board_ports() -> list[str]:
    """Return the serial ports of boards that may be bands, the likeliest first."""
    from serial.tools import list_ports  # noqa: PLC0415 - only who has a cable needs it

    found = [port for port in list_ports.comports() if port.vid in VENDORS]
    found.sort(key=lambda port: (_DATA_PORT not in (port.interface or ""), port.device))
    return [port.device for port in found]


class SerialLink:
    """A `Link` to the band on one serial port.

    After the port was found missing, `connect` waits up to `PLUG_WAIT_S` for it to be plugged in.

    Args:
        port: As the platform writes it, such as `/dev/ttyACM1`, or `AUTO` for the first port on
            which a band answers.
        open_port: Opens it; None for the real one.
        ports: What `AUTO` looks through.
    """

    def __init__(
        self,
        port: str,
        open_port: OpenPort | None = None,
        ports: Callable[[], Sequence[str]] = board_ports,
    ) -> None:
        self.name = "the band on a cable" if port == AUTO else port
        self.firmware: str | None = None
        self.packet_bytes = PACKET_BYTES
        self._port = port
        self._open_port = open_port
        self._ports = ports
        self._was_missing = False
        self._writer: Writer | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Open the port; see `Link`."""
        await self.disconnect()
        if self._was_missing:
            await self._wait_for_plug()
        try:
            port = await self._find()
        except LinkError as error:
            self._was_missing = error.reason is LinkReason.NOT_FOUND
            raise
        self._was_missing = False
        self._writer = port.writer
        self._reading = asyncio.create_task(
            self._read(port, on_packet, on_lost), name=f"read {self.name}"
        )

    async def _wait_for_plug(self) -> None:
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + PLUG_WAIT_S
        while loop.time() < give_up_s and self._open_port is None:
            there = await loop.run_in_executor(None, self._is_plugged)
            if there:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def _is_plugged(self) -> bool:
        if self._port == AUTO:
            return bool(self._ports())
        return not self._port.startswith("/") or Path(self._port).exists()

    async def _find(self) -> _Open:
        """Open the port on which a band answers."""
        if self._port != AUTO or self._open_port is not None:
            return await _open(self._port, self._open_port or _opener(self._port))
        ports = await asyncio.get_running_loop().run_in_executor(None, self._ports)
        problems: list[LinkError] = []
        for port in ports:
            try:
                found = await _open(port, _opener(port))
            except LinkError as error:
                problems.append(error)
            else:
                self.name = port
                return found
        raise _no_band(problems)

    async def _read(
        self, port: _Open, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        try:
            while data := await port.reader.read(READ_BYTES):
                for packet in port.unpacker.feed(data):
                    on_packet(packet)
        except OSError as error:
            _log.info("link=%s %s", self.name, error)
        except Exception as error:  # noqa: BLE001 - of pyserial, or of what a packet held
            _log.error("link=%s broke: %s", self.name, describe_failure(error))
        if self._writer is port.writer:
            self._writer = self._reading = None
            await _close(port.writer)
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
            raise LinkError(LinkReason.LOST, f"{self.name}: {one_line(error)}") from error

    async def disconnect(self) -> None:
        """Close the port; see `Link`."""
        writer, self._writer = self._writer, None
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading}, timeout=CLOSE_TIMEOUT_S)
        if writer is not None:
            await _close(writer)


async def bands_on(ports: Sequence[str]) -> dict[str, str]:
    """Return those of these ports on which a band answers, each with the band's name.

    Raises:
        LinkError: None does.
    """
    found, problems = dict[str, str](), list[LinkError]()
    for port in ports:
        try:
            opened = await _open(port, _opener(port))
        except LinkError as error:
            problems.append(error)
        else:
            found[port] = opened.band
            await _close(opened.writer)
    if not found:
        raise _no_band(problems)
    return found


def _no_band(problems: Sequence[LinkError]) -> LinkError:
    """Say why no port has a band on it."""
    if not problems:
        return LinkError(
            LinkReason.NOT_FOUND, "no board is plugged in; a cable for charging alone is no use"
        )
    # A port that is held by another program is the likeliest to be the one.
    told = next((one for one in problems if one.reason is LinkReason.BUSY), problems[0])
    return LinkError(told.reason, "; ".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class _Open:
    """A port with a band on it.  band: what that calls itself."""

    reader: asyncio.StreamReader
    writer: Writer
    unpacker: Unpacker
    band: str


async def _open(name: str, open_port: OpenPort) -> _Open:
    """Open a port and see that a band answers on it.

    Raises:
        LinkError: It does not open, or no band answers; it is closed again.
    """
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            reader, writer = await open_port()
    except TimeoutError:
        raise LinkError(LinkReason.TIMEOUT, f"{name} does not open") from None
    except OSError as error:
        raise LinkError(_reason(error), f"{name} cannot be opened: {_why(error)}") from error
    unpacker = Unpacker(PACKET_BYTES)
    try:
        band = await _greet(name, reader, writer, unpacker)
    except OSError as error:
        await _close(writer)
        raise LinkError(LinkReason.LOST, f"{name}: {_why(error)}") from error
    except BaseException:
        await _close(writer)
        raise
    return _Open(reader, writer, unpacker, band)


async def _greet(
    name: str, reader: asyncio.StreamReader, writer: Writer, unpacker: Unpacker
) -> str:
    """Say hello until a band answers; gives its name."""
    heard = 0
    for _ in range(GREETINGS):
        # Whatever the port had from before ends with this zero, and the first packet is whole.
        writer.write(b"\x00" + pack(wire.encode(wire.HELLO, 0)))
        try:
            async with asyncio.timeout(GREET_EVERY_S):
                while True:
                    data = await reader.read(READ_BYTES)
                    if not data:
                        raise LinkError(LinkReason.LOST, f"{name} was unplugged")
                    heard += len(data)
                    names = [_hello(packet) for packet in unpacker.feed(data)]
                    band = next((name for name in names if name is not None), None)
                    if band is not None:
                        return band
        except TimeoutError:
            continue
    if heard:
        raise LinkError(
            LinkReason.PROTOCOL,
            f"what answers on {name} is no Tenuto band, or it is the band's console: try the other "
            'of its two ports, or port = "auto"',
        )
    raise LinkError(
        LinkReason.TIMEOUT, f"nobody answers on {name}: is it the band, and does its program run?"
    )


def _hello(packet: bytes) -> str | None:
    """Return the name of the band that greets in a packet, None where none does."""
    try:
        for op, _, _, tail in map(wire.decode, wire.split(packet)):
            if op == wire.HELLO | wire.ANSWER:
                return tail.decode(errors="replace")
    except wire.WireError:
        pass
    return None


def _why(error: OSError) -> str:
    reason = _reason(error)
    if reason is LinkReason.BUSY:
        return "another program has it open"
    if reason is LinkReason.PERMISSION:
        return "this user may not; on Linux, join the group dialout and log in again"
    return error.strerror or one_line(error)


async def _close(writer: Writer) -> None:
    writer.close()
    closing = asyncio.create_task(writer.wait_closed(), name="close a port")
    try:
        closed, _ = await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S)
        if not closed:
            # Held on to, it would be a port that another program has open, the next time.
            _log.info("closing a port that takes no bytes")
            writer.give_up()
            await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S)
    finally:
        closing.cancel()
    if closing.done() and not closing.cancelled() and closing.exception() is not None:
        _log.debug("closing: %s", closing.exception())


async def open_link(place: Place, _context: LinkContext) -> SerialLink:
    """Return the link to the band on a port; see `registry`.

    Raises:
        InputError: No port is known.
    """
    if place.port is None:
        raise InputError(f"wearable {place.id!r}: a link by cable needs a port")
    return SerialLink(place.port)
