# SPDX-License-Identifier: MIT
"""When a cue is felt for which the host plays, beside the band, which plays by itself.

`python -m tests.bench.bench_hosted` plays a routine on a simulated tag and on a simulated PineTime
over the virtual radio, at the intervals that Linux gives a link and with loss, and prints a table.
Each session begins at another moment of the connection interval.  What is measured is the time from
the moment at which a cue was meant to be felt, by the log, to the device's motor.
"""

from __future__ import annotations

import asyncio
import math
import random
import tempfile
from pathlib import Path

from tenuto import event_loops
from tenuto.routines.library import Library
from tenuto_core import vocab
from tests.bench.bench_onset import tenuto_errors
from tests.bench.tools import Result, say, spread, table
from tests.hosted.rig import hosted_room

ROUTINE = "lower-back-short"
SEEDS = 20
BAND_SEEDS = 2
LOSSES = (0.0, 0.1, 0.3)
INTERVALS_MS = (30.0, 40.0, 50.0)
MODELS = {"alert": "tag (Immediate Alert)", "infinitime": "PineTime (notifications)"}


async def hosted_errors(
    folder: Path, model: str, seed: int, loss: float, interval_ms: float
) -> tuple[list[float], int]:
    """Play once; gives how much later than meant each cue was felt (ms), and how many were not."""
    path = folder / f"{model}-{seed}-{loss}-{interval_ms}.db"
    async with hosted_room(path, model, seed=seed, forced_interval_ms=interval_ms) as room:
        room.plan = Library().plan(ROUTINE, feel=room.driver._buzzer.feel)
        await asyncio.sleep(10 + random.Random(seed).random())
        room.world.radio.loss = loss
        before = len(room.device.motor.edges)
        await room.start()
        await room.seen.ended()
        player = room.driver._player
        assert player is not None
        records = [player._record(seq) for seq in range(player._log.first, player._log.next)]
        unfelt = {record.b for record in records if record and record.kind == vocab.UNFELT}
        ups = [edge.loop_s for edge in room.device.motor.edges[before:] if edge.on]
        errors = []
        for record in records:
            if record is None or record.kind != vocab.CUE or record.seq in unfelt:
                continue
            if not room.plan.plan.patterns[record.a]:
                continue
            meant_s = player._host._start_s + (record.at_ms + record.c) / 1000
            errors.append(min((up - meant_s for up in ups), key=abs) * 1000)
        return errors, len(unfelt)


async def _hosted(
    folder: Path, model: str, loss: float, interval_ms: float
) -> tuple[list[float], int]:
    errors, unfelt = list[float](), 0
    for seed in range(SEEDS):
        found, missed = await hosted_errors(folder, model, seed, loss, interval_ms)
        errors += found
        unfelt += missed
    return errors, unfelt


async def _band(folder: Path, loss: float) -> tuple[list[float], int]:
    errors: list[float] = []
    for seed in range(BAND_SEEDS):
        errors += await tenuto_errors(folder, seed, loss, gone=False, busy=False)
    return errors, 0


def measure() -> Result:
    """Give all rows, each with p50, p99 and the worst in ms, and the cues that were not felt."""
    rows: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = {f"band, {loss:.0%} loss": _band(folder, loss) for loss in LOSSES} | {
            f"{title}, {interval_ms:g} ms interval, {loss:.0%} loss": _hosted(
                folder, model, loss, interval_ms
            )
            for model, title in MODELS.items()
            for loss in LOSSES
            for interval_ms in INTERVALS_MS
        }
        for what, it in work.items():
            errors, unfelt = event_loops.run(it, speed=math.inf)
            middle_ms = sorted(errors)[len(errors) // 2]
            rows.append(
                {
                    "what": what,
                    "cues": len(errors),
                    "middle": round(middle_ms, 1),
                    **spread([abs(error) for error in errors]),
                    "unfelt": unfelt,
                }
            )
    return {"unit": "ms", "rows": rows}


def show(result: Result) -> str:
    """Give the table."""
    names = ("what", "cues", "middle", "p99", "worst", "unfelt")
    heads = ("", "cues", "middle ms", "p99 ms", "worst ms", "not felt")
    return table(heads, [[row[name] for name in names] for row in result["rows"]])


if __name__ == "__main__":
    say(show(measure()))
