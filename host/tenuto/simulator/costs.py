# SPDX-License-Identifier: MIT
# ruff: noqa: ANN401 - what a firmware gives may be anything
"""What the firmware's work takes on a board, so that a simulated one can take as long.

The simulated board does its work in no time, which shows what the design adds and hides what an
interpreter on a small processor adds.  `Costs` lets it stand still for as long as each piece of
work takes on a Cortex-M4F: so many thousand instructions, times the cycles that one takes, at the
processor's clock.  All of it is an *estimate* until a board has been measured.

The instructions were counted on an emulated Cortex-M4F that ran the whole firmware as
`tenuto firmware install` writes it.  What is not in that count is marked as assumed below.  Three
cycles an instruction fit published pystone figures of nRF52840 boards; two are the optimist.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

    from .clock import BoardClock

# Thousands of instructions.  Counted: an idle step takes 117 in all, 201 to 210 with a poll of the
# heart sensor; a step that drives the motor 174 to 246; from waking to the motor 43.
WAKE = 6
"""The timer's end, asyncio, and the main loop's turn."""
HEAD = 4
"""The clock and the button."""
FIRE = 12
"""From what is due to the motor's driver."""
GO = 7
REGISTER = 14
"""Of the motor's driver: a pulse is `GO` and one register, 21, or three where strength and effect
change, 49."""
GIVEN = 57
"""The log, the statistics, and what is due next."""
STEP = 72
"""Reading a step of the plan."""
RECEIVE, SEND, REST = 30, 30, 38
HEART = 88
COLLECT = 1_350
COMMIT = 4_600
STUFFED = 950
"""A log frame through `cobs.pack` as it was: quadratic in the zeros."""
STUFFED_IN_PLACE = 115
"""As it is: 0.12 of that for a full log frame, by instructions of a 64-bit MicroPython, counted as
tests/core/test_instructions.py counts them."""
# Assumed, by the size of the code.
FRAME_IN = FRAME_OUT = 40
LOOK_AHEAD = 300
"""Through a minute of cues, `limits.has_room`."""
HEART_POLL_MS = 100


@dataclass(frozen=True, slots=True)
class Costs:
    """How fast the processor is.

    Attributes:
        cycles: Processor cycles that an instruction takes in the mean.
        mhz: The processor's clock.
    """

    cycles: float = 3.0
    mhz: float = 64.0

    def ms(self, thousands: float) -> float:
        """Return how long so many thousand instructions take."""
        return thousands * self.cycles / self.mhz

    def attach(self, module: types.ModuleType, clock: BoardClock) -> None:
        """Have a module of the firmware take its time on this clock."""
        attach = _MODULES.get(module.__name__)
        if attach is not None:
            attach(module, lambda thousands: clock.block_ms(self.ms(thousands)), clock)


def _before(owner: Any, name: str, thousands: float, charge: Callable[[float], None]) -> None:
    """Have a function take so long before it does anything; nothing where there is none."""
    inner = getattr(owner, name, None)
    if inner is None:
        return

    def costly(*args: Any, **kwargs: Any) -> Any:
        charge(thousands)
        return inner(*args, **kwargs)

    setattr(owner, name, costly)


def _after(owner: Any, name: str, thousands: float, charge: Callable[[float], None]) -> None:
    """Have a function take so long after it gave something."""
    inner = getattr(owner, name)

    def costly(*args: Any, **kwargs: Any) -> Any:
        given = inner(*args, **kwargs)
        if given:
            charge(thousands)
        return given

    setattr(owner, name, costly)


class _CostlyMotor:
    """A motor behind a driver whose registers take time to write."""

    def __init__(self, motor: Any, charge: Callable[[float], None]) -> None:
        self._motor = motor
        self._charge = charge
        self._set: tuple[int, bool] = (0, False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._motor, name)

    def _set_up(self, strength_pct: int, on_ms: int) -> None:
        wanted = (strength_pct, on_ms <= 30)
        self._charge(REGISTER * sum(a != b for a, b in zip(wanted, self._set, strict=True)))
        self._set = wanted

    def make_ready(self, strength_pct: int, on_ms: int) -> None:
        self._set_up(strength_pct, on_ms)

    def on(self, strength_pct: int, on_ms: int) -> None:
        self._charge(FIRE + GO + REGISTER)
        self._set_up(strength_pct, on_ms)
        self._motor.on(strength_pct, on_ms)

    def off(self) -> None:
        self._charge(REGISTER)
        self._motor.off()


def _attach_app(module: Any, charge: Callable[[float], None], clock: BoardClock) -> None:
    app = module.App
    _before(app, "step", HEAD, charge)
    _before(app, "_exchange", RECEIVE + SEND, charge)  # of older firmware
    _before(app, "_receive", RECEIVE, charge)
    _before(app, "_send", SEND, charge)
    _before(app, "_rest", REST, charge)
    begin = app.__init__

    @functools.wraps(begin)  # who makes one looks at what it takes
    def begin_with_heart(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        read, polled_ms = self._heart.read, [clock.elapsed_ms()]

        class Heart:
            """A sensor that is polled, which takes time."""

            @staticmethod
            def read() -> Any:
                if clock.elapsed_ms() - polled_ms[0] >= HEART_POLL_MS:
                    polled_ms[0] = clock.elapsed_ms()
                    charge(HEART)
                return read()

        self._heart = Heart

    app.__init__ = begin_with_heart


def _attach_clock(module: Any, charge: Callable[[float], None], _: BoardClock) -> None:
    tick = module.Clock.tick

    async def costly(*args: Any) -> None:
        await tick(*args)
        charge(WAKE)

    module.Clock.tick = costly
    module.Clock.collect = staticmethod(lambda: charge(COLLECT))


def _attach_buzzer(module: Any, charge: Callable[[float], None], _: BoardClock) -> None:
    begin = module.Buzzer.__init__

    def begin_with_motor(self: Any, motor: Any, *args: Any) -> None:
        begin(self, _CostlyMotor(motor, charge), *args)

    module.Buzzer.__init__ = begin_with_motor


def _attach_player(module: Any, charge: Callable[[float], None], _: BoardClock) -> None:
    _before(module.Player, "_given", GIVEN, charge)
    _before(module, "has_room", LOOK_AHEAD, charge)


def _attach_host_connection(module: Any, charge: Callable[[float], None], _: BoardClock) -> None:
    _before(module.HostConnection, "receive", FRAME_IN, charge)
    _after(module.HostConnection, "pull", FRAME_OUT, charge)


def _attach_cable(module: Any, charge: Callable[[float], None], _: BoardClock) -> None:
    _before(module, "pack", STUFFED, charge)  # of older firmware
    _before(module, "pack_into", STUFFED_IN_PLACE, charge)


_MODULES: dict[str, Callable[[Any, Callable[[float], None], BoardClock], None]] = {
    "app": _attach_app,
    "clock": _attach_clock,
    "cable": _attach_cable,
    "tenuto_core.buzzer": _attach_buzzer,
    "tenuto_core.player": _attach_player,
    "tenuto_core.host_connection": _attach_host_connection,
    "tenuto_core.plan": lambda module, charge, _: _before(module.Plan, "step", STEP, charge),
    "tenuto_core.device_requests": lambda module, charge, _: _before(
        module.DeviceRequests, "upload_commit", COMMIT, charge
    ),
}
