# SPDX-License-Identifier: MIT
"""What the largest plan and a player's step take on MicroPython, and a session on the air.

`python -m tests.bench.bench_device`.  The interpreter is MicroPython for Linux, whose objects have
twice the size that they have on a board and whose processor is many times faster: bytes are an
upper bound, times only compare with each other.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import tempfile
from pathlib import Path

from tenuto import timebase
from tenuto.commands import Command, Verb
from tenuto.events import SessionEnded
from tenuto.resources import Library
from tenuto_core.plan import MAX_BYTES
from tests.bench.bench_onset import alert, planned, tag
from tests.bench.tools import Result, say, table
from tests.chain.rig import chain
from tests.conftest import ROOT, part

ROUTINE = "lower-back-60"
SCRIPT = Path(__file__).with_name("on_micropython.py")


def on_micropython() -> Result:
    """Run the script there; gives what it says."""
    with tempfile.TemporaryDirectory() as name:
        plan = Path(name) / "plan"
        plan.write_bytes(Library().plan(ROUTINE).data)
        told = subprocess.run(
            [part("micropython"), "-X", "heapsize=256k", SCRIPT, plan],
            env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    found: Result = json.loads(told.stdout)
    return found


async def tenuto_air(folder: Path) -> Result:
    """Count what goes over the air for one session: upload, start and the whole log."""
    async with chain(folder / "air.db") as it:
        async with asyncio.timeout(600):
            await it.host.daemon.keepers["simulated"].connected.wait()
        (link,) = [s for s in it.world.radio._statistics.values() if s.data_pdus]
        before = link.data_pdus, link.data_bytes
        await it.host.daemon.submit(Command(wearable="simulated", verb=Verb.START, routine=ROUTINE))
        sent = link.data_pdus - before[0], link.data_bytes - before[1]
        await it.seen.until(lambda entry: isinstance(entry.event, SessionEnded))
        return {
            "to_start_pdus": sent[0],
            "to_start_bytes": sent[1],
            "pdus": link.data_pdus - before[0],
            "bytes": link.data_bytes - before[1],
        }


async def live_air() -> Result:
    """Count what it takes to send each cue of the same routine."""
    async with tag(1, 0.0, 40.0) as (wearable, client):
        (link,) = [s for s in wearable.board._radio._statistics.values() if s.data_pdus]
        before = link.data_pdus, link.data_bytes
        for _ in planned():
            await alert(client)
            await asyncio.sleep(1)
        return {"pdus": link.data_pdus - before[0], "bytes": link.data_bytes - before[1]}


def measure() -> Result:
    """Give all of it."""
    with tempfile.TemporaryDirectory() as name:
        air = timebase.run(tenuto_air(Path(name)), speed=math.inf)
    return {
        "micropython": on_micropython(),
        "plan_bytes_max": MAX_BYTES,
        "air": air,
        "live": timebase.run(live_air(), speed=math.inf),
    }


def show(result: Result) -> str:
    """Give the tables."""
    there, air, live = result["micropython"], result["air"], result["live"]
    heap = table(
        ("on MicroPython", ""),
        [
            (f"bytes of the plan of {ROUTINE}", there["plan_bytes"]),
            ("heap that a band with this plan and a log of 256 records takes", there["heap_bytes"]),
            ("bytes allocated by a step in which nothing is due", there["idle_alloc"]),
            ("bytes allocated from a cue's due time until the motor runs", there["cue_alloc"]),
            (
                "time of a step in which nothing is due, in empty function calls",
                there["idle_calls"],
            ),
            ("time of a step that gives a cue, in empty function calls", there["cue_calls"]),
            ("largest plan that a band takes, bytes", result["plan_bytes_max"]),
        ],
    )
    over = table(
        ("over the air", "packets", "bytes"),
        [
            ("Tenuto, upload and start", air["to_start_pdus"], air["to_start_bytes"]),
            ("Tenuto, all of the session with its log and heart rates", air["pdus"], air["bytes"]),
            ("each cue live, and nothing comes back", live["pdus"], live["bytes"]),
        ],
    )
    return f"{heap}\n\n{over}"


if __name__ == "__main__":
    say(show(measure()))
