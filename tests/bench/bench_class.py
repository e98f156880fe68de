# SPDX-License-Identifier: MIT
"""How far apart the same cue is felt over a class: `python -m tests.bench.bench_class [COUNT]`.

A hundred simulated bands, all of the firmware, on the virtual clock: their clocks are off by up to
50 ppm, each link has an interval of its own between 30 and 50 ms whatever the firmware asks for,
one transmission in ten is lost, and the adapter carries seven links at once.  They play half an
hour together; where the table says so the radio is gone from the start on, so that nothing can be
put right on the way.

The times are those of the motors' edges on the host's clock, of those who began together.
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto import event_loops
from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.routines.library import Library
from tenuto.sessions.commands import ClassCommand, ClassVerb
from tenuto.shipped import shipped
from tenuto.simulator import VirtualPerson, World
from tenuto.simulator.hardware import EDGES_MAX
from tenuto.simulator.radio import Radio
from tenuto.state.clocks import ClockStore
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tenuto.wearables.link_slots import LinkSlots
from tests.bench.tools import Result, percentile, say, table
from tests.daemon.rig import daemon_for, utc_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bumble import ll

    from tenuto.daemon.classes import Classes
    from tenuto.daemon.commands import Commands
    from tenuto.routines.compile import CompiledPlan
    from tenuto.simulator import SimulatedWearable
    from tenuto.simulator.controller import VirtualController

COUNT = 100
LINKS = 7
LOSS = 0.1
DRIFT_PPM_MAX = 50.0
INTERVALS_MS = (30.0, 50.0)
ALIKE_MS = 34.0
"""What skin can order."""
ROUTINE = "class"
EXERCISES = 20
HOLD_S, CHANGE_S = 78, 12


def routine(exercises: int = EXERCISES) -> str:
    """Return a routine, half an hour long with 20 exercises."""
    parts = [f'name = "{ROUTINE}"\ntitle = "Class"\n[defaults]\nchange_s = {CHANGE_S}\n']
    parts += [
        f'[[exercise]]\nname = "Stretch {number}"\nsides = "together"\nhold_s = {HOLD_S}\n'
        for number in range(1, exercises + 1)
    ]
    return "\n".join(parts)


@dataclass
class Class:
    """A class in one room."""

    world: World
    daemon: Commands
    plan: CompiledPlan

    @property
    def classes(self) -> Classes:
        """What carries it out."""
        assert self.daemon.classes is not None
        return self.daemon.classes

    @property
    def bands(self) -> Mapping[str, SimulatedWearable]:
        """The bands."""
        return self.world.wearables

    async def met(self) -> None:
        """Wait until each was reached once."""
        for supervisor in self.daemon.supervisors.values():
            with supervisor.wanted():
                await supervisor.connected.wait()

    async def ask(self, verb: ClassVerb) -> str:
        """Ask something of the class."""
        answer = await self.daemon.submit(ClassCommand(verb=verb, routine=ROUTINE))
        if not answer.ok:
            raise RuntimeError(f"{verb}: {answer.text}")
        return answer.text

    async def start(self) -> tuple[float, int]:
        """Start, and wait until it begins; gives how long that took in s, and how many begin."""
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        await self.ask(ClassVerb.START)
        while self.classes.status().state == "ready":  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
        rows = self.classes.status().members
        return loop.time() - asked_s, sum(row["standing"] in ("ready", "playing") for row in rows)

    async def over(self) -> None:
        """Wait until all have played and told of it."""
        while self.classes.status().state not in ("ended", "stopped"):  # noqa: ASYNC110
            await asyncio.sleep(1)

    def felt_s(self, from_s: float) -> dict[str, list[float]]:
        """When each motor went on, on the host's clock."""
        return {
            name: [edge.loop_s for edge in band.motor.edges if edge.on and edge.loop_s >= from_s]
            for name, band in self.bands.items()
        }


def interval_of(address: str) -> float:
    """Return the interval of a link in ms."""
    low, high = INTERVALS_MS
    return 1.25 * random.Random(address).randint(round(low / 1.25), round(high / 1.25))


class FixedIntervals(Radio):
    """A radio whose centrals grant nobody another interval than the link's own."""

    def _connect(self, central: VirtualController, request: ll.ConnectInd) -> None:
        super()._connect(central, request)
        for link, _ in self._links.values():
            link.interval_s = interval_of(str(link.addresses[1])) / 1000
            link.change_interval = _stays  # type: ignore[method-assign]


