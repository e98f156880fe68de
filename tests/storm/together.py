# SPDX-License-Identifier: MIT
"""Storms around a class: wearables out of reach or reset, lone pauses, a host that is killed.

What is promised: a stop for all reaches everyone in reach at once; nobody starts unasked; whoever
plays on is where the host says, as exactly as it says; afterwards a class can be started anew.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import TYPE_CHECKING

from tenuto.links.in_process import InProcessBand
from tenuto.sessions.commands import ClassCommand, ClassVerb
from tenuto.sessions.places import steps
from tenuto.sessions.unison import Standing
from tenuto_core import vocab
from tenuto_core.player import IDLE, PAUSED, RUNNING
from tests.daemon.rig import RecordingMotor, daemon_for, utc_ms
from tests.daemon.test_class import ROUTINE, RadioLink
from tests.storm import sealed
from tests.storm.rooms import records_of
from tests.storm.weather import Trouble, Weather

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.daemon.classes import Classes
    from tenuto.daemon.commands import Commands
    from tenuto.sessions.unison import Member, Unison

BANDS = 5
SLOWEST_S = (0.02, 0.1)
"""What a packet takes at most, by its link."""
STOP_S = 2.0
"""For a stop on links without loss: a packet there, and one back."""
QUIET_S = 6.0
"""Since the last trouble, for the log to be read and who is late to be brought."""
TOLD_MS = 60
"""What a step of the log may be off beyond its uncertainty: the player looks every few ms."""
LOOK_S = 0.5
CALM_S = 30.0


class Act(StrEnum):
    """What happens."""

    CLASS = "class"
    PRESS = "press"
    AWAY = "away"
    DROP = "drop"
    RESET = "reset"
    KILL_HOST = "kill_host"


_OFTEN = (Act.CLASS, Act.CLASS, Act.PRESS, Act.AWAY)
_VERBS = ("start", "start", "join", "pause", "resume", "resume", "stop")


def forecast(seed: int) -> Weather:
    """Return what happens in the storm of a seed."""
    rng = random.Random(f"class {seed}")
    troubles = [Trouble(1.0, Act.CLASS, 0.0, "start")]
    at_s = 1.0
    for _ in range(rng.randint(3, 12)):
        at_s = round(at_s + rng.choice((0.001, rng.uniform(0, 3), rng.uniform(0, 40))), 3)
        what = rng.choice(_OFTEN if rng.random() < 0.6 else tuple(Act))
        word = rng.choice(_VERBS) if what is Act.CLASS else str(rng.randint(1, BANDS))
        troubles.append(
            Trouble(at_s, what, round(rng.choice((0.5, 3.0, 30.0)) * rng.random(), 3), word)
        )
    return Weather(seed, 0.0, 0.0, {}, tuple(troubles))


class ClassStorm:
    """One storm.

    Attributes:
        sessions: How many began.
        trace: What happened, for comparing two runs.
    """

    def __init__(self, weather: Weather, folder: Path) -> None:
        self.sessions = 0
        self.trace: list[object] = []
        self._weather = weather
        self._folder = folder
        self._rng = random.Random(f"class links {weather.seed}")
        self._bands: dict[str, InProcessBand] = {}
        self._past: list[InProcessBand] = []
        self._links: dict[str, RadioLink] = {}
        self._host: AsyncExitStack | None = None
        self._daemon: Commands | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted_s: list[float] = []
        """When a class was started, or taken up, and when it was stopped, in turn."""
        self._disturbed_s = 0.0
        self._free: set[str] = set()
        """Those that a stop may not have reached: they were away, or the host was."""

    # --- the room

    async def play(self) -> None:
        """Play it; raises AssertionError for a promise that was not kept."""
        for number in range(1, BANDS + 1):
            name = f"band-{number}"
            self._bands[name] = InProcessBand(RecordingMotor(), number, name)
            slowest_s = self._rng.uniform(*SLOWEST_S)
            self._links[name] = RadioLink(self._bands[name], slowest_s, self._rng)
        await self._start_host()
        loop = asyncio.get_running_loop()
        watching = asyncio.create_task(self._watch(), name="watch")
        began_s = loop.time()
        try:
            for trouble in self._weather.troubles:
                await asyncio.sleep(max(0.0, began_s + trouble.at_s - loop.time()))
                self._check(watching)
                self._disturbed_s = loop.time()
                self.trace.append((str(trouble), self._states()))
                task = asyncio.create_task(self._do(trouble), name=str(trouble))
                self._tasks.add(task)
                if trouble.what is Act.KILL_HOST:
                    await task
            await asyncio.wait(self._tasks)
            for task in self._tasks:
                task.result()
            await self._calm_down()
            self._check(watching)
        finally:
            watching.cancel()
            if self._host is not None:
                await self._host.aclose()
            for band in self._bands.values():
                band.sleep()

    @staticmethod
    def _check(watching: asyncio.Task[None]) -> None:
        if watching.done():
            watching.result()

    async def _start_host(self) -> None:
        self._host = AsyncExitStack()
        rig = daemon_for(self._folder / "h.db", self._links, seed=self._weather.seed)
        self._daemon, _ = await self._host.enter_async_context(rig)

    @property
    def _classes(self) -> Classes | None:
        return None if self._daemon is None else self._daemon.classes

    def _states(self) -> tuple[str, ...]:
        return tuple(str(band.band.player.state) for band in self._bands.values())

    # --- what happens

    async def _do(self, trouble: Trouble) -> None:
        if trouble.what is Act.CLASS:
            await self._ask(ClassVerb(trouble.word))
            return
        if trouble.what is Act.KILL_HOST:
            await self._restart_host(trouble.value)
            return
        name = f"band-{trouble.word}"
        band, link = self._bands[name], self._links[name]
        if trouble.what is Act.PRESS:
            if band.band.player.state in (RUNNING, PAUSED):
                band.press(80)
        elif trouble.what is Act.AWAY:
            self._free.add(name)
            link.reachable = False
            link.drop()
            await asyncio.sleep(trouble.value)
            link.reachable = True
            self._disturbed_s = asyncio.get_running_loop().time()
        elif trouble.what is Act.DROP:
            self._free.add(name)
            link.drop()
        elif trouble.what is Act.RESET:
            self._free.add(name)
            band.sleep()
            self._past.append(band)
            boot_id = len(self._past) + BANDS
            self._bands[name] = link._band = InProcessBand(RecordingMotor(), boot_id, name)
            link.drop()

    async def _restart_host(self, away_s: float) -> None:
        assert self._host is not None
        self._free |= set(self._bands)
        self._daemon = None
        await self._host.aclose()
        await asyncio.sleep(away_s)
        await self._start_host()
        self._disturbed_s = asyncio.get_running_loop().time()

    async def _ask(self, verb: ClassVerb) -> None:
        loop, daemon = asyncio.get_running_loop(), self._daemon
        self._disturbed_s = loop.time()
        if daemon is None:
            return
        if verb is ClassVerb.STOP:
            there = self._in_reach()
            asked_s = loop.time()
            stopping = asyncio.create_task(daemon.submit(ClassCommand(verb=verb)), name="stop")
            await asyncio.sleep(STOP_S)
            if not self._was_started_since(asked_s):
                for name in there & self._in_reach() - self._free:
                    state = self._bands[name].band.player.state
                    assert state == IDLE, f"{name} was not stopped at once: {state}"
            await stopping
            return
        if verb is ClassVerb.START:
            self._wanted_s.append(loop.time())
        routine = ROUTINE if verb is ClassVerb.START else None
        await daemon.submit(ClassCommand(verb=verb, routine=routine))

    def _was_started_since(self, from_s: float) -> bool:
        return any(at_s >= from_s for at_s in self._wanted_s)

    def _in_reach(self) -> set[str]:
        if self._daemon is None:
            return set()
        supervisors = self._daemon.supervisors
        return {
            name
            for name, link in self._links.items()
            if link.reachable and supervisors[name].connected.is_set()
        }

    # --- what is promised

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            if loop.time() - self._disturbed_s < QUIET_S:
                continue
            self._free.clear()
            classes = self._classes
            unison = None if classes is None else classes.present
            if classes is None or unison is None:
                continue
            if unison.is_stopped:
                busy = {n for n in self._in_reach() if self._bands[n].band.player.state != IDLE}
                assert not busy, f"they play on after a stop, or start unasked: {busy}"
                continue
            now_ms = utc_ms()
            for name in self._in_reach():
                member = unison.members.get(name)
                if member is not None and classes._is_free(name):
                    self._look_at(unison, member, now_ms)

    def _look_at(self, unison: Unison, member: Member, now_ms: float) -> None:
        """Compare where it is with what the host says."""
        player = self._bands[member.wearable].band.player
        told_ms = unison.behind_ms(member, now_ms)
        is_steady = player.state == RUNNING and member.standing is Standing.PLAYING
        if told_ms is None or not is_steady or unison.paused_utc_ms is not None:
            return
        band = self._bands[member.wearable]
        before = steps(unison.plan)[: member.first + player.number]
        at_ms = sum(step.duration_ms for step in before) + player.elapsed_at(band.now_ms)
        planned_ms = steps(unison.plan)[member.first + player.number].duration_ms
        at_ms -= max(0, player.duration_ms - planned_ms)  # held longer, for all to be in step
        true_ms = now_ms - at_ms - unison.anchor_utc_ms
        off_ms = abs(true_ms - told_ms)
        assert off_ms <= member.unsure_ms + TOLD_MS, (
            f"{member.wearable} is {true_ms:.0f} ms behind, told is {told_ms}"
        )

    async def _calm_down(self) -> None:
        """Stop, and play a class once more with everybody."""
        await asyncio.sleep(CALM_S)
        assert self._daemon is not None
        await self._ask(ClassVerb.STOP)
        await asyncio.sleep(CALM_S)
        states = {name: band.band.player.state for name, band in self._bands.items()}
        assert set(states.values()) == {IDLE}, f"not all are stopped: {states}"
        await self._ask(ClassVerb.START)
        await asyncio.sleep(60)
        states = {name: band.band.player.state for name, band in self._bands.items()}
        assert set(states.values()) == {RUNNING}, f"not all play: {states}"
        bands = [*self._past, *self._bands.values()]
        self.sessions = sum(
            record.kind == vocab.SESSION_STARTED
            for band in bands
            for record in records_of(band.band.log)
        )


def play(weather: Weather) -> ClassStorm:
    """Play a weather; raises AssertionError for a promise that was not kept."""

    async def main(folder: Path) -> ClassStorm:
        storm = ClassStorm(weather, folder)
        await storm.play()
        return storm

    return sealed.run_in_folder(main, weather.seed)
