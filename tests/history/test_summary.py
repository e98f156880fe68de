# SPDX-License-Identifier: MIT
from __future__ import annotations

from tenuto.history import summarize
from tenuto.history.summary import Held
from tenuto.sessions.events import (
    CueFired,
    HeartBeat,
    HeartSensor,
    LinkLost,
    LinkRestored,
    RecordsLost,
    SessionStarted,
)
from tenuto_core import vocab
from tests.history.sessions import HOLD_MS, READY_MS, SWITCH_MS, Band, whole_session


def test_an_undisturbed_session() -> None:
    summary = summarize(entry.event for entry in whole_session())

    assert (summary.routine, summary.reason, summary.source) == ("lower-back", "finished", "plan")
    assert (
        summary.holds_planned,
        summary.holds_completed,
        summary.holds_skipped,
        summary.holds_cut,
    ) == (3, 3, 0, 0)
    assert (
        Held("Glute Bridge", None, HOLD_MS),
        Held("Kneeling Lunge", "left", HOLD_MS),
        Held("Kneeling Lunge", "right", HOLD_MS),
    ) == summary.held
    assert summary.held_ms == 3 * HOLD_MS
    assert summary.duration_ms == READY_MS + 3 * HOLD_MS + 2 * SWITCH_MS
    assert (summary.bpm_min, summary.bpm_mean, summary.bpm_max) == (61, 66.0, 71)
    assert (summary.cues, summary.late_p99_ms, summary.late_max_ms) == (10, 0, 0)
    assert (summary.pauses, summary.records_lost) == (0, 0)


def test_a_session_with_everything_in_it() -> None:
    """Paused in the first hold, the second one skipped, the third cut short."""
    band = Band()
    band.do(vocab.START)
    band.pass_ms(READY_MS + 10_000)
    band.do(vocab.PAUSE)
    band.pass_ms(4_000)
    band.do(vocab.RESUME)
    band.pass_ms(HOLD_MS - 10_000 + SWITCH_MS + 12_000)
    band.do(vocab.SKIP)
    band.pass_ms(SWITCH_MS + 7_000)
    band.do(vocab.STOP)
    summary = summarize(entry.event for entry in band.entries())

    assert (summary.holds_completed, summary.holds_skipped, summary.holds_cut) == (1, 1, 1)
    assert [held.held_ms for held in summary.held] == [HOLD_MS, 12_000, 7_000]
    assert (summary.pauses, summary.paused_ms) == (1, 4_000)
    assert (summary.reason, summary.source) == ("stopped", "host")


def test_a_hold_that_is_done_again_counts_twice_and_adds_up() -> None:
    band = Band()
    band.do(vocab.START)
    band.pass_ms(READY_MS + 10_000)
    band.do(vocab.BACK)
    band.pass_ms(READY_MS + HOLD_MS)
    summary = summarize(entry.event for entry in band.entries())

    assert summary.holds_completed == 1
    assert (Held("Glute Bridge", None, HOLD_MS + 10_000),) == summary.held


def test_what_is_not_known_is_not_told() -> None:
    empty = summarize([])
    assert (
        empty.routine,
        empty.reason,
        empty.holds_planned,
        empty.bpm_mean,
        empty.bpm_min,
        empty.late_p99_ms,
    ) == (None,) * 6

    started = SessionStarted(t_ms=0, seq=0, routine="unknown routine", plan_id="0" * 16, source="")
    assert summarize([started]).routine is None


def test_lateness_is_that_of_the_worst_in_a_hundred_and_of_the_worst() -> None:
    cues = [CueFired(t_ms=0, cue="countdown", late_ms=late) for late in range(200)]

    summary = summarize(cues)
    assert (summary.cues, summary.late_p99_ms, summary.late_max_ms) == (200, 197, 199)


def test_losses_are_counted() -> None:
    lost = [LinkLost(t_ms=1), RecordsLost(t_ms=2, count=3), LinkLost(t_ms=4)]

    summary = summarize([*lost, RecordsLost(t_ms=5, count=4)])
    assert (summary.records_lost, summary.links_lost) == (7, 2)


def beats(sensor: str, kind: str | None) -> list[HeartSensor | HeartBeat]:
    told = HeartSensor(t_ms=0, sensor="strap of ada", kind=kind)
    intervals = [900.0 + 10 * (-1) ** i for i in range(40)]
    return [
        told,
        *(
            HeartBeat(t_ms=900 * (i + 1), bpm=67, rr_ms=(interval,), sensor=sensor)
            for i, interval in enumerate(intervals)
        ),
    ]


def test_variability_is_told_only_of_electrodes() -> None:
    found = summarize(beats("strap", "ecg")).variability
    assert found is not None
    assert (found.rmssd_ms, found.beats) == (20, 40)

    assert summarize(beats("strap", "optical")).variability is None
    assert summarize(beats("strap", None)).variability is None
    assert summarize(beats("own", "ecg")).variability is None


def test_recovery_is_that_of_the_first_minute() -> None:
    falling = [HeartBeat(t_ms=1_000 * s, bpm=130 - s // 2) for s in range(70)]
    found = summarize(falling).recovery

    assert found is not None
    assert (found.peak_bpm, round(found.drop_bpm)) == (130, 30)


def test_a_link_that_comes_back_after_the_end_makes_no_session_longer() -> None:
    happened = [entry.event for entry in whole_session()]
    plain = summarize(happened)
    half_ms = plain.duration_ms // 2
    late = [
        LinkLost(t_ms=half_ms),
        *happened,
        LinkRestored(t_ms=plain.duration_ms + 3_600_000),
        LinkLost(t_ms=plain.duration_ms + 3_700_000),
    ]

    assert summarize(sorted(late, key=lambda event: event.t_ms)).duration_ms == plain.duration_ms
