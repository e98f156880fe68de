# SPDX-License-Identifier: MIT
"""What takes longer than a request: an operation that shows lines, asks questions and ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError, TenutoError
from tenuto.retry import describe_failure
from tenuto.sessions.events import Entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tenuto.links.scan import Found

_log = logging.getLogger(__name__)

JOBS_MAX = 8
LINES_MAX = 200
JOB_TIMEOUT_S = 1_800.0
"""A quiz of a hundred cues takes twenty minutes."""
ANSWER_CHARS_MAX = 200


class Job:
    """One of them, and the person who asked for it; see `backend.Person`.

    Attributes:
        number: Which one.
        title: What it does, for people.
        lines: What it said.
        found: The devices that it heard, by their addresses.
        question: What it asks now, empty if nothing.
        result: What it ended with, None before.
        problem: Why it failed, empty if it did not.
        gone: Set when the person wants its end.
    """

    def __init__(self, number: int, title: str, on_change: Callable[[Job], None]) -> None:
        self.number = number
        self.title = title
        self.lines: list[str] = []
        self.found: dict[str, Found] = {}
        self.question = ""
        self.result: Any = None
        self.problem = ""
        self.gone = asyncio.Event()
        self._on_change = on_change
        self._answer: asyncio.Future[str] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._task is not None and self._task.done()

    def show(self, text: str) -> None:
        """Show a line."""
        self.lines = [*self.lines, text][-LINES_MAX:]
        self._on_change(self)

    async def ask(self, text: str) -> str:
        """Ask something, and wait for `answer`.

        Raises:
            InputError: They went.
        """
        self.question = text
        self._answer = asyncio.get_running_loop().create_future()
        self._on_change(self)
        leaving = asyncio.create_task(self.gone.wait(), name="page job left")
        waiting: set[asyncio.Future[Any]] = {self._answer, leaving}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not self._answer.done():
                raise InputError("nobody answered")
            return self._answer.result()
        finally:
            leaving.cancel()
            self.question, self._answer = "", None
            self._on_change(self)

    async def tell(self, items: Sequence[Entry] | Sequence[Found]) -> None:
        """Keep the devices that were heard."""
        self.found.update({one.address: one for one in items if not isinstance(one, Entry)})
        self._on_change(self)

    def answer(self, text: str) -> bool:
        """Answer what is asked; False if nothing is."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(text[:ANSWER_CHARS_MAX])
        return True

    def begin(self, work: Callable[[Job], Awaitable[Any]]) -> None:
        """Begin; it ends by itself, when `gone` is set, or after `JOB_TIMEOUT_S`."""
        self._task = asyncio.create_task(self._run(work), name=f"page job {self.number}")
        self._task.add_done_callback(lambda _: self._on_change(self))

    async def _run(self, work: Callable[[Job], Awaitable[Any]]) -> None:
        working = asyncio.ensure_future(work(self))
        leaving = asyncio.ensure_future(self.gone.wait())
        try:
            await asyncio.wait(
                {working, leaving}, timeout=JOB_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if working.done():
                self.result = working.result()
            else:
                self.problem = "ended" if self.gone.is_set() else "it took too long"
        except TenutoError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 - one job must not end the page
            _log.error("page job %r: %s", self.title, describe_failure(error))
            self.problem = f"a fault of Tenuto's own: {type(error).__name__}"
        finally:
            working.cancel()
            leaving.cancel()
            await asyncio.wait({working, leaving}, timeout=5)

    async def end(self) -> None:
        """End it and wait for that."""
        self.gone.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=5)


class Jobs:
    """The newest of them.

    Args:
        message: Returns what a browser is sent of one.
        send: Sends that to the browsers.
    """

    def __init__(
        self, message: Callable[[Job], dict[str, Any]], send: Callable[[dict[str, Any]], None]
    ) -> None:
        self._message = message
        self._send = send
        self._jobs: dict[int, Job] = {}
        self._count = 0

    def get(self, number: int) -> Job | None:
        """Return one by its number."""
        return self._jobs.get(number)

    def messages(self) -> list[dict[str, Any]]:
        """Return what a browser is sent that has just come."""
        return [self._message(job) for job in self._jobs.values()]

    def begin(self, title: str, work: Callable[[Job], Awaitable[Any]]) -> Job:
        """Begin one.

        Raises:
            InputError: Too many go on.
        """
        over = [number for number, job in self._jobs.items() if job.is_over]
        while len(self._jobs) >= JOBS_MAX:
            if not over:
                raise InputError("too much goes on at once; end something first")
            del self._jobs[over.pop(0)]
        self._count += 1
        job = self._jobs[self._count] = Job(
            self._count, title, lambda changed: self._send(self._message(changed))
        )
        job.begin(work)
        return job

    async def close(self) -> None:
        """End all of them."""
        for job in self._jobs.values():
            await job.end()
