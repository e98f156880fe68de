# SPDX-License-Identifier: MIT
"""A Bluetooth LE link by bleak, whatever radio bleak stands on."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError

from tenuto.errors import LinkError, LinkReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

_log = logging.getLogger(__name__)

_UUID = "c6a1{:04x}-7f2d-4f0e-9d5b-2a4e7e6b1f10"
SERVICE_UUID = _UUID.format(0)
INFO_UUID = _UUID.format(1)
INBOX_UUID = _UUID.format(2)
OUTBOX_UUID = _UUID.format(3)

PACKET_BYTES_MAX = 244
SCAN_TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 20.0
GATT_TIMEOUT_S = 5.0
"""An encrypted read after a failed pairing was seen to hang for more than a minute on BlueZ."""
PAIR_TIMEOUT_S = 30.0
# ATT errors (Core 5.4, Vol 3, Part F, 3.4.1.1): a bond is missing, or the link is not encrypted.
_SECURITY_ERRORS = frozenset({0x05, 0x08, 0x0F})


@dataclass
class BleAdapter:
    """One radio, shared by all links on it.

    scanner, client: backends for bleak, None for the platform's own.  options: further keyword
    arguments for both, such as `{"adapter": "hci1"}` on Linux.
    Radios do one thing at a time badly and two not at all, so scanning and connecting take turns.
    """

    scanner: type[BaseBleakScanner] | None = None
    client: type[BaseBleakClient] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def _backend(self, kind: type | None) -> dict[str, Any]:
        return self.options | ({} if kind is None else {"backend": kind})

    async def find(self, address: str | None) -> BLEDevice:
        """Scan for the wearable with this address, or for any that offers Tenuto's service.

        Raises:
            LinkError: nothing was found in `SCAN_TIMEOUT_S`, or there is no working adapter.
        """

        def fits(device: BLEDevice, advertisement: AdvertisementData) -> bool:
            if address is not None:
                return device.address.upper() == address.upper()
            return SERVICE_UUID in advertisement.service_uuids

        async with self._turn, _link_errors("scanning"):
            device = await BleakScanner.find_device_by_filter(
                fits, timeout=SCAN_TIMEOUT_S, **self._backend(self.scanner)
            )
        if device is None:
            which = "no Tenuto wearable" if address is None else f"no wearable at {address}"
            raise LinkError(
                LinkReason.NOT_FOUND,
                f"{which} was heard in {SCAN_TIMEOUT_S:.0f} s: is it on, charged and near?",
            )
        return device

    async def connect(
        self, device: BLEDevice, on_lost: Callable[[BleakClient], None]
    ) -> BleakClient:
        """Connect and discover the services.

        Raises:
            LinkError: it did not work; nothing is left open.
        """
        client = BleakClient(
            device,
            disconnected_callback=on_lost,
            timeout=CONNECT_TIMEOUT_S,
            **self._backend(self.client),
        )
        async with self._turn, _link_errors("connecting"):
            async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
                await client.connect()
        return client


@asynccontextmanager
async def _link_errors(doing: str) -> AsyncIterator[None]:
    """Turn what bleak and the platform raise into a LinkError."""
    try:
        yield
    except BleakGATTProtocolError as error:
        reason = LinkReason.NOT_PAIRED if error.code in _SECURITY_ERRORS else LinkReason.PROTOCOL
        raise LinkError(reason, f"{doing}: {error}") from error
    except BleakDeviceNotFoundError as error:
        raise LinkError(LinkReason.NOT_FOUND, f"{doing}: the wearable went away") from error
    except (BleakError, EOFError) as error:
        raise LinkError(LinkReason.LOST, f"{doing}: {error}") from error
    except TimeoutError as error:
        raise LinkError(LinkReason.TIMEOUT, f"{doing} took too long") from error
    except OSError as error:
        raise LinkError(
            LinkReason.NO_ADAPTER,
            f"{doing}: Bluetooth cannot be used here ({error}); "
            "is there an adapter, is it on, and does the Bluetooth service run?",
        ) from error


class BleLink:
    """A `Link` to the Tenuto service of one wearable.

    address: as the platform writes it, or None for the first Tenuto wearable that is heard.
    """

    def __init__(self, adapter: BleAdapter, address: str | None) -> None:
        self.name = address or "the nearest Tenuto wearable"
        self._adapter = adapter
        self._address = address
        self._client: BleakClient | None = None
        self._inbox: BleakGATTCharacteristic | None = None

    @property
    def packet_bytes(self) -> int:
        """Largest packet that `send` takes just now; BlueZ may raise it after a while."""
        if self._inbox is None:
            return 0
        return min(PACKET_BYTES_MAX, self._inbox.max_write_without_response_size)

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Scan, connect, pair where needed, and subscribe; see `Link`."""
        await self.disconnect()
        device = await self._adapter.find(self._address)

        def lost(client: BleakClient) -> None:
            if client is self._client:
                self._client = self._inbox = None
                on_lost()

        client = await self._adapter.connect(device, lost)
        try:
            inbox = client.services.get_characteristic(INBOX_UUID)
            if inbox is None:
                raise LinkError(LinkReason.PROTOCOL, f"{self.name} does not offer Tenuto's service")
            await self._secure(client)
            async with _link_errors("subscribing"), asyncio.timeout(GATT_TIMEOUT_S):
                await client.start_notify(OUTBOX_UUID, lambda _, data: on_packet(bytes(data)))
            if not client.is_connected:
                raise LinkError(LinkReason.LOST, "the link broke while it was set up")
        except BaseException:
            await _let_go(client)
            raise
        self._client, self._inbox = client, inbox

    async def _secure(self, client: BleakClient) -> None:
        """Make sure of the bond by reading something that needs it."""
        try:
            async with _link_errors("reading what the wearable is"):
                async with asyncio.timeout(PAIR_TIMEOUT_S):  # this read makes BlueZ pair
                    await client.read_gatt_char(INFO_UUID)
        except LinkError as error:
            if error.reason is not LinkReason.NOT_PAIRED:
                raise
        else:
            return
        async with _link_errors("pairing"), asyncio.timeout(PAIR_TIMEOUT_S):
            await client.pair()
        async with _link_errors("reading what the wearable is"), asyncio.timeout(GATT_TIMEOUT_S):
            await client.read_gatt_char(INFO_UUID)

    async def send(self, packet: bytes) -> None:
        """Write one packet without waiting for the wearable; see `Link`."""
        client, inbox = self._client, self._inbox
        if client is None or inbox is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        async with _link_errors("sending"), asyncio.timeout(GATT_TIMEOUT_S):
            await client.write_gatt_char(inbox, packet, response=False)

    async def disconnect(self) -> None:
        """Let go; see `Link`."""
        client, self._client, self._inbox = self._client, None, None
        if client is not None:
            await _let_go(client)


async def _let_go(client: BleakClient) -> None:
    try:
        async with _link_errors("disconnecting"), asyncio.timeout(GATT_TIMEOUT_S):
            await client.disconnect()
    except LinkError as error:
        _log.debug("link=%s %s", client.address, error)
