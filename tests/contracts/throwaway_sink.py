# SPDX-License-Identifier: MIT
"""A sink that was added by this file and its row: it keeps the newest cues."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tenuto.daemon.sinks import SinkContext, SinkRow
from tenuto.sessions.events import CueFired, Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.sessions.events import Entry


class NewestCues:
    """Keeps the newest cues, and every kind of event that it was shown."""

    name = "newest_cues"

    def __init__(self) -> None:
        self.cues: deque[str] = deque(maxlen=100)
        self.shown: set[type[Event]] = set()

    async def open(self) -> None:
        self.cues.clear()

    async def handle(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.shown.add(type(entry.event))
            if isinstance(entry.event, CueFired):
                self.cues.append(entry.event.cue)

    async def close(self) -> None:
        pass


BUILT: list[NewestCues] = []


def build(_: SinkContext) -> NewestCues:
    BUILT.append(NewestCues())
    return BUILT[-1]


ROW = SinkRow(name=NewestCues.name, bound=64, batch=8, build=build)
