# SPDX-License-Identifier: MIT
"""One storm: plays a weather in a room, and checks the promises afterwards.

The strongest first: what the motor did is compared with the oracle of the core's tests, which
knows a plan and what moved it, and nothing of the player.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.view import State
from tenuto_core import vocab
from tests.core.oracle import LONGEST_PAUSE_MS, Oracle
from tests.core.rig import FOLLOWING_PCT, PATTERNS
from tests.storm.hosts import BAND, BOUND, BOUNDS, Host
from tests.storm.mqtt import BASE, RIVAL
from tests.storm.weather import CALM_S, MQTT_TROUBLES, Trouble, Weather, What

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from pathlib import Path

    from tenuto.sessions.events import Record
    from tenuto_core.plan import Step
    from tests.storm.mqtt import Mqtt
    from tests.storm.rooms import Life, Room

LATE_MS_MAX = 5.0
"""How far an edge may be from its time on the wearable's clock."""
CUE_PCTS = range(10, 10 + len(PATTERNS))
LONGEST_ON_MS = {pattern[0][0]: pattern[0][1] for pattern in PATTERNS} | {FOLLOWING_PCT: 80}


@dataclass
class Session:
    """One session as the wearable's log tells it; felt: what must have been felt, by the oracle."""

    seq: int
    steps: list[Step]
    oracle: Oracle
    begun_ms: int
    ended: Record | None = None
    withheld: list[tuple[int, int]] = field(default_factory=list)


