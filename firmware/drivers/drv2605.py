# SPDX-License-Identifier: MIT
"""A vibration motor behind TI's haptic driver DRV2605L, through Adafruit's library.

Numbers of registers, bits and formulas are those of TI's data sheet SLOS854 (DRV2605L, rev. D).

Two ways to drive a pulse, and how it ends if the program hangs:

- *ERM, open loop*: the chip plays an effect of its own library that lasts `LONG_MS` and is cut
  short by `off`.  If nobody calls `off`, the chip itself is at its end after `LONG_MS`: this needs
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
from adafruit_drv2605 import DRV2605, LIBRARY_LRA, LIBRARY_TS2200B, MODE_INTTRIG, MODE_REALTIME

import nvm_slots

from .motor import TimedMotor

ADDRESS = 0x5A
LONG_MS = 1000
CLICK_MS = 30

_MODE = 0x01
_RATED_VOLTAGE = 0x16
_OD_CLAMP = 0x17
_FEEDBACK = 0x1A
_CONTROL1 = 0x1B
_CONTROL3 = 0x1D
_CONTROL4 = 0x1E
_STATUS = 0x00
_GO = 0x0C

_STANDBY = 0x40
_AUTO_CALIBRATE = 7
_DIAG_RESULT = 0x08
_ERM_OPEN_LOOP = 0x20

# Numbers in the data sheet's list of waveform library effects.
_STRONG_CLICK_100, _STRONG_CLICK_60, _STRONG_CLICK_30 = 1, 2, 3
_ALERT_1000_MS = 16

CALIBRATION_TRIES = 150
CALIBRATION_POLL_S = 0.01


class Drv2605Motor(TimedMotor):
    """i2c: the bus.  enable: a `DigitalInOut` on the pin EN, low until now, or None if EN is tied.

    kind: "erm" or "lra".  rated_mv: the actuator's rated voltage, RMS for an LRA.
    overdrive_mv: the highest voltage that it stands for a moment, peak; LRA only.
    resonance_hz: LRA only.  lead_ms: see `TimedMotor`.
    nvm: where the calibration of an LRA is kept, or None.

    Raises ValueError if no chip answers, RuntimeError if it is another one.
    """

    def __init__(
        self,
        i2c,
        *,
        kind,
        rated_mv,
        lead_ms,
        overdrive_mv=0,
        resonance_hz=0,
        enable=None,
        nvm=None,
    ):
        super().__init__(lead_ms)
        if kind not in ("erm", "lra"):
            raise ValueError("kind must be erm or lra")
        self._is_lra = kind == "lra"
        self._enable = enable
        self._nvm = nvm
        self._buffer = bytearray(2)
        self._i2c = i2c
        if self._is_lra:
            self._rated = lra_rated(rated_mv, resonance_hz)
            self._clamp = lra_clamp(overdrive_mv)
            self._drive_time = lra_drive_time(resonance_hz)
        else:
            self._full_scale = erm_clamp(rated_mv)
        self._is_asleep = True
        self._is_clicking = False
        self._strength_pct = self._effect = 0
        self._set_up()

    @property
    def needs_calibration(self):
        """Whether the chip should learn its actuator, by `calibrate`, before it is relied upon."""
        return self._is_lra and self._stored() is None

    def calibrate(self):
        """Let the chip learn its actuator, which buzzes meanwhile, and keep what it learned.

        Waits up to 1.5 s, so this belongs before the start of the application.  Returns whether it
        succeeded; if not, the chip's own defaults stay in force, and the next boot tries again.
        """
        if not self._is_lra:
            return False
        self._write(_MODE, _AUTO_CALIBRATE)
        self._write(_GO, 1)
        for _ in range(CALIBRATION_TRIES):
            time.sleep(CALIBRATION_POLL_S)
            if not self._read(_GO) & 1:
                break
        else:
            self._write(_GO, 0)
            self._set_up()
            return False
        good = not self._read(_STATUS) & _DIAG_RESULT
        if good and self._nvm is not None:
            learned = bytes((self._read(0x18), self._read(0x19), self._read(_FEEDBACK)))
            nvm_slots.write(self._nvm, nvm_slots.CALIBRATION, self._identity() + learned)
        self._set_up()
        return good

    # --- what TimedMotor asks for

    def _drive(self, strength_pct, on_ms):
        if self._is_asleep:
            self._wake()
        if not self._is_lra:
            if strength_pct != self._strength_pct:
                self._write(_OD_CLAMP, max(1, self._full_scale * strength_pct // 100))
                self._strength_pct = strength_pct
            self._select(_STRONG_CLICK_100 if on_ms <= CLICK_MS else _ALERT_1000_MS)
            self._chip.play()
        elif on_ms <= CLICK_MS:
            self._chip.mode = MODE_INTTRIG
            self._is_clicking = True
            self._select(_click(strength_pct))
            self._chip.play()
        else:
            if self._is_clicking:
                self._chip.mode = MODE_REALTIME
                self._is_clicking = False
            self._chip.realtime_value = 127 * strength_pct // 100

    def _halt(self):
        if self._is_asleep:
            return
        if self._is_lra and not self._is_clicking:
            self._chip.realtime_value = 0
        else:
            self._chip.stop()

    def _rest(self):
        if not self._is_asleep:
            self._write(_MODE, self._awake_mode | _STANDBY)
            self._is_asleep = True

    def shut_down(self):
        """Take the chip's power through EN, where there is such a pin; `on` brings it back."""
        self.sleep()
        if self._enable is not None:
            self._enable.value = False

    # --- set-up

    @property
    def _awake_mode(self):
        return MODE_REALTIME if self._is_lra and not self._is_clicking else MODE_INTTRIG

    def _wake(self):
        if self._enable is not None and not self._enable.value:
            self._set_up()
        self._write(_MODE, self._awake_mode)
        self._is_asleep = False

    def _set_up(self):
        if self._enable is not None:
            self._enable.value = True
            # The chip answers 250 us after EN rose (data sheet, timing requirements).
            time.sleep(0.001)
        self._device = I2CDevice(self._i2c, ADDRESS)
        # Stops whatever it was playing when the board was reset; the library's own first write
        # would leave a waveform of the library running.
        self._write(_GO, 0)
        self._chip = DRV2605(self._i2c, ADDRESS)
        self._is_clicking = False
        self._strength_pct = 0
        self._effect = 0
        self._chip.set_waveform(0, 1)
        if self._is_lra:
            self._set_up_lra()
        else:
            # Library A overdrives motors for 1.3 V; B is for 3 V without overdrive.
            self._chip.library = LIBRARY_TS2200B
            self._write(_CONTROL3, self._read(_CONTROL3) | _ERM_OPEN_LOOP)
        self._is_asleep = False
        self._rest()

    def _set_up_lra(self):
        self._chip.use_LRM()
        self._chip.library = LIBRARY_LRA
        self._write(_RATED_VOLTAGE, self._rated)
        self._write(_OD_CLAMP, self._clamp)
        control1 = self._read(_CONTROL1)
        self._write(_CONTROL1, (control1 & 0xE0) | self._drive_time)
        # Closed loop, and RTP_INPUT is signed, so that 0 is no drive and 127 the rated voltage.
        self._write(_CONTROL3, self._read(_CONTROL3) & 0xD6)
        # The longest calibration, 1.0 to 1.2 s, is the most exact.
        self._write(_CONTROL4, self._read(_CONTROL4) | 0x30)
        stored = self._stored()
        if stored is not None:
            for register, value in zip((0x18, 0x19, _FEEDBACK), stored):
                self._write(register, value)
        self._chip.realtime_value = 0
        self._chip.mode = MODE_REALTIME

    def _identity(self):
        """A calibration is worth nothing for another actuator."""
        return bytes((self._rated, self._clamp, self._drive_time))

    def _stored(self):
        content = nvm_slots.read(self._nvm, nvm_slots.CALIBRATION) if self._nvm else None
        if content is None or len(content) != 6 or content[:3] != self._identity():
            return None
        return content[3:]

    def _select(self, effect):
        if effect != self._effect:
            self._chip.set_waveform(effect, 0)
            self._effect = effect

    def _write(self, register, value):
        self._buffer[0] = register
        self._buffer[1] = value
        with self._device as device:
            device.write(self._buffer)

    def _read(self, register):
        self._buffer[0] = register
        with self._device as device:
            device.write_then_readinto(self._buffer, self._buffer, out_end=1, in_end=1)
        return self._buffer[0]


def erm_clamp(rated_mv):
    """OD_CLAMP for an ERM in open loop: 21.59 mV a step."""
    return _byte(rated_mv / 21.59)


def lra_rated(rated_mv, resonance_hz):
    """RATED_VOLTAGE for an LRA in closed loop, with the default sample time (equation 5)."""
    return _byte(rated_mv / 20.58 * (1 - (4 * 300e-6 + 300e-6) * resonance_hz) ** 0.5)


def lra_clamp(overdrive_mv):
    """OD_CLAMP for an LRA in closed loop: 21.22 mV a step (equation 9)."""
    return _byte(overdrive_mv / 21.22)


def lra_drive_time(resonance_hz):
    """DRIVE_TIME: half a period, in steps of 0.1 ms from 0.5 ms on."""
    return max(0, min(31, round((500 / resonance_hz - 0.5) * 10)))


def _byte(value):
    if not 1 <= value <= 255:
        raise ValueError("the actuator's voltage is beyond what the DRV2605L can be set to")
    return round(value)


def _click(strength_pct):
    if strength_pct >= 80:
        return _STRONG_CLICK_100
    return _STRONG_CLICK_60 if strength_pct >= 45 else _STRONG_CLICK_30
