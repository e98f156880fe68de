# SPDX-License-Identifier: MIT
"""Motor off, before anything else and whatever else is broken.

`boot.py`, `safemode.py` and `code.py` begin with this.  It uses built-in modules only, so that
neither a missing library nor a full heap keeps it from its work, and it raises nothing.
"""

import busio
from digitalio import DigitalInOut

DRV2605_ADDRESS = 0x5A
# Register MODE, bit STANDBY: the output is off, whatever the chip was doing.
DRV2605_STANDBY = b"\x01\x40"
TRIES = 3


def motor_off(pins):
    """Stop the motor of a board.

    Args:
        pins: A module of `boards`.

    Returns:
        What went wrong, or None.
    """
    trouble = None
    try:
        kind = pins.MOTOR["driver"]
        pin = pins.MOTOR["pin"] if kind == "pwm" else pins.MOTOR.get("enable")
        if pin is not None:
            # Released afterwards; the pull-down resistor holds it low from there on.
            with DigitalInOut(pin) as output:
                output.switch_to_output(value=False)
        if kind == "drv2605":
            _standby(pins)
    except Exception as error:  # noqa: BLE001 - the caller has nothing better to do than to go on
        trouble = error
    return trouble


def _standby(pins):
    bus = pins.BUS() if hasattr(pins, "BUS") else busio.I2C(pins.SCL, pins.SDA)
    with bus as i2c:
        if not i2c.try_lock():
            raise OSError("I2C is locked")
        try:
            for attempt in range(TRIES):
                try:
                    i2c.writeto(DRV2605_ADDRESS, DRV2605_STANDBY)
                except OSError:
                    if attempt == TRIES - 1:
                        raise
                else:
                    return
        finally:
            i2c.unlock()
