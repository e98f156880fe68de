# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - `write` and `read` are those of `I2cChip`
"""The chips of a wearable as seen from their bus: they parse what the firmware really sends.

Register numbers and what they do are those of the makers' data sheets: TI SLOS854 (DRV2605L),
Maxim 19-7740 (MAX30102) and 19-6171 (MAX17048), X-Powers AXP2101 revision 0.1. Where a data sheet
is silent, the docstring says what is assumed here. A chip lives in the world's time, which
it is given as a function, and outlives a reset of the board, as it does on a cable.
"""

from __future__ import annotations

import math
import random
from collections import deque
from typing import TYPE_CHECKING

from .hardware import EDGES_MAX, Edge

if TYPE_CHECKING:
    from collections.abc import Callable

NACK = 5

# --- DRV2605L

_DRV_POWER_UP = {
    0x00: 0xE0,
    0x01: 0x40,
    0x02: 0x00,
    0x03: 0x01,
    0x04: 0x01,
    0x16: 0x3E,
    0x17: 0x8C,
    0x18: 0x0C,
    0x19: 0x6C,
    0x1A: 0x36,
    0x1B: 0x93,
    0x1C: 0xF5,
    0x1D: 0xA0,
    0x1E: 0x20,
}
_LAST_REGISTER = 0x22
_GO, _STANDBY, _RESET = 0x0C, 0x40, 0x80
_INTERNAL_TRIGGER, _REAL_TIME, _AUTO_CALIBRATION = 0, 5, 7

EFFECTS_MS = {1: 30, 2: 30, 3: 30, 14: 500, 15: 750, 16: 1000, 47: 500, 118: 10_000}
"""How long the library's effects last. TI names the lengths of 15, 16 and 118 only."""

CALIBRATION_MS = 1100
CALIBRATED = {0x18: 0x0D, 0x19: 0x6D}


