# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from tenuto.cues.distance import distance
from tenuto.cues.lint import Level, lint, nearest_pairs, propose, propose_set
from tenuto.routines.feel import Feel
from tenuto_core import vocab
from tests.sample_routines import vocabulary

if TYPE_CHECKING:
    from tenuto.routines.haptics import Pattern, Vocabulary

PINETIME = Feel(title="PineTime", strengths=1, pulse_ms_min=200, pulse_ms_max=200, gap_ms=400)
PULSES = st.lists(
    st.tuples(st.integers(1, 100), st.integers(20, 1_000), st.integers(80, 500)), max_size=5
).map(tuple)


def with_pattern(cue: int, pattern: Pattern) -> Vocabulary:
    patterns = list(vocabulary().patterns)
    patterns[cue] = pattern
    return replace(vocabulary(), patterns=tuple(patterns))


def test_no_shipped_cue_is_wrong_and_two_pairs_stand_by_their_place() -> None:
    found = lint(vocabulary())

    assert not [one for one in found if one.level is Level.ERROR]
    pairs = {one.cues for one in found if one.level is Level.WARNING}
    assert pairs == {("countdown", "halfway"), ("switch_sides", "mark")}


@pytest.mark.parametrize(
    "pattern,warning",
    [
        (((100, 99, 0),), "hold_end: buzz 1 of 99 ms may not be felt"),
        (((100, 150, 79), (100, 700, 0)), "the pause of 79 ms after buzz 1 is not felt"),
        (((100, 1000, 100), (100, 901, 0)), "hold_end: 2001 ms is long for one cue"),
        (((100, 140, 140), (100, 160, 0)), "hold_end and switch_sides: will be confused"),
        (((100, 200, 50), (100, 250, 0)), "hold_start and hold_end: will be confused"),
        (((60, 500, 0),), "hold_start and hold_end: differ in strength alone"),
        (((100, 150, 150),) * 5, "hold_end and attention: will be confused"),
    ],
)
def test_lint_tells_what_is_hard_to_feel(pattern: Pattern, warning: str) -> None:
    found = lint(with_pattern(vocab.HOLD_END, pattern))

    assert any(warning in str(one) for one in found)


@pytest.mark.parametrize("on_ms,is_told", [(249, False), (250, False), (251, True)])
def test_a_pulse_must_be_twice_as_long(on_ms: int, is_told: bool) -> None:
    changed = with_pattern(vocab.HOLD_END, ((100, on_ms, 0),))

    found = lint(changed, only=("hold_start", "hold_end"))

    assert bool(found) is is_told
    assert bool(lint(changed, only=("hold_start",))) is False


@pytest.mark.parametrize("pattern", [(), ((100, 100, 80), (100, 1000, 80), (100, 740, 0))])
def test_lint_is_content_at_the_bounds(pattern: Pattern) -> None:
    changed = with_pattern(vocab.HOLD_END, pattern)

    assert not [one for one in lint(changed) if "hold_end" in one.cues]


def test_a_motor_that_only_counts_leaves_out_what_would_feel_alike() -> None:
    found = lint(vocabulary(), PINETIME)

    assert {one.level for one in found} == {Level.NOTE}
    silent = {one.cues[0] for one in found if "silent" in one.text}
    assert {"countdown", "halfway", "mark"} <= silent


def test_a_vocabulary_that_a_motor_cannot_tell_apart_is_an_error() -> None:
    same = replace(vocabulary(), counts=(1,) * len(vocab.CUES))

    found = lint(same, PINETIME)

    assert {one.level for one in found} == {Level.ERROR}
    assert all("feel alike on a PineTime" in one.text for one in found)


def test_what_is_proposed_has_no_finding_any_more() -> None:
    changed = with_pattern(vocab.HOLD_END, vocabulary().pattern(vocab.HOLD_START))
    (bad,) = [one for one in lint(changed) if one.level is Level.ERROR]
    on_off_ms = bad.proposal
    pattern = tuple(zip((100,) * 9, on_off_ms[::2], (*on_off_ms[1::2], 0), strict=False))

    assert bad.cues == ("hold_start", "hold_end")
    assert not [
        one
        for one in lint(with_pattern(vocab.HOLD_END, pattern))
        if one.level is Level.ERROR or "hold_end" in one.cues[:1]
    ]


def test_nothing_is_proposed_where_nothing_is_left() -> None:
    taken = [((100, 200, 400),) * count for count in range(1, 6)]

    assert propose(taken, PINETIME) == ()
    assert propose(taken[:3], PINETIME) != ()


@given(PULSES, PULSES, PULSES)
def test_the_distance_is_a_distance(one: Pattern, other: Pattern, third: Pattern) -> None:
    assert distance(one, one) == 0
    assert distance(one, other) == distance(other, one)
    assert distance(one, third) <= distance(one, other) + distance(other, third) + 1e-9


def test_pairs_are_in_the_order_of_their_distance() -> None:
    pairs = nearest_pairs(vocabulary())

    assert len(pairs) == len(list(combinations(vocab.CUES, 2)))
    assert pairs == sorted(pairs)
    assert pairs[0][1:] == ("countdown", "halfway")


def test_a_proposed_set_has_no_pair_that_is_confused() -> None:
    counted = propose_set(9, PINETIME)
    # It can only count, and five buzzes of 200 ms with 400 ms between them are too long for a cue.
    assert sorted(len(one) // 2 + 1 for one in counted) == [1, 2, 3, 4]

    for count in range(2, 10):
        found = propose_set(count)
        assert len(set(found)) == count
        for on_off_ms in found:
            others = [_pattern(one) for one in found if one != on_off_ms]
            assert min(distance(_pattern(on_off_ms), other) for other in others) >= 2


def _pattern(on_off_ms: tuple[int, ...]) -> Pattern:
    return tuple((100, on_ms, 150) for on_ms in on_off_ms[::2])
