# SPDX-License-Identifier: MIT
"""What the largest plan and a player's step take on MicroPython, and a session on the air.

`python -m tests.bench.bench_device`.  The interpreter is MicroPython for Linux with pointers of 32
bits, so that its objects are as large as on a board; the core is compiled as a board gets it.  Its
processor is many times faster: times only compare with each other.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import tempfile
from bisect import bisect_left
from pathlib import Path

from tenuto import event_loops
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import SessionEnded
from tests.bench.bench_onset import alert, planned, tag
from tests.bench.tools import Result, say, table
from tests.chain.rig import chain
from tests.conftest import part
from tests.core.on_board import compile_core, compile_into, largest

ROUTINE = "lower-back-60"
HEAP_KIB = 256
SCRIPT = Path(__file__).with_name("on_micropython.py")


def on_micropython() -> dict[str, Result]:
    """Run the script there with each plan; gives what it says, and the smallest heap it needs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compile_core(folder)
        compile_into(folder, [SCRIPT])
        found = {}
        for title, data in ((ROUTINE, Library().plan(ROUTINE).data), ("the largest", largest())):
            plan = folder / "plan"
            plan.write_bytes(data)
            told = _run(folder, HEAP_KIB)
            assert told is not None
            found[title] = told | {"heap_kib_min": _smallest_heap_kib(folder)}
    return found


def _run(folder: Path, heap_kib: int, *more: str) -> Result | None:
    """Run the script; None where that heap is too small."""
    done = subprocess.run(
        [part("micropython32"), "-X", f"heapsize={heap_kib}k", "-m", SCRIPT.stem, "plan", *more],
        cwd=folder,
        env={**os.environ, "MICROPYPATH": f"{folder}:.frozen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        if "MemoryError" in done.stdout + done.stderr:
            return None
        raise RuntimeError(done.stderr or done.stdout)
    told: Result = json.loads(done.stdout)
    return told


def _smallest_heap_kib(folder: Path) -> int:
    """Find the smallest heap in which a plan can be uploaded and played to its end."""
    sizes = range(1, HEAP_KIB + 1)
    return sizes[bisect_left(sizes, 1, key=lambda kib: _run(folder, kib, "fit") is not None)]


async def tenuto_air(folder: Path) -> Result:
    """Count what goes over the air for one session: upload, start and the whole log."""
    async with chain(folder / "air.db") as it:
        async with asyncio.timeout(600):
            await it.host.hub.supervisors["simulated"].connected.wait()
        (link,) = [s for s in it.world.radio._statistics.values() if s.data_pdus]
        before = link.data_pdus, link.data_bytes
        start = Command(wearable="simulated", verb=Verb.START, routine=ROUTINE)
        await it.host.commands.submit(start)
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
        air = event_loops.run(tenuto_air(Path(name)), speed=math.inf)
    return {
        "micropython": on_micropython(),
        "air": air,
        "live": event_loops.run(live_air(), speed=math.inf),
    }


def show(result: Result) -> str:
    """Give the tables."""
    there, air, live = result["micropython"], result["air"], result["live"]
    rows = (
        ("bytes of the plan", "plan_bytes"),
        ("pulses that it gives", "pulses"),
        ("heap of the core's code", "heap_core"),
        ("heap with a band and a log of 256 records", "heap_band"),
        ("heap with the plan uploaded and checked", "heap_loaded"),
        ("most heap while it plays", "heap_playing"),
        ("heap once it is over", "heap_end"),
        ("smallest heap in which all of that runs, KiB", "heap_kib_min"),
        ("bytes allocated by a step in which nothing is due", "idle_alloc"),
        ("bytes allocated from a pulse's due time until the motor runs", "pulse_alloc"),
        ("time of a step in which nothing is due, in empty function calls", "idle_calls"),
        ("time of a step that drives the motor, in empty function calls", "pulse_calls"),
    )
    heap = table(
        ("on MicroPython, in bytes", *(f"plan: {title}" for title in there)),
        [(text, *(told[name] for told in there.values())) for text, name in rows],
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
