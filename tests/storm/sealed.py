# SPDX-License-Identifier: MIT
"""An event loop for which nothing is outside: what is given to a thread is done here.

A thread's speed would decide the order of what happens in one moment of virtual time. So its work
is done at once, and known after a time that the seed decides, as a disk takes its time; jobs of one
executor are known in the order in which they were given.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.event_loops import VirtualEventLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

_T = TypeVar("_T")
UTC_S = 1_800_000_000
TAKES_S = (0.0, 0.001, 0.005)
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
"""Where writing costs nothing: it is no power cut that is played."""


class _SealedEventLoop(VirtualEventLoop):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = random.Random(f"{seed}/threads")
        self._ranks = random.Random(f"{seed}/timers")
        self._jobs: dict[Executor | None, deque[tuple[float, Callable[[], None]]]] = {}

    def rank(self) -> float:
        """Have the seed decide the order of timers of one instant, for in real time nobody does."""
        return self._ranks.random()

    def wall_s(self) -> float:
        """Return the time in s since 1970."""
        return UTC_S + self.time()

    def run_in_executor(  # type: ignore[override]
        self,
        executor: Executor | None,
        func: Callable[..., _T],
        *args: Any,
    ) -> asyncio.Future[_T]:
        future: asyncio.Future[_T] = self.create_future()
        done: Callable[[], None]
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - for whoever waits
            failure = error

            def done() -> None:
                if not future.done():
                    future.set_exception(failure)
        else:

            def done() -> None:
                if not future.done():
                    future.set_result(result)

        jobs = self._jobs.setdefault(executor, deque())
        known_s = max(self.time() + self._rng.choice(TAKES_S), jobs[-1][0] if jobs else 0.0)
        jobs.append((known_s, done))

        def tell_oldest() -> None:  # for timers of one moment fire in any order
            _, told = jobs.popleft()
            told()

        self.call_at(known_s, tell_oldest)
        return future


def run(main: Coroutine[Any, Any, _T], seed: int) -> _T:
    """Run `main` to its end in such a loop."""
    with asyncio.Runner(loop_factory=lambda: _SealedEventLoop(seed)) as runner:
        return runner.run(main)


def run_in_folder(main: Callable[[Path], Coroutine[Any, Any, _T]], seed: int) -> _T:
    """Run `main` to its end in such a loop, with a folder that is removed afterwards."""
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(
        prefix="sealed-", dir=where, ignore_cleanup_errors=True
    ) as folder:
        return run(main(Path(folder)), seed)
