# SPDX-License-Identifier: MIT
"""UTC that fits the clock of the event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class HostTime:
    """UTC, in real time by the wall clock, else by the event loop's, so that it fits a session.

    The wall clock may be set at any time: a Raspberry Pi has none of its own and begins with a
    wrong one. What happens afterwards is then told by the new time; supervisors note the step.

    Args:
        speed: Of the event loop's clock.
        wall_s: The wall clock, in s since 1970.
    """

    def __init__(self, speed: float = 1.0, wall_s: Callable[[], float] = time.time) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._start_utc_ms = wall_s() * 1000
        self._wall_s = wall_s
        self._follows = speed == 1.0

    def utc_ms(self) -> float:
        """Return the UTC of now in ms since 1970."""
        if self._follows:
            return self._wall_s() * 1000
        return self._start_utc_ms + (self._loop.time() - self._start_s) * 1000
