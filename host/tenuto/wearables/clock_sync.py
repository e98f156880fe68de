# SPDX-License-Identifier: MIT
"""The UTC of what a wearable logs: probes of its clock, and the host's own wall clock."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.sessions.device_clock import STEP_MS, DeviceClock, Probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.sessions.device_clock import Skew

    from .base import Driver
    from .surroundings import Surroundings

_log = logging.getLogger(__name__)

PROBES_LOST_MAX = 2
PROBE_JITTER_S = 0.12
"""More than the slowest connection interval that a band asks for: a question that kept step with it
would always wait for as long, and no question would ever be quick."""


class ClockSync:
    """Relates the clock of one wearable to UTC.

    Args:
        name: The wearable's.
        driver: Asked for its clock.
        surroundings: The host's time, and what it remembers of the clock.
        on_step: Called with the ms by which somebody has set the host's wall clock.
    """

    def __init__(
        self,
        name: str,
        driver: Driver,
        surroundings: Surroundings,
        on_step: Callable[[int], None],
    ) -> None:
        self._name = name
        self._driver = driver
        self._around = surroundings
        self._on_step = on_step
        self._clock: DeviceClock | None = None
        self._jitter = random.Random(name)  # noqa: S311 - no secret
        self._to_utc_ms: float | None = None
        self._newest_utc_ms = -math.inf

    @property
    def is_known(self) -> bool:
        """Whether anything was heard of the wearable's clock since it booted."""
        return self._clock is not None and self._clock.is_known

    @property
    def skew(self) -> Skew:
        """How far the wearable's clock runs from the host's; only once it is known."""
        return self._known().skew

    @property
    def newest_utc_ms(self) -> int:
        """UTC of the newest record, or of now where there is none."""
        newest_ms = self._newest_utc_ms
        return round(newest_ms if math.isfinite(newest_ms) else self._around.utc_ms())

    def restart(self) -> None:
        """Begin anew, for a wearable that has booted; its clock began anew as well."""
        self._clock = DeviceClock(self._around.skew(self._name))

    def heard(self, device_ms: int) -> None:
        """Take note of a time stamp that arrives now: it was written before."""
        if self._clock is not None:
            self._clock.heard(device_ms, _now_ms())

    async def probe(self, times: int, until_s: float = math.inf) -> None:
        """Ask for the clock, often enough that one exchange is likely to be quick.

        Args:
            times: How often.
            until_s: No longer than to this time of the loop; then no answer is needed.

        Raises:
            LinkError: The link is lost, or no answer came to any question.
        """
        clock, loop = self._known(), asyncio.get_running_loop()
        answers: list[Probe] = []
        # An answer comes at a connection event; of waits that are spread evenly from there on, one
        # ends shortly before another event, whatever the interval.
        parts = self._jitter.sample(range(times), times)
        try:
            for number in range(times + PROBES_LOST_MAX):
                if len(answers) == times or loop.time() >= until_s:
                    break
                part = parts[number % times] + self._jitter.random()
                await asyncio.sleep(PROBE_JITTER_S * part / times)
                try:
                    device_ms, before_s, after_s = await self._driver.clock()
                except LinkError as error:
                    if error.reason is not LinkReason.TIMEOUT:
                        raise
                    continue  # the others will do
                answers.append(Probe(device_ms, before_s * 1000, after_s * 1000))
        finally:
            clock.probes(answers)
        if not answers and not math.isfinite(until_s):
            raise LinkError(LinkReason.TIMEOUT, f"{self._name} does not tell its time")
        self._watch_wall_clock()
        self._around.learn(self._name, clock.remember())

    def utc_of(self, device_ms: int) -> tuple[int, int]:
        """Return UTC and uncertainty of a time stamp, both in ms.

        UTC never goes back because a later guess is better.
        """
        moment = self._known().host(device_ms)
        utc_ms = max(moment.ms + self._watch_wall_clock(), self._newest_utc_ms)
        self._newest_utc_ms = utc_ms
        return round(utc_ms), math.ceil(moment.uncertainty_ms)

    def device_now_ms(self) -> int:
        """Return what the wearable's clock shows now."""
        return self.device_ms(_now_ms())

    def device_ms(self, host_ms: float) -> int:
        """Return what the wearable's clock shows at a moment of the loop, modulo 2**32."""
        return self._known().device_ms(host_ms)

    def _watch_wall_clock(self) -> float:
        """Return UTC less the loop's time, in ms; tells when somebody has set the wall clock."""
        before = self._to_utc_ms
        after = self._around.utc_ms() - _now_ms()
        self._to_utc_ms = after
        if before is not None and abs(after - before) >= STEP_MS:
            by_ms = round(after - before)
            _log.warning("wearable=%s clock_stepped_ms=%d", self._name, by_ms)
            self._newest_utc_ms = -math.inf
            self._on_step(by_ms)
        return after

    def _known(self) -> DeviceClock:
        if self._clock is None:
            raise LinkError(LinkReason.LOST, f"{self._name} was never reached")
        return self._clock


def _now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000
