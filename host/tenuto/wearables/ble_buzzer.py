# SPDX-License-Identifier: MIT
"""What devices that can only buzz have in common when they are reached by Bluetooth LE."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble_adapter import at_address
from tenuto.links.bonding import read_firmware
from tenuto.links.gatt import characteristic, read_battery_pct, subscribe

from .buzzer import MEASUREMENT_UUID, DeviceInfo, measurements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bleak import BleakClient

    from tenuto.links.ble_adapter import BleAdapter, Sighting
    from tenuto.routines.feel import Feel
    from tenuto.sessions.heart import Measurement


class BleBuzzer:
    """The link of a `buzzer.Buzzer`.

    Args:
        adapter: The radio.
        address: Of the device.
        feel: What its motor can do.
    """

    def __init__(self, adapter: BleAdapter, address: str, feel: Feel) -> None:
        self.name = address
        self.feel = feel
        self.rssi_dbm: int | None = None
        self._adapter = adapter
        self._address = address
        self._client: BleakClient | None = None

    @asynccontextmanager
    async def _reaching(
        self, service: str, on_lost: Callable[[], None]
    ) -> AsyncIterator[tuple[BleakClient, Sighting]]:
        """Connect; the block asks the device for what the model needs, or nothing is left open.

        Args:
            service: What the device offers, see `BleAdapter.find`.
            on_lost: See `buzzer.Buzzer.connect`.

        Raises:
            LinkError: The device was not reached, or the block raised.
        """

        def lost(client: BleakClient) -> None:
            if client is self._client:
                self._client = None
                on_lost()

        client, sighting = await self._adapter.connect(
            at_address(self._address), self.name, lost, service=service
        )
        try:
            self._client = client
            self.rssi_dbm = sighting.found.rssi_dbm
            yield client, sighting
            if not client.is_connected:
                raise LinkError(LinkReason.LOST, f"the link to {self.name} broke at once")
        except BaseException:
            self._client = None
            await self._adapter.let_go(client)
            raise

    async def _told(
        self, client: BleakClient, sighting: Sighting, *, answers: bool, confirms: bool = True
    ) -> DeviceInfo:
        """Ask for what most devices tell of themselves."""
        return DeviceInfo(
            name=sighting.found.name or self.name,
            address=self._address,
            firmware=await read_firmware(client),
            battery_pct=await read_battery_pct(client),
            answers=answers,
            confirms=confirms,
        )

    async def _take(self, client: BleakClient, uuid: str, take: Callable[[bytes], None]) -> None:
        """Subscribe to what a device may not offer."""
        found = characteristic(client, uuid)
        if found is not None and "notify" in found.properties:
            await subscribe(client, found, take, "subscribing")

    async def _take_heart(
        self, client: BleakClient, on_heart: Callable[[Measurement], None]
    ) -> None:
        """Subscribe to its heart rate, where it measures one."""
        await self._take(client, MEASUREMENT_UUID, measurements(self.name, on_heart))
