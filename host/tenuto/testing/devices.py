# SPDX-License-Identifier: MIT
"""A simulated device in the hands of a test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.links.serial import SerialLink
from tenuto.routines.library import Library
from tenuto.shipped import shipped
from tenuto.simulator.hardware import pulses
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.routines.compile import CompiledPlan
    from tenuto.simulator.controls import Controls
    from tenuto.simulator.hardware import Edge, Pulse
    from tenuto.simulator.world import SimulatedWearable

    from .worlds import SimulatedWorld


def firmware_folder() -> Path:
    """Return the folder of the firmware that came with Tenuto, to copy and change it."""
    return shipped("firmware")


class Device:
    """A simulated device of any model, what can be done to it, and what its motor did.

    What the device has no part for, such as a heart rate sensor, raises
    `tenuto.errors.InputError`. Each method may be called from ordinary code and from code that runs
    on the world's clock; what it begins goes on as time passes.

    Made by `SimulatedWorld.add_device`.

    Attributes:
        world: Where it is.
    """

    def __init__(self, world: SimulatedWorld, controls: Controls) -> None:
        self.world = world
        self._controls = controls
        self._felt_before = 0
        self._resets: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """What the world calls it."""
        return self._controls.name

    @property
    def address(self) -> str:
        """Its Bluetooth address, such as `C0:00:00:00:00:01`."""
        return self._controls.address or ""

    # --- what is felt

    @property
    def edges(self) -> list[Edge]:
        """When the motor went on, changed its strength or went off, oldest first."""
        motor = self._controls.motor
        return motor.edges[max(0, self._felt_before - motor.edges_lost) :]

    @property
    def pulses(self) -> list[Pulse]:
        """What was felt, oldest first; a pulse that has not ended is not among them."""
        return pulses(self.edges)

    def clear(self) -> None:
        """Leave out of `edges` and `pulses` what the motor did so far."""
        motor = self._controls.motor
        self._felt_before = motor.edges_lost + len(motor.edges)

    @property
    def is_buzzing(self) -> bool:
        """Whether the motor runs."""
        edges = self._controls.motor.edges
        return bool(edges) and edges[-1].on

    # --- what its wearer does

    def press(self, held_ms: float = 80.0, *, after_s: float = 0.0) -> None:
        """Press its button for `held_ms`, beginning `after_s` from now."""
        self._do(lambda: self._controls.press(held_ms, after_ms=after_s * 1000))

    def double_press(self, *, after_s: float = 0.0) -> None:
        """Press its button twice."""
        self._do(lambda: self._controls.gesture("double", after_ms=after_s * 1000))

    def long_press(self, *, after_s: float = 0.0) -> None:
        """Hold its button down for 1.5 s."""
        self._do(lambda: self._controls.gesture("long", after_ms=after_s * 1000))

    def let_in(self, *, after_s: float = 0.0) -> None:
        """Let a new host in, as a band's wearer does: press, press, hold."""
        self._do(lambda: self._controls.gesture("pair", after_ms=after_s * 1000))

    def heart_rate(self, bpm: float | None) -> None:
        """Give its wearer a steady heart, 30 to 220 beats a minute; None takes it off."""
        self._do(lambda: self._controls.heart(bpm))

    # --- what happens to it

    def silence(self, duration_s: float, *, after_s: float = 0.0) -> None:
        """Let it and everybody hear nothing of each other for a while."""
        self._do(lambda: self._controls.silence(duration_s, after_s=after_s))

    def walk_away(self) -> None:
        """Take it out of everybody's reach, until `walk_back`."""
        self._do(self._controls.walk_away)

    def walk_back(self) -> None:
        """Bring it into reach again."""
        self._do(self._controls.walk_back)

    def reset(self) -> None:
        """Cut its power and switch it on; it is up again a moment later, as time passes."""

        def begin() -> None:
            task = asyncio.create_task(self._controls.reset(), name=f"{self.name} resets")
            self._resets.add(task)
            task.add_done_callback(self._resets.discard)

        self._do(begin)

    def _do(self, what: Callable[[], object]) -> None:
        self.world.call(lambda: (what(), None)[1])


class Band(Device):
    """A simulated Tenuto band, which is the real firmware; see `Device`.

    Made by `SimulatedWorld.add_band`.
    """

    def __init__(self, world: SimulatedWorld, controls: Controls, worn: SimulatedWearable) -> None:
        super().__init__(world, controls)
        self._worn = worn
        self._keys = KeyStore(None)

    @property
    def lets_in(self) -> bool:
        """Whether its wearer lets in each new host that connects, by the gesture; it does."""
        return self._worn.lets_in

    @lets_in.setter
    def lets_in(self, lets_in: bool) -> None:
        self._worn.lets_in = lets_in

    @property
    def printed(self) -> str:
        """The newest lines that its firmware has printed."""
        return "\n".join(self._worn.board.stdout)

    @property
    def is_playing(self) -> bool:
        """Whether a session goes on, paused or not."""
        return bool(self._worn.app.band.is_playing)

    def battery(self, level_pct: float) -> None:
        """Fill or empty its battery, 0 to 100."""
        self._do(lambda: self._controls.battery(level_pct))

    def load(self, routine: str = "lower-back-short") -> CompiledPlan:
        """Put a routine onto it, by cable; a press then begins it.

        Args:
            routine: The name of one that comes with Tenuto.

        Returns:
            The plan that it has now.

        Raises:
            InputError: There is no such routine.
        """
        return self.world.run(self.loaded(routine))

    def run_until_idle(self, plan: CompiledPlan) -> None:
        """Let time pass until the session of a plan is over.

        Raises:
            TimeoutError: It goes on for longer than the plan, by a minute.
        """
        limit_s = plan.plan.duration_ms / 1000 + 60
        self.world.until(lambda: not self.is_playing, timeout_s=limit_s)

    async def loaded(self, routine: str = "lower-back-short") -> CompiledPlan:
        """Put a routine onto it; see `load`."""
        compiled = Library().plan(routine)
        link = SerialLink("cable", self._worn.cable.open)
        driver = BandDriver(link, keys=self._keys.of(self.name), by_cable=True)
        await driver.connect(lambda: None)
        try:
            await driver.upload(compiled.plan_id, compiled.data)
        finally:
            await driver.disconnect()
        return compiled
