# SPDX-License-Identifier: MIT
"""What all motor drivers share: a pulse ends, even when its caller fails.

The safeguards, from the first to the last:

1. the buzzer calls `off` when the pulse is over;
2. the stop timer, `guard`, a task of its own, calls it if the buzzer did not, at the latest
   `GRACE_MS + CHECK_EVERY_MS` after the end;
3. an `off` that fails on the bus is tried again every `RETRY_MS`;
4. `is_safe` turns False when the motor may have run on for `STUCK_MS`; then the watchdog is
   no longer fed, the board resets, and `motor_off` comes first after the reset;
5. where the hardware can, it ends the pulse by itself; see each driver.
"""

import asyncio

from supervisor import ticks_ms

from tenuto_core.buzzer import Motor

PULSE_MS_MAX = 1000
GRACE_MS = 5
CHECK_EVERY_MS = 50
RETRY_MS = 20
STUCK_MS = 500
# A motor that has not run for so long is sent to sleep; waking it costs one write.
REST_AFTER_MS = 2_000
_TICKS = (1 << 29) - 1


def elapsed_ms(since_ticks):
    """Milliseconds from a reading of `supervisor.ticks_ms`, which wraps at 2**29, until now."""
    return (ticks_ms() - since_ticks) & _TICKS


class TimedMotor(Motor):
    """Base of the drivers: they define `_drive`, `_halt` and, if of use, `_prepare` and `_rest`.

    Args:
        lead_ms: How long before a cue is to be felt the motor must be driven. The player subtracts
            it from the time of a cue. The log has the time of the drive.

    Attributes:
        timer_stops: Pulses that the stop timer had to end.
        faults: Calls that failed on the bus.
    """

    def __init__(self, lead_ms):
        self.lead_ms = lead_ms
        self.timer_stops = 0
        self.faults = 0
        self._started = asyncio.Event()
        self._is_on = False
        self._is_stuck = False
        self._is_resting = True
        self._since = ticks_ms()
        self._on_ms = 0

    def on(self, strength_pct, on_ms):
        """Vibrate at 1 to 100 % from now on, for `on_ms`, but at most `PULSE_MS_MAX`.

        A failure on the bus is only counted as a fault: a session must go on.

        Raises:
            ValueError: An argument is out of its range; the motor stays as it is.
        """
        if not 1 <= strength_pct <= 100:
            raise ValueError("strength_pct must be 1 to 100")
        if on_ms < 1:
            raise ValueError("on_ms must be 1 or more")
        if self._is_on:
            self.off()
        self._on_ms = min(on_ms, PULSE_MS_MAX)
        self._since = ticks_ms()
        self._is_on = True
        self._is_resting = False
        try:
            self._drive(strength_pct, self._on_ms)
        except OSError:
            self.faults += 1
        self._started.set()

    def make_ready(self, strength_pct, on_ms):
        """Set the hardware up for a pulse that comes soon; does nothing while one goes on."""
        if self._is_on or self._is_stuck:
            return
        try:
            self._prepare(strength_pct, on_ms)
        except OSError:
            self.faults += 1
            return
        if self._is_resting:
            self._is_resting = False
            self._since = ticks_ms()
            self._started.set()

    def off(self):
        """Stop at once; if that fails on the bus, `guard` tries again."""
        try:
            self._halt()
            self._is_stuck = False
        except OSError:
            self.faults += 1
            self._is_stuck = True
        if self._is_on:
            self._since = ticks_ms()
            self._started.set()
        self._is_on = False

    @property
    def is_safe(self):
        """Whether the motor is known to have stopped in time."""
        if self._is_on:
            return elapsed_ms(self._since) < self._on_ms + STUCK_MS
        return not self._is_stuck or elapsed_ms(self._since) < STUCK_MS

    async def guard(self):
        """The stop timer: run this as a task for as long as the motor may be driven."""
        while True:
            wait_ms = self.check()
            if wait_ms is None:
                await self._started.wait()
            else:
                await asyncio.sleep(wait_ms / 1000)
            self._started.clear()

    def check(self):
        """End what is over.

        Returns:
            In how many ms to call again, or None for not before `on`.
        """
        passed_ms = elapsed_ms(self._since)
        if self._is_on:
            if passed_ms < self._on_ms + GRACE_MS:
                return min(self._on_ms + GRACE_MS - passed_ms, CHECK_EVERY_MS)
            self.timer_stops += 1
            self.off()
            passed_ms = 0
        elif self._is_stuck:
            self.off()
        if self._is_stuck:
            return RETRY_MS
        if self._is_resting:
            return None
        if passed_ms < REST_AFTER_MS:
            # A new pulse may begin while this sleeps, and may be short.
            return CHECK_EVERY_MS
        self.sleep()
        return None

    def sleep(self):
        """Use as little power as the driver can; `on` wakes it."""
        self.off()
        self._is_resting = True
        try:
            self._rest()
        except OSError:
            self.faults += 1

    def shut_down(self):
        """Use as little power as the wiring allows; `on` still wakes it."""
        self.sleep()

    def _prepare(self, strength_pct, on_ms):
        """Do what `_drive` would have to do beforehand; may raise OSError."""

    def _drive(self, strength_pct, on_ms):
        """Begin to vibrate; may raise OSError."""
        raise NotImplementedError

    def _halt(self):
        """Stop; may raise OSError."""
        raise NotImplementedError

    def _rest(self):
        """Go to sleep, once stopped; may raise OSError."""
