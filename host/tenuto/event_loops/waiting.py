# SPDX-License-Identifier: MIT
"""Waits under any of the clocks: for what may hang, for the first of several, in real time."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.event_loops.virtual import VirtualEventLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

_T = TypeVar("_T")

ASIDE_MAX = 8
"""Jobs done `aside` at the same time; those that hang count for as long as they do."""
ASIDE_LOOK_S = 0.05

_asides = threading.BoundedSemaphore(ASIDE_MAX)


async def aside(job: Callable[[], _T], *, name: str, timeout_s: float) -> _T:
    """Do a job that may hang, such as to read from a network share, and wait only so long for it.

    It has a thread of its own, which does not keep the process from ending. In virtual time, as
    with a `SideThread`, it is done at once.

    Args:
        job: What to do; it cannot be stopped, so it must change nothing that matters later.
        name: Of the thread.
        timeout_s: In real seconds.

    Raises:
        TimeoutError: It took longer, with the wait while `ASIDE_MAX` others are under way.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualEventLoop):
        return job()
    result: asyncio.Future[_T] = loop.create_future()

    def deliver(settle: Callable[[Any], None], value: object) -> None:
        if not result.done():
            settle(value)

    def work() -> None:
        try:
            outcome: tuple[Callable[[Any], None], object] = (result.set_result, job())
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            outcome = (result.set_exception, error)
        try:
            with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits
                loop.call_soon_threadsafe(deliver, *outcome)
        finally:
            _asides.release()

    async with asyncio.timeout(real_s(timeout_s)):
        while not _asides.acquire(blocking=False):  # noqa: ASYNC110 - a thread of any loop frees it
            await asyncio.sleep(real_s(ASIDE_LOOK_S))
        threading.Thread(target=work, name=name, daemon=True).start()
        return await result


async def first_of(works: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Run coroutines, by the names of their tasks, until the first ends, and end the others.

    Not a TaskGroup: on Python 3.11 that forgets a cancellation that comes with an error.
    """
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def real_s(seconds: float) -> float:
    """Return how far the running loop's clock may go while so many seconds pass in reality.

    For the time limits of what is no faster under a fast clock: a disk, a broker, another process,
    a terminal. In virtual time the clock stands still for a thread, so that a closed world needs no
    more than it asks for.
    """
    pace: float = getattr(asyncio.get_running_loop(), "pace", 1.0)
    return seconds * pace
