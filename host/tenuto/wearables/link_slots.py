# SPDX-License-Identifier: MIT
"""Shares the links of an adapter among more wearables than it carries at once.

Adapters carry some 5 to 20 links.  A wearable that plays alone can do without its link for a while:
it releases its slot, and what it logs meanwhile is read when it has a slot again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

_log = logging.getLogger(__name__)

IDLE_HOLD_S = 15.0
PLAYING_HOLD_S = 60.0
"""How long a wearable keeps its slot at least while others wait."""


class LinkSlots:
    """The slots for links on one adapter, acquired in the order of asking.

    Args:
        adapter: its name, for messages.
        limit: how many links it carries at once, None until it says that it is full.

    Attributes:
        held: how many slots are acquired: of those that have a link or try to get one.
    """

    def __init__(self, adapter: str, limit: int | None = None) -> None:
        self.adapter = adapter
        self.limit = limit
        self.held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether `acquire` would wait now."""
        return bool(self._waiting) or (self.limit is not None and self.held >= self.limit)

    def lower_limit(self) -> None:
        """Note that the adapter has refused a link to a wearable that holds a slot."""
        carried = max(1, self.held - 1)
        if self.limit is None or carried < self.limit:
            self.limit = carried
            _log.warning(
                "adapter=%s carries no more than %d links at once; the wearables share them",
                self.adapter,
                carried,
            )

    async def acquire(self) -> None:
        """Wait for a slot; each is to be released by `release`."""
        if not self.is_full:
            self.held += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.release()  # it came just now
            elif place in self._waiting:
                self._waiting.remove(place)
            raise

    def release(self) -> None:
        """Release a slot; the one that has waited longest gets it."""
        self.held -= 1
        while self._waiting and (self.limit is None or self.held < self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.held += 1
                place.set_result(None)
