# SPDX-License-Identifier: MIT
# ruff: noqa: D101, D102 - the interfaces are CircuitPython's, and documented there
"""The built-in modules of a simulated board that touch its pins: what hangs there, and what it did.

`Bench` is the table with the board on it: a test sets the level of a pin from outside, presses the
button, charges the battery, and sees what the firmware did with its outputs and the watchdog.
"""

from __future__ import annotations

import asyncio
import functools
import types
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tenuto.errors import TenutoError

from .hardware import EDGES_MAX, Edge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .board import SimulatedBoard

KEYPAD_EVENTS = 64
SLEEP_MEMORY_BYTES = 256
RAIL_VOLTS = 3.3
USB_IN_ENDPOINTS = 8
USB_IN_ENDPOINTS_ESP32 = 5
"""That one for control included (ports/nordic and ports/espressif, mpconfigport.mk)."""


class SafeMode(BaseException):  # like the reset: not an error, and not to be caught
    """CircuitPython has refused to run `code.py`; it says why."""


class DeepSleep(BaseException):  # like the reset: not an error, and not to be caught
    """The program has ended in deep sleep; pressing the button would reset the board."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin by its name in CircuitPython's `board`."""

    name: str


class Bench:
    """One board and what is wired to it, through all its resets.

    Args:
        board_id: CircuitPython's name of the board.
        button: The pin with the button.
        pressed_level: The level of that pin while it is pressed.
        has_endless_watchdog: Whether it cannot be stopped, as on the nRF52840.
        in_endpoints_max: How many its USB has towards the host, that for control included.
        own_bus: The pins SCL and SDA of the bus that CircuitPython makes before any program, for a
            board that needs it then; None for most.

    Attributes:
        volts: Of analogue pins, by name.
        outputs: Level of each digital output, by name; a pin that nobody drives is not in it.
        duty: What `pwmio` puts on a pin, 0 to 65535, by name.
        pwm_edges: What a motor on a PWM pin did, strengths in percent of the duty.
        pixels: What was sent to NeoPixels, newest last, by name of the pin.
        settings: `settings.toml`.
        bites: How often the watchdog reset the board.
        is_asleep: Whether it is in deep sleep.
        is_held: Whether the button is down.
        usb: What it offers over USB: "console", "data", "hid", "midi"; its drive always.
        on_bite: Called when the watchdog resets the board.
        levels: What drives an input from outside: returns its level, by name of the pin.
        display: `board.DISPLAY`.
        on_button: Called with whether it is down when the button moves.
        on_output: Called with name and level whenever a digital output changes; None: floats.
    """

    def __init__(
        self,
        board_id: str,
        *,
        button: str = "SWITCH",
        pressed_level: bool = False,
        has_endless_watchdog: bool = True,
        in_endpoints_max: int = USB_IN_ENDPOINTS,
        own_bus: tuple[str, str] | None = None,
    ) -> None:
        self.board_id = board_id
        self.button = button
        self.pressed_level = pressed_level
        self.has_endless_watchdog = has_endless_watchdog
        self.volts: dict[str, float] = {}
        self.outputs: dict[str, bool] = {}
        self.duty: dict[str, int] = {}
        self.pwm_edges: list[Edge] = []
        self.pixels: dict[str, deque[bytes]] = {}
        self.settings: dict[str, str | int] = {}
        self.bites = 0
        self.is_asleep = False
        self.is_held = False
        self.in_endpoints_max = in_endpoints_max
        self.usb: set[str] = set()
        self._claimed: set[str] = set()
        self.levels: dict[str, Callable[[], bool]] = {}
        self.display = types.SimpleNamespace(auto_refresh=True, brightness=1.0)
        self._own_bus = own_bus
        self.on_button: Callable[[bool], None] = lambda _held: None
        self.on_bite: Callable[[], None] = lambda: None
        self.on_output: Callable[[str, bool | None], None] = lambda _name, _level: None
        self._keys: list[Any] = []
        self._sleep_memory = bytearray(SLEEP_MEMORY_BYTES)
        self._dog: Watchdog | None = None
        self.wake_alarm: object | None = None

    @property
    def watchdog(self) -> Watchdog:
        """The watchdog since the last boot.

        Raises:
            TenutoError: It was never booted.
        """
        if self._dog is None:
            raise TenutoError("the board was never booted")
        return self._dog

    def set_button(self, *, held: bool) -> None:
        """Press it or let it go."""
        if held == self.is_held:
            return
        self.is_held = held
        for keys in self._keys:
            keys.on_change(held)
        self.on_button(held)

    def drive(self, name: str, level: bool | None) -> None:  # noqa: FBT001  a pin has two levels
        """Put a level on a pin, or let it float with None."""
        if level is None:
            self.outputs.pop(name, None)
        else:
            self.outputs[name] = level
        self.on_output(name, level)

    def claim(self, pin: Pin) -> None:
        """Take a pin, as whatever uses it does until it gives it back.

        Raises:
            ValueError: Something else has it.
        """
        if pin.name in self._claimed:
            raise ValueError(f"{pin.name} in use")
        self._claimed.add(pin.name)

    def release(self, pin: Pin) -> None:
        """Give a pin back."""
        self._claimed.discard(pin.name)

    def plug_in(self) -> None:
        """Have the board offer itself to a USB host, as it does after `boot.py`.

        Raises:
            SafeMode: It has too few endpoints for all that it wants to offer.
        """
        needed = 2 + sum(2 if kind in ("console", "data") else 1 for kind in self.usb)
        if needed > self.in_endpoints_max:
            raise SafeMode(f"USB devices need more endpoints than are available: {needed}")

    def modules(self, board: SimulatedBoard) -> Iterable[types.ModuleType]:
        """Return the modules for one boot; hand this to `SimulatedBoard`."""
        # All that held a pin is gone with the reset, and the pins float.
        for name in list(self.outputs):
            self.drive(name, None)
        self.duty.clear()
        self._keys.clear()
        self._claimed.clear()
        self.is_asleep = False
        # A board with few endpoints leaves out what fits no more.
        self.usb = {"console", "hid"} | ({"midi"} if self.in_endpoints_max > 5 else set())
        # Once stopped by its own bite the watchdog is off; any other reset leaves it running.
        if self._dog is None or self._dog.has_bitten or not self.has_endless_watchdog:
            self.stop_watchdog()
            self._dog = Watchdog(self)
        make_bus = _bus_class(self, board.load("busio").I2C())
        self.display = types.SimpleNamespace(auto_refresh=True, brightness=1.0)
        board.load("microcontroller").watchdog = self._dog  # type: ignore[attr-defined]
        board.load("supervisor").SafeModeReason = types.SimpleNamespace(  # type: ignore[attr-defined]
            WATCHDOG="watchdog", HARD_FAULT="hard fault", BROWNOUT="brownout", USER="user"
        )
        board.load("os").getenv = self._getenv  # type: ignore[attr-defined]
        try:
            usb_cdc = board.load("usb_cdc")
        except ImportError:
            usb_cdc = _module("usb_cdc", data=None)
        usb_cdc.console = object()  # type: ignore[attr-defined]
        usb_cdc.enable = functools.partial(self._enable_usb, usb_cdc)  # type: ignore[attr-defined]
        return (
            usb_cdc,
            _BoardModule(self.board_id, DISPLAY=self.display, I2C=self._make_own_bus(make_bus)),
            _module("usb_hid", disable=lambda: self.usb.discard("hid")),
            _module("usb_midi", disable=lambda: self.usb.discard("midi")),
            _module("busio", I2C=make_bus),
            _module("digitalio", DigitalInOut=_bound(DigitalInOut, self), Pull=_Pull),
            _module("analogio", AnalogIn=_bound(AnalogIn, self)),
            _module("pwmio", PWMOut=_bound(PwmOut, self, board)),
            _module("keypad", Keys=_bound(Keys, self, board), Event=Event),
            _module("neopixel_write", neopixel_write=self._write_pixels),
            _module("watchdog", WatchDogMode=WatchDogMode),
            _module(
                "alarm",
                sleep_memory=self._sleep_memory,
                wake_alarm=self.wake_alarm,
                pin=types.SimpleNamespace(PinAlarm=_bound(_PinAlarm, self)),
                exit_and_deep_sleep_until_alarms=self._deep_sleep,
            ),
        )

    def _make_own_bus(self, make_bus: Callable[..., Any]) -> Callable[[], Any]:
        """Return `board.I2C`: its bus is there already, and is made anew once it was given back."""
        if self._own_bus is None:
            return lambda: make_bus(Pin("SCL"), Pin("SDA"))
        pins = [Pin(name) for name in self._own_bus]
        made = [make_bus(*pins)]

        def own_bus() -> Any:  # noqa: ANN401
            if made[0].is_given_back:
                made[0] = make_bus(*pins)
            return made[0]

        return own_bus

    def stop_watchdog(self) -> None:
        """Take it away, as a loss of power does."""
        if self._dog is not None:
            self._dog.cancel()

    def record_pwm(self, t_ms: float, name: str, duty: int) -> None:
        before, self.duty[name] = self.duty.get(name, 0), duty
        if duty != before and len(self.pwm_edges) < EDGES_MAX:
            strength_pct = round(duty * 100 / 65535)
            self.pwm_edges.append(Edge(t_ms, on=duty > 0, strength_pct=strength_pct))

    def register(self, keys: Keys) -> None:
        self._keys.append(keys)

    def forget_keys(self, keys: Keys) -> None:
        self._keys.remove(keys)

    def _enable_usb(
        self,
        usb_cdc: Any,  # noqa: ANN401
        *,
        console: bool = True,
        data: bool = False,
    ) -> None:
        usb_cdc.console = object() if console else None
        wanted = {"console": console, "data": data}
        self.usb = self.usb - wanted.keys() | {kind for kind, is_on in wanted.items() if is_on}

    def _getenv(self, key: str, default: str | None = None) -> str | None:
        """Return a setting, a string whatever it is in the file."""
        return str(self.settings[key]) if key in self.settings else default

    def _write_pixels(self, output: DigitalInOut, data: bytes) -> None:
        self.pixels.setdefault(output.pin.name, deque(maxlen=1000)).append(bytes(data))

    def _deep_sleep(self, *alarms: object) -> None:
        if not alarms:
            raise ValueError("nothing would wake it")
        self.is_asleep = True
        raise DeepSleep


