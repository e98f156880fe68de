# SPDX-License-Identifier: MIT
"""A gesture belongs to what it was made in: a stop is never followed by a start unasked for."""

from __future__ import annotations

import pytest

from tenuto_core import vocab
from tenuto_core.button import DOUBLE_GAP_MS
from tenuto_core.encode import encode
from tenuto_core.menu import LEAVE_MS
from tenuto_core.plan import Plan, Step
from tenuto_core.player import ARMED, IDLE, PAUSED, RUNNING, WAITING
from tests.core.rig import (
    DONE,
    GATED,
    HOLD,
    PACED,
    PATTERNS,
    Host,
    Memory,
    Wrist,
    plan_id_of,
    score_bytes,
)

PRESS_MS = 80


def playing() -> Wrist:
    wrist = Wrist(score_bytes())
    wrist.do(vocab.START)
    wrist.run(1_000)
    return wrist


def down(wrist: Wrist, held_ms: int = PRESS_MS) -> None:
    """Press the button and let it go; what that means is not certain yet."""
    wrist.band.edge(True, wrist.now_ms, wrist.now_ms)
    wrist.run(held_ms)
    wrist.band.edge(False, wrist.now_ms, wrist.now_ms)


def sessions(wrist: Wrist) -> int:
    return sum(record[1] == vocab.SESSION_STARTED for record in wrist.records())


def go_to(wrist: Wrist, number: int) -> None:
    while wrist.player.number != number:
        assert wrist.do(vocab.SKIP) == vocab.OK


def test_a_press_to_pause_starts_nothing_after_a_stop() -> None:
    wrist = playing()
    down(wrist)
    wrist.run(20)
    wrist.do(vocab.STOP)
    wrist.run(1_000)

    assert wrist.player.state == IDLE
    assert sessions(wrist) == 1


@pytest.mark.parametrize("before_ms", [1, 100, PRESS_MS + DOUBLE_GAP_MS - 1])
def test_a_press_just_before_the_end_of_the_plan_starts_nothing(before_ms: int) -> None:
    wrist = playing()
    go_to(wrist, DONE)
    wrist.run(3_000 - before_ms)
    down(wrist)
    wrist.run(1_000)

    assert wrist.player.state == IDLE
    assert sessions(wrist) == 1


def test_an_owner_who_comes_late_starts_nothing_either() -> None:
    """The press becomes certain and the plan ends in the same call."""
    wrist = playing()
    go_to(wrist, DONE)
    wrist.run(2_800)
    down(wrist)
    wrist.block_to(wrist.now_ms + 5_000)

    assert wrist.player.state == IDLE
    assert sessions(wrist) == 1


def test_a_press_that_begins_after_the_end_starts_again() -> None:
    wrist = playing()
    wrist.do(vocab.STOP)
    wrist.run(10)
    down(wrist)
    wrist.run(1_000)

    assert sessions(wrist) == 2


def test_a_start_that_was_taken_back_is_not_begun_by_a_press_made_before() -> None:
    wrist = Wrist(score_bytes())
    wrist.do(vocab.START_AT, wrist.now_ms + 10_000)
    down(wrist)
    wrist.do(vocab.STOP)
    wrist.run(1_000)
    assert wrist.player.state == IDLE

    down(wrist)
    wrist.do(vocab.START_AT, wrist.now_ms + 10_000)
    wrist.run(1_000)
    assert wrist.player.state == ARMED
    assert sessions(wrist) == 0


def test_a_press_to_begin_does_not_pause_what_began_by_itself() -> None:
    wrist = Wrist(score_bytes())
    wrist.do(vocab.START_AT, wrist.now_ms + 200)
    down(wrist)
    wrist.run(1_000)

    assert wrist.player.state == RUNNING


def test_a_press_never_starts_another_plan_than_the_one_it_was_made_for() -> None:
    wrist = Wrist(score_bytes())
    other = encode(
        "Other", ("a",), [Step(vocab.HOLD, 9_000, exercise=0), Step(vocab.DONE, 0)], PATTERNS
    )
    down(wrist)
    wrist.player.load(Plan(other), plan_id_of(other))
    wrist.run(1_000)

    assert wrist.player.state == IDLE


def test_two_who_pause_at_once_do_not_undo_each_other() -> None:
    wrist = playing()
    down(wrist)
    wrist.do(vocab.PAUSE)
    wrist.run(1_000)
    assert wrist.player.state == PAUSED

    down(wrist)
    wrist.do(vocab.RESUME)
    wrist.run(1_000)
    assert wrist.player.state == RUNNING


def test_a_press_in_a_hold_pauses_the_self_paced_step_that_begins_meanwhile() -> None:
    wrist = playing()
    go_to(wrist, GATED)
    wrist.run(8_100)
    assert wrist.player.state == WAITING
    down(wrist)
    wrist.beat(80)
    assert wrist.player.number == PACED
    wrist.run(1_000)

    assert (wrist.player.state, wrist.player.number) == (PAUSED, PACED)


def test_in_position_is_for_the_step_in_which_it_was_said() -> None:
    wrist = playing()
    go_to(wrist, PACED)
    down(wrist)
    wrist.do(vocab.SKIP)
    wrist.run(1_000)

    assert wrist.player.state == RUNNING


def test_a_double_press_skips_the_step_in_which_it_began_and_no_other() -> None:
    wrist = playing()
    go_to(wrist, HOLD)
    wrist.run(29_900)
    down(wrist)
    wrist.run(60)
    assert wrist.player.number == HOLD + 1
    down(wrist)
    wrist.run(1_000)

    assert wrist.player.number == HOLD + 1


def test_a_long_press_stops_whatever_it_was_begun_in() -> None:
    wrist = Wrist(score_bytes())
    wrist.band.edge(True, wrist.now_ms, wrist.now_ms)
    wrist.run(100)
    wrist.do(vocab.START)
    wrist.run(1_000)

    assert wrist.player.state == IDLE


def test_a_press_that_answers_the_last_of_an_alert_starts_nothing() -> None:
    wrist = Wrist(score_bytes())
    wrist.band.alert(2, wrist.now_ms)
    wrist.band.edge(True, wrist.now_ms, wrist.now_ms)
    wrist.run(PRESS_MS)
    wrist.band.edge(False, wrist.now_ms, wrist.now_ms)
    wrist.band.alert(0, wrist.now_ms)
    wrist.run(1_000)

    assert wrist.player.state == IDLE


def test_a_press_in_a_menu_that_closes_meanwhile_starts_nothing() -> None:
    wrist = Wrist()
    band = type(wrist.band)(wrist.motor, 1, "x", wrist.now_ms, storage=Memory())
    wrist.band, wrist.player, wrist.log = band, band.player, band.log
    assert Host(wrist).upload(score_bytes()) == vocab.OK
    down(wrist)
    wrist.run(60)
    down(wrist)
    wrist.run(LEAVE_MS - 200)
    down(wrist)
    wrist.run(5_000)

    assert wrist.player.state == IDLE


def test_a_menu_that_is_left_behind_by_a_session_cuts_none_of_its_cues() -> None:
    wrist = Wrist(score_bytes())
    down(wrist)
    wrist.run(60)
    down(wrist)
    wrist.run(LEAVE_MS - 6_000)
    wrist.do(vocab.START)
    wrist.run_out()

    felt = [cue for _, cue in wrist.motor.cues() if cue <= vocab.ATTENTION]
    given = [record[3] for record in wrist.records() if record[1] == vocab.CUE]
    assert felt == given
