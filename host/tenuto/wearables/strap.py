# SPDX-License-Identifier: MIT
"""A heart-rate sensor as a part of a wearable: a chest strap for the heart beside the band.

It speaks the Heart Rate Service of Bluetooth and nothing of Tenuto; a watch that sends its heart
rate does as well.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_str

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble import at_address
from tenuto.links.radios.errors import link_errors
from tenuto.sessions.heart import Measurement, location, sensor_kind

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from bleak import BleakClient

    from tenuto.links.ble import BleAdapter

_log = logging.getLogger(__name__)

MEASUREMENT_UUID = normalize_uuid_str("2a37")
LOCATION_UUID = normalize_uuid_str("2a38")
BACKOFF_FIRST_S = 2.0
BACKOFF_MAX_S = 30.0
"""A strap sleeps until it is put on; then it should not take long."""
GATT_TIMEOUT_S = 5.0


class Strap:
    """Keeps one sensor, and tells each of its measurements, until `run` is cancelled.

    Attributes:
        kind: `ecg` or `optical`, None while that is not known.
        packets_broken: how many of its packets could not be read.

    Args:
        adapter: the radio.
        address: of the sensor.
        kind: what it measures with, None to find out by where it says that it is worn.
        on_measurement: called with each; must not wait or raise.
        rng: for the jitter of the back-off.
    """

    def __init__(
        self,
        adapter: BleAdapter,
        address: str,
        *,
        kind: str | None,
        on_measurement: Callable[[Measurement, Strap], None],
        rng: random.Random,
    ) -> None:
        self.name = address
        self.kind = kind
        self.packets_broken = 0
        self._adapter = adapter
        self._tell = on_measurement
        self._rng = rng
        self._is_kind_given = kind is not None
        self._problem: LinkReason | None = None

    async def run(self) -> None:
        """Reach the sensor again and again, until cancelled."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            lost = asyncio.Event()

            def on_lost(_client: BleakClient, lost: asyncio.Event = lost) -> None:
                lost.set()

            try:
                client, _ = await self._adapter.connect(at_address(self.name), self.name, on_lost)
                try:
                    await self._set_up(client)
                    backoff_s, self._problem = BACKOFF_FIRST_S, None
                    _log.info("strap=%s connected kind=%s", self.name, self.kind)
                    await lost.wait()
                    _log.info("strap=%s lost", self.name)
                finally:
                    await self._adapter.let_go(client)
            except LinkError as error:
                self._say(error)
            await asyncio.sleep(backoff_s * self._rng.uniform(0.5, 1.5))
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)

    async def _set_up(self, client: BleakClient) -> None:
        if client.services.get_characteristic(MEASUREMENT_UUID) is None:
            raise LinkError(LinkReason.PROTOCOL, f"{self.name} sends no heart rate by Bluetooth")
        if not self._is_kind_given:
            self.kind = sensor_kind(await self._location(client))
        async with link_errors("subscribing to the heart rate"), asyncio.timeout(GATT_TIMEOUT_S):
            await client.start_notify(MEASUREMENT_UUID, lambda _, value: self._take(bytes(value)))

    async def _location(self, client: BleakClient) -> str | None:
        """Ask where it is worn; many sensors do not say."""
        if client.services.get_characteristic(LOCATION_UUID) is None:
            return None
        with suppress(BleakError, TimeoutError, OSError):
            async with asyncio.timeout(GATT_TIMEOUT_S):
                return location(bytes(await client.read_gatt_char(LOCATION_UUID)))
        return None

    def _take(self, value: bytes) -> None:
        try:
            measurement = Measurement.from_bytes(value)
        except ValueError as error:
            if not self.packets_broken:
                _log.warning("strap=%s broken packet: %s", self.name, error)
            self.packets_broken += 1
            return
        self._tell(measurement, self)

    def _say(self, error: LinkError) -> None:
        """Log a failure, once for each kind of it."""
        if error.reason is not self._problem:
            _log.info("strap=%s reason=%s %s", self.name, error.reason, error)
        self._problem = error.reason
