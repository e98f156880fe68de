# SPDX-License-Identifier: MIT
"""The hardware watchdog: it resets the board when the main loop hangs or the motor is not safe.

On the nRF52840 it cannot be stopped once it runs, not even by deep sleep or a restart of the
program; only a reset by itself, the reset button or a loss of power ends it.  See `power`.
"""

import microcontroller
from watchdog import WatchDogMode

# Longer than a pulse (1 s) and than anything that may hold up the loop: writing flash, collecting
# garbage, a full radio queue.  Short, because a motor that does not stop must not run on.
TIMEOUT_S = 3


class LoopWatchdog:
    """Feeds the watchdog.

    Args:
        motor: Must be `is_safe`, or the watchdog is not fed.
    """

    def __init__(self, motor):
        self._motor = motor
        self._dog = microcontroller.watchdog
        self.is_starving = False

    def start(self):
        """Start the watchdog; from now on `alive` must be called within each `TIMEOUT_S`."""
        if self._dog.mode is not WatchDogMode.RESET:
            self._dog.timeout = TIMEOUT_S
            self._dog.mode = WatchDogMode.RESET
        self._dog.feed()

    def alive(self):
        """Feed the watchdog if the motor is safe; the main loop calls this in each round."""
        if self._motor.is_safe and not self.is_starving:
            self._dog.feed()

    def starve(self):
        """Never feed it again: the board resets within `TIMEOUT_S`."""
        self.is_starving = True
