# SPDX-License-Identifier: MIT
"""Turns the edges of one debounced button into presses, double presses and long presses.

A long press is told while the button is still held, because it means stop and must not wait.
A single press is told only when a second one can no longer follow.
"""

from .vocab import DOUBLE_PRESS, LONG_PRESS, PRESS

LONG_MS = 800
DOUBLE_GAP_MS = 350


class Button:
    """due_ms: when `advance` wants to be called next, or None.

    is_first: whether the last edge began a gesture.

    `edge` and `advance` return `vocab.PRESS`, `DOUBLE_PRESS`, `LONG_PRESS` or 0.
    """

    def __init__(self) -> None:
        self._down = False
        self.is_first = False
        self._presses = 0
        self.due_ms: int | None = None

    def edge(self, pressed: bool, at_ms: int) -> int:
        """The button went down or came up at `at_ms`; an edge to where it already is counts not."""
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
        """The gesture that is certain at `now_ms`, if one became so since the last call."""
        if self.due_ms is None or now_ms < self.due_ms:
            return 0
        self.due_ms = None
        gesture = LONG_PRESS if self._down else PRESS
        self._presses = 0
        return gesture
