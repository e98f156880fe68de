# SPDX-License-Identifier: MIT
"""What a routine can say beyond one hold after another, and what it must not say."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.errors import InputError
from tenuto.routines import routine
from tenuto.routines.adjust import Adjustment, adjust
from tenuto.routines.compile import ScoreRow, compile_routine, describe
from tenuto.routines.feel import Feel, fit
from tenuto.routines.muscles import canonical, unknown
from tenuto_core import vocab
from tenuto_core.plan import CUES_V1
from tests.sample_routines import vocabulary

CONTRACT_RELAX = """\
name = "contract-relax"
title = "Hamstrings, contract and relax"
[[exercise]]
name = "Lying Hamstring Stretch"
sides = "each"
reps = 2
rest_s = 15
phases = [{ name = "stretch", s = 10 }, { name = "press", s = 6 }, { name = "deeper", s = 20 }]
"""
PYRAMID = """\
name = "pyramid"
[[exercise]]
name = "Side Bridge"
kind = "strength"
sides = "each"
hold_s = 10
reps = [6, 4, 2]
rest_s = 4
set_rest_s = 25
"""
BREATHING = """\
name = "breathing"
[[exercise]]
name = "Breathing"
kind = "breathing"
reps = 30
rest_s = 0
phases = [{ name = "in", s = 4, cue = [120] }, { name = "out", s = 6, cue = [120, 150, 120] }]
"""


def exercise(*lines: str, top: str = "") -> str:
    return f'name = "r"\n{top}[[exercise]]\nname = "one"\n' + "\n".join(lines) + "\n"


def score(text: str, **adjusted: Any) -> list[ScoreRow]:
    found = routine.parse(text, "r.toml")
    if adjusted:
        found = adjust(found, Adjustment(**adjusted))
    return describe(compile_routine(found, vocabulary()))


def refused(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        compile_routine(routine.parse(text, "r.toml"), vocabulary())
    return [str(mistake) for mistake in caught.value.mistakes]


def felt(row: ScoreRow) -> list[tuple[str, int]]:
    return [(cue.cue, cue.at_ms) for cue in row.cues]


def test_contract_relax_is_three_phases_a_repetition_on_each_side() -> None:
    assert CONTRACT_RELAX.count("\n") <= 15
    rows = [row for row in score(CONTRACT_RELAX) if row.kind != "done"]

    rep = [("stretch", 10_000), ("press", 6_000), ("deeper", 20_000)]
    expected: list[tuple[Any, ...]] = []
    for lead, side, number in (
        ("ready", "left", 1),
        ("rest", "left", 2),
        ("switch", "right", 1),
        ("rest", "right", 2),
    ):
        expected.append((lead, side, number, None))
        expected += [("hold", side, number, name) for name, _ in rep]
    assert [(row.kind, row.side, row.rep, row.phase) for row in rows] == expected
    first = rows[1:4]
    assert [row.duration_ms for row in first] == [ms for _, ms in rep]
    assert [felt(row) for row in first] == [
        [("hold_start", 0)],
        [("next_phase", 0)],
        [("next_phase", 0), ("hold_end", 20_000)],
    ]


def test_repetitions_fall_from_set_to_set_and_sets_have_a_rest_of_their_own() -> None:
    assert PYRAMID.count("\n") <= 15
    rows = score(PYRAMID)

    holds = [row for row in rows if row.kind == "hold"]
    counts = [(row.set_no, row.sets, row.side, row.reps) for row in holds if row.rep == 1]
    assert counts == [
        (set_no, 3, side, reps)
        for set_no, reps in ((1, 6), (2, 4), (3, 2))
        for side in ("left", "right")
    ]
    assert len(holds) == 2 * (6 + 4 + 2)
    between = [row.duration_ms for row in rows if row.set_no > 1 and row.rep == 1]
    assert between[0] == between[4] == 25_000
    assert {row.duration_ms for row in rows if row.kind == "rest"} == {4_000}


def test_five_minutes_of_breathing_are_sixty_phases_with_one_cue_each() -> None:
    assert BREATHING.count("\n") <= 15
    rows = score(BREATHING)

    breaths = rows[1:-1]
    assert [row.phase for row in breaths] == ["in", "out"] * 30
    assert sum(row.duration_ms for row in breaths) == 5 * 60_000
    assert [(row.rep, row.reps) for row in breaths[::2]] == [(rep, 30) for rep in range(1, 31)]
    assert all(len(row.cues) == 1 for row in breaths[:-1])
    assert [cue.pattern for cue in breaths[1].cues] == [((100, 120, 150), (100, 120, 0))]
    assert felt(breaths[-1])[1:] == [("hold_end", 6_000)]


def test_an_open_hold_has_marks_from_its_start_and_no_halfway() -> None:
    lines = ('hold_s = "open"', "hold_max_s = 60", "mark_every_s = 15")
    (row,) = [row for row in score(exercise(*lines)) if row.kind == "hold"]

    assert row.is_open
    assert felt(row) == [
        ("hold_start", 0),
        ("mark", 15_000),
        ("mark", 30_000),
        ("mark", 45_000),
        ("hold_end", 60_000),
    ]
    (plain,) = [row for row in score(exercise(lines[0])) if row.kind == "hold"]
    assert [cue for cue, _ in felt(plain)] == ["hold_start", "hold_end"]


def test_marks_give_way_to_halfway_and_to_the_end() -> None:
    lines = ("hold_s = 40", "mark_every_s = 10", "halfway = true")
    (row,) = [row for row in score(exercise(*lines)) if row.kind == "hold"]

    assert felt(row)[1:-1] == [("mark", 10_000), ("halfway", 20_000), ("mark", 30_000)]


def test_each_repetition_has_its_own_hold() -> None:
    rows = score(exercise("hold_s = [30, 20, 10]", "sets = 2"))

    assert [row.duration_ms for row in rows if row.kind == "hold"] == 2 * [30_000, 20_000, 10_000]


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_side_only(side: str) -> None:
    rows = score(exercise(f'sides = "{side}"', "reps = 2"))

    assert [row.side for row in rows[:-1]] == [side] * 4
    assert "switch" not in [row.kind for row in rows]


def test_a_circuit_is_done_in_turn_with_its_own_rest() -> None:
    text = """\
