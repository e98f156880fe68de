# SPDX-License-Identifier: MIT
"""A simulated world for tests that need not be asynchronous."""

from __future__ import annotations

import asyncio
import math
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tenuto import event_loops
from tenuto.shipped import shipped
from tenuto.simulator.controls import RadioControls
from tenuto.simulator.world import SimulatedWearable, World
from tenuto.wearables import registry

from .devices import Band, Device

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from types import TracebackType

    from tenuto.links.radios.bumble import BumbleAdapter
    from tenuto.simulator.person import VirtualPerson

_T = TypeVar("_T")

RUN_TIMEOUT_S = 3600.0
"""By the clock of the world; a session takes some 6 minutes."""
LOOK_EVERY_S = 0.01


class SimulatedWorld(ABC):
    """A room with simulated devices on a clock of its own; leaving it ends them all.

    Its methods may be called from ordinary code, and those that are not `async` also from code
    that runs on the world's own clock.

    Attributes:
        world: The simulator's own world, which is not part of the stable interface.
    """

    world: World

    # --- the clock

    @abstractmethod
    def run(self, work: Coroutine[Any, Any, _T], *, timeout_s: float = RUN_TIMEOUT_S) -> _T:
        """Run a coroutine on the world's clock to its end.

        Args:
            work: The coroutine.
            timeout_s: By the clock of the world.

        Raises:
            TimeoutError: It took longer.
            RuntimeError: This is called from code that runs on that clock; `await` it there.
        """

    @abstractmethod
    def call(self, do: Callable[[], _T]) -> _T:
        """Call a function where it may use the world's event loop, without letting time pass."""

    @property
    @abstractmethod
    def now_s(self) -> float:
        """The seconds since this world began."""

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: `seconds` is negative.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"time passes by 0 s or more, not by {seconds!r}")
        self.run(asyncio.sleep(seconds), timeout_s=seconds + RUN_TIMEOUT_S)

    def until(self, happened: Callable[[], object], *, timeout_s: float = 60.0) -> None:
        """Let time pass until a function returns something true; see `wait_until`.

        Raises:
            TimeoutError: It did not within `timeout_s`.
        """
        self.run(self.wait_until(happened, timeout_s=timeout_s), timeout_s=timeout_s + 1)

    async def wait_until(self, happened: Callable[[], object], *, timeout_s: float = 60.0) -> None:
        """Wait until a function returns something true; it is asked every 10 ms.

        Raises:
            TimeoutError: It did not within `timeout_s`.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        while not happened():
            if loop.time() >= end_s:
                raise TimeoutError(f"it did not happen within {timeout_s:g} s of simulated time")
            await asyncio.sleep(LOOK_EVERY_S)

    # --- what is in it

    def add_band(
        self,
        name: str = "band",
        *,
        firmware: Path | None = None,
        person: VirtualPerson | None = None,
        drift_ppm: float | None = None,
    ) -> Band:
        """Put a band into the room; see `new_band`."""
        return self.run(self.new_band(name, firmware=firmware, person=person, drift_ppm=drift_ppm))

    async def new_band(
        self,
        name: str = "band",
        *,
        firmware: Path | None = None,
        person: VirtualPerson | None = None,
        drift_ppm: float | None = None,
    ) -> Band:
        """Put a band into the room: the real firmware on a simulated board.

        Args:
            name: What it advertises; unique in this world.
            firmware: The folder of another firmware than the one that came with Tenuto, with a
                module `app` that has a class `App`.
            person: Who wears it; None for nobody, so that no heart beats come unasked.
            drift_ppm: How much too fast its clock runs; None for the world's.

        Raises:
            TenutoError: The name is taken.
            FirmwareError: The firmware does not start.
        """
        worn = await self.world.add_wearable(
            name,
            firmware_dir=firmware or shipped("firmware"),
            person=person,
            drift_ppm=drift_ppm,
        )
        return self._band(worn)

    def add_device(self, model: str, name: str | None = None) -> Device:
        """Put a device of another model into the room; see `new_device`."""
        return self.run(self.new_device(model, name))

    async def new_device(self, model: str, name: str | None = None) -> Device:
        """Put a device of any model into the room that can be simulated.

        Args:
            model: As `model` of a [[wearable]], such as `alert` for a tag or `bangle`.
            name: What this world calls it; None for the model's id.

        Raises:
            TenutoError: There is no such model, or it cannot be simulated.
        """
        found = registry.find(model)
        device = await registry.simulator_of(found)(self.world, name or model, None)
        if isinstance(device, SimulatedWearable):
            return self._band(device)
        controls = RadioControls(name or model, device, self.world.radio, found.capabilities)
        return Device(self, controls)

    def _band(self, worn: SimulatedWearable) -> Band:
        can = registry.find("band").capabilities
        return Band(self, RadioControls(worn.id, worn, self.world.radio, can), worn)

    def add_adapter(self, name: str = "host") -> BumbleAdapter:
        """Return one more Bluetooth adapter in the room; see `tenuto.testing.bleak_meets`."""
        return self.run(self.world.adapter(name))


class VirtualWorld(SimulatedWorld):
    """A world whose clock stands still until it is told to go on, and then jumps.

    An hour in it takes a moment, and the same seed gives the same hour each time.

    Args:
        seed: Of everything random.
        loss: The share of packets that the air swallows, 0 to below 1.
        drift_ppm: How much too fast the clocks of the wearables run.
    """

    def __init__(self, *, seed: int = 0, loss: float = 0.0, drift_ppm: float = 0.0) -> None:
        self.world = World(seed=seed, loss=loss, drift_ppm=drift_ppm)
        self._runner = asyncio.Runner(loop_factory=lambda: event_loops.new_event_loop(math.inf))
        self._loop = self._runner.get_loop()
        self._unheard: list[str] = []
        self._loop.set_exception_handler(self._on_unheard)
        self._start_s = self._loop.time()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._runner.run(self.world.__aexit__(kind, error, trace))
        finally:
            self._runner.close()
        if error is None and self._unheard:
            raise RuntimeError(f"nobody noticed in the simulated world: {self._unheard[0]}")

    def run(self, work: Coroutine[Any, Any, _T], *, timeout_s: float = RUN_TIMEOUT_S) -> _T:
        """Run a coroutine on the world's clock to its end; see `SimulatedWorld.run`."""
        if self._loop.is_running():
            work.close()
            raise RuntimeError("this code runs on the world's clock already: await it instead")
        return self._runner.run(_within(work, timeout_s))

    def call(self, do: Callable[[], _T]) -> _T:
        """Call a function where it may use the world's event loop, without letting time pass."""
        if self._loop.is_running():
            return do()

        async def work() -> _T:
            return do()

        return self._runner.run(work())

    @property
    def now_s(self) -> float:
        """The seconds since this world began."""
        return self._loop.time() - self._start_s

    def _on_unheard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._unheard.append(f"{context['message']}: {context.get('exception')!r}")
        loop.default_exception_handler(context)


