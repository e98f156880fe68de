# SPDX-License-Identifier: MIT
"""Sessions to keep: played by the real player, told by the real tracker."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenuto.history import Store
from tenuto.history.jsonlines import write_lines
from tenuto.routines.compile import CompiledPlan
from tenuto.routines.unison import for_clock
from tenuto.sessions.device import named
from tenuto.sessions.events import (
    EVENTS_OF_THE_HEART,
    Entry,
    HeartBeat,
    HeartSensor,
    Record,
    SessionKey,
)
from tenuto.sessions.tracker import Tracker
from tenuto_core import vocab
from tenuto_core.buzzer import Buzzer, Motor
from tenuto_core.encode import encode
from tenuto_core.log import Log, unpack_record
from tenuto_core.plan import CUES_V1, Plan, Step
from tenuto_core.player import Player

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UTC_MS = 1_800_000_000_000
HOLD_MS = 30_000
READY_MS = 5_000
SWITCH_MS = 8_000


def make_plan(*, ready_waits: bool = False) -> Plan:
    """A bridge, then a lunge on the left and on the right: 5 + 30 + 8 + 30 + 8 + 30 s."""
    cues = ((0, False, vocab.HOLD_START), (0, True, vocab.HOLD_END))
    steps = [
        Step(
            vocab.READY,
            READY_MS,
            ((0, False, vocab.GET_READY),),
            exercise=0,
            self_paced=ready_waits,
            wait_max_ms=60_000 if ready_waits else 0,
        ),
        Step(vocab.HOLD, HOLD_MS, cues, exercise=0, rep=1, reps=1),
        Step(vocab.REST, SWITCH_MS, ((0, False, vocab.NEXT_EXERCISE),), exercise=1, side=1),
        Step(vocab.HOLD, HOLD_MS, cues, exercise=1, side=1, rep=1, reps=1),
        Step(vocab.SWITCH, SWITCH_MS, ((0, False, vocab.SWITCH_SIDES),), exercise=1, side=2),
        Step(vocab.HOLD, HOLD_MS, cues, exercise=1, side=2, rep=1, reps=1),
        Step(vocab.DONE, 0, ((0, False, vocab.FINISHED),)),
    ]
    exercises = ("Glute Bridge", "Kneeling Lunge")
    patterns = (((80, 100, 0),),) * CUES_V1
    # As in the kept databases, which were written before there was a version 2.
    return Plan(encode("lower-back", exercises, steps, patterns, version=1))


@dataclass
class Band:
    """A wearable's player in the hands of a test, which says what time it is."""

    wearable: str = "wrist"
    person: str | None = "ada"
    boot_id: int = 0x89ABCDEF
    boot_utc_ms: int = UTC_MS
    plan: Plan = field(default_factory=make_plan)
    now_ms: int = 1_000

    def __post_init__(self) -> None:
        self.log = Log(4096)
        self.player = Player(self.log, Buzzer(Motor()))
        self.plan_id = hashlib.sha256(self.plan.data).digest()[:8]
        self.player.load(self.plan, self.plan_id)
        self.tracker: Tracker | None = None
        self._read = 0

    def do(self, command: int, arg: int = 0) -> int:
        """Give a command to the player; returns its answer."""
        status: int = self.player.receive(command, arg, vocab.BY_HOST, self.now_ms)
        return status

    def pass_ms(self, ms: int) -> None:
        """Let time pass, waking the player whenever it wants."""
        end_ms = self.now_ms + ms
        while self.player.due_ms is not None and self.player.due_ms <= end_ms:
            self.now_ms = self.player.due_ms
            self.player.advance(self.now_ms)
        self.now_ms = end_ms

    def take_up(self, first: int, ppm: float = 60) -> None:
        """Begin the rest of the plan by another clock, as whoever joins a class again does."""
        rest = for_clock(CompiledPlan(bytes(self.plan.data), self.plan), ppm, first)
        self.plan, self.plan_id = rest.plan, rest.plan_id
        self.player.load(rest.plan, rest.plan_id)
        self.do(vocab.START)

    def reset(self, off_ms: int = 3_000) -> Band:
        """Return the same wearable after a reset, on which what was cut goes on, paused."""
        now_ms, player = self.now_ms, self.player
        other = replace(
            self,
            boot_id=self.boot_id + 1,
            boot_utc_ms=self.boot_utc_ms + now_ms + off_ms,
            now_ms=1_000,
        )
        assert other.player.restore(player.number, player.elapsed_at(now_ms), other.now_ms)
        return other

    def miss(self, count: int) -> None:
        """Let the host never read the next `count` records."""
        self._read += count

    def entries(self) -> list[Entry]:
        """Give what was logged since the last call."""
        entries = []
        while self._read < self.log.next:
            record = Record(self._read, *unpack_record(self.log.read(self._read, 1)))
            self._read += 1
            if record.kind == vocab.SESSION_STARTED:
                key = SessionKey(named(self.wearable), self.boot_id, record.seq)
                self.tracker = Tracker(key, self.plan, self.plan_id)
            if self.tracker is None:
                continue
            utc_ms = self.boot_utc_ms + record.at_ms
            entries += [
                Entry(self.tracker.key, self.wearable, self.person, event, utc_ms, record)
                for event in self.tracker.feed(record)
            ]
        return entries


