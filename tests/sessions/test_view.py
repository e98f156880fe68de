# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from tenuto.sessions.events import LinkLost, LinkRestored, RecordsLost
from tenuto.sessions.view import Moment, SessionView, State
from tenuto_core import vocab
from tests.history.sessions import HOLD_MS, READY_MS, SWITCH_MS, UTC_MS, Band, make_plan

PLAN_MS = READY_MS + 3 * HOLD_MS + 2 * SWITCH_MS


class Seen:
    """A view that follows a band."""

    def __init__(self, band: Band) -> None:
        self.band = band
        self.view = SessionView()

    def after(self, ms: int = 0) -> SessionView:
        self.band.pass_ms(ms)
        for entry in self.band.entries():
            self.view.apply(entry.event, entry.utc_ms)
        return self.view


@pytest.fixture
def seen() -> Seen:
    band = Band()
    band.do(vocab.START)
    return Seen(band)


def test_before_anything_nothing_is_known() -> None:
    view = SessionView()

    assert view.state is State.IDLE
    assert (view.routine, view.step, view.step_ends, view.session_ends) == (None,) * 4


def test_it_says_which_hold_of_how_many_and_what_comes_next(seen: Seen) -> None:
    def now(view: SessionView) -> tuple[object, ...]:
        return (view.kind, view.hold, view.exercise, view.side, view.next_exercise, view.next_side)

    assert now(seen.after()) == ("ready", 1, "Glute Bridge", None, "Kneeling Lunge", "left")
    assert now(seen.after(READY_MS)) == ("hold", 1, "Glute Bridge", None, "Kneeling Lunge", "left")
    assert now(seen.after(HOLD_MS)) == (
        "rest",
        2,
        "Kneeling Lunge",
        "left",
        "Kneeling Lunge",
        "right",
    )
    assert now(seen.after(SWITCH_MS)) == (
        "hold",
        2,
        "Kneeling Lunge",
        "left",
        "Kneeling Lunge",
        "right",
    )
    assert now(seen.after(HOLD_MS)) == ("switch", 3, "Kneeling Lunge", "right", None, None)
    view = seen.view
    assert (view.routine, view.steps, view.holds) == ("lower-back", 7, 3)


def test_times_are_absolute_and_on_both_clocks(seen: Seen) -> None:
    view = seen.after(READY_MS + 1000)

    began_utc_ms = UTC_MS + 1000
    assert Moment(0, began_utc_ms) == view.started
    assert Moment(READY_MS, began_utc_ms + READY_MS) == view.step_started
    assert Moment(READY_MS + HOLD_MS, began_utc_ms + READY_MS + HOLD_MS) == view.step_ends
    assert Moment(PLAN_MS, began_utc_ms + PLAN_MS) == view.session_ends


def test_a_pause_leaves_the_end_open_and_moves_it(seen: Seen) -> None:
    seen.after(READY_MS + 10_000)
    seen.band.do(vocab.PAUSE)
    view = seen.after(7_000)
    assert view.state is State.PAUSED
    assert (view.step_ends, view.session_ends) == (None, None)
    assert (view.kind, view.exercise) == ("hold", "Glute Bridge")

    seen.band.do(vocab.RESUME)
    view = seen.after()
    assert view.state is State.PLAYING
    assert view.step_ends is not None
    assert view.session_ends is not None
    assert view.step_ends.t_ms == READY_MS + HOLD_MS + 7_000
    assert view.session_ends.t_ms == PLAN_MS + 7_000


def test_the_end_that_it_tells_is_the_end_that_comes(seen: Seen) -> None:
    """Whatever the wearer does in a hold, the end told last before it is the true one."""
    seen.after(READY_MS + 5_000)
    seen.band.do(vocab.EXTEND, 15_000)
    seen.after(3_000)
    seen.band.do(vocab.PAUSE)
    seen.after(4_321)
    seen.band.do(vocab.EXTEND, 5_000)
    seen.band.do(vocab.RESUME)
    told = seen.after(1_000).session_ends
    step_told = seen.view.step_ends
    assert seen.view.step_duration_ms == HOLD_MS + 20_000
    assert step_told is not None
    seen.after(step_told.t_ms - (seen.band.now_ms - 1_000))

    assert seen.view.step == 2
    assert step_told == seen.view.step_started
    view = seen.after(PLAN_MS)
    assert view.state is State.ENDED
    assert told == view.ended


