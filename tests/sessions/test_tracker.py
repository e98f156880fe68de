# SPDX-License-Identifier: MIT
"""From the records of a wearable's log to the events of a session."""

from __future__ import annotations

import random

import pytest

from tenuto.sessions.events import (
    CueFired,
    Event,
    Extended,
    HeartBeat,
    Paused,
    Record,
    RecordsLost,
    Resumed,
    SessionEnded,
    SessionKey,
    SessionStarted,
    Skipped,
    StepEnded,
    StepStarted,
    Unfelt,
    Waiting,
    WentBack,
    to_json,
)
from tenuto.sessions.tracker import UNKNOWN_ROUTINE, Tracker, plan_id_of
from tenuto_core import vocab
from tenuto_core.plan import Plan
from tests.core import phased
from tests.core.rig import (
    BOOT_MS,
    GATED,
    HOLD,
    PACED,
    READY,
    Wrist,
    plan_id_of as id_of,
    score_bytes,
)

DATA = score_bytes()
PLAN = Plan(DATA)
PLAN_ID = id_of(DATA)
KEY = SessionKey("wrist", 0xB0070001, 1)
WRAP = 1 << 32


def eventful(now_ms: int = BOOT_MS) -> Wrist:
    """Give a session in which everything happens once."""
    w = Wrist(DATA, now_ms=now_ms)
    w.do(vocab.START)
    w.run(6_000)
    w.press()
    w.run(2_500)
    w.press()
    w.run(1_000)
    w.do(vocab.EXTEND, 10_000)
    w.run(1_000)
    w.do(vocab.BACK)
    for _ in range(4):
        w.do(vocab.SKIP)
    w.run(20_000)
    w.beat(99, (600, 700, 512))
    w.press()
    w.run_out()
    return w


def records_of(w: Wrist) -> list[Record]:
    return [Record(w.log.first + n, *fields) for n, fields in enumerate(w.records())]


def tracker(plan: Plan | None = PLAN) -> Tracker:
    return Tracker(KEY, plan, PLAN_ID)


def feed(follower: Tracker, records: list[Record]) -> list[Event]:
    return [event for record in records for event in follower.feed(record)]


RECORDS = records_of(eventful())
SESSION = RECORDS[1:]
WHOLE = feed(tracker(), RECORDS)


def of(kind: type[Event]) -> list[Event]:
    return [event for event in WHOLE if type(event) is kind]


def test_every_record_of_a_session_is_one_event_with_its_number() -> None:
    assert [event.seq for event in WHOLE] == [record.seq for record in SESSION]
    assert [event.name for event in WHOLE] == [vocab.RECORDS[r.kind] for r in SESSION]
    assert [event.t_ms for event in WHOLE] == [r.at_ms - BOOT_MS for r in SESSION]


def test_everything_happened_once_and_says_what_it_was() -> None:
    first = WHOLE[0]
    assert first == SessionStarted(
        t_ms=0, seq=1, routine="Bench", plan_id=PLAN_ID.hex(), source="host"
    )
    assert isinstance(first, SessionStarted)
    assert first.plan is PLAN
    (paused,), (resumed,) = of(Paused), of(Resumed)
    assert paused == Paused(t_ms=6_000, seq=paused.seq, source="wearer")
    assert resumed == Resumed(t_ms=8_500, seq=resumed.seq, source="wearer", paused_ms=2_500)
    (extended,) = of(Extended)
    assert extended == Extended(
        t_ms=9_500, seq=extended.seq, source="host", step=HOLD, by_ms=10_000, duration_ms=40_000
    )
    (back,) = of(WentBack)
    assert back == WentBack(t_ms=10_500, seq=back.seq, source="host", step=HOLD, to_step=READY)
    assert [e.step for e in of(Skipped) if isinstance(e, Skipped)] == [0, 1, 2, 3]
    (heart_wait,) = of(Waiting)
    assert heart_wait == Waiting(t_ms=18_500, seq=heart_wait.seq, waits_for="heart", max_ms=52_000)
    (beat,) = of(HeartBeat)
    assert beat == HeartBeat(t_ms=30_500, seq=beat.seq, bpm=99, rr_ms=(585.9, 683.6, 500.0))
    assert WHOLE[-1] == SessionEnded(
        t_ms=WHOLE[-1].t_ms, seq=RECORDS[-1].seq, reason="finished", source="plan"
    )


