# SPDX-License-Identifier: MIT
"""A daemon and bands on links in memory, all on one virtual clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tenuto.daemon.classes import Classes
from tenuto.daemon.commands import Commands
from tenuto.daemon.hub import Hub
from tenuto.daemon.sinks import SINKS, HeartRate, SinkRow, queue_for
from tenuto.history import HistorySink, Store
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import Entry, Record, SessionEnded
from tenuto.state.class_store import ClassStore
from tenuto.wearables.band import BandDriver
from tenuto.wearables.hosted import HostedDriver
from tenuto_core.buzzer import Motor
from tenuto_core.log import RECORD_BYTES, unpack_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from tenuto.links.base import Link
    from tenuto.links.in_process import InProcessBand
    from tenuto.routines.compile import CompiledPlan
    from tenuto.state.clocks import ClockStore
    from tenuto.wearables.host_lease import HostLease
    from tenuto.wearables.link_slots import Slots
    from tenuto.wearables.surroundings import LinkState

UTC_MS = 1_800_000_000_000


def utc_ms() -> float:
    return UTC_MS + asyncio.get_running_loop().time() * 1000


class RecordingMotor(Motor):
    """Notes each edge as (ms since it was made, strength in %; 0 is off)."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._is_on = False
        self.edges: list[tuple[int, int]] = []

    def _edge(self, strength_pct: int) -> None:
        now_ms = round((self._loop.time() - self._start_s) * 1000)
        self.edges.append((now_ms, strength_pct))

    def on(self, strength_pct: int, on_ms: int) -> None:  # noqa: ARG002 - the buzzer ends it
        self._is_on = True
        self._edge(strength_pct)

    def off(self) -> None:
        if self._is_on:
            self._is_on = False
            self._edge(0)


class Collector:
    """A sink that keeps what it gets."""

    name = "collector"

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.changed = asyncio.Event()

    async def open(self) -> None:
        pass

    async def handle(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        self.changed.set()

    async def close(self) -> None:
        pass

    async def until(self, happened: Callable[[Entry], bool], timeout_s: float = 3600) -> Entry:
        """Wait until an entry has come that is meant; gives the first."""
        async with asyncio.timeout(timeout_s):
            while True:
                for entry in self.entries:
                    if happened(entry):
                        return entry
                self.changed.clear()
                await self.changed.wait()

    async def ended(self) -> SessionEnded:
        entry = await self.until(lambda entry: isinstance(entry.event, SessionEnded))
        assert isinstance(entry.event, SessionEnded)
        return entry.event


@asynccontextmanager
async def daemon_for(
    path: Path,
    bands: Mapping[str, Link | BandDriver | HostedDriver],
    *sinks: Any,
    seed: int = 1,
    skews: ClockStore | None = None,
    slots: Slots | Mapping[str, Slots] | None = None,
    leases: Mapping[str, HostLease] | None = None,
    on_link: Callable[[str, LinkState], None] = lambda _name, _state: None,
    compiled: CompiledPlan | None = None,
) -> AsyncIterator[tuple[Commands, Store]]:
    """A running daemon with its history at `path`; left as a daemon that is killed leaves.

    Args:
        compiled: What is played, whatever is asked for; None for the routine that is asked for.
    """
    library = Library()
    async with Store(path) as store, queue_for(HistorySink(store)) as history:
        queues = [await queue_for(sink).__aenter__() for sink in sinks]
        hub = Hub(
            store=store,
            history=history,
            queues=queues,
            utc_ms=utc_ms,
            rng=random.Random(seed),
            on_link=on_link,
            skews=skews,
        )
        for name, band in bands.items():
            driver = band if isinstance(band, (BandDriver, HostedDriver)) else BandDriver(band)
            own_slots = slots[name] if isinstance(slots, Mapping) else slots
            hub.add(name, None, driver, own_slots, lease=(leases or {}).get(name))
        task = asyncio.create_task(hub.run(), name="daemon")

        async def plan(_wearable: str, name: str | None) -> CompiledPlan:
            return compiled or library.plan(name or "lower-back")

        async def plans(name: str | None, wearables: Sequence[str]) -> dict[str, CompiledPlan]:
            return {one: await plan(one, name) for one in wearables}

        kept = ClassStore(path.with_name("class.json"))
        classes = Classes(hub, plans, utc_ms=utc_ms, store=kept)
        await classes.restore()
        try:
            yield Commands(hub, plan, classes=classes), store
        finally:
            await classes.close()
            task.cancel()
            await asyncio.wait({task})
            for queue in queues:
                await queue.__aexit__(None, None, None)
            if not task.cancelled() and task.exception() is not None:
                raise task.exception()  # type: ignore[misc]


SINKS[Collector.name] = SinkRow(name=Collector.name, heart=HeartRate.ALL)


def command(verb: Verb, **more: Any) -> Command:
    return Command(wearable="band", verb=verb, **more)


async def connected(daemon: Commands, name: str = "band") -> None:
    async with asyncio.timeout(600):
        await daemon.supervisors[name].connected.wait()


def log_of(band: InProcessBand) -> list[Record]:
    """All records that the band still has."""
    log, records = band.band.log, list[Record]()
    while log.first + len(records) < log.next:
        data = log.read(log.first + len(records), log.capacity)
        records += [
            Record(log.first + len(records) + index, *unpack_record(data, index * RECORD_BYTES))
            for index in range(len(data) // RECORD_BYTES)
        ]
    return records
