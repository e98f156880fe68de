# SPDX-License-Identifier: MIT
"""Open holds and phases: a press ends the one, the other follow each other without a pause."""

from __future__ import annotations

import pytest

from tenuto_core import player as core, vocab
from tenuto_core.encode import as_version, encode
from tenuto_core.plan import Plan, PlanError, Step
from tests.core import phased
from tests.core.phased import (
    AGAIN,
    CHANGE,
    DEEPER,
    DONE,
    IN,
    IN_2,
    OPEN,
    OPEN_MAX_MS,
    OUT_2,
    OWN,
    PRESS,
    READY,
    REST,
    STRETCH,
    SWITCH,
)
from tests.core.rig import BOOT_MS, PATTERNS, Wrist
from tests.core.test_lead import LEAD_MS, slow

DATA = phased.data()


def in_step(wrist: Wrist, number: int, after_ms: int = 100) -> Wrist:
    """Play up to a step, with nobody there, and some ms into it."""
    assert wrist.do(vocab.START) == vocab.OK
    at_ms = sum(step.duration_ms for step in phased.steps()[:number])
    wrist.run(at_ms + after_ms)
    assert wrist.player.number == number
    return wrist


def felt(wrist: Wrist) -> list[tuple[int, int, int]]:
    """Return (ms when it is felt, step, cue) of each cue since the session began."""
    begin_ms = next(r[0] for r in wrist.records() if r[1] == vocab.SESSION_STARTED)
    return [(r[0] + r[5] - begin_ms, r[2], r[3]) for r in wrist.records() if r[1] == vocab.CUE]


def ended(wrist: Wrist, number: int) -> tuple[int, int, int]:
    """Return the outcome, the time held and the duration of a step."""
    (found,) = (r[3:] for r in wrist.records() if r[1] == vocab.STEP_ENDED and r[2] == number)
    return found


def test_phases_follow_each_other_at_their_times_with_the_cues_of_the_plan() -> None:
    wrist = Wrist(DATA)
    wrist.do(vocab.START)

    wrist.run_out()

    planned, at_ms = [], 0
    for number, step in enumerate(phased.steps()):
        for offset_ms, from_end, cue in step.cues:
            offset = step.duration_ms - offset_ms if from_end else offset_ms
            planned.append((at_ms + offset, number, cue))
        at_ms += step.duration_ms
    assert felt(wrist) == planned
    pct, on_ms, _ = phased.OWN_PATTERN[0]
    assert sum((p[1], p[2]) == (pct, on_ms) for p in wrist.motor.pulses) == 4


@pytest.mark.parametrize("after_ms", [1, 14_000, 17_000, OPEN_MAX_MS - 1])
def test_a_press_ends_an_open_hold_and_the_next_step_begins_there(after_ms: int) -> None:
    wrist = in_step(Wrist(DATA), OPEN, after_ms)
    before = len(felt(wrist))

    assert wrist.press() == vocab.OK
    pressed_ms = wrist.now_ms
    wrist.run(7_000)

    assert ended(wrist, OPEN) == (vocab.STEP_COMPLETE, after_ms, after_ms)
    begin_ms = pressed_ms - BOOT_MS
    assert felt(wrist)[before:] == [
        (begin_ms, OPEN, vocab.HOLD_END),
        (begin_ms + 1_000, SWITCH, vocab.NEXT_EXERCISE),
        (begin_ms + 5_000, SWITCH, vocab.COUNTDOWN),
        (begin_ms + 6_000, SWITCH, vocab.COUNTDOWN),
        (begin_ms + 7_000, SWITCH, vocab.COUNTDOWN),
    ]


def test_an_open_hold_without_a_press_ends_at_its_longest_time() -> None:
    wrist = in_step(Wrist(DATA), SWITCH)

    assert ended(wrist, OPEN) == (vocab.STEP_COMPLETE, OPEN_MAX_MS, OPEN_MAX_MS)
    assert [cue for _, step, cue in felt(wrist) if step == OPEN] == [
        vocab.HOLD_START,
        OWN,
        OWN,
        vocab.HOLD_END,
    ]


def test_the_end_of_an_open_hold_is_felt_at_its_time_by_a_motor_that_needs_some() -> None:
    wrist = in_step(slow(DATA), OPEN, 20_000)
    pressed_ms = wrist.now_ms
    before = len(felt(wrist))

    wrist.press()
    wrist.run(4_000)

    end, following = felt(wrist)[before:]
    assert wrist.records()[-2][0] >= pressed_ms
    assert end[1:] == (OPEN, vocab.HOLD_END)
    assert end[0] == pressed_ms + LEAD_MS - BOOT_MS
    assert following == (end[0] + 1_000, SWITCH, vocab.NEXT_EXERCISE)


def test_an_open_hold_can_be_paused_by_a_host_and_a_press_goes_on_with_it() -> None:
    wrist = in_step(Wrist(DATA), OPEN, 10_000)
    assert wrist.do(vocab.PAUSE) == vocab.OK
    wrist.run(30_000)

    assert wrist.press() == vocab.OK
    assert (wrist.player.state, wrist.player.number) == (core.RUNNING, OPEN)
    wrist.run(5_000)
    assert felt(wrist)[-1][1:] == (OPEN, OWN), "the mark of 15 s"
    wrist.press()
    wrist.run(0)

    assert wrist.player.number == SWITCH
    assert ended(wrist, OPEN)[1] == 15_000


