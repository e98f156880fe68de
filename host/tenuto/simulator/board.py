# SPDX-License-Identifier: MIT
# ruff: noqa: ANN401 - what a board imports and prints may be anything
"""A simulated CircuitPython board: the real firmware, on CPython, with its own modules and clock.

Every board loads fresh copies of the firmware's modules and of the adafruit_* libraries, through
an `__import__` of its own, so that any number of boards run in one process and one event loop
without touching each other or `sys.modules`. Their code is compiled once per process, with
annotations left unevaluated as on a board. Only modules that CircuitPython has can be imported.

A firmware must not wait in any other way than by `await`: `time.sleep` is booked on the board's
clock, but `while not ready: pass` would stop the whole simulation.
"""

from __future__ import annotations
import __future__

import asyncio
import builtins
import contextlib
import importlib
import importlib.machinery
import importlib.util
import io
import marshal
import math
import os
import random
import sys
import sysconfig
import time
import traceback
import types
from collections import deque
from typing import TYPE_CHECKING, Any

from tenuto.errors import TenutoError
from tenuto.shipped import shipped

from .bleio import make_bleio
from .clock import BoardClock
from .controller import BoardFlash, power_on_device
from .hardware import I2cBus, I2cChip

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
    from pathlib import Path

    from bumble.device import Device

    from .controller import VirtualController
    from .costs import Costs
    from .radio import Radio

NVM_BYTES = 8192
STDOUT_LINES_MAX = 1000
TICKS_FIRST = 0x1FFF0000
"""`supervisor.ticks_ms` at power-up: it wraps after 65 s, to bring out what cannot stand that."""
TICKS_MASK = 0x1FFFFFFF
IDLE_MS_MAX = 1000
_STALLED_TICKS_MAX = 10_000

_HOST_MODULES = frozenset(
    {
        *("__future__", "array", "binascii", "builtins", "collections", "errno", "gc", "hashlib"),
        *("io", "json", "math", "re", "select", "struct", "traceback", "zlib"),
    }
)
"""What CircuitPython has too, and what is the same here."""

_ASYNCIO_NAMES = ("CancelledError", "Event", "Lock", "TimeoutError", "current_task")
"""From adafruit_asyncio 3; the rest of its surface is made per board."""

_LIBRARY_PREFIX = "adafruit_"

_code_cache: dict[str, bytes] = {}


class BoardReset(BaseException):  # like SystemExit: not an error, and not to be caught
    """The program asked for `microcontroller.reset()`."""


class FirmwareError(TenutoError):
    """A firmware could not be loaded, or its program ended."""


def _compile(path: str, source: str) -> types.CodeType:
    """Give code of this board's own, compiled once for all boards.

    Python adapts code to the classes that it meets, and each board has classes of its own: code
    that they all shared was adapted again and again, for a twelfth of all that there was to do.
    """
    if path not in _code_cache:
        flags = __future__.annotations.compiler_flag
        _code_cache[path] = marshal.dumps(
            compile(source, path, "exec", flags=flags, dont_inherit=True)
        )
    code: types.CodeType = marshal.loads(_code_cache[path])  # noqa: S302 - of our own making
    return code