class Storm:
    """Plays one weather.

    trace: what happened, for comparing two runs.  calm_s: how long all is well before the check.
    self_done: what a wearable also does by itself in the name of a host.
    """

    calm_s = CALM_S
    self_done: frozenset[Verb] = frozenset()

    def __init__(self, weather: Weather, room: Room, mqtt: Mqtt, folder: Path) -> None:
        self.weather = weather
        self.room = room
        self.mqtt = mqtt
        self.folder = folder
        self.hosts: list[Host] = []
        self._loop = asyncio.get_running_loop()
        self._helpers: set[asyncio.Task[None]] = set()
        self.trace: list[object] = []
        self.sessions = 0
        self._has_rival = False

    @property
    def host(self) -> Host:
        """The one that people use."""
        return self.hosts[0]

    async def play(self) -> None:
        """Play it to its end and check everything."""
        await self.room.open(self.weather)
        await self.mqtt.open(self.folder)
        try:
            await self._add_host("first")
            await self._start_others()
            await self._go_through()
            await self._calm_down()
            await self._check()
        finally:
            for task in self._helpers:
                task.cancel()
            await asyncio.gather(*self._helpers, return_exceptions=True)
            for host in self.hosts:
                await host.stop(kill=False)
            await self.mqtt.close()
            await self.room.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks were left behind: {sorted(t.get_name() for t in left)}"

    async def _start_others(self) -> None:
        """Start the other hosts that are there from the beginning."""

    async def _add_host(self, name: str, base: str = BASE) -> Host:
        host = Host(name, self.room, self.mqtt, self.weather, folder=self.folder, base=base)
        self.hosts.append(host)
        await host.start()
        return host

    async def _go_through(self) -> None:
        begin_s = self._loop.time()
        for trouble in self.weather.troubles:
            while (wait_s := begin_s + trouble.at_s - self._loop.time()) > 0:
                await asyncio.sleep(min(1.0, wait_s))
                for host in self.hosts:
                    host.measure()
                self.mqtt.watch(self.hosts)
            await self._happen(trouble)

    def _later(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._helpers.add(task)
        task.add_done_callback(self._forget_helper)

    def _forget_helper(self, task: asyncio.Task[None]) -> None:
        """Keep only those that failed, for `_calm_down` to say so."""
        if task.cancelled() or task.exception() is None:
            self._helpers.discard(task)

    async def _happen(self, trouble: Trouble) -> None:  # noqa: C901, PLR0912 - a case for each kind
        room, host, value, now_s = self.room, self.host, trouble.value, self._loop.time()
        what = trouble.what
        if what is What.COMMAND:
            host.ask(self._command(trouble))
        elif what is What.MQTT:
            self.mqtt.ask(host, self._command(trouble), at=trouble.at_s % 1 < 0.5)
        elif what is What.PRESS:
            room.press(value)
        elif what is What.RACE:
            room.press(80.0)
            self.mqtt.ask(host, self._command(trouble))
        elif what is What.SILENCE:
            room.silence(value)
        elif what is What.DROP:
            room.drop()
        elif what is What.LOSS:
            room.set_loss(value)
        elif what in MQTT_TROUBLES:
            await self.mqtt.happen(trouble, host)
        elif what is What.DISK_FULL:
            host.disk_full_until_s = now_s + value
        elif what is What.CLOCK_STEP:
            host.set_clock(value)
        elif what is What.BATTERY:
            room.set_battery(value)
        elif what is What.RESET:
            await room.reset(trouble.word)
        elif what is What.KILL_HOST:
            await host.stop(kill=trouble.word == "kill")
            await asyncio.sleep(value / 2)
            self.mqtt.ask_in_vain(f"in vain {trouble.at_s}")
            await asyncio.sleep(value / 2)
            await host.start()
        elif not self._has_rival:
            self._has_rival = True
            self._later("rival", self._rival(value, RIVAL if "own" in trouble.word else BASE))

    async def _rival(self, for_s: float, base: str) -> None:
        host = await self._add_host(RIVAL, base)
        await asyncio.sleep(for_s)
        await host.stop(kill=True)

    def _command(self, trouble: Trouble) -> Command:
        verb = Verb(trouble.word)
        names = list(self.weather.plans)
        routine = names[int(trouble.at_s * 1000) % 2] if verb is Verb.START else None
        by_ms = round(trouble.value) or 15_000
        # The same id would be the same request, which is obeyed once.
        own_id = f"{trouble.at_s} {trouble.what}"
        return Command(wearable=BAND, verb=verb, routine=routine, by_ms=by_ms, id=own_id)

    async def _calm_down(self) -> None:
        """Put everything in order, and stop what still plays."""
        self.room.calm_down()
        self.mqtt.calm_down()
        if self._helpers:
            for helper in (await asyncio.wait(self._helpers))[0]:
                helper.result()
        await asyncio.sleep(self.calm_s)
        await self._meet()
        await self._stop_what_plays(self.host)
        await self.mqtt.ask_in_calm(self.host)
        await asyncio.sleep(10)
        for queue in self.host.queues:
            assert await queue.flush(60), f"{queue.name} does not get done"

    async def _meet(self) -> None:
        """Have the host that people use be connected to the band."""
        supervisor = self.host.supervisor
        assert supervisor.connected.is_set(), f"not connected: {supervisor.problem}"

    async def _stop_what_plays(self, host: Host) -> None:
        if host.supervisor.playing:  # paused by somebody
            answer = await host.submit(Command(wearable=BAND, verb=Verb.STOP))
            assert answer.ok, answer

    # --- the promises

    async def _check(self) -> None:
        lives = [*self.room.past, self.room.present()]
        for life in lives:
            self.trace += [life.edges, [(r.at_ms, r.kind, r.step) for r in life.records]]
            self._check_motor(life)
        self.trace.append([(c.verb, a.reason) for host in self.hosts for c, a in host.asked])
        for host in self.hosts:
            await self._check_history(host, lives)
        self._check_commands(lives)
        self._check_agreement(lives[-1])
        await self.mqtt.check(self.hosts)
        self.trace += self.mqtt.trace
        self._check_bounds()
        complaints = self.room.complaints()
        assert not complaints, complaints

    def _check_motor(self, life: Life) -> None:
        sessions = self._sessions_of(life)
        self.sessions += len(sessions)
        expected = [
            (at_ms, cue)
            for session in sessions
            for at_ms, cue, _ in session.oracle.felt
            if (at_ms, cue) not in session.withheld
        ]
        felt = [(at_ms, pct - 10) for at_ms, pct in life.edges if pct in CUE_PCTS]
        assert [cue for _, cue in felt] == [cue for _, cue in expected], (
            f"felt {felt}\nby the plan {expected}"
        )
        pairs = zip(felt, expected, strict=True)
        late_ms = [at_ms - planned_ms for (at_ms, _), (planned_ms, _) in pairs]
        assert all(-1 <= ms <= LATE_MS_MAX for ms in late_ms), f"off by {late_ms} ms"
        on: tuple[float, int] | None = None
        for at_ms, pct in life.edges:
            if on is not None and on[1] in LONGEST_ON_MS:
                on_ms = at_ms - on[0]
                assert on_ms <= LONGEST_ON_MS[on[1]] + 2, f"a pulse of {on_ms} ms at {on[0]} ms"
            on = None if pct == 0 else (at_ms, pct)
        assert on is None, "the motor is still on"

    def _steps(self, record: Record) -> list[Step]:
        plan_id = record.b.to_bytes(4, "little") + record.c.to_bytes(4, "little")
        plan = next(c.plan for c in self.weather.plans.values() if c.plan_id == plan_id)
        return [plan.step(number) for number in range(plan.steps)]

    def _sessions_of(self, life: Life) -> list[Session]:
        """Follow the log with an oracle: from it only what people did is taken."""
        sessions: list[Session] = []
        session: Session | None = None
        restored = False
        for record, following in _with_next(life.records):
            at_ms, kind = record.at_ms, record.kind
            if kind == vocab.SESSION_STARTED:
                steps = self._steps(record)
                session = Session(record.seq, steps, Oracle(steps), at_ms)
                sessions.append(session)
                restored = record.a == vocab.BY_RESET
                if not restored:
                    session.oracle.start(at_ms)
                    session.oracle.advance(at_ms)
                continue
            if session is None or session.ended is not None:
                continue
            if restored:
                if kind == vocab.PAUSED:
                    _take_up(session.oracle, record)
                    restored = False
                continue
            _run_to(session.oracle, at_ms)
            if kind == vocab.RESUMED and _leaves_pause(record, following):
                session.oracle.thaw(at_ms)
            else:
                _apply(session, record)
        if session is not None and session.ended is None:  # cut by a reset
            last_ms = max([session.begun_ms, *(ms for ms, _ in life.edges)])
            _run_to(session.oracle, math.floor(last_ms))
        return sessions

    async def _check_history(self, host: Host, lives: list[Life]) -> None:
        logs = {life.boot_id: {record.seq: record for record in life.records} for life in lives}
        rows = await host.store.sessions() if host.store.is_open else []
        found = {}
        for row in rows:
            stored = await host.store.session(row.id)
            assert stored is not None
            log = logs[row.key.boot_id]
            seqs = [item.record.seq for item in stored.records]
            assert seqs == list(range(row.key.seq, row.key.seq + len(seqs))), "a hole"
            for item in stored.records:
                assert item.record == log[item.record.seq], "not what the wearable wrote"
            found[row.key.boot_id, row.key.seq] = (row, seqs)
        if not self._is_in_use(host):
            return
        present = lives[-1]
        for session in self._sessions_of(present):
            assert session.ended is not None, "a session without an end"
            assert (present.boot_id, session.seq) in found, "a session is not in the history"
            row, seqs = found[present.boot_id, session.seq]
            assert seqs[-1] == session.ended.seq, "the history ends too early"
            assert row.reason == vocab.END_REASONS[session.ended.a & 0xFF]
        open_rows = [row.key for row, _ in found.values() if row.reason is None]
        assert not open_rows, f"never closed: {open_rows}"

    def _is_in_use(self, host: Host) -> bool:
        """Whether its history must be whole: others may have been away too long."""
        return host is self.host

    def _check_commands(self, lives: list[Life]) -> None:
        """Each is obeyed at most once; refused ones not at all."""
        kinds = {
            Verb.START: vocab.SESSION_STARTED,
            Verb.PAUSE: vocab.PAUSED,
            Verb.RESUME: vocab.RESUMED,
            Verb.SKIP: vocab.SKIPPED,
            Verb.BACK: vocab.WENT_BACK,
            Verb.EXTEND: vocab.EXTENDED,
            Verb.STOP: vocab.SESSION_ENDED,
        }
        records = [
            record
            for life in lives
            for record, following in _with_next(life.records)
            if not (record.kind == vocab.RESUMED and _leaves_pause(record, following))
        ]
        for verb, kind in kinds.items():
            of_end = verb is Verb.STOP
            sources = [(r.a >> 8) if of_end else r.a for r in records if r.kind == kind]
            done = sources.count(vocab.BY_HOST)
            answers = [a for host in self.hosts for c, a in host.asked if c.verb is verb]
            sure = sum(a.ok for a in answers)
            maybe = sum(a.reason == "unreachable" for a in answers)
            most = math.inf if verb in self.self_done else sure + maybe
            assert sure <= done <= most, (
                f"{verb}: obeyed {done} times, answered ok {sure}, perhaps {maybe}"
            )

    def _check_agreement(self, present: Life) -> None:
        host, band = self.host, self.room.band()
        assert band.player.state == 0, "the wearable still plays"
        assert not host.supervisor.playing, "the host thinks that it plays"
        view = host.view()
        assert view.state in (State.IDLE, State.ENDED), f"the screen says {view.state}"
        ends = [r for r in present.records if r.kind == vocab.SESSION_ENDED]
        if ends and view.state is State.ENDED:
            assert view.reason == vocab.END_REASONS[ends[-1].a & 0xFF]
        assert band.due_ms is None, "something is due although nothing happens"

    def _check_bounds(self) -> None:
        for host in self.hosts:
            for name, widest in host.widest.items():
                limit = (BOUNDS | self.mqtt.limits).get(name, BOUND)
                assert widest <= limit, f"{name} grew to {widest}"


def _take_up(oracle: Oracle, paused: Record) -> None:
    """A session that goes on after a reset: it stands still in its step."""
    oracle.enter(paused.step, paused.at_ms - paused.b)
    oracle.agenda = [item for item in oracle.agenda if item[0] >= paused.at_ms]
    oracle.pause(paused.at_ms)


def _due_ms(oracle: Oracle) -> float:
    if oracle.mode == "run":
        return oracle.agenda[0][0] if oracle.agenda else oracle.end_ms
    if oracle.mode == "pause":
        return oracle.frozen_ms + LONGEST_PAUSE_MS
    return math.inf


def _run_to(oracle: Oracle, at_ms: int) -> None:
    while (due_ms := _due_ms(oracle)) <= at_ms:
        oracle.advance(int(due_ms))


def _with_next(records: Sequence[Record]) -> Iterator[tuple[Record, Record | None]]:
    return zip(records, [*records[1:], None], strict=bool(records))


def _leaves_pause(resumed: Record, following: Record | None) -> bool:
    """Whether the pause ended because of what follows, which then says so by itself."""
    leaving = (vocab.SKIPPED, vocab.WENT_BACK, vocab.SESSION_ENDED)
    return following is not None and (
        following.at_ms == resumed.at_ms and following.kind in leaving
    )


def _apply(session: Session, record: Record) -> None:
    oracle, at_ms = session.oracle, record.at_ms
    if record.kind == vocab.PAUSED:
        oracle.pause(at_ms)
    elif record.kind == vocab.RESUMED:
        oracle.resume(at_ms)
    elif record.kind == vocab.SKIPPED:
        oracle.skip(at_ms)
    elif record.kind == vocab.WENT_BACK:
        oracle.back(at_ms)
    elif record.kind == vocab.EXTENDED:
        oracle.extend(record.b)
    elif record.kind == vocab.WITHHELD:
        session.withheld.append((at_ms, record.a))
    elif record.kind == vocab.SESSION_ENDED:
        session.ended = record
        reason = vocab.END_REASONS[record.a & 0xFF]
        if oracle.ended is None:
            assert reason == "stopped", f"ended as {reason} at {at_ms} ms, by the plan not yet"
            oracle.stop(at_ms)
        assert oracle.ended == (at_ms, reason), f"{oracle.ended} by the plan, {at_ms} {reason}"
        return
    oracle.advance(at_ms)
