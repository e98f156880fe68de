# SPDX-License-Identifier: MIT
"""Chooses a plan by touch, without a host.

While nothing is played, a double press opens the menu.  The number of the present plan is felt as
that many short buzzes.  Each press goes on to the next plan, whose number is felt; after the last
comes the first.  A double press starts the plan.  A long press, or `LEAVE_MS` without any, leaves.

A long press that comes at once after the double press (press, press, hold) opens the pairing
window instead; it is one gesture, and in a session it would be a skip and a stop.
"""

from .vocab import DOUBLE_PRESS, LONG_PRESS, PRESS

LEAVE_MS = 15_000
PAIR_WITHIN_MS = 2_000
"""From the double press to the end of the first 0.8 s of the hold."""
NOTHING, FEEL, START, PAIR, LEFT = range(5)
COUNT_PULSE = (100, 150, 250)
EMPTY = ((100, 600, 0),)
"""One long buzz: there is no plan."""
GOODBYE = ((60, 300, 0),)


class Menu:
    """The menu of plans.

    Attributes:
        due_ms: When `advance` must be called next; None while the menu is closed.
        choice: Which of the plans that were there when it was opened, counted from 0.
    """

    def __init__(self) -> None:
        self.due_ms: int | None = None
        self.choice = 0
        self._count = 0
        self._opened_ms = 0

    @property
    def is_open(self) -> bool:
        """Whether gestures are for the menu."""
        return self.due_ms is not None

    def open(self, count: int, choice: int, now_ms: int) -> None:
        """Open it for `count` plans, at `choice`."""
        self._count = count
        self.choice = choice
        self._opened_ms = now_ms
        self.due_ms = now_ms + LEAVE_MS

    def close(self) -> None:
        """Close it, with nothing felt."""
        self.due_ms = None

    def gesture(self, gesture: int, now_ms: int) -> int:
        """Return what a gesture asks for: one of `NOTHING`, `FEEL`, `START`, `PAIR`, `LEFT`."""
        self.due_ms = now_ms + LEAVE_MS
        if gesture == PRESS:
            self._opened_ms = now_ms - PAIR_WITHIN_MS
            if self._count:
                self.choice = (self.choice + 1) % self._count
            return FEEL
        if gesture == DOUBLE_PRESS:
            self.due_ms = None
            return START if self._count else LEFT
        if gesture == LONG_PRESS:
            self.due_ms = None
            return PAIR if now_ms - self._opened_ms < PAIR_WITHIN_MS else LEFT
        return NOTHING

    def advance(self, now_ms: int) -> int:
        """Return `LEFT` when there was no gesture for `LEAVE_MS`, else `NOTHING`."""
        if self.due_ms is None or now_ms < self.due_ms:
            return NOTHING
        self.due_ms = None
        return LEFT

    def pattern(self) -> tuple[tuple[int, int, int], ...]:
        """Return the pattern for the number of the present choice."""
        return (COUNT_PULSE,) * (self.choice + 1) if self._count else EMPTY
