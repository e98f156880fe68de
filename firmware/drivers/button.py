# SPDX-License-Identifier: MIT
"""The one button, debounced by CircuitPython's `keypad`, which also records the time of each edge.

What the edges mean (press, double press, long press) is decided in `tenuto_core.button`.
"""

import keypad
from supervisor import ticks_ms

from clock import Clock

# Contacts bounce for some milliseconds; two scans must agree.
SCAN_S = 0.01
_TICKS = (1 << 29) - 1


class KeypadButton:
    """A button between a pin and ground or supply, with the pin's pull resistor switched on.

    `keypad` queues at most 64 edges. When it had to drop some, the button counts as released.

    Args:
        pin: The pin.
        pressed_high: Whether the button connects the pin to supply rather than to ground.
    """

    def __init__(self, pin, *, pressed_high=False):
        self._keys = keypad.Keys((pin,), value_when_pressed=pressed_high, interval=SCAN_S)
        self._event = keypad.Event()
        self._clock = Clock()
        self._is_asleep = False

    def sleep(self):
        """Release the pin, so that it can end a deep sleep; from now on there are no edges."""
        if not self._is_asleep:
            self._is_asleep = True
            self._keys.deinit()

    def read(self):
        """Return the edges since the last call as a list of (pressed, at_ms), oldest first."""
        if self._is_asleep:
            return ()
        events = self._keys.events
        if not len(events):
            return ()
        edges = []
        now_ms, now_ticks = self._clock.now(), ticks_ms()
        overflowed = events.overflowed
        while events.get_into(self._event):
            age_ms = (now_ticks - self._event.timestamp) & _TICKS
            edges.append((self._event.pressed, now_ms - age_ms))
        if overflowed:
            events.clear()
            edges.append((False, now_ms))
        return edges
