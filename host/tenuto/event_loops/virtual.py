# SPDX-License-Identifier: MIT
# ruff: noqa: SLF001 - it does what asyncio's own does, with the names that it has there
"""Virtual time: the clock jumps to the next timer as soon as nobody has anything left to do."""

from __future__ import annotations

import asyncio
import selectors
from concurrent.futures import Future, ThreadPoolExecutor
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.errors import TenutoError

if TYPE_CHECKING:
    import contextvars
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from _typeshed import FileDescriptorLike

_T = TypeVar("_T")

VIRTUAL_START_S = 1000.0
"""Where the virtual clock begins: not 0, which too much code takes for "never"."""

_CANCELLED_MIN = 100
"""So many cancelled timers stay where they are until they are due; where more than half of all are
cancelled they go."""

_VIRTUAL_PACE = 1000.0
"""What counts for the speed of virtual time where there is something outside: see `real_s`."""

_TASKS_SHOWN_MAX = 8
_LOOK_EVERY = 64
"""Rounds of the loop from one look outside to the next, in a closed world."""


class DeadlockError(TenutoError):
    """In virtual time every task waits and nothing is left that could wake one."""


class SideThread(ThreadPoolExecutor):
    """One thread for jobs that take a moment and need nothing of the event loop, such as a file's.

    In virtual time, whose clock would stand still meanwhile, they are done where they are asked
    for: that saves the way to a thread and back, and their order is always the same.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        super().__init__(max_workers=1, thread_name_prefix=name)


class _CountingSelector(selectors.DefaultSelector):
    files: int = 0
    """How many are registered; the length of the selector's own map takes far longer to tell."""

    def register(
        self,
        fileobj: FileDescriptorLike,
        events: int,
        data: Any = None,  # noqa: ANN401
    ) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self.files += 1
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self.files -= 1
        return key