def whole_session(**band: object) -> list[Entry]:
    """Play the plan undisturbed, with a heart rate of 61, 62, 63 and so on each 10 s."""
    wearer = Band(**band)  # type: ignore[arg-type]
    wearer.do(vocab.START)
    for count in range(11):
        wearer.player.beat(61 + count, (1000, 1024), wearer.now_ms)
        wearer.pass_ms(10_000)
    wearer.pass_ms(10_000)
    return wearer.entries()


def session_in_parts(**band: object) -> tuple[list[Entry], list[Entry]]:
    """Pause in the first hold, and join the class again where the second exercise begins."""
    wearer = Band(**band)  # type: ignore[arg-type]
    wearer.do(vocab.START)
    wearer.pass_ms(READY_MS + 10_000)
    wearer.do(vocab.PAUSE)
    wearer.pass_ms(15_000)
    wearer.do(vocab.STOP)
    left = wearer.entries()
    wearer.pass_ms(5_000)
    wearer.take_up(2)
    wearer.pass_ms(120_000)
    return left, wearer.entries()


def session_without_heart() -> list[Entry]:
    """Return what the hub lets through of `whole_session` where its heart rate is not shared."""
    return [one for one in whole_session() if type(one.event) not in EVENTS_OF_THE_HEART]


def with_strap(entries: list[Entry], kind: str | None = "ecg") -> list[Entry]:
    """Let the beats of a session come from a strap that the host hears."""
    first = entries[0]
    sensor = HeartSensor(t_ms=0, sensor="strap of ada", kind=kind)
    told = [Entry(first.session, first.wearable, first.person, sensor, first.utc_ms)]
    for entry in entries:
        event, record = entry.event, entry.record
        if isinstance(event, HeartBeat) and record is not None:
            event = replace(event, sensor="strap")
            record = replace(record, a=record.a | vocab.HEART_BY_HOST)
        told.append(replace(entry, event=event, record=record))
    return told


def eventful_session(**band: object) -> list[Entry]:
    """A run just before: 124 bpm that fall.  Paused in the first hold, the second one skipped."""
    wearer = Band(**band)  # type: ignore[arg-type]
    rng = random.Random(7)
    wearer.do(vocab.START)
    for second in range(125):
        bpm = round(72 + 52 * math.exp(-second / 50))
        rr_1024 = round(60 * 1024 / bpm * (1 + rng.uniform(-0.03, 0.03)))
        wearer.player.beat(bpm, (rr_1024,), wearer.now_ms)
        for at, command in ((20, vocab.PAUSE), (32, vocab.RESUME), (70, vocab.SKIP)):
            if second == at:
                wearer.do(command)
        wearer.pass_ms(1_000)
    return wearer.entries()


def keep(database: Path, *sessions: Sequence[Entry]) -> None:
    """Put sessions into a history, from a test without an event loop."""

    async def add() -> None:
        async with Store(database) as store:
            for session in sessions:
                await store.add(session)

    asyncio.run(add())


async def exported(path: Path) -> list[str]:
    """Return a history as JSON Lines."""
    lines: list[str] = []
    async with Store(path, read_only=True) as store:
        await write_lines(store, lines.append)
    return lines


def bytes_on_disk(path: Path) -> bytes:
    """Return what a history has on the disk, in all its files."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))
