# SPDX-License-Identifier: MIT
"""The hardware watchdog: it resets the board unless the main loop is well and says so.

On the nRF52840 it cannot be stopped once it runs, not even by deep sleep or a restart of the
program; only a reset by itself, the reset button or a loss of power ends it.  See `power`.
"""

import microcontroller
from watchdog import WatchDogMode

# Longer than a pulse (1 s) and than anything that may hold up the loop: writing flash, collecting
# garbage, a full radio queue.  Shorter than anybody's patience with a motor that does not stop.
TIMEOUT_S = 3


class LoopWatchdog:
    """motor: is asked whether it `is_safe` before the watchdog is fed."""

    def __init__(self, motor):
        self._motor = motor
        self._dog = microcontroller.watchdog
        self.is_starving = False

    def start(self):
        """From now on somebody must call `alive`."""
        if self._dog.mode is not WatchDogMode.RESET:
            self._dog.timeout = TIMEOUT_S
            self._dog.mode = WatchDogMode.RESET
        self._dog.feed()

    def alive(self):
        """The main loop has come round; feeds the watchdog if the motor is known to be well."""
        if self._motor.is_safe and not self.is_starving:
            self._dog.feed()

    def starve(self):
        """Never feed it again: the board resets within `TIMEOUT_S`."""
        self.is_starving = True
