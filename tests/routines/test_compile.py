# SPDX-License-Identifier: MIT
from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import event, given, reject, strategies as st

from tenuto.errors import InputError
from tenuto.routines import routine
from tenuto.routines.compile import CompiledPlan, ScoreRow, compile_routine, describe
from tenuto.routines.haptics import Vocabulary
from tenuto_core import vocab
from tenuto_core.plan import MAX_PLAN_MS, MAX_STEPS, Plan
from tests.sample_routines import CONFIG, ROUTINES, SHIPPED, vocabulary, write

# Section 8 of the design: exercise and sides, in order.  Then what one round of it must be.
LOWER_BACK: list[tuple[str, list[str | None]]] = [
    ("Back Flexion Stretch", [None]),
    ("Kneeling Lunge Stretch", ["left", "right"]),
    ("Knee to Chest Stretch", ["left", "right"]),
    ("Piriformis Muscle Stretch", ["left", "right"]),
    ("Glute Bridge", [None]),
    ("Tabletop Leg Press", [None]),
]
READY_MS, CHANGE_MS, DONE_MS = 5_000, 8_000, 3_000


def text_of(*exercises: dict[str, Any], **keys: Any) -> str:
    named = [{"name": f"e{number}"} | e for number, e in enumerate(exercises, 1)]
    return write({"name": "r", "exercise": named} | keys)


def compiled(*exercises: dict[str, Any], **keys: Any) -> list[ScoreRow]:
    found = routine.parse(text_of(*exercises, **keys), "r.toml")
    return describe(compile_routine(found, vocabulary()))


def refused(*exercises: dict[str, Any], **keys: Any) -> list[str]:
    found = routine.parse(text_of(*exercises, **keys), "r.toml")
    with pytest.raises(InputError) as caught:
        compile_routine(found, vocabulary())
    return [str(mistake) for mistake in caught.value.mistakes]


def shipped(name: str) -> CompiledPlan:
    return compile_routine(routine.load(CONFIG / "routines" / f"{name}.toml"), vocabulary())


def cues(row: ScoreRow) -> list[tuple[str, int]]:
    return [(cue.cue, cue.at_ms) for cue in row.cues]


def names(row: ScoreRow) -> list[str]:
    return [cue.cue for cue in row.cues]


def kinds(rows: list[ScoreRow]) -> list[tuple[str, int]]:
    return [(row.kind, row.duration_ms) for row in rows]


def sequence(hold_ms: int, rounds: int, change_ms: int = CHANGE_MS) -> list[tuple[Any, ...]]:
    """Expand the table above to kind, exercise, side, and ms."""
    steps: list[tuple[Any, ...]] = []
    for name, sides in LOWER_BACK * rounds:
        for number, side in enumerate(sides):
            lead = "switch" if number else "rest"
            steps.append((lead, name, side, change_ms))
            steps.append(("hold", name, side, hold_ms))
    steps[0] = ("ready", *steps[0][1:3], READY_MS)
    return [*steps, ("done", None, None, DONE_MS)]


@pytest.mark.parametrize(
    "name,hold_ms,rounds,change_ms",
    [
        ("lower-back", 30_000, 1, 8_000),
        ("lower-back-60", 30_000, 2, 8_000),
        ("lower-back-short", 10_000, 1, 10_000),
    ],
)
def test_the_steps_are_those_of_the_design(
    name: str, hold_ms: int, rounds: int, change_ms: int
) -> None:
    rows = describe(shipped(name))

    found = [(row.kind, row.exercise, row.side, row.duration_ms) for row in rows]
    assert found == sequence(hold_ms, rounds, change_ms)


def test_lower_back_has_nine_holds_three_switches_and_five_rests() -> None:
    rows = describe(shipped("lower-back"))

    assert [sum(row.kind == kind for row in rows) for kind in vocab.STEP_KINDS] == [1, 9, 3, 5, 1]
    total_ms = READY_MS + 9 * 30_000 + (3 + 5) * CHANGE_MS + DONE_MS
    assert total_ms == shipped("lower-back").plan.duration_ms
    assert rows[-1].start_ms + rows[-1].duration_ms == total_ms


