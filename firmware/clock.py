# SPDX-License-Identifier: MIT
"""The board's clock, in milliseconds that never wrap, and the wait of the main loop."""

import asyncio
import gc

import supervisor

from tenuto_core.buzzer import Clock as BuzzersClock

try:
    import tickless  # the simulator's wait, which costs nothing while nothing happens
except ImportError:
    tickless = None

# `supervisor.ticks_ms` wraps at 2**29 and begins at 2**29 - 2**16 at power-up, so that programs
# which forget to handle the wrap fail in their first minute (CircuitPython's documentation).
# How much sooner than something is due the main loop wakes, to wait for the moment on the clock:
# asyncio and what comes before take a board some 3 ms.
EARLY_MS = 4
_PERIOD = 1 << 29
_FIRST = _PERIOD - (1 << 16)


class Clock(BuzzersClock):
    """The clock; it must be read at least once in six days, and the main loop does."""

    # Whether the program itself takes time, as it does on a board.
    takes_time = tickless is None or tickless.takes_time

    def __init__(self):
        self._ticks = supervisor.ticks_ms()
        self._now_ms = (self._ticks - _FIRST) % _PERIOD

    def now(self):
        """Return the milliseconds since power-up."""
        ticks = supervisor.ticks_ms()
        self._now_ms += (ticks - self._ticks) % _PERIOD
        self._ticks = ticks
        return self._now_ms

    async def tick(self, period_ms, due_ms):
        """Sleep for one period, or until just before `due_ms` where that is sooner and not None.

        In the simulator, periods without input are skipped.
        """
        if due_ms is not None and self.takes_time:
            due_ms -= EARLY_MS
        if tickless:
            await tickless.tick(period_ms, due_ms)
            return
        wait_ms = period_ms if due_ms is None else min(period_ms, due_ms - self.now())
        await asyncio.sleep(max(0, wait_ms) / 1000)

    def wait_until(self, due_ms):
        """Wait on the clock for a moment that is just ahead.

        Where it is more than `EARLY_MS` ahead, or None, this does not wait.

        Returns:
            The time now, in ms.
        """
        now_ms = self.now()
        if due_ms is None or not self.takes_time:
            return now_ms
        while 0 < due_ms - now_ms <= EARLY_MS:
            if tickless:
                tickless.work(due_ms - now_ms)
            now_ms = self.now()
        return now_ms

    @staticmethod
    def collect():
        """Collect garbage while there is time; in the simulator, take the time it would take."""
        if tickless:
            tickless.collect()
        else:
            gc.collect()
