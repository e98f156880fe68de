# SPDX-License-Identifier: MIT
"""Questions to the person at the terminal, without blocking the event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Terminal:
    """Shows on standard error and asks on standard input.

    Args:
        tell: Told what happens on the way, None for no one.
        gone: Set when the person wants the end.
    """

    def __init__(
        self,
        tell: Callable[[Any], Awaitable[None]] | None = None,
        gone: asyncio.Event | None = None,
    ) -> None:
        self.gone = gone or asyncio.Event()
        self._tell = tell

    async def tell(self, items: Any) -> None:  # noqa: ANN401 - entries or devices
        """Hand on what happens on the way."""
        if self._tell is not None:
            await self._tell(items)

    def show(self, text: str) -> None:
        """Show a line."""
        print(f"tenuto: {text}", file=sys.stderr, flush=True)

    async def ask(self, text: str) -> str:
        """Ask for a line.

        Raises:
            InputError: There is no terminal, or the input has ended.
        """
        if not sys.stdin.isatty():
            raise InputError("the wearable asks something: run this command in a terminal")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def give(line: str) -> None:
            if not answer.done():
                answer.set_result(line)

        def read() -> None:
            line = sys.stdin.readline()
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(give, line)

        print(f"tenuto: {text}", end="", file=sys.stderr, flush=True)
        # A daemon thread: a cancelled question must not block the exit.
        threading.Thread(target=read, name="ask", daemon=True).start()
        line = await answer
        if not line:
            raise InputError("the input has ended")
        return line.rstrip("\n")
