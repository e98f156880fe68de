# SPDX-License-Identifier: MIT
"""The power chip AXP2101 of X-Powers: its button, its fuel gauge, and the supplies it switches.

Numbers of registers and bits are those of the data sheet, revision 0.1 of 28 April 2019.

The button is the chip's pin PWRON, whose level no register tells; its edges set bits in a status
register, and an enabled bit that is set pulls the interrupt low.  So the main loop looks at one
pin, and asks on the bus only when something has happened.  An edge gets the time at which it was
read, at most one round of the main loop late.  If both edges came between two looks, their order
follows from what the button was before.
"""

from adafruit_bus_device.i2c_device import I2CDevice
from digitalio import DigitalInOut, Pull

from clock import Clock

from .battery import UNKNOWN

ADDRESS = 0x34

_STATUS = 0x00
_BATTERY_PRESENT = 0x08
_CHIP_ID = 0x03
# Without the version in bits 4 and 5: 0x47 by the data sheet, 0x4A by XPowersLib, from real chips.
_NOT_VERSION = 0xCF
_CHIP_IDS = (0x47, 0x4A)
_ENABLE = 0x40
_PENDING = 0x48
_REGISTERS = 3
_BUTTON_ENABLE, _BUTTON_PENDING = 0x41, 0x49
# PWRON is low while the button is pressed.
_RELEASED, _PRESSED = 0x01, 0x02
_SUPPLIES = 0x90
_PERCENT = 0xA4


class Axp2101:
    """The chip; it is the button, see `drivers.button`, and the gauge, see `drivers.battery`.

    Args:
        i2c: The bus.
        interrupt: The pin with the chip's interrupt.
        supplies_off: The bits of register 0x90 to switch off.

    Attributes:
        faults: How often the chip did not answer.

    Raises:
        ValueError: No chip answers.
        RuntimeError: It is another chip.
    """

    def __init__(self, i2c, interrupt, supplies_off=0):
        self._device = I2CDevice(i2c, ADDRESS)
        self._out = bytearray(2)
        self._in = bytearray(1)
        self._clock = Clock()
        self._is_down = False
        self._is_asleep = False
        self.faults = 0
        if self._read(_CHIP_ID) & _NOT_VERSION not in _CHIP_IDS:
            raise RuntimeError("another chip answers at the AXP2101's address")
        self._write(_SUPPLIES, self._read(_SUPPLIES) & ~supplies_off & 0xFF)
        self._listen(_PRESSED | _RELEASED)
        self._interrupt = DigitalInOut(interrupt)
        self._interrupt.switch_to_input(pull=Pull.UP)

    def read(self):
        """Return the edges since the last call as a list of (pressed, at_ms), oldest first."""
        if self._is_asleep or self._interrupt.value:
            return ()
        try:
            pending = self._read(_BUTTON_PENDING) & (_PRESSED | _RELEASED)
            # A one clears its bit, so an edge that came since the line above is not lost.
            self._write(_BUTTON_PENDING, pending)
        except OSError:
            self.faults += 1
            return ()
        now_ms = self._clock.now()
        if pending == _PRESSED | _RELEASED:
            was_down = self._is_down
            return [(not was_down, now_ms), (was_down, now_ms)]
        if not pending:
            return ()
        self._is_down = pending == _PRESSED
        return [(self._is_down, now_ms)]

    def percent(self):
        """How full the battery is by the chip's gauge, which goes on while all else sleeps."""
        try:
            if not self._read(_STATUS) & _BATTERY_PRESENT:
                return UNKNOWN
            return min(100, self._read(_PERCENT))
        except OSError:
            self.faults += 1
            return UNKNOWN

    def sleep(self):
        """Release the pin, and have only a press pull it low, so that it can end a deep sleep."""
        if self._is_asleep:
            return
        self._is_asleep = True
        self._interrupt.deinit()
        try:
            self._listen(_PRESSED)
        except OSError:
            self.faults += 1

    def _listen(self, edges):
        """Enable the interrupts of some edges and no others, and clear all that are pending."""
        for number in range(_REGISTERS):
            enabled = edges if _ENABLE + number == _BUTTON_ENABLE else 0
            self._write(_ENABLE + number, enabled)
            self._write(_PENDING + number, 0xFF)

    def _read(self, register):
        self._out[0] = register
        with self._device as device:
            device.write_then_readinto(self._out, self._in, out_end=1)
        return self._in[0]

    def _write(self, register, value):
        self._out[0], self._out[1] = register, value
        with self._device as device:
            device.write(self._out)