class _Timer(asyncio.TimerHandle):
    __slots__ = ()
    _scheduled: bool


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """Jumps from timer to timer; `time()` starts at `VIRTUAL_START_S`.

    The clock stands still while work that was given to `run_in_executor` (and so to
    `asyncio.to_thread`) is under way, which keeps runs with a database thread repeatable. It
    knows nothing of threads started by other means.

    Args:
        settle_s: Real seconds to wait, before each jump, for a socket to become readable or
            writable. 0 suits a closed world; a broker in another process wants a few ms.
    """

    if TYPE_CHECKING:  # the base class has these, and the stubs leave them out
        _ready: deque[asyncio.Handle]
        _stopping: bool
        _timer_cancelled_count: int

        def _check_closed(self) -> None: ...
        def _process_events(self, event_list: list[tuple[selectors.SelectorKey, int]]) -> None: ...

    def __init__(self, *, settle_s: float = 0.0) -> None:
        self._now_s = VIRTUAL_START_S
        self._settle_s = settle_s
        self.pace = _VIRTUAL_PACE if settle_s else 1.0
        self._thread_jobs = 0
        self._awaits_signals = False
        self._own_executor: ThreadPoolExecutor | None = None
        self._unlooked = 0
        self._timers: list[tuple[float, float, _Timer]] = []
        self._timers_set = 0
        self._files = _CountingSelector()
        super().__init__(self._files)
        # What is registered so far is the loop's own wake-up socket; anything more is foreign.
        self._own_files = self._files.files

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now_s

    @property
    def has_outside(self) -> bool:
        """Whether a signal, a thread or a file that is not the loop's own could wake it."""
        return bool(
            self._thread_jobs or self._awaits_signals or self._files.files > self._own_files
        )

    def add_signal_handler(  # type: ignore[override]
        self,
        sig: int,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401
    ) -> None:
        """Call back on a signal; see the base class."""
        self._awaits_signals = True
        super().add_signal_handler(sig, callback, *args)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a time; see the base class.

        Of timers that are due at the same instant the one that was set first comes first.
        """
        self._check_closed()
        timer = _Timer(when, callback, args, self, context)
        heappush(self._timers, (when, self.rank(), timer))
        timer._scheduled = True
        return timer

    def rank(self) -> float:
        """Return the place of a new timer among those of the same instant, the lowest first."""
        self._timers_set += 1
        return self._timers_set

    def close(self) -> None:
        """Close it; see the base class."""
        super().close()
        self._timers.clear()

    def _run_once(self) -> None:
        """Do what asyncio's own does in one round, for which the clock need not be asked.

        That one spends a tenth of a simulated session on comparing timers, and on waiting for
        nothing.
        """
        ready, timers = self._ready, self._timers
        if self._timer_cancelled_count > _CANCELLED_MIN and (
            self._timer_cancelled_count > len(timers) / 2
        ):
            self._forget_cancelled()
        while timers and timers[0][2]._cancelled:
            self._timer_cancelled_count -= 1
            heappop(timers)[2]._scheduled = False
        # Asking the system takes a sixth of the time that a simulated session takes. While nobody
        # outside could have anything to say, only Ctrl-C can come, and it may wait a little.
        self._unlooked += 1
        if self._unlooked >= _LOOK_EVERY or self.has_outside:
            self._look(0)
        next_s = timers[0][0] if timers else None
        if not (ready or self._stopping or (next_s is not None and next_s <= self._now_s)):
            self._pass_time(next_s)
        while timers and timers[0][0] <= self._now_s:
            timer = heappop(timers)[2]
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _forget_cancelled(self) -> None:
        for _, _, timer in self._timers:
            timer._scheduled = not timer._cancelled
        self._timers[:] = [entry for entry in self._timers if not entry[2]._cancelled]
        heapify(self._timers)
        self._timer_cancelled_count = 0

    def _look(self, timeout_s: float | None) -> bool:
        """Wait really, at most for so long, for files and threads; tells whether one came."""
        self._unlooked = 0
        events = self._files.select(timeout_s)
        self._process_events(events)
        return bool(events)

    def _pass_time(self, until_s: float | None) -> None:
        """Wait for threads and sockets as far as needed, else jump to a time.

        Raises:
            DeadlockError: Nothing is scheduled, and neither a thread nor a socket could wake us.
        """
        has_files = self._files.files > self._own_files
        if self._thread_jobs or (until_s is None and has_files):
            self._look(None)
        elif until_s is None:
            # The signal of a Ctrl-C may have come since the last look.
            if not self._look(0):
                raise DeadlockError(self._describe_deadlock())
        elif not (has_files and self._settle_s > 0 and self._look(self._settle_s)):
            self._now_s = until_s

    def run_in_executor(  # type: ignore[override]
        self,
        executor: Executor | None,
        func: Callable[..., _T],
        *args: Any,  # noqa: ANN401
    ) -> asyncio.Future[_T]:
        """Run `func` in a thread while the clock stands still; see the base class.

        What is given to a `SideThread` is done at once.
        """
        if isinstance(executor, SideThread):
            done: asyncio.Future[_T] = self.create_future()
            try:
                done.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - it is the caller's
                done.set_exception(error)
            return done
        if executor is None:
            if self._own_executor is None:
                self._own_executor = ThreadPoolExecutor(thread_name_prefix="tenuto-virtual")
                self.set_default_executor(self._own_executor)
            executor = self._own_executor
        self._thread_jobs += 1
        try:
            job: Future[_T] = executor.submit(func, *args)
        except BaseException:
            self._thread_jobs -= 1
            raise
        result = asyncio.wrap_future(job, loop=self)
        # After wrap_future's own callback, so that the result is delivered before time may pass.
        # It also comes when the waiter was cancelled but the thread has still to finish.
        job.add_done_callback(self._on_job_done)
        return result

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Wait for the threads to end, however long it takes."""
        # The base class joins the threads from one more thread, without run_in_executor.
        del timeout  # in virtual time it would be over at once
        self._thread_jobs += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._thread_jobs -= 1

    def _on_job_done(self, _job: Future[Any]) -> None:
        """Note the end of one job; runs in its thread."""
        try:
            self.call_soon_threadsafe(self._forget_job)
        except RuntimeError:  # the loop was closed meanwhile and counts no longer
            return

    def _forget_job(self) -> None:
        self._thread_jobs -= 1

    def _describe_deadlock(self) -> str:
        waiting = sorted(asyncio.all_tasks(self), key=lambda task: task.get_name())
        lines = [
            (
                f"virtual time stopped at {self._now_s - VIRTUAL_START_S:.3f} s: "
                f"{len(waiting)} task(s) wait and nothing is scheduled that could wake one"
            )
        ]
        for task in waiting[:_TASKS_SHOWN_MAX]:
            frames = task.get_stack(limit=1)
            where = f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else "?"
            lines.append(f"  {task.get_name()} waits at {where}")
        if len(waiting) > _TASKS_SHOWN_MAX:
            lines.append(f"  and {len(waiting) - _TASKS_SHOWN_MAX} more")
        return "\n".join(lines)
