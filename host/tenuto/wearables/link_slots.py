# SPDX-License-Identifier: MIT
"""Who has a link when an adapter carries fewer than there are wearables: they take turns.

Adapters carry some 5 to 20 links.  A band plays by itself, so it can do without its link for a
while; what it logs meanwhile is read at its next turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

_log = logging.getLogger(__name__)

IDLE_TURN_S = 15.0
PLAYING_TURN_S = 60.0
"""How long a wearable keeps its link at least while others wait."""


class LinkSlots:
    """The links of one adapter.

    adapter: for messages.  limit: how many it carries at once, None until it says that it is full.

    Attributes:
        held: how many have a link or try to get one.
    """

    def __init__(self, adapter: str, limit: int | None = None) -> None:
        self.adapter = adapter
        self.limit = limit
        self.held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def wanted(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether whoever comes now has to wait."""
        return bool(self._waiting) or (self.limit is not None and self.held >= self.limit)

    def learn(self) -> None:
        """The adapter has refused a link to somebody who holds a turn."""
        carried = max(1, self.held - 1)
        if self.limit is None or carried < self.limit:
            self.limit = carried
            _log.warning(
                "adapter=%s carries no more than %d links at once; the others take turns",
                self.adapter,
                carried,
            )

    async def take(self) -> None:
        """Wait for a turn, first come, first served; each is to be given back by `give`."""
        if not self.is_full:
            self.held += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give()  # it came just now
            elif place in self._waiting:
                self._waiting.remove(place)
            raise

    def give(self) -> None:
        """Give a turn back, to whoever waits longest."""
        self.held -= 1
        while self._waiting and (self.limit is None or self.held < self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.held += 1
                place.set_result(None)
