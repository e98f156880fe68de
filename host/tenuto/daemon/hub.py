# SPDX-License-Identifier: MIT
"""Joins sources and sinks: what a wearable logs goes into the queue of every sink.

Sources never call sinks. The entries of a wearable come from its supervisor.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.event_loops import real_s
from tenuto.sessions.events import EVENTS_OF_THE_HEART
from tenuto.wearables.supervisor import Supervisor
from tenuto.wearables.surroundings import LinkState, Surroundings

from .sinks import HeartRate

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from tenuto.history import Store
    from tenuto.sessions.events import Entry
    from tenuto.state.clocks import ClockStore
    from tenuto.wearables.base import Driver
    from tenuto.wearables.host_lease import HostLease
    from tenuto.wearables.link_slots import Slots

    from .sinks import SinkQueue

REMOVE_TIMEOUT_S = 2.0


class Hub:
    """The wearables of one host, and the queues of its sinks.

    Args:
        store: Open.
        history: The queue that must not lose anything; while it is full, the records wait on the
            wearables.
        queues: All others; already entered.
        utc_ms: Returns the present in ms since 1970.
        rng: For jitter.
        on_link: Told when a wearable is reached or lost; must not wait or raise.
        skews: What is remembered of the wearables' clocks.
        shares_heart: Whether a person lets the heart rate go out.
    """

    def __init__(
        self,
        *,
        store: Store,
        history: SinkQueue,
        queues: Sequence[SinkQueue],
        utc_ms: Callable[[], float],
        rng: random.Random,
        on_link: Callable[[str, LinkState], None],
        skews: ClockStore | None = None,
        stand_in: Callable[[str], str] | None = None,
        shares_heart: Callable[[str | None], bool] = lambda _person: False,
    ) -> None:
        self._shares_heart = shares_heart
        self._queues = [history, *queues]
        self._supervisors: dict[str, Supervisor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._around = Surroundings(
            store=store,
            utc_ms=utc_ms,
            put=self._put,
            has_room=lambda count: history.room >= count,
            on_link=on_link,
            rng=rng,
        )
        if stand_in is not None:
            self._around.stand_in = stand_in
        if skews is not None:
            self._around.skew, self._around.learn = skews.get, skews.put

    @property
    def supervisors(self) -> Mapping[str, Supervisor]:
        """The supervisors by the names of their wearables."""
        return self._supervisors

    @property
    def is_playing(self) -> bool:
        """Whether a session goes on on any wearable."""
        return any(supervisor.playing for supervisor in self._supervisors.values())

    def describe(self) -> str:
        """Say in a line how the wearables are."""
        supervisors = self._supervisors.values()
        there = [supervisor.name for supervisor in supervisors if supervisor.connected.is_set()]
        playing = [supervisor.name for supervisor in supervisors if supervisor.playing]
        plays = f"; playing: {', '.join(playing)}" if playing else ""
        return f"{len(there)} of {len(supervisors)} wearables in reach{plays}"

    def add(
        self,
        name: str,
        person: str | None,
        driver: Driver,
        slots: Slots | None = None,
        *,
        lease: HostLease | None = None,
        is_simulated: bool = False,
    ) -> Supervisor:
        """Take a wearable into care; at once if `run` runs.

        Args:
            slots: Slots of the adapter that it shares with others, None where there is room for
                all.
            lease: Of a wearable that other hosts have too.
            is_simulated: Its sessions are marked, and count for nobody.
        """
        supervisor = Supervisor(
            name, person, driver, self._around, slots, lease=lease, is_simulated=is_simulated
        )
        self._supervisors[name] = supervisor
        if self._group is not None:
            self._keep(self._group, supervisor)
        return supervisor

    async def remove(self, name: str) -> None:
        """Let go of a wearable; what it plays goes on there."""
        del self._supervisors[name]
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=real_s(REMOVE_TIMEOUT_S))

    def attach(self, queue: SinkQueue) -> None:
        """Put all entries from now on into one more queue."""
        self._queues.append(queue)

    def detach(self, queue: SinkQueue) -> None:
        """Put no more entries into a queue; nothing if it was not attached."""
        if queue in self._queues:
            self._queues.remove(queue)

    async def run(self) -> None:
        """Keep all wearables until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for supervisor in self._supervisors.values():
                    self._keep(group, supervisor)
                # There may be none, or none any more.
                await asyncio.Event().wait()
        finally:
            self._group = None

    def _keep(self, group: asyncio.TaskGroup, supervisor: Supervisor) -> None:
        self._tasks[supervisor.name] = group.create_task(
            supervisor.run(), name=f"keep {supervisor.name}"
        )

    def _put(self, entry: Entry) -> None:
        """Put an entry into the queues that may have it: hearts and trials are not for all."""
        sees = {HeartRate.NONE, HeartRate.SHARED, HeartRate.ALL}
        if type(entry.event) in EVENTS_OF_THE_HEART:
            sees.remove(HeartRate.NONE)
            if not self._shares_heart(entry.person):
                sees.remove(HeartRate.SHARED)
        for queue in self._queues:
            if queue.heart in sees and (queue.trials or not entry.is_trial):
                queue.put(entry)
