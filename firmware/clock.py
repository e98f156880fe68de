# SPDX-License-Identifier: MIT
"""The board's clock, in milliseconds that never wrap, and the wait of the main loop."""

import asyncio
import gc

import supervisor

try:
    import tickless  # the simulator's wait, which costs nothing while nothing happens
except ImportError:
    tickless = None

# `supervisor.ticks_ms` wraps at 2**29 and begins at 2**29 - 2**16 at power-up, so that programs
# which forget to handle the wrap fail in their first minute (CircuitPython's documentation).
_PERIOD = 1 << 29
_FIRST = _PERIOD - (1 << 16)


class Clock:
    """Must be read at least once in six days, which the main loop does by far."""

    def __init__(self):
        self._ticks = supervisor.ticks_ms()
        self._now_ms = (self._ticks - _FIRST) % _PERIOD

    def now(self):
        """Milliseconds since power-up."""
        ticks = supervisor.ticks_ms()
        self._now_ms += (ticks - self._ticks) % _PERIOD
        self._ticks = ticks
        return self._now_ms

    async def tick(self, period_ms, due_ms):
        """Sleep for one period, or until `due_ms` where that is sooner and not None.

        In the simulator the periods in which nothing comes in are slept through at once.
        """
        if tickless:
            await tickless.tick(period_ms, due_ms)
            return
        wait_ms = period_ms if due_ms is None else min(period_ms, due_ms - self.now())
        await asyncio.sleep(max(0, wait_ms) / 1000)

    @staticmethod
    def collect():
        """Collect garbage while there is time for it; on a PC nobody waits for that."""
        if not tickless:
            gc.collect()
