# SPDX-License-Identifier: MIT
"""Plays one pattern on one motor, pulse by pulse.

A pulse ends twice, by the motor's own doing and by the buzzer's `off`: two hands on one brake.
"""

from .limits import ON_MS_MAX, Ledger, on_ms

MIN_PULSE_MS = 20
"""Shorter pulses are hardly felt; no plan has them."""
MAX_PULSE_MS = 1000
CUE_MS_MAX = 3000
"""Motor time in one pattern."""


class Motor:
    """The interface to a motor; drivers derive from this.

    lead_ms: from `on` until it can be felt, 0 to 255.
    """

    lead_ms = 0

    def on(self, strength_pct: int, on_ms: int) -> None:
        """Vibrate at 1 to 100 % from now on, and stop without further help after `on_ms`."""

    def off(self) -> None:
        """Stop at once."""

    def make_ready(self, strength_pct: int, on_ms: int) -> None:
        """Prepare the next `on`, so that it takes less time; not required."""


class Clock:
    """The interface to a clock; drivers derive from this."""

    def now(self) -> int:
        """Return the time in ms, as the caller of the buzzer counts it."""
        raise NotImplementedError


class Buzzer:
    """The one owner of the motor, and the one place where its budget is kept, see `limits`.

    Args:
        memory, now_ms: See `limits.Ledger`.
        at: The offset of the ledger's note in `memory`.

    Attributes:
        due_ms: When `advance` must be called next, or None when silent.
        lead_ms: The `lead_ms` of the motor; a session keeps to what it is when it begins.
        ledger: What the motor did in the last minute.
        clock: Read right after the motor was driven; None where no time passes while the program
            works.
        driven_ms: When it was driven last.
        was_felt: Whether the last pattern began to be felt; False where the budget was spent.
        cuts: Pulses that were shortened or left out because the budget was spent.
    """

    def __init__(
        self, motor: Motor, memory: bytearray | None = None, at: int = 0, now_ms: int = 0
    ) -> None:
        self._motor = motor
        self.lead_ms: int = getattr(motor, "lead_ms", 0)
        self.ledger = Ledger(memory, at, now_ms)
        self.clock: Clock | None = None
        self.driven_ms = now_ms
        self.was_felt = True
        self.cuts = 0
        self._pattern: tuple[tuple[int, int, int], ...] = ()
        self._index = 0
        self._left_ms = 0
        self._on = False
        self.due_ms: int | None = None

    def play(self, pattern: tuple[tuple[int, int, int], ...], now_ms: int) -> None:
        """Begin a pattern of (strength_pct, on_ms, off_ms) now, in place of what is playing."""
        if self._on:
            self._halt(now_ms)
        self._pattern = pattern
        self._index = 0
        self._left_ms = CUE_MS_MAX
        self.was_felt = True
        self.driven_ms = now_ms
        self.due_ms = now_ms if pattern else None
        self.advance(now_ms)

    def make_ready(self, pattern: tuple[tuple[int, int, int], ...]) -> None:
        """Prepare the motor for a pattern that comes soon; call this while it is still."""
        strength_pct, pulse_ms, _ = pattern[0]
        self._motor.make_ready(strength_pct, min(pulse_ms, MAX_PULSE_MS))

    @property
    def left_ms(self) -> int:
        """Return how long the rest of the pattern runs the motor, without the present pulse."""
        if self.due_ms is None:
            return 0
        return on_ms(self._pattern[self._index + self._on :])

    def stop(self, now_ms: int) -> None:
        """Stop the motor at once, and drop the rest of the pattern."""
        self.due_ms = None
        self._halt(now_ms)

    def _halt(self, now_ms: int) -> None:
        self._motor.off()
        if self._on:
            self._on = False
            self.ledger.cut(now_ms)

    def advance(self, now_ms: int) -> None:
        """Do what is due at `now_ms`.  The pulses keep their lengths when this comes late."""
        while self.due_ms is not None and now_ms >= self.due_ms:
            strength_pct, pulse_ms, off_ms = self._pattern[self._index]
            if not self._on:
                pulse_ms = min(pulse_ms, MAX_PULSE_MS, self._left_ms)
                if self.ledger.total_ms + pulse_ms > ON_MS_MAX or pulse_ms < MIN_PULSE_MS:
                    pulse_ms = self._shorten(pulse_ms, now_ms)
                    if not pulse_ms:
                        return
                self._on = True
                self._motor.on(strength_pct, pulse_ms)
                if self.clock is not None:
                    now_ms = max(now_ms, self.clock.now())
                self._left_ms -= pulse_ms
                self.driven_ms = now_ms
                self.due_ms = now_ms + pulse_ms
                self.ledger.add(pulse_ms, now_ms)
                return
            self._halt(now_ms)
            self._index += 1
            self.due_ms = None if self._index == len(self._pattern) else self.due_ms + off_ms

    def _shorten(self, pulse_ms: int, now_ms: int) -> int:
        """Return how much of a pulse has room; if too little, end the pattern and return 0."""
        room_ms = self.ledger.fit(pulse_ms, now_ms)
        if room_ms == pulse_ms >= MIN_PULSE_MS:
            return pulse_ms
        self.cuts += 1
        if room_ms >= MIN_PULSE_MS:
            return room_ms
        self.was_felt = self._index > 0
        self.due_ms = None
        return 0
