# SPDX-License-Identifier: MIT
"""Plays one pattern on one motor, pulse by pulse.

The motor it is given has `on(strength_pct, on_ms)`, which must end by itself after `on_ms`, and
`off()`.  The buzzer calls `off()` at the end of each pulse as well: two hands on one brake.
"""


class Buzzer:
    """The one owner of the motor.

    due_ms: when `advance` wants to be called next, or None when silent.
    """

    def __init__(self, motor: Motor) -> None:
        self._motor = motor
        self._pattern = ()
        self._index = 0
        self._on = False
        self.due_ms = None

    def play(self, pattern: tuple[tuple[int, int, int], ...], now_ms: int) -> None:
        """Begin a pattern of (strength_pct, on_ms, off_ms) now, in place of what is playing."""
        if self._on:
            self._motor.off()
            self._on = False
        self._pattern = pattern
        self._index = 0
        self.due_ms = now_ms if pattern else None
        self.advance(now_ms)

    def stop(self) -> None:
        """Motor off at once; the rest of the pattern is dropped."""
        self.due_ms = None
        self._on = False
        self._motor.off()

    def advance(self, now_ms: int) -> None:
        """Do what is due at `now_ms`.  The pulses keep their lengths when this comes late."""
        while self.due_ms is not None and now_ms >= self.due_ms:
            strength_pct, on_ms, off_ms = self._pattern[self._index]
            if not self._on:
                self._on = True
                self.due_ms = now_ms + on_ms
                self._motor.on(strength_pct, on_ms)
                return
            self._on = False
            self._motor.off()
            self._index += 1
            self.due_ms = None if self._index == len(self._pattern) else self.due_ms + off_ms
