# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - the bus's interface is CircuitPython's, and documented there
"""The simulated parts of a wearable, with the interfaces that the firmware's `App` asks for.

Each part keeps time by the board's clock and wakes the board's main loop when there is something
new, as a real loop would find it at its next poll.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .clock import BoardClock

EDGES_MAX = 100_000
EDGES_KEPT_MAX = 1_000
"""Two sessions' and more, for a process that stays: a thousand take 140 kB."""
BUTTON_EDGES_MAX = 32
RR_MAX = 9  # as many as one Heart Rate Measurement of the smallest packet can carry


@dataclass(frozen=True, slots=True)
class Edge:
    """The motor went on, changed its strength, or went off.

    Attributes:
        t_ms: The board's time, with its fraction.
        strength_pct: 0 when off.
        loop_s: The event loop's time, for tests that compare boards with each other.
    """

    t_ms: float
    on: bool
    strength_pct: int
    loop_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Pulse:
    """The motor ran at one strength.

    Attributes:
        t_ms: When it began, as `Edge.t_ms`.
        strength_pct: 1 to 100.
        length_ms: How long it ran.
    """

    t_ms: float
    strength_pct: int
    length_ms: float


def pulses(edges: Sequence[Edge]) -> list[Pulse]:
    """Return what was felt; what has not ended yet is left out."""
    return [
        Pulse(begin.t_ms, begin.strength_pct, end.t_ms - begin.t_ms)
        for begin, end in itertools.pairwise(edges)
        if begin.on
    ]


class EdgeLog:
    """The edges of a motor.

    Attributes:
        edges: What it did, oldest first; the newest, at most `edges_max`.
        edges_lost: How many there were before them.
        on_edge: Called with each as it comes, if not None.
    """

    def __init__(self, edges_max: int = EDGES_KEPT_MAX) -> None:
        self._edges_max = edges_max
        self.edges: list[Edge] = []
        self.edges_lost = 0
        self.on_edge: Callable[[Edge], None] | None = None

    def note(self, edge: Edge) -> None:
        """Add an edge."""
        if len(self.edges) >= self._edges_max:
            self.edges_lost += 1
            del self.edges[0]
        self.edges.append(edge)
        if self.on_edge is not None:
            self.on_edge(edge)


class Motor(EdgeLog):
    """A vibration motor that cannot stay on: each `on` has its length; see `EdgeLog`."""

    def __init__(self, clock: BoardClock, edges_max: int = EDGES_MAX) -> None:
        super().__init__(edges_max)
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._strength_pct = 0

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._strength_pct > 0

    def on(self, strength_pct: int, on_ms: int) -> None:
        """Run at `strength_pct` (1 to 100) for `on_ms` (1 or more), whatever it did before.

        Raises:
            ValueError: An argument is out of its range; the motor goes on as before.
        """
        if not 1 <= strength_pct <= 100:
            raise ValueError(f"strength_pct must be 1 to 100, not {strength_pct!r}")
        if on_ms < 1:
            raise ValueError(f"on_ms must be 1 or more, not {on_ms!r}")
        self._cancel_timer()
        self._record(strength_pct)
        self._timer = self._clock.call_at_ms(self._clock.elapsed_ms() + on_ms, self._on_timeout)

    def make_ready(self, strength_pct: int, on_ms: int) -> None:
        """Do nothing: there is nothing to set up."""

    def off(self) -> None:
        """Stop at once."""
        self._cancel_timer()
        if self.is_on:
            self._record(0)

    def use_clock(self, clock: BoardClock) -> None:
        """Go on after a reset of the board, which has stopped the motor."""
        self.off()
        self._clock = clock

    def _on_timeout(self) -> None:
        self._timer = None
        self._record(0)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _record(self, strength_pct: int) -> None:
        self._strength_pct = strength_pct
        now_s = asyncio.get_running_loop().time()
        self.note(Edge(self._clock.elapsed_ms(), strength_pct > 0, strength_pct, now_s))