class _BoardModule(types.ModuleType):
    """`board` with any pin that is asked for; that the real one has it is for a test to say."""

    def __init__(self, board_id: str, **more: object) -> None:
        super().__init__("board")
        self.board_id = board_id
        self.__dict__.update(more)

    def __getattr__(self, name: str) -> Pin:
        if name.startswith("_"):
            raise AttributeError(name)
        return Pin(name)


def _module(name: str, **contents: Any) -> types.ModuleType:  # noqa: ANN401
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    return module


def _bound(make: type, *first: Any) -> Callable[..., Any]:  # noqa: ANN401
    return lambda *arguments, **options: make(*first, *arguments, **options)


def _bus_class(bench: Bench, bus: Any) -> Callable[..., Any]:  # noqa: ANN401
    def make(scl: Pin, sda: Pin, *, frequency: int = 100_000) -> Any:  # noqa: ANN401
        del frequency
        for pin in (scl, sda):
            bench.claim(pin)
        return _Bus(bench, bus, (scl, sda))

    return make


class _Bus:
    """One use of the bus, which may be given back."""

    def __init__(self, bench: Bench, bus: Any, pins: tuple[Pin, ...]) -> None:  # noqa: ANN401
        self._bench = bench
        self._bus = bus
        self._pins = pins
        self.is_given_back = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._bus, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.deinit()

    def deinit(self) -> None:
        self._bus.unlock()
        self.is_given_back = True
        for pin in self._pins:
            self._bench.release(pin)