class Drv2605:
    """TI's haptic driver with a motor on it.

    Modelled: internal trigger with the waveform sequencer, real-time playback in signed format,
    auto-calibration, standby, the pin EN, and the full scale of the open loop. Any other mode is
    an error, so that a firmware which strays into one does not pass.

    Args:
        now_ms: The time.
        calibrates: Whether auto-calibration succeeds.

    Attributes:
        registers: As they are now.
        edges: What the motor did, strengths in percent of the actuator's rated drive.
        refuse: How many of the next writes the chip does not acknowledge.
    """

    ADDRESS = 0x5A

    def __init__(self, now_ms: Callable[[], float], *, calibrates: bool = True) -> None:
        self._now_ms = now_ms
        self._calibrates = calibrates
        self.refuse = 0
        self.is_enabled = True
        self._edges: list[Edge] = []
        self._strength_pct = 0
        self._ends_ms: float | None = None
        self._pointer = 0
        self.full_scale = 0
        self.registers = dict(_DRV_POWER_UP)

    @property
    def edges(self) -> list[Edge]:
        self._settle()
        return self._edges

    @property
    def strength_pct(self) -> int:
        """How strongly the motor is driven now, 0 for not at all."""
        self._settle()
        return self._strength_pct

    @property
    def is_resting(self) -> bool:
        """Whether it is in standby or off, where it takes microamperes."""
        return not self.is_enabled or bool(self.registers[0x01] & _STANDBY)

    def enable(self, level: bool) -> None:  # noqa: FBT001  a pin has two levels
        """Set the pin EN."""
        self._settle()
        self.is_enabled = level
        self._update()

    def write(self, data: bytes) -> None:
        if not self.is_enabled:
            raise OSError(NACK, "the chip is disabled")
        if self.refuse and len(data) > 1:
            self.refuse -= 1
            raise OSError(NACK, "refused by the test")
        if not data:
            return
        self._settle()
        self._pointer = data[0]
        for value in data[1:]:
            self._set(self._pointer, value)
            self._pointer += 1

    def read(self, count: int) -> bytes:
        if not self.is_enabled:
            raise OSError(NACK, "the chip is disabled")
        self._settle()
        data = bytes(self.registers.get(self._pointer + i, 0) for i in range(count))
        self._pointer += count
        return data

    def _set(self, register: int, value: int) -> None:
        if not 0x01 <= register <= _LAST_REGISTER:
            raise AssertionError(f"the DRV2605L has no writable register {register:#04x}")
        if register == 0x01 and value & _RESET:
            self.registers = dict(_DRV_POWER_UP)
        else:
            self.registers[register] = value
        if register == _GO:
            self._go(bool(value & 1))
        elif register in (0x01, 0x02, 0x17):
            if register == 0x01:
                self._check_mode(value & 0x07)
            self._update()

    def _check_mode(self, mode: int) -> None:
        if mode not in (_INTERNAL_TRIGGER, _REAL_TIME, _AUTO_CALIBRATION):
            raise AssertionError(f"mode {mode} of the DRV2605L is not modelled")
        if mode == _INTERNAL_TRIGGER and self._ends_ms is None:
            self.registers[_GO] = 0

    def _go(self, starts: bool) -> None:  # noqa: FBT001  a bit
        mode = self.registers[0x01] & 0x07
        if self.registers[0x01] & _STANDBY or not starts:
            self.registers[_GO] = 0
            self._ends_ms = None
        elif mode == _AUTO_CALIBRATION:
            self._ends_ms = self._now_ms() + CALIBRATION_MS
        elif mode == _INTERNAL_TRIGGER and self._ends_ms is None:
            self._ends_ms = self._now_ms() + self._sequence_ms()
        self._update()

    def _sequence_ms(self) -> float:
        total_ms = 0.0
        for slot in range(0x04, 0x0C):
            effect = self.registers.get(slot, 0)
            if effect == 0:
                break
            total_ms += (effect & 0x7F) * 10 if effect & 0x80 else EFFECTS_MS[effect]
        return total_ms

    def _settle(self) -> None:
        """Do what the chip did by itself since it was last looked at."""
        if self._ends_ms is None or self._now_ms() < self._ends_ms:
            return
        ended_ms, self._ends_ms = self._ends_ms, None
        self.registers[_GO] = 0
        if self.registers[0x01] & 0x07 == _AUTO_CALIBRATION:
            status = self.registers[0x00] & ~0x08
            self.registers[0x00] = status | (0 if self._calibrates else 0x08)
            if self._calibrates:
                self.registers.update(CALIBRATED)
        self._update(ended_ms)

    def _update(self, at_ms: float | None = None) -> None:
        strength_pct = self._drive_pct()
        if strength_pct == self._strength_pct:
            return
        self._strength_pct = strength_pct
        if len(self._edges) < EDGES_MAX:
            t_ms = self._now_ms() if at_ms is None else at_ms
            self._edges.append(Edge(t_ms, on=strength_pct > 0, strength_pct=strength_pct))

    def _drive_pct(self) -> int:
        mode = self.registers[0x01]
        if not self.is_enabled or mode & _STANDBY:
            return 0
        if mode & 0x07 == _REAL_TIME:
            if self.registers[0x1D] & 0x08:
                raise AssertionError("unsigned real-time playback is not modelled")
            value = self.registers[0x02]
            return 0 if value >= 0x80 else round(value * 100 / 127)
        if self._ends_ms is None:
            return 0
        is_open_loop_erm = self.registers[0x1D] & 0x20 and not self.registers[0x1A] & 0x80
        if not is_open_loop_erm:
            return 100
        return round(self.registers[0x17] * 100 / (self.full_scale or self.registers[0x17]))


# --- MAX30102

_MAX_FIFO = 32
_SHUTDOWN = 0x80
_SAMPLES_PER_S = (50, 100, 200, 400, 800, 1000, 1600, 3200)
_LED_SLOTS = {1: 0x0C, 2: 0x0D}


