# SPDX-License-Identifier: MIT
"""A link to a watch with Espruino: frames as lines of its console on Bluetooth's Nordic UART.

To the watch goes `GB({"t":"tn","d":"<base64>"})`, which its boot code hands to Tenuto's app also
where the console takes no other JavaScript; from it comes `~<base64>`. Everything else on the
console (prompts, echoes, what other apps print) is passed over; see firmware/bangle/README.md.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto_core import wire

from .ble import locate
from .ble_adapter import BleAdapter, at_address
from .bonding import pair_client
from .gatt import characteristic, limited, subscribe
from .radios.errors import link_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic

    from .ble_adapter import Sighting
    from .registry import LinkContext, Place

__all__ = ["EspruinoConsole", "EspruinoLink", "locate", "open_link"]

_log = logging.getLogger(__name__)

UART = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
_TO_WATCH = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
_FROM_WATCH = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"

PACKET_BYTES = 96
"""A line of 152 bytes: four of them, which a driver has under way in an upload, fill less than the
768 bytes from which on the watch asks to wait."""
LINE_BYTES_MAX = 4096
"""A longer line is none of ours; what was printed is let go."""
_PIECE_BYTES_MIN = 20
"""What every device takes at once."""
_PIECE_BYTES_MAX = 128
SETTLE_S = 0.2
"""The console needs that after an interrupt."""
HELD_TIMEOUT_S = 10.0
"""How long a watch may ask to wait."""
WRITE_TIMEOUT_S = 5.0
GREETINGS = 4
GREET_EVERY_S = 1.5
_INTERRUPT, _WHO = b"\x03", b"\x05"
_PASSKEY = b"=passkey "
_PASSKEY_ASKED = (
    b'\x10Bluetooth.println("=passkey "+'
    b'((require("Storage").readJSON("setting.json",1)||{}).passkey?1:0))\n'
)
_XON, _XOFF = 0x11, 0x13
_ESCAPES = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x09\x0b\x0c\x0e-\x1a\x1c-\x1f]")
_VERSION = re.compile(rb"Espruino (\d+)v(\d+)(\S*) (\w+)")
OLDEST = (2, 16)
"""The oldest version whose boot code hands such lines on."""
INSTALL = "`tenuto wearable install` puts it there"
REBOOT = "restart it: hold its button for ten seconds"


def as_line(frame: bytes) -> bytes:
    """Return the line that carries a frame to the watch."""
    return b'\x10GB({"t":"tn","d":"' + base64.b64encode(frame) + b'"})\n'


class EspruinoConsole:
    """The console of one watch over Bluetooth: lines both ways, and its version.

    Args:
        adapter: The radio.
        address: Of the watch.
        by_hand: A person takes part in the pairing, if there is one.

    Attributes:
        version: Such as `2v29.74`; None where the watch does not tell it.
        is_programmable: Whether it runs JavaScript of whoever is connected, known once connected.
        has_passkey: Whether only who knows a number is connected, known where it is programmable.
    """

    def __init__(self, adapter: BleAdapter, address: str, *, by_hand: bool = False) -> None:
        self.address = address
        self.version: str | None = None
        self.is_programmable = False
        self.has_passkey = False
        self.may_bond = True
        self.rssi_dbm: int | None = None
        self._adapter = adapter
        self._by_hand = by_hand
        self._client: BleakClient | None = None
        self._inlet: BleakGATTCharacteristic | None = None
        self._held = bytearray()
        self._may_send = asyncio.Event()
        self._turn = asyncio.Lock()
        self._on_line: Callable[[bytes], None] = lambda _line: None
        self._told = asyncio.Event()

    @property
    def is_shut(self) -> bool:
        """Whether nobody can go round the key that the app asks for."""
        return self.has_passkey or not self.is_programmable

    @property
    def is_open(self) -> bool:
        """Whether the watch is connected."""
        return self._client is not None

    async def open(self, on_line: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        """Connect, have the console forget what was half written, and ask for its version.

        Args:
            on_line: Called with each line, without prompts and escapes; must not wait or raise.
            on_lost: Called once if the link breaks.

        Raises:
            LinkError: It did not work; nothing is left open.
        """
        await self.close()

        def lost(client: BleakClient) -> None:
            if client is self._client:
                self._client = self._inlet = None
                self._may_send.set()  # whoever waits finds that it is gone
                on_lost()

        try:
            client, sighting = await self._adapter.connect(
                at_address(self.address), self.address, lost, service=UART
            )
        except LinkError as error:
            if error.reason is LinkReason.NOT_FOUND:
                raise LinkError(
                    error.reason,
                    f"{error}; while a phone's Gadgetbridge is connected to a Bangle.js it is not "
                    "heard: disconnect it there",
                ) from error
            raise
        try:
            await self._set_up(client, sighting, on_line)
        except BaseException:
            self._client = self._inlet = None
            await self._adapter.let_go(client)
            raise

    async def _set_up(
        self, client: BleakClient, sighting: Sighting, on_line: Callable[[bytes], None]
    ) -> None:
        outlet, inlet = characteristic(client, _FROM_WATCH), characteristic(client, _TO_WATCH)
        if outlet is None or inlet is None:
            raise LinkError(
                LinkReason.PROTOCOL, f"{self.address} has no console: is it a Bangle.js 2?"
            )
        self.rssi_dbm = sighting.found.rssi_dbm
        self._held.clear()
        self._may_send.set()
        self._told.clear()
        self.version, self.is_programmable, self.has_passkey = None, False, False
        self._on_line = on_line
        try:
            await subscribe(client, outlet, self._take, "subscribing")
        except LinkError as error:  # a watch with a passkey
            if error.reason is not LinkReason.NOT_PAIRED or not self.may_bond:
                raise
            await pair_client(client, self._adapter, by_hand=self._by_hand)
            await subscribe(client, outlet, self._take, "subscribing")
        if not client.is_connected:
            raise LinkError(LinkReason.LOST, f"the link to {self.address} broke")
        self._client, self._inlet = client, inlet
        await self.write(_INTERRUPT)
        await asyncio.sleep(SETTLE_S)
        await self.write(_WHO)
        try:
            async with asyncio.timeout(GREET_EVERY_S):
                await self._told.wait()
        except TimeoutError:
            return  # its console takes nothing but what is for apps
        self._check_version()
        self._told.clear()
        await self.write(_PASSKEY_ASKED)
        with suppress(TimeoutError):
            async with asyncio.timeout(GREET_EVERY_S):
                await self._told.wait()

    def _check_version(self) -> None:
        version = self.version or ""
        if (*map(int, re.findall(r"\d+", version)),)[:2] < OLDEST:
            raise LinkError(
                LinkReason.PROTOCOL,
                f"{self.address} has Espruino {version}, Tenuto needs {OLDEST[0]}v{OLDEST[1]}: "
                "update it at banglejs.com/apps, More, Firmware Update",
            )

    async def write(self, data: bytes) -> None:
        """Write to the console, in pieces, waiting where the watch asks for it.

        Raises:
            LinkError: It is not connected, or takes nothing.
        """
        async with self._turn:
            at = 0
            while at < len(data):
                if not self._may_send.is_set():
                    await self._wait()
                client, inlet = self._client, self._inlet
                if client is None or inlet is None:
                    raise LinkError(LinkReason.LOST, f"{self.address} is not connected")
                told = inlet.max_write_without_response_size
                size = max(_PIECE_BYTES_MIN, min(_PIECE_BYTES_MAX, told))
                piece = data[at : at + size]
                async with link_errors("sending", is_linked=True):
                    await limited(
                        client.write_gatt_char(inlet, piece, response=False), WRITE_TIMEOUT_S
                    )
                at += len(piece)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(HELD_TIMEOUT_S):
                await self._may_send.wait()
        except TimeoutError:
            raise LinkError(
                LinkReason.TIMEOUT,
                f"{self.address} has taken nothing for {HELD_TIMEOUT_S:.0f} s: {REBOOT}",
            ) from None

    def _take(self, value: bytes) -> None:
        for mark in value:
            if mark == _XOFF:
                self._may_send.clear()
            elif mark == _XON:
                self._may_send.set()
        self._held += bytes(mark for mark in value if mark not in (_XON, _XOFF))
        *lines, rest = self._held.split(b"\n")
        self._held = rest if len(rest) <= LINE_BYTES_MAX else bytearray()
        for line in lines:
            bare = _ESCAPES.sub(b"", bytes(line)).strip(b"\r").lstrip(b">\r")
            found = _VERSION.search(bare)
            if found is not None:
                major, minor, more, _board = found.groups()
                self.version = f"{int(major)}v{int(minor)}{more.decode('ascii', 'replace')}"
                self.is_programmable = True
                self._told.set()
            elif bare.startswith(_PASSKEY):
                self.has_passkey = bare != _PASSKEY + b"0"
                self._told.set()
            elif bare:
                self._on_line(bare)

    async def close(self) -> None:
        """Let go; nothing if it is not connected."""
        client, self._client, self._inlet = self._client, None, None
        self._may_send.set()
        if client is not None:
            await self._adapter.let_go(client)


class EspruinoLink:
    """A `Link` to Tenuto's app on a watch; see `Link`.

    Args:
        adapter: The radio.
        address: Of the watch.
        by_hand: A person takes part in the pairing, if there is one.

    Attributes:
        firmware: The version of Espruino, None where the watch does not tell it.
        broken: Lines that looked like frames and were none.
    """

    packet_bytes = PACKET_BYTES

    def __init__(self, adapter: BleAdapter, address: str, *, by_hand: bool = False) -> None:
        self.name = address
        self.firmware: str | None = None
        self.broken = 0
        self._console = EspruinoConsole(adapter, address, by_hand=by_hand)
        self._on_packet: Callable[[bytes], None] | None = None
        self._greeted = asyncio.Event()
        self._lacks = b""

    @property
    def is_programmable(self) -> bool:
        """Whether the watch runs JavaScript of whoever is connected."""
        return self._console.is_programmable

    @property
    def is_shut(self) -> bool:
        """Whether nobody can go round the key that the app asks for."""
        return self._console.is_shut

    @property
    def rssi_dbm(self) -> int | None:
        """How strongly it was heard."""
        return self._console.rssi_dbm

    @property
    def may_bond(self) -> bool:
        """Whether a bond may be made, where the watch has a passkey."""
        return self._console.may_bond

    @may_bond.setter
    def may_bond(self, value: bool) -> None:
        self._console.may_bond = value

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Connect, and see that the app answers; see `Link`."""
        await self.disconnect()
        self._greeted.clear()
        self._lacks = b""

        def lost() -> None:
            self._on_packet = None
            on_lost()

        is_set_up = False
        await self._console.open(self._on_line, lambda: lost() if is_set_up else None)
        try:
            await self._greet()
        except BaseException:
            await self._console.close()
            raise
        if not self._console.is_open:
            raise LinkError(LinkReason.LOST, f"the link to {self.name} broke while it was set up")
        is_set_up = True
        self.firmware = self._console.version
        self._on_packet = on_packet

    async def _greet(self) -> None:
        """Say hello until the app answers; an answer with the tag 0 is for nobody else."""
        for _ in range(GREETINGS):
            await self._console.write(as_line(wire.encode(wire.HELLO, 0)))
            try:
                async with asyncio.timeout(GREET_EVERY_S):
                    await self._greeted.wait()
            except TimeoutError:
                continue
            if not self._lacks:
                return
            raise LinkError(LinkReason.PROTOCOL, f"Tenuto's app is not on {self.name}: {INSTALL}")
        raise LinkError(
            LinkReason.TIMEOUT,
            f"{self.name} does not answer. Where Tenuto's app is not on it, {INSTALL}; where it "
            f"is, {REBOOT}",
        )

    def _on_line(self, line: bytes) -> None:
        if not line.startswith(b"~"):
            if b"ReferenceError" in line and b'"GB"' in line:
                self._lacks = line
                self._greeted.set()
            else:
                _log.debug("wearable=%s prints %r", self.name, line[:80])
            return
        try:
            frame = base64.b64decode(line[1:], validate=True)
        except (binascii.Error, ValueError):
            frame = b""
        if not 2 <= len(frame) <= wire.MAX_FRAME:
            self.broken += 1
            return
        if frame[0] == wire.HELLO | wire.ANSWER:
            self._greeted.set()
        if self._on_packet is not None:
            self._on_packet(bytes([len(frame)]) + frame)

    async def send(self, packet: bytes) -> None:
        """Write one frame as a line; see `Link`."""
        if self._on_packet is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        await self._console.write(as_line(packet))

    async def alert(self) -> None:
        """Have the watch felt.

        Raises:
            LinkError: It is not connected.
        """
        if self._on_packet is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        await self._console.write(b'\x10GB({"t":"tn"})\n')

    async def disconnect(self) -> None:
        """Let go; see `Link`."""
        self._on_packet = None
        await self._console.close()


async def open_link(place: Place, context: LinkContext) -> EspruinoLink:
    """Return the link to Tenuto's app on a watch; see `registry`."""
    return EspruinoLink(*await locate(place, context))
