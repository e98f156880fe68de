# SPDX-License-Identifier: MIT
"""Reads the log of one wearable and makes entries of it: every record once, in order.

The log on the wearable is the truth.  It is read from the first number that the history does not
have.  While the history cannot take more, the log waits on the wearable.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.cues.trials import is_trial
from tenuto.errors import LinkError, RefusedError
from tenuto.event_loops import real_s
from tenuto.sessions.device import named
from tenuto.sessions.events import (
    RECORD_SEQ_MAX,
    ClockStepped,
    Entry,
    Event,
    LinkLost,
    LinkRestored,
    Record,
    SessionEnded,
    SessionKey,
    WearableRestarted,
)
from tenuto.sessions.tracker import Tracker, plan_id_of
from tenuto_core import vocab

from .clock_sync import ClockSync
from .plan_finder import STORE_TIMEOUT_S, PlanFinder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .base import Driver, Identity, Status
    from .surroundings import KeptSession, Surroundings

_log = logging.getLogger(__name__)

RECORDS_WAITING_MAX = 2048
_OUTSIDE = frozenset({vocab.BOOTED, vocab.INTERRUPTED, vocab.UTC})
"""Kinds of records that belong to no session."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """The records from `first` up to, not including, `end` are gone."""

    first: int
    end: int


class LogReader:
    """Turns the records of one wearable into the entries of its sessions.

    Args:
        name: The wearable's.
        person: Who wears it, None for nobody known.
        is_simulated: Whether it is a simulated one; its sessions are marked.
        driver: Hands over the log.
        surroundings: The history, and where entries go.

    Attributes:
        tracker: The present session, or the last one; None before the first.
        clock: Relates the wearable's time stamps to UTC.
        plans: The plans of its sessions.
        is_simulated: Whether it is a simulated one.
        on_read: Called when all records that have come are read; must not wait or raise.
    """

    def __init__(
        self,
        name: str,
        person: str | None,
        driver: Driver,
        surroundings: Surroundings,
        *,
        is_simulated: bool = False,
    ) -> None:
        self.tracker: Tracker | None = None
        self.on_read: Callable[[], None] = lambda: None
        self.clock = ClockSync(name, driver, surroundings, self._on_clock_step)
        self.plans = PlanFinder(name, driver, surroundings.store)
        self._name = name
        self._person = person
        self._driver = driver
        self._around = surroundings
        self.is_simulated = is_simulated
        self._identity: Identity | None = None
        self._next_seq: int | None = None
        self._records: asyncio.Queue[Record | _Gap] = asyncio.Queue(RECORDS_WAITING_MAX)
        self._is_loss_told = False
        self._noticed: Entry | None = None

    @property
    def playing(self) -> bool:
        """Whether a session goes on, as far as the log has told."""
        return self.tracker is not None and not self.tracker.ended

    @property
    def waiting(self) -> int:
        """How many records have arrived and are not read yet."""
        return self._records.qsize()

    # --- the link

    async def meet(self, identity: Identity) -> None:
        """Take note of the wearable that answered; after a boot its log and clock begin anew.

        Raises:
            TimeoutError: The records of the boot before could not be read in time.
        """
        known = self._identity
        if known is not None and known.session(0) == identity.session(0):
            return
        async with asyncio.timeout(real_s(STORE_TIMEOUT_S)):
            await self._records.join()  # what is left of the boot before
        self._identity, self._next_seq = identity, None
        self.clock.restart()

    async def follow(self, status: Status) -> None:
        """Have the log handed over from the first record that the history does not have.

        Args:
            status: What the wearable has just told.

        Raises:
            LinkError: The link was lost.
            RefusedError: The wearable does not hand it over.
            StoreError, TimeoutError: The history does not answer.
        """
        if self._next_seq is None:
            self._next_seq = await self._take_up(status)
        await self._driver.follow(self._next_seq, self._on_records, self._on_gap)

    def link_restored(self) -> None:
        """Note that the link is there again, if its loss was noted in this session."""
        if self.playing and self._is_loss_told:
            self.notice(lambda t_ms: LinkRestored(t_ms=t_ms))
        self._is_loss_told = False

    def link_lost(self) -> None:
        """Note in the present session that the link is lost."""
        if self.playing:
            self._is_loss_told = True
            self.notice(lambda t_ms: LinkLost(t_ms=t_ms))

    def notice(self, make: Callable[[int], Event]) -> None:
        """Put an event that only the host noticed into the present session.

        Args:
            make: Returns the event; its argument is the session time of now in ms.
        """
        tracker = self.tracker
        if tracker is None or not self.clock.is_known:
            return
        event = make(max(0, tracker.t_ms(self.clock.device_now_ms())))
        utc_ms = round(self._around.utc_ms())
        self._noticed = self._entry(tracker, event, utc_ms, uncertainty_ms=0)
        self._around.put(self._noticed)

    def _on_clock_step(self, by_ms: int) -> None:
        if self.playing:
            self.notice(lambda t_ms: ClockStepped(t_ms=t_ms, by_ms=by_ms))

    # --- sessions that the history has not seen the end of

    async def _take_up(self, status: Status) -> int:
        """Take up what the history has.

        Returns:
            The first log number that it does not have.
        """
        assert self._identity is not None  # noqa: S101 - `meet` came before
        device, boot_id = self._identity.device, self._identity.boot_id
        before_v5, store = named(self._name), self._around.store
        async with asyncio.timeout(real_s(STORE_TIMEOUT_S)):
            await store.meet(device, boot_id, before_v5)
            unfinished = await store.unfinished(device, before_v5)
            last_seq = await store.last_seq(device, boot_id)
        before, self.tracker = self.tracker, None
        if before is not None and not self._is_present(before.key):
            # What the history does not have yet may be on its way there, so the tracker knows best.
            unfinished = [stored for stored in unfinished if stored.row.key != before.key]
            if not before.ended:
                t_ms, utc_ms = before.last_t_ms, self.clock.newest_utc_ms
                noticed = self._noticed
                if noticed is not None and noticed.session == before.key:
                    t_ms, utc_ms = max(t_ms, noticed.event.t_ms), max(utc_ms, noticed.utc_ms)
                self._close(before, t_ms, utc_ms)
        for stored in unfinished:
            is_present = self._is_present(stored.row.key) and stored is unfinished[-1]
            await self._take_up_one(stored, status, is_present=is_present)
        if last_seq is not None and not 0 <= last_seq < RECORD_SEQ_MAX:
            _log.error(
                "wearable=%s the history has a record with the number %d, which no log has: "
                "reading from the beginning",
                self._name,
                last_seq,
            )
            return 0
        return 0 if last_seq is None else last_seq + 1

    async def _take_up_one(self, stored: KeptSession, status: Status, *, is_present: bool) -> None:
        """Go on with a session, or end it where the wearable has another one now."""
        key = stored.row.key
        plan_id = bytes.fromhex(stored.row.plan_id or "") or status.plan_id or bytes(8)
        tracker = Tracker(key, await self.plans.find(plan_id), plan_id)
        entries = [
            self._entry(tracker, event, item.utc_ms, item.record, replayed=True)
            for item in stored.records
            for event in tracker.feed(item.record)
        ]
        noticed = [
            self._entry(tracker, item.event, item.utc_ms, replayed=True)
            for item in stored.host_events
        ]
        if is_present:
            self.tracker = tracker
            for entry in heapq.merge(entries, noticed, key=lambda entry: entry.event.t_ms):
                self._around.put(entry)
            links = [e.event for e in noticed if isinstance(e.event, (LinkLost, LinkRestored))]
            self._is_loss_told = bool(links) and isinstance(links[-1], LinkLost)
            return
        t_ms = max([tracker.last_t_ms, *(item.event.t_ms for item in stored.host_events)])
        utc_ms = stored.records[-1].utc_ms if stored.records else stored.row.started_utc_ms
        utc_ms = max([utc_ms, *(item.utc_ms for item in stored.host_events)])
        self._close(tracker, t_ms, utc_ms)

    def _close(self, tracker: Tracker, t_ms: int, utc_ms: int) -> None:
        """End a session of which the wearable will never tell how it went on."""
        if not self._is_present(tracker.key):
            self._around.put(self._entry(tracker, WearableRestarted(t_ms=t_ms), utc_ms))
        ended = SessionEnded(t_ms=t_ms, reason="failed", source="host")
        self._around.put(self._entry(tracker, ended, utc_ms))

    def _is_present(self, key: SessionKey) -> bool:
        """Return whether a session is of the boot that was reached."""
        return self._identity is not None and key == self._identity.session(key.seq)

    def _entry(
        self,
        tracker: Tracker,
        event: Event,
        utc_ms: int,
        record: Record | None = None,
        *,
        uncertainty_ms: int | None = None,
        replayed: bool = False,
    ) -> Entry:
        return Entry(
            tracker.key,
            self._name,
            self._person,
            event,
            utc_ms,
            record,
            replayed=replayed,
            uncertainty_ms=uncertainty_ms,
            is_simulated=self.is_simulated,
            is_trial=is_trial(tracker.plan),
        )

    # --- the log

    def _on_records(self, records: Sequence[Record]) -> bool:
        room = RECORDS_WAITING_MAX - self._records.qsize()
        if len(records) > room or not self._around.has_room(self._records.qsize() + len(records)):
            return False
        for record in records:
            self._records.put_nowait(record)
        self._next_seq = records[-1].seq + 1
        self.clock.heard(records[-1].at_ms)
        return True

    def _on_gap(self, first: int, end: int) -> None:
        _log.warning("wearable=%s records_lost=%d first=%d", self._name, end - first, first)
        self._next_seq = end
        with suppress(asyncio.QueueFull):  # the tracker notices missing numbers in any case
            self._records.put_nowait(_Gap(first, end))

    async def run(self) -> None:
        """Read what arrives, until cancelled; fetching a plan may take a while.

        A record that cannot be read is told as lost by the next one, and its error is raised.
        """
        while True:
            item = await self._records.get()
            try:
                if self._identity is None:
                    continue
                if isinstance(item, _Gap):
                    await self._cross(item, self._identity)
                else:
                    await self._read(item, self._identity)
            finally:
                self._records.task_done()
                if not self.waiting:
                    self.on_read()

    async def _read(self, record: Record, identity: Identity) -> None:
        when = self.clock.utc_of(record.at_ms)
        if record.kind == vocab.SESSION_STARTED:
            self._feed(record, *when)  # an earlier session whose end was lost ends here
            await self._begin(record, identity)
        elif record.kind == vocab.INTERRUPTED:
            what = "goes on as a new one" if record.a else "is over"
            _log.warning("wearable=%s a reset cut a session, which %s", self._name, what)
        elif self.tracker is None and record.kind not in _OUTSIDE:
            await self._join(record, identity)
        self._feed(record, *when)

    def _feed(self, record: Record, utc_ms: int, uncertainty_ms: int) -> None:
        tracker = self.tracker
        if tracker is None:
            return
        for event in tracker.feed(record):
            behind = record if event.seq is not None else None
            self._around.put(
                self._entry(tracker, event, utc_ms, behind, uncertainty_ms=uncertainty_ms)
            )

    async def _begin(self, record: Record, identity: Identity) -> None:
        plan_id = self.plans.present_id = plan_id_of(record)
        key = identity.session(record.seq)
        if self.tracker is None or self.tracker.key != key:
            await self._track(key, plan_id)

    async def _cross(self, gap: _Gap, identity: Identity) -> None:
        """Find out whether another session began among the records that are gone."""
        status = await self._ask_status()
        tracker = self.tracker
        if status is None or status.session is None or status.session < gap.first:
            return
        if tracker is not None and not tracker.ended:
            # Fed the beginning of another one, it ends; what it says of the time is its own.
            begun = Record(gap.end, 0, vocab.SESSION_STARTED, vocab.NO_STEP, 0, 0, 0)
            self._feed(begun, *self.clock.utc_of(status.now_ms))
        if status.session < gap.end:
            key = identity.session(status.session)
            await self._track(key, status.plan_id or bytes(8))

    async def _join(self, record: Record, identity: Identity) -> None:
        """Take up a session whose beginning the wearable's log no longer has."""
        status = await self._ask_status()
        if status is None or status.session is None or not status.playing:
            return
        if record.seq >= status.session:
            key = identity.session(status.session)
            await self._track(key, status.plan_id or bytes(8))

    async def _track(self, key: SessionKey, plan_id: bytes) -> None:
        self.tracker = Tracker(key, await self.plans.find(plan_id), plan_id)

    async def _ask_status(self) -> Status | None:
        """Ask what the wearable does; None where it does not say."""
        try:
            return await self._driver.status()
        except (LinkError, RefusedError) as error:
            _log.info("wearable=%s %s", self._name, error)
            return None
