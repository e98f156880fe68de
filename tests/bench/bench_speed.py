# SPDX-License-Identifier: MIT
"""How many seconds of session a second of wall time plays, in virtual time.

`python -m tests.bench.bench_speed [ROUNDS]`: the core alone; then the host, bleak, the virtual
radio and the firmware with one wearable and with fifty; then bare bumble with the packets of the
fifty.  All that in rounds, of which the fastest counts for each: what else a computer does can only
slow it down.  The share of the core's speed, and what bare bumble takes, are those of the same
round, and of these the middle one.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from operator import truediv
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tenuto import event_loops
from tenuto.config import Config, History, Mqtt, Wearable
from tenuto.daemon.build import Setting, open_host
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import SessionEnded
from tenuto_core import vocab
from tests.bench import bare_bumble
from tests.bench.tools import Result, say, table
from tests.core.rig import Wrist

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.daemon.sinks import Sink
    from tenuto.sessions.events import Entry

ROUTINE = "lower-back"
CORE_SESSIONS = 300
MANY = 50
ROUNDS = 5
CONNECT_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Played:
    """How long the sessions lasted in all, and how long that took.

    wall_s, cpu_s: by the wall's clock and in processor time.  syncs_per_s: of the disk, for a
    second of session.
    """

    wearable_s: float
    wall_s: float
    cpu_s: float
    syncs_per_s: float = 0.0


class Stopwatch:
    """Begins at once."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def played(self, wearable_s: float, syncs_per_s: float = 0.0) -> Played:
        """Say what has been played since the beginning."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        return Played(wearable_s, wall_s - self._wall_s, cpu_s - self._cpu_s, syncs_per_s)


def core() -> Played:
    """Play sessions on the core alone."""
    data = Library().plan(ROUTINE).data
    watch = Stopwatch()
    session_ms = 0
    for _ in range(CORE_SESSIONS):
        wrist = Wrist(data)
        start_ms = wrist.now_ms
        wrist.do(vocab.START)
        wrist.run_out()
        session_ms += wrist.now_ms - start_ms
    return watch.played(session_ms / 1000)


class Ends:
    """A sink that waits for the end of each session."""

    name = "ends"

    def __init__(self, sessions: int) -> None:
        self.all_ended = asyncio.Event()
        self._left = sessions

    async def open(self) -> None:
        pass

    async def handle(self, entries: Sequence[Entry]) -> None:
        self._left -= sum(isinstance(entry.event, SessionEnded) for entry in entries)
        if self._left <= 0:
            self.all_ended.set()

    async def close(self) -> None:
        pass


class Counted:
    """A sink that counts the batches of another: the history syncs the disk once for each."""

    name = "counted"

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.batches = 0

    async def open(self) -> None:
        await self._sink.open()

    async def handle(self, entries: Sequence[Entry]) -> None:
        self.batches += 1
        await self._sink.handle(entries)

    async def close(self) -> None:
        await self._sink.close()


async def stack(
    folder: Path, wearables: int, *, history: bool, packets: list[bare_bumble.Packet] | None = None
) -> Played:
    """Play a session on each wearable at once.

    history: keep it on disk.  packets: what has been noted, of which only the sessions are kept.
    """
    setting = Setting(
        config=Config(
            mqtt=Mqtt(url="off"),
            history=History(path=folder / f"{wearables}-{history}.db"),
            wearables=tuple(Wearable(id=f"band-{n}", link="simulated") for n in range(wearables)),
        ),
        speed=math.inf,
        mqtt=False,
        say=lambda _text: None,
        seed=1,
    )
    ends = Ends(wearables)
    async with open_host(setting, setting.config.wearables, [ends]) as host, host.running():
        queue = host._queues[0]
        queue._sink = kept = Counted(queue._sink if history else Ends(1))
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            for supervisor in host.hub.supervisors.values():
                await supervisor.connected.wait()
        loop = asyncio.get_running_loop()
        start_s, watch = loop.time(), Stopwatch()
        if packets is not None:
            packets.clear()
        for name in host.hub.supervisors:
            answer = await host.commands.submit(
                Command(wearable=name, verb=Verb.START, routine=ROUTINE)
            )
            if not answer.ok:
                raise RuntimeError(f"{name}: {answer.text}")
        await ends.all_ended.wait()
        await host.flush()
        lasted_s = loop.time() - start_s
        return watch.played(lasted_s * wearables, kept.batches / lasted_s)


def case(wearables: int, *, history: bool) -> Played:
    """Play the whole stack once."""
    with tempfile.TemporaryDirectory() as name:
        return event_loops.run(stack(Path(name), wearables, history=history), speed=math.inf)


def same_packets(wearables: int) -> list[bare_bumble.Packet]:
    """Give what goes over the air while all play."""
    with tempfile.TemporaryDirectory() as name, bare_bumble.noted() as packets:
        work = stack(Path(name), wearables, history=False, packets=packets)
        event_loops.run(work, speed=math.inf)
    return packets


def bare(packets: Sequence[bare_bumble.Packet]) -> Played:
    """Send these packets with bumble alone."""
    watch = Stopwatch()
    cpu_s = event_loops.run(bare_bumble.replay(packets), speed=math.inf)
    played = watch.played(packets[-1].at_s - packets[0].at_s)
    wearables = len({packet.wearable for packet in packets})
    return replace(played, wearable_s=played.wearable_s * wearables, cpu_s=cpu_s)


def measure(rounds: int = ROUNDS) -> Result:
    """Give seconds of session per second, of the wall and of processor time, for each case."""
    packets = same_packets(MANY)
    cases: list[tuple[str, int | None, Callable[[], Played]]] = [("core alone", 50_000, core)]
    for wearables, per_s in ((1, 1_000), (MANY, 2_500)):
        for history in (True, False):
            kept = "with" if history else "without"
            what = f"host, bleak, radio and firmware, {wearables} wearable(s), {kept} history"
            cases.append((what, per_s, partial(case, wearables, history=history)))
    floor = f"bare bumble, the packets of {MANY} wearables"
    cases.append((floor, None, partial(bare, packets)))
    found = [[play() for _, _, play in cases] for _ in range(rounds)]
    cores = [one.wearable_s / one.cpu_s for one, *_ in found]
    floors = [one.cpu_s / one.wearable_s for *_, one in found]
    rows = []
    for (what, goal, _), played in zip(cases, zip(*found, strict=True), strict=True):
        speeds = [one.wearable_s / one.cpu_s for one in played]
        walls = sorted(one.wearable_s / one.wall_s for one in played)
        row = {
            "what": what,
            "goal": goal,
            "speed": round(walls[-1]),
            "slowest": round(walls[0]),
            "cpu": round(max(speeds)),
            "share": round(median(map(truediv, speeds, cores)), 5),
        }
        if f"{MANY} wearable" in what:
            costs = [one.cpu_s / one.wearable_s for one in played]
            row["against_floor"] = round(median(map(truediv, costs, floors)), 2)
        if "with history" in what:
            row["syncs_per_s"] = round(played[0].syncs_per_s, 1)
        rows.append(row)
    return {"unit": "wearable-seconds per second", "rounds": rounds, "rows": rows}


def show(result: Result) -> str:
    """Give the table."""
    heads = (
        *("", "goal", "per second of wall", "in the slowest round", "per second of processor"),
        *("of the core's speed", "processor time against bare bumble"),
        "syncs of the disk a second of session",
    )
    return table(
        heads,
        [
            (
                row["what"],
                row["goal"] or "",
                row["speed"],
                row["slowest"],
                row["cpu"],
                f"{row['share']:.2%}",
                row.get("against_floor", ""),
                row.get("syncs_per_s", ""),
            )
            for row in result["rows"]
        ],
    )


if __name__ == "__main__":
    say(show(measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)))
