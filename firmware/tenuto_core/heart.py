# SPDX-License-Identifier: MIT
"""Gathers heart beats to one measurement a second, as straps do.

A measurement is (bpm, contact, rr): the newest rate, whether the sensor touches the skin, and the
RR intervals since the last measurement in 1/1024 s, oldest first.
"""

EVERY_MS = 900
RR_MAX = 4


class Beats:
    """Takes single beats and returns a measurement about once a second."""

    def __init__(self) -> None:
        self._rr: tuple[int, ...] = ()
        self._told_ms: int | None = None

    def add(
        self, bpm: int, contact: bool, rr: tuple[int, ...], now_ms: int
    ) -> tuple[int, bool, tuple[int, ...]] | None:
        """Take a beat, and return the measurement that is due with it, or None."""
        self._rr = (self._rr + tuple(rr))[-RR_MAX:]
        if self._told_ms is not None and now_ms - self._told_ms < EVERY_MS:
            return None
        self._told_ms = now_ms
        gathered, self._rr = self._rr, ()
        return bpm, contact, gathered
