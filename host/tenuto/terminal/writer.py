# SPDX-License-Identifier: MIT
"""Text to a stream that may block, such as a terminal after Ctrl-S or the pipe of a slow reader.

The event loop's executor writes, so that nothing else waits for the reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from collections import deque
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.sessions.events import Entry

BOUND_CHARS = 1_000_000
_NOBODY_READS = (errno.EPIPE, errno.EIO, errno.ECONNRESET)


class Writer:
    """A text stream that never blocks and passes text on as fast as `stream` takes it.

    When more than `BOUND_CHARS` wait, the oldest text is dropped, and a line says how much.

    Args:
        stream: Where it goes.
        on_gone: Called once, by `drain`, when the other end was closed.

    Attributes:
        gone: Whether the other end was closed; what is written then is dropped without a word.
    """

    def __init__(self, stream: IO[str], on_gone: Callable[[], None] | None = None) -> None:
        self.stream = stream
        self.gone = False
        self._waiting: deque[str] = deque()
        self._chars = 0
        self._dropped = 0
        # Code on another thread may print through a live display.
        self._lock = threading.Lock()
        self._job: asyncio.Future[None] | None = None
        self._error: OSError | None = None
        self._on_gone = on_gone

    @property
    def encoding(self) -> str:
        """That of the stream."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        return self.stream.fileno()

    @property
    def busy(self) -> bool:
        """Whether something waits to be written or is being written."""
        return bool(self._waiting) or (self._job is not None and not self._job.done())

    def write(self, text: str) -> int:
        """Take text; the next `flush` sends it."""
        with self._lock:
            if not self.gone and text:
                self._waiting.append(text)
                self._chars += len(text)
            while self._chars > BOUND_CHARS:
                lost = self._waiting.popleft()
                self._chars -= len(lost)
                self._dropped += len(lost)
        return len(text)

    def flush(self) -> None:
        """Begin to write what waits; on another thread, leave that to the next `flush`."""
        with contextlib.suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            if self._waiting and (self._job is None or self._job.done()):
                self._job = loop.run_in_executor(None, self._write_all)
                # Text that came while the thread was about to end waits for the next flush.
                self._job.add_done_callback(lambda _: self.flush())

    async def drain(self) -> None:
        """Wait until everything is written.  Cancelling it loses nothing.

        Raises:
            OSError: The stream fails, and not because its reader has gone; raised once.
        """
        self.flush()
        while self._job is not None and self.busy:
            await asyncio.shield(self._job)
            self.flush()
        if self.gone and self._on_gone is not None:
            self._on_gone()
            self._on_gone = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _take(self) -> str:
        with self._lock:
            text = "".join(self._waiting)
            self._waiting.clear()
            self._chars = 0
            dropped, self._dropped = self._dropped, 0
        return f"\n[{dropped} characters were lost: nobody took them]\n{text}" if dropped else text

    def _write_all(self) -> None:
        """Write until nothing waits; runs in a thread."""
        while text := self._take():
            try:
                self._write_stream(text)
            except (OSError, ValueError) as error:  # ValueError: the stream was closed
                self.gone = True
                if isinstance(error, OSError) and error.errno not in _NOBODY_READS:
                    self._error = error
                self._let_go()

    def _write_stream(self, text: str) -> None:
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            self.stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
        self.stream.flush()

    def _let_go(self) -> None:
        """Keep the interpreter from failing on the same stream once more when it exits."""
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(null, self.stream.fileno())
            finally:
                os.close(null)


class Once:
    """Separates new entries from those that come again after an error."""

    def __init__(self) -> None:
        self._before: frozenset[Entry] = frozenset()

    def fresh(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries that were not in the batch before."""
        fresh = [entry for entry in entries if entry not in self._before]
        if fresh:
            self._before = frozenset(entries)
        return fresh