class _Pull:
    UP = "up"
    DOWN = "down"


class _PinAlarm:
    def __init__(self, bench: Bench, *, pin: Pin, value: bool, pull: bool = False) -> None:
        bench.claim(pin)
        bench.release(pin)  # it only wants to find it free
        self.pin, self.value, self.pull = pin, value, pull


class DigitalInOut:
    def __init__(self, bench: Bench, pin: Pin) -> None:
        bench.claim(pin)
        self._bench = bench
        self.pin = pin
        self._is_output = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.deinit()

    def deinit(self) -> None:
        if self._is_output:
            self._bench.drive(self.pin.name, None)
        self._bench.release(self.pin)

    def switch_to_output(self, value: bool = False) -> None:  # noqa: FBT001, FBT002
        self._is_output = True
        self._bench.drive(self.pin.name, value)

    def switch_to_input(self, pull: object = None) -> None:
        self._is_output = False
        self._pull = pull

    @property
    def value(self) -> bool:
        if self._is_output:
            return self._bench.outputs[self.pin.name]
        if self.pin.name in self._bench.levels:
            return self._bench.levels[self.pin.name]()
        if self.pin.name == self._bench.button and self._bench.is_held:
            return self._bench.pressed_level
        return bool(self._pull == _Pull.UP)

    @value.setter
    def value(self, level: bool) -> None:
        if not self._is_output:
            raise AttributeError("Cannot set value when direction is input.")
        self._bench.drive(self.pin.name, level)