class HeartSensor:
    """A heart-rate sensor; a person's beats come in through `beat`."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._unread: tuple[int, bool, tuple[int, ...]] | None = None

    def beat(self, bpm: int, *, contact: bool = True, rr: tuple[int, ...] = ()) -> None:
        """Take in a measurement.

        Args:
            bpm: 0 to 255.
            contact: Whether the sensor touches skin.
            rr: Intervals between beats in 1/1024 s; of those not yet read, the newest
                `RR_MAX` are kept.
        """
        before = self._unread[2] if self._unread is not None else ()
        self._unread = (bpm, contact, (before + rr)[-RR_MAX:])
        self._wake()

    def read(self) -> tuple[int, bool, tuple[int, ...]] | None:
        """Return (bpm, contact, RR intervals in 1/1024 s) if a beat came since the last call."""
        unread, self._unread = self._unread, None
        return unread


class Button:
    """A push button, already free of bounce."""

    def __init__(self, clock: BoardClock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._edges: deque[tuple[bool, int]] = deque(maxlen=BUTTON_EDGES_MAX)
        self._is_pressed = False

    def press(self, duration_ms: float = 80.0, *, after_ms: float = 0.0) -> None:
        """Press it `after_ms` from now and let go `duration_ms` later, in real-world time.

        Raises:
            ValueError: A time is negative.
        """
        if duration_ms < 0 or after_ms < 0:
            raise ValueError("a press begins 0 ms from now or later and lasts 0 ms or more")
        loop = asyncio.get_running_loop()
        if after_ms:
            loop.call_later(after_ms / 1000, self._set, True)  # noqa: FBT003
        else:
            self._set(True)  # noqa: FBT003
        loop.call_later((after_ms + duration_ms) / 1000, self._set, False)  # noqa: FBT003

    def read(self) -> list[tuple[bool, int]]:
        """Return the edges since the last call as (pressed, board ms); the newest if too many."""
        edges = list(self._edges)
        self._edges.clear()
        return edges

    def use_clock(self, clock: BoardClock) -> None:
        """Go on after a reset of the board, which has forgotten what it had not read."""
        self._clock = clock
        self._edges.clear()

    def _set(self, is_pressed: bool) -> None:  # noqa: FBT001
        if is_pressed == self._is_pressed:
            return
        self._is_pressed = is_pressed
        self._edges.append((is_pressed, self._clock.ticks_ms()))
        self._wake()


class Battery:
    """A battery that is as full as it is told to be."""

    def __init__(self, wake: Callable[[], None], level_pct: float = 87.0) -> None:
        self._wake = wake
        self._level_pct = level_pct

    def percent(self) -> int:
        """Return the charge, 0 to 100."""
        return round(self._level_pct)

    def set_level(self, level_pct: float) -> None:
        """Set the charge.

        Raises:
            ValueError: Not within 0 to 100.
        """
        if not 0 <= level_pct <= 100:
            raise ValueError(f"level_pct must be 0 to 100, not {level_pct!r}")
        self._level_pct = level_pct
        self._wake()


class I2cChip(Protocol):
    """A chip on an I2C bus; either method may raise OSError, which is a NACK."""

    def write(self, data: bytes) -> None:
        """Take in what the board writes."""

    def read(self, count: int) -> bytes:
        """Return what the board reads, exactly `count` bytes."""


class I2cBus:
    """What CircuitPython's `busio.I2C` offers, with chips by their address."""

    def __init__(self, chips: Mapping[int, I2cChip]) -> None:
        self._chips = chips
        self._is_locked = False

    def try_lock(self) -> bool:
        if self._is_locked:
            return False
        self._is_locked = True
        return True

    def unlock(self) -> None:
        self._is_locked = False

    def scan(self) -> list[int]:
        return sorted(self._chips)

    def deinit(self) -> None:
        pass

    def writeto(
        self, address: int, buffer: bytes, *, start: int = 0, end: float = math.inf
    ) -> None:
        self._chip(address).write(bytes(buffer[start : int(min(end, len(buffer)))]))

    def readfrom_into(
        self, address: int, buffer: bytearray, *, start: int = 0, end: float = math.inf
    ) -> None:
        stop = int(min(end, len(buffer)))
        buffer[start:stop] = self._chip(address).read(stop - start)

    def writeto_then_readfrom(
        self,
        address: int,
        out_buffer: bytes,
        in_buffer: bytearray,
        *,
        out_start: int = 0,
        out_end: float = math.inf,
        in_start: int = 0,
        in_end: float = math.inf,
    ) -> None:
        self.writeto(address, out_buffer, start=out_start, end=out_end)
        self.readfrom_into(address, in_buffer, start=in_start, end=in_end)

    def _chip(self, address: int) -> I2cChip:
        if address not in self._chips:
            raise OSError(19, "No such device")
        return self._chips[address]


class RegisterChip:
    """A chip with byte-wide registers that count up by themselves.

    Args:
        registers: Address -> value at power-up; all others read 0.
        refused: Whole writes that the chip does not acknowledge.

    Attributes:
        writes: (register, value) of every byte written.
    """

    def __init__(self, registers: Mapping[int, int], refused: tuple[bytes, ...] = ()) -> None:
        self.registers = dict(registers)
        self.writes: list[tuple[int, int]] = []
        self._refused = refused
        self._pointer = 0

    def write(self, data: bytes) -> None:
        if data in self._refused:
            raise OSError(5, "Input/output error")
        if not data:
            return
        self._pointer = data[0]
        for offset, value in enumerate(data[1:]):
            self.registers[self._pointer + offset] = value
            self.writes.append((self._pointer + offset, value))

    def read(self, count: int) -> bytes:
        return bytes(self.registers.get(self._pointer + i, 0) for i in range(count))
