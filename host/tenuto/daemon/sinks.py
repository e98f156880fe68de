# SPDX-License-Identifier: MIT
"""Sinks: their registry, and a bounded queue and a task for each, so that none holds up another.

The daemon puts each entry into every queue and goes on; what a sink then needs, its queue waits
for. A broker that takes half a second for a message, or a disk that hangs, costs that sink its own
oldest entries and nobody else anything.

A new sink is one file and one row in `SINKS`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, Self

from tenuto.errors import TenutoError
from tenuto.event_loops import real_s
from tenuto.history import LINGER_S
from tenuto.retry import Backoff, describe_failure, is_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenuto.config import Config
    from tenuto.history import Store
    from tenuto.sessions.events import Entry

_log = logging.getLogger(__name__)

FLUSH_TIMEOUT_S = 5.0
TRIES_MAX = 3
"""How often a batch is tried whose failure is not from outside: most likely it never works."""


class Sink(Protocol):
    """Where entries end: the history, a broker, a screen.

    The methods are never called at the same time, with one exception: `close` may come after a
    `handle` or an `open` that was cancelled.
    """

    name: str
    """For log lines and the name of the task."""

    async def open(self) -> None:
        """Make ready. A sink whose other end may be away returns and keeps trying by itself.

        Raises:
            TenutoError: it cannot work as it is configured; the text is for the person.
        """

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Take entries, in order; an empty sequence is allowed and does nothing.

        After an error the same entries come again, so that a sink either takes all or none of
        them, or can bear to see one twice.

        Raises:
            TenutoError, OSError, TimeoutError: the world outside is to blame; tried again for as
                long as it takes.
            Exception: anything else is taken for a mistake in the sink; tried `TRIES_MAX` times.
        """

    async def close(self) -> None:
        """Give everything back. May be called twice, and without `open`."""


class HeartRate(Enum):
    """Whose heart rate a sink gets."""

    NONE = "none"
    SHARED = "shared"
    """Of people who let it go out, by `publish_heart_rate`."""
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkContext:
    """What a sink may be built of."""

    config: Config
    store: Store
    utc_ms: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkRow:
    """One row of the registry.

    Attributes:
        name: `Sink.name`.
        bound, batch, linger_s: See `SinkQueue`.
        heart: Whose heart rate it gets; it is health data, so none unless the row says so.
        trials: Whether it gets the trials of cues too, which are no sessions.
        build: Returns the sink of a daemon, or None where the configuration does not want one.
            None for a sink that a command or the page builds when it is asked for.
    """

    name: str
    bound: int = 1024
    batch: int = 64
    linger_s: float = 0.0
    heart: HeartRate = HeartRate.NONE
    trials: bool = False
    build: Callable[[SinkContext], Sink | None] | None = None


SINKS: dict[str, SinkRow] = {
    row.name: row
    for row in (
        SinkRow(
            name="history",
            bound=4096,
            batch=256,
            linger_s=LINGER_S,
            heart=HeartRate.ALL,
            trials=True,  # it keeps of them how far the log was read, and nothing else
        ),
        SinkRow(name="mqtt", heart=HeartRate.SHARED),
        SinkRow(name="mqtt facts"),
        SinkRow(name="class", bound=4096, heart=HeartRate.SHARED),
        # What a person looks at who has asked for it.
        SinkRow(name="terminal", bound=4096, heart=HeartRate.ALL),
        SinkRow(name="lines", bound=4096, heart=HeartRate.ALL),
        SinkRow(name="json", bound=4096, heart=HeartRate.ALL),
        SinkRow(name="web", bound=4096, heart=HeartRate.ALL),
        SinkRow(name="control", bound=4096, heart=HeartRate.ALL, trials=True),
    )
}
"""All sinks by their names."""


def queue_for(sink: Sink, rows: Mapping[str, SinkRow] | None = None) -> SinkQueue:
    """Return the queue of a sink as its row says; without a row, the defaults hold."""
    row = (SINKS if rows is None else rows).get(sink.name) or SinkRow(name=sink.name)
    return SinkQueue(
        sink,
        bound=row.bound,
        batch=row.batch,
        linger_s=row.linger_s,
        heart=row.heart,
        trials=row.trials,
    )


