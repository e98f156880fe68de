# SPDX-License-Identifier: MIT
"""How many seconds of session a second of wall time plays, in virtual time.

`python -m tests.bench.bench_speed`: the core alone; then the host, bleak, the virtual radio and the
firmware with one wearable and with fifty.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto import timebase
from tenuto.app import Setting, open_host
from tenuto.commands import Command, Verb
from tenuto.config import Config, History, Mqtt, Wearable
from tenuto.events import SessionEnded
from tenuto.resources import Library
from tenuto_core import vocab
from tests.bench.tools import Result, say, table
from tests.core.rig import Wrist

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.events import Entry
    from tenuto.outlets import Sink

ROUTINE = "lower-back"
CORE_SESSIONS = 300
CONNECT_TIMEOUT_S = 3600.0


def core() -> tuple[float, float]:
    """Play sessions on the core alone; gives the seconds of session and the wall's."""
    data = Library().plan(ROUTINE).data
    begin_s = time.perf_counter()
    session_ms = 0
    for _ in range(CORE_SESSIONS):
        wrist = Wrist(data)
        start_ms = wrist.now_ms
        wrist.do(vocab.START)
        wrist.run_out()
        session_ms += wrist.now_ms - start_ms
    return session_ms / 1000, time.perf_counter() - begin_s


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


@dataclass(frozen=True)
class Played:
    """How long the sessions lasted in all, how long that took, and syncs for a second of session.

    took_s: by the clock that was asked for.
    """

    wearable_s: float
    took_s: float
    syncs_per_s: float

    @property
    def speed(self) -> int:
        return round(self.wearable_s / self.took_s)


async def stack(
    folder: Path, wearables: int, clock: Callable[[], float], *, history: bool
) -> Played:
    """Play a session on each wearable at once.

    history: keep it on disk.
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
        outlet = host._outlets[0]
        outlet._sink = kept = Counted(outlet._sink if history else Ends(1))
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            for keeper in host.daemon.keepers.values():
                await keeper.connected.wait()
        loop = asyncio.get_running_loop()
        start_s, begin_s = loop.time(), clock()
        for name in host.daemon.keepers:
            answer = await host.daemon.submit(
                Command(wearable=name, verb=Verb.START, routine=ROUTINE)
            )
            if not answer.ok:
                raise RuntimeError(f"{name}: {answer.text}")
        await ends.all_ended.wait()
        await host.flush()
        lasted_s = loop.time() - start_s
        return Played(lasted_s * wearables, clock() - begin_s, kept.batches / lasted_s)


def measure() -> Result:
    """Give seconds of session per second, of the wall and of processor time, for each case."""
    session_s, took_s = core()
    rows = [{"what": "core alone", "goal": 50_000, "speed": round(session_s / took_s)}]
    with tempfile.TemporaryDirectory() as name:
        for wearables, goal in ((1, 1_000), (50, 2_500)):
            for history in (True, False):
                wall, cpu = (
                    timebase.run(
                        stack(Path(name), wearables, clock, history=history), speed=math.inf
                    )
                    for clock in (time.perf_counter, time.process_time)
                )
                kept = "with" if history else "without"
                what = f"host, bleak, radio and firmware, {wearables} wearable(s), {kept} history"
                row = {"what": what, "goal": goal, "speed": wall.speed, "cpu": cpu.speed}
                if history:
                    row["syncs_per_s"] = round(wall.syncs_per_s, 1)
                rows.append(row)
    return {"unit": "wearable-seconds per second", "rows": rows}


def show(result: Result) -> str:
    """Give the table."""
    heads = (
        *("", "goal", "per second of wall", "per second of processor"),
        "syncs of the disk a second of session",
    )
    return table(
        heads,
        [
            (
                row["what"],
                row["goal"],
                row["speed"],
                row.get("cpu", row["speed"]),
                row.get("syncs_per_s", ""),
            )
            for row in result["rows"]
        ],
    )


if __name__ == "__main__":
    say(show(measure()))
