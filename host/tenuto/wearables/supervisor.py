# SPDX-License-Identifier: MIT
"""Keeps one wearable: reaches it, follows its log, and never loses a session on the way.

The log on the wearable is the truth.  A supervisor reads it from the first number that the history
does not have, turns it into entries and hands them to the daemon.  While the history cannot take
more, the log waits on the wearable.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import random
import secrets
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from tenuto.errors import LinkError, LinkReason, RefusedError, StoreError, TenutoError
from tenuto.event_loops import real_s
from tenuto.history import ExerciseNote
from tenuto.sessions.commands import Verb
from tenuto.sessions.device_clock import STEP_MS, DeviceClock, Probe, Skew
from tenuto.sessions.events import (
    ClockStepped,
    Entry,
    Event,
    HeartBeat,
    HeartSensor,
    LinkLost,
    LinkRestored,
    Record,
    SessionEnded,
    SessionKey,
    WearableRestarted,
)
from tenuto.sessions.heart import FRESH_MS
from tenuto.sessions.tracker import Tracker, plan_id_of
from tenuto_core import vocab
from tenuto_core.answers import NO_PLAN_ID
from tenuto_core.plan import Plan, PlanError

from .link_slots import IDLE_TURN_S, PLAYING_TURN_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from tenuto.history import Store
    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.heart import Measurement

    from .base import Driver, Identity, Status
    from .link_slots import LinkSlots

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
STABLE_S = 10.0
"""A link that lasted so long was a good one: the next back-off begins anew."""
SILENCE_S = 60.0
"""A band that has said nothing for so long is asked whether it is there: BlueZ was seen to call a
link connected for ever after its D-Bus had broken."""
PROBES = 8
"""Questions for the clock after connecting."""
PROBES_PLAYING, PROBES_IDLE = 4, 1
"""And then each `PROBE_EVERY_S`."""
PROBES_LOST_MAX = 2
PROBE_EVERY_S = 60.0
PROBE_JITTER_S = 0.06
"""More than the slowest usual connection interval: questions must not keep step with it."""
TURN_LOOK_S = 5.0
DELIVER_WITHIN_S = 120.0
"""How long a stop or a pause waits for a wearable that is out of reach."""
RECORDS_WAITING_MAX = 2048
_OUTSIDE = frozenset({vocab.BOOTED, vocab.INTERRUPTED, vocab.UTC})
"""Kinds of records that belong to no session."""
_OTHER_PLAN, _OTHER_VERB = 1, 2
"""What sets the id of a second try apart from that of the first."""
_MEANT_OTHERWISE = {"already_paused": Verb.RESUME, "not_paused": Verb.PAUSE}
"""What a toggle means after this refusal."""
STORE_TIMEOUT_S = 10.0
BEATS_WAITING_MAX = 4
BPM_MAX = 255


class LinkState(StrEnum):
    """Whether a wearable is in reach."""

    UP = "up"
    DOWN = "down"


class SupervisorState(StrEnum):
    """What a supervisor does."""

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
    """What a supervisor needs of its surroundings.

    utc_ms: UTC of now in ms since 1970.  put: hands an entry to all queues at once.  has_room:
    whether the history can take this many more entries.  on_link: called when the link of a
    wearable comes or goes.  rng: for jitter.  skew: what is remembered of a wearable's clock, None
    for nothing.  learn: remembers it; must not wait.
    """

    store: Store
    utc_ms: Callable[[], float]
    put: Callable[[Entry], None]
    has_room: Callable[[int], bool]
    on_link: Callable[[str, LinkState], None]
    rng: random.Random
    skew: Callable[[str], Skew | None] = lambda _wearable: None
    learn: Callable[[str, Skew], None] = lambda _wearable, _skew: None


@dataclass
class _Now:
    """What is known of the wearable since it was reached."""

    identity: Identity
    clock: DeviceClock


@dataclass(frozen=True, slots=True)
class _Gap:
    """The records from `first` up to, not including, `end` are gone."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class _Undelivered:
    """A stop or a pause that waits for the link."""

    verb: Verb
    session: SessionKey
    command_id: int | None


