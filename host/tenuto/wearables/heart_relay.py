# SPDX-License-Identifier: MIT
"""Hands the beats of a wearer's heart sensor to the wearable, or notes them here.

On the wearable they count for the plan and come back in the log.  While that is out of reach, or
has no use for them, the host notes them in the present session.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tenuto.errors import LinkError, RefusedError
from tenuto.sessions.events import HeartBeat, HeartSensor
from tenuto.sessions.heart import FRESH_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.sessions.events import Event, SessionKey
    from tenuto.sessions.heart import Measurement
    from tenuto.sessions.tracker import Tracker

    from .base import Driver


BEATS_WAITING_MAX = 4


class SessionLog(Protocol):
    """What the relay needs of the wearable's log."""

    tracker: Tracker | None

    @property
    def playing(self) -> bool:
        """Whether a session goes on."""
        ...

    def notice(self, make: Callable[[int], Event]) -> None:
        """Put an event that only the host noticed into the present session."""


class HeartRelay:
    """Passes on what the sensor of one wearer tells.

    Args:
        driver: Takes a beat.
        log: Knows the session that goes on, and takes what only the host notices.
        is_connected: Returns whether the wearable is in reach.
    """

    def __init__(
        self, driver: Driver, log: SessionLog, *, is_connected: Callable[[], bool]
    ) -> None:
        self._driver = driver
        self._log = log
        self._is_connected = is_connected
        self._heard: asyncio.Queue[tuple[Measurement, str, str | None]] = asyncio.Queue(
            BEATS_WAITING_MAX
        )
        self._known: tuple[str, str | None] | None = None
        self._told: tuple[SessionKey, str, str | None, bool] | None = None

    def hear(self, measurement: Measurement, sensor: str, kind: str | None) -> None:
        """Take a measurement; one that is no heart rate is passed over.

        Args:
            measurement: What the sensor sent; the newest ones count.
            sensor: Its name.
            kind: See `HeartSensor`.
        """
        if not measurement.is_rate:
            return
        while self._heard.full():
            self._heard.get_nowait()
        self._heard.put_nowait((measurement, sensor, kind))

    async def run(self) -> None:
        """Pass on what is heard, and notice when nothing is any more, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(None if self._known is None else FRESH_MS / 1000):
                    measurement, sensor, kind = await self._heard.get()
            except TimeoutError:
                if self._known is not None:
                    self._tell_sensor(*self._known, is_heard=False)
                self._known = None
                continue
            self._known = sensor, kind
            self._tell_sensor(sensor, kind, is_heard=True)
            if not await self._is_taken(measurement):
                self._note(measurement)

    async def _is_taken(self, measurement: Measurement) -> bool:
        if not self._is_connected():
            return False
        try:
            return await self._driver.beat(measurement.bpm, measurement.rr_1024)
        except (LinkError, RefusedError):
            return False

    def _note(self, measurement: Measurement) -> None:
        if self._log.playing:
            bpm = measurement.bpm
            rr_ms = tuple(round(interval, 1) for interval in measurement.rr_ms)
            self._log.notice(
                lambda t_ms: HeartBeat(t_ms=t_ms, bpm=bpm, rr_ms=rr_ms, sensor="strap")
            )

    def _tell_sensor(self, sensor: str, kind: str | None, *, is_heard: bool) -> None:
        """Note once a session, and at each change, which sensor tells the heart rate."""
        tracker = self._log.tracker
        if tracker is None or tracker.ended:
            return
        told = (tracker.key, sensor, kind, is_heard)
        if told == self._told:
            return
        self._told = told
        self._log.notice(
            lambda t_ms: HeartSensor(t_ms=t_ms, sensor=sensor, kind=kind, is_heard=is_heard)
        )
