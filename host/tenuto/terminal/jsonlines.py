# SPDX-License-Identifier: MIT
"""Events for programs: one JSON object a line."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING

from tenuto.sessions.events import to_json

from .writer import Once, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.sessions.events import Entry


class JsonSink:
    """Writes each event as a line of JSON, see `tenuto.events.to_json`, and nothing else.

    A reader that goes away, such as `head`, ends it quietly.

    Args:
        stream: Where it writes.
        on_gone: Called once when the reader has gone away.
    """

    name = "json"

    def __init__(self, stream: IO[str], *, on_gone: Callable[[], None] | None = None) -> None:
        self._writer = Writer(stream, on_gone)
        self._once = Once()

    async def open(self) -> None:
        """Do nothing."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Write entries; returns when the reader has them."""
        for entry in self._once.fresh(entries):
            self._writer.write(json.dumps(to_json(entry.event), allow_nan=False) + "\n")
        await self._writer.drain()

    async def close(self) -> None:
        """Write what is left."""
        await self._writer.drain()