def test_lower_back_is_felt_as_the_design_says() -> None:
    rows = describe(shipped("lower-back"))

    ticks = ["countdown"] * 3
    expected = {
        "ready": ["get_ready", *ticks],
        "hold": ["hold_start", "halfway", "hold_end"],
        "switch": ["switch_sides", *ticks],
        "rest": ["next_exercise", *ticks],
        "done": ["finished"],
    }
    assert [names(row) for row in rows] == [expected[row.kind] for row in rows]
    for row in rows:
        if row.kind == "hold":
            assert cues(row) == [("hold_start", 0), ("halfway", 15_000), ("hold_end", 30_000)]
        elif row.kind != "done":
            before_end = [row.duration_ms - cue.at_ms for cue in row.cues if cue.cue == "countdown"]
            assert before_end == [3_000, 2_000, 1_000]


def test_the_same_routine_has_the_same_bytes_and_its_id_is_their_hash() -> None:
    one, other = shipped("lower-back"), shipped("lower-back")

    assert one == other
    assert one.plan_id == hashlib.sha256(one.data).digest()[:8]
    assert one.plan_id_hex == one.plan_id.hex()
    assert one.plan_id != shipped("lower-back-short").plan_id


def test_sets_reps_and_sides_in_their_order() -> None:
    def holds(**keys: Any) -> list[tuple[Any, ...]]:
        rows = compiled({"reps": 2, "sets": 2} | keys)
        return [(row.side, row.rep, row.set_no) for row in rows if row.kind == "hold"]

    def leads(**keys: Any) -> str:
        rows = compiled({"reps": 2, "sets": 2} | keys)
        return " ".join(row.kind for row in rows if row.kind not in ("hold", "done"))

    left, right = "left", "right"
    one_set = [(left, 1), (left, 2), (right, 1), (right, 2)]
    assert holds(sides="each") == [(*h, n) for n in (1, 2) for h in one_set]
    assert holds(sides="left_first") == holds(sides="each")
    assert leads(sides="each") == "ready rest switch rest switch rest switch rest"
    one_set = [(right, 1), (right, 2), (left, 1), (left, 2)]
    assert holds(sides="right_first") == [(*h, n) for n in (1, 2) for h in one_set]
    one_set = [(left, 1), (right, 1), (left, 2), (right, 2)]
    assert holds(sides="alternating") == [(*h, n) for n in (1, 2) for h in one_set]
    assert leads(sides="alternating") == "ready" + " switch" * 7
    assert holds(sides="together") == [(None, rep, n) for n in (1, 2) for rep in (1, 2)]
    assert leads(sides="together") == "ready rest rest rest"


def test_each_way_to_a_hold_has_its_own_time() -> None:
    first = {"sides": "each", "reps": 2, "left_hold_s": 20, "right_hold_s": 25}
    times = {"rest_s": 11, "change_s": 12, "switch_s": 13}

    rows = compiled(first | times, {"hold_s": 5, "change_s": 14}, ready_s=7)

    assert kinds(rows) == [
        ("ready", 7_000),
        ("hold", 20_000),
        ("rest", 11_000),
        ("hold", 20_000),
        ("switch", 13_000),
        ("hold", 25_000),
        ("rest", 11_000),
        ("hold", 25_000),
        ("rest", 14_000),
        ("hold", 5_000),
        ("done", 3_000),
    ]


@pytest.mark.parametrize(
    "times,lasts_ms",
    [
        ({"rest_s": 4, "change_s": 9}, 9_000),
        ({"rest_s": 4, "change_s": 9, "switch_s": 6}, 6_000),
        ({"rest_s": 60, "change_s": 9}, 60_000),
    ],
)
@pytest.mark.parametrize("sides", ["each", "right_first", "alternating"])
def test_a_set_that_begins_with_the_other_side_is_a_switch(
    sides: str, times: dict[str, Any], lasts_ms: int
) -> None:
    rows = compiled({"sides": sides, "sets": 2} | times)

    second_set = [row for row in rows if row.set_no == 2]
    assert (second_set[0].kind, second_set[0].duration_ms) == ("switch", lasts_ms)
    assert names(second_set[0])[0] == "switch_sides"
    assert second_set[0].side == second_set[1].side == rows[0].side