def _module(name: str, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    return module


class SimulatedBoard:
    """One board with its flash; `boot` gives it life, `stop` takes it, `boot` again is a reset.

    What survives a reset: `nvm`, the bonds, the standard output. What does not: everything that
    the program had in memory, its links and its clock.

    Args:
        radio: The air it is on.
        name: For tasks and messages.
        address: Its random static Bluetooth address.
        firmware_dir: Where its own modules and packages lie.
        flavour: Of `_bleio`, see `tenuto.simulator.bleio.FLAVOURS`.
        drift_ppm: How much faster than the loop's clock the board's runs.
        offset_ms: What the board's clock shows at power-up.
        i2c: The chips on its bus.
        modules: Gives more built-in modules at each boot, or others in place of those here.
        costs: What the program's work takes, see `tenuto.simulator.costs`; None for no time.
        seed: Of what `random` gives; what `os.urandom` gives never comes again, or a history that
            outlives the board would take one boot for another.

    Attributes:
        reset_reason: What the next boot gives for its reason, a name of CircuitPython's.
        stdout: The newest lines that the program printed.
        on_reset: Called when the program asks for a reset; its owner has to `stop` and `boot`.
        collection_ms: How long collecting garbage takes.
        task_errors: What ended tasks that nobody waited for; the newest.
    """

    def __init__(
        self,
        radio: Radio,
        name: str,
        address: str,
        *,
        firmware_dir: Path,
        flavour: str = "nrf52840",
        drift_ppm: float = 0.0,
        offset_ms: float = 0.0,
        i2c: Mapping[int, I2cChip] | None = None,
        modules: Callable[[SimulatedBoard], Iterable[types.ModuleType]] | None = None,
        costs: Costs | None = None,
        seed: int = 0,
    ) -> None:
        if not firmware_dir.is_dir():
            raise FirmwareError(f"no firmware in {firmware_dir}: there is no such folder")
        self.name = name
        self.address = address
        self.nvm = bytearray(b"\xff" * NVM_BYTES)
        self.flash = BoardFlash()
        self.reset_reason = "POWER_ON"
        self.collection_ms = 0.0
        self.stdout: deque[str] = deque(maxlen=STDOUT_LINES_MAX)
        self.task_errors: deque[BaseException] = deque(maxlen=STDOUT_LINES_MAX)
        self._radio = radio
        self._flavour = flavour
        self._drift_ppm = drift_ppm
        self._offset_ms = offset_ms
        self._i2c = dict(i2c or {})
        self._more_modules = modules
        self._costs = costs
        self._random = random.Random(f"{seed}/{address}")  # noqa: S311  repeatable, not secret
        self._own_names = _top_level_names(firmware_dir)
        self._search_path = [str(firmware_dir), str(shipped("circuitpython")), *_site_packages()]
        self._clock: BoardClock | None = None
        self._device: Device | None = None
        self._controller: VirtualController | None = None
        self._modules: dict[str, types.ModuleType] = {}
        self._builtins: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._activity = 0
        self._sleepers: set[_Sleeper] = set()
        self.on_reset: Callable[[], None] | None = None
        self._seen: dict[asyncio.Task[Any], int] = {}
        self._stalled_ticks = 0

    # -- life

    @property
    def is_running(self) -> bool:
        """Whether it has power."""
        return self._clock is not None

    @property
    def clock(self) -> BoardClock:
        """The clock since the last boot.

        Raises:
            FirmwareError: The board is off.
        """
        if self._clock is None:
            raise FirmwareError(f"board {self.name} is off")
        return self._clock

    @property
    def bleio(self) -> types.ModuleType:
        """The `_bleio` module that the program uses."""
        return self._modules["_bleio"]

    async def boot(self) -> None:
        """Power up: a fresh radio, fresh modules, a clock that begins anew.

        Raises:
            FirmwareError: It is running already.
        """
        if self.is_running:
            raise FirmwareError(f"board {self.name} is running already")
        self._device, self._controller = await power_on_device(
            self._radio, self.name, self.address, secure_connections=False, keystore=self.flash
        )
        self._clock = BoardClock(drift_ppm=self._drift_ppm, offset_ms=self._offset_ms)
        self._activity = 0
        self._stalled_ticks = 0
        self._builtins = {
            **builtins.__dict__,
            "__import__": self._import,
            "print": self._print,
        }
        self._modules = self._make_modules(self._device)
        # What has been loaded is known to the program, which may give it up again.
        self._modules["sys"] = _module(
            "sys", implementation=sys.implementation, platform="simulated", modules=self._modules
        )
        if self._more_modules is not None:
            self._modules |= {module.__name__: module for module in self._more_modules(self)}

    async def stop(self) -> None:
        """Cut the power: end all tasks, leave the air without a word; nothing if it is off."""
        if self._clock is None:
            return
        tasks = [t for t in self._tasks if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Before the controller goes, which what is under way may still wait for.
        await self.bleio.adapter._stop()  # noqa: SLF001  no part of CircuitPython's interface
        if self._controller is not None:
            self._controller.power_off()
        if self._device is not None:
            await self._device.power_off()
        self._clock = self._device = self._controller = None
        self._modules = {}
        self._sleepers.clear()

    def on_connection(self, callback: Callable[[], None]) -> None:
        """Have this called when a central has connected, until the board stops."""
        if self._device is not None:
            self._device.on(self._device.EVENT_CONNECTION, lambda _connection: callback())

    def create_task(
        self, coroutine: Coroutine[Any, Any, Any], name: str | None = None
    ) -> asyncio.Task[Any]:
        """Run a coroutine as a task of the board, which ends with it."""
        what = name or getattr(coroutine, "__qualname__", "task")
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self.name}.{what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- time

    def ticks_ms(self) -> int:
        """Whole milliseconds since power-up; never wraps."""
        return self.clock.ticks_ms()

    def wake(self) -> None:
        """Tell the program's main loop that a poll would find something new."""
        self._activity += 1
        for sleeper in list(self._sleepers):
            sleeper.on_activity()

    async def tick(self, period_ms: int, due_ms: int | None = None) -> None:
        """Sleep until a loop that polls every `period_ms` would have something to do.

        Returns at the first multiple of `period_ms`, counted from the call, at which something
        has come in; at the latest when the board's clock shows `due_ms`, or after a second.
        Something that came in between two calls of one task counts for the second.

        Raises:
            ValueError: `period_ms` is not above 0.
            FirmwareError: `due_ms` was past on thousands of calls in a row: the program does not
                do what is due, and a board would spin.
        """
        if period_ms <= 0:
            raise ValueError(f"period_ms must be above 0, not {period_ms!r}")
        clock = self.clock
        task = asyncio.current_task()
        start_ms = clock.elapsed_ms()
        if due_ms is not None and clock.ticks_ms() >= due_ms:
            self._stalled_ticks += 1
            if self._stalled_ticks > _STALLED_TICKS_MAX:
                raise FirmwareError(
                    f"board {self.name}: tick was told {self._stalled_ticks} times in a row that "
                    f"something is due at {due_ms} ms, at {clock.ticks_ms()} ms"
                )
            await clock.sleep_until_ms(start_ms)
        else:
            self._stalled_ticks = 0
            # A board that takes its time takes it for each look in vain too.
            idle_ms = IDLE_MS_MAX if self._costs is None else period_ms
            sleeper = _Sleeper(clock, start_ms, period_ms, due_ms, idle_ms)
            if task is None or self._seen.get(task, 0) != self._activity:
                sleeper.on_activity()
            self._sleepers.add(sleeper)
            try:
                await sleeper.done
            finally:
                self._sleepers.discard(sleeper)
                sleeper.close()
        if task is not None:
            if task not in self._seen:
                task.add_done_callback(self._seen.pop)
            self._seen[task] = self._activity

    # -- modules

    def load(self, name: str) -> types.ModuleType:
        """Import a module as the program would, and return the board's own copy.

        Raises:
            ImportError: There is none of that name on this board.
        """
        if name in self._modules:
            return self._modules[name]
        head, _, tail = name.rpartition(".")
        parent = self.load(head) if head else None
        if name in self._modules:
            return self._modules[name]
        path = self._search_path if parent is None else getattr(parent, "__path__", [])
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        loader = spec.loader if spec is not None else None
        if spec is None or not isinstance(loader, importlib.machinery.SourceFileLoader):
            raise ModuleNotFoundError(f"no module named '{name}'", name=name)
        module = importlib.util.module_from_spec(spec)
        module.__dict__["__builtins__"] = self._builtins
        self._modules[name] = module
        try:
            code = _compile(loader.path, loader.get_source(name) or "")
            exec(code, module.__dict__)  # noqa: S102  this is what importing is
        except BaseException:
            del self._modules[name]
            raise
        if parent is not None:
            setattr(parent, tail, module)
        if self._costs is not None:
            self._costs.attach(module, self.clock)
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002  as builtins.__import__
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        del locals
        if level:
            package = str((globals or {}).get("__package__") or "")
            base = package.rsplit(".", level - 1)[0]
            name = f"{base}.{name}" if name else base
        top = name.partition(".")[0]
        if not self._is_own(top):
            if top not in _HOST_MODULES:
                raise ModuleNotFoundError(f"no module named '{name}'", name=name)
            module = importlib.import_module(name)
            return module if fromlist else importlib.import_module(top)
        module = self.load(name)
        for wanted in fromlist or ():
            if wanted != "*" and not hasattr(module, wanted) and hasattr(module, "__path__"):
                with contextlib.suppress(ModuleNotFoundError):
                    self.load(f"{name}.{wanted}")
        return module if fromlist else self.load(top)

    def _is_own(self, top: str) -> bool:
        return top in self._modules or top in self._own_names or top.startswith(_LIBRARY_PREFIX)

    def _make_modules(self, device: Device) -> dict[str, types.ModuleType]:
        clock = self.clock
        uid = bytes(device.random_address)
        bus = I2cBus(self._i2c)
        modules = (
            make_bleio(device, self.flash, flavour=self._flavour, on_activity=self.wake),
            _module(
                "tickless",
                tick=self.tick,
                takes_time=self._costs is not None,
                work=clock.work_ms,
                collect=lambda: clock.block_ms(self.collection_ms),
            ),
            _module(
                "time",
                monotonic=lambda: clock.elapsed_ms() / 1000,
                monotonic_ns=lambda: int(clock.elapsed_ms() * 1e6),
                sleep=lambda seconds: clock.block_ms(seconds * 1000),
                time=lambda: int(clock.elapsed_ms() / 1000),
                struct_time=time.struct_time,
            ),
            self._make_asyncio(),
            _module(
                "supervisor",
                ticks_ms=lambda: (clock.ticks_ms() + TICKS_FIRST) & TICKS_MASK,
                reload=self._reset,
                runtime=types.SimpleNamespace(
                    autoreload=False, ble_workflow=False, usb_connected=False
                ),
            ),
            _module(
                "microcontroller",
                nvm=self.nvm,
                cpu=types.SimpleNamespace(
                    uid=uid,
                    temperature=30.0,
                    frequency=64_000_000,
                    reset_reason=f"microcontroller.ResetReason.{self.reset_reason}",
                ),
                reset=self._reset,
            ),
            _module("micropython", const=lambda value: value),
            _module("board", I2C=lambda: bus, STEMMA_I2C=lambda: bus, board_id=self._flavour),
            _module("busio", I2C=lambda *_pins, **_options: bus),
            _module(
                "os",
                urandom=os.urandom,
                getenv=lambda _key, default=None: default,
                uname=lambda: types.SimpleNamespace(
                    sysname=self._flavour, machine="simulated", release="10.0.0", version="10.0.0"
                ),
            ),
            _module(
                "random",
                **{
                    function: getattr(self._random, function)
                    for function in ("choice", "getrandbits", "randint", "random", "uniform")
                },
            ),
        )
        return {module.__name__: module for module in modules}

    def _make_asyncio(self) -> types.ModuleType:
        """Make what adafruit_asyncio offers, and no more, keeping time by the board's clock."""
        clock = self.clock

        async def sleep_ms(duration_ms: int) -> None:
            await clock.sleep_until_ms(clock.ticks_ms() + max(0, duration_ms))

        async def sleep(duration_s: float) -> None:
            await sleep_ms(int(duration_s * 1000))

        def own(awaitable: Awaitable[Any]) -> Awaitable[Any]:
            return self._create_own(awaitable) if asyncio.iscoroutine(awaitable) else awaitable

        async def gather(*awaitables: Awaitable[Any], return_exceptions: bool = False) -> list[Any]:
            return await asyncio.gather(*map(own, awaitables), return_exceptions=return_exceptions)

        async def wait_for(awaitable: Awaitable[Any], timeout: float | None) -> Any:  # noqa: ASYNC109
            return await asyncio.wait_for(own(awaitable), timeout)

        async def wait_for_ms(awaitable: Awaitable[Any], timeout: int) -> Any:  # noqa: ASYNC109
            return await asyncio.wait_for(own(awaitable), timeout / 1000)

        return _module(
            "asyncio",
            sleep=sleep,
            sleep_ms=sleep_ms,
            gather=gather,
            wait_for=wait_for,
            wait_for_ms=wait_for_ms,
            create_task=self._create_own,
            run=lambda coroutine: coroutine,  # the board's owner awaits it
            **{name: getattr(asyncio, name) for name in _ASYNCIO_NAMES},
        )

    def _create_own(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.create_task(coroutine)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        """Do as adafruit_asyncio: a task that fails says so and the others go on."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, BoardReset):
            self.task_errors.append(error)
            self.stdout.extend(traceback.format_exception(error))

    def _reset(self) -> None:
        if self.on_reset is not None:
            asyncio.get_running_loop().call_soon(self.on_reset)
        raise BoardReset

    def _print(self, *values: Any, **options: Any) -> None:
        text = io.StringIO()
        print(*values, **{**options, "file": text})  # noqa: T201  into the board's own output
        self.stdout.extend(text.getvalue().splitlines())


class _Sleeper:
    """One wait in `tick`: a single timer, drawn nearer when something comes in."""

    __slots__ = ("_clock", "_period_ms", "_start_ms", "_timer", "_wake_ms", "done")

    def __init__(
        self,
        clock: BoardClock,
        start_ms: float,
        period_ms: int,
        due_ms: int | None,
        idle_ms: int,
    ) -> None:
        self._clock = clock
        self._start_ms = start_ms
        self._period_ms = period_ms
        # At least one period, or a loop that polls less than once a second would poll more often.
        periods = max(1, idle_ms // period_ms)
        self._wake_ms = start_ms + periods * period_ms
        if due_ms is not None:
            self._wake_ms = min(self._wake_ms, due_ms)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._timer = clock.call_at_ms(self._wake_ms, self._on_timer)

    def on_activity(self) -> None:
        passed = (self._clock.elapsed_ms() - self._start_ms) / self._period_ms
        wake_ms = self._start_ms + max(1, math.ceil(passed - 1e-9)) * self._period_ms
        if wake_ms < self._wake_ms:
            self._wake_ms = wake_ms
            self._timer.cancel()
            self._timer = self._clock.call_at_ms(wake_ms, self._on_timer)

    def close(self) -> None:
        self._timer.cancel()

    def _on_timer(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _top_level_names(firmware_dir: Path) -> frozenset[str]:
    names = {path.stem for path in firmware_dir.glob("*.py")}
    names |= {path.name for path in firmware_dir.iterdir() if path.is_dir()}
    return frozenset(name for name in names if name.isidentifier())


def _site_packages() -> tuple[str, str]:
    """Return where a firmware of one's own finds libraries that do not come with Tenuto."""
    paths = sysconfig.get_paths()
    return paths["purelib"], paths["platlib"]
