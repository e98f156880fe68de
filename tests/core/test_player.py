# SPDX-License-Identifier: MIT
"""A session from the outside: inputs and time in, log records and the motor's edges out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenuto_core import player as core, vocab
from tenuto_core.encode import encode
from tenuto_core.plan import MAX_STEP_MS, Plan, Step
from tests.core.diagram import INPUTS, ROWS
from tests.core.rig import (
    BOOT_MS,
    DONE,
    GATED,
    HOLD,
    LAST_HOLD,
    OFF,
    PACED,
    PATTERNS,
    READY,
    REST,
    SWITCH,
    Wrist,
    log_bytes,
    plan_id_of,
    score,
    score_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = score_bytes()
HOUR_MS = 3_600_000


def wrist() -> Wrist:
    return Wrist(DATA)


def started() -> Wrist:
    w = wrist()
    assert w.do(vocab.START) == vocab.OK
    return w


def in_step(number: int, after_ms: int = 100) -> Wrist:
    """Give a session that reached a step by skips, and is some ms into it."""
    w = started()
    for _ in range(number):
        assert w.do(vocab.SKIP) == vocab.OK
    w.run(after_ms)
    assert w.player.number == number
    return w


def kinds(w: Wrist) -> list[str]:
    return [vocab.RECORDS[record[1]] or "" for record in w.records()]


def found(w: Wrist, kind: int) -> list[tuple[int, ...]]:
    """Give (at_ms, step, a, b, c) of the records of one kind."""
    return [(r[0], *r[2:]) for r in w.records() if r[1] == kind]


def cue_times(w: Wrist, cue: int) -> list[int]:
    return [at_ms for at_ms, _, a, _, _ in found(w, vocab.CUE) if a == cue]


def state(w: Wrist) -> str:
    return core.STATES[w.player.state]


# --- ordinary play


def test_a_session_gives_each_cue_at_its_time_and_ends() -> None:
    steps = [step for n, step in enumerate(score()) if n not in (GATED, PACED)]
    w = Wrist(encode("Plain", ("first", "second"), steps, PATTERNS))
    w.run(4_321)
    w.do(vocab.START)

    w.run_out()

    planned, at_ms = [], BOOT_MS + 4_321
    for step in steps:
        for offset_ms, from_end, cue in step.cues:
            planned.append((at_ms + (step.duration_ms - offset_ms if from_end else offset_ms), cue))
        at_ms += step.duration_ms
    assert w.motor.cues() == planned
    assert [(r[0], r[2]) for r in found(w, vocab.CUE)] == planned
    assert {late for _, _, _, late, _ in found(w, vocab.CUE)} == {0}
    total_ms = sum(step.duration_ms for step in steps)
    assert found(w, vocab.SESSION_ENDED) == [
        (at_ms, vocab.NO_STEP, vocab.ENDED_FINISHED | vocab.BY_PLAN << 8, total_ms, 0)
    ]
    assert state(w) == "idle"
    assert w.player.due_ms is None


def test_every_step_is_logged_when_it_begins_and_when_it_ends() -> None:
    w = started()
    w.run(200_000)
    w.press()
    w.run_out()

    begun = found(w, vocab.STEP_STARTED)
    ended = found(w, vocab.STEP_ENDED)
    assert [r[1] for r in begun] == list(range(8))
    assert [r[1] for r in ended] == list(range(8))
    assert [r[3] for r in begun] == [step.duration_ms for step in score()]
    assert [r[0] for r in begun[1:]] == [r[0] for r in ended[:-1]]
    assert {r[2] for r in ended} == {vocab.STEP_COMPLETE}
    assert [r[3] for r in ended[:4]] == [step.duration_ms for step in score()[:4]]


def test_each_cue_is_felt_as_its_pattern() -> None:
    w = started()

    w.run(8_000)

    pulses = [(at_ms - BOOT_MS, pct, felt) for at_ms, pct, _, felt in w.motor.pulses]
    assert pulses == [
        (0, 10, 100),
        (2_000, 11, 100),
        (2_150, 50, 80),
        (3_000, 11, 100),
        (3_150, 50, 80),
        (4_000, 11, 100),
        (4_150, 50, 80),
        (5_000, 12, 100),
        (5_150, 50, 80),
        (5_270, 50, 80),
    ]


def test_the_record_of_a_session_names_its_plan_and_who_began_it() -> None:
    w = wrist()
    w.press()

    ((_, _, source, low, high),) = found(w, vocab.SESSION_STARTED)

    assert source == vocab.BY_WEARER
    assert low.to_bytes(4, "little") + high.to_bytes(4, "little") == plan_id_of(DATA)
    assert w.player.session == kinds(w).index("session_started")


def test_a_second_session_of_the_same_plan_is_like_the_first() -> None:
    w = wrist()
    logs = []
    for _ in range(2):
        begun = w.log.next
        began_ms = w.now_ms
        w.do(vocab.START)
        w.run_out()
        logs.append([(r[0] - began_ms, *r[1:]) for r in w.records()[begun:]])
        w.run(10_000)

    assert logs[0] == logs[1]


def test_elapsed_and_duration_follow_the_step() -> None:
    w = started()
    assert (w.player.elapsed_at(w.now_ms), w.player.duration_ms) == (0, 5_000)
    w.run(12_000)
    assert (w.player.elapsed_at(w.now_ms), w.player.duration_ms) == (7_000, 30_000)
    w.press()
    w.run(1_000)
    assert (w.player.elapsed_at(w.now_ms), w.player.duration_ms) == (7_000, 30_000)
    w.do(vocab.STOP)
    assert (w.player.elapsed_at(w.now_ms), w.player.duration_ms) == (0, 0)


# --- pause and resume


@pytest.mark.parametrize("source", ["button", "host"])
def test_a_pause_silences_the_motor_at_once_and_stops_time(source: str) -> None:
    w = started()
    w.run(5_050)
    assert w.motor.running

    if source == "button":
        w.press()
        w.run(60_000)
        w.press()
    else:
        w.do(vocab.PAUSE)
        w.run(60_000)
        w.do(vocab.RESUME)

    assert (BOOT_MS + 5_050, OFF) in w.motor.edges
    who = vocab.BY_WEARER if source == "button" else vocab.BY_HOST
    assert found(w, vocab.PAUSED) == [(BOOT_MS + 5_050, HOLD, who, 50, 0)]
    assert found(w, vocab.RESUMED) == [(BOOT_MS + 65_050, HOLD, who, 60_000, 0)]
    w.run_to(BOOT_MS + 60_000 + 43_000)
    assert cue_times(w, vocab.HOLD_START) == [BOOT_MS + 5_000, BOOT_MS + 60_000 + 43_000]
    assert cue_times(w, vocab.HALFWAY) == [BOOT_MS + 60_000 + 20_000]
    assert cue_times(w, vocab.HOLD_END) == [BOOT_MS + 60_000 + 35_000]


def test_nothing_is_felt_during_a_pause_but_its_beginning_and_its_end() -> None:
    w = in_step(HOLD, 14_000)
    w.press()
    paused_ms = w.now_ms
    w.run(300_000)
    w.press()

    extra = [(ms, cue) for ms, cue in w.motor.cues() if ms >= paused_ms]

    assert extra == [(paused_ms, vocab.ATTENTION), (w.now_ms, vocab.COUNTDOWN)]


def test_pauses_do_not_add_up_or_get_lost() -> None:
    w = in_step(HOLD, 0)
    hold_ms = w.now_ms
    for _ in range(5):
        w.run(1_000)
        w.do(vocab.PAUSE)
        w.run(7_777)
        w.do(vocab.RESUME)
    w.run(40_000)

    assert cue_times(w, vocab.HALFWAY) == [hold_ms + 5 * 7_777 + 15_000]
    assert cue_times(w, vocab.HOLD_END) == [hold_ms + 5 * 7_777 + 30_000]


def test_a_pause_at_the_very_time_of_a_cue_comes_after_it() -> None:
    w = in_step(HOLD, 0)
    hold_ms = w.now_ms
    w.run(14_999)
    w.now_ms = w.motor.now_ms = hold_ms + 15_000
    w.do(vocab.PAUSE)
    w.run(10_000)
    w.do(vocab.RESUME)
    w.run(10_000)

    assert cue_times(w, vocab.HALFWAY) == [hold_ms + 15_000]


def test_a_pause_without_end_is_ended_after_an_hour() -> None:
    w = in_step(HOLD)
    w.press()
    paused_ms = w.now_ms

    w.run(HOUR_MS - 1)
    assert state(w) == "paused"
    w.run(1)

    assert state(w) == "idle"
    ((at_ms, _, a, _, _),) = found(w, vocab.SESSION_ENDED)
    assert (at_ms, a) == (paused_ms + HOUR_MS, vocab.ENDED_STOPPED | vocab.BY_PLAN << 8)
    assert found(w, vocab.STEP_ENDED)[-1][2:4] == (vocab.STEP_CUT, 100)


# --- skip and back


@pytest.mark.parametrize("paused", [False, True])
def test_a_skip_begins_the_next_step_now(*, paused: bool) -> None:
    w = in_step(READY, 1_000)
    if paused:
        w.do(vocab.PAUSE)
        w.run(2_000)

    assert w.do(vocab.SKIP) == vocab.OK

    assert found(w, vocab.SKIPPED) == [(w.now_ms, READY, vocab.BY_HOST, 0, 0)]
    ended = found(w, vocab.STEP_ENDED)
    assert ended == [(w.now_ms, READY, vocab.STEP_SKIPPED, 1_000, 5_000)]
    assert cue_times(w, vocab.HOLD_START) == [w.now_ms]
    assert len(found(w, vocab.RESUMED)) == paused
    assert state(w) == "running"
    hold_ms = w.now_ms
    w.run(30_000)
    assert cue_times(w, vocab.HOLD_END) == [hold_ms + 30_000]


@pytest.mark.parametrize(
    "what, number, then", [(vocab.SKIP, HOLD, SWITCH), (vocab.BACK, LAST_HOLD, SWITCH)]
)
def test_the_cue_of_a_step_that_is_left_is_silenced(what: int, number: int, then: int) -> None:
    w = in_step(number, 50)
    assert w.motor.running

    w.do(what)

    assert w.player.number == then
    assert not w.motor.running
    edges = len(w.motor.edges)
    w.run(399)
    assert len(w.motor.edges) == edges


def test_the_last_step_cannot_be_skipped() -> None:
    w = in_step(DONE)

    assert w.do(vocab.SKIP) == vocab.OUT_OF_RANGE
    assert w.press(vocab.DOUBLE_PRESS) == vocab.OUT_OF_RANGE
    w.do(vocab.PAUSE)
    assert w.do(vocab.SKIP) == vocab.OUT_OF_RANGE
    assert state(w) == "paused"


@pytest.mark.parametrize(
    "number, after_ms, to_step",
    [
        (READY, 1_000, READY),
        (HOLD, 3_000, READY),
        (HOLD, 3_001, READY),
        (SWITCH, 100, READY),
        (REST, 3_000, READY),
        (REST, 3_001, SWITCH),
        (GATED, 100, SWITCH),
        (PACED, 100, SWITCH),
        (LAST_HOLD, 3_000, SWITCH),
        (LAST_HOLD, 3_001, GATED),
        (DONE, 100, GATED),
    ],
)
@pytest.mark.parametrize("paused", [False, True])
def test_back_leads_to_this_hold_again_or_early_in_it_to_the_one_before(
    number: int, after_ms: int, to_step: int, *, paused: bool
) -> None:
    w = in_step(number, after_ms)
    if paused:
        w.do(vocab.PAUSE)
        w.run(5_000)

    assert w.do(vocab.BACK) == vocab.OK

    assert found(w, vocab.WENT_BACK) == [(w.now_ms, number, vocab.BY_HOST, to_step, 0)]
    assert found(w, vocab.STEP_ENDED)[-1][2:4] == (vocab.STEP_LEFT_BACK, after_ms)
    assert w.player.number == to_step
    assert w.player.elapsed_at(w.now_ms) == 0
    assert state(w) == "running"


def test_back_while_waiting() -> None:
    w = in_step(PACED, 10_000)
    assert state(w) == "waiting"

    assert w.do(vocab.BACK) == vocab.OK

    assert (w.player.number, state(w)) == (SWITCH, "running")


def test_a_hold_done_again_has_all_its_cues_again() -> None:
    w = in_step(HOLD, 20_000)
    w.do(vocab.BACK)
    w.do(vocab.SKIP)
    again_ms = w.now_ms
    w.run(30_000)

    assert cue_times(w, vocab.HALFWAY)[-1] == again_ms + 15_000
    assert cue_times(w, vocab.HOLD_END) == [again_ms + 30_000]


# --- stop


def armed() -> Wrist:
    w = wrist()
    assert w.do(vocab.START_AT, w.now_ms + 5_000) == vocab.OK
    return w


def running() -> Wrist:
    w = in_step(HOLD, 50)
    assert w.motor.running
    return w


def waiting() -> Wrist:
    return in_step(PACED, 10_000)


def paused() -> Wrist:
    w = in_step(HOLD, 14_000)
    assert w.do(vocab.PAUSE) == vocab.OK
    return w


IN_STATE: dict[str, Callable[[], Wrist]] = {
    "idle": wrist,
    "armed": armed,
    "running": running,
    "waiting": waiting,
    "paused": paused,
}


@pytest.mark.parametrize("where", ["running", "waiting", "paused"])
@pytest.mark.parametrize("source", ["button", "host", "host that failed"])
def test_stop_ends_the_session_and_silences_the_motor_at_once(where: str, source: str) -> None:
    w = IN_STATE[where]()
    step = w.player.number

    if source == "button":
        status = w.press(vocab.LONG_PRESS)
    else:
        status = w.do(vocab.STOP, vocab.ENDED_FAILED if source == "host that failed" else 0)

    assert status == vocab.OK
    assert not w.motor.running
    assert state(w) == "idle"
    assert w.player.number == vocab.NO_STEP
    assert w.band.due_ms is None
    who = vocab.BY_WEARER if source == "button" else vocab.BY_HOST
    why = vocab.ENDED_FAILED if source == "host that failed" else vocab.ENDED_STOPPED
    ((at_ms, number, a, t_ms, _),) = found(w, vocab.SESSION_ENDED)
    assert (at_ms, number, a) == (w.now_ms, vocab.NO_STEP, why | who << 8)
    assert t_ms == w.now_ms - BOOT_MS
    assert found(w, vocab.STEP_ENDED)[-1][:3] == (w.now_ms, step, vocab.STEP_CUT)
    edges = len(w.motor.edges)
    w.run(HOUR_MS)
    assert len(w.motor.edges) == edges


@pytest.mark.parametrize("source", ["button", "host"])
def test_stop_takes_back_a_start_that_is_set(source: str) -> None:
    w = armed()

    assert (w.press(vocab.LONG_PRESS) if source == "button" else w.do(vocab.STOP)) == vocab.OK

    assert state(w) == "idle"
    w.run(60_000)
    assert kinds(w) == ["booted"]
    assert w.motor.edges == []


def test_stop_knows_its_reasons() -> None:
    w = running()

    assert w.do(vocab.STOP, 3) == vocab.OUT_OF_RANGE
    assert w.motor.running
    assert w.do(vocab.STOP, vocab.ENDED_STOPPED) == vocab.OK


# --- extend


def test_an_extension_moves_what_counts_from_the_end_and_nothing_else() -> None:
    w = in_step(HOLD, 10_000)
    hold_ms = w.now_ms - 10_000
    w.run(1_000)

    assert w.do(vocab.EXTEND, 15_000) == vocab.OK

    assert found(w, vocab.EXTENDED) == [(w.now_ms, HOLD, vocab.BY_HOST, 15_000, 45_000)]
    assert w.player.duration_ms == 45_000
    w.run_to(hold_ms + 45_000)
    ticks = [hold_ms + 42_000, hold_ms + 43_000, hold_ms + 44_000]
    assert cue_times(w, vocab.HALFWAY) == [hold_ms + 15_000]
    assert [ms for ms in cue_times(w, vocab.COUNTDOWN) if ms > hold_ms] == ticks
    assert cue_times(w, vocab.HOLD_END) == [hold_ms + 45_000]
    assert found(w, vocab.STEP_ENDED)[-1] == (
        hold_ms + 45_000,
        HOLD,
        vocab.STEP_COMPLETE,
        45_000,
        45_000,
    )
    assert w.player.number == SWITCH


def test_an_extension_does_not_repeat_the_ticks_that_were_given() -> None:
    w = in_step(HOLD, 28_500)
    hold_ms = w.now_ms - 28_500
    w.do(vocab.EXTEND, 10_000)
    w.run_to(hold_ms + 40_000)

    ticks = [ms - hold_ms for ms in cue_times(w, vocab.COUNTDOWN) if ms > hold_ms]

    assert ticks == [27_000, 28_000, 39_000]


def test_extensions_add_up_and_may_be_asked_for_in_a_pause() -> None:
    w = in_step(HOLD, 1_000)
    hold_ms = w.now_ms - 1_000
    w.do(vocab.EXTEND, 1)
    w.do(vocab.PAUSE)
    w.run(500)
    assert w.do(vocab.EXTEND, 2_000) == vocab.OK
    assert state(w) == "paused"
    w.do(vocab.RESUME)
    w.run(40_000)

    assert cue_times(w, vocab.HOLD_END) == [hold_ms + 32_001 + 500]


def test_the_next_hold_is_as_long_as_planned() -> None:
    w = in_step(HOLD, 1_000)
    w.do(vocab.EXTEND, 15_000)
    w.do(vocab.SKIP)
    w.do(vocab.SKIP)

    assert w.player.duration_ms == 30_000


def test_an_extension_has_bounds() -> None:
    w = in_step(HOLD)

    for by_ms in (0, -1, core.EXTEND_MS_MAX + 1, 1 << 31):
        assert w.do(vocab.EXTEND, by_ms) == vocab.OUT_OF_RANGE
    assert w.player.duration_ms == 30_000
    duration_ms = 30_000
    while duration_ms + core.EXTEND_MS_MAX <= MAX_STEP_MS:
        assert w.do(vocab.EXTEND, core.EXTEND_MS_MAX) == vocab.OK
        duration_ms += core.EXTEND_MS_MAX
    left_ms = MAX_STEP_MS - duration_ms
    assert w.do(vocab.EXTEND, left_ms + 1) == vocab.OUT_OF_RANGE
    assert w.do(vocab.EXTEND, left_ms) == vocab.OK
    assert w.player.duration_ms == MAX_STEP_MS


@pytest.mark.parametrize("number", [READY, SWITCH, GATED, PACED, DONE])
def test_only_a_hold_can_be_extended(number: int) -> None:
    w = in_step(number)

    assert w.do(vocab.EXTEND, 1_000) == vocab.NOT_A_HOLD


# --- a start that is set for later


def test_a_start_at_a_time_comes_at_that_time() -> None:
    w = wrist()
    assert w.do(vocab.START_AT, BOOT_MS + 5_000) == vocab.OK
    assert state(w) == "armed"
    assert kinds(w) == ["booted"]

    w.run(5_000)

    assert w.motor.cues() == [(BOOT_MS + 5_000, vocab.GET_READY)]
    assert found(w, vocab.SESSION_STARTED)[0][:3] == (
        BOOT_MS + 5_000,
        vocab.NO_STEP,
        vocab.BY_PLAN,
    )


def test_a_start_that_is_late_loses_nothing_of_the_session() -> None:
    w = armed()

    w.block_to(BOOT_MS + 5_013)
    w.run(6_000)

    first, *_ = found(w, vocab.CUE)
    assert first == (BOOT_MS + 5_013, READY, vocab.GET_READY, 13, 0)
    assert cue_times(w, vocab.HOLD_START) == [BOOT_MS + 10_000]


def test_a_start_that_is_set_may_be_set_anew_or_be_made_now() -> None:
    w = armed()
    assert w.do(vocab.START_AT, BOOT_MS + 9_000) == vocab.OK
    w.run(5_000)
    assert state(w) == "armed"
    w.run(4_000)
    assert state(w) == "running"

    w = armed()
    w.run(1_000)
    assert w.press() == vocab.OK
    assert cue_times(w, vocab.GET_READY) == [BOOT_MS + 1_000]
    w.run(30_000)
    assert len(found(w, vocab.SESSION_STARTED)) == 1


def test_a_start_lies_ahead_but_not_farther_than_a_day() -> None:
    w = wrist()

    assert w.do(vocab.START_AT, w.now_ms) == vocab.TOO_LATE
    assert w.do(vocab.START_AT, w.now_ms - 1) == vocab.TOO_LATE
    assert w.do(vocab.START_AT, w.now_ms + core.ARM_MS_MAX + 1) == vocab.OUT_OF_RANGE
    assert state(w) == "idle"
    assert w.do(vocab.START_AT, w.now_ms + core.ARM_MS_MAX) == vocab.OK


# --- self-paced


def test_a_self_paced_step_waits_for_the_press() -> None:
    w = in_step(PACED, 0)
    begun_ms = w.now_ms
    w.run(50_000)
    assert state(w) == "waiting"
    assert found(w, vocab.WAITING) == [(begun_ms + 3_000, PACED, vocab.WAIT_PRESS, 117_000, 0)]

    assert w.press() == vocab.OK

    assert (w.player.number, state(w)) == (LAST_HOLD, "running")
    assert cue_times(w, vocab.HOLD_START)[-1] == begun_ms + 50_000
    assert found(w, vocab.STEP_ENDED)[-1] == (
        begun_ms + 50_000,
        PACED,
        vocab.STEP_COMPLETE,
        50_000,
        3_000,
    )
    w.run(30_000)
    assert cue_times(w, vocab.HOLD_END)[-1] == begun_ms + 80_000


def test_a_press_before_the_time_is_over_begins_at_once() -> None:
    w = in_step(PACED, 1_200)

    w.press()

    assert w.player.number == LAST_HOLD
    assert cue_times(w, vocab.HOLD_START)[-1] == w.now_ms
    assert found(w, vocab.WAITING) == []
    assert w.press() == vocab.OK
    assert state(w) == "paused"


def test_the_host_can_pause_a_wait_and_the_wait_goes_on_after_it() -> None:
    w = in_step(PACED, 100_000)
    w.do(vocab.PAUSE)
    w.run(50_000)
    assert w.press() == vocab.OK
    assert (w.player.number, state(w)) == (PACED, "waiting")

    w.run(19_999)
    assert state(w) == "waiting"
    w.run(1)
    assert state(w) == "idle"


def test_a_wearer_who_never_comes_ends_the_session() -> None:
    w = in_step(PACED, 0)
    begun_ms = w.now_ms

    w.run(119_999)
    assert state(w) == "waiting"
    w.run(1)

    assert state(w) == "idle"
    ((at_ms, _, a, _, _),) = found(w, vocab.SESSION_ENDED)
    assert (at_ms, a) == (begun_ms + 120_000, vocab.ENDED_STOPPED | vocab.BY_PLAN << 8)


# --- heart gate


def test_a_gate_is_open_when_the_heart_is_slow_enough_at_the_end() -> None:
    w = in_step(GATED, 7_000)
    w.beat(99)
    w.run(1_000)

    assert w.player.number == PACED
    assert found(w, vocab.WAITING) == []


@pytest.mark.parametrize("bpm", [100, 101, 255])
def test_a_gate_stays_shut_until_a_beat_below_it(bpm: int) -> None:
    w = in_step(GATED, 0)
    begun_ms = w.now_ms
    w.run(7_000)
    w.beat(bpm)
    w.run(1_000)
    assert found(w, vocab.WAITING) == [(begun_ms + 8_000, GATED, vocab.WAIT_HEART, 52_000, 0)]
    w.run(10_000)
    w.beat(bpm)
    assert state(w) == "waiting"

    w.beat(99)

    assert (w.player.number, state(w)) == (PACED, "running")
    assert cue_times(w, vocab.GET_READY)[-1] == begun_ms + 18_000


@pytest.mark.parametrize("age_ms, opens", [(5_000, True), (5_001, False)])
def test_a_beat_counts_for_five_seconds(age_ms: int, *, opens: bool) -> None:
    w = in_step(GATED, 8_000 - age_ms)
    w.beat(60)
    w.run(age_ms)

    assert (w.player.number == PACED) == opens


def test_a_beat_does_not_shorten_the_rest() -> None:
    w = in_step(GATED, 1_000)
    w.beat(60)

    assert w.player.number == GATED


def test_a_gate_that_never_opens_gives_way_after_its_longest_wait() -> None:
    w = in_step(GATED, 0)
    begun_ms = w.now_ms
    for _ in range(59):
        w.run(1_000)
        w.beat(150)
    assert state(w) == "waiting"
    w.run(1_000)

    assert (w.player.number, state(w)) == (PACED, "running")
    assert cue_times(w, vocab.GET_READY)[-1] == begun_ms + 60_000


def test_a_gate_that_gives_way_late_does_not_shift_what_follows() -> None:
    w = in_step(GATED, 0)
    begun_ms = w.now_ms
    w.run(59_000)

    w.block_to(begun_ms + 60_017)

    assert found(w, vocab.CUE)[-1] == (begun_ms + 60_017, PACED, vocab.GET_READY, 17, 0)
    w.run_to(begun_ms + 63_000)
    assert found(w, vocab.WAITING)[-1][0] == begun_ms + 63_000


def test_a_step_may_wait_for_both_press_and_heart() -> None:
    steps = [
        Step(vocab.READY, 1_000, exercise=0, self_paced=True, gate_bpm=90, wait_max_ms=10_000),
        Step(vocab.HOLD, 5_000, ((0, False, vocab.HOLD_START),), exercise=0),
        Step(vocab.DONE, 0),
    ]
    data = encode("Both", ("it",), steps, PATTERNS)

    pressed_first = Wrist(data)
    pressed_first.do(vocab.START)
    pressed_first.run(500)
    pressed_first.press()
    assert state(pressed_first) == "running"
    pressed_first.run(1_000)
    assert state(pressed_first) == "waiting"
    pressed_first.beat(80)
    assert pressed_first.player.number == 1

    beaten_first = Wrist(data)
    beaten_first.do(vocab.START)
    beaten_first.run(2_000)
    beaten_first.beat(80)
    assert state(beaten_first) == "waiting"
    beaten_first.press()
    assert beaten_first.player.number == 1

    never_pressed = Wrist(data)
    never_pressed.do(vocab.START)
    never_pressed.run(10_000)
    assert state(never_pressed) == "idle"

    never_slow = Wrist(data)
    never_slow.do(vocab.START)
    never_slow.run(2_000)
    never_slow.press()
    assert state(never_slow) == "waiting"
    never_slow.run(8_000)
    assert (never_slow.player.number, state(never_slow)) == (1, "running")


def test_beats_are_logged_in_a_session_with_up_to_four_intervals() -> None:
    w = wrist()
    w.beat(60, (1_024,))
    w.do(vocab.START)
    w.beat(61, ())
    w.beat(62, (1_000, 0x1_0000, 3, 4, 5))
    w.do(vocab.PAUSE)
    w.beat(63, (7,))
    w.do(vocab.STOP)
    w.beat(64)

    assert [r[1:] for r in found(w, vocab.HEART)] == [
        (READY, 61, 0, 0),
        (READY, 62, 1_000 | 0xFFFF << 16, 3 | 4 << 16),
        (READY, 63, 7, 0),
    ]


# --- lateness


def test_lateness_never_adds_up() -> None:
    w = started()
    for _ in range(400):
        due_ms = w.band.due_ms
        if due_ms is None or w.player.number == GATED:
            break
        w.block_to(due_ms + 40)

    felt = {(r[1], r[2]): r for r in found(w, vocab.CUE) if r[2] != vocab.COUNTDOWN}
    at_ms, _, _, late_ms, _ = felt[(REST, vocab.HOLD_END)]
    assert (at_ms - late_ms, late_ms) == (BOOT_MS + 73_000, 40)
    assert found(w, vocab.STEP_STARTED)[-1][0] == BOOT_MS + 73_040
    assert w.player.elapsed_at(w.now_ms) == w.now_ms - (BOOT_MS + 73_000)


def test_a_late_call_says_how_late_each_cue_was() -> None:
    w = started()

    w.block_to(BOOT_MS + 5_200)

    felt = [(at_ms - late_ms - BOOT_MS, cue) for at_ms, _, cue, late_ms, _ in found(w, vocab.CUE)]
    assert felt == [
        (0, vocab.GET_READY),
        (2_000, vocab.COUNTDOWN),
        (3_000, vocab.COUNTDOWN),
        (4_000, vocab.COUNTDOWN),
        (5_000, vocab.HOLD_START),
    ]
    # What came too late to be told apart is not drummed out: the last one is felt whole.
    w.run(1_000)
    assert [p[3] for p in w.motor.pulses if p[0] >= BOOT_MS + 5_200][-3:] == [100, 80, 80]


def test_a_device_blocked_for_minutes_catches_up_without_recursion() -> None:
    steps = [Step(vocab.REST, 1_000) for _ in range(253)] + [Step(vocab.DONE, 0)]
    w = Wrist(encode("Many", (), steps, PATTERNS))
    w.do(vocab.START)

    w.block_to(w.now_ms + 20 * 60_000)

    assert state(w) == "idle"
    assert found(w, vocab.SESSION_ENDED)[0][2] == vocab.ENDED_FINISHED
    assert len(found(w, vocab.STEP_STARTED)) == 254


def test_a_device_blocked_beyond_a_wait_gives_up_as_if_it_had_been_there() -> None:
    w = in_step(PACED, 0)

    w.block_to(w.now_ms + 30 * 60_000)

    assert state(w) == "idle"
    assert found(w, vocab.WAITING)[0][3] == 0
    assert found(w, vocab.SESSION_ENDED)[0][2] == vocab.ENDED_STOPPED


def test_an_input_after_a_block_meets_the_state_of_now() -> None:
    w = started()
    w.now_ms = w.motor.now_ms = BOOT_MS + 36_000

    assert w.do(vocab.PAUSE) == vocab.OK

    assert found(w, vocab.PAUSED) == [(BOOT_MS + 36_000, SWITCH, vocab.BY_HOST, 1_000, 0)]


def test_an_early_call_is_harmless() -> None:
    plain, eager = started(), started()
    plain.run(60_000)
    for _ in range(60_000 // 250):
        eager.run(250)

    assert log_bytes(eager.log) == log_bytes(plain.log)
    assert eager.motor.edges == plain.motor.edges


# --- refusals


def apply(w: Wrist, what: int) -> int:
    """Give an input of `diagram.INPUTS` that has a door; returns its status."""
    gestures = {
        core.PRESSED: vocab.PRESS,
        core.PRESSED_TWICE: vocab.DOUBLE_PRESS,
        core.PRESSED_LONG: vocab.LONG_PRESS,
    }
    status: int
    if what in gestures:
        status = w.press(gestures[what])
    else:
        arg = {vocab.EXTEND: 1_000, vocab.START_AT: w.now_ms + 1_000}.get(what, 0)
        status = w.do(what, arg)
    return status


PAIRS = {(row[0], row[1]) for row in ROWS}
WITH_DOOR = [
    *range(len(vocab.COMMANDS)),
    core.PRESSED,
    core.PRESSED_TWICE,
    core.PRESSED_LONG,
]


def picture(w: Wrist) -> dict[str, Any]:
    p, now_ms = w.player, w.now_ms
    return {
        "log": log_bytes(w.log),
        "edges": list(w.motor.edges),
        "running": w.motor.running,
        "due": (p.due_ms, w.band.buzzer.due_ms, w.band.due_ms),
        "player": (
            p.state,
            p.number,
            p.session,
            p.started_ms,
            p.plan_id,
            p.plan and bytes(p.plan.data),
        ),
        "step": (p.elapsed_at(now_ms), p.duration_ms),
    }


def assert_changes_nothing(make: Callable[[], Wrist], refused: Callable[[Wrist], int]) -> int:
    """A twin that was never asked must have the same present and the same future."""
    asked, twin = make(), make()
    status = refused(asked)
    assert status != vocab.OK
    assert picture(asked) == picture(twin)
    for w in (asked, twin):
        if state(w) == "idle":
            w.do(vocab.START)
        if state(w) == "paused":
            w.run(1_000)
            w.press()
        w.run(70_000)
        w.press()
        w.run_out()
    assert picture(asked) == picture(twin)
    return status


@pytest.mark.parametrize(
    "where, what",
    [
        pytest.param(name, what, id=f"{name}-{INPUTS[what]}")
        for number, name in enumerate(core.STATES)
        for what in WITH_DOOR
        if (number, what) not in PAIRS and (name, what) != ("waiting", core.PRESSED)
    ],
)
def test_an_input_without_a_row_is_refused_and_changes_nothing(where: str, what: int) -> None:
    status = assert_changes_nothing(IN_STATE[where], lambda w: apply(w, what))

    if where in ("idle", "armed"):
        expected = vocab.NOT_PLAYING
    else:
        expected = {
            vocab.START: vocab.ALREADY_PLAYING,
            vocab.START_AT: vocab.ALREADY_PLAYING,
            vocab.RESUME: vocab.NOT_PAUSED,
            vocab.PAUSE: vocab.ALREADY_PAUSED,
            vocab.EXTEND: vocab.NOT_A_HOLD,
        }[what]
    assert status == expected


def bare() -> Wrist:
    return Wrist()


def at_the_end() -> Wrist:
    return in_step(DONE)


def at_a_switch() -> Wrist:
    return in_step(SWITCH)


@pytest.mark.parametrize(
    "make, what, arg, status",
    [
        (wrist, vocab.START_AT, 0, vocab.TOO_LATE),
        (wrist, vocab.START_AT, BOOT_MS + core.ARM_MS_MAX + 1, vocab.OUT_OF_RANGE),
        (armed, vocab.START_AT, 0, vocab.TOO_LATE),
        (armed, vocab.START_AT, BOOT_MS + core.ARM_MS_MAX + 1, vocab.OUT_OF_RANGE),
        (at_the_end, vocab.SKIP, 0, vocab.OUT_OF_RANGE),
        (at_a_switch, vocab.EXTEND, 1_000, vocab.NOT_A_HOLD),
        (running, vocab.EXTEND, 0, vocab.OUT_OF_RANGE),
        (running, vocab.EXTEND, core.EXTEND_MS_MAX + 1, vocab.OUT_OF_RANGE),
        (paused, vocab.EXTEND, 0, vocab.OUT_OF_RANGE),
        (running, vocab.STOP, 3, vocab.OUT_OF_RANGE),
        (paused, vocab.STOP, 3, vocab.OUT_OF_RANGE),
    ],
)
def test_an_action_that_refuses_changes_nothing(
    make: Callable[[], Wrist], what: int, arg: int, status: int
) -> None:
    assert assert_changes_nothing(make, lambda w: w.do(what, arg)) == status


def test_without_a_plan_nothing_begins() -> None:
    w = bare()

    assert w.do(vocab.START) == vocab.NO_PLAN
    assert w.press() == vocab.NO_PLAN
    assert w.do(vocab.START_AT, w.now_ms + 1_000) == vocab.NO_PLAN
    w.run(10_000)
    assert kinds(w) == ["booted"]
    assert w.band.due_ms is None


@pytest.mark.parametrize("where", ["armed", "running", "waiting", "paused"])
def test_a_plan_is_not_changed_under_a_session(where: str) -> None:
    other = Plan(encode("Other", (), [Step(vocab.DONE, 0)], PATTERNS))

    status = assert_changes_nothing(IN_STATE[where], lambda w: w.player.load(other, b"another!"))

    assert status == vocab.BUSY


def test_a_plan_is_changed_between_sessions() -> None:
    w = started()
    w.do(vocab.STOP)
    data = encode("Other", (), [Step(vocab.DONE, 0)], PATTERNS)

    assert w.player.load(Plan(data), b"another!") == vocab.OK
    w.do(vocab.START)

    assert w.player.plan is not None
    assert w.player.plan.name == "Other"
    assert w.player.plan_id == b"another!"
