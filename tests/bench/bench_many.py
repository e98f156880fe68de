# SPDX-License-Identifier: MIT
"""A hundred wearables on one host, all playing: `python -m tests.bench.bench_many [COUNT]`."""

from __future__ import annotations

import asyncio
import math
import resource
import sys
import tempfile
import time
from pathlib import Path

from tenuto import event_loops
from tests.bench.tools import say
from tests.world.rig import room
from tests.world.test_many import LASTS_S, check_all, play_all

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 100


async def main(folder: Path) -> None:
    """Play on all of them, check each session and each motor edge, print what it took."""
    began_s = time.process_time()
    async with room(folder / "history.db", count=COUNT) as it:
        names = list(it.bands)
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        await asyncio.gather(*(it.daemon.supervisors[name].connected.wait() for name in names))
        linked_s, linked_cpu_s = loop.time() - start_s, time.process_time() - began_s
        began_s = time.process_time()
        await play_all(it, names)
        played_cpu_s = time.process_time() - began_s
        await check_all(it, names)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{COUNT} wearables linked, one after the other: {linked_s / COUNT:.2f} s each on the air")
    say(f"  CPU while linking: {linked_cpu_s / linked_s:.0%} of one core")
    say(f"{COUNT} sessions of {LASTS_S} s side by side: each finished, without a hole, felt alike")
    say(f"  CPU while playing, bands and radio included: {played_cpu_s / LASTS_S:.0%} of one core")
    say(f"  memory at most: {peak_mb / COUNT:.1f} MB each, {peak_mb:.0f} MB in all")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        event_loops.run(main(Path(name)), speed=math.inf)