name = "r"
[circuit.core]
rounds = 2
rest_s = 60
[[exercise]]
name = "before"
[[exercise]]
name = "plank"
circuit = "core"
[[exercise]]
name = "bridge"
circuit = "core"
[[exercise]]
name = "after"
"""
    rows = score(text)

    holds = [row.exercise for row in rows if row.kind == "hold"]
    assert holds == ["before", "plank", "bridge", "plank", "bridge", "after"]
    assert [row.duration_ms for row in rows if row.kind == "rest"] == [8e3, 8e3, 60e3, 8e3, 8e3]


def test_a_rest_by_time_and_heart_comes_before_each_set_where_the_gate_says_so() -> None:
    text = exercise(
        "sets = 3",
        "set_rest_s = 60",
        "heart_gate = { below_bpm = 110, max_s = 180, each_set = true }",
    )
    gated = [row for row in score(text) if row.waits == "heart"]

    assert [(row.set_no, row.duration_ms, row.wait_max_ms) for row in gated] == [
        (1, 5_000, 180_000),
        (2, 60_000, 180_000),
        (3, 60_000, 180_000),
    ]


def test_a_pattern_of_ones_own_is_felt_in_this_routine_only() -> None:
    top = "[cues]\nhold_start = [300]\ntap = { on_off_ms = [90], strength_pct = 40 }\n"
    lines = (
        "reps = 2",
        'phases = [{ name = "a", s = 5 }, { name = "b", s = 5, cue = "tap" }]',
    )
    found = routine.parse(exercise(*lines, top=top), "r.toml")
    plan = compile_routine(found, vocabulary()).plan

    assert plan.patterns[vocab.HOLD_START] == ((100, 300, 0),)
    assert plan.patterns[vocab.OWN_CUES[0]] == ((40, 90, 0),)
    assert plan.step(2).cues[0] == (0, False, vocab.OWN_CUES[0])
    stronger = Adjustment(strength_pct=50)
    assert dict(adjust_all(found, stronger).cues)["tap"] == ((20, 90, 0),)


def adjust_all(found: routine.Routine, adjustment: Adjustment) -> routine.Routine:
    from tenuto.routines.adjust import adjust_patterns

    return adjust_patterns(found, adjustment)


def test_a_routine_without_new_cues_knows_those_of_version_1_only() -> None:
    plain = compile_routine(routine.parse(exercise(), "r.toml"), vocabulary()).plan
    marked = compile_routine(routine.parse(exercise("mark_every_s = 10"), "r.toml"), vocabulary())

    assert plain.cues_known == CUES_V1
    assert marked.plan.cues_known == vocab.MARK + 1


def test_where_the_next_phase_cannot_be_told_apart_the_start_of_a_hold_is_felt() -> None:
    counts = Feel(title="clock", pulse_ms_min=200, pulse_ms_max=200)
    found = routine.parse(CONTRACT_RELAX, "r.toml")

    rows = describe(compile_routine(found, fit(vocabulary(), counts)))

    assert [felt(row)[0] for row in rows if row.phase] == [("hold_start", 0)] * 12


def test_longer_holds_leave_phases_and_open_holds_as_they_are() -> None:
    open_hold = score(exercise('hold_s = "open"'), hold_pct=200)
    lists = score(exercise("hold_s = [20, 10]"), hold_pct=50)

    assert score(CONTRACT_RELAX, hold_pct=200) == score(CONTRACT_RELAX)
    assert [row.duration_ms for row in open_hold if row.kind == "hold"] == [120_000]
    assert [row.duration_ms for row in lists if row.kind == "hold"] == [10_000, 5_000]
    score(exercise("hold_s = 20", "mark_every_s = 15"), hold_pct=50)


def test_a_private_name_stands_for_everything_that_tells_what_it_is() -> None:
    text = CONTRACT_RELAX.replace("[[exercise]]", 'private_name = "Tuesdays"\n[[exercise]]', 1)
    data = compile_routine(routine.parse(text, "r.toml"), vocabulary()).data

    for word in (b"contract", b"Hamstring", b"stretch", b"press"):
        assert word not in data
    assert b"Tuesdays" in data
    assert b"exercise 1" in data


def test_a_title_is_in_the_plan_beside_the_name() -> None:
    plan = compile_routine(routine.parse(CONTRACT_RELAX, "r.toml"), vocabulary()).plan

    assert (plan.name, plan.title) == ("contract-relax", "Hamstrings, contract and relax")


def test_words_for_the_same_muscle_meet_and_unknown_ones_are_kept_and_told() -> None:
    text = exercise('muscles = ["core", "Abdominals", " abs", "left ear", "calfs"]')
    found = routine.parse(text, "r.toml").exercises[0]

    assert found.muscles == ("abdominals", "left ear", "calfs")
    assert canonical("Gluteus Maximus") == "glutes"
    ear, calfs = unknown(found.muscles)
    assert "'left ear' is not in the vocabulary and is kept as it is" in ear
    assert "did you mean 'calves'?" in calfs


WRONG = [
    ("sets = 2\nreps = [6, 4, 2]", 5, "`reps` has 3 numbers, but `sets` is 2"),
    ("reps = 2\nhold_s = [30, 20, 10]", 5, "`hold_s` has 3 times for 2 repetitions"),
    ("hold_s = []", 4, "`hold_s` is an empty list"),
    ('hold_s = "opened"', 4, 'a list of them, or "open"'),
    ('sides = "left"\nright_hold_s = 9', 5, "needs its side, but `sides` is 'left'"),
    ("rest_s = 0", 4, "0 goes only with `phases`"),
    ('hold_s = "open"\nhalfway = true', 5, "take `mark_every_s`"),
    ('hold_s = "open"\ncountdown = "end"', 5, 'allowed is "start" or "off"'),
    ('hold_s = "open"\nsides = "each"\nleft_hold_s = 20', 6, "does not go with `hold_s"),
    ('hold_s = "open"\nprogression = { add_s = 5, every = 2, max_s = 90 }', 5, "`progression`"),
    ('phases = [{ name = "a", s = 9 }]\nhold_s = 5', 5, "have their own times"),
    ('phases = [{ name = "a", s = 9 }]\nhalfway = true', 5, "leave it out, or add a phase"),
    ('phases = [{ name = "a", s = 9 }]\nmark_every_s = 5', 5, "leave it out, or add phases"),
    ('phases = [{ name = "a", s = 9 }]\ncountdown = "both"', 5, 'allowed is "start" or "off"'),
    ("phases = []", 4, "has 0 tables"),
    ('phases = [{ name = "a" }]', 4, "exercise 'one': phases 1: `s` is missing"),
    ('phases = [{ name = "a", s = 9, cue = "halfwy" }]', 4, "did you mean halfway?"),
    ('phases = [{ name = "a", s = 9, cue = [100, 50] }]', 4, "ends with a pause"),
    ('phases = [{ name = "a", s = 0.5, cue = [300] }]', 4, "needs 0.7 s to be felt"),
    ("mark_every_s = 30", 4, "a hold of 30 s is over by then"),
    ("hold_s = 600\nmark_every_s = 10", 5, "allowed are 26 marks"),
    ('circuit = "core"', 4, "is not there; add [circuit.core] with `rounds`"),
    ('link = "javascript:alert(1)"', 4, "allowed is a web address"),
    ('kind = "streching"', 4, 'did you mean "stretch"?'),
]


@pytest.mark.parametrize("lines,line,text", WRONG, ids=[text for _, _, text in WRONG])
def test_a_mistake_is_told_on_its_line_with_what_is_allowed(
    lines: str, line: int, text: str
) -> None:
    (mistake,) = refused(exercise(lines))

    assert mistake.startswith(f"r.toml:{line}: ")
    assert text in mistake


def test_a_default_for_the_other_side_is_no_mistake_where_one_side_is_held() -> None:
    top = '[defaults]\nsides = "each"\nleft_hold_s = 20\nright_hold_s = 10\n'
    rows = score(exercise('sides = "right"', top=top))

    assert [row.duration_ms for row in rows if row.kind == "hold"] == [10_000]


def test_a_circuit_must_be_used_and_not_interrupted() -> None:
    top = "[circuit.a]\nrounds = 2\n[circuit.b]\nrounds = 2\n"
    more = '[[exercise]]\nname = "two"\n[[exercise]]\nname = "three"\ncircuit = "a"\n'

    interrupted, unused = refused(exercise('circuit = "a"', top=top) + more)[::-1]

    assert 'r.toml:4: [circuit.b]: no exercise has `circuit = "b"`' in unused
    assert "exercise 'three': `circuit` 'a' is interrupted" in interrupted


def test_too_much_for_the_motor_names_the_exercise_the_cues_and_the_remedy() -> None:
    phases = ", ".join('{ name = "x", s = 2, cue = [500, 100, 500] }' for _ in range(4))
    (mistake,) = refused(exercise("reps = 10", "rest_s = 0", f"phases = [{phases}]"))

    assert "exercise 'one': the motor would run for " in mistake
    assert "in a minute, allowed are 12 s (most by its own patterns " in mistake
    assert "take longer times, fewer ticks or marks, or shorter patterns" in mistake


def test_a_plan_keeps_the_budget_of_the_motor_also_where_open_holds_are_let_go_early() -> None:
    lines = ('hold_s = "open"', "reps = 20", "rest_s = 4", 'countdown = "start"')
    top = "[cues]\nhold_start = [1000]\nhold_end = [1000]\n"

    (mistake,) = refused(exercise(*lines, top=top))

    assert "exercise 'one': the motor would run for " in mistake
    score(exercise(*lines))
