# SPDX-License-Identifier: MIT
"""What a wearer does with the one button of a wearable, for hands that are simulated."""

from __future__ import annotations

from typing import Protocol

GESTURES = {
    "press": ((0, 80),),
    "double": ((0, 80), (200, 80)),
    "long": ((0, 1_500),),
    "pair": ((0, 80), (200, 80), (450, 1_000)),
}
"""By its name, each press as its begin and its length in ms."""


class CanBePressed(Protocol):
    """A button of whatever device."""

    def press(self, duration_ms: float = 80.0, *, after_ms: float = 0.0) -> None:
        """Press it `after_ms` from now, for `duration_ms`."""


def make_gesture(button: CanBePressed, gesture: str, *, after_ms: float = 0.0) -> None:
    """Make one of `GESTURES`, beginning `after_ms` from now."""
    for begin_ms, held_ms in GESTURES[gesture]:
        button.press(held_ms, after_ms=after_ms + begin_ms)
