# SPDX-License-Identifier: MIT
"""The event loop's clock: real time, scaled time, or virtual time.

Everything in a Tenuto process waits on its event loop: the host, the radio, the simulated board.
So one loop whose clock runs 20 times as fast makes the whole world run 20 times as fast, and one
whose clock jumps to the next timer as soon as nobody has anything left to do plays an hour of
session in seconds, with the same order of events each time.

Two traps for code that must run under any of them: read time from `loop.time()` only, and do not
expect timers that are due at the same instant to fire in the order in which they were set. Virtual
time keeps that order, asyncio's own loops do not.
"""

from __future__ import annotations

from tenuto.event_loops.host_time import HostTime
from tenuto.event_loops.running import new_event_loop, run
from tenuto.event_loops.virtual import DeadlockError, SideThread, VirtualEventLoop
from tenuto.event_loops.waiting import ASIDE_MAX, aside, first_of, real_s

__all__ = [
    "ASIDE_MAX",
    "DeadlockError",
    "HostTime",
    "SideThread",
    "VirtualEventLoop",
    "aside",
    "first_of",
    "new_event_loop",
    "real_s",
    "run",
]
