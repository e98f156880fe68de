# SPDX-License-Identifier: MIT
"""How many seconds of session a second of wall time plays, in virtual time.

`python -m tests.bench.bench_speed`: the core alone; then the host, bleak, the virtual radio and the
firmware with one wearable and with fifty.
"""

from __future__ import annotations

import asyncio
import io
import math
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tenuto import timebase
from tenuto.app import Setting, open_host
from tenuto.commands import Command, Verb
from tenuto.config import Config, History, Mqtt, Wearable
from tenuto.events import SessionEnded
from tenuto.resources import Library
from tenuto_core import vocab
from tests.bench.tools import Result, cpu_s, say, table
from tests.core.rig import Wrist
from tests.daemon.rig import Collector

if TYPE_CHECKING:
    from collections.abc import Callable

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


async def stack(folder: Path, wearables: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Play a session on each wearable at once; gives the wearable-seconds and the clock's."""
    setting = Setting(
        config=Config(
            mqtt=Mqtt(url="off"),
            history=History(path=folder / f"{wearables}.db"),
            wearables=tuple(Wearable(id=f"band-{n}", link="simulated") for n in range(wearables)),
        ),
        speed=math.inf,
        mqtt=False,
        console=Console(file=io.StringIO()),
        say=lambda _text: None,
        seed=1,
    )
    seen = Collector()
    async with open_host(setting, setting.config.wearables, [seen]) as host, host.running():
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
        for name in host.daemon.keepers:
            await seen.until(partial(_is_end, name))
        await host.flush()
        return (loop.time() - start_s) * wearables, clock() - begin_s


def _is_end(wearable: str, entry: Entry) -> bool:
    return entry.session.wearable == wearable and isinstance(entry.event, SessionEnded)


def measure() -> Result:
    """Give seconds of session per second, of the wall and of processor time, for each case."""
    session_s, took_s = core()
    rows = [{"what": "core alone", "goal": 50_000, "speed": round(session_s / took_s)}]
    with tempfile.TemporaryDirectory() as name:
        for wearables, goal in ((1, 1_000), (50, 2_500)):
            speeds = [
                played / took
                for clock in (time.perf_counter, cpu_s)
                for played, took in [
                    timebase.run(stack(Path(name), wearables, clock), speed=math.inf)
                ]
            ]
            what = f"host, bleak, virtual radio and firmware, {wearables} wearable(s)"
            rows.append(
                {"what": what, "goal": goal, "speed": round(speeds[0]), "cpu": round(speeds[1])}
            )
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