def test_a_time_between_sets_too_short_for_the_switch_is_told_with_the_longer_key() -> None:
    rest, change = refused({"sides": "each", "sets": 2, "rest_s": 1.6, "change_s": 1.5})
    (switch,) = refused({"sides": "each", "sets": 2, "rest_s": 1, "switch_s": 1.6})

    assert "`rest_s` is 1.6 s, but hold_end and switch_sides need 2 s" in rest
    assert "`change_s` is 1.5 s, but hold_end and switch_sides need 2 s" in change
    assert "`switch_s` is 1.6 s, but hold_end and switch_sides need 2 s" in switch


def test_a_rest_says_what_comes_and_only_another_exercise_is_announced() -> None:
    rows = compiled({"reps": 2, "countdown": "off"}, {"sides": "right_first", "countdown": "off"})

    rests = [(r.exercise, r.side, r.rep, r.reps, names(r)) for r in rows if r.kind == "rest"]
    assert rests == [("e1", None, 2, 2, []), ("e2", "right", 1, 1, ["next_exercise"])]


def test_rounds_repeat_the_list_and_a_new_round_is_announced() -> None:
    rows = compiled({}, rounds=3)

    assert [row.kind for row in rows] == ["ready", "hold", "rest", "hold", "rest", "hold", "done"]
    assert all(names(row)[0] == "next_exercise" for row in rows if row.kind == "rest")


def test_a_cue_after_a_hold_waits_until_the_hold_end_is_over() -> None:
    rows = compiled({"sides": "each"}, {})

    over_ms = vocabulary().length_ms(vocab.HOLD_END) + 400
    firsts = [row.cues[0].at_ms for row in rows if row.kind in ("switch", "rest", "done")]
    assert firsts == [over_ms] * 3


def test_the_halfway_cue_comes_in_holds_of_20_s_and_where_it_is_asked_for() -> None:
    def has_halfway(**keys: Any) -> bool:
        return ("halfway", keys["hold_s"] * 500) in cues(compiled(keys)[1])

    assert has_halfway(hold_s=20)
    assert not has_halfway(hold_s=19)
    assert has_halfway(hold_s=6, halfway=True)
    assert not has_halfway(hold_s=60, halfway=False)


@pytest.mark.parametrize(
    "countdown,before,within",
    [("off", 0, 0), ("start", 3, 0), ("end", 0, 3), ("both", 3, 3)],
)
def test_the_countdown_ticks_where_it_is_wanted(countdown: str, before: int, within: int) -> None:
    ready, hold, _ = compiled({"countdown": countdown})

    assert names(ready).count("countdown") == before
    assert names(hold).count("countdown") == within
    assert [hold.duration_ms - c.at_ms for c in hold.cues if c.cue == "countdown"] == [
        3_000,
        2_000,
        1_000,
    ][:within]


def test_ticks_without_room_are_left_out() -> None:
    rows = compiled({"reps": 2, "rest_s": 2.2})

    # The hold_end is over after 0.75 s, and 0.4 s later there is room for the last tick only.
    (rest,) = (row for row in rows if row.kind == "rest")
    assert cues(rest) == [("countdown", 1_200)]


def test_a_countdown_that_is_asked_for_ticks_once_at_least_or_is_refused() -> None:
    one = compiled({"countdown": "both", "hold_s": 2}, ready_s=2.2)
    (start,) = refused({"countdown": "start"}, ready_s=2.1)
    (end,) = refused({"countdown": "end", "hold_s": 1.8})

    # 1.2 s for get_ready and 0.9 s for hold_start, then one tick 1 s before the end
    assert [names(row).count("countdown") for row in one[:2]] == [1, 1]
    assert "`ready_s` is 2.1 s, too short for a tick of the countdown" in start
    assert "allowed is 2.2 s or more" in start
    assert "a hold is 1.8 s, too short for a tick of the countdown" in end
    assert "allowed is 1.9 s or more" in end
    assert all('or `countdown = "off"`' in text for text in (start, end))


def test_a_countdown_that_nobody_asked_for_is_left_out_without_room() -> None:
    rows = compiled({}, ready_s=2)

    assert names(rows[0]) == ["get_ready"]