def test_the_end_says_why_and_by_whom() -> None:
    w = Wrist(DATA)
    w.press()
    w.run(1_000)
    w.do(vocab.STOP, vocab.ENDED_FAILED)
    first, *_, last = feed(tracker(), records_of(w))

    assert isinstance(first, SessionStarted)
    assert first.source == "wearer"
    assert isinstance(last, SessionEnded)
    assert (last.reason, last.source, last.t_ms) == ("failed", "host", 1_000)


def test_steps_carry_their_place_in_the_plan() -> None:
    begun = [e for e in of(StepStarted) if isinstance(e, StepStarted)]
    ended = [e for e in of(StepEnded) if isinstance(e, StepEnded)]

    assert [(e.kind, e.exercise, e.side, e.rep) for e in begun[:4]] == [
        ("ready", "first", None, 0),
        ("hold", "first", "left", 1),
        ("ready", "first", None, 0),
        ("hold", "first", "left", 1),
    ]
    assert (begun[-1].kind, begun[-1].exercise) == ("done", None)
    assert [e.outcome for e in ended] == [
        *("complete", "back", "skipped", "skipped", "skipped", "skipped"),
        *("complete", "complete", "complete", "complete"),
    ]
    cut = ended[1]
    assert (cut.step, cut.elapsed_ms, cut.duration_ms) == (HOLD, 3_000, 40_000)
    assert [e.step for e in ended[-4:]] == [GATED, PACED, 6, 7]


def test_cues_have_names_and_lateness() -> None:
    w = Wrist(DATA)
    w.do(vocab.START)
    w.block_to(BOOT_MS + 2_040)

    events = feed(tracker(), records_of(w))

    assert [e for e in events if isinstance(e, CueFired)] == [
        CueFired(t_ms=0, seq=3, cue="get_ready", late_ms=0),
        CueFired(t_ms=2_040, seq=4, cue="countdown", late_ms=40),
    ]


def test_a_cue_is_of_the_phase_that_it_begins_also_where_the_host_leads_the_device() -> None:
    plan = Plan(phased.data())
    key = SessionKey("wrist", 1, 1)
    kinds = (
        (vocab.SESSION_STARTED, 0, 0),
        (vocab.STEP_STARTED, phased.STRETCH, 0),
        (vocab.CUE, phased.PRESS, phased.OWN),  # the step of before goes on
        (vocab.UNFELT, phased.PRESS, phased.OWN),
        (vocab.CUE, phased.READY, vocab.GET_READY),
    )
    records = [
        Record(seq, 0, kind, step, cue, 0, 0) for seq, (kind, step, cue) in enumerate(kinds, 1)
    ]
    *_, fired, unfelt, lead = feed(Tracker(key, plan, b""), records)

    assert isinstance(fired, CueFired)
    assert isinstance(unfelt, Unfelt)
    assert isinstance(lead, CueFired)
    assert (fired.cue, fired.phase) == (unfelt.cue, unfelt.phase) == ("own_1", "press")
    assert lead.phase is None
    assert to_json(fired)["phase"] == "press"
    *_, unknown, _, _ = feed(Tracker(key, None, b""), records)
    assert isinstance(unknown, CueFired)
    assert unknown.phase is None


def test_the_json_form_has_event_and_time_first() -> None:
    for event in WHOLE:
        form = to_json(event)
        assert list(form)[:2] == ["event", "t_ms"]
        assert isinstance(form["t_ms"], int)
        assert "seq" not in form
        assert "plan" not in form


@pytest.mark.parametrize("at", range(len(RECORDS) + 1))
def test_a_stream_cut_anywhere_and_read_again_gives_each_event_once(at: int) -> None:
    for again_from in range(0, at + 1, 3):
        follower = tracker()

        events = feed(follower, RECORDS[:at]) + feed(follower, RECORDS[again_from:])

        assert events == WHOLE


def test_records_that_come_twice_or_late_give_nothing() -> None:
    rng = random.Random(11)
    for _ in range(200):
        follower, events, at = tracker(), [], 0
        while at < len(RECORDS):
            back = rng.randint(0, at)
            count = rng.randint(1, 9)
            events += feed(follower, RECORDS[back : at + count])
            at += count
        assert events == WHOLE


def test_any_gap_is_one_loss_with_its_size_and_the_rest_is_as_ever() -> None:
    for start in range(2, len(RECORDS) - 1):
        for end in range(start + 1, len(RECORDS)):
            events = feed(tracker(), RECORDS[:start] + RECORDS[end:])

            after = WHOLE[end - 1 :]
            lost = RecordsLost(t_ms=after[0].t_ms, count=end - start)
            assert events == [*WHOLE[: start - 1], lost, *after]


