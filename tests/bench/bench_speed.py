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


async def stack(
    folder: Path, wearables: int, clock: Callable[[], float], *, history: bool
) -> tuple[float, float]:
    """Play a session on each wearable at once; gives the wearable-seconds and the clock's.

    history: keep it on disk, which takes a sync for each record, as virtual time is never busy.
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
        if not history:
            host._outlets[0]._sink = Ends(1)
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
        return (loop.time() - start_s) * wearables, clock() - begin_s


def measure() -> Result:
    """Give seconds of session per second, of the wall and of processor time, for each case."""
    session_s, took_s = core()
    rows = [{"what": "core alone", "goal": 50_000, "speed": round(session_s / took_s)}]
    with tempfile.TemporaryDirectory() as name:
        for wearables, goal in ((1, 1_000), (50, 2_500)):
            for history in (True, False):
                speeds = [
                    played / took
                    for clock in (time.perf_counter, time.process_time)
                    for played, took in [
                        timebase.run(
                            stack(Path(name), wearables, clock, history=history), speed=math.inf
                        )
                    ]
                ]
                kept = "with" if history else "without"
                what = f"host, bleak, radio and firmware, {wearables} wearable(s), {kept} history"
                wall, cpu = map(round, speeds)
                rows.append({"what": what, "goal": goal, "speed": wall, "cpu": cpu})
    return {"unit": "wearable-seconds per second", "rows": rows}


def show(result: Result) -> str:
    """Give the table."""
    heads = ("", "goal", "per second of wall", "per second of processor")
    return table(
        heads,
        [
            (row["what"], row["goal"], row["speed"], row.get("cpu", row["speed"]))
            for row in result["rows"]
        ],
    )


if __name__ == "__main__":
    say(show(measure()))
