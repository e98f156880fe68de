# SPDX-License-Identifier: MIT
"""Plays one pattern on one motor, pulse by pulse.

A pulse ends twice, by the motor's own doing and by the buzzer's `off`: two hands on one brake.
"""

from .limits import Ledger

MAX_PULSE_MS = 1000


class Motor:
    """What a motor's driver offers; drivers derive from this.

    lead_ms: from `on` until it can be felt, 0 to 255.
    """

    lead_ms = 0

    def on(self, strength_pct: int, on_ms: int) -> None:
        """Vibrate at 1 to 100 % from now on, and stop without further help after `on_ms`."""

    def off(self) -> None:
        """Stop at once."""


class Buzzer:
    """The one owner of the motor.

    due_ms: when `advance` wants to be called next, or None when silent.
    lead_ms: that of the motor.  ledger: what the motor did in the last minute.
    """

    def __init__(self, motor: Motor) -> None:
        self._motor = motor
        self.lead_ms: int = getattr(motor, "lead_ms", 0)
        self.ledger = Ledger()
        self._pattern: tuple[tuple[int, int, int], ...] = ()
        self._index = 0
        self._on = False
        self.due_ms: int | None = None

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
                on_ms = min(on_ms, MAX_PULSE_MS)
                self._on = True
                self.due_ms = now_ms + on_ms
                self._motor.on(strength_pct, on_ms)
                self.ledger.add(on_ms, now_ms)
                return
            self._on = False
            self._motor.off()
            self._index += 1
            self.due_ms = None if self._index == len(self._pattern) else self.due_ms + off_ms
