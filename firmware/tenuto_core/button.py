# SPDX-License-Identifier: MIT
"""Turns the edges of one debounced button into presses, double presses and long presses.

A long press is reported while the button is still held, because it means stop and must not wait.
A single press is reported only when a second one can no longer follow.
"""

from .vocab import DOUBLE_PRESS, LONG_PRESS, PRESS

LONG_MS = 800
DOUBLE_GAP_MS = 350


class Button:
    """The gestures of one button.

    `edge` and `advance` return `vocab.PRESS`, `DOUBLE_PRESS`, `LONG_PRESS` or 0.

    Attributes:
        due_ms: When `advance` must be called next, or None.
        is_first: Whether the last edge began a gesture.
    """

    def __init__(self) -> None:
        self._down = False
        self.is_first = False
        self._presses = 0
        self.due_ms: int | None = None

    def edge(self, pressed: bool, at_ms: int) -> int:
        """Take an edge, down or up at `at_ms`; ignored if the button is in that position."""
        gesture = self.advance(at_ms)
        self.is_first = False
        if pressed == self._down:
            return gesture
        self._down = pressed
        if pressed:
            self.is_first = self._presses == 0
            self._presses += 1
            self.due_ms = at_ms + LONG_MS
        elif self._presses >= 2:
            self._presses = 0
            self.due_ms = None
            return DOUBLE_PRESS
        elif self._presses:
            self.due_ms = at_ms + DOUBLE_GAP_MS
        return gesture

    def advance(self, now_ms: int) -> int:
        """Return the gesture that became certain since the last call, or 0."""
        if self.due_ms is None or now_ms < self.due_ms:
            return 0
        self.due_ms = None
        gesture = LONG_PRESS if self._down else PRESS
        self._presses = 0
        return gesture
