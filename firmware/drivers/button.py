# SPDX-License-Identifier: MIT
"""The one button, debounced by CircuitPython's `keypad`, which also keeps the time of each edge.

What the edges mean (press, double press, long press) is for `tenuto_core.button` to say.
"""

import keypad
from supervisor import ticks_ms

from clock import Clock

# Contacts bounce for some milliseconds; two scans must agree.
SCAN_S = 0.01
_TICKS = (1 << 29) - 1


class KeypadButton:
    """pin: between it and ground or supply lies the button.  pressed_high: which of them.

    The pin's pull resistor is switched on.  At most 64 edges wait, as `keypad` keeps; when it had
    to drop some, the button counts as released.
    """

    def __init__(self, pin, *, pressed_high=False):
        self._keys = keypad.Keys((pin,), value_when_pressed=pressed_high, interval=SCAN_S)
        self._event = keypad.Event()
        self._clock = Clock()
        self._is_asleep = False

    def sleep(self):
        """Give the pin back, so that it can end a deep sleep; from now on there are no edges."""
        if not self._is_asleep:
            self._is_asleep = True
            self._keys.deinit()

    def read(self):
        """The edges since the last call as a list of (pressed, at_ms), oldest first."""
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
