# SPDX-License-Identifier: MIT
"""The library that comes along: sourced, within its limits, and played as it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenuto.routines import routine
from tenuto.routines.compile import CompiledPlan, compile_routine, describe
from tenuto.routines.muscles import unknown
from tenuto.sessions.places import holds_in
from tests.routines.test_told import cue_number, played
from tests.sample_routines import CONFIG, SHIPPED, vocabulary

if TYPE_CHECKING:
    from pathlib import Path

README = CONFIG / "routines" / "README.md"
WANTED = {
    *("warm-up", "after-run", "desk", "hips", "hamstrings-static", "hamstrings-contract-relax"),
    *("calves-plantar", "shoulders-neck", "big-three", "planks", "breathe-six", "breathe-box"),
    *("breathe-478", "pelvic-floor", "balance", "sample"),
}
OWN = [path for path in SHIPPED if path.stem in WANTED]
NO_CLAIM = ("cures", "heals", "prevents", "treats", "guarantee")


def compiled(path: Path) -> CompiledPlan:
    return compile_routine(routine.load(path), vocabulary())


def test_the_library_has_what_people_do() -> None:
    assert {path.stem for path in SHIPPED} >= WANTED


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_a_shipped_routine_has_title_source_and_safety_and_claims_nothing(path: Path) -> None:
    found = routine.load(path)

    assert found.title
    assert found.title != found.name
    assert found.description
    assert found.source
    assert found.safety or path.stem == "sample"
    assert all(exercise.how for exercise in found.exercises)
    told = path.read_text(encoding="utf-8").lower()
    assert not [word for word in NO_CLAIM if word in told]
    assert unknown(muscle for e in found.exercises for muscle in e.muscles) == []


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_strength_and_breathing_say_how_to_breathe(path: Path) -> None:
    found = routine.load(path)

    if any(e.kind in ("strength", "breathing") for e in found.exercises):
        assert "breath" in found.safety.lower() or path.stem == "shoulders-neck"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_routine_is_played_by_the_core_as_its_score_says(path: Path) -> None:
    plan = compiled(path)
    score = describe(plan)

    felt = played(plan)

    if not any(row.waits for row in score):
        assert felt == [
            (row.start_ms + cue.at_ms, row.number, cue_number(plan, row, at))
            for row in score
            for at, cue in enumerate(row.cues)
        ]
    assert [step for _, step, _ in felt] == [row.number for row in score for _ in row.cues]


def test_titles_tell_the_routines_apart() -> None:
    titles = [routine.load(path).shown_title for path in SHIPPED]

    assert len(set(titles)) == len(titles)


def test_the_three_of_the_readme_are_short_and_say_what_they_should() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert [text.count("\n") <= 15 for text in blocks] == [True] * 3

    relax, pyramid, breathing = (
        compile_routine(routine.parse(text, "README.md"), vocabulary()) for text in blocks
    )

    phases = [(row.side, row.phase) for row in describe(relax) if row.kind == "hold"]
    rep = ("stretch", "press", "deeper")
    assert phases == [(side, name) for side in ("left", "right") for _ in range(3) for name in rep]
    assert holds_in(pyramid.plan) == 2 * (6 + 4 + 2)
    assert [row.phase for row in describe(breathing) if row.kind == "hold"] == ["in", "out"] * 30
    seconds = sum(row.duration_ms for row in describe(breathing) if row.kind == "hold") / 1000
    assert seconds == 5 * 60


def test_nothing_of_the_private_routine_is_in_what_a_wearable_gets() -> None:
    data = compiled(CONFIG / "routines" / "pelvic-floor.toml").data.lower()

    assert b"ten and ten" in data
    for word in (b"pelvic", b"floor", b"slow", b"quick", b"loose"):
        assert word not in data
