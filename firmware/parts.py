# SPDX-License-Identifier: MIT
"""Makes a board's drivers from its file in `boards`.

Only the motor must be there; any other missing part is reported once and left out, so that a band
with a broken sensor still times a hold.
"""

import busio
import microcontroller
from digitalio import DigitalInOut

from drivers.battery import DividerBattery, GaugeBattery, NoBattery
from drivers.button import KeypadButton
from drivers.led import NoLight, PinLight, PixelLight, StatusLed


class NoButton:
    """A button that cannot be read."""

    def read(self):
        """Return no edges."""
        return ()


class NoHeart:
    """A band without a heart-rate sensor."""

    has_contact = False

    def read(self):
        """Return None: there is never a beat."""

    def wake(self):
        """Do nothing."""

    def sleep(self):
        """Do nothing."""


def make_bus(pins):
    """Return the I2C bus of the parts, at 400 kHz, which all of them support."""
    return busio.I2C(pins.SCL, pins.SDA, frequency=400_000)


def make_motor(pins, i2c):
    """Return the motor, off.

    Raises:
        ValueError: Its driver chip does not answer.
        RuntimeError: The chip that answers is another one.
    """
    options = dict(pins.MOTOR)
    driver = options.pop("driver")
    # Imported here, because a board has the memory for what it uses and not for both.
    if driver == "pwm":
        from drivers.pwm_motor import PwmMotor  # noqa: PLC0415

        return PwmMotor(**options)
    from drivers.drv2605 import Drv2605Motor  # noqa: PLC0415

    enable = options.pop("enable", None)
    if enable is not None:
        enable = _output(enable, False)
    return Drv2605Motor(i2c, enable=enable, nvm=microcontroller.nvm, **options)


def make_heart(pins, i2c):
    """Return the heart-rate sensor, asleep; or a stand-in."""
    if not pins.HEART:
        return NoHeart()
    try:
        from drivers.max30102 import Max30102  # noqa: PLC0415

        return Max30102(i2c)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print("no heart-rate sensor:", error)
        return NoHeart()


def make_power_chip(pins, i2c):
    """Return the power chip, on a board whose button it has; otherwise None."""
    if not hasattr(pins, "BUTTON_CHIP"):
        return None
    try:
        from drivers.axp2101 import Axp2101  # noqa: PLC0415

        return Axp2101(i2c, pins.BUTTON, pins.SUPPLIES_OFF)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print("no power chip:", error)
        return None


def darken(pins):
    """Switch the display off, where the board has one; it stays so until the program ends."""
    display = getattr(pins, "DISPLAY", None)
    if display is not None:
        display.auto_refresh = False
        display.brightness = 0


def make_battery(pins, i2c, power_chip=None):
    """Return the battery's gauge or divider; or a stand-in."""
    kind = pins.BATTERY and pins.BATTERY["kind"]
    try:
        if kind == "axp2101" and power_chip is not None:
            return power_chip
        if kind == "max17048":
            return GaugeBattery(i2c)
        if kind == "divider":
            from analogio import AnalogIn  # noqa: PLC0415

            enable = pins.BATTERY.get("enable")
            switch = None if enable is None else _output(enable, pins.BATTERY["enable_level"])
            return DividerBattery(AnalogIn(pins.BATTERY["pin"]), pins.BATTERY["ratio"], switch)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print("no battery gauge:", error)
    return NoBattery()


def make_button(pins, power_chip=None):
    """Return the button: the power chip's, where there is one."""
    if hasattr(pins, "BUTTON_CHIP"):
        return power_chip or NoButton()
    return KeypadButton(pins.BUTTON, pressed_high=pins.BUTTON_PRESSED)


def make_led(pins):
    """Return the status light, dark."""
    led = pins.LED
    if not led:
        return StatusLed(NoLight())
    if led["kind"] == "neopixel":
        from neopixel_write import neopixel_write  # noqa: PLC0415

        power = led.get("power")
        power = None if power is None else _output(power, False)
        return StatusLed(PixelLight(neopixel_write, _output(led["pin"], False), power))
    output = _output(led["pin"], not led["lit_high"])
    return StatusLed(PinLight(output, lit_high=led["lit_high"]))


def _output(pin, level):
    output = DigitalInOut(pin)
    output.switch_to_output(value=level)
    return output
