# SPDX-License-Identifier: MIT
"""The optical heart-rate sensor MAX30102, by short polls of its FIFO.

Registers and figures: Maxim's data sheet 19-7740 (MAX30102, rev. 1).  Only the infrared LED is
used: it reaches deeper than the red one and sees the pulse through all shades of skin, and one LED
costs half the power of two.

The chip samples by its own clock, which its maker trims to some percent only.  It is measured
against the board's crystal while the sensor runs, so that a fast chip does not make a fast heart.

RR intervals are not reported: what a wrist shows of single beats is smoothed, and heart-rate
variability from it would be wrong.
"""

from adafruit_bus_device.i2c_device import I2CDevice
from supervisor import ticks_ms

from .motor import elapsed_ms
from .ppg import SAMPLE_MS, BeatDetector

ADDRESS = 0x57
PART_ID = 0x15

# The FIFO holds 32 samples, 640 ms; asking it more often than this only costs time.
POLL_MS = 100
FIFO_SAMPLES = 32
SAMPLE_BYTES = 3
# Failures until the sensor counts as missing, and how often it is then looked for.
FAULTS_MAX = 5
RETRY_MS = 5_000

# The chip's clock is learned from at least this time on, and trusted within this deviation.
CLOCK_LEARN_MS = 20_000
CLOCK_FORGET_MS = 3_600_000
CLOCK_PERCENT_MAX = 5

_FIFO_WRITE = 0x04
_FIFO_DATA = 0x07
_MODE = 0x09
_PART_ID = 0xFF
_SHUTDOWN = 0x80
_RESET = 0x40
_MULTI_LED = 0x07

# FIFO_CONFIG: the mean of 2 samples, roll over when full.  SPO2_CONFIG: full scale 4,096 nA, 100
# samples a second, pulses of 411 us, which gives 18 bits.  LED2_PA: 0x1F is 6.4 mA in a pulse, so
# 0.26 mA in the mean.  SLOT1: LED2, infrared, alone.
_SET_UP = (
    (0x04, 0),
    (0x05, 0),
    (0x06, 0),
    (0x08, 0x30),
    (0x0A, 0x27),
    (0x0C, 0),
    (0x0D, 0x1F),
    (0x11, 0x02),
    (0x12, 0),
    (_MODE, _MULTI_LED),
)


class Max30102:
    """The sensor, asleep until `wake`.

    Attributes:
        faults: Calls that failed on the bus.
        lost: How often the FIFO overflowed.

    Raises:
        ValueError: No chip answers.
        RuntimeError: It is another chip.
    """

    def __init__(self, i2c):
        self._device = I2CDevice(i2c, ADDRESS)
        self._two = bytearray(2)
        self._three = bytearray(3)
        self._data = bytearray(FIFO_SAMPLES * SAMPLE_BYTES)
        self._detector = BeatDetector()
        self._is_awake = False
        self._polled = ticks_ms()
        self._faults_in_a_row = 0
        self._had_contact = False
        self.faults = 0
        self.lost = 0
        self._read_into(_PART_ID, self._three, 1)
        if self._three[0] != PART_ID:
            raise RuntimeError("there is another chip at the MAX30102's address")
        self._write(_MODE, _SHUTDOWN)

    @property
    def quality(self):
        """How regular the newest beats are, 0 to 100 %."""
        return self._detector.quality

    @property
    def has_contact(self):
        """Whether skin is in front of the sensor; False while it sleeps."""
        return self._detector.contact

    def wake(self):
        """Begin to measure; a rate takes some seconds.  Does nothing if it measures already."""
        if not self._is_awake:
            self._is_awake = True
            self._had_contact = False
            try:
                self._begin()
            except OSError:
                self.faults += 1
                self._faults_in_a_row = FAULTS_MAX

    def sleep(self):
        """LED and chip off: 0.7 uA typically.  Does nothing if it sleeps already."""
        if not self._is_awake:
            return
        self._is_awake = False
        self._had_contact = False
        self._detector.contact = False
        self._detector.gap()
        try:
            self._write(_MODE, _SHUTDOWN)
        except OSError:
            self.faults += 1

    def read(self):
        """The newest beat not yet read as (bpm, contact, ()), or None.

        When contact is lost, (0, False, ()) once.  Returns at once, and touches the bus at most
        every `POLL_MS`.
        """
        wait_ms = RETRY_MS if self._faults_in_a_row >= FAULTS_MAX else POLL_MS
        if not self._is_awake or elapsed_ms(self._polled) < wait_ms:
            return None
        self._polled = ticks_ms()
        try:
            if self._faults_in_a_row >= FAULTS_MAX:
                self._begin()
            is_beat = self._drain()
            self._faults_in_a_row = 0
        except OSError:
            is_beat = False
            self.faults += 1
            self._faults_in_a_row += 1
            if self._faults_in_a_row == FAULTS_MAX:
                self._detector.contact = False
        had, self._had_contact = self._had_contact, self._detector.contact
        if had and not self._had_contact:
            return 0, False, ()
        return (self._detector.bpm, True, ()) if is_beat and self._detector.bpm else None

    def _begin(self):
        for register, value in _SET_UP:
            self._write(register, value)
        self._restart_clock()
        self._detector.gap()

    def _restart_clock(self):
        self._samples = 0
        self._since = ticks_ms()

    def _drain(self):
        """Read all samples that wait.

        Returns:
            Whether there was a beat among them.
        """
        # Write pointer, overflow counter, read pointer.
        self._read_into(_FIFO_WRITE, self._three, 3)
        write, overflow, read = self._three
        waiting = (write - read) % FIFO_SAMPLES
        if overflow:
            waiting = FIFO_SAMPLES
            self.lost += 1
            self._detector.gap()
        if not waiting:
            return False
        self._read_into(_FIFO_DATA, self._data, waiting * SAMPLE_BYTES)
        if overflow:
            self._restart_clock()
        else:
            self._learn_clock(waiting)
        is_beat = False
        data = self._data
        for at in range(0, waiting * SAMPLE_BYTES, SAMPLE_BYTES):
            sample = (data[at] & 0x03) << 16 | data[at + 1] << 8 | data[at + 2]
            if self._detector.add(sample):
                is_beat = True
        return is_beat

    def _learn_clock(self, count):
        self._samples += count
        passed_ms = elapsed_ms(self._since)
        if passed_ms < CLOCK_LEARN_MS:
            return
        sample_us = passed_ms * 1000 // self._samples
        if abs(sample_us - SAMPLE_MS * 1000) * 100 <= SAMPLE_MS * 1000 * CLOCK_PERCENT_MAX:
            self._detector.sample_us = sample_us
        if passed_ms > CLOCK_FORGET_MS:
            self._restart_clock()

    def _write(self, register, value):
        self._two[0] = register
        self._two[1] = value
        with self._device as device:
            device.write(self._two)

    def _read_into(self, register, buffer, count):
        self._two[0] = register
        with self._device as device:
            device.write_then_readinto(self._two, buffer, out_end=1, in_end=count)