def test_a_press_that_was_made_before_an_open_hold_does_not_end_it() -> None:
    wrist = in_step(Wrist(DATA), CHANGE, 7_900)
    made = wrist.player.moment()
    wrist.run(300)
    assert wrist.player.number == OPEN

    assert wrist.player.press(vocab.PRESS, wrist.now_ms, made) == vocab.OK

    assert (wrist.player.state, wrist.player.number) == (core.PAUSED, OPEN)


def test_a_press_that_was_made_in_an_open_hold_that_is_over_does_nothing() -> None:
    wrist = in_step(Wrist(DATA), OPEN, OPEN_MAX_MS - 100)
    made = wrist.player.moment()
    wrist.run(300)

    assert wrist.player.press(vocab.PRESS, wrist.now_ms, made) == vocab.TOO_LATE
    assert (wrist.player.state, wrist.player.number) == (core.RUNNING, SWITCH)


def test_a_press_that_would_run_the_motor_too_much_changes_nothing() -> None:
    long = ((100, 1_000, 0),)
    busy = [(ms, False, vocab.HOLD_START) for ms in range(0, 6_000, 1_000)]
    steps = [
        Step(vocab.HOLD, 6_000, busy, exercise=0),
        Step(vocab.HOLD, 60_000, (), exercise=0, is_open=True),
        Step(vocab.HOLD, 7_000, [*busy, (6_000, False, vocab.HOLD_START)], exercise=0),
        Step(vocab.DONE, 0),
    ]
    wrist = Wrist(encode("Full", ["a"], steps, (long,) * 9))
    wrist.do(vocab.START)
    wrist.run(10_000)

    assert wrist.press() == vocab.TOO_SOON
    wrist.run(60_000)

    assert ended(wrist, 1) == (vocab.STEP_COMPLETE, 60_000, 60_000)
    assert not [r for r in wrist.records() if r[1] == vocab.WITHHELD]


@pytest.mark.parametrize(
    "number,after_ms,target",
    [
        (READY, 100, STRETCH),
        (STRETCH, 100, REST),
        (PRESS, 5_000, REST),
        (DEEPER, 5_000, REST),
        (AGAIN, 5_000, CHANGE),
        (OPEN, 5_000, SWITCH),
        (IN, 100, DONE),
        (IN_2, 3_900, DONE),
        (OUT_2, 100, DONE),
    ],
)
def test_a_skip_passes_over_the_phases_that_follow(number: int, after_ms: int, target: int) -> None:
    wrist = in_step(Wrist(DATA), number, after_ms)

    assert wrist.do(vocab.SKIP) == vocab.OK

    assert wrist.player.number == target
    assert ended(wrist, number) == (
        vocab.STEP_SKIPPED,
        after_ms,
        phased.steps()[number].duration_ms,
    )


@pytest.mark.parametrize(
    "number,after_ms,target",
    [
        (STRETCH, 1_000, READY),
        (STRETCH, 4_000, READY),
        (PRESS, 1_000, READY),
        (REST, 1_000, READY),
        (AGAIN, 1_000, READY),
        (AGAIN, 4_000, REST),
        (AGAIN + 1, 1_000, REST),
        (AGAIN + 2, 9_000, REST),
        (CHANGE, 1_000, REST),
        (OPEN, 1_000, REST),
        (OPEN, 4_000, CHANGE),
        (IN, 1_000, CHANGE),
        (IN, 3_500, SWITCH),
        (IN + 1, 1_000, SWITCH),
        (IN_2, 1_000, SWITCH),
        (IN_2, 3_500, IN_2),
        (OUT_2, 1_000, IN_2),
    ],
)
def test_a_way_back_leads_to_the_first_phase_of_a_repetition(
    number: int, after_ms: int, target: int
) -> None:
    wrist = in_step(Wrist(DATA), number, after_ms)

    assert wrist.do(vocab.BACK) == vocab.OK

    assert wrist.player.number == target


def test_a_plan_tells_its_title_and_the_names_of_its_phases_to_people() -> None:
    plan = Plan(DATA)

    assert plan.title == "The title"
    assert [plan.phase_name(plan.step(n).phase) for n in (READY, STRETCH, PRESS, DEEPER)] == [
        None,
        "stretch",
        "press",
        "deeper",
    ]


def test_a_plan_without_a_title_has_none() -> None:
    steps = [Step(vocab.HOLD, 1_000, exercise=0, phase=1), Step(vocab.DONE, 0)]

    assert Plan(encode("a", ["b"], steps, PATTERNS, ("in",))).title is None
    assert Plan(encode("a", ["b"], steps, PATTERNS, ("in",), version=1)).title is None


def test_version_1_has_no_open_holds() -> None:
    steps = [Step(vocab.HOLD, 1_000, exercise=0, is_open=True), Step(vocab.DONE, 0)]

    with pytest.raises(PlanError, match="step 0: an open hold in version 1"):
        as_version(Plan(encode("a", ["b"], steps, PATTERNS)), 1)


@pytest.mark.parametrize(
    "step,why",
    [
        (Step(vocab.REST, 1_000, is_open=True), "step 0: kind"),
        (
            Step(vocab.HOLD, 9_000, [(3_000, True, 1)], exercise=0, is_open=True),
            "step 0: cue",
        ),
    ],
)
def test_an_open_step_that_cannot_be_is_refused(step: Step, why: str) -> None:
    with pytest.raises(PlanError, match=why):
        encode("a", ["b"], [step, Step(vocab.DONE, 0)], PATTERNS)
