# SPDX-License-Identifier: MIT
"""Immediate Alert (0x1802): level 0 stops, 1 is felt once, 2 repeats until 0 or a press.

The repetitions of level 2 become rarer and end by themselves; other levels are reserved.
"""

MILD = ((100, 150, 0),)
HIGH = ((100, 100, 100),) * 5
GAP_MS = 2_000
GAP_MS_MAX = 60_000
NOTHING, STOP, FEEL_MILD, FEEL_HIGH = range(4)


class Alert:
    """An alert that repeats until it is ended.

    Attributes:
        due_ms: When `advance` must be called next, None while there is no alert.
    """

    def __init__(self) -> None:
        self.due_ms: int | None = None
        self._gap_ms = 0

    def set(self, level: int, now_ms: int) -> int:
        """Take a level, and return what to do: `NOTHING`, `STOP`, `FEEL_MILD` or `FEEL_HIGH`."""
        if level == 2:
            self._gap_ms = GAP_MS
            return self._again(now_ms)
        if level > 2:
            return NOTHING
        self.due_ms = None
        return FEEL_MILD if level else STOP

    def end(self) -> None:
        """Stop the repetitions."""
        self.due_ms = None

    def advance(self, now_ms: int) -> int:
        """Return `FEEL_HIGH` when the next repetition is due, else `NOTHING`."""
        if self.due_ms is None or now_ms < self.due_ms:
            return NOTHING
        return self._again(now_ms)

    def _again(self, now_ms: int) -> int:
        self.due_ms = now_ms + self._gap_ms if self._gap_ms <= GAP_MS_MAX else None
        self._gap_ms *= 2
        return FEEL_HIGH
