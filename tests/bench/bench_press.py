# SPDX-License-Identifier: MIT
"""How long a press in Home Assistant takes to the wearable: `python -m tests.bench.bench_press`.

One press in the middle of a long hold, when nothing was said for a while and the connection is slow
to save the battery.  On the virtual radio, from the moment at which the daemon has the command to
the moment at which the wearable's player obeys.
"""

from __future__ import annotations

import asyncio
import math
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto import event_loops
from tenuto.daemon.commands import MQTT
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import StepStarted
from tests.bench.tools import Result, percentile, say, spread, table
from tests.chain.rig import chain

if TYPE_CHECKING:
    from tests.chain.rig import Chain

ROUTINE = "lower-back-60"
SEEDS = 40
QUIET_S = 20.0
"""Into a hold of a minute: the connection has become slow by then."""
LOOK_S = 0.0005
VERBS = {Verb.TOGGLE: "*Pause or resume*", Verb.STOP: "*Stop*"}


async def press(it: Chain, verb: Verb) -> tuple[float, float]:
    """Ask for something; return how long it took in ms, and the interval of the connection."""
    player, loop = it.wearable.app.band.player, asyncio.get_running_loop()
    (connection,) = it.wearable.app.ble._radio.connections
    interval_ms, before = connection.connection_interval, player.state
    began_s = loop.time()
    asking = asyncio.create_task(
        it.host.commands.submit(Command(wearable="simulated", verb=verb), MQTT), name="press"
    )
    while player.state == before:  # noqa: ASYNC110 - the firmware tells nobody
        await asyncio.sleep(LOOK_S)
    took_ms = (loop.time() - began_s) * 1000
    answer = await asking
    if not answer.ok:
        raise RuntimeError(answer.text)
    return took_ms, interval_ms


async def session(path: Path, seed: int, verb: Verb) -> tuple[float, float]:
    """Play until the first hold, and press once in it; see `press`."""
    async with chain(path, seed) as it:
        async with asyncio.timeout(600):
            await it.host.hub.supervisors["simulated"].connected.wait()
        start = Command(wearable="simulated", verb=Verb.START, routine=ROUTINE)
        answer = await it.host.commands.submit(start, MQTT)
        if not answer.ok:
            raise RuntimeError(answer.text)
        await it.seen.until(
            lambda entry: isinstance(entry.event, StepStarted) and entry.event.kind == "hold"
        )
        await asyncio.sleep(QUIET_S + random.Random(seed).uniform(0, 1))
        return await press(it, verb)


def measure() -> Result:
    """Give how long each press took, in ms."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for verb, what in VERBS.items():
            found = [
                event_loops.run(
                    session(Path(name) / f"{verb}-{seed}.db", seed, verb), speed=math.inf
                )
                for seed in range(SEEDS)
            ]
            rows.append(
                {
                    "what": what,
                    "presses": len(found),
                    "interval_ms": percentile([interval_ms for _, interval_ms in found], 0.5),
                    **spread([took_ms for took_ms, _ in found]),
                }
            )
    return {"unit": "ms", "rows": rows}


def show(result: Result) -> str:
    """Give the table."""
    names = ("what", "presses", "interval_ms", "p50", "p99", "worst")
    heads = ("", "presses", "interval ms", "p50 ms", "p99 ms", "worst ms")
    return table(heads, [[row[name] for name in names] for row in result["rows"]])


if __name__ == "__main__":
    say(show(measure()))