class AnalogIn:
    reference_voltage = RAIL_VOLTS

    def __init__(self, bench: Bench, pin: Pin) -> None:
        bench.claim(pin)
        self._bench = bench
        self._pin = pin

    @property
    def value(self) -> int:
        volts = self._bench.volts.get(self._pin.name, 0.0)
        return max(0, min(65535, round(volts / RAIL_VOLTS * 65535)))


class PwmOut:
    def __init__(
        self,
        bench: Bench,
        board: SimulatedBoard,
        pin: Pin,
        *,
        duty_cycle: int = 0,
        frequency: int = 500,
    ) -> None:
        bench.claim(pin)
        self._bench = bench
        self._board = board
        self._name = pin.name
        self.frequency = frequency
        self.duty_cycle = duty_cycle

    @property
    def duty_cycle(self) -> int:
        return self._bench.duty[self._name]

    @duty_cycle.setter
    def duty_cycle(self, value: int) -> None:
        if not 0 <= value <= 0xFFFF:
            raise ValueError("duty_cycle must be 0 to 65535")
        self._bench.record_pwm(self._board.clock.elapsed_ms(), self._name, value)


class Event:
    def __init__(self, key_number: int = 0, pressed: bool = True, timestamp: int = 0) -> None:  # noqa: FBT001, FBT002
        self.key_number, self.pressed, self.timestamp = key_number, pressed, timestamp


class Keys:
    """`keypad.Keys` with one key, which is its own `events`; bounce never comes this far."""

    def __init__(
        self,
        bench: Bench,
        board: SimulatedBoard,
        pins: tuple[Pin, ...],
        *,
        value_when_pressed: bool,
        pull: bool = True,
        interval: float = 0.02,
    ) -> None:
        del pull, interval
        (pin,) = pins
        if pin.name != bench.button or value_when_pressed != bench.pressed_level:
            raise TenutoError(f"the button is on {bench.button}, not on {pin.name}")
        bench.claim(pin)
        self._bench = bench
        self._pins = pins
        self._board = board
        self._queue: deque[Event] = deque()
        self.overflowed = False
        self.events = self
        bench.register(self)

    def __len__(self) -> int:
        return len(self._queue)

    def get_into(self, event: Event) -> bool:
        if not self._queue:
            return False
        event.__dict__.update(self._queue.popleft().__dict__)
        return True

    def clear(self) -> None:
        self._queue.clear()
        self.overflowed = False

    def deinit(self) -> None:
        self._bench.forget_keys(self)
        for pin in self._pins:
            self._bench.release(pin)

    def on_change(self, pressed: bool) -> None:  # noqa: FBT001
        if not self._board.is_running:
            return
        if len(self._queue) == KEYPAD_EVENTS:
            self.overflowed = True
            return
        ticks_ms = self._board.load("supervisor").ticks_ms
        self._queue.append(Event(0, pressed, ticks_ms()))
        self._board.wake()


class WatchDogMode:
    RESET = "reset"
    RAISE = "raise"


class Watchdog:
    """`microcontroller.watchdog`. Time is the world's; a bite calls `Bench.on_bite`."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._mode: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.timeout = 0.0
        self.has_bitten = False
        self.fed = 0

    @property
    def mode(self) -> str | None:
        return self._mode

    @mode.setter
    def mode(self, mode: str | None) -> None:
        if mode is None and self._mode is not None and self._bench.has_endless_watchdog:
            raise RuntimeError("WatchDogTimer cannot be deinitialized once mode is set to RESET")
        self._mode = mode
        self.cancel()
        if mode is not None:
            self.feed()

    def feed(self) -> None:
        if self._mode is None:
            return
        self.fed += 1
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(self.timeout, self._bite)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _bite(self) -> None:
        self._timer = None
        self.has_bitten = True
        self._bench.bites += 1
        self._bench.on_bite()
