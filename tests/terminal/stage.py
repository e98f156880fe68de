# SPDX-License-Identifier: MIT
"""A session that is really played, and a terminal that remembers what it was told."""

from __future__ import annotations

import asyncio
import io
import re
import threading
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console

from tenuto.routines.compile import compile_routine
from tenuto.routines.routine import parse
from tenuto.sessions.events import Entry
from tenuto.terminal.live import LiveSink
from tenuto_core import vocab
from tests.history.sessions import Band
from tests.patience import patience_s
from tests.sample_routines import vocabulary

if TYPE_CHECKING:
    from tenuto.sessions.events import Event
    from tenuto_core.plan import Plan

ROUTINE = """
name = "evening"
ready_s = 5
[defaults]
change_s = 8
hold_s = 30
[[exercise]]
name = "Glute Bridge"
how = "Lie on your back and lift your hips."
[[exercise]]
name = "Kneeling Lunge"
sides = "each"
how = "Kneel and lean forward."
"""
"""Ready 0:00, bridge 0:05, change 0:35, left 0:43, switch 1:13, right 1:21, done 1:51 to 1:54."""
HOW = {
    "Glute Bridge": "Lie on your back and lift your hips.",
    "Kneeling Lunge": "Kneel and lean forward.",
}
WRITTEN_S = 0.001
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def plan(text: str = ROUTINE) -> Plan:
    return compile_routine(parse(text, "evening.toml"), vocabulary()).plan


class Screen(io.StringIO):
    """A stream of a terminal: keeps what was written since the last `forget`."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def forget(self) -> None:
        self.seek(0)
        self.truncate()

    @property
    def text(self) -> str:
        return CONTROL.sub("", self.getvalue())


class StuckScreen(Screen):
    """A terminal after Ctrl-S, until `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        assert self.goes_on.wait(patience_s(30))
        return super().write(text)


class Stage:
    """The live display of one band; the loop's clock and the band's go together.

    Use it in virtual time, as an asynchronous context manager: it opens and closes the sink.
    """

    def __init__(
        self,
        *,
        routine: str = ROUTINE,
        width: int = 80,
        height: int = 24,
        speed: float = 1.0,
        **console: Any,
    ) -> None:
        self.band = Band(plan=plan(routine))
        self.screen = Screen()
        self.console = Console(
            file=self.screen,
            force_terminal=True,
            width=width,
            height=height,
            color_system=None,
            _environ={},
            **console,
        )
        self._base_ms = self.band.boot_utc_ms + self.band.now_ms - self._loop_ms()
        self._speed = speed
        self.sink = LiveSink(self.console, now_ms=self.utc_ms, speed=speed, how=HOW)

    @staticmethod
    def _loop_ms() -> int:
        return round(asyncio.get_running_loop().time() * 1_000)

    def utc_ms(self) -> int:
        return self._base_ms + self._loop_ms()

    async def __aenter__(self) -> Self:
        await self.sink.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sink.close()

    async def start(self, *, at_s: float = 0) -> None:
        """Begin a session, or meet one that began `at_s` ago."""
        self.band.do(vocab.START)
        self.band.pass_ms(round(at_s * 1_000))
        self._base_ms += round(at_s * 1_000)
        await self.show()

    async def show(self, *host_events: Event) -> None:
        """Hand over what the band logged, then what only the host noticed."""
        await self.sink.handle(self.band.entries())
        if host_events and self.band.tracker is not None:
            key, utc_ms = self.band.tracker.key, self.utc_ms()
            await self.sink.handle(
                [Entry(key, "wrist", None, event, utc_ms) for event in host_events]
            )

    async def pass_s(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.band.pass_ms(round(seconds * 1_000))
        await self.show()

    async def frame(self, *, news: bool = True) -> str:
        """Give the next frame as a reader sees it.

        news: whether the band is heard meanwhile.
        """
        between = self.pass_s if news else asyncio.sleep
        await self.show()
        await between(0.05 * self._speed)
        # A frame may fall on this very moment, and is written by a thread, for which time waits.
        await between(WRITTEN_S)
        self.screen.forget()
        await between(0.1 * self._speed)
        await between(WRITTEN_S)
        return self.screen.text
