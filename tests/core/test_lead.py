# SPDX-License-Identifier: MIT
"""A motor that needs its time is driven so much earlier, and is felt at the cue's own time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tenuto_core import vocab
from tenuto_core.band import Band
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, Step
from tenuto_core.player import STATES
from tests.core.rig import PATTERNS, TICKS, Motor, Wrist, plan_id_of, score, score_bytes

LEAD_MS = 60


class Slow(Motor):
    """A motor that is felt `LEAD_MS` after it was driven."""

    lead_ms = LEAD_MS


def slow(data: bytes) -> Wrist:
    wrist = Wrist(None)
    wrist.motor = Slow()
    wrist.motor.now_ms = wrist.now_ms
    wrist.band = Band(wrist.motor, 1, "slow", wrist.now_ms)
    wrist.player, wrist.log = wrist.band.player, wrist.band.log
    wrist.player.load(Plan(data), plan_id_of(data))
    return wrist


def plain() -> bytes:
    """Steps that end by their time, with cues at their beginnings and ends."""
    hold = Step(
        vocab.HOLD,
        20_000,
        (
            (0, False, vocab.HOLD_START),
            (10_000, False, vocab.HALFWAY),
            *TICKS,
            (0, True, vocab.HOLD_END),
        ),
        exercise=0,
    )
    rest = Step(vocab.REST, 8_000, ((20, False, vocab.NEXT_EXERCISE),), exercise=0)
    ready = Step(vocab.READY, 5_000, ((0, False, vocab.GET_READY), *TICKS), exercise=0)
    return encode("x", ["a"], [ready, hold, rest, hold, Step(vocab.DONE, 3_000)], PATTERNS)


def played(wrist: Wrist) -> tuple[list[tuple[int, int]], int]:
    wrist.do(vocab.START)
    begin_ms = wrist.now_ms
    wrist.run_out()
    return wrist.motor.cues(), begin_ms


def test_each_cue_is_felt_when_it_would_be_with_a_motor_that_needs_no_time() -> None:
    quick, begin_ms = played(Wrist(plain()))
    late, slow_begin_ms = played(slow(plain()))

    felt = [(at_ms + LEAD_MS - slow_begin_ms, cue) for at_ms, cue in late]
    meant = [(at_ms + LEAD_MS - begin_ms, cue) for at_ms, cue in quick]
    assert felt == meant, "the first is driven at once, so all is felt by one lead later"


def test_the_log_has_the_drive_its_lead_and_no_lateness() -> None:
    wrist = slow(plain())
    driven, _ = played(wrist)

    cues = [r for r in wrist.records() if r[1] == vocab.CUE]
    assert [(r[0], r[3]) for r in cues] == driven
    assert {r[4] for r in cues} == {0}
    assert {r[5] for r in cues} == {LEAD_MS}
    # The cue that belongs to a step is logged with it, also when it is driven before it begins.
    starts = [r[2] for r in cues if r[3] == vocab.HOLD_START]
    assert starts == [1, 3]


def test_steps_keep_their_planned_lengths() -> None:
    wrist = slow(plain())
    played(wrist)
    starts = [r[0] for r in wrist.records() if r[1] == vocab.STEP_STARTED]

    assert [b - a for a, b in pairwise(starts)][1:] == [20_000, 8_000, 20_000]


def test_a_start_that_was_set_is_felt_at_its_time() -> None:
    wrist = slow(plain())
    at_ms = wrist.now_ms + 10_000
    wrist.do(vocab.START_AT, at_ms)
    wrist.run_out()

    assert wrist.motor.cues()[0] == (at_ms - LEAD_MS, vocab.GET_READY)
    assert next(r[5] for r in wrist.records() if r[1] == vocab.CUE) == LEAD_MS


@pytest.mark.parametrize("after_ms", [1, 4_939, 4_940, 4_941, 4_999, 5_000, 5_001, 24_945, 25_020])
def test_a_pause_around_a_boundary_gives_each_cue_once(after_ms: int) -> None:
    wrist = slow(plain())
    wrist.do(vocab.START)
    wrist.run(after_ms)
    wrist.do(vocab.PAUSE)
    wrist.run(10_000)
    wrist.do(vocab.RESUME)
    wrist.run_out()

    driven, _ = played(slow(plain()))
    extra = Counter((vocab.ATTENTION, vocab.COUNTDOWN))
    assert Counter(cue for _, cue in wrist.motor.cues()) == Counter(c for _, c in driven) + extra


@pytest.mark.parametrize("after_ms", [4_000, 4_950, 20_000, 24_950])
def test_a_skip_begins_the_next_step_with_its_first_cue(after_ms: int) -> None:
    wrist = slow(plain())
    wrist.do(vocab.START)
    wrist.run(after_ms)
    number = wrist.player.number
    wrist.do(vocab.SKIP)
    cue = wrist.player._step.cues[0][2]

    assert wrist.player.number == number + 1
    assert wrist.motor.cues()[-1] == (wrist.now_ms, cue)
    assert wrist.player.elapsed_at(wrist.now_ms) == -(LEAD_MS - wrist.player._step.cues[0][0])
    assert wrist.band.state(wrist.now_ms)[0][7] == 0


def test_gates_and_presses_work_as_without_a_lead() -> None:
    wrist = slow(score_bytes())
    wrist.do(vocab.START)
    while wrist.band.is_playing:
        wrist.run(1_000)
        if STATES[wrist.player.state] == "waiting":
            wrist.beat(70)
            wrist.press()
    wrist.run_out()

    steps = {r[2] for r in wrist.records() if r[1] == vocab.STEP_STARTED}
    assert steps == set(range(len(score())))
