# SPDX-License-Identifier: MIT
"""A Bluetooth LE link by bleak, whatever radio bleak stands on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tenuto.errors import InputError, LinkError, LinkReason
from tenuto.links.radios.errors import link_errors

from .ble_adapter import ENDED_EARLY_MAX, at_address
from .bonding import check_bond, has_tenuto, read_firmware, secure
from .gatt import GATT_TIMEOUT_S, characteristic, subscribe, write
from .uuids import ALERT_UUID, INBOX_UUID, OUTBOX_UUID, SERVICE_UUID

if TYPE_CHECKING:
    from collections.abc import Callable

    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic

    from .ble_adapter import BleAdapter, Sighting
    from .registry import LinkContext, Place

_log = logging.getLogger(__name__)

ALERT_HIGH = 2
"""Of the Immediate Alert service: until it is answered by a press, or has lasted long enough."""

PACKET_BYTES_MAX = 244
LEAST_PACKET_BYTES = 64
"""What Tenuto needs.  Before 5.62 BlueZ tells of no more than 20, and later ones at times do at
first; what is larger than told then goes as a write with response, which has no such limit."""


class BleLink:
    """A `Link` to the Tenuto service of one wearable.

    Args:
        address: As the platform writes it, or None for the first Tenuto wearable that is heard.
        by_hand: A person takes part in the pairing, if there is one.

    Attributes:
        may_bond: Whether a bond may be made, also in the place of one that is lost.
    """

    def __init__(self, adapter: BleAdapter, address: str | None, *, by_hand: bool = False) -> None:
        self.name = address or "the nearest Tenuto wearable"
        self.firmware: str | None = None
        self.rssi_dbm: int | None = None
        self.may_bond = True
        self._adapter = adapter
        self._address = address
        self._by_hand = by_hand
        self._tries = ENDED_EARLY_MAX if by_hand else 1
        self._client: BleakClient | None = None
        self._inbox: BleakGATTCharacteristic | None = None

    @property
    def packet_bytes(self) -> int:
        """Largest packet that `send` takes just now; BlueZ may raise it after a while."""
        if self._inbox is None:
            return 0
        # Not `mtu_size`: BlueZ says 23 there whatever it is.
        told_bytes = self._inbox.max_write_without_response_size
        return max(LEAST_PACKET_BYTES, min(PACKET_BYTES_MAX, told_bytes))

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Scan, connect, pair where needed, and subscribe; see `Link`.

        A bond that the wearable has forgotten, and services that the system remembers wrongly,
        are mended by forgetting the wearable, once, where a bond may be made.
        """
        await self.disconnect()
        mended = tried_again = False
        while True:
            client, sighting = await self._adapter.connect(
                at_address(self._address), self.name, self._lost(on_lost), tries=self._tries
            )
            try:
                await self._set_up(client, sighting, on_packet)
            except BaseException as error:
                self._client = self._inbox = None
                await self._adapter.let_go(client)
                if mended or not self.may_bond or not isinstance(error, LinkError):
                    raise
                if error.reason is LinkReason.BOND_LOST or (
                    error.reason is LinkReason.PROTOCOL
                    and tried_again
                    # On BlueZ the bond is forgotten too: only for what is Tenuto's for sure.
                    and SERVICE_UUID in sighting.found.services
                ):
                    await self._forget(error, sighting)
                    mended = True
                elif error.reason is LinkReason.PROTOCOL and not tried_again:
                    tried_again = True  # BlueZ may have looked at its list while it was filling it
                else:
                    raise
            else:
                return

    async def _forget(self, error: LinkError, sighting: Sighting) -> None:
        _log.warning("wearable=%s %s: forgetting it and trying again", self.name, error)
        try:
            await self._adapter.unpair(sighting.device)
        except LinkError as failure:
            _log.info("wearable=%s %s", self.name, failure)

    def _lost(self, on_lost: Callable[[], None]) -> Callable[[BleakClient], None]:
        def lost(client: BleakClient) -> None:
            if client is self._client:
                self._client = self._inbox = None
                on_lost()

        return lost

    async def _set_up(
        self, client: BleakClient, sighting: Sighting, on_packet: Callable[[bytes], None]
    ) -> None:
        if not has_tenuto(client):
            raise LinkError(LinkReason.PROTOCOL, f"{self.name} does not offer Tenuto's service")
        radio = await self._adapter.radio()
        # Each lane has a bond of its own, or none yet; who the device is, its key says.
        if self.may_bond or radio.lanes is not None:
            await secure(client, sighting, self._adapter, by_hand=self._by_hand)
        else:
            await check_bond(client, sighting, radio)
        self.firmware = await read_firmware(client)
        self.rssi_dbm = sighting.found.rssi_dbm
        outbox, inbox = characteristic(client, OUTBOX_UUID), characteristic(client, INBOX_UUID)
        if outbox is not None:
            await subscribe(client, outbox, on_packet, "subscribing")
        if not client.is_connected or inbox is None or outbox is None:
            raise LinkError(LinkReason.LOST, f"the link to {self.name} broke while it was set up")
        self._client, self._inbox = client, inbox

    async def send(self, packet: bytes) -> None:
        """Write one packet without waiting for the wearable; see `Link`."""
        client, inbox = self._client, self._inbox
        if client is None or inbox is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        async with link_errors("sending", is_linked=True), asyncio.timeout(GATT_TIMEOUT_S):
            needs_response = len(packet) > inbox.max_write_without_response_size
            await client.write_gatt_char(inbox, packet, response=needs_response)

    async def alert(self) -> None:
        """Have the wearable felt, by the Immediate Alert service.

        Raises:
            LinkError: It is not connected, or has no such service.
        """
        client = self._client
        if client is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        await write(client, ALERT_UUID, bytes([ALERT_HIGH]), "alerting")

    async def disconnect(self) -> None:
        """Let go; see `Link`."""
        client, self._client, self._inbox = self._client, None, None
        if client is not None:
            await self._adapter.let_go(client)


async def locate(place: Place, context: LinkContext) -> tuple[BleAdapter, str]:
    """Return the adapter and the address of a device; see `registry`.

    Raises:
        InputError: No address is known.
    """
    if place.address is None:
        raise InputError(f"wearable {place.id!r}: a link by Bluetooth needs an address")
    return context.adapter(place.adapter), place.address


async def open_link(place: Place, context: LinkContext) -> BleLink:
    """Return the link to the Tenuto service of a wearable; see `registry`."""
    return BleLink(*await locate(place, context))
