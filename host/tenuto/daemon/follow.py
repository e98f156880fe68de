# SPDX-License-Identifier: MIT
"""Following one session among all that a daemon sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.history import replay
from tenuto.sessions.events import Entry, SessionEnded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.history import Store
    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.events import SessionKey
    from tenuto.wearables.supervisor import Supervisor

    from .sinks import Sink

REACH_TIMEOUT_S = 60.0
ENTRIES_HELD_MAX = 2048


class OneSession:
    """Lets the entries of one session through to a sink, and tells when it has ended.

    Until `choose` says which, entries are held back: a wearable may first hand over sessions that
    it played alone.
    """

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self.ended: asyncio.Future[SessionEnded] = asyncio.get_running_loop().create_future()
        self._sink = sink
        self._key: SessionKey | None = None
        self._held: list[Entry] = []

    async def open(self) -> None:
        """Open the sink."""
        await self._sink.open()

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Pass on what belongs to the session."""
        if self._key is None:
            self._held = [*self._held, *entries][-ENTRIES_HELD_MAX:]
            return
        await self._pass_on(entries)

    async def choose(self, key: SessionKey, before: Sequence[Entry] = ()) -> None:
        """Say which session; what was held back of it comes first.

        before: what is known of its beginning; what is in it and was held back comes once.
        """
        known = {entry.event for entry in before}
        held, self._held = self._held, []
        self._key = key
        await self._pass_on([*before, *(entry for entry in held if entry.event not in known)])

    async def _pass_on(self, entries: Sequence[Entry]) -> None:
        mine = [entry for entry in entries if entry.session == self._key]
        if mine:
            await self._sink.handle(mine)
        for entry in mine:
            if isinstance(entry.event, SessionEnded) and not self.ended.done():
                self.ended.set_result(entry.event)

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()


async def reach(supervisor: Supervisor) -> None:
    """Wait until a wearable is in reach.

    Raises:
        LinkError: it was not in `REACH_TIMEOUT_S`; with the reason if one is known.
    """
    try:
        async with asyncio.timeout(REACH_TIMEOUT_S):
            await supervisor.connected.wait()
    except TimeoutError:
        raise supervisor.problem or LinkError(
            LinkReason.NOT_FOUND, f"{supervisor.name} did not answer in {REACH_TIMEOUT_S:.0f} s"
        ) from None


async def begin(supervisor: Supervisor, compiled: CompiledPlan) -> tuple[SessionKey, int, bool]:
    """Start the plan, or join what plays.

    Returns:
        the session, how long it may still last in ms, and whether it was joined.
    """
    playing = await supervisor.present_session()
    if playing is None:
        return await supervisor.start(compiled), compiled.plan.duration_ms, False
    plan = supervisor.tracker.plan if supervisor.tracker is not None else None
    return playing, compiled.plan.duration_ms if plan is None else plan.duration_ms, True


async def so_far(store: Store, key: SessionKey, person: str | None) -> list[Entry]:
    """Give what the history has of a session that still goes on, as entries that are replayed."""
    for stored in await store.unfinished(key.device):
        if stored.row.key == key:
            return [
                Entry(
                    key,
                    stored.row.wearable,
                    person,
                    event,
                    utc_ms,
                    replayed=True,
                    is_simulated=stored.row.is_simulated,
                )
                for event, utc_ms in replay(stored)
            ]
    return []