def test_a_countdown_without_room_is_told_on_the_line_that_asks_for_it() -> None:
    text = 'name = "r"\nready_s = 2\n[defaults]\ncountdown = "start"\n[[exercise]]\nname = "a"\n'
    found = routine.parse(text, "r.toml")

    with pytest.raises(InputError, match=r"^r\.toml:4: exercise 'a': `ready_s` is 2 s"):
        compile_routine(found, vocabulary())


def test_a_heart_gate_holds_the_rest_and_then_one_gets_ready() -> None:
    gate = {"heart_gate": {"below_bpm": 100, "max_s": 90}, "sides": "each", "reps": 2}

    rows = compiled({}, gate)

    rest, ready = rows[2:4]
    assert (rest.kind, rest.waits, rest.gate_bpm, rest.wait_max_ms) == (
        "rest",
        "heart",
        100,
        90_000,
    )
    assert names(rest) == ["next_exercise"]
    assert (ready.kind, ready.duration_ms, ready.waits) == ("ready", 5_000, None)
    assert names(ready) == ["get_ready", *["countdown"] * 3]
    assert (ready.exercise, ready.side) == (rest.exercise, rest.side) == ("e2", "left")
    assert [row.number for row in rows if row.waits] == [2]


def test_a_heart_gate_before_the_first_exercise_and_in_each_round() -> None:
    rows = compiled({"heart_gate": {"below_bpm": 100}}, rounds=2)

    assert [(row.kind, row.gate_bpm) for row in rows if row.kind != "hold"] == [
        ("ready", 100),
        ("ready", 0),
        ("rest", 100),
        ("ready", 0),
        ("done", 0),
    ]


def test_a_heart_limit_holds_the_exercise_back_at_the_rest_before_it() -> None:
    limit = {"heart_limit": {"bpm": 150, "max_s": 200}, "sides": "each"}

    rows = compiled({}, limit)

    rest, ready = rows[2:4]
    assert (rest.kind, rest.limit_bpm, rest.gate_bpm, rest.wait_max_ms, rest.waits) == (
        "rest",
        150,
        0,
        200_000,
        None,
    )
    assert (ready.kind, ready.duration_ms, ready.limit_bpm) == ("ready", 5_000, 0)
    assert [row.number for row in rows if row.limit_bpm] == [2]


def test_a_gate_and_a_limit_share_a_rest() -> None:
    rows = compiled({"heart_gate": {"below_bpm": 100, "max_s": 90}, "heart_limit": {"bpm": 150}})

    assert (rows[0].gate_bpm, rows[0].limit_bpm, rows[0].wait_max_ms) == (100, 150, 90_000)


def test_a_self_paced_hold_waits_for_a_press_and_is_not_counted_down() -> None:
    rows = compiled({"self_paced": True, "self_paced_max_s": 60, "sides": "each", "reps": 2})

    leads = [row for row in rows if row.kind not in ("hold", "done")]
    assert [(row.waits, row.wait_max_ms) for row in leads] == [("press", 60_000)] * 4
    assert not [row for row in leads if "countdown" in names(row)]


def test_a_self_paced_hold_behind_a_heart_gate_waits_for_both() -> None:
    rows = compiled({"self_paced": True, "heart_gate": {"below_bpm": 100}})

    assert [(row.kind, row.waits) for row in rows[:3]] == [
        ("ready", "heart"),
        ("ready", "press"),
        ("hold", None),
    ]


def test_steps_too_short_for_their_cues_are_all_told_with_the_key_to_change() -> None:
    found = refused(
        {"reps": 2, "rest_s": 1.1, "sides": "each", "switch_s": 1.5},
        {"change_s": 2.3, "hold_s": 3, "halfway": True},
        {"hold_s": 1, "halfway": True},
        ready_s=1,
    )

    # hold_end 0.75 s, and 0.4 s behind each cue
    expected = [
        ("r.toml:2: `ready_s` is 1 s", "get_ready need 1.2 s"),
        ("exercise 'e1': `rest_s` is 1.1 s", "hold_end need 1.15 s"),
        ("exercise 'e1': `switch_s` is 1.5 s", "hold_end and switch_sides need 2 s"),
        ("exercise 'e2': `change_s` is 2.3 s", "hold_end and next_exercise need 2.35 s"),
        ("exercise 'e3': a hold of 1 s is too short for a halfway cue", "`halfway = false`"),
    ]
    assert len(found) == len(expected)
    for mistake, parts in zip(found, expected, strict=True):
        assert all(part in mistake for part in parts)


