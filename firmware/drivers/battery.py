# SPDX-License-Identifier: MIT
"""How full the battery is: by a fuel gauge, or by its voltage through a divider.

`percent` returns 0 to 100, or `UNKNOWN`; it never raises and never waits.
"""

UNKNOWN = 255

# A resting LiPo cell at 20 degrees, (mV, %), a rough curve: a voltage cannot say it better than
# within 10 %, and under load it says less.
_CURVE = (
    (4180, 100),
    (4080, 90),
    (3980, 78),
    (3900, 66),
    (3820, 52),
    (3780, 40),
    (3730, 26),
    (3680, 14),
    (3600, 7),
    (3450, 3),
    (3300, 0),
)
_SAMPLES = 8


class NoBattery:
    """A board that cannot measure its battery."""

    def percent(self):
        """`UNKNOWN`."""
        return UNKNOWN


class GaugeBattery:
    """The fuel gauge MAX17048, through Adafruit's library.

    Raises ValueError if no chip answers, RuntimeError if it is another one.  Making it waits 0.2 s
    for the gauge's first measurement.
    """

    def __init__(self, i2c):
        # Imported here, so that a board without a gauge needs neither library nor memory for it.
        from adafruit_max1704x import MAX17048  # noqa: PLC0415

        self._gauge = MAX17048(i2c)
        self.faults = 0

    def percent(self):
        """The gauge's own estimate, which it keeps up while everything else sleeps."""
        try:
            return max(0, min(100, round(self._gauge.cell_percent)))
        except OSError:
            self.faults += 1
            return UNKNOWN


class DividerBattery:
    """The battery's voltage through a divider, on an analogue pin.

    Args:
        adc: An `AnalogIn`.
        ratio: Ratio of the battery's voltage to the pin's.
        switch: The output that closes the divider, kept as it is; or None.
    """

    def __init__(self, adc, ratio, switch=None):
        self._adc = adc
        self._switch = switch
        self._ratio = ratio

    def millivolts(self):
        """The battery's voltage."""
        total = sum([self._adc.value for _ in range(_SAMPLES)])
        return round(total / _SAMPLES / 65535 * self._adc.reference_voltage * 1000 * self._ratio)

    def percent(self):
        """By the curve of a resting cell."""
        return percent_of(self.millivolts())


def percent_of(millivolts: int) -> int:
    """How full a resting LiPo cell of that voltage is, by linear pieces."""
    if millivolts >= _CURVE[0][0]:
        return 100
    above_mv, above_pct = _CURVE[0]
    for below_mv, below_pct in _CURVE[1:]:
        if millivolts >= below_mv:
            span_mv = above_mv - below_mv
            return below_pct + (above_pct - below_pct) * (millivolts - below_mv) // span_mv
        above_mv, above_pct = below_mv, below_pct
    return 0
