# SPDX-License-Identifier: MIT
"""Messages that must arrive, each at least once and in order, however long the broker is away.

The table in the history is the truth, and the newest of it is also here. Ids grow with time, so
that two processes that share a history never give the same one. A message may be sent before the
table has it: table and removal go through one thread, in order, so the removal comes after.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

from tenuto.errors import StoreError
from tenuto.history import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)

HELD_MAX = 512
"""Messages in memory; what is more waits in the table alone."""
REMOVE_AFTER_S = 0.5


class Table(Protocol):
    """Where messages survive a restart; `tenuto.history.Store` is one."""

    async def outbox_last(self) -> int:
        """Give the id of the newest, 0 if there is none."""

    async def outbox_add(self, messages: Sequence[Waiting]) -> int:
        """Keep messages; returns how many of the oldest had to go."""

    async def outbox_after(self, last_id: int, limit: int) -> list[Waiting]:
        """Give the oldest above an id."""

    async def outbox_remove(self, ids: Sequence[int]) -> None:
        """Forget messages."""


class Outbox:
    """The queue in front of the table.

    Attributes:
        dropped: messages that the broker never gets, because too many waited.

    Args:
        table: None for memory alone.
        utc_ms: ms since 1970.
    """

    def __init__(self, table: Table | None, utc_ms: Callable[[], float]) -> None:
        self.dropped = 0
        self._table = table
        self._utc_ms = utc_ms
        self._held: deque[Waiting] = deque()
        self._flying: dict[int, Waiting] = {}
        self._gone: list[int] = []
        self._has_gone = asyncio.Event()
        self._last_id = 0
        self._last_taken = 0
        self._more = False
        self._failing = False

    async def open(self) -> None:
        """Take up what an earlier run left in the table."""
        if self._table is not None and not self._last_id:
            self._last_id = await self._table.outbox_last()
            self._more = self._last_id > 0

    @property
    def waits(self) -> bool:
        """Whether something is still to be sent or acknowledged."""
        return bool(self._held or self._flying or self._more)

    def hold(self, messages: Sequence[tuple[str, bytes, int]]) -> list[Waiting]:
        """Add messages as (topic, payload, ms since 1970); they can be taken at once.

        Give what comes back to `keep`.
        """
        waiting = [
            Waiting(self._next_id(), utc_ms, topic, payload) for topic, payload, utc_ms in messages
        ]
        for item in waiting:
            self._hold(item)
        return waiting

    async def keep(self, waiting: Sequence[Waiting]) -> None:
        """Put messages into the table; one that fails costs no more than their survival."""
        if self._table is None or not waiting:
            return
        try:
            dropped = await self._table.outbox_add(waiting)
        except StoreError as error:
            if not self._failing:
                _log.warning("mqtt outbox: %s", error)
            self._failing = True
        else:
            self._failing = False
            self._drop(dropped)

    def _next_id(self) -> int:
        self._last_id = max(self._last_id + 1, round(self._utc_ms() * 1000))
        return self._last_id

    def _hold(self, item: Waiting) -> None:
        if len(self._held) < HELD_MAX and not self._more:
            self._held.append(item)
        elif self._table is not None:
            self._more = True
        else:
            self._held.popleft()
            self._held.append(item)
            self._drop(1)

    def _drop(self, count: int) -> None:
        if count and not self.dropped:
            _log.warning("mqtt outbox: too many messages wait, the oldest are dropped")
        self.dropped += count

    async def take(self) -> Waiting | None:
        """Give the next message to send; None if there is none now."""
        if not self._held and self._more and self._table is not None:
            await self._refill(self._table)
        if not self._held:
            return None
        item = self._held.popleft()
        self._flying[item.id] = item
        self._last_taken = item.id
        return item

    async def _refill(self, table: Table) -> None:
        try:
            rows = await table.outbox_after(self._last_taken, HELD_MAX)
        except StoreError as error:
            _log.warning("mqtt outbox: %s", error)
            rows = []
        self._held.extend(rows)
        # What came meanwhile went into the table only; without rows there is nothing to come.
        self._more = bool(rows) and rows[-1].id < self._last_id

    def arrived(self, item: Waiting) -> None:
        """Note that the broker has a message."""
        if self._flying.pop(item.id, None) is not None:
            self._gone.append(item.id)
            self._has_gone.set()

    def give_back(self) -> None:
        """Note that nobody knows what became of all that was taken and has not arrived."""
        self._held.extendleft(reversed(self._flying.values()))
        self._flying.clear()

    async def keep_tidy(self) -> None:
        """Remove what has arrived from the table, in batches, until cancelled."""
        while True:
            await self._has_gone.wait()
            await asyncio.sleep(REMOVE_AFTER_S)
            await self.tidy()

    async def tidy(self) -> None:
        """Remove from the table what has arrived so far."""
        self._has_gone.clear()
        gone, self._gone = self._gone, []
        if self._table is None or not gone:
            return
        try:
            await self._table.outbox_remove(gone)
        except StoreError as error:
            _log.warning("mqtt outbox: %s", error)
