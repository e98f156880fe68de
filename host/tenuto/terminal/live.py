# SPDX-License-Identifier: MIT
"""The session on a terminal, live."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import IO, TYPE_CHECKING, cast

from rich.console import Group
from rich.control import Control
from rich.live import Live
from rich.text import Text

from tenuto.event_loops import real_s
from tenuto.sessions import events
from tenuto.sessions.view import State

from . import words
from .draw import ACCENT, Frame, can_draw, draw_screen
from .screen_state import ScreenStates
from .writer import Once, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, RenderableType

    from tenuto.sessions.events import Entry

    from .screen_state import ScreenState

FRAME_S = 0.1
"""Shortest real time between two frames."""
CLOSE_TIMEOUT_S = 1.0


class LiveSink:
    """A display that stays in place from the session's start to its end, then a summary.

    What is printed meanwhile through `sys.stdout` and `sys.stderr` comes out above it. It never
    waits for the terminal: while that does not take a frame, none is drawn.

    Args:
        console: A terminal that can move its cursor.
        now_ms: The time in UTC ms; must follow the event loop's clock, whatever its speed.
        speed: Of that clock; with `math.inf` the display moves with events only, for time jumps.
        how: How to do each exercise, by its name.
    """

    name = "terminal"

    def __init__(
        self,
        console: Console,
        *,
        now_ms: Callable[[], int],
        speed: float = 1.0,
        how: Mapping[str, str] | None = None,
    ) -> None:
        self._console = console
        self._now_ms = now_ms
        self._speed = speed
        self._how = how or {}
        self._once = Once()
        self._screens = ScreenStates()
        self._writer: Writer | None = None
        self._live: Live | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._size = console.size
        self._drawn_s = -math.inf

    async def open(self) -> None:
        """Take over the console's output."""
        if self._writer is None:
            self._writer = Writer(self._console.file)
            self._console.file = cast("IO[str]", self._writer)

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Take entries; they are on the screen with the next frame."""
        for entry in self._once.fresh(entries):
            screen = self._screens.apply(entry)
            if screen is None:
                continue
            if screen.view.state is not State.ENDED:
                self._start()
            elif isinstance(entry.event, events.SessionEnded):
                self._stop()
                self._print_summary(screen)
        if self._ticker is not None and self._ticker.done():
            ticker, self._ticker = self._ticker, None
            ticker.result()
        if not math.isfinite(self._speed) and time.monotonic() - self._drawn_s >= FRAME_S:
            self._draw()

    async def close(self) -> None:
        """Take the display away and give the console back; an unfinished session is summed up."""
        screen = self._screens.screen
        if self._live is not None and screen is not None:
            self._stop()
            self._print_summary(screen)
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None
        writer, self._writer = self._writer, None
        if writer is not None:
            self._console.file = writer.stream
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(real_s(CLOSE_TIMEOUT_S)):
                    await writer.drain()

    def _start(self) -> None:
        if self._live is not None:
            return
        self._size = self._console.size
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
        )
        self._live.start()
        if math.isfinite(self._speed) and (self._ticker is None or self._ticker.done()):
            self._ticker = asyncio.create_task(self._tick(), name="terminal refresh")

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    async def _tick(self) -> None:
        while self._live is not None:
            self._draw()
            await asyncio.sleep(FRAME_S * self._speed)

    def _draw(self) -> None:
        if self._live is None:
            return
        if self._writer is not None and self._writer.busy:
            self._writer.flush()
            return
        self._drawn_s = time.monotonic()
        if self._console.size != self._size:
            # A terminal that was resized has wrapped the old lines again, at unknown places.
            self._stop()
            self._console.control(Control.home(), Control.clear())
            self._start()
        if self._live is not None:
            self._live.refresh()

    def _picture(self) -> RenderableType:
        screen = self._screens.screen
        if screen is None:
            return Text()
        frame = Frame(
            width=self._console.width,
            height=self._console.height,
            how=self._how,
            plain=not can_draw(self._console.encoding),
        )
        return Group(*draw_screen(screen, self._now_ms(), frame))

    def _print_summary(self, screen: ScreenState) -> None:
        first, *rest = words.summary(screen.summary(), self._speed)
        self._console.print(Text(first, ACCENT))
        for line in rest:
            self._console.print(Text(line))
