# SPDX-License-Identifier: MIT
"""Sets TI's haptic driver DRV2605L up for its actuator, through Adafruit's library.

Numbers of registers, bits and formulas are those of TI's data sheet SLOS854 (DRV2605L, rev. D).
Once this is done, the pulses are a matter of four registers, see `drv2605`, and this module and the
library are forgotten: 10 kB that an nRF52840 needs for other things.
"""

import time

from adafruit_bus_device.i2c_device import I2CDevice
from adafruit_drv2605 import DRV2605, LIBRARY_LRA, LIBRARY_TS2200B, MODE_AUTOCAL, MODE_REALTIME

import nvm_slots

_STATUS = 0x00
_GO = 0x0C
_RATED_VOLTAGE = 0x16
_OD_CLAMP = 0x17
_COMPENSATION = 0x18
_BACK_EMF = 0x19
_FEEDBACK = 0x1A
_CONTROL1 = 0x1B
_CONTROL3 = 0x1D
_CONTROL4 = 0x1E

_DIAG_RESULT = 0x08
_ERM_OPEN_LOOP = 0x20

CALIBRATION_TRIES = 150
CALIBRATION_POLL_S = 0.01


class SetUp:
    """i2c: the bus; the chip is at `address`, with its power on.

    Raises ValueError if a voltage is beyond what the chip can be set to.

    Args:
        kind: "erm" or "lra".
        rated_mv: The actuator's rated voltage, RMS for an LRA.
        overdrive_mv: The highest voltage that it stands for a moment, peak; LRA only.
        resonance_hz: LRA only.
        nvm: Where the calibration of an LRA is kept, or None.

    Attributes:
        full_scale: OD_CLAMP for 100 % of an ERM, 0 for an LRA.
    """

    def __init__(self, i2c, address, nvm, kind, *, rated_mv, overdrive_mv=0, resonance_hz=0):
        if kind not in ("erm", "lra"):
            raise ValueError("kind must be erm or lra")
        self._i2c = i2c
        self._address = address
        self._nvm = nvm
        self._is_lra = kind == "lra"
        self._buffer = bytearray(2)
        self.full_scale = 0
        if self._is_lra:
            self._rated = lra_rated(rated_mv, resonance_hz)
            self._clamp = lra_clamp(overdrive_mv)
            self._drive_time = lra_drive_time(resonance_hz)
        else:
            self.full_scale = erm_clamp(rated_mv)

    @property
    def needs_calibration(self):
        """Whether the chip should learn its actuator before it is relied upon."""
        return self._is_lra and self._stored() is None

    def run(self):
        """Set the chip up; it is awake then, and silent.

        Raises:
            ValueError: No chip answers.
            RuntimeError: It is another chip.
        """
        self._device = I2CDevice(self._i2c, self._address)
        # Stops whatever it was playing when the board was reset; the library's own first write
        # would leave a waveform of the library running.
        self._write(_GO, 0)
        self._chip = DRV2605(self._i2c, self._address)
        self._chip.set_waveform(0, 1)
        if self._is_lra:
            self._run_lra()
        else:
            # Library A overdrives motors for 1.3 V; B is for 3 V without overdrive.
            self._chip.library = LIBRARY_TS2200B
            self._write(_CONTROL3, self._read(_CONTROL3) | _ERM_OPEN_LOOP)

    def _run_lra(self):
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
            for register, value in zip((_COMPENSATION, _BACK_EMF, _FEEDBACK), stored):
                self._write(register, value)
        self._chip.realtime_value = 0
        self._chip.mode = MODE_REALTIME

    def calibrate(self):
        """Set the chip up, let it learn its actuator, and keep what it learned.

        Waits up to 1.5 s.

        Returns:
            Whether it succeeded; then the chip must be set up once more.
        """
        self.run()
        if not self._is_lra:
            return False
        self._chip.mode = MODE_AUTOCAL
        self._chip.play()
        for _ in range(CALIBRATION_TRIES):
            time.sleep(CALIBRATION_POLL_S)
            if not self._read(_GO) & 1:
                break
        else:
            self._chip.stop()
            return False
        good = not self._read(_STATUS) & _DIAG_RESULT
        if good and self._nvm is not None:
            learned = [self._read(register) for register in (_COMPENSATION, _BACK_EMF, _FEEDBACK)]
            content = self._identity() + bytes(learned)
            nvm_slots.write(self._nvm, nvm_slots.CALIBRATION, content)
        return good

    def _identity(self):
        """A calibration is worth nothing for another actuator."""
        return bytes((self._rated, self._clamp, self._drive_time))

    def _stored(self):
        content = nvm_slots.read(self._nvm, nvm_slots.CALIBRATION) if self._nvm else None
        if content is None or len(content) != 6 or content[:3] != self._identity():
            return None
        return content[3:]

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
