# SPDX-License-Identifier: MIT
"""Which moment in UTC a time stamp of a wearable is.  Pure.

The wearable is asked for its clock a few times; its answer was given some time between the
question and its arrival, so the quickest exchange says it best.
"""

from __future__ import annotations

from dataclasses import dataclass

_MODULUS = 1 << 32
_HALF = 1 << 31


@dataclass(frozen=True, slots=True)
class Probe:
    """One exchange: the wearable's time in ms modulo 2**32, and UTC in ms before and after it."""

    device_ms: int
    before_utc_ms: float
    after_utc_ms: float

    @property
    def round_trip_ms(self) -> float:
        """How long the exchange took; half of it is how wrong `DeviceClock` may be."""
        return self.after_utc_ms - self.before_utc_ms


class DeviceClock:
    """The clock of one boot of one wearable."""

    def __init__(self) -> None:
        self._best: Probe | None = None

    def probe(self, probe: Probe) -> None:
        """Take one more exchange into account."""
        if self._best is None or probe.round_trip_ms <= self._best.round_trip_ms:
            self._best = probe

    @property
    def uncertainty_ms(self) -> float | None:
        """How far `utc_ms` may be from the truth just after the probes; None before any."""
        return None if self._best is None else self._best.round_trip_ms / 2

    def utc_ms(self, device_ms: int) -> int:
        """Give the UTC in ms since 1970 of a time stamp within 24 days of the probes.

        Raises:
            ValueError: there was no probe yet.
        """
        best = self._best
        if best is None:
            raise ValueError("the wearable was not asked for its clock yet")
        ahead_ms = (device_ms - best.device_ms + _HALF) % _MODULUS - _HALF
        return round((best.before_utc_ms + best.after_utc_ms) / 2) + ahead_ms

    def device_ms(self, utc_ms: float) -> int:
        """Give the wearable's time, modulo 2**32, at a moment in UTC.

        Raises:
            ValueError: there was no probe yet.
        """
        best = self._best
        if best is None:
            raise ValueError("the wearable was not asked for its clock yet")
        middle_ms = (best.before_utc_ms + best.after_utc_ms) / 2
        return (best.device_ms + round(utc_ms - middle_ms)) % _MODULUS