class Skin:
    """What a wrist sends back of the sensor's infrared light.

    Args:
        bpm: Heart rate, a number or a function of the time in s.
        perfusion_pct: How much of the light the pulse takes, peak to peak.
        noise: Standard deviation in steps of the sensor.
        jitter_pct: How much the beats' lengths scatter, as a healthy heart's do.
        breath_pct: How much the light sways with the breath.
        seed: Of noise and jitter.

    Attributes:
        is_there: Whether the sensor touches it.
        moves: Whether it moves so that the light jumps.
    """

    LIGHT = 120_000.0
    OPEN_AIR = 900.0

    def __init__(
        self,
        bpm: float | Callable[[float], float],
        *,
        perfusion_pct: float = 1.0,
        noise: float = 12.0,
        jitter_pct: float = 1.0,
        breath_pct: float = 0.3,
        seed: int = 0,
    ) -> None:
        self._bpm = bpm if callable(bpm) else lambda _t_s: bpm
        self._perfusion = perfusion_pct / 100
        self._noise = noise
        self._jitter = jitter_pct / 100
        self._breath = breath_pct / 100
        self._random = random.Random(seed)  # noqa: S311  repeatable, not secret
        self._phase = 0.0
        self._stretch = 1.0
        self._t_s = 0.0
        self.is_there = True
        self.moves = False

    def light(self, t_s: float) -> float:
        """The light at a time, which must not go back; in steps of the sensor at 6.4 mA."""
        step_s, self._t_s = t_s - self._t_s, t_s
        self._phase += step_s * self._bpm(t_s) / 60 * self._stretch
        if self._phase >= 1:
            self._phase %= 1
            self._stretch = 1 + self._random.gauss(0, self._jitter)
        noise = self._random.gauss(0, self._noise)
        if not self.is_there:
            return self.OPEN_AIR + noise
        light = self.LIGHT * (1 + self._breath * math.sin(t_s * 2 * math.pi * 0.25))
        if self.moves:
            light *= 1 + 0.08 * self._random.uniform(-1, 1)
        return light * (1 - self._perfusion * self._pulse()) + noise

    def _pulse(self) -> float:
        """One beat: the systolic wave, and the dicrotic one of a third of its height."""
        systole = math.exp(-(((self._phase - 0.22) / 0.09) ** 2))
        dicrotic = 0.35 * math.exp(-(((self._phase - 0.52) / 0.12) ** 2))
        return systole + dicrotic


