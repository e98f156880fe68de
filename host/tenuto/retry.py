# SPDX-License-Identifier: MIT
"""Failures that end nothing: how long to wait before the next attempt, and tasks that outlive one.

A part that talks with the world, such as a link, a sensor, a sink or a broker, fails in ways that
nobody foresaw.  Its failure is its own: it is logged, backed off and tried again, and no other
part hears of it.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING

from tenuto.errors import TenutoError

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)

STABLE_S = 10.0
"""What worked for so long was well: the next failure is the first of a new row."""
_PACKAGE = PurePath(__file__).parent


class Backoff:
    """The pauses between attempts: each twice as long as the one before, up to a limit.

    Args:
        rng: For the jitter, which keeps those that failed together from trying together; None for
            none.
        first_s: The first pause, before the jitter.
        max_s: The longest, before the jitter.
    """

    JITTER = (0.5, 1.5)

    def __init__(
        self, rng: random.Random | None, *, first_s: float = 0.5, max_s: float = 30.0
    ) -> None:
        self._rng = rng
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = min(first_s, max_s)

    def next_s(self) -> float:
        """Return the pause before the next attempt, in s."""
        pause_s = self._next_s
        self._next_s = min(2 * pause_s, self._max_s)
        return pause_s if self._rng is None else pause_s * self._rng.uniform(*self.JITTER)

    def reset(self) -> None:
        """Begin with the first pause again, after a success."""
        self._next_s = min(self._first_s, self._max_s)

    def reset_if_stable(self, lasted_s: float) -> None:
        """Begin with the first pause again if what failed now had worked for `STABLE_S`."""
        if lasted_s >= STABLE_S:
            self.reset()


def describe_failure(error: BaseException) -> str:
    """Return what a log may say of an error: a `TenutoError`'s text, else only type and place.

    The text of a foreign exception may quote what is private, such as a heart rate.
    """
    if isinstance(error, TenutoError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        frame
        for frame in frames
        if PurePath(frame.filename).is_relative_to(_PACKAGE) and frame.filename != __file__
    ]
    places = dict.fromkeys(
        f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in (*frames[-1:], *ours[-1:])
    )
    return f"{type(error).__name__} at {' from '.join(places) or '?'}"


def is_cancelled() -> bool:
    """Return whether the present task was asked to end.

    A `CancelledError` that comes without being asked for leaked out of a library.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def run_for_ever(work: Callable[[], Awaitable[None]], name: str, backoff: Backoff) -> None:
    """Run `work` until it returns or this task is cancelled; after a failure, run it again.

    Args:
        work: What to do.
        name: What it is, for the log.
        backoff: The pauses after failures; used by this call alone.
    """
    loop = asyncio.get_running_loop()
    while True:
        began_s = loop.time()
        try:
            await work()
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            _log.error("task=%s failed and begins again: %s", name, describe_failure(error))
        except Exception as error:  # noqa: BLE001 - one part must not end the others
            _log.error("task=%s failed and begins again: %s", name, describe_failure(error))
        else:
            return
        backoff.reset_if_stable(loop.time() - began_s)
        await asyncio.sleep(backoff.next_s())
