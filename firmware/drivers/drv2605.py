# SPDX-License-Identifier: MIT
"""A vibration motor behind TI's haptic driver DRV2605L.

Adafruit's library sets it up, see `drv2605_set_up`; a pulse needs only the four registers here.
Numbers of registers and bits are those of TI's data sheet SLOS854 (DRV2605L, rev. D).

Two ways to drive a pulse, and how it ends if the program hangs:

- *ERM, open loop*: the chip plays an effect of its own library that lasts `LONG_MS` and is cut
  short by `off`.  Without a call of `off`, the chip itself stops after `LONG_MS`: this needs
  neither the program nor the bus nor the watchdog.  The strength is the full-scale voltage of the
  open loop, OD_CLAMP.
- *LRA, closed loop*: the chip follows the actuator's resonance and brakes it, with the strength in
  RTP_INPUT.  Real-time playback has no end of its own.  If the program hangs, the watchdog resets
  the board, and then the pin EN falls, or, without that pin, `motor_off` comes when the
  interpreter is up again.  Pulses up to `CLICK_MS` are the library's clicks, which end by
  themselves.
"""

import time

from adafruit_bus_device.i2c_device import I2CDevice

from heap import forget

from .motor import TimedMotor

ADDRESS = 0x5A
LONG_MS = 1000
CLICK_MS = 30

_MODE = 0x01
_RTP_INPUT = 0x02
_WAVEFORM_1 = 0x04
_GO = 0x0C
_OD_CLAMP = 0x17

_STANDBY = 0x40
_INTERNAL_TRIGGER = 0
_REAL_TIME = 5

# Numbers in the data sheet's list of waveform library effects.
_STRONG_CLICK_100, _STRONG_CLICK_60, _STRONG_CLICK_30 = 1, 2, 3
_ALERT_1000_MS = 16


class Drv2605Motor(TimedMotor):
    """A motor behind a DRV2605L.

    Args:
        i2c: The bus.
        enable: A `DigitalInOut` on the pin EN, low until now, or None if EN is tied.
        kind, nvm, actuator: See `drv2605_set_up.SetUp`.
        lead_ms: See `TimedMotor`.

    Attributes:
        needs_calibration: Whether the chip should learn its actuator, by `calibrate`, before use.

    Raises:
        ValueError: No chip answers.
        RuntimeError: It is another chip.
    """

    def __init__(self, i2c, *, kind, lead_ms, enable=None, nvm=None, **actuator):
        super().__init__(lead_ms)
        self._is_lra = kind == "lra"
        self._enable = enable
        self._set_up_with = (i2c, ADDRESS, nvm, kind), actuator
        self._buffer = bytearray(2)
        self._is_asleep = True
        self._is_clicking = False
        self._strength_pct = self._effect = 0
        self._set_up()
        self._device = I2CDevice(i2c, ADDRESS)
        self._begin()

    def calibrate(self):
        """Let the chip learn its actuator, which buzzes meanwhile, and store what it learned.

        Waits up to 1.5 s, so this belongs before the start of the application.

        Returns:
            Whether it succeeded. If not, the chip's own defaults stay in force, and the next boot
            tries again.
        """
        good = self._set_up(calibrates=True)
        self._begin()
        return good

    # --- the interface for TimedMotor

    def _prepare(self, strength_pct, on_ms):
        if self._is_asleep:
            self._wake()
        if not self._is_lra:
            if strength_pct != self._strength_pct:
                self._write(_OD_CLAMP, max(1, self._full_scale * strength_pct // 100))
                self._strength_pct = strength_pct
            self._select(_STRONG_CLICK_100 if on_ms <= CLICK_MS else _ALERT_1000_MS)
        elif on_ms <= CLICK_MS:
            if not self._is_clicking:
                self._write(_MODE, _INTERNAL_TRIGGER)
                self._is_clicking = True
            self._select(_click(strength_pct))
        elif self._is_clicking:
            self._write(_MODE, _REAL_TIME)
            self._is_clicking = False

    def _drive(self, strength_pct, on_ms):
        self._prepare(strength_pct, on_ms)
        if self._is_lra and not self._is_clicking:
            self._write(_RTP_INPUT, 127 * strength_pct // 100)
        else:
            self._write(_GO, 1)

    def _halt(self):
        if self._is_asleep:
            return
        if self._is_lra and not self._is_clicking:
            self._write(_RTP_INPUT, 0)
        else:
            self._write(_GO, 0)

    def _rest(self):
        if not self._is_asleep:
            self._write(_MODE, self._awake_mode | _STANDBY)
            self._is_asleep = True

    def shut_down(self):
        """Switch the chip off through EN, where there is such a pin; `on` switches it on again."""
        self.sleep()
        if self._enable is not None:
            self._enable.value = False

    # --- set-up

    @property
    def _awake_mode(self):
        return _REAL_TIME if self._is_lra and not self._is_clicking else _INTERNAL_TRIGGER

    def _wake(self):
        if self._enable is not None and not self._enable.value:
            self._set_up()
            self._begin()
        self._write(_MODE, self._awake_mode)
        self._is_asleep = False

    def _set_up(self, calibrates=False):
        if self._enable is not None:
            self._enable.value = True
            # The chip answers 250 us after EN rose (data sheet, timing requirements).
            time.sleep(0.001)
        from .drv2605_set_up import SetUp  # noqa: PLC0415 - only for as long as it is needed

        arguments, actuator = self._set_up_with
        it = SetUp(*arguments, **actuator)
        good = calibrates and it.calibrate()
        it.run()
        self._full_scale = it.full_scale
        self.needs_calibration = it.needs_calibration
        del SetUp, it
        forget("drivers.drv2605_set_up", "adafruit_drv2605")
        return good

    def _begin(self):
        """Start to use the chip as it was set up."""
        self._is_clicking = False
        self._strength_pct = self._effect = 0
        self._is_asleep = False
        self._rest()

    def _select(self, effect):
        if effect != self._effect:
            self._write(_WAVEFORM_1, effect)
            self._effect = effect

    def _write(self, register, value):
        self._buffer[0] = register
        self._buffer[1] = value
        with self._device as device:
            device.write(self._buffer)


def _click(strength_pct):
    if strength_pct >= 80:
        return _STRONG_CLICK_100
    return _STRONG_CLICK_60 if strength_pct >= 45 else _STRONG_CLICK_30
