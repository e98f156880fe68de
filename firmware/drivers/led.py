# SPDX-License-Identifier: MIT
"""The status light.  It is dark in a session: the wearer's eyes are shut, and the room is dim."""

# What it shows: (on ms, off ms), again and again; colours are for lights that have them.
PATTERNS = {
    "off": None,
    "pairing": (200, 300),
    "error": (60, 140),
    "low_battery": (40, 4_960),
    "starting": (500, 0),
}
COLOURS = {
    "pairing": (0, 0, 40),
    "error": (40, 0, 0),
    "low_battery": (30, 12, 0),
    "starting": (0, 20, 0),
}


class NoLight:
    """A board without a light."""

    def set(self, colour):
        """Do nothing."""


class PinLight:
    """One LED on a pin.

    Args:
        output: A `DigitalInOut` on the LED, switched to output.
        lit_high: Whether a high level lights it.
    """

    def __init__(self, output, *, lit_high=True):
        self._output = output
        self._lit_high = lit_high
        self.set(None)

    def set(self, colour):
        """Switch it on, or off with None; it has only one colour."""
        self._output.value = (colour is not None) == self._lit_high


class PixelLight:
    """One NeoPixel.

    Args:
        write: `neopixel_write.neopixel_write`.
        data: An output on its data pin.
        power: An output that supplies it, or None; a dark NeoPixel still takes about 0.6 mA.
    """

    def __init__(self, write, data, power=None):
        self._write = write
        self._data = data
        self._power = power
        self._grb = bytearray(3)
        self.set(None)

    def set(self, colour):
        """Show (red, green, blue), each 0 to 255, or None for dark."""
        red, green, blue = colour or (0, 0, 0)
        self._grb[0], self._grb[1], self._grb[2] = green, red, blue
        if self._power is not None and colour is not None:
            self._power.value = True
        self._write(self._data, self._grb)
        if self._power is not None and colour is None:
            self._power.value = False


class StatusLed:
    """Shows one of `PATTERNS`.

    Attributes:
        due_ms: When `advance` must be called next, or None.
    """

    def __init__(self, light):
        self._light = light
        self._what = "off"
        self._is_lit = False
        self.due_ms = None

    def show(self, what, now_ms):
        """Show one of `PATTERNS` from now on; the same again changes nothing."""
        if what == self._what:
            return
        self._what = what
        self._set(False)
        self.due_ms = None if PATTERNS[what] is None else now_ms

    def advance(self, now_ms, in_session=False):
        """Do what is due.

        Args:
            in_session: Whether to stay dark, while the pattern's time goes on.
        """
        pattern = PATTERNS[self._what]
        if pattern is None or self.due_ms is None or now_ms < self.due_ms:
            if in_session:
                self._set(False)
            return
        on_ms, off_ms = pattern
        goes_on = not self._is_lit or not off_ms
        self._set(goes_on and not in_session)
        # After a delay the pattern is not caught up: a light has no rhythm to keep.
        self.due_ms = now_ms + (on_ms if goes_on else off_ms)

    def _set(self, lit):
        if lit != self._is_lit:
            self._is_lit = lit
            self._light.set(COLOURS[self._what] if lit else None)