def test_a_mistake_of_a_default_is_told_on_the_line_of_the_default() -> None:
    text = (
        'name = "r"\n[defaults]\nchange_s = 1\n[[exercise]]\nname = "a"\n[[exercise]]\nname = "b"\n'
    )
    found = routine.parse(text, "r.toml")

    with pytest.raises(InputError, match=r"^r\.toml:3: exercise 'b': `change_s` is 1 s"):
        compile_routine(found, vocabulary())


def test_a_wait_cannot_be_shorter_than_its_step() -> None:
    paced = {"self_paced": True, "self_paced_max_s": 7}
    gated = {"heart_gate": {"below_bpm": 90, "max_s": 7}}

    (one,) = refused({}, paced)
    (other,) = refused({}, gated)

    assert "exercise 'e2': `self_paced_max_s` is 7 s, allowed is at least `change_s`" in one
    assert "exercise 'e2': `heart_gate.max_s` is 7 s, allowed is at least `change_s`" in other


def test_too_many_steps_and_too_long_a_session_are_told_in_words() -> None:
    (steps,) = refused({"sides": "each", "reps": 50, "sets": 20}, rounds=10)
    (length,) = refused({"hold_s": 1800}, rounds=8)

    assert f"allowed are {MAX_STEPS} steps; take fewer rounds, exercises, sets, reps" in steps
    assert f"allowed are {MAX_PLAN_MS // 60_000}" in length
    compiled({"hold_s": 1800}, rounds=7)


def test_too_many_cues_and_bytes_are_told_too() -> None:
    busy = {"countdown": "both", "halfway": True, "hold_s": 20, "reps": 40}

    found = refused(*[busy] * 3)

    assert any("cues, allowed are" in text or "size of the plan" in text for text in found)


@pytest.mark.slow
@given(ROUTINES)
def test_any_routine_gives_a_plan_or_a_mistake_on_a_line(written: dict[str, Any]) -> None:
    text = write(written)
    found = routine.parse(text, "any.toml")
    try:
        plan = compile_routine(found, vocabulary()).plan
    except InputError as error:
        event("refused")
        lines = [mistake.line for mistake in error.mistakes]
    else:
        event("compiled")
        lines = [1]
        assert plan.name == found.name

    assert lines
    assert all(1 <= line <= text.count("\n") for line in lines)


def simple_holds(written: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Say what is held in a routine, as its documentation says it."""
    holds: list[tuple[Any, ...]] = []
    for _ in range(written.get("rounds", 1)):
        for own in written["exercise"]:
            keys: dict[str, Any] = {"reps": 1, "sets": 1, "sides": "together", "hold_s": 30}
            keys |= written.get("defaults", {}) | own
            order: dict[str, list[str | None]] = {
                "together": [None],
                "right_first": ["right", "left"],
            }
            sides = order.get(keys["sides"], ["left", "right"])
            for _ in range(keys["sets"]):
                pairs = [(side, rep) for side in sides for rep in range(1, keys["reps"] + 1)]
                if keys["sides"] == "alternating":
                    pairs.sort(key=lambda pair: pair[1])
                ms = round(keys["hold_s"] * 1000)
                holds += [(own["name"], side, rep, ms) for side, rep in pairs]
    return holds


def playing_times(plan: Plan) -> list[tuple[int, int, int]]:
    """Give start, end and cue of each pattern, from the session's start, without waits."""
    times, at_ms = [], 0
    for number in range(plan.steps):
        step = plan.step(number)
        for offset_ms, from_end, cue in step.cues:
            start_ms = at_ms + (step.duration_ms - offset_ms if from_end else offset_ms)
            buzzing_ms = sum(on + off for _, on, off in plan.patterns[cue])
            times.append((start_ms, start_ms + buzzing_ms, cue))
        at_ms += step.duration_ms
    return [*times, (at_ms + 400, at_ms + 400, vocab.FINISHED)]


def check_invariants(compiled_plan: CompiledPlan) -> None:
    plan = Plan(compiled_plan.data)
    times = playing_times(plan)
    for (_, end_ms, _), (start_ms, _, _) in pairwise(times):
        assert end_ms + 400 <= start_ms
    rows = describe(compiled_plan)
    assert rows[0].kind == "ready"
    assert [row.kind for row in rows].count("done") == 1
    for row in rows:
        starts = [cue.at_ms for cue in row.cues if cue.cue == "hold_start"]
        ends = [cue.at_ms for cue in row.cues if cue.cue == "hold_end"]
        is_hold = row.kind == "hold"
        if row.phase:
            assert len([cue for cue in row.cues if cue.at_ms == 0]) <= 1
            assert ends in ([], [row.duration_ms])
            continue
        assert (starts, ends) == (([0], [row.duration_ms]) if is_hold else ([], []))
        assert names(row).count("switch_sides") == (row.kind == "switch")
        assert names(row).count("get_ready") == (row.kind == "ready")
        assert names(row).count("finished") == (row.kind == "done")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.stem)
