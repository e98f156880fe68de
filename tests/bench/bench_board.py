# SPDX-License-Identifier: MIT
"""How late each cue is at the motor's edge: what the design adds, and on a board, by estimate.

`python -m tests.bench.bench_board [FIRMWARE]`.  A host follows the log over BLE or by cable, the
heart sensor is on, and `lower-back` is played.  The simulated board takes no time, or as long as
`tenuto.simulator.costs` estimates for a Cortex-M4F at 64 MHz with so many cycles an instruction.
FIRMWARE: the folder of another firmware, such as an older one.

A cue's time is the beginning of the first step and the plan's offsets, computed here.  `steady`
says what is left when the median lateness is forgiven, which a lead can take off.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from tenuto import event_loops
from tenuto.simulator import VirtualPerson
from tenuto.simulator.costs import Costs
from tests.bench.tools import Result, say, spread, table
from tests.firmware_app.rig import FIRMWARE, follow, plan, room, start, until

ROUTINE = "lower-back"
SEEDS = 4
BOARDS = {
    "what the design adds": None,
    "on a board, by estimate, 2 cycles": Costs(cycles=2.0),
    "on a board, by estimate, 3 cycles": Costs(cycles=3.0),
}


async def errors_ms(
    firmware: Path, costs: Costs | None, seed: int, *, by_cable: bool
) -> list[float]:
    """Play one session; return how late each cue began to be driven, the first one first."""
    compiled = plan(ROUTINE)
    async with room(
        person=VirtualPerson(seed=seed), firmware=firmware, costs=costs, seed=seed
    ) as it:
        if by_cable:
            host = it.cabled()
            await host.connect(lambda: None)
        else:
            host = await it.pair()
        await follow(host)
        before = len(it.worn.motor.edges)
        await start(host, compiled)
        await until(lambda: it.band.player.number == 0, every_s=0.001)
        begin_ms = it.band.player._anchor_ms
        await until(lambda: not it.band.is_playing)
        edges = [edge.t_ms for edge in it.worn.motor.edges[before:] if edge.on]
    errors, at = [], 0
    for _, planned_ms, cue in compiled.plan.cues_from(0, begin_ms):
        errors.append(edges[at] - planned_ms)
        at += len(compiled.plan.patterns[cue])
    return errors


def measure(firmware: Path = FIRMWARE) -> Result:
    """Return a row for each link and each board."""
    rows = []
    for link in ("BLE", "cable"):
        for what, costs in BOARDS.items():
            errors: list[float] = []
            firsts = []
            for seed in range(SEEDS):
                found = event_loops.run(
                    errors_ms(firmware, costs, seed, by_cable=link == "cable"), speed=math.inf
                )
                errors += found
                firsts.append(found[0])
            middle_ms = sorted(errors)[len(errors) // 2]
            rows.append(
                {
                    "what": f"{link}: {what}",
                    "cues": len(errors),
                    **spread([abs(error) for error in errors]),
                    "steady_p99": spread([abs(error - middle_ms) for error in errors])["p99"],
                    "first": round(max(firsts), 3),
                    "over_5": f"{sum(error > 5 for error in errors) / len(errors):.0%}",
                }
            )
    return {"unit": "ms", "rows": rows}


def show(result: Result) -> str:
    """Return the table."""
    names = ("what", "cues", "p50", "p99", "worst", "steady_p99", "first", "over_5")
    heads = ("", "cues", "p50 ms", "p99 ms", "worst ms", "steady p99 ms", "first ms", "above 5 ms")
    return table(heads, [[row[name] for name in names] for row in result["rows"]])


if __name__ == "__main__":
    say(show(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else FIRMWARE)))