class SinkQueue:
    """The queue and the task of one sink; an asynchronous context manager.

    When the queue is full the oldest entry is dropped: for a screen and a dashboard the newest
    ones matter, and the history loses the same number either way.

    Attributes:
        name: the sink's.
        dropped: entries lost so far, because the queue was full, because the sink failed on them
            for good, or because they were still here when the queue closed.
        failing: whether the last attempt of the sink failed.
        failure: why it did, for people; of the last one that failed.
        heart: whose heart rate the daemon puts in.
        trials: whether the daemon puts trials of cues in.

    What a sink waits for is no faster under a clock that is, so the time limits are of real time.

    Args:
        sink: opened on entry, closed on exit.
        bound: entries that wait at most, besides the batch that is being handled.
        batch: entries handed to the sink at once, at most.
        linger_s: how long the first entry waits for others, so that a sink to which each call is
            dear gets them at once; a full batch, `flush` and the exit do not wait for it.
        handle_timeout_s: longest time for `open` and for each `handle`, then it is cancelled.
        close_timeout_s: on exit, longest time for what still waits, and again for `close`.
        on_dropped: called with the number of entries just lost; must not raise.
        heart: whose heart rate the sink is to get.
        trials: whether it is to get the trials of cues.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        bound: int = 1024,
        batch: int = 64,
        linger_s: float = 0.0,
        handle_timeout_s: float = 30.0,
        close_timeout_s: float = 2.0,
        on_dropped: Callable[[int], None] | None = None,
        heart: HeartRate = HeartRate.NONE,
        trials: bool = False,
    ) -> None:
        if bound < 1 or batch < 1:
            msg = f"bound and batch must be 1 or more, not {bound} and {batch}"
            raise ValueError(msg)
        self.name = sink.name
        self.dropped = 0
        self.failing = False
        self.failure = ""
        self.heart = heart
        self.trials = trials
        self._sink = sink
        self._bound = bound
        self._batch_max = batch
        self._linger_s = linger_s
        self._handle_timeout_s = handle_timeout_s
        self._close_timeout_s = close_timeout_s
        self._on_dropped = on_dropped
        self._queue: deque[tuple[int, Entry]] = deque()
        self._batch: list[tuple[int, Entry]] = []
        self._backoff = Backoff(None)  # each sink has an end of its own: no herd to spread
        self._count = 0
        self._burst = 0
        self._filled = asyncio.Event()
        self._hurry = asyncio.Event()
        self._flushes = 0
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def put(self, entry: Entry) -> None:
        """Queue an entry. Never waits and never raises; after the exit it counts as dropped."""
        self._count += 1
        if self._closed:
            self._drop(1)
            return
        if len(self._queue) >= self._bound:
            self._queue.popleft()
            if not self._burst:
                _log.warning(
                    "queue=%s full=%d the oldest entries are dropped", self.name, self._bound
                )
            self._burst += 1
            self._drop(1)
        self._queue.append((self._count, entry))
        self._filled.set()
        if len(self._queue) >= self._batch_max:
            self._hurry.set()

    @property
    def room(self) -> int:
        """How many entries can be put now before the oldest is dropped."""
        return self._bound - len(self._queue)

    async def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> bool:
        """Wait until all that was put before this call is handled or dropped.

        Returns:
            False if `timeout_s` passed first.
        """
        last = self._count
        self._flushes += 1
        self._hurry.set()
        try:
            async with asyncio.timeout(real_s(timeout_s)):
                while self._oldest() <= last:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return False
        finally:
            self._flushes -= 1
        return True

    async def __aenter__(self) -> Self:
        """Open the sink and start the task.

        Raises:
            TenutoError: from the sink, or because it did not open in time.
        """
        try:
            async with asyncio.timeout(real_s(self._handle_timeout_s)):
                await self._sink.open()
        except TimeoutError:
            await self._close_sink()
            msg = f"{self.name} did not open within {self._handle_timeout_s:g} s"
            raise TenutoError(msg) from None
        except BaseException:
            await self._close_sink()
            raise
        self._task = asyncio.create_task(self._run(), name=f"queue {self.name}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Handle what still waits, within the time limits, and close the sink."""
        self._closed = True
        try:
            await self.flush(self._close_timeout_s)
        finally:
            if self._task is not None:
                await self._end(self._task)
            left = len(self._queue) + len(self._batch)
            self._queue.clear()
            self._batch.clear()
            if left:
                _log.warning("queue=%s closed dropped=%d", self.name, left)
                self._drop(left)
            await self._close_sink()

    def _oldest(self) -> int | float:
        """Return the number of the oldest entry that is neither handled nor dropped."""
        waiting = self._batch or self._queue
        return waiting[0][0] if waiting else float("inf")

    def _drop(self, count: int) -> None:
        self.dropped += count
        if self._on_dropped is not None:
            self._on_dropped(count)

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            if self._linger_s:
                await self._linger()
            while self._queue and len(self._batch) < self._batch_max:
                self._batch.append(self._queue.popleft())
            if not self._queue:
                self._filled.clear()
            if self._burst:
                _log.warning("queue=%s goes on dropped=%d", self.name, self._burst)
                self._burst = 0
            await self._handle_batch()
            self._batch.clear()
            self._settled.set()

    async def _linger(self) -> None:
        """Return others the time to come, unless somebody waits or a batch is full."""
        if self._flushes or len(self._queue) >= self._batch_max:
            return
        self._hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(real_s(self._linger_s)):
                await self._hurry.wait()

    async def _handle_batch(self) -> None:
        entries = [entry for _, entry in self._batch]
        tries = 0
        while True:
            try:
                async with asyncio.timeout(real_s(self._handle_timeout_s)):
                    await self._sink.handle(entries)
            except (TenutoError, OSError, TimeoutError) as error:
                self._say_failed(error)
            # One bad batch must not end the sink, nor must a cancellation that leaks out of it.
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                tries += 1
                self._say_failed(error)
                if tries == TRIES_MAX:
                    _log.error("queue=%s gives up dropped=%d", self.name, len(entries))
                    self._drop(len(entries))
                    self._backoff.reset()
                    return
            else:
                if self.failing:
                    _log.info("queue=%s works again", self.name)
                    self._backoff.reset()
                self.failing = False
                return
            await asyncio.sleep(self._backoff.next_s())

    def _say_failed(self, error: BaseException) -> None:
        """Log the first failure of a row."""
        self.failure = describe_failure(error)
        if not self.failing:
            self.failing = True
            _log.warning("queue=%s failed: %s", self.name, self.failure)

    async def _close_sink(self) -> None:
        closing = asyncio.create_task(self._sink.close(), name=f"close {self.name}")
        try:
            done, _ = await asyncio.wait({closing}, timeout=real_s(self._close_timeout_s))
        except BaseException:
            closing.cancel()
            raise
        if not done:
            _log.warning("queue=%s did not close in time", self.name)
            await self._end(closing)
        elif closing.exception() is not None:
            self.failing = False
            self._say_failed(TenutoError(f"{type(closing.exception()).__name__} while closing"))

    async def _end(self, task: asyncio.Task[None]) -> None:
        """Cancel a task and wait for its end, but not for ever."""
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=real_s(self._close_timeout_s))
        if not done:
            _log.warning("queue=%s ignores its cancellation", self.name)