class Max30102:
    """Maxim's optical heart-rate sensor.

    Modelled: multi-LED mode with one LED in the first slot, averaging in the FIFO, its pointers,
    its roll-over and overflow counter, shutdown and reset. Any other mode is an error.

    Args:
        now_ms: The time.
        skin: What it looks at.
        clock_error_pct: How much too fast its own clock is.
        wake: Called when the firmware has samples to fetch, see `SimulatedBoard.wake`.
    """

    ADDRESS = 0x57

    def __init__(
        self, now_ms: Callable[[], float], skin: Skin, *, clock_error_pct: float = 0.0
    ) -> None:
        self._now_ms = now_ms
        self._clock_rate = 1 + clock_error_pct / 100
        self.skin = skin
        self.refuses = False
        self._pointer = 0
        self._reset()

    def _reset(self) -> None:
        self.registers = dict.fromkeys(range(0x22), 0)
        self._fifo: deque[int] = deque()
        self._write_pointer = self._read_pointer = self._overflow = 0
        self._next_ms = self._now_ms()
        self._byte = 0

    @property
    def is_measuring(self) -> bool:
        """Whether its LED blinks."""
        mode = self.registers[0x09]
        return not mode & _SHUTDOWN and mode & 0x07 != 0

    def write(self, data: bytes) -> None:
        self._answer()
        if not data:
            return
        self._sample()
        self._pointer = data[0]
        for value in data[1:]:
            self._set(self._pointer, value)
            self._pointer += 1

    def read(self, count: int) -> bytes:
        self._answer()
        self._sample()
        data = bytearray()
        for _ in range(count):
            data.append(self._get(self._pointer))
            # The FIFO's own register is read again and again; all others count up.
            if self._pointer != 0x07:
                self._pointer += 1
        return bytes(data)

    def _answer(self) -> None:
        if self.refuses:
            raise OSError(NACK, "refused by the test")

    def _set(self, register: int, value: int) -> None:
        if register == 0x09 and value & 0x40:
            self._reset()
            return
        if register == 0x09 and value & 0x07 not in (0, 7):
            raise AssertionError(f"mode {value & 7} of the MAX30102 is not modelled")
        self.registers[register] = value
        if register == 0x04:
            self._write_pointer = value & 0x1F
            self._fifo.clear()
        elif register == 0x05:
            self._overflow = value & 0x1F
        elif register == 0x06:
            self._read_pointer = value & 0x1F
        elif register == 0x09:
            self._next_ms = self._now_ms() + self._period_ms()

    def _get(self, register: int) -> int:
        if register == 0x07:
            return self._next_byte()
        special = {
            0x04: self._write_pointer,
            0x05: self._overflow,
            0x06: self._read_pointer,
            0xFE: 0x03,
            0xFF: 0x15,
        }
        return special.get(register, self.registers.get(register, 0))

    def _next_byte(self) -> int:
        if not self._fifo:
            return 0
        value = self._fifo[0] >> (16 - 8 * self._byte) & 0xFF
        self._byte = (self._byte + 1) % 3
        if self._byte == 0:
            self._fifo.popleft()
            self._read_pointer = (self._read_pointer + 1) % _MAX_FIFO
            self._overflow = 0
        return value

    def _period_ms(self) -> float:
        rate = _SAMPLES_PER_S[self.registers[0x0A] >> 2 & 0x07]
        averaged = 1 << min(5, self.registers[0x08] >> 5)
        return 1000 * averaged / rate / self._clock_rate

    def _sample(self) -> None:
        """Fill the FIFO with all samples that were taken since it was last looked at."""
        if not self.is_measuring:
            self._next_ms = self._now_ms()
            return
        while self._next_ms <= self._now_ms():
            self._push(self._measure(self._next_ms))
            self._next_ms += self._period_ms()

    def _measure(self, t_ms: float) -> int:
        slot = self.registers[0x11] & 0x07
        if slot != 2 or self.registers[0x11] >> 4:
            raise AssertionError("only the infrared LED, alone in the first slot, is modelled")
        current = self.registers[_LED_SLOTS[slot]] / 0x1F
        return max(0, min(0x3FFFF, round(self.skin.light(t_ms / 1000) * current)))

    def _push(self, sample: int) -> None:
        if len(self._fifo) == _MAX_FIFO:
            self._overflow = min(0x1F, self._overflow + 1)
            if not self.registers[0x08] & 0x10:
                return
            self._fifo.popleft()
            self._read_pointer = (self._read_pointer + 1) % _MAX_FIFO
            self._byte = 0
        self._fifo.append(sample)
        self._write_pointer = (self._write_pointer + 1) % _MAX_FIFO


# --- MAX17048


