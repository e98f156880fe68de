# SPDX-License-Identifier: MIT
"""Messages that must arrive, each at least once and in order, however long the broker is away.

A broker that is there has a message within a moment, and then the disk need not know of it: only
what still waits after `KEEP_AFTER_S` goes into the table in the history, where it survives a
restart, and all at once while the broker is away. Ids grow with time, so that two processes that
share a history never give the same one. The history has `keep` called before it keeps an event, so
that one which it has is never missing here. The broker may have a message while the table takes it:
both that and its removal go through one thread, in order, so the removal comes after. While the
disk is full or the table cannot be read, messages wait in memory, and each is tried again.

A cursor into the history ("the broker has everything up to here") cannot replace the table, because
the history is not in the order in which things became known. Records that arrive after an outage of
the link belong before `link_lost`, which the broker has already: in a session with 20 s of radio
silence, 10 of its 106 messages came to lie behind the cursor and would never be sent. An order of
arrival would be a column and an index on every record for ever, an import would look like news, and
the cursor would have to be written for every message that arrives; today a broker that is there
costs no write at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

from tenuto.errors import StoreError
from tenuto.event_loops import real_s
from tenuto.history import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)

HELD_MAX = 512
"""Messages in memory; what is more waits in the table alone."""
UNKEPT_MAX = 256
"""Messages that may be on no disk yet, where the disk takes them."""
KEEP_AFTER_S = 0.5


class Table(Protocol):
    """Where messages survive a restart; `tenuto.history.Store.outbox` is one."""

    async def last(self) -> int:
        """Return the id of the newest, 0 if there is none."""

    async def add(self, messages: Sequence[Waiting]) -> int:
        """Keep messages.

        Returns:
            How many of the oldest had to go.
        """

    async def after(self, last_id: int, limit: int) -> list[Waiting]:
        """Return the oldest above an id."""

    async def remove(self, ids: Sequence[int]) -> None:
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
        self._unkept: dict[int, Waiting] = {}
        self._writing: dict[int, Waiting] = {}
        # Of `_unkept`: what may be in the table all the same, for its writing was cancelled.
        self._doubtful: set[int] = set()
        self._gone: list[int] = []
        self._stir = asyncio.Event()
        self._last_id = 0
        self._last_taken = 0
        self._more = False
        self._failing = False

    async def open(self) -> None:
        """Take up what an earlier run left in the table."""
        if self._table is not None and not self._last_id:
            self._last_id = await self._table.last()
            self._more = self._last_id > 0

    @property
    def waits(self) -> bool:
        """Whether something is still to be sent or acknowledged."""
        return bool(self._held or self._flying or self._more)

    @property
    def is_full(self) -> bool:
        """Whether `keep` has to be called before more is added."""
        return len(self._unkept) >= UNKEPT_MAX

    def hold(self, messages: Sequence[tuple[str, bytes, int]]) -> None:
        """Add messages as (topic, payload, ms since 1970); they can be taken at once."""
        for topic, payload, utc_ms in messages:
            item = Waiting(self._next_id(), utc_ms, topic, payload)
            if self._table is not None:
                self._unkept[item.id] = item
                self._stir.set()
            self._hold(item)

    async def keep(self) -> None:
        """Put all that waits into the table."""
        await self._keep_up_to(self._last_id)

    async def _keep_up_to(self, last_id: int) -> None:
        """Put the older messages into the table, in order, or none of them."""
        waiting = {number: item for number, item in self._unkept.items() if number <= last_id}
        if self._table is None or not waiting:
            return
        for number in waiting:
            del self._unkept[number]
        self._writing |= waiting
        try:
            dropped = await self._table.add(list(waiting.values()))
        except (asyncio.CancelledError, StoreError) as error:
            # Those that have arrived meanwhile are no longer among those being written.
            again = {number: item for number, item in waiting.items() if number in self._writing}
            self._unkept = again | self._unkept
            if isinstance(error, asyncio.CancelledError):
                self._doubtful |= again.keys()
                raise
            self._say(error)
            self._let_go()
        else:
            self._failing = False
            self._doubtful -= waiting.keys()
            self._drop(dropped)
        finally:
            for number in waiting:
                self._writing.pop(number, None)

    def _say(self, error: BaseException) -> None:
        """Log the first failure of a row."""
        if not self._failing:
            _log.warning("mqtt outbox: %s", error)
        self._failing = True

    def _let_go(self) -> None:
        """Give up the oldest of what the table does not take, when it is more than memory holds.

        That costs those that are to be sent soon no more than their survival.
        """
        surplus = len(self._unkept) - HELD_MAX
        if surplus <= 0:
            return
        soon = {item.id for item in (*self._held, *self._flying.values())}
        oldest = list(self._unkept)[:surplus]
        for number in oldest:
            del self._unkept[number]
        self._doubtful.difference_update(oldest)
        self._drop(sum(number not in soon for number in oldest))

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
        """Return the next message to send; None for none, or if the table cannot be read now.

        Then `waits` is true though nothing is on its way.
        """
        if not self._held and self._more and self._table is not None:
            await self._refill(self._table)
        if not self._held:
            return None
        item = self._held.popleft()
        self._flying[item.id] = item
        self._last_taken = item.id
        return item

    async def _refill(self, table: Table) -> None:
        await self.keep()
        try:
            rows = await table.after(self._last_taken, HELD_MAX)
        except StoreError as error:
            self._say(error)
            return
        self._failing = False
        self._more = len(rows) == HELD_MAX
        last_id = rows[-1].id if self._more else self._last_id
        # What the table has not got yet, or does not take.
        beside = {**self._writing, **self._unkept}
        found = {row.id: row for row in rows} | {
            number: item for number, item in beside.items() if self._last_taken < number <= last_id
        }
        self._held.extend(found[number] for number in sorted(found))

    def arrived(self, item: Waiting) -> None:
        """Note that the broker has a message."""
        if self._flying.pop(item.id, None) is None:
            return
        was_unkept = self._unkept.pop(item.id, None) is not None
        if was_unkept and item.id not in self._doubtful:
            return
        self._doubtful.discard(item.id)
        self._writing.pop(item.id, None)
        if self._table is not None:
            self._gone.append(item.id)
            self._stir.set()

    def put_back(self, item: Waiting) -> None:
        """Have a message that the broker refused wait in its place again."""
        if self._flying.pop(item.id, None) is not None:
            self._held = deque(sorted((item, *self._held), key=lambda waiting: waiting.id))

    def give_back(self) -> None:
        """Note that nobody knows what became of all that was taken and has not arrived."""
        self._held.extendleft(reversed(self._flying.values()))
        self._flying.clear()

    async def run(self) -> None:
        """Keep what waits for long, and remove what has arrived, in batches, until cancelled."""
        while True:
            await self._stir.wait()
            self._stir.clear()
            newest = self._last_id
            await asyncio.sleep(real_s(KEEP_AFTER_S))
            await self._keep_up_to(newest)
            await self._tidy()
            if self._unkept or self._gone:
                self._stir.set()

    async def close(self) -> None:
        """Leave the table as the next run is to find it."""
        await self.keep()
        await self._tidy()

    async def _tidy(self) -> None:
        gone = self._gone[:]
        if self._table is None or not gone:
            return
        try:
            await self._table.remove(gone)
        except StoreError as error:
            self._say(error)
        else:
            # What arrived meanwhile came behind these, and what fails is removed the next time.
            self._failing = False
            del self._gone[: len(gone)]
