# SPDX-License-Identifier: MIT
"""Thousands of random sessions against the oracle, the strongest promise first."""

from __future__ import annotations

import random

import pytest

from tenuto_core import vocab
from tenuto_core.encode import encode
from tenuto_core.plan import MAX_STEP_MS, PlanError, Step
from tests.core.oracle import Oracle
from tests.core.rig import PATTERNS, Wrist, log_bytes

SESSIONS = 10_000
INPUTS_MAX = 25
SESSION_MS_MAX = 24 * 3_600_000


def some_steps(rng: random.Random) -> list[Step]:
    steps = []
    for _ in range(rng.randint(0, 12)):
        kind = rng.choice((vocab.READY, vocab.HOLD, vocab.HOLD, vocab.SWITCH, vocab.REST))
        duration_ms = rng.choice((1, 500, 3_000, rng.randint(1, 40_000)))
        waits = kind != vocab.HOLD and rng.random() < 0.4
        gate_bpm = rng.choice((0, 90, 120)) if waits else 0
        self_paced = waits and (gate_bpm == 0 or rng.random() < 0.3)
        starts = sorted(rng.randint(0, duration_ms) for _ in range(rng.randint(0, 3)))
        ends = sorted(
            (
                rng.randint(0, duration_ms - max(starts, default=0))
                for _ in range(rng.randint(0, 4))
            ),
            reverse=True,
        )
        is_open = kind == vocab.HOLD and rng.random() < 0.2
        if is_open:
            ends = [0] * (len(ends) > 0)
        cues = [(ms, False, rng.randrange(9)) for ms in starts]
        cues += [(ms, True, rng.randrange(9)) for ms in ends]
        steps.append(
            Step(
                kind,
                duration_ms,
                cues,
                exercise=0,
                gate_bpm=gate_bpm,
                self_paced=self_paced,
                wait_max_ms=duration_ms + rng.randint(0, 60_000) if waits else 0,
                rep=rng.randrange(2),
                phase=rng.choice((0, 0, 1, 2)),
                is_open=is_open,
            )
        )
    last_ms = rng.choice((0, 3_000))
    return [*steps, Step(vocab.DONE, last_ms, [(0, False, vocab.FINISHED)])]


class Pair:
    """A wrist and the oracle, given the same."""

    def __init__(self, rng: random.Random) -> None:
        while True:
            self.steps = some_steps(rng)
            try:
                data = encode("Swarm", ("it",), self.steps, PATTERNS, ("one", "two"))
            except PlanError:
                continue  # too much for the motor
            break
        self.wrist = Wrist(data)
        self.oracle = Oracle(self.steps)
        self.rng = rng
        self.lateness_ms = rng.choice((0, 0, 1, 30, 5_000, 900_000))

    def go(self, at_ms: int) -> None:
        """Let time pass, with this session's lateness and now and then a call that is early."""
        w = self.wrist
        while (due_ms := w.band.due_ms) is not None and due_ms <= at_ms:
            now_ms = max(w.now_ms, due_ms + self.rng.randint(0, self.lateness_ms))
            if self.rng.random() < 0.1:
                now_ms = self.rng.randint(w.now_ms, now_ms)
            self._at(min(now_ms, at_ms))
        self._at(at_ms)

    def _at(self, now_ms: int) -> None:
        self.wrist.block_to(now_ms)
        self.oracle.advance(now_ms)

    def do(self, what: int, arg: int = 0) -> None:
        w, o, now_ms = self.wrist, self.oracle, self.wrist.now_ms
        if w.do(what, arg) != vocab.OK:
            return
        {
            vocab.START: lambda: o.start(now_ms),
            vocab.PAUSE: lambda: o.pause(now_ms),
            vocab.RESUME: lambda: o.resume(now_ms),
            vocab.SKIP: lambda: o.skip(now_ms),
            vocab.BACK: lambda: o.back(now_ms),
            vocab.STOP: lambda: o.stop(now_ms),
            vocab.EXTEND: lambda: o.extend(arg),
        }[what]()
        o.advance(now_ms)

    def press(self, gesture: int) -> None:
        w, o, now_ms = self.wrist, self.oracle, self.wrist.now_ms
        if w.press(gesture) == vocab.OK:
            act = {
                vocab.PRESS: o.press,
                vocab.DOUBLE_PRESS: o.skip,
                vocab.LONG_PRESS: o.stop,
            }[gesture]
            act(now_ms)
            o.advance(now_ms)

    def beat(self, bpm: int) -> None:
        self.wrist.beat(bpm)
        self.oracle.beat(bpm, self.wrist.now_ms)
        self.oracle.advance(self.wrist.now_ms)

    def anything(self) -> None:
        rng = self.rng
        pick = rng.randrange(10)
        if pick < 5:
            usual = (vocab.PAUSE, vocab.RESUME, vocab.SKIP, vocab.BACK, vocab.EXTEND, vocab.EXTEND)
            what = rng.choice(usual if rng.random() < 0.95 else (vocab.START, vocab.STOP))
            self.do(what, rng.choice((0, 1, 5_000, MAX_STEP_MS)) if what == vocab.EXTEND else 0)
        elif pick < 8:
            self.press(
                rng.choice((vocab.PRESS,) * 20 + (vocab.DOUBLE_PRESS,) * 3 + (vocab.LONG_PRESS,))
            )
        else:
            self.beat(rng.choice((60, 89, 90, 110, 150)))