def test_no_two_cues_of_a_shipped_routine_run_into_each_other(file: Any) -> None:
    check_invariants(shipped(file.stem))


@pytest.mark.slow
@given(ROUTINES)
def test_no_two_cues_of_any_routine_run_into_each_other(written: dict[str, Any]) -> None:
    found = routine.parse(write(written), "any.toml")
    try:
        plan = compile_routine(found, vocabulary())
    except InputError:
        reject()

    check_invariants(plan)
    holds = [row for row in describe(plan) if row.kind == "hold"]
    assert [(h.exercise, h.side, h.rep, h.duration_ms) for h in holds] == simple_holds(written)


@pytest.mark.slow
@given(ROUTINES)
def test_a_side_never_changes_without_a_cue_that_is_felt(written: dict[str, Any]) -> None:
    found = routine.parse(write(written), "any.toml")
    try:
        plan = compile_routine(found, vocabulary())
    except InputError:
        reject()

    begins = [
        number == 0
        for _ in range(found.rounds)
        for exercise in found.exercises
        for number in range(sum(exercise.set_reps) * len(exercise.side_order))
    ]
    rows = describe(plan)
    holds = [number for number, row in enumerate(rows) if row.kind == "hold"]
    for (before, after), begins_exercise in zip(pairwise(holds), begins[1:], strict=True):
        between = [cue for row in rows[before + 1 : after] for cue in row.cues]
        felt = {cue.cue for cue in between if any(on_ms for _, on_ms, _ in cue.pattern)}
        if begins_exercise:
            event("another exercise")
            assert "next_exercise" in felt
        elif rows[after].side != rows[before].side:
            event("another side")
            assert "switch_sides" in felt
        else:
            assert not felt & {"switch_sides", "next_exercise"}


PULSE = st.tuples(st.integers(1, 100), st.integers(20, 300), st.integers(0, 300))


@pytest.mark.slow
@given(st.lists(st.lists(PULSE, max_size=3).map(tuple), min_size=11, max_size=11))
def test_whatever_the_vocabulary_no_two_cues_run_into_each_other(patterns: Any) -> None:
    patterns = [(*p[:-1], (*p[-1][:2], 0)) if p else () for p in patterns]
    found = routine.load(CONFIG / "routines" / "lower-back.toml")

    plan = compile_routine(found, Vocabulary(patterns=tuple(patterns)))

    felt = [t for t in playing_times(plan.plan) if t[0] < t[1]]
    for (_, end_ms, _), (start_ms, _, _) in pairwise(felt):
        assert end_ms + 400 <= start_ms
    assert all(row.cues for row in describe(plan))


def test_a_cue_that_keeps_silent_is_still_in_the_plan_and_takes_no_time() -> None:
    patterns = list(vocabulary().patterns)
    patterns[vocab.HOLD_END] = ()
    found = routine.parse(text_of({}, {}), "r.toml")

    rows = describe(compile_routine(found, replace(vocabulary(), patterns=tuple(patterns))))

    assert "hold_end" in names(rows[1])
    assert cues(rows[2])[0] == ("next_exercise", 0)
