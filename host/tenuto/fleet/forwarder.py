# SPDX-License-Identifier: MIT
"""Forwards the history of a host to the central one, and takes over what was deleted there.

What is to be told waits on the disk; see `tenuto.history.forwarding`. While the central history
cannot be reached, the pauses between attempts grow, and nothing else in the daemon notices.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from tenuto.errors import TenutoError
from tenuto.event_loops import real_s
from tenuto.retry import Backoff, describe_failure

from .inbox import deletions_after, say_waiting, send
from .schema import check

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tenuto.history import Store

    from .postgres import CentralHistory

_log = logging.getLogger(__name__)

NOTES_AT_ONCE = 16
"""Sessions and more in one parcel: some thousand records, each a line of 200 bytes."""
EVERY_S = 2.0
"""The pause between two looks at what is new."""
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
    """

    def __init__(
        self,
        store: Store,
        central: CentralHistory,
        *,
        host: str,
        shares_heart: Callable[[str | None], bool],
    ) -> None:
        self.failure = ""
        self._store = store
        self._central = central
        self._host = host
        self._shares_heart = shares_heart

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
                await asyncio.sleep(real_s(backoff.next_s()))
            else:
                if self.failure:
                    _log.info("fleet: forwards again")
                self.failure = ""
                backoff.reset()
                await asyncio.sleep(real_s(EVERY_S))

    async def forward(self) -> int:
        """Forward all that waits, and take over what was deleted; return how many notes it was."""
        forwarding = self._store.forwarding
        await self._central.work(check)
        count = 0
        while (batch := await forwarding.next(NOTES_AT_ONCE, with_heart=self._shares_heart)).notes:
            await self._central.work(partial(send, host=self._host, lines=batch.lines))
            await forwarding.told(batch.notes)
            count += len(batch.notes)
        waiting = await forwarding.waiting()
        await self._central.work(lambda db: say_waiting(db, self._host, waiting))
        while True:
            taken = await forwarding.deletions_taken()
            found = await self._central.work(partial(deletions_after, number=taken))
            if not found:
                return count
            await forwarding.delete(found)