def _stays(interval_s: float, supervision_s: float) -> None:
    """Change nothing."""


@asynccontextmanager
async def class_of(
    folder: Path, count: int, *, seed: int = 1, links: int = LINKS, exercises: int = EXERCISES
) -> AsyncIterator[Class]:
    """A class of bands that were never met."""
    (folder / f"{ROUTINE}.toml").write_text(routine(exercises))
    plan = Library(folder).plan(ROUTINE)
    dice = random.Random(seed)
    keys, drivers = KeyStore(None), dict[str, BandDriver]()
    async with World(seed=seed, loss=LOSS, edges_max=EDGES_MAX) as air, AsyncExitStack() as on:
        air.radio = FixedIntervals(seed=seed, loss=LOSS)
        adapter = BleAdapter(radio_of(await air.adapter()), name="simulated")
        on.push_async_callback(adapter.close)
        for number in range(1, count + 1):
            band = await air.add_wearable(
                f"band-{number}",
                firmware_dir=shipped("firmware"),
                person=VirtualPerson(seed=seed + number, start_bpm=None),
                drift_ppm=dice.uniform(-DRIFT_PPM_MAX, DRIFT_PPM_MAX),
            )
            link = BleLink(adapter, band.address)
            drivers[band.id] = BandDriver(link, keys=keys.of(band.id), utc_ms=utc_ms)
        clocks, slots = ClockStore(folder / "clocks.json"), LinkSlots("simulated", links)
        rig = daemon_for(
            folder / "h.db", drivers, seed=seed, slots=slots, skews=clocks, compiled=plan
        )
        daemon, _ = await on.enter_async_context(rig)
        yield Class(air, daemon, plan)


def aligned(felt_s: Mapping[str, list[float]]) -> list[tuple[float, ...]]:
    """Return each cue as the times at which it was felt; of those who felt all of them."""
    most = max(map(len, felt_s.values()))
    return list(zip(*(times for times in felt_s.values() if len(times) == most), strict=True))


def row(what: str, it: Class, from_s: float, began: tuple[float, int]) -> Result:
    """Return a row of the table."""
    cues = aligned(it.felt_s(from_s))
    off_ms = [1000 * abs(at - statistics.median(times)) for times in cues for at in times]
    spreads_ms = [1000 * (max(times) - min(times)) for times in cues]
    return {
        "what": what,
        "began": began[1],
        "after_s": round(began[0]),
        "cues": len(cues),
        "off_p99": round(percentile(off_ms, 0.99), 1),
        "first": round(spreads_ms[0], 1),
        "p50": round(percentile(spreads_ms, 0.5), 1),
        "worst": round(max(spreads_ms), 1),
    }


async def play(it: Class, what: str, *, gone: bool) -> Result:
    """Play once; gone: without a radio from the start on."""
    began = await it.start()
    from_s = asyncio.get_running_loop().time() - 1
    silence = it.world.radio.silence() if gone else None
    await it.over()
    if silence is not None:
        silence.end()
    return row(what, it, from_s, began)


async def lessons(folder: Path, count: int) -> list[Result]:
    """Play again and again with the same bands."""
    rows = []
    async with class_of(folder, count) as it:
        await it.met()
        rows.append(await play(it, "met for the first time, radio gone", gone=True))
        await it.met()
        await asyncio.sleep(1_800)
        rows.append(await play(it, "second class, radio gone", gone=True))
        await it.met()
        await asyncio.sleep(1_800)
        rows.append(await play(it, "third class, radio gone", gone=True))
        await it.met()
        rows.append(await play(it, "fourth class, radio there", gone=False))
    return rows


def measure(count: int = COUNT) -> Result:
    """Give all rows."""
    with tempfile.TemporaryDirectory() as name:
        return {"count": count, "rows": event_loops.run(lessons(Path(name), count), speed=math.inf)}


def show(result: Result) -> str:
    """Give the table."""
    names = ("what", "began", "after_s", "cues", "off_p99", "first", "p50", "worst")
    heads = (
        f"{result['count']} bands",
        "began together",
        "asked so long before, s",
        "cues",
        "from the middle of the class p99 ms",
        *("first to last: first cue ms", "p50 ms", "worst cue ms"),
    )
    return table(heads, [[row[name] for name in names] for row in result["rows"]])


if __name__ == "__main__":
    say(show(measure(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)))
