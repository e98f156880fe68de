# SPDX-License-Identifier: MIT
"""The clock of one simulated board, which may run a little fast or slow."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_EPSILON_MS = 1e-6
"""Far below what matters, far above the rounding of `loop.time()`."""


class BoardClock:
    """Milliseconds since power-up, as the board counts them.

    Args:
        drift_ppm: How much faster than the loop's clock it runs; negative is slower.
        offset_ms: What it shows at power-up.

    Raises:
        ValueError: Drift beyond 10 %.
    """

    def __init__(self, *, drift_ppm: float = 0.0, offset_ms: float = 0.0) -> None:
        if not abs(drift_ppm) <= 100_000:
            raise ValueError(f"drift_ppm must be within 100000 either way, not {drift_ppm!r}")
        self._loop = asyncio.get_running_loop()
        self._boot_s = self._loop.time()
        self._ms_per_s = 1000.0 * (1.0 + drift_ppm * 1e-6)
        self._offset_ms = offset_ms
        self._blocked_until_ms = -math.inf

    def elapsed_ms(self) -> float:
        """The time with its fraction."""
        now_ms = self._offset_ms + (self._loop.time() - self._boot_s) * self._ms_per_s
        return max(now_ms, self._blocked_until_ms)

    def ticks_ms(self) -> int:
        """The time in whole milliseconds, as a program on the board sees it."""
        return math.floor(self.elapsed_ms() + _EPSILON_MS)

    def loop_time(self, board_ms: float) -> float:
        """The event loop's time at which the board's clock shows `board_ms`."""
        return self._boot_s + (board_ms - self._offset_ms) / self._ms_per_s

    def call_at_ms(self, board_ms: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back when the board's clock shows `board_ms`, at once if that is past."""
        return self._loop.call_at(self.loop_time(board_ms), callback)

    async def sleep_until_ms(self, board_ms: float) -> None:
        """Wait until the board's clock shows `board_ms`; lets others run even if that is past."""
        wait_s = self.loop_time(board_ms) - self._loop.time()
        await asyncio.sleep(max(0.0, wait_s))

    def work_ms(self, whole_ms: int) -> None:
        """Let the board work until so many whole ms have begun, as a loop on its clock does."""
        self.block_ms(self.ticks_ms() + whole_ms - self.elapsed_ms())

    def block_ms(self, duration_ms: float) -> None:
        """Let the board stand still: its clock jumps, and its next wait takes so much longer.

        This is how a blocking `time.sleep` looks from outside without blocking the simulation.
        """
        self._blocked_until_ms = self.elapsed_ms() + max(0.0, duration_ms)
