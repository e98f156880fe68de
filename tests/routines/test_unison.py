# SPDX-License-Identifier: MIT
"""One plan for several wearables: as long as it is by each clock, and cut to where one joins."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given, reject, settings

from tenuto.errors import InputError
from tenuto.routines import routine
from tenuto.routines.compile import compile_routine
from tenuto.routines.library import Library
from tenuto.routines.unison import for_clock, lasts_as_long
from tenuto.sessions.places import steps
from tenuto.sessions.unison import check_unison, entrances
from tests.sample_routines import ROUTINES, vocabulary, write

PLAYED_TOGETHER = ("lower-back-60", "big-three", "breathe-box", "calves-plantar", "pelvic-floor")


@pytest.mark.parametrize("name", PLAYED_TOGETHER)
@pytest.mark.parametrize("ppm", [-50.0, 3.0, 50.0, 500.0])
def test_each_step_ends_at_its_time_by_a_clock_that_is_wrong(name: str, ppm: float) -> None:
    compiled = Library().plan(name)
    rate = 1 + ppm * 1e-6
    for entrance in entrances(compiled.plan):
        rest = for_clock(compiled, ppm, entrance.step)
        true_ms, counted_ms = entrance.at_ms, 0
        whole = steps(compiled.plan)[entrance.step :]
        for step, counted in zip(whole, steps(rest.plan), strict=True):
            true_ms += step.duration_ms
            counted_ms += counted.duration_ms
            assert abs(counted_ms - (true_ms - entrance.at_ms) * rate) <= 0.5
            told = [(cue, from_end) for _, from_end, cue in step.cues]
            assert [(cue, from_end) for _, from_end, cue in counted.cues] == told
            for (offset_ms, *_), (own_ms, *_) in zip(step.cues, counted.cues, strict=True):
                assert abs(own_ms - offset_ms * rate) <= 1
        assert rest.plan.name == compiled.plan.name


@pytest.mark.parametrize("name", PLAYED_TOGETHER)
def test_by_a_clock_that_is_right_it_is_the_plan_itself(name: str) -> None:
    compiled = Library().plan(name)
    assert for_clock(compiled, 0.0).plan_id == compiled.plan_id


def test_it_is_joined_where_an_exercise_begins() -> None:
    plan = Library().plan("lower-back").plan
    found = entrances(plan)
    assert len(found) == 6
    for entrance in found[1:]:
        lead, hold = plan.step(entrance.step), plan.step(entrance.step + 1)
        assert lead.exercise == hold.exercise != plan.step(entrance.step - 1).exercise


@pytest.mark.parametrize("name", ["planks", "after-run"])
def test_what_waits_for_its_wearer_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="takes each person another time"):
        check_unison(Library().plan(name).plan)


def test_plans_are_compared_by_their_times() -> None:
    library = Library()
    assert lasts_as_long(library.plan("desk").plan, library.plan("desk").plan)
    assert not lasts_as_long(library.plan("desk").plan, library.plan("hips").plan)


def test_a_class_is_offered_what_it_can_play_and_nothing_else() -> None:
    library = Library()
    offer = library.offer()
    assert offer.labels == library.labels()
    for name, label in offer.labels.items():
        try:
            check_unison(library.plan(name).plan)
        except InputError:
            assert name not in offer.class_labels
        else:
            assert offer.class_labels[name] == label


@given(ROUTINES)
@settings(max_examples=20)
def test_what_a_class_cannot_play_is_known_without_a_plan(written: dict[str, Any]) -> None:
    found = routine.parse(write(written), "any.toml")
    try:
        plan = compile_routine(found, vocabulary()).plan
    except InputError:
        reject()
    waits = any(one.waits_for_wearer for one in found.exercises)
    with pytest.raises(InputError) if waits else nullcontext():
        check_unison(plan)