class LiveWorld(SimulatedWorld):
    """A world whose clock runs by itself, in a thread, for programs that meet it from outside.

    Args:
        seed: See `VirtualWorld`.
        loss: See `VirtualWorld`.
        speed: How fast its clock runs; programs that have clocks of their own want 1.
    """

    START_TIMEOUT_S = 10.0
    END_TIMEOUT_S = 10.0

    def __init__(self, *, seed: int = 0, loss: float = 0.0, speed: float = 1.0) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"a live world has a speed above 0, not {speed!r}")
        self.world = World(seed=seed, loss=loss)
        self._speed = speed
        self._loop: asyncio.AbstractEventLoop
        self._start_s = 0.0
        self._began = threading.Event()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(
            target=lambda: event_loops.run(self._stay(), speed=speed),
            name="tenuto-world",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._began.wait(self.START_TIMEOUT_S):
            raise RuntimeError(f"the world did not begin within {self.START_TIMEOUT_S:g} s")
        return self

    async def _stay(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._began.set()
        await self._ended.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.run(self.end(kind, error, trace), timeout_s=self.END_TIMEOUT_S * self._speed)
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(self.END_TIMEOUT_S)

    async def end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what is in it; called on leaving, on its clock."""
        await self.world.__aexit__(kind, error, trace)

    def run(self, work: Coroutine[Any, Any, _T], *, timeout_s: float = RUN_TIMEOUT_S) -> _T:
        """Run a coroutine on the world's clock to its end; see `SimulatedWorld.run`."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this code runs on the world's clock already: await it instead")
        return asyncio.run_coroutine_threadsafe(_within(work, timeout_s), self._loop).result()

    def call(self, do: Callable[[], _T]) -> _T:
        """Call a function where it may use the world's event loop."""
        if threading.current_thread() is self._thread:
            return do()

        async def work() -> _T:
            return do()

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    @property
    def now_s(self) -> float:
        """The seconds since this world began."""
        return self._loop.time() - self._start_s


async def _within(work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
    try:
        async with asyncio.timeout(timeout_s) as limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(f"it did not end within {timeout_s:g} s of simulated time") from None
