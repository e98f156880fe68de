# SPDX-License-Identifier: MIT
"""A device with the Immediate Alert service (0x1802) of Bluetooth: a tag, a band, a key finder.

A level is written when a pulse begins, and level 0 when it ends.  The service knows no answer to
that; but what a device is asked afterwards, it answers only once it has the level before it, so any
value that can be read confirms a pulse.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.links.gatt import (
    BATTERY_UUID,
    GATT_TIMEOUT_S,
    characteristic,
    limited,
)
from tenuto.links.radios.errors import link_errors
from tenuto.links.scan import IMMEDIATE_ALERT
from tenuto.links.uuids import ALERT_UUID

from .ble_buzzer import BleBuzzer
from .buzzer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic

    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.routines.feel import Feel
    from tenuto.routines.haptics import Pattern
    from tenuto.sessions.heart import Measurement

    from .buzzer import CueText, DeviceInfo, StepDisplay

BUTTON_UUID = "ffe1"
"""Of iTag and its like: it notifies of each press."""
LEVELS = {"mild": 1, "high": 2}
_NO_ALERT = 0
STOP_TIMEOUT_S = 0.5
"""When it is let go of, perhaps because it takes nothing any more."""


class AlertBuzzer(BleBuzzer):
    """One such device; see `buzzer.Buzzer`.

    Args:
        adapter: The radio.
        address: Of the device.
        feel: What its motor can do.
        level: What is written for a pulse, 1 or 2.
        is_bonded: Whether it obeys only a computer that it has a bond with.
    """

    def __init__(
        self,
        adapter: BleAdapter,
        address: str,
        feel: Feel,
        *,
        level: int = LEVELS["high"],
        is_bonded: bool = False,
    ) -> None:
        super().__init__(adapter, address, feel)
        self._level = level
        self._is_bonded = is_bonded
        self._alert: BleakGATTCharacteristic | None = None
        self._proof: BleakGATTCharacteristic | None = None
        self._asking = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def connect(
        self,
        on_lost: Callable[[], None],
        on_answer: Callable[[Answer], None],
        on_heart: Callable[[Measurement], None],
    ) -> DeviceInfo:
        """Connect, look what it offers, and switch its motor off."""
        async with self._reaching(IMMEDIATE_ALERT, on_lost) as (client, sighting):
            self._alert = characteristic(client, ALERT_UUID)
            if self._alert is None:
                raise LinkError(LinkReason.PROTOCOL, f"{self.name} has no Immediate Alert service")
            if self._is_bonded:
                async with link_errors(f"pairing with {self.name}", is_linked=True):
                    await limited(client.pair(), GATT_TIMEOUT_S)
            self._proof = _readable(client)
            # A process that was killed may have left it on.
            await self.stop()
            told = await self._told(
                client,
                sighting,
                answers=characteristic(client, BUTTON_UUID) is not None,
                confirms=self._proof is not None or not self._is_command,
            )
            await self._take(client, BUTTON_UUID, lambda _: on_answer(Answer.TAP))
            await self._take_heart(client, on_heart)
        return told

    @property
    def _is_command(self) -> bool:
        """Whether it is written to without a response."""
        alert = self._alert
        return alert is None or "write-without-response" in alert.properties

    async def buzz(self, pattern: Pattern, text: CueText) -> bool:  # noqa: ARG002 - it has no screen
        """Write the level, and wait until the device has it."""
        client = await self._write(self._level)
        if self._is_command and self._proof is not None:
            async with self._asking, link_errors("asking whether it has the pulse", is_linked=True):
                await client.read_gatt_char(self._proof)
        return True

    async def stop(self) -> None:
        """Write level 0."""
        await self._write(_NO_ALERT)

    async def show(self, shown: StepDisplay) -> None:
        """Do nothing: it has no screen."""

    async def disconnect(self) -> None:
        """Write level 0 and let go; see `buzzer.Buzzer`."""
        client = self._client
        if client is None:
            return
        with suppress(LinkError, TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.stop()
        self._client = None
        await self._adapter.let_go(client)

    async def _write(self, level: int) -> BleakClient:
        client, alert = self._client, self._alert
        if client is None or alert is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        value = bytes([level])
        async with link_errors("alerting", is_linked=True):
            if self._is_command:
                # Without the lock: a stop waits for nothing.
                await client.write_gatt_char(alert, value, response=False)
            else:
                async with self._writing:  # systems refuse a second request in the meantime
                    await client.write_gatt_char(alert, value, response=True)
        return client


def _readable(client: BleakClient) -> BleakGATTCharacteristic | None:
    """Return something to ask for: the battery, else whatever the device lets be read."""
    battery = characteristic(client, BATTERY_UUID)
    if battery is not None and "read" in battery.properties:
        return battery
    found = client.services.characteristics.values()
    return next((one for one in found if "read" in one.properties), None)
