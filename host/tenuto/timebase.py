# SPDX-License-Identifier: MIT
"""The event loop's clock: real time, scaled time, or virtual time.

Everything in a Tenuto process waits on its event loop: the host, the radio, the simulated board.
So one loop whose clock runs 20 times as fast makes the whole world run 20 times as fast, and one
whose clock jumps to the next timer as soon as nobody has anything left to do plays an hour of
session in seconds, with the same order of events each time.

Two traps for code that must run under any of them: read time from `loop.time()` only, and do not
expect timers that are due at the same instant to fire in the order in which they were set (asyncio
keeps them in a heap).
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.errors import TenutoError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

    from _typeshed import FileDescriptorLike

_T = TypeVar("_T")
_Ready = tuple[selectors.SelectorKey, int]

VIRTUAL_START_S = 1000.0
"""Where the virtual clock begins: not 0, which too much code takes for "never"."""

_COARSE_S = 4e6
"""From here on a float of seconds is coarser than the nanosecond by which asyncio must find a timer
overdue to run it; a clock that stood exactly at the timer would stand there for ever."""

_TASKS_SHOWN_MAX = 8
_LOOK_EVERY = 64
"""Rounds of the loop from one look outside to the next, in a closed world."""


class DeadlockError(TenutoError):
    """In virtual time every task waits and nothing is left that could wake one."""


class SideThread(ThreadPoolExecutor):
    """One thread for jobs that take a moment and need nothing of the event loop, such as a file's.

    In virtual time, whose clock would stand still meanwhile, they are done where they are asked
    for: that saves the way to a thread and back, and their order is always the same.

    name: of the thread.
    """

    def __init__(self, name: str) -> None:
        super().__init__(max_workers=1, thread_name_prefix=name)


class _ScaledSelector(selectors.SelectSelector):
    """Waits `1 / speed` of what it is asked for.

    `select()` and not the platform's default: epoll rounds up to a whole real millisecond, which
    at 20 times speed makes every timer 20 ms late.
    """

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[_Ready]:
        return super().select(None if timeout is None else timeout / self._speed)


class _ScaledEventLoop(asyncio.SelectorEventLoop):
    """Its clock starts at the real monotonic time and runs `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        self._start_s = time.monotonic()
        self._speed = speed
        super().__init__(_ScaledSelector(speed))

    def time(self) -> float:
        return self._start_s + (time.monotonic() - self._start_s) * self._speed


class _VirtualSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the loop's clock to it."""

    loop: VirtualEventLoop
    files: int = 0
    """How many are registered; the length of the selector's own map takes far longer to tell."""

    def __init__(self) -> None:
        super().__init__()
        self._unlooked = 0

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

    def select(self, timeout: float | None = None) -> list[_Ready]:
        # Asking the system takes a sixth of the time that a simulated session takes. While nobody
        # outside could have anything to say, only Ctrl-C can come, and it may wait a little.
        self._unlooked += 1
        if timeout is None or self._unlooked >= _LOOK_EVERY or self.loop.has_outside:
            self._unlooked = 0
            ready = super().select(0)
            if ready:
                return ready
        if timeout is not None and timeout <= 0:
            return []
        return self.loop.pass_time(timeout)

    def wait_really(self, timeout_s: float | None) -> list[_Ready]:
        return super().select(timeout_s)


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """Jumps from timer to timer; `time()` starts at `VIRTUAL_START_S`.

    The clock stands still while work that was given to `run_in_executor` (and so to
    `asyncio.to_thread`) is under way, which keeps runs with a database thread repeatable. It
    knows nothing of threads started by other means.

    Args:
        settle_s: real seconds to wait, before each jump, for a socket to become readable or
            writable. 0 suits a closed world; a broker in another process wants a few ms.
    """

    def __init__(self, *, settle_s: float = 0.0) -> None:
        self._now_s = VIRTUAL_START_S
        self._settle_s = settle_s
        self._thread_jobs = 0
        self._awaits_signals = False
        self._own_executor: ThreadPoolExecutor | None = None
        self._virtual_selector = _VirtualSelector()
        self._virtual_selector.loop = self
        super().__init__(self._virtual_selector)
        # What is registered so far is the loop's own wake-up socket; anything more is foreign.
        self._own_files = self._virtual_selector.files

    def time(self) -> float:
        """Give the virtual time in seconds."""
        return self._now_s

    @property
    def has_outside(self) -> bool:
        """Whether a signal, a thread or a file that is not the loop's own could wake it."""
        return bool(
            self._thread_jobs
            or self._awaits_signals
            or self._virtual_selector.files > self._own_files
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

    def pass_time(self, timeout_s: float | None) -> list[_Ready]:
        """Wait for threads and sockets as far as needed, else jump `timeout_s` ahead.

        Called by the loop's selector when no callback is ready.

        Raises:
            DeadlockError: nothing is scheduled, and neither a thread nor a socket could wake us.
        """
        if self._thread_jobs:
            return self._virtual_selector.wait_really(None)
        has_files = self._virtual_selector.files > self._own_files
        if timeout_s is None:
            if has_files:
                return self._virtual_selector.wait_really(None)
            raise DeadlockError(self._describe_deadlock())
        if has_files and self._settle_s > 0:
            ready = self._virtual_selector.wait_really(self._settle_s)
            if ready:
                return ready
        self._now_s += timeout_s
        if self._now_s > _COARSE_S:
            self._now_s = math.nextafter(self._now_s, math.inf)
        return []

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


def new_event_loop(speed: float = 1.0, *, settle_s: float = 0.0) -> asyncio.AbstractEventLoop:
    """Make an event loop whose clock runs `speed` times as fast as real time.

    Args:
        speed: 1.0 gives the platform's ordinary loop; `math.inf` virtual time; any other positive
            number scaled time. Scaled time serves below about a thousand file descriptors.
        settle_s: see `VirtualEventLoop`; of no effect with a finite speed.

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
    return _ScaledEventLoop(speed)


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
        main: the coroutine to run.
        speed: see `new_event_loop`.
        settle_s: see `VirtualEventLoop`.
        debug: asyncio's debug mode.

    Raises:
        DeadlockError: in virtual time, see `VirtualEventLoop.pass_time`; all tasks are cancelled
            before it reaches the caller.
    """
    with asyncio.Runner(
        debug=debug or None, loop_factory=lambda: new_event_loop(speed, settle_s=settle_s)
    ) as runner:
        return runner.run(main)
