# SPDX-License-Identifier: MIT
"""The loop for a speed, and programs that run in it."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.event_loops.scaled import ScaledEventLoop
from tenuto.event_loops.virtual import VirtualEventLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")


def new_event_loop(speed: float = 1.0, *, settle_s: float = 0.0) -> asyncio.AbstractEventLoop:
    """Make an event loop whose clock runs `speed` times as fast as real time.

    Args:
        speed: 1.0 gives the platform's ordinary loop; `math.inf` virtual time; any other positive
            number scaled time. Scaled time serves below about a thousand file descriptors.
        settle_s: See `VirtualEventLoop`; of no effect with a finite speed.

    Raises:
        ValueError: `speed` is not above 0, or `settle_s` is negative.
    """
    if math.isnan(speed) or speed <= 0:
        raise ValueError(f"speed must be above 0, not {speed!r}")
    if not (math.isfinite(settle_s) and settle_s >= 0):
        raise ValueError(f"settle_s must be a finite number, 0 or more, not {settle_s!r}")
    if speed == math.inf:
        return VirtualEventLoop(settle_s=settle_s)
    if speed == 1.0:
        return asyncio.new_event_loop()
    return ScaledEventLoop(speed)


def run(
    main: Coroutine[Any, Any, _T],
    *,
    speed: float = 1.0,
    settle_s: float = 0.0,
    debug: bool = False,
) -> _T:
    """Run `main` to its end in a new event loop, as `asyncio.run` does.

    Ctrl-C cancels `main`, lets it clean up and then raises KeyboardInterrupt.

    Args:
        main: The coroutine to run.
        speed: See `new_event_loop`.
        settle_s: See `VirtualEventLoop`.
        debug: asyncio's debug mode.

    Raises:
        DeadlockError: In virtual time, see `VirtualEventLoop`; all tasks are cancelled
            before it reaches the caller.
    """
    with asyncio.Runner(
        debug=debug or None, loop_factory=lambda: new_event_loop(speed, settle_s=settle_s)
    ) as runner:
        return runner.run(main)
