# SPDX-License-Identifier: MIT
"""The measurement of `tenuto cues strength`, and how its result is shown."""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tenuto import event_loops
from tenuto.cues.threshold import MOVING, RESTING, TRIALS, Threshold, empty_trials
from tenuto.cues.trials import strength_plan
from tenuto.daemon.doors import open_door
from tenuto.daemon.operations import PREFER, RUN, Prefer
from tenuto.daemon.play import Run
from tenuto.routines.adjust import STRENGTH_PCT
from tenuto.sessions.events import CueFired, Unfelt
from tenuto.simulator.perception import Perceiver

from .common import signals
from .keys import keys
from .prompt import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.config import Wearable
    from tenuto.daemon.build import Setting
    from tenuto.daemon.doors import Door
    from tenuto.sessions.events import Entry

_WAIT_MS = (1_500, 4_000)


class Measuring:
    """One measurement.

    Args:
        worn: The wearable.
        person: Makes the simulated person who answers, None for one at the keys.
        seed: Of the chance in it.
    """

    def __init__(self, worn: Wearable, person: int | None, seed: int | None) -> None:
        self.threshold = Threshold()
        self._worn = worn
        self._rng = random.Random(seed)  # noqa: S311 - nobody has to be kept from guessing it
        made = None if person is None else Perceiver.some(random.Random(person))  # noqa: S311
        self._person = made
        self._is_pressed = False
        self._is_given = False

    def run(self, setting: Setting) -> bool:
        """Make all trials; return False if it was ended before."""
        print(f"{TRIALS} trials. Press a key whenever you feel a buzz. Ctrl-C ends it.")
        return event_loops.run(self._run(setting), speed=setting.speed)

    async def _run(self, setting: Setting) -> bool:
        gone = asyncio.Event()
        reading = nullcontext() if self._person is not None else keys(self._press)
        async with open_door(setting, self._worn) as door:
            with signals(gone.set), reading:
                for is_empty in empty_trials(TRIALS, self._rng):
                    if not await self._try(door, gone, is_empty=is_empty):
                        return False
        print()
        return True

    async def _try(self, door: Door, gone: asyncio.Event, *, is_empty: bool) -> bool:
        strength_pct = 0 if is_empty else self.threshold.next_pct
        plan = strength_plan(strength_pct, self._rng.randint(*_WAIT_MS))
        self._is_pressed = self._is_given = False
        asked = Run(wearable=self._worn.id, plan=plan)
        ended = await door.call(RUN, asked, Terminal(self._tell, gone))
        if ended.reason != "finished":
            return False
        if self._person is not None:
            self._is_pressed = self._rng.random() < self._person.feels(strength_pct)
        if is_empty or self._is_given:
            self.threshold.take(strength_pct, felt=self._is_pressed)
        print(".", end="", flush=True)
        return True

    def _press(self, _key: str) -> None:
        self._is_pressed = True

    async def _tell(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry.event, CueFired):
                # What was pressed before the buzz was no answer to it.
                self._is_given, self._is_pressed = True, False
            elif isinstance(entry.event, Unfelt):
                self._is_given = False

    def set_strength(self, setting: Setting, strength_pct: int) -> str:
        """Set the strength of the wearable; return what was said about it."""

        async def prefer() -> str:
            async with open_door(setting, self._worn) as door:
                wanted = Prefer(wearable=self._worn.id, strength=strength_pct)
                return (await door.call(PREFER, wanted, Terminal())).text

        return event_loops.run(prefer(), speed=setting.speed)


def show_estimate(threshold: Threshold) -> int | None:
    """Print a result, and return the strength that is advised, None without one."""
    print(f"Felt where nothing buzzed: {threshold.false_alarms} of {threshold.empty}")
    found = threshold.estimate()
    if found is None:
        print("More than a third of the empty trials were felt, so there is no result.")
        print("Try again in quiet, and press only when you are sure.")
        return None
    interval = f"[{found.low_pct:.0f}, {found.high_pct:.0f}]"
    print(f"Threshold: {found.pct:.0f} % of the motor's strength {interval}")
    advised = []
    for what, times in (("resting", RESTING), ("moving", MOVING)):
        pct = found.advised_pct(times)
        words = (
            "more than this motor has; wear it tighter or elsewhere" if pct is None else f"{pct} %"
        )
        print(f"Advised strength {what}, {times:g} times its upper bound: {words}")
        advised.append(pct)
    strength_pct = min(100, max(STRENGTH_PCT[0], advised[1] or 100))
    print(f"`--apply`, or `strength` on the page Wearables, sets it: {strength_pct} %.")
    return strength_pct
