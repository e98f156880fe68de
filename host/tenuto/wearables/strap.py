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

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble_adapter import ENDED_EARLY_MAX, at_address, called
from tenuto.links.gatt import characteristics, read_battery_pct, read_optional, subscribe
from tenuto.links.scan import HEART_RATE, is_address
from tenuto.retry import Backoff
from tenuto.sessions.heart import Measurement, location, sensor_kind

from .base import SensorStatus

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from bleak import BleakClient

    from tenuto.links.ble_adapter import BleAdapter, Sighting

_log = logging.getLogger(__name__)

MEASUREMENT_UUID = "2a37"
LOCATION_UUID = "2a38"
LISTEN_S = 5.0
"""A sensor sends once a second; one that nobody wears may send nothing."""
BACKOFF_FIRST_S = 2.0
BACKOFF_MAX_S = 30.0
"""A strap sleeps until it is put on; then it should not take long."""
SILENCE_S = 60.0
"""A sensor that is connected and has sent nothing for so long is connected to anew: sensors send
once a second, and links were seen to pass nothing any more without an end."""


class Strap:
    """Keeps one sensor connected, and tells each of its measurements, until `run` is cancelled.

    Args:
        adapter: The radio.
        address: Of the sensor, or the name that it tells, where its address changes.
        kind: What it measures with, None to find out by where it says that it is worn.
        on_measurement: Called with each, the name of the sensor and `kind`; must not wait.
        rng: For the jitter of the back-off.

    Attributes:
        kind: `ecg` or `optical`, None while that is not known.
        packets_broken: How many of its packets could not be read.
    """

    def __init__(
        self,
        adapter: BleAdapter,
        address: str,
        *,
        kind: str | None,
        on_measurement: Callable[[Measurement, str, str | None], None],
        rng: random.Random,
    ) -> None:
        self.name = address
        self._is_it = _named(address)
        self.kind = kind
        self.packets_broken = 0
        self._adapter = adapter
        self._tell = on_measurement
        self._is_kind_given = kind is not None
        self._backoff = Backoff(rng, first_s=BACKOFF_FIRST_S, max_s=BACKOFF_MAX_S)
        self._problem: LinkError | None = None
        self._said: set[LinkReason] = set()
        self._battery_pct: int | None = None
        self._heard_s = 0.0
        self._is_connected = self._is_heard = False
        self._silences = 0

    @property
    def status(self) -> SensorStatus:
        """How it is; see `Sensor`."""
        return SensorStatus(
            name=self.name,
            connected=self._is_connected,
            heard=self._is_heard,
            kind=self.kind,
            battery_pct=self._battery_pct,
            problem=self._problem,
        )

    async def run(self) -> None:
        """Reach the sensor again and again, until cancelled."""
        while True:
            try:
                await self._connect_once()
                _log.info("strap=%s lost", self.name)
            except LinkError as error:
                self._say(error)
            await asyncio.sleep(self._backoff.next_s())

    async def _connect_once(self) -> None:
        """Connect, and hand over what the sensor sends until the link is lost.

        Raises:
            LinkError: It is not reached, is no heart-rate sensor, or sends nothing.
        """
        lost = asyncio.Event()
        client, _ = await self._adapter.connect(
            self._is_it, self.name, lambda _client: lost.set(), service=HEART_RATE
        )
        try:
            await self._set_up(client)
            if not client.is_connected:
                raise LinkError(LinkReason.LOST, f"the link to {self.name} broke at once")
            self._is_connected, self._problem = True, None
            _log.info("strap=%s connected kind=%s", self.name, self.kind)
            await self._stay(lost)
        finally:
            self._is_connected = self._is_heard = False
            await self._adapter.let_go(client)

    async def _set_up(self, client: BleakClient) -> None:
        found = characteristics(client, MEASUREMENT_UUID)
        if not found:
            raise LinkError(LinkReason.PROTOCOL, f"{self.name} sends no heart rate by Bluetooth")
        if not self._is_kind_given:
            self.kind = sensor_kind(await _location(client))
        self._battery_pct = await read_battery_pct(client)
        # Where one that is offered twice says nothing, the other one may.
        measurement = found[self._silences % len(found)]
        self._heard_s, self._is_heard = asyncio.get_running_loop().time(), False
        await subscribe(client, measurement, self._take, "subscribing to the heart rate")

    async def _stay(self, lost: asyncio.Event) -> None:
        """Wait until the link is lost.

        Raises:
            LinkError: It only seems to be there.
        """
        loop = asyncio.get_running_loop()
        while (left_s := self._heard_s + SILENCE_S - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await lost.wait()
                    return
        self._silences += 1
        raise LinkError(
            LinkReason.TIMEOUT,
            f"{self.name} is connected and has sent nothing for {SILENCE_S:.0f} s: connecting anew",
        )

    def _take(self, value: bytes) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        if not self._is_heard:
            self._is_heard = True
            self._said.clear()
            self._backoff.reset()
        try:
            measurement = Measurement.from_bytes(value)
        except ValueError as error:
            if not self.packets_broken:
                _log.warning("strap=%s broken packet: %s", self.name, error)
            self.packets_broken += 1
            return
        self._tell(measurement, self.name, self.kind)

    def _say(self, error: LinkError) -> None:
        """Log a failure, each kind of it once until something is heard."""
        if error.reason not in self._said:
            self._said.add(error.reason)
            _log.info("strap=%s reason=%s %s; trying again", self.name, error.reason, error)
        self._problem = error


def _named(address: str) -> Callable[[Sighting], bool]:
    """Make the test for the sensor of an address, or of a name."""
    return at_address(address) if is_address(address) else called(address)


async def look(adapter: BleAdapter, address: str) -> SensorStatus:
    """Reach a sensor once and see how it is, without keeping it.

    Args:
        adapter: The radio.
        address: Of the sensor, or its name.

    Returns:
        How it is; heard if it has sent something within `LISTEN_S`.

    Raises:
        LinkError: It is not reached, or is no heart-rate sensor.
    """
    heard = asyncio.Event()
    client, _ = await adapter.connect(
        _named(address), address, service=HEART_RATE, tries=ENDED_EARLY_MAX
    )
    try:
        found = characteristics(client, MEASUREMENT_UUID)
        if not found:
            raise LinkError(LinkReason.PROTOCOL, f"{address} sends no heart rate by Bluetooth")
        kind = sensor_kind(await _location(client))
        battery_pct = await read_battery_pct(client)
        await subscribe(client, found[0], lambda _value: heard.set(), "subscribing")
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_S):
                await heard.wait()
    finally:
        await adapter.let_go(client)
    return SensorStatus(
        name=address,
        connected=True,
        heard=heard.is_set(),
        kind=kind,
        battery_pct=battery_pct,
        problem=None,
    )


async def _location(client: BleakClient) -> str | None:
    """Ask where it is worn; many sensors do not say."""
    value = await read_optional(client, LOCATION_UUID, "asking where it is worn")
    return None if value is None else location(value)
