# SPDX-License-Identifier: MIT
"""Keeps one wearable: reaches it, follows its log, and never loses a session on the way.

The log on the wearable is the truth.  A keeper reads it from the first number that the history
does not have, turns it into entries and hands them to the daemon.  While the history cannot take
more, the log waits on the wearable.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tenuto.clock import DeviceClock, Probe
from tenuto.commands import Verb
from tenuto.errors import LinkError, LinkReason, RefusedError, StoreError, TenutoError
from tenuto.events import (
    Entry,
    Event,
    LinkLost,
    LinkRestored,
    Record,
    SessionEnded,
    SessionKey,
)
from tenuto.history import ExerciseNote
from tenuto.session import Tracker, plan_id_of
from tenuto_core import vocab
from tenuto_core.plan import Plan, PlanError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from tenuto.compile import CompiledPlan
    from tenuto.history import Store
    from tenuto.wearables.base import Driver, Identity, Status

_log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
STABLE_S = 10.0
"""A link that lasted so long was a good one: the next back-off begins anew."""
SILENCE_S = 60.0
"""A band that has said nothing for so long is asked whether it is there: BlueZ was seen to call a
link connected for ever after its D-Bus had broken."""
PROBES = 5
RECORDS_WAITING_MAX = 2048
STORE_TIMEOUT_S = 10.0


class LinkState(StrEnum):
    """Whether a wearable is in reach."""

    UP = "up"
    DOWN = "down"


class KeeperState(StrEnum):
    """What a keeper does."""

    IDLE = "idle"
    """It does not run."""
    REACHING = "reaching"
    """It looks for the wearable, connects, takes up the log."""
    UP = "up"
    """The wearable is in reach and its log is followed."""
    WAITING = "waiting"
    """It failed, see `problem`, and tries again after the back-off."""


@dataclass
class Surroundings:
    """What a keeper needs of its surroundings.

    utc_ms: UTC of now in ms since 1970.  put: hands an entry to all outlets at once.  has_room:
    whether the history can take this many more entries.  on_link: called when the link of a
    wearable comes or goes.  rng: for the jitter of the back-off.
    """

    store: Store
    utc_ms: Callable[[], float]
    put: Callable[[Entry], None]
    has_room: Callable[[int], bool]
    on_link: Callable[[str, LinkState], None]
    rng: random.Random


@dataclass
class _Now:
    """What is known of the wearable since it was reached."""

    identity: Identity
    clock: DeviceClock = field(default_factory=DeviceClock)


class Keeper:
    """Keeps the wearable `name` by its driver until `run` is cancelled.

    Attributes:
        state: what it does at the moment.
        connected: set while it is in reach and its log is followed.
        problem: why it was not reached last time, None when all is well.
        tracker: the present session, or the last one; None before the first.
        battery_pct: when last asked, or None.
    """

    def __init__(
        self, name: str, person: str | None, driver: Driver, surroundings: Surroundings
    ) -> None:
        self.name = name
        self.person = person
        self.state = KeeperState.IDLE
        self.connected = asyncio.Event()
        self.problem: LinkError | None = None
        self.tracker: Tracker | None = None
        self.battery_pct: int | None = None
        self._driver = driver
        self._around = surroundings
        self._now: _Now | None = None
        self._told_lost = False
        self._next_seq: int | None = None
        self._plans: dict[bytes, Plan] = {}
        self._records: asyncio.Queue[Record] = asyncio.Queue(RECORDS_WAITING_MAX)

    @property
    def playing(self) -> bool:
        """Whether a session goes on, as far as the log has told."""
        return self.tracker is not None and not self.tracker.ended

    # --- the life of the link

    async def run(self) -> None:
        """Reach the wearable again and again, until cancelled."""
        backoff_s = BACKOFF_FIRST_S
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._digest(), name=f"digest {self.name}")
                while True:
                    lost = asyncio.Event()
                    up_s = math.inf
                    self.state = KeeperState.REACHING
                    try:
                        await self._attach(lost)
                        self.state, up_s = KeeperState.UP, loop.time()
                        await self._stay(lost)
                        self.problem = LinkError(LinkReason.LOST, f"{self.name} is out of reach")
                    except LinkError as error:
                        self._say(error)
                    except (StoreError, TimeoutError) as error:
                        _log.error("wearable=%s %s", self.name, error)
                    except RefusedError as error:
                        _log.warning("wearable=%s %s", self.name, error)
                    finally:
                        self.state = KeeperState.WAITING
                        await self._detach()
                    if loop.time() - up_s >= STABLE_S:
                        backoff_s = BACKOFF_FIRST_S
                    await asyncio.sleep(backoff_s * self._around.rng.uniform(0.5, 1.5))
                    backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
        finally:
            self.state = KeeperState.IDLE

    async def _stay(self, lost: asyncio.Event) -> None:
        """Wait until the link is lost; raises LinkError for one that only seems to be there."""
        loop = asyncio.get_running_loop()
        while not lost.is_set():
            silent_s = loop.time() - self._driver.heard_s
            if silent_s >= SILENCE_S:
                self.battery_pct = (await self._driver.status()).battery_pct
                silent_s = 0.0
            with suppress(TimeoutError):
                async with asyncio.timeout(SILENCE_S - silent_s):
                    await lost.wait()

    def _say(self, error: LinkError) -> None:
        """Log a failure to connect, once for each kind of it."""
        if self.problem is None or self.problem.reason is not error.reason:
            _log.info("wearable=%s reason=%s %s", self.name, error.reason, error)
        self.problem = error

    async def _attach(self, lost: asyncio.Event) -> None:
        identity = await self._driver.connect(lost.set)
        new_boot = self._now is None or self._now.identity.boot_id != identity.boot_id
        if new_boot:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._records.join()  # what is left of the boot before
            self._now, self._next_seq = _Now(identity), None
        await self._probe()
        status = await self._driver.status()
        self.battery_pct = status.battery_pct
        if self._next_seq is None:
            self._next_seq = await self._take_up(identity.boot_id, status)
        await self._driver.follow(self._next_seq, self._on_records, self._on_gap)
        if lost.is_set():
            raise LinkError(LinkReason.LOST, f"{self.name} was lost at once")
        self.problem = None
        self.connected.set()
        self._around.on_link(self.name, LinkState.UP)
        if self.playing and self._told_lost:
            self._notice(lambda t_ms: LinkRestored(t_ms=t_ms))
        self._told_lost = False
        _log.info("wearable=%s connected", self.name)

    async def _detach(self) -> None:
        was_connected = self.connected.is_set()
        self.connected.clear()
        if was_connected:
            self._around.on_link(self.name, LinkState.DOWN)
            if self.playing:
                self._told_lost = True
                self._notice(lambda t_ms: LinkLost(t_ms=t_ms))
            _log.info("wearable=%s link lost", self.name)
        await self._driver.disconnect()

    async def _probe(self) -> None:
        """Ask for the wearable's clock, often enough that one exchange is likely to be quick."""
        now, loop = self._now, asyncio.get_running_loop()
        if now is None:
            return
        for _ in range(PROBES):
            try:
                device_ms, before_s, after_s = await self._driver.clock()
            except LinkError as error:
                if error.reason is not LinkReason.TIMEOUT:
                    raise
                continue  # the others will do
            to_utc_ms = self._around.utc_ms() - loop.time() * 1000
            now.clock.probe(
                Probe(device_ms, to_utc_ms + before_s * 1000, to_utc_ms + after_s * 1000)
            )
        if now.clock.uncertainty_ms is None:
            raise LinkError(LinkReason.TIMEOUT, f"{self.name} does not tell its time")

    async def _take_up(self, boot_id: int, status: Status) -> int:
        """Take up what the history has; returns the first log number that it does not have."""
        store = self._around.store
        async with asyncio.timeout(STORE_TIMEOUT_S):
            unfinished = await store.unfinished(self.name)
            last_seq = await store.last_seq(self.name, boot_id)
        self.tracker = None
        for stored in unfinished:
            key = stored.row.key
            plan_id = bytes.fromhex(stored.row.plan_id or "") or status.plan_id or bytes(8)
            tracker = Tracker(key, await self._find_plan(plan_id), plan_id)
            entries = [
                Entry(key, self.person, event, item.utc_ms, item.record, replayed=True)
                for item in stored.records
                for event in tracker.feed(item.record)
            ]
            noticed = [
                Entry(key, self.person, item.event, item.utc_ms, replayed=True)
                for item in stored.host_events
            ]
            if key.boot_id == boot_id:
                self.tracker = tracker
                for entry in heapq.merge(entries, noticed, key=lambda entry: entry.event.t_ms):
                    self._around.put(entry)
                links = [e.event for e in noticed if isinstance(e.event, (LinkLost, LinkRestored))]
                self._told_lost = bool(links) and isinstance(links[-1], LinkLost)
            else:
                # The wearable has begun anew since; nobody will ever tell how this one went on.
                t_ms = entries[-1].event.t_ms if entries else 0
                ended = SessionEnded(t_ms=t_ms, reason="failed", source="host")
                utc_ms = stored.records[-1].utc_ms if stored.records else stored.row.started_utc_ms
                self._around.put(Entry(key, self.person, ended, utc_ms))
        return 0 if last_seq is None else last_seq + 1

    # --- the log

    def _on_records(self, records: Sequence[Record]) -> bool:
        room = RECORDS_WAITING_MAX - self._records.qsize()
        if len(records) > room or not self._around.has_room(self._records.qsize() + len(records)):
            return False
        for record in records:
            self._records.put_nowait(record)
        self._next_seq = records[-1].seq + 1
        return True

    def _on_gap(self, first: int, end: int) -> None:
        _log.warning("wearable=%s records_lost=%d first=%d", self.name, end - first, first)
        self._next_seq = end

    async def _digest(self) -> None:
        """Turn records into entries, in order; fetching a plan may take a while."""
        while True:
            record = await self._records.get()
            try:
                if self._now is not None:
                    await self._digest_one(record, self._now)
            finally:
                self._records.task_done()

    async def _digest_one(self, record: Record, now: _Now) -> None:
        boot_id, utc_ms = now.identity.boot_id, now.clock.utc_ms(record.at_ms)
        if record.kind == vocab.SESSION_STARTED:
            self._feed(record, utc_ms)  # an earlier session whose end was lost ends here
            await self._begin(record, boot_id)
        elif self.tracker is None and record.kind != vocab.BOOTED:
            await self._join(record, boot_id)
        self._feed(record, utc_ms)

    def _feed(self, record: Record, utc_ms: int) -> None:
        if self.tracker is None:
            return
        for event in self.tracker.feed(record):
            behind = record if event.seq is not None else None
            self._around.put(Entry(self.tracker.key, self.person, event, utc_ms, behind))

    async def _begin(self, record: Record, boot_id: int) -> None:
        plan_id = plan_id_of(record)
        key = SessionKey(self.name, boot_id, record.seq)
        if self.tracker is None or self.tracker.key != key:
            self.tracker = Tracker(key, await self._find_plan(plan_id), plan_id)

    async def _join(self, record: Record, boot_id: int) -> None:
        """Take up a session whose beginning the wearable's log no longer has."""
        try:
            status = await self._driver.status()
        except (LinkError, RefusedError) as error:
            _log.info("wearable=%s %s", self.name, error)
            return
        if status.session is None or not status.playing or record.seq < status.session:
            return
        plan_id = status.plan_id or bytes(8)
        key = SessionKey(self.name, boot_id, status.session)
        self.tracker = Tracker(key, await self._find_plan(plan_id), plan_id)

    async def _find_plan(self, plan_id: bytes) -> Plan | None:
        """Look for a plan here, in the history and on the wearable; None if nobody has it."""
        if plan_id in self._plans:
            return self._plans[plan_id]
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                data = await self._around.store.plan(plan_id.hex())
                if data is None:
                    data = await self._driver.read_plan(plan_id)
            plan = Plan(data) if data is not None else None
        except (TenutoError, TimeoutError, PlanError) as error:
            _log.warning("wearable=%s plan=%s %s", self.name, plan_id.hex(), error)
            return None
        if plan is not None:
            self._remember(plan_id, plan)
        return plan

    def _remember(self, plan_id: bytes, plan: Plan) -> None:
        self._plans.pop(plan_id, None)
        self._plans[plan_id] = plan
        while len(self._plans) > 8:
            del self._plans[next(iter(self._plans))]

    def _notice(self, make: Callable[[int], Event]) -> None:
        """Put an event that the host itself noticed into the present session."""
        tracker, now = self.tracker, self._now
        if tracker is None or now is None:
            return
        utc_ms = round(self._around.utc_ms())
        event = make(max(0, tracker.t_ms(now.clock.device_ms(utc_ms))))
        self._around.put(Entry(tracker.key, self.person, event, utc_ms))

    # --- what is asked of it

    async def start(self, compiled: CompiledPlan) -> SessionKey:
        """Upload a plan and begin it; returns the session that it became.

        Raises:
            LinkError: the wearable is out of reach.
            RefusedError: it plays already, or does not take the plan.
        """
        identity = self._reached().identity
        self._remember(compiled.plan_id, compiled.plan)
        await self._driver.upload(compiled.plan_id, compiled.data)
        await self._driver.command(Verb.START, compiled.plan_id)
        status = await self._driver.status()
        if status.session is None:
            raise RefusedError("not_playing", f"{self.name} did not begin")
        await self._describe(compiled)
        return SessionKey(self.name, identity.boot_id, status.session)

    async def _describe(self, compiled: CompiledPlan) -> None:
        """Keep what the routine says of its exercises; the session does not wait for it."""
        routine = compiled.routine
        if routine is None:
            return
        notes = [ExerciseNote(e.name, e.kind, e.muscles) for e in routine.exercises]
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._around.store.describe(compiled.plan_id_hex, notes)
        except (StoreError, TimeoutError) as error:
            _log.warning("wearable=%s %s", self.name, error)

    async def command(self, verb: Verb, arg: int = 0) -> None:
        """Have the wearable obey a command for what it plays now.

        Raises:
            LinkError: it is out of reach.
            RefusedError: with its reason; nothing changed.
        """
        self._reached()
        status = await self._driver.status()
        if status.plan_id is None:
            raise RefusedError("no_plan", f"{self.name} has no plan")
        await self._driver.command(verb, status.plan_id, arg)

    async def present_session(self) -> SessionKey | None:
        """Give the session that it plays now, None if it plays none.

        Raises:
            LinkError: it is out of reach.
        """
        identity = self._reached().identity
        status = await self._driver.status()
        if not status.playing or status.session is None:
            return None
        return SessionKey(self.name, identity.boot_id, status.session)

    def _reached(self) -> _Now:
        if not self.connected.is_set() or self._now is None:
            raise self.problem or LinkError(LinkReason.LOST, f"{self.name} is out of reach")
        return self._now
