# SPDX-License-Identifier: MIT
"""The motor runs for at most a fifth of any minute, whatever is asked, and no cue is left out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from tenuto_core import vocab
from tenuto_core.encode import encode
from tenuto_core.limits import ON_MS_MAX, Ledger
from tenuto_core.plan import Plan, PlanError, Step
from tests.core.rig import DONE, PATTERNS, Host, Wrist, crc_of, score_bytes

LONG = ((100, 1_000, 100),) * 2 + ((100, 700, 0),)
"""2.7 s of motor in 2.9 s."""
STRONG = (*PATTERNS[: vocab.HOLD_START], LONG, *PATTERNS[vocab.HOLD_START + 1 :])
MINUTE_MS = 60_000


def dense(gap_ms: int, cues: int = 20) -> list[Step]:
    hold = Step(vocab.HOLD, gap_ms, [(0, False, vocab.HOLD_START)], exercise=0)
    return [hold] * cues + [Step(vocab.DONE, 0)]


def fullest_ms(pulses: list[tuple[int, int, int, int]]) -> int:
    """The most that was felt in any minute, looked at from the end of each pulse."""
    most = 0
    for last_ms, _, _, last_felt_ms in pulses:
        end_ms = last_ms + last_felt_ms
        begin_ms = end_ms - MINUTE_MS
        most = max(
            most,
            sum(
                max(0, min(end_ms, at + felt) - max(begin_ms, at))
                for at, _, _, felt in pulses
                if at <= last_ms
            ),
        )
    return most


# --- what a plan may ask for


def test_a_plan_at_the_limit_is_taken_and_one_above_it_is_not() -> None:
    # Four of 2.7 s are 10.8 s, five are 13.5 s: so the fifth must end a minute after the first.
    assert Plan(encode("x", ["a"], dense(15_000), STRONG)).steps == 21
    with pytest.raises(PlanError, match="step 4: the motor runs 13500 ms, allowed is 12000"):
        encode("x", ["a"], dense(14_900), STRONG)


def test_each_minute_of_a_plan_is_looked_at() -> None:
    calm = dense(40_000, 10)[:-1]

    encode("x", ["a"], [*calm, *dense(15_000)], STRONG)
    with pytest.raises(PlanError, match="step 14: the motor runs 13500 ms"):
        encode("x", ["a"], [*calm, *dense(14_900)], STRONG)


def test_the_band_itself_refuses_it_at_upload_whoever_wrote_it() -> None:
    """By bytes that no `encode` would have made."""
    good = encode("x", ["a"], dense(15_000), STRONG)
    bad = bytearray(good[:-4])
    for number in range(20):
        at = 16 + 20 * number + 8
        bad[at : at + 4] = (5_000).to_bytes(4, "little")
    bad[12:16] = (20 * 5_000).to_bytes(4, "little")
    bad += crc_of(bad).to_bytes(4, "little")
    wrist = Wrist(score_bytes())
    before = wrist.player.plan_id

    assert Host(wrist).upload(bytes(bad)) == vocab.BAD_PLAN
    assert wrist.player.plan_id == before


@given(st.data())
def test_the_check_finds_the_fullest_minute(data: st.DataObject) -> None:
    """Against counting every pulse of the plan as it is really played."""
    durations = st.lists(st.integers(1, 30_000), min_size=1, max_size=12)
    steps = [
        Step(vocab.HOLD, ms, [(0, False, vocab.HOLD_START)], exercise=0)
        for ms in data.draw(durations)
    ]
    steps.append(Step(vocab.DONE, 3_000))
    try:
        plan = encode("x", ["a"], steps, STRONG)
    except PlanError:
        return
    wrist = Wrist(plan)
    wrist.do(vocab.START)
    wrist.run_out()

    assert fullest_ms(wrist.motor.pulses) <= ON_MS_MAX
    assert [r[3] for r in wrist.records() if r[1] == vocab.CUE].count(vocab.HOLD_START) == (
        len(steps) - 1
    )


# --- what draws a plan together


@pytest.mark.parametrize("seed", range(30))
def test_no_way_of_skipping_starting_and_pausing_fills_a_minute(seed: int) -> None:
    rng = random.Random(seed)
    data = encode("x", ["a"], dense(rng.choice((15_000, 20_000, 40_000))), STRONG)
    wrist = Wrist(data)
    refused = 0
    for _ in range(300):
        what = rng.choice(
            (vocab.START, vocab.SKIP, vocab.SKIP, vocab.BACK, vocab.PAUSE, vocab.RESUME, vocab.STOP)
        )
        if what == vocab.STOP and rng.random() < 0.7:
            continue
        refused += wrist.do(what) == vocab.TOO_SOON
        wrist.band.alert(rng.choice((0, 1, 2)), wrist.now_ms)
        wrist.run(rng.choice((0, 200, 900, 3_000, 20_000)))
    wrist.run_out()

    assert fullest_ms(wrist.motor.pulses) <= ON_MS_MAX
    assert refused


def test_a_skip_that_would_fill_the_minute_is_refused_and_changes_nothing() -> None:
    wrist = Wrist(encode("x", ["a"], dense(20_000), STRONG))
    wrist.do(vocab.START)
    statuses = []
    for _ in range(10):
        wrist.run(3_000)
        before = (wrist.player.number, wrist.player.due_ms, wrist.log.next)
        statuses.append(wrist.do(vocab.SKIP))
        if statuses[-1] == vocab.TOO_SOON:
            assert (wrist.player.number, wrist.player.due_ms, wrist.log.next) == before
    assert vocab.TOO_SOON in statuses

    wrist.run_out()

    felt = [r for r in wrist.records() if r[1] == vocab.CUE and r[3] == vocab.HOLD_START]
    assert len(felt) == 20, "each cue of the plan"


def test_a_pause_always_works_but_is_not_always_felt() -> None:
    wrist = Wrist(encode("x", ["a"], dense(15_000), STRONG))
    wrist.do(vocab.START)
    wrist.run(50_000)
    for _ in range(20):
        assert wrist.do(vocab.PAUSE) == vocab.OK
        wrist.run(100)
        assert wrist.do(vocab.RESUME) == vocab.OK
        wrist.run(100)
    wrist.run_out()

    withheld = [r for r in wrist.records() if r[1] == vocab.WITHHELD]
    assert {r[3] for r in withheld} <= {vocab.ATTENTION, vocab.COUNTDOWN}
    assert withheld
    assert wrist.band.stats(wrist.now_ms)[0][9] == len(withheld)
    assert fullest_ms(wrist.motor.pulses) <= ON_MS_MAX


def test_alerts_without_end_are_withheld_counted_and_logged() -> None:
    wrist = Wrist(None)
    for _ in range(300):
        wrist.band.alert(2, wrist.now_ms)
        wrist.run(600)
    wrist.run_out()

    withheld = [r for r in wrist.records() if r[1] == vocab.WITHHELD]
    assert withheld
    assert {r[3] for r in withheld} == {vocab.WITHHELD_ALERT}
    assert all(r[4] > ON_MS_MAX - 600 for r in withheld)
    assert wrist.band.stats(wrist.now_ms)[0][9] == len(withheld)
    # Each one cuts the one before, which counts as if it had not been cut.
    assert 8_000 < fullest_ms(wrist.motor.pulses) <= ON_MS_MAX


def test_a_start_that_was_set_is_never_refused() -> None:
    wrist = Wrist(encode("x", ["a"], dense(15_000), STRONG))
    wrist.do(vocab.START_AT, wrist.now_ms + 30_000)
    for _ in range(49):
        wrist.band.alert(2, wrist.now_ms)
        wrist.run(600)
    wrist.run(2_000)

    assert wrist.player.number != vocab.NO_STEP
    wrist.run_out()
    assert fullest_ms(wrist.motor.pulses) <= ON_MS_MAX


def test_the_shipped_vocabulary_leaves_room_for_quick_skipping() -> None:
    """A person who looks for the end of a routine is not held up in the first seconds."""
    wrist = Wrist(score_bytes())
    wrist.do(vocab.START)
    for _ in range(DONE):
        wrist.run(600)
        assert wrist.do(vocab.SKIP) == vocab.OK


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 1_000)), max_size=60))
def test_the_ledger_counts_to_the_millisecond(entries: list[tuple[int, int]]) -> None:
    ledger, now_ms, pulses = Ledger(), 1_000, []
    for gap_ms, on_ms in entries:
        now_ms += gap_ms
        ledger.add(on_ms, now_ms)
        pulses.append((now_ms, now_ms + on_ms))
        now_ms += on_ms
        since_ms = now_ms - MINUTE_MS
        ran_ms = sum(end - max(at, since_ms) for at, end in pulses if end > since_ms)
        assert ledger.minute(now_ms) == ran_ms


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30)), min_size=900, max_size=900))
def test_the_ledger_never_counts_too_little(entries: list[tuple[int, int]]) -> None:
    """Where more pulses come than it has places for."""
    ledger, now_ms, pulses = Ledger(), 1_000, []
    for gap_ms, on_ms in entries:
        now_ms += gap_ms
        ledger.add(on_ms, now_ms)
        pulses.append((now_ms, now_ms + on_ms))
        now_ms += on_ms
    since_ms = now_ms - MINUTE_MS
    ran_ms = sum(end - max(at, since_ms) for at, end in pulses if end > since_ms)
    assert ran_ms <= ledger.minute(now_ms) <= ran_ms + 1_000


@given(st.integers(1, 1_000), st.integers(0, 1_000))
def test_a_pulse_that_is_cut_counts_for_as_long_as_it_ran(on_ms: int, ran_ms: int) -> None:
    ledger = Ledger()
    ledger.add(500, 1_000)
    ledger.add(on_ms, 2_000)
    ledger.cut(2_000 + ran_ms)

    assert ledger.minute(3_000) == 500 + min(on_ms, ran_ms)
    assert ledger.minute(61_250) == 250 + min(on_ms, ran_ms)
