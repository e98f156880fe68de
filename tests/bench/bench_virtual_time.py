# SPDX-License-Identifier: MIT
"""How much faster than real time a simulated room runs in virtual time.

Run it as `python -m tests.bench.bench_virtual_time [wearables] [seconds]`: each wearable is
connected, bonded and notifies its heart rate with every beat.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time

from tenuto import event_loops
from tenuto.simulator import VirtualPerson, World
from tests.simulator.rig import FIRMWARE, HEART_RATE, client_of


async def measure(wearables: int, seconds: float) -> None:
    beats = 0

    def on_beat(*_: object) -> None:
        nonlocal beats
        beats += 1

    async with World() as world:
        start_s = time.perf_counter()
        adapter = await world.adapter()
        for index in range(wearables):
            band = await world.add_wearable(
                f"band-{index}", firmware_dir=FIRMWARE, person=VirtualPerson(seed=index)
            )
            client = client_of(adapter, band)
            await client.connect()
            await client.pair()
            await client.start_notify(HEART_RATE, on_beat)
        ready_s = time.perf_counter()
        await asyncio.sleep(seconds)
        took_s = time.perf_counter() - ready_s
    print(  # noqa: T201  that is what it is for
        f"{wearables} wearable(s): ready in {ready_s - start_s:.2f} s; {seconds:.0f} s of session "
        f"with {beats} beats in {took_s:.2f} s, {seconds / took_s:.0f} times real time"
    )


if __name__ == "__main__":
    counts = [int(sys.argv[1])] if len(sys.argv) > 1 else [1, 8, 32]
    duration_s = float(sys.argv[2]) if len(sys.argv) > 2 else 600.0
    for count in counts:
        event_loops.run(measure(count, duration_s), speed=math.inf)