def test_the_time_over_in_a_step_stands_still_in_a_pause_and_is_never_more_than_the_step(
    seen: Seen,
) -> None:
    def now() -> tuple[int | None, int | None]:
        utc_ms = UTC_MS + seen.band.now_ms
        return seen.view.elapsed_ms(utc_ms), seen.view.left_ms(utc_ms)

    seen.after(READY_MS + 5_000)
    assert now() == (5_000, HOLD_MS - 5_000)
    seen.band.do(vocab.PAUSE)
    seen.after(7_000)
    assert now() == (5_000, HOLD_MS - 5_000)
    seen.band.do(vocab.RESUME)
    seen.band.do(vocab.EXTEND, 4_000)
    seen.after(1_000)
    assert now() == (6_000, HOLD_MS - 2_000)
    late_utc_ms = UTC_MS + seen.band.now_ms + PLAN_MS
    assert (seen.view.elapsed_ms(late_utc_ms), seen.view.left_ms(late_utc_ms)) == (
        HOLD_MS + 4_000,
        0,
    )
    seen.band.do(vocab.STOP)
    seen.after()
    assert now() == (None, None)


def test_a_step_that_waits_has_no_end_and_neither_has_the_session() -> None:
    band = Band(plan=make_plan(ready_waits=True))
    band.do(vocab.START)
    seen = Seen(band)
    view = seen.after()
    assert view.state is State.PLAYING
    assert (view.step_ends, view.session_ends) == (None, None)

    view = seen.after(READY_MS)
    assert (view.state, view.waits_for) == (State.WAITING, "press")

    band.player.press(vocab.PRESS, band.now_ms)
    view = seen.after()
    assert (view.state, view.waits_for, view.kind) == (State.PLAYING, None, "hold")
    assert view.session_ends is not None


def test_without_the_link_no_end_is_told(seen: Seen) -> None:
    view = seen.after(READY_MS)
    ends = view.step_ends
    view.apply(LinkLost(t_ms=READY_MS), UTC_MS)
    assert (view.link_ok, view.step_ends, view.elapsed_ms(UTC_MS)) == (False, None, None)

    view.apply(LinkRestored(t_ms=READY_MS + 1), UTC_MS)
    assert (True, ends) == (view.link_ok, view.step_ends)


def test_after_lost_records_no_end_is_told_until_the_next_step(seen: Seen) -> None:
    view = seen.after(READY_MS)
    view.apply(RecordsLost(t_ms=READY_MS, count=3), UTC_MS)
    assert (view.records_lost, view.step_ends, view.session_ends) == (3, None, None)
    assert view.left_ms(UTC_MS) is None

    assert seen.after(HOLD_MS).step_ends is not None


def test_without_the_plan_it_tells_what_the_events_tell() -> None:
    band = Band()
    band.do(vocab.START)
    entries = band.entries()
    assert band.tracker is not None
    band.tracker.plan = None
    band.pass_ms(READY_MS)
    view = SessionView()
    for entry in [*entries[1:], *band.entries()]:
        view.apply(entry.event, entry.utc_ms)

    assert State.PLAYING is view.state
    assert (view.step, view.steps, view.exercise, view.next_exercise) == (1, None, None, None)
    assert view.step_ends is not None
    assert view.session_ends is None


def test_heart_and_cues_carry_their_time(seen: Seen) -> None:
    seen.after(READY_MS + 10_000)
    seen.band.player.beat(88, (), seen.band.now_ms)
    view = seen.after()

    assert (view.bpm, view.bpm_at and view.bpm_at.t_ms) == (88, READY_MS + 10_000)
    assert (view.last_cue, view.last_cue_at and view.last_cue_at.t_ms) == ("hold_start", READY_MS)


def test_the_end_keeps_how_it_ended_and_nothing_of_the_step(seen: Seen) -> None:
    seen.after(READY_MS + 10_000)
    seen.band.do(vocab.STOP)
    view = seen.after()

    assert (view.state, view.reason, view.routine) == (State.ENDED, "stopped", "lower-back")
    assert (view.step, view.kind, view.exercise, view.next_exercise, view.step_ends) == (None,) * 5


def test_the_next_session_begins_afresh(seen: Seen) -> None:
    seen.after(READY_MS)
    seen.band.do(vocab.STOP)
    seen.band.player.beat(88, (), seen.band.now_ms)
    seen.band.do(vocab.START)
    view = seen.after()

    assert (view.state, view.reason, view.step, view.ended) == (State.PLAYING, None, 0, None)


def test_going_back_shows_the_step_gone_back_to(seen: Seen) -> None:
    seen.after(READY_MS + HOLD_MS + SWITCH_MS + 1_000)
    seen.band.do(vocab.BACK)
    view = seen.after()

    assert (view.step, view.hold, view.exercise) == (0, 1, "Glute Bridge")
    assert view.session_ends is not None
    assert view.step_started is not None
    assert view.step_started.t_ms + PLAN_MS == view.session_ends.t_ms
