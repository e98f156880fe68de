# SPDX-License-Identifier: MIT
"""Real time, but for what a test only has to wait for: then the clock jumps.

A simulated wearable takes nine seconds to be paired with, in which nobody does anything.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenuto.event_loops import waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _JumpingSelector(selectors.DefaultSelector):
    loop: HurriedEventLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or not self.loop.may_jump:
            return super().select(timeout)
        found = super().select(0)
        if not found:
            self.loop.ahead_s += max(0.0, timeout)
        return found


class HurriedEventLoop(asyncio.SelectorEventLoop):
    """An ordinary event loop whose clock can jump to the next timer.

    Attributes:
        ahead_s: How far its clock is ahead of the real one.
        is_hurried: Whether it jumps while nothing is to do and no thread is under way.
    """

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.is_hurried = False
        self._thread_jobs = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    @property
    def may_jump(self) -> bool:
        """Whether the clock jumps now."""
        # Each job that is done aside has taken a place, until its result is on the way.
        has_asides = waiting._asides._value < waiting.ASIDE_MAX
        return self.is_hurried and not self._thread_jobs and not has_asides

    def time(self) -> float:
        """Return the time in seconds, with all jumps."""
        return super().time() + self.ahead_s

    def wall_s(self) -> float:
        """Return the wall clock's time in s since 1970, with all jumps."""
        return time.time() + self.ahead_s

    def run_in_executor(  # type: ignore[override]
        self,
        executor: Any,
        func: Callable[..., Any],
        *args: Any,
    ) -> asyncio.Future[Any]:
        """Run something in a thread, which the clock waits for; see the base class."""
        result = super().run_in_executor(executor, func, *args)
        self._thread_jobs += 1
        result.add_done_callback(self._forget_job)
        return result

    def _forget_job(self, _: object) -> None:
        self._thread_jobs -= 1


def wall_clock() -> Callable[[], float]:
    """Return the wall clock that fits the running loop's."""
    loop = asyncio.get_running_loop()
    found: Callable[[], float] = getattr(loop, "wall_s", time.time)
    return found


@contextmanager
def hurried() -> Iterator[None]:
    """Let the clock jump inside, where nothing outside this process is waited for.

    In an event loop of another kind everything takes its time.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, HurriedEventLoop):
        yield
        return
    loop.is_hurried = True
    try:
        yield
    finally:
        loop.is_hurried = False