def play(seed: int) -> Pair:
    rng = random.Random(seed)
    pair = Pair(rng)
    pair.go(pair.wrist.now_ms + rng.randint(0, 10_000))
    pair.do(vocab.START)
    for _ in range(rng.randint(0, INPUTS_MAX)):
        due_ms = pair.wrist.band.due_ms or 0
        pause_ms = rng.choice((0, 1, rng.randint(0, 3_000), rng.randint(0, 60_000)))
        exactly = due_ms - pair.wrist.now_ms
        pair.go(pair.wrist.now_ms + (max(0, exactly) if rng.random() < 0.2 else pause_ms))
        if pair.oracle.ended:
            break
        pair.anything()
    pair.lateness_ms = min(pair.lateness_ms, 30)
    give_up_ms = pair.wrist.now_ms + SESSION_MS_MAX
    while pair.oracle.mode != "idle" and pair.wrist.now_ms < give_up_ms:
        pair.go(pair.wrist.band.due_ms or give_up_ms)
    pair.go(pair.wrist.now_ms + 5_000)
    return pair


def check(pair: Pair) -> None:
    w, o = pair.wrist, pair.oracle
    records = w.records()

    # Each cue once, in order, at the time that only pauses, extensions and inputs have moved.
    # What is in no plan may be withheld to spare the motor; then it is in the log as such.
    given = [r for r in records if r[1] in (vocab.CUE, vocab.WITHHELD)]
    assert [(r[0], r[3], r[0] - (r[4] if r[1] == vocab.CUE else 0)) for r in given] == o.felt
    assert w.motor.cues() == [(r[0], r[3]) for r in given if r[1] == vocab.CUE]
    withheld = {r[3] for r in given if r[1] == vocab.WITHHELD}
    assert withheld <= {vocab.ATTENTION, vocab.COUNTDOWN}

    # Never more than a fifth of a minute.
    pulses = w.motor.pulses
    for last_ms, _, _, felt_ms in pulses:
        begin_ms = last_ms + felt_ms - 60_000
        on_ms = sum(ms - max(0, begin_ms - at) for at, _, _, ms in pulses if begin_ms < at + ms)
        later_ms = sum(ms for at, _, _, ms in pulses if at > last_ms)
        assert on_ms - later_ms <= 12_000

    # Always an end, at its time and of its sort.
    ends = [(r[0], vocab.END_REASONS[r[3] & 0xFF]) for r in records if r[1] == vocab.SESSION_ENDED]
    assert ends == [o.ended]
    assert w.player.due_ms is None
    assert w.band.due_ms is None

    # Never a pulse longer than planned, and none cut but by the next cue or by an input.
    planned = {(pct, ms) for pattern in PATTERNS for pct, ms, _ in pattern}
    for at_ms, pct, on_ms, felt_ms in w.motor.pulses:
        assert (pct, on_ms) in planned
        assert felt_ms <= on_ms
        if felt_ms < on_ms:
            cut_ms = at_ms + felt_ms
            assert any(r[0] == cut_ms and r[1] != vocab.STEP_STARTED for r in records)
    assert not w.motor.running

    # Steps begin and end in turn.
    open_step = None
    for _, kind, step, *_ in records:
        if kind == vocab.STEP_STARTED:
            assert open_step is None
            open_step = step
        elif kind == vocab.STEP_ENDED:
            assert open_step == step
            open_step = None
    assert open_step is None


@pytest.mark.slow
def test_swarm() -> None:
    base = random.randrange(1 << 30)  # of pytest-randomly's seed, which pytest prints
    print(f"swarm from seed {base}")  # noqa: T201 - pytest shows it when it is wanted
    lengths = 0
    for seed in range(base, base + SESSIONS):
        try:
            pair = play(seed)
            check(pair)
            if seed % 10 == 0:
                again = play(seed)
                assert log_bytes(again.wrist.log) == log_bytes(pair.wrist.log)
                assert again.wrist.motor.edges == pair.wrist.motor.edges
        except Exception as error:
            error.add_note(f"play({seed}) shows it")
            raise
        lengths += len(pair.oracle.felt)
    # A swarm that feels nothing proves nothing.
    assert lengths > 5 * SESSIONS
