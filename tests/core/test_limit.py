# SPDX-License-Identifier: MIT
"""The limit of the heart rate: it holds the next exercise back, and says so on the wrist."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tenuto_core import vocab
from tenuto_core.buzzer import Buzzer, Motor
from tenuto_core.encode import encode
from tenuto_core.log import Log, unpack_record
from tenuto_core.plan import Plan, PlanError, Step
from tenuto_core.player import IDLE, RUNNING, WAITING, Player

LIMIT_BPM = 150
REST_MS = 8_000
WAIT_MAX_MS = 120_000
PATTERNS = (((80, 100, 0),),) * len(vocab.CUES)


def plan(*, limit_bpm: int = LIMIT_BPM, gate_bpm: int = 0) -> Plan:
    """A hold of 10 s, a rest with a limit, and another hold."""
    steps = [
        Step(vocab.HOLD, 10_000, exercise=0),
        Step(
            vocab.REST,
            REST_MS,
            exercise=0,
            limit_bpm=limit_bpm,
            gate_bpm=gate_bpm,
            wait_max_ms=WAIT_MAX_MS,
        ),
        Step(vocab.HOLD, 10_000, exercise=0),
        Step(vocab.DONE, 0),
    ]
    return Plan(encode("limit", ("hold",), steps, PATTERNS))


@dataclass
class Wearer:
    plan: Plan = field(default_factory=plan)
    now_ms: int = 0

    def __post_init__(self) -> None:
        self.log = Log(256)
        self.player = Player(self.log, Buzzer(Motor()))
        self.player.load(self.plan, bytes(8))
        self.player.receive(vocab.START, 0, vocab.BY_HOST, 0)

    def run(self, ms: int, bpm: int = 0) -> None:
        """Let time pass, with a beat each second if there is a rate."""
        for _ in range(ms // 1_000):
            if bpm:
                self.player.beat(bpm, (), self.now_ms)
            self.now_ms += 1_000
            self.player.advance(self.now_ms)

    def found(self, kind: int) -> list[tuple[int, ...]]:
        records = [unpack_record(self.log.read(n, 1)) for n in range(self.log.next)]
        return [record for record in records if record[1] == kind]

    @property
    def attention(self) -> int:
        return sum(record[3] == vocab.ATTENTION for record in self.found(vocab.CUE))


def test_below_the_limit_nothing_is_held_back() -> None:
    wearer = Wearer()
    wearer.run(10_000 + REST_MS, LIMIT_BPM - 1)

    assert (wearer.player.number, wearer.player.state) == (2, RUNNING)
    assert wearer.attention == 0


@pytest.mark.parametrize("bpm", [LIMIT_BPM, 255])
def test_at_the_limit_the_next_exercise_waits_and_the_wrist_says_so_once(bpm: int) -> None:
    wearer = Wearer()
    wearer.run(10_000 + REST_MS + 30_000, bpm)

    assert (wearer.player.number, wearer.player.state) == (1, WAITING)
    assert wearer.attention == 1
    ((_, _, _, waits, left_ms, _),) = wearer.found(vocab.WAITING)
    assert (waits, left_ms) == (vocab.WAIT_HEART, WAIT_MAX_MS - REST_MS)


def test_it_goes_on_with_the_first_beat_below() -> None:
    wearer = Wearer()
    wearer.run(10_000 + REST_MS + 30_000, LIMIT_BPM)
    wearer.player.beat(LIMIT_BPM - 1, (), wearer.now_ms)

    assert (wearer.player.number, wearer.player.state) == (2, RUNNING)


def test_a_heart_that_stays_too_fast_ends_the_session_and_not_the_limit() -> None:
    wearer = Wearer()
    wearer.run(10_000 + WAIT_MAX_MS, LIMIT_BPM + 10)

    assert wearer.player.state == IDLE
    ((_, _, _, end, at_ms, _),) = wearer.found(vocab.SESSION_ENDED)
    assert (end, at_ms) == (vocab.ENDED_STOPPED | vocab.BY_PLAN << 8, 10_000 + WAIT_MAX_MS)


def test_a_sensor_that_falls_silent_while_it_holds_back_does_not_let_go() -> None:
    wearer = Wearer()
    wearer.run(10_000 + REST_MS + 5_000, LIMIT_BPM)
    wearer.run(60_000)
    assert wearer.player.state == WAITING

    wearer.run(60_000)
    assert wearer.player.state == IDLE


def test_without_a_sensor_nobody_is_held_back() -> None:
    wearer = Wearer()
    wearer.run(10_000 + REST_MS)

    assert (wearer.player.number, wearer.attention) == (2, 0)


def test_a_rate_that_is_no_longer_known_does_not_hold_back() -> None:
    wearer = Wearer()
    wearer.run(10_000, LIMIT_BPM + 10)
    wearer.run(REST_MS)

    assert wearer.player.number == 2


def test_a_gate_and_a_limit_in_one_step_both_count() -> None:
    wearer = Wearer(plan(gate_bpm=100))
    wearer.run(10_000 + REST_MS + 1_000, 120)
    assert (wearer.player.state, wearer.attention) == (WAITING, 0)

    wearer.run(WAIT_MAX_MS - REST_MS, 120)
    assert wearer.player.number == 2  # the gate gives way, since the limit is kept


def test_a_paused_and_a_skipped_wait_are_as_with_any_other() -> None:
    wearer = Wearer()
    wearer.run(10_000 + REST_MS + 1_000, LIMIT_BPM)
    assert wearer.player.receive(vocab.SKIP, 0, vocab.BY_HOST, wearer.now_ms) == vocab.OK

    assert (wearer.player.number, wearer.player.state) == (2, RUNNING)


@pytest.mark.parametrize("limit_bpm", [29, 241])
def test_a_limit_that_no_heart_has_is_refused(limit_bpm: int) -> None:
    with pytest.raises(PlanError, match=r"heart limit in bpm is \d+, allowed is 30 to 240"):
        plan(limit_bpm=limit_bpm)


def test_a_hold_cannot_have_a_limit() -> None:
    steps = [Step(vocab.HOLD, 1_000, exercise=0, limit_bpm=150, wait_max_ms=5_000)]
    with pytest.raises(PlanError, match="such a step cannot wait"):
        encode("limit", ("hold",), [*steps, Step(vocab.DONE, 0)], PATTERNS)
