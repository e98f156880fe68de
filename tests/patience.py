# SPDX-License-Identifier: MIT
"""How long a test waits in real time: longer on a slow machine, and on a busy one."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from tenuto.event_loops import VirtualEventLoop

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 2_000_000
_USUAL_S = 0.05
"""What counting to `_ROUNDS` takes where limits hold as they are written."""

_AT_MOST = 20.0
_KNOWN_FOR_S = 5.0


class _Machine:
    slowness = 1.0
    measured_s = float("-inf")


def _measure() -> float:
    """Return by how much longer than usual work takes here at the moment."""
    began_s = time.monotonic()
    for _ in range(_ROUNDS):
        pass
    work = (time.monotonic() - began_s) / _USUAL_S
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(work, load / (os.cpu_count() or 1))


def patience_s(seconds: float) -> float:
    """Return how long to wait here and now for what takes less than `seconds` elsewhere.

    Only for real limits: of what is outside the process, or has the clock as its subject. Ask
    again in a loop that waits, for others may have begun to work meanwhile.

    Args:
        seconds: Enough on an ordinary machine that does nothing else.

    Returns:
        `seconds` to 20 times as much, by how long some work takes at the moment.
    """
    if time.monotonic() - _Machine.measured_s > _KNOWN_FOR_S:
        _Machine.slowness = min(max(_measure(), 1.0), _AT_MOST)
        _Machine.measured_s = time.monotonic()
    return seconds * _Machine.slowness


async def until(
    happened: Callable[[], object], timeout_s: float = 30.0, *, every_s: float = 0.02
) -> None:
    """Wait for what tells nobody that it happened.

    Args:
        happened: Asked again and again; ends the wait with anything that is true.
        timeout_s: In real time, enough on an ordinary machine; in virtual time just that.
        every_s: From one question to the next.

    Raises:
        TimeoutError: It did not happen.
    """
    is_virtual = isinstance(asyncio.get_running_loop(), VirtualEventLoop)
    async with asyncio.timeout(timeout_s if is_virtual else patience_s(timeout_s)):
        while not happened():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(every_s)