class Max17048:
    """Maxim's fuel gauge, on a cell that is as full as it is told to be.

    Attributes:
        level_pct: 0 to 100 and a little beyond, as the real one reports.
        is_sleeping: Whether it was sent to sleep, or to hibernate, by its registers.
    """

    ADDRESS = 0x36

    def __init__(self, level_pct: float = 87.0, volts: float = 3.9) -> None:
        self.level_pct = level_pct
        self.volts = volts
        self.refuses = False
        self._words = {0x06: 0x0000, 0x0A: 0x8030, 0x0C: 0x971C, 0x14: 0x00FF, 0x18: 0x9600}
        self._words[0x1A] = 0x0100
        self._pointer = 0

    def write(self, data: bytes) -> None:
        if self.refuses:
            raise OSError(NACK, "refused by the test")
        # After its own reset command the chip does not acknowledge, and its driver relies on that.
        if data[:3] == b"\xfe\x54\x00":
            raise OSError(NACK, "reset")
        if not data:
            return
        self._pointer = data[0]
        for offset, value in enumerate(data[1:]):
            register, is_low = (self._pointer + offset) & ~1, (self._pointer + offset) & 1
            word = self._words.get(register, 0)
            self._words[register] = word & 0xFF00 | value if is_low else word & 0xFF | value << 8

    def read(self, count: int) -> bytes:
        if self.refuses:
            raise OSError(NACK, "refused by the test")
        return bytes(self._byte(self._pointer + i) for i in range(count))

    def _byte(self, address: int) -> int:
        words = {
            **self._words,
            0x02: round(self.volts / 78.125e-6),
            0x04: round(self.level_pct * 256),
            0x08: 0x0012,
        }
        word = words.get(address & ~1, 0)
        return word & 0xFF if address & 1 else word >> 8


# --- AXP2101

_AXP_ENABLES, _AXP_PENDING = range(0x40, 0x43), range(0x48, 0x4B)
_AXP_RELEASED, _AXP_PRESSED, _AXP_VBUS_INSERTED = 0x01, 0x02, 0x80
_AXP_POWER_UP = {0x00: 0x18, 0x03: 0x4A, 0x40: 0xFF, 0x41: 0xFC, 0x42: 0x5F, 0x90: 0xAF, 0xA4: 87}
"""Register 0x90 as CircuitPython's start leaves it on a T-Watch S3; 0x03 as real chips have it."""


class Axp2101:
    """X-Powers' power chip with a button on PWRON and a battery.

    Modelled: the edges of the button, the interrupts, the gauge's percentage, and the outputs'
    switches. Assumed, for the data sheet does not say: a status bit is set whether or not its
    interrupt is enabled, and the interrupt is low while one that is both is there.

    Attributes:
        registers: As they are now.
        refuses: Whether the chip does not answer.
    """

    ADDRESS = 0x34

    def __init__(self) -> None:
        # It was switched on by a cable, which is still to be read.
        self.registers = _AXP_POWER_UP | {0x48: 0, 0x49: _AXP_VBUS_INSERTED, 0x4A: 0}
        self.refuses = False
        self._pointer = 0

    @property
    def interrupt(self) -> bool:
        """The level of the pin IRQ, low when there is something to tell."""
        return not any(
            self.registers[enable] & self.registers[pending]
            for enable, pending in zip(_AXP_ENABLES, _AXP_PENDING, strict=True)
        )

    def press(self, held: bool) -> None:  # noqa: FBT001  a button has two positions
        """Press the button or let it go."""
        self.registers[0x49] |= _AXP_PRESSED if held else _AXP_RELEASED

    def write(self, data: bytes) -> None:
        self._answer()
        if not data:
            return
        self._pointer = data[0]
        for value in data[1:]:
            self._set(self._pointer, value)
            self._pointer += 1

    def read(self, count: int) -> bytes:
        self._answer()
        data = bytes(self.registers.get(self._pointer + i, 0) for i in range(count))
        self._pointer += count
        return data

    def _answer(self) -> None:
        if self.refuses:
            raise OSError(NACK, "refused by the test")

    def _set(self, register: int, value: int) -> None:
        if register in _AXP_PENDING:
            self.registers[register] &= ~value
        elif register in _AXP_ENABLES or register == 0x90:
            self.registers[register] = value
        else:
            raise AssertionError(f"register {register:#04x} of the AXP2101 is not modelled")