def test_where_the_beginning_is_lost_time_counts_from_what_is_left() -> None:
    events = feed(tracker(), RECORDS[5:])

    first_ms = RECORDS[5].at_ms
    assert events[0] == RecordsLost(t_ms=0, count=4)
    assert [e.t_ms for e in events[1:]] == [r.at_ms - first_ms for r in RECORDS[5:]]


def test_nothing_comes_after_the_end() -> None:
    follower = tracker()
    feed(follower, RECORDS)
    assert follower.ended

    extra = Record(RECORDS[-1].seq + 1, 0, vocab.HEART, vocab.NO_STEP, 60, 0, 0)

    assert follower.feed(extra) == []


def test_the_next_session_is_not_taken_for_this_one() -> None:
    w = eventful()
    second = w.log.next
    w.do(vocab.START)
    w.run(10_000)
    records = records_of(w)
    follower = tracker()

    events = feed(follower, [*records[:10], *records[second:]])

    assert [type(e) for e in events[9:]] == [RecordsLost, SessionEnded]
    assert events[9] == RecordsLost(t_ms=events[8].t_ms, count=second - 10)
    assert events[10] == SessionEnded(t_ms=events[8].t_ms, reason="failed", source="host")
    assert follower.ended

    next_one = Tracker(SessionKey("wrist", KEY.boot_id, second), PLAN, PLAN_ID)
    events = feed(next_one, records)
    assert (events[0].name, events[0].t_ms, events[0].seq) == ("session_started", 0, second)
    assert not next_one.ended


@pytest.mark.parametrize("before_ms", [1, 3_000, 9_000, 30_000, 60_000])
def test_the_clock_may_wrap_during_a_session(before_ms: int) -> None:
    records = records_of(eventful(now_ms=WRAP - before_ms))
    assert records[1].at_ms == WRAP - before_ms
    assert records[-1].at_ms < 200_000

    assert feed(tracker(), records) == WHOLE


def test_without_the_plan_the_events_are_there_but_bare() -> None:
    events = feed(tracker(plan=None), RECORDS)

    assert [(e.name, e.t_ms, e.seq) for e in events] == [(e.name, e.t_ms, e.seq) for e in WHOLE]
    first, step = events[0], events[1]
    assert isinstance(first, SessionStarted)
    assert (first.routine, first.plan_id) == (UNKNOWN_ROUTINE, PLAN_ID.hex())
    assert isinstance(step, StepStarted)
    assert (step.kind, step.exercise, step.side, step.rep) == ("unknown", None, None, 0)
    assert step.duration_ms == 5_000


def test_a_plan_that_comes_later_is_used_from_then_on() -> None:
    follower = tracker(plan=None)
    feed(follower, RECORDS[:4])
    follower.plan = PLAN

    assert feed(follower, RECORDS[4:]) == WHOLE[3:]


def test_numbers_of_a_newer_wearable_are_named_unknown_or_passed_over() -> None:
    follower = tracker()
    feed(follower, RECORDS[:2])

    (cue,) = follower.feed(Record(2, 5_000, vocab.CUE, 0, 77, 0, 0))
    assert isinstance(cue, CueFired)
    assert cue.cue == "unknown_77"
    assert follower.feed(Record(3, 5_000, 200, 0, 0, 0, 0)) == []
    (step,) = follower.feed(Record(4, 5_000, vocab.STEP_STARTED, 99, 0, 7, 0))
    assert isinstance(step, StepStarted)
    assert step.kind == "unknown"


def test_the_plan_id_of_a_record() -> None:
    assert plan_id_of(SESSION[0]) == PLAN_ID


def test_time_stamps_of_the_wearable_become_session_time() -> None:
    follower = tracker()
    feed(follower, RECORDS[:3])

    assert follower.t_ms(BOOT_MS + 5) == 5
    assert follower.t_ms((BOOT_MS + WRAP + 5) % WRAP) == 5


def test_a_beat_that_the_host_handed_over_is_told_apart() -> None:
    beats = [
        Record(RECORDS[0].seq + n, 0, vocab.HEART, vocab.NO_STEP, a, 1024, 0)
        for n, a in enumerate((60, 61 + vocab.HEART_BY_HOST))
    ]
    tracker = Tracker(SessionKey("w", 1, RECORDS[0].seq), None, bytes(8))

    told = [event for beat in beats for event in tracker.feed(beat)]
    assert [(e.bpm, e.sensor, e.rr_ms) for e in told if isinstance(e, HeartBeat)] == [
        (60, "own", (1000.0,)),
        (61, "strap", (1000.0,)),
    ]
