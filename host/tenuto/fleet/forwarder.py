# SPDX-License-Identifier: MIT
"""Forwards the history of a host to the central one, and takes over what was changed there.

Taken over is what was deleted, and what is prescribed to the people of this host.

What is to be told waits on the disk; see `tenuto.history.forwarding`. While the central history
cannot be reached, the pauses between attempts grow, and nothing else in the daemon notices.
"""

from __future__ import annotations

import asyncio
import logging
import math
from functools import partial
from typing import TYPE_CHECKING

from tenuto.errors import InputError, TenutoError
from tenuto.event_loops import real_s
from tenuto.history import persons
from tenuto.history.deletion import is_erased
from tenuto.history.jsonlines import read_lines
from tenuto.retry import Backoff, describe_failure

from .inbox import NOTES_AT_ONCE, deletions_after, say_waiting, send
from .prescribing import changed_after
from .schema import check

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

    from tenuto.history import Store
    from tenuto.history.forwarding import Waiting

    from .postgres import CentralHistory
    from .prescribing import Told

_log = logging.getLogger(__name__)

EVERY_S = 2.0
"""The pause between two looks at what is new."""
SAY_EVERY_S = 60.0
"""How often it says that it is there, while it has nothing else to say."""
RETRY_MAX_S = 60.0


class Forwarder:
    """Forwards one history.

    Attributes:
        failure: Why the last attempt failed, empty while all is well.

    Args:
        store: The history of this host.
        central: Where to.
        host: The name of this host there.
        shares_heart: Whether the heart beats of a person go along.
        people: Returns whom this host is for, by their ids in the configuration, beside those who
            are in its history.
        on_prescribed: Called when something that was prescribed is new here, or has ended.
    """

    def __init__(
        self,
        store: Store,
        central: CentralHistory,
        *,
        host: str,
        shares_heart: Callable[[str | None], bool],
        people: Callable[[], Iterable[str]] = tuple,
        on_prescribed: Callable[[], None] = lambda: None,
    ) -> None:
        self.failure = ""
        self._store = store
        self._central = central
        self._host = host
        self._shares_heart = shares_heart
        self._people = people
        self._on_prescribed = on_prescribed
        self._known: frozenset[str] = frozenset()
        self._prescriptions_taken = 0
        self._said: Waiting | None = None
        self._say_next_s = -math.inf

    async def run(self, rng: random.Random) -> None:
        """Forward until cancelled."""
        backoff = Backoff(rng, first_s=EVERY_S, max_s=RETRY_MAX_S)
        while True:
            try:
                await self.forward()
            except (TenutoError, OSError, TimeoutError) as error:
                told = describe_failure(error)
                if not self.failure:
                    _log.warning("fleet: nothing is forwarded for now, it waits here: %s", told)
                self.failure = told
                self._said = None
                await asyncio.sleep(real_s(backoff.next_s()))
            else:
                if self.failure:
                    _log.info("fleet: forwards again")
                self.failure = ""
                backoff.reset()
                await asyncio.sleep(real_s(EVERY_S))

    async def forward(self) -> int:
        """Forward all that waits, and take over what changed; return how many notes were sent."""
        forwarding = self._store.forwarding
        now_s = asyncio.get_running_loop().time()
        if self._said is None or now_s >= self._say_next_s:
            await self._central.work(check)
            self._said, self._say_next_s = None, now_s + real_s(SAY_EVERY_S)
        count = 0
        while (batch := await forwarding.next(NOTES_AT_ONCE, with_heart=self._shares_heart)).notes:
            await self._central.work(partial(send, host=self._host, lines=batch.lines))
            await forwarding.told(batch.notes)
            count += len(batch.notes)
        waiting = await forwarding.waiting()
        if waiting != self._said:
            await self._central.work(lambda db: say_waiting(db, self._host, waiting))
            self._said = waiting
        while True:
            taken = await forwarding.deletions_taken()
            found = await self._central.work(partial(deletions_after, number=taken))
            if not found:
                break
            await forwarding.delete(found)
        await self._take_prescriptions()
        return count

    async def _take_prescriptions(self) -> None:
        """Take over what is prescribed; after a start, and for people who are new here, all."""
        names = await self._store.work(persons.names)
        known = frozenset((*names.values(), *self._people()))
        if not known <= self._known:
            self._prescriptions_taken = 0
        self._known = known
        while True:
            found = await self._central.work(
                partial(changed_after, number=self._prescriptions_taken, people=known)
            )
            for told in found.told:
                await self._take_prescription(told)
            if found.told:
                self._on_prescribed()
            self._prescriptions_taken = found.number
            if found.is_all:
                return

    async def _take_prescription(self, told: Told) -> None:
        """Take over a prescription, unless its person was erased here and not yet there."""
        if await self._store.work(lambda db: any(is_erased(db, one) for one in told.people)):
            return
        try:
            await read_lines(self._store, told.lines, "the central history", same_people=True)
        except InputError:  # what it says may be somebody's health
            _log.warning("fleet: a prescription in the central history cannot be read")