async def _insist(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Ask once more where no answer came: to give up on a session that began would be worse."""
    try:
        return await ask()
    except LinkError as error:
        if error.reason is not LinkReason.TIMEOUT:
            raise
    return await ask()


class Supervisor:
    """Keeps the wearable `name` by its driver until `run` is cancelled.

    Attributes:
        state: what it does at the moment.
        connected: set while it is in reach and its log is followed.
        problem: why it was not reached last time, None when all is well.
        tracker: the present session, or the last one; None before the first.
        battery_pct: when last asked, or None.
    """

    def __init__(
        self,
        name: str,
        person: str | None,
        driver: Driver,
        surroundings: Surroundings,
        turns: LinkSlots | None = None,
    ) -> None:
        self.name = name
        self.person = person
        self.state = SupervisorState.IDLE
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
        self._records: asyncio.Queue[Record | _Gap] = asyncio.Queue(RECORDS_WAITING_MAX)
        self._strap: Callable[[], Coroutine[None, None, None]] | None = None
        self._heard: asyncio.Queue[tuple[Measurement, str, str | None]] = asyncio.Queue(
            BEATS_WAITING_MAX
        )
        self._sensor_told: tuple[SessionKey, str, str | None, bool] | None = None
        self._jitter = random.Random(name)  # noqa: S311 - no secret
        self._plan_id = NO_PLAN_ID
        self._toggled: tuple[int, Verb] | None = None
        self._undelivered: _Undelivered | None = None
        self._to_utc_ms: float | None = None
        self._newest_utc_ms: float = -math.inf
        self._noticed: tuple[SessionKey, int] | None = None
        self._turns = turns
        self._has_turn = False

    @property
    def playing(self) -> bool:
        """Whether a session goes on, as far as the log has told."""
        return self.tracker is not None and not self.tracker.ended

    @property
    def firmware(self) -> str | None:
        """The version of the wearable's firmware, None as long as it has not told."""
        return None if self._now is None else self._now.identity.firmware

    # --- the life of the link

    async def run(self) -> None:
        """Reach the wearable again and again, until cancelled."""
        backoff_s = BACKOFF_FIRST_S
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._digest(), name=f"digest {self.name}")
                group.create_task(self._hand_over(), name=f"heart {self.name}")
                if self._strap is not None:
                    group.create_task(self._strap(), name=f"strap {self.name}")
                while True:
                    lost = asyncio.Event()
                    up_s = math.inf
                    self.state = SupervisorState.REACHING
                    try:
                        await self._take_turn()
                        await self._attach(lost)
                        self.state, up_s = SupervisorState.UP, loop.time()
                        await self._stay(lost)
                        if lost.is_set():
                            why = LinkError(LinkReason.LOST, f"{self.name} is out of reach")
                        else:
                            why = self._waits_for_turn()
                        self.problem = why
                    except LinkError as error:
                        self._learn_limit(error)
                        self._say(error)
                    except (StoreError, TimeoutError) as error:
                        _log.error("wearable=%s %s", self.name, error)
                    except RefusedError as error:
                        _log.warning("wearable=%s %s", self.name, error)
                    finally:
                        self.state = SupervisorState.WAITING
                        try:
                            await self._detach()
                        finally:
                            self._give_turn()
                    if loop.time() - up_s >= STABLE_S:
                        backoff_s = BACKOFF_FIRST_S
                    await asyncio.sleep(backoff_s * self._around.rng.uniform(0.5, 1.5))
                    backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
        finally:
            self.state = SupervisorState.IDLE

    async def _take_turn(self) -> None:
        turns = self._turns
        if turns is None:
            return
        if turns.is_full:
            self._say(self._waits_for_turn())
        await turns.take()
        self._has_turn = True

    def _learn_limit(self, error: LinkError) -> None:
        if error.reason is LinkReason.FULL and self._turns is not None:
            self._turns.learn()

    def _give_turn(self) -> None:
        if self._turns is not None and self._has_turn:
            self._has_turn = False
            self._turns.give()

    def _waits_for_turn(self) -> LinkError:
        limit = None if self._turns is None else self._turns.limit
        return LinkError(
            LinkReason.FULL,
            f"{self.name} waits for its turn: the adapter carries {limit} links at once",
        )

    def _is_turn_over(self, up_s: float) -> bool:
        """Whether others wait, and this one has had its time and has told what it had to."""
        if self._turns is None or not self._turns.wanted or not self._records.empty():
            return False
        turn_s = PLAYING_TURN_S if self.playing else IDLE_TURN_S
        return asyncio.get_running_loop().time() - up_s >= turn_s

    async def _stay(self, lost: asyncio.Event) -> None:
        """Wait until the link is lost or others need it.

        Raises LinkError for one that only seems to be there.
        """
        loop = asyncio.get_running_loop()
        up_s = loop.time()
        look_s = math.inf if self._turns is None else TURN_LOOK_S
        probe_s = loop.time() + PROBE_EVERY_S
        while not lost.is_set() and not self._is_turn_over(up_s):
            if loop.time() >= probe_s:
                await self._probe(PROBES_PLAYING if self.playing else PROBES_IDLE)
                probe_s = loop.time() + PROBE_EVERY_S
            silent_s = loop.time() - self._driver.heard_s
            if silent_s >= SILENCE_S:
                self.battery_pct = (await self._driver.status()).battery_pct
                silent_s = 0.0
            with suppress(TimeoutError):
                wait_s = min(probe_s - loop.time(), SILENCE_S - silent_s, look_s)
                async with asyncio.timeout(wait_s):
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
            async with asyncio.timeout(real_s(STORE_TIMEOUT_S)):
                await self._records.join()  # what is left of the boot before
            clock = DeviceClock(self._around.skew(self.name))
            self._now, self._next_seq = _Now(identity, clock), None
        await self._probe(PROBES)
        status = await self._driver.status()
        self.battery_pct = status.battery_pct
        self._plan_id = status.plan_id or NO_PLAN_ID
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
        await self._deliver()

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

    async def _probe(self, times: int) -> None:
        """Ask for the wearable's clock, often enough that one exchange is likely to be quick."""
        now, answers = self._now, 0
        if now is None:
            return
        for _ in range(times + PROBES_LOST_MAX):
            await asyncio.sleep(self._jitter.uniform(0, PROBE_JITTER_S))
            try:
                device_ms, before_s, after_s = await self._driver.clock()
            except LinkError as error:
                if error.reason is not LinkReason.TIMEOUT:
                    raise
                continue  # the others will do
            now.clock.probe(Probe(device_ms, before_s * 1000, after_s * 1000))
            answers += 1
            if answers == times:
                break
        if not answers:
            raise LinkError(LinkReason.TIMEOUT, f"{self.name} does not tell its time")
        self._watch_wall_clock()
        self._around.learn(self.name, now.clock.remember())

    def _watch_wall_clock(self) -> float:
        """Give what makes UTC of the loop's time, in ms; notes when somebody has set the clock."""
        before = self._to_utc_ms
        after = self._around.utc_ms() - asyncio.get_running_loop().time() * 1000
        self._to_utc_ms = after
        if before is not None and abs(after - before) >= STEP_MS:
            by_ms = round(after - before)
            _log.warning("wearable=%s clock_stepped_ms=%d", self.name, by_ms)
            self._newest_utc_ms = -math.inf
            if self.playing:
                self._notice(lambda t_ms: ClockStepped(t_ms=t_ms, by_ms=by_ms))
        return after

    def _when(self, device_ms: int, now: _Now) -> tuple[int, int]:
        """Give UTC and uncertainty in ms of a time stamp; UTC never goes back by a better guess."""
        moment = now.clock.host(device_ms)
        utc_ms = max(moment.ms + self._watch_wall_clock(), self._newest_utc_ms)
        self._newest_utc_ms = utc_ms
        return round(utc_ms), math.ceil(moment.uncertainty_ms)

    async def _take_up(self, boot_id: int, status: Status) -> int:
        """Take up what the history has; returns the first log number that it does not have."""
        store = self._around.store
        async with asyncio.timeout(real_s(STORE_TIMEOUT_S)):
            unfinished = await store.unfinished(self.name)
            last_seq = await store.last_seq(self.name, boot_id)
        before, self.tracker = self.tracker, None
        if before is not None and before.key.boot_id != boot_id:
            # What the history does not have yet may be on its way there, so the tracker knows best.
            unfinished = [stored for stored in unfinished if stored.row.key != before.key]
            if not before.ended:
                key, noticed_ms = self._noticed or (before.key, 0)
                t_ms = max(before.last_t_ms, noticed_ms if key == before.key else 0)
                newest_ms, now_ms = self._newest_utc_ms, self._around.utc_ms()
                utc_ms = round(newest_ms if math.isfinite(newest_ms) else now_ms)
                self._close(before.key, boot_id, t_ms, utc_ms)
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
            if key.boot_id == boot_id and stored is unfinished[-1]:
                self.tracker = tracker
                for entry in heapq.merge(entries, noticed, key=lambda entry: entry.event.t_ms):
                    self._around.put(entry)
                links = [e.event for e in noticed if isinstance(e.event, (LinkLost, LinkRestored))]
                self._told_lost = bool(links) and isinstance(links[-1], LinkLost)
            else:
                t_ms = max((entry.event.t_ms for entry in (*entries, *noticed)), default=0)
                utc_ms = stored.records[-1].utc_ms if stored.records else stored.row.started_utc_ms
                self._close(key, boot_id, t_ms, utc_ms)
        return 0 if last_seq is None else last_seq + 1

    def _close(self, key: SessionKey, boot_id: int, t_ms: int, utc_ms: int) -> None:
        """End a session of which the wearable will never tell how it went on."""
        if key.boot_id != boot_id:
            self._around.put(Entry(key, self.person, WearableRestarted(t_ms=t_ms), utc_ms))
        ended = SessionEnded(t_ms=t_ms, reason="failed", source="host")
        self._around.put(Entry(key, self.person, ended, utc_ms))

    # --- the log

    def _on_records(self, records: Sequence[Record]) -> bool:
        room = RECORDS_WAITING_MAX - self._records.qsize()
        if len(records) > room or not self._around.has_room(self._records.qsize() + len(records)):
            return False
        for record in records:
            self._records.put_nowait(record)
        self._next_seq = records[-1].seq + 1
        if self._now is not None:
            self._now.clock.heard(records[-1].at_ms, asyncio.get_running_loop().time() * 1000)
        return True

    def _on_gap(self, first: int, end: int) -> None:
        _log.warning("wearable=%s records_lost=%d first=%d", self.name, end - first, first)
        self._next_seq = end
        with suppress(asyncio.QueueFull):  # the tracker notices missing numbers in any case
            self._records.put_nowait(_Gap(first, end))

    async def _digest(self) -> None:
        """Turn records into entries, in order; fetching a plan may take a while."""
        while True:
            item = await self._records.get()
            try:
                if self._now is None:
                    continue
                if isinstance(item, _Gap):
                    await self._cross(item, self._now)
                else:
                    await self._digest_one(item, self._now)
            finally:
                self._records.task_done()

    async def _digest_one(self, record: Record, now: _Now) -> None:
        boot_id, when = now.identity.boot_id, self._when(record.at_ms, now)
        if record.kind == vocab.SESSION_STARTED:
            self._feed(record, *when)  # an earlier session whose end was lost ends here
            await self._begin(record, boot_id)
        elif record.kind == vocab.INTERRUPTED:
            what = "goes on as a new one" if record.a else "is over"
            _log.warning("wearable=%s a reset cut a session, which %s", self.name, what)
        elif self.tracker is None and record.kind not in _OUTSIDE:
            await self._join(record, boot_id)
        self._feed(record, *when)

    def _feed(self, record: Record, utc_ms: int, uncertainty_ms: int) -> None:
        tracker = self.tracker
        if tracker is None:
            return
        for event in tracker.feed(record):
            behind = record if event.seq is not None else None
            entry = Entry(
                tracker.key, self.person, event, utc_ms, behind, uncertainty_ms=uncertainty_ms
            )
            self._around.put(entry)

    async def _cross(self, gap: _Gap, now: _Now) -> None:
        """Find out whether another session began among the records that are gone."""
        try:
            status = await self._driver.status()
        except (LinkError, RefusedError) as error:
            _log.info("wearable=%s %s", self.name, error)
            return
        tracker, session = self.tracker, status.session
        if session is None or session < gap.first:
            return
        if tracker is not None and not tracker.ended:
            # Fed the beginning of another one, it ends; what it says of the time is its own.
            begun = Record(gap.end, 0, vocab.SESSION_STARTED, vocab.NO_STEP, 0, 0, 0)
            self._feed(begun, *self._when(status.now_ms, now))
        if session < gap.end:
            plan_id = status.plan_id or bytes(8)
            key = SessionKey(self.name, now.identity.boot_id, session)
            self.tracker = Tracker(key, await self._find_plan(plan_id), plan_id)

    async def _begin(self, record: Record, boot_id: int) -> None:
        plan_id = self._plan_id = plan_id_of(record)
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
            async with asyncio.timeout(real_s(STORE_TIMEOUT_S)):
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
        if tracker is None or now is None or not now.clock.is_known:
            return
        device_ms = now.clock.device_ms(asyncio.get_running_loop().time() * 1000)
        event = make(max(0, tracker.t_ms(device_ms)))
        self._noticed = (tracker.key, event.t_ms)
        utc_ms = round(self._around.utc_ms())
        self._around.put(Entry(tracker.key, self.person, event, utc_ms, uncertainty_ms=0))

    # --- a strap beside it

    def wear(self, strap: Callable[[], Coroutine[None, None, None]]) -> None:
        """Keep a strap as well, which calls `hear`; before `run`."""
        self._strap = strap

    def hear(self, told: Measurement, sensor: str, kind: str | None) -> None:
        """Take a measurement of the wearer's strap; what is no heart rate is passed over.

        It is handed to the wearable, so that it counts for the plan and comes back in the log;
        while that is out of reach, or has no use for it, it is noted here.  sensor: its name.
        kind: see `HeartSensor`.
        """
        if told.contact is False or not 1 <= told.bpm <= BPM_MAX:
            return
        while self._heard.full():
            self._heard.get_nowait()  # the newest counts
        self._heard.put_nowait((told, sensor, kind))

    async def _hand_over(self) -> None:
        """Pass on what is heard, and notice when nothing is any more."""
        known: tuple[str, str | None] | None = None
        while True:
            try:
                async with asyncio.timeout(None if known is None else FRESH_MS / 1000):
                    told, sensor, kind = await self._heard.get()
            except TimeoutError:
                if known is not None:
                    self._tell_sensor(*known, is_heard=False)
                known = None
                continue
            known = sensor, kind
            self._tell_sensor(*known, is_heard=True)
            if not await self._give(told):
                self._note_beat(told)

    async def _give(self, told: Measurement) -> bool:
        if not self.connected.is_set():
            return False
        try:
            return await self._driver.beat(told.bpm, told.rr_1024)
        except (LinkError, RefusedError):
            return False

    def _note_beat(self, told: Measurement) -> None:
        if self.playing:
            rr_ms = tuple(round(interval, 1) for interval in told.rr_ms)
            self._notice(
                lambda t_ms: HeartBeat(t_ms=t_ms, bpm=told.bpm, rr_ms=rr_ms, sensor="strap")
            )

    def _tell_sensor(self, sensor: str, kind: str | None, *, is_heard: bool) -> None:
        """Say once a session, and at each change, who tells the heart rate."""
        if not self.playing or self.tracker is None:
            return
        now = (self.tracker.key, sensor, kind, is_heard)
        if now == self._sensor_told:
            return
        self._sensor_told = now
        self._notice(
            lambda t_ms: HeartSensor(t_ms=t_ms, sensor=sensor, kind=kind, is_heard=is_heard)
        )

    # --- what is asked of it

    async def start(self, compiled: CompiledPlan, command_id: int | None = None) -> SessionKey:
        """Upload a plan and begin it; returns the session that it became.

        command_id: see `Driver.command`.

        Raises:
            LinkError: the wearable is out of reach.
            RefusedError: it plays already, or does not take the plan.
        """
        identity = self._reached().identity
        self._remember(compiled.plan_id, compiled.plan)
        await self._driver.upload(compiled.plan_id, compiled.data)
        self._plan_id = compiled.plan_id
        if command_id is None:
            command_id = secrets.randbits(32)
        await _insist(
            lambda: self._driver.command(Verb.START, compiled.plan_id, command_id=command_id)
        )
        status = await _insist(self._driver.status)
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
            async with asyncio.timeout(real_s(STORE_TIMEOUT_S)):
                await self._around.store.describe(compiled.plan_id_hex, notes)
        except (StoreError, TimeoutError) as error:
            _log.warning("wearable=%s %s", self.name, error)

    async def command(self, verb: Verb, arg: int = 0, command_id: int | None = None) -> None:
        """Have the wearable obey a command for what it plays now, at once and in one packet.

        A stop or a pause that cannot be delivered is kept for `DELIVER_WITHIN_S`, for the case
        that the wearable comes back and still plays the same session; whatever is asked after it
        takes its place.  command_id: see `Driver.command`.

        Raises:
            LinkError: it is out of reach.
            RefusedError: with its reason; nothing changed.
        """
        self._undelivered = None
        if command_id is None:
            command_id = secrets.randbits(32)
        try:
            self._reached()
            await self._send(verb, arg, command_id)
        except LinkError as error:
            if verb not in (Verb.STOP, Verb.PAUSE) or self.tracker is None or not self.playing:
                raise
            waits = _Undelivered(verb, self.tracker.key, command_id)
            self._undelivered = waits
            asyncio.get_running_loop().call_later(DELIVER_WITHIN_S, self._give_up, waits)
            raise LinkError(
                error.reason,
                f"{error}; the {verb.value} is delivered if {self.name} is back within "
                f"{DELIVER_WITHIN_S:.0f} s and still plays this session",
            ) from error

    async def _send(self, verb: Verb, arg: int, command_id: int) -> None:
        """Send a command for the plan that the wearable is known to have; ask only if it differs.

        The second try needs an id of its own, since the wearable repeats its answer to the first
        one. It is derived from the first, so that a command that is repeated is obeyed once.
        """
        try:
            await self._driver.command(verb, self._plan_id, arg, command_id)
        except RefusedError as error:
            if error.reason != "wrong_plan":
                raise
            status = await self._driver.status()
            self._plan_id = status.plan_id or NO_PLAN_ID
            await self._driver.command(verb, self._plan_id, arg, command_id ^ _OTHER_PLAN)

    async def _deliver(self) -> None:
        """Deliver what waited for the link, or say why not."""
        waited = self._undelivered
        if waited is None:
            return
        boot_id, status = self._reached().identity.boot_id, await self._driver.status()
        same = SessionKey(self.name, boot_id, status.session or 0) == waited.session
        try:
            if status.plan_id is None or not status.playing or not same:
                raise RefusedError("not_playing", "it no longer plays that session")
            await self._driver.command(waited.verb, status.plan_id, 0, waited.command_id)
            _log.info("wearable=%s delivered=%s", self.name, waited.verb)
        except RefusedError as error:
            _log.warning("wearable=%s dropped=%s %s", self.name, waited.verb, error)
        self._undelivered = None

    def _give_up(self, waits: _Undelivered) -> None:
        if self._undelivered is waits:
            self._undelivered = None
            _log.warning("wearable=%s dropped=%s it did not come back", self.name, waits.verb)

    async def alert(self) -> None:
        """Have the wearable felt, so that it is found.

        Raises:
            LinkError: it is out of reach.
            RefusedError: it cannot do that, or a session plays.
        """
        self._reached()
        if self.playing:
            raise RefusedError("busy", f"{self.name} plays a session, so it is being felt already")
        await self._driver.alert()

    async def toggle(self, command_id: int | None = None) -> Verb:
        """Pause what plays or resume what is paused, as the log tells it; returns which.

        Where the log is behind, the wearable refuses, and the other one is meant.

        Raises:
            LinkError: it is out of reach.
            RefusedError: it plays nothing.
        """
        self._reached()
        if command_id is None:
            command_id = secrets.randbits(32)
        if self._toggled is None or self._toggled[0] != command_id:
            paused = self.tracker is not None and self.tracker.paused
            self._toggled = command_id, Verb.RESUME if paused else Verb.PAUSE
        verb = self._toggled[1]
        try:
            await self.command(verb, command_id=command_id)
        except RefusedError as error:
            if error.reason not in _MEANT_OTHERWISE:
                raise
            verb = _MEANT_OTHERWISE[error.reason]
            await self.command(verb, command_id=command_id ^ _OTHER_VERB)
        return verb

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
