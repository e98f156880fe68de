# SPDX-License-Identifier: MIT
"""What a session costs on the air: `python -m tests.bench.bench_pdus`.

Counted by the virtual radio: L2CAP packets with data in both directions, their bytes, and the
connection events at which both ends have to wake up (without peripheral latency).  Playing the plan
on the wrist is compared with sending each pulse live, as to a device that can only buzz: two
packets for each write with its response, at the 45 ms that such a write needs to be on time.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tenuto import event_loops
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tests.bench.tools import say, table
from tests.world.rig import Room, room

ROUTINE = "lower-back"
LIVE_INTERVAL_S = 0.045
PACKETS_A_WRITE = 2


@dataclass
class Cost:
    """What went over the air in `seconds`."""

    seconds: float
    packets: int
    size_bytes: int
    events: float

    def __sub__(self, earlier: Cost) -> Cost:
        return Cost(
            self.seconds - earlier.seconds,
            self.packets - earlier.packets,
            self.size_bytes - earlier.size_bytes,
            self.events - earlier.events,
        )


class Meter:
    """Counts from when it is made; the events by the interval of each tenth of a second."""

    def __init__(self, it: Room) -> None:
        self._radio = it.world.radio
        self._loop = asyncio.get_running_loop()
        self._events = 0.0
        self._tick()

    def _tick(self) -> None:
        links = [link for link, direction in self._radio._links.values() if direction == 0]
        self._events += sum(0.1 / link.interval_s for link in links)
        self._timer = self._loop.call_later(0.1, self._tick)

    def read(self) -> Cost:
        """Give all so far."""
        found = self._radio._statistics.values()
        return Cost(
            self._loop.time(),
            sum(one.data_pdus for one in found),
            sum(one.data_bytes for one in found),
            self._events,
        )

    def stop(self) -> None:
        """Count no more."""
        self._timer.cancel()


def pulses() -> tuple[int, int]:
    """Count the cues of the routine, and the pulses that they are felt as."""
    plan = Library().plan(ROUTINE).plan
    cues = [cue for number in range(plan.steps) for _, _, cue in plan.step(number).cues]
    return len(cues), sum(len(plan.patterns[cue]) for cue in cues)


async def main(folder: Path, *, heart: bool) -> None:
    """Play once and print what it took."""
    async with room(folder / "history.db", worn=heart) as it:
        meter = Meter(it)
        supervisor = it.daemon.supervisors["band-1"]
        await supervisor.connected.wait()
        linked = meter.read()
        await it.daemon.submit(Command(wearable="band-1", verb=Verb.START, routine=ROUTINE))
        begun = meter.read()
        await it.seen.ended()
        played = meter.read()
        await asyncio.sleep(600)
        rested = meter.read()
        meter.stop()
    start, session, idle = begun - linked, played - begun, rested - played
    cues, writes = pulses()
    live = Cost(session.seconds, writes * PACKETS_A_WRITE, 0, session.seconds / LIVE_INTERVAL_S)
    rate = "with a heart rate each second" if heart else "without a heart rate"
    say(f"\n{ROUTINE}, {session.seconds:.0f} s, {cues} cues of {writes} pulses, {rate}")
    rows = [
        (
            what,
            one.packets,
            one.size_bytes or "",
            round(one.events),
            f"{one.events / one.seconds:.1f}",
        )
        for what, one in (
            ("upload of the plan and start", start),
            ("the session, all records told", session),
            ("ten minutes of rest after it", idle),
            ("each pulse sent live", live),
        )
    ]
    say(table(("", "packets", "bytes", "events", "events a second"), rows))
    say(
        f"events against live: {live.events / session.events:.1f} times fewer; "
        f"packets that a cue depends on: 0 of {session.packets}, live all {live.packets}"
    )


if __name__ == "__main__":
    for heart in (False, True):
        with tempfile.TemporaryDirectory() as name:
            event_loops.run(main(Path(name), heart=heart), speed=math.inf)
