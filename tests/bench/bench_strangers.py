# SPDX-License-Identifier: MIT
"""How long strangers keep the owner from the band: `python -m tests.bench.bench_strangers [RUNS]`.

A stranger connects whenever it can, stays for as long as it is let, and connects again at once. The
owner comes at some moment and tries until the band has proven its key, with the daemon's pauses.
A quicker radio is one that hears each advertisement before the owner's does.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bleak.exc import BleakError

from tenuto import event_loops
from tenuto.errors import LinkError
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.retry import Backoff
from tests.bench.tools import Result, percentile, say, table
from tests.firmware_app.rig import room
from tests.simulator.rig import client_of

if TYPE_CHECKING:
    from tenuto.links.radios.bumble import BumbleAdapter
    from tests.firmware_app.rig import Room

RUNS = 40
GIVES_UP_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Which strangers there are."""

    what: str
    strangers: int = 1
    bonds: bool = False
    is_quicker: bool = False


CASES = (
    Case(what="nobody", strangers=0),
    Case(what="one stranger"),
    Case(what="one stranger, quicker than the owner", is_quicker=True),
    Case(what="one stranger that bonds", bonds=True),
    Case(what="one stranger that bonds, quicker", bonds=True, is_quicker=True),
    Case(what="two strangers that bond, quicker", strangers=2, bonds=True, is_quicker=True),
)


async def _occupy(it: Room, radio: BumbleAdapter, *, bonds: bool) -> None:
    lost = asyncio.Event()
    client = client_of(radio, it.worn, lambda _: lost.set(), timeout=60)
    while True:
        lost.clear()
        with suppress(BleakError, TimeoutError):
            await client.connect()
            if bonds:
                await client.pair()
            await lost.wait()


async def _connects_s(case: Case, seed: int) -> float:
    """Give how long the owner takes to connect, `GIVES_UP_S` for never."""
    rng, loop = random.Random(seed), asyncio.get_running_loop()
    async with room(seed=seed) as it:
        radios = [it.radio, *[await it.world.adapter(f"another {n}") for n in range(2)]]
        # Who was there first hears each advertisement first.
        owner = radios.pop(case.strangers if case.is_quicker else 0)
        it.adapter = BleAdapter(radio_of(owner))
        await (await it.pair()).disconnect()
        await asyncio.sleep(70)
        occupying = [
            asyncio.create_task(_occupy(it, radio, bonds=case.bonds))
            for radio in radios[: case.strangers]
        ]
        await asyncio.sleep(60 + rng.uniform(0, 20))
        began_s, backoff, host = loop.time(), Backoff(rng), it.host()
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVES_UP_S):
                while True:
                    try:
                        await host.connect(lambda: None)
                    except LinkError:
                        await asyncio.sleep(backoff.next_s())
                    else:
                        break
        took_s = loop.time() - began_s
        for task in occupying:
            task.cancel()
        await asyncio.gather(*occupying, return_exceptions=True)
        await host.disconnect()
        return took_s


def measure(runs: int = RUNS) -> Result:
    """Give, for each case, the owner's times."""
    rows = []
    for case in CASES:
        took_s = [event_loops.run(_connects_s(case, seed), speed=math.inf) for seed in range(runs)]
        rows.append(
            {
                "what": case.what,
                "median_s": round(percentile(took_s, 0.5), 1),
                "p90_s": round(percentile(took_s, 0.9), 1),
                "worst_s": round(max(took_s), 1),
                "never": sum(took >= GIVES_UP_S for took in took_s),
                "runs": runs,
            }
        )
        say(str(rows[-1]))
    return {"rows": rows}


def show(result: Result) -> str:
    """Give the table."""
    headings = ("who else is there", "median, s", "p90, s", "worst, s", "never in 10 min")
    return table(
        headings,
        [
            (
                row["what"],
                *(
                    "-" if row["never"] == row["runs"] else row[name]
                    for name in ("median_s", "p90_s", "worst_s")
                ),
                f"{row['never']} of {row['runs']}",
            )
            for row in result["rows"]
        ],
    )


if __name__ == "__main__":
    say(show(measure(*map(int, sys.argv[1:]))))
