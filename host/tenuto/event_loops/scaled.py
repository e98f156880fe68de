# SPDX-License-Identifier: MIT
"""Scaled time: the clock runs faster or slower than the real one."""

from __future__ import annotations

import asyncio
import selectors
import time


class _ScaledSelector(selectors.SelectSelector):
    """Waits `1 / speed` of what it is asked for.

    `select()` and not the platform's default: epoll rounds up to a whole real millisecond, which
    at 20 times speed makes every timer 20 ms late.
    """

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / self._speed)


class ScaledEventLoop(asyncio.SelectorEventLoop):
    """Its clock starts at the real monotonic time and runs `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        self._start_s = time.monotonic()
        self._speed = speed
        self.pace = max(1.0, speed)
        super().__init__(_ScaledSelector(speed))

    def time(self) -> float:
        """Return the scaled time in seconds."""
        return self._start_s + (time.monotonic() - self._start_s) * self._speed
