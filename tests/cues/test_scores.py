# SPDX-License-Identifier: MIT
from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, strategies as st

from tenuto.cues.quiz import ANSWER_MS_MAX, CORE, Quiz, lesson_order, order
from tenuto.cues.scores import Score, Share, Trial, bits, difference, wilson
from tenuto.cues.trials import quiz_plan
from tenuto.errors import InputError
from tenuto_core import vocab
from tests.sample_routines import vocabulary


@pytest.mark.parametrize(
    "count,total,text",
    [
        # The figures of Wilson's interval as published calculators give them.
        (45, 50, "45 of 50: 90 % [79, 96]"),
        (48, 50, "48 of 50: 96 % [87, 99]"),
        (23, 25, "23 of 25: 92 % [75, 98]"),
        (0, 0, "none yet"),
    ],
)
def test_a_percentage_never_stands_without_its_interval(count: int, total: int, text: str) -> None:
    assert str(Share(count, total)) == text


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_where_the_score_test_says_no(drawn: tuple[int, int]) -> None:
    count, total = drawn
    low, high = wilson(count, total)

    assert 0 <= low <= count / total <= high <= 1
    assert (low == 0, high == 1) == (count == 0, count == total)
    for bound in (low, high):
        if 0 < bound < 1:
            score = (count / total - bound) / math.sqrt(bound * (1 - bound) / total)
            assert abs(score) == pytest.approx(1.959964, rel=1e-4)


def test_bits_are_those_of_a_symmetric_channel() -> None:
    assert bits(1.0, 4) == 2.0
    assert bits(0.2, 5) == bits(0.1, 5) == 0.0
    assert bits(0.9, 5) == pytest.approx(1.65, abs=0.005)
    assert bits(wilson(45, 50)[0], 5) == pytest.approx(1.14, abs=0.01)


def test_a_score_tells_misses_from_confusions() -> None:
    score = Score(
        ("a", "b", "c"),
        (
            Trial("a", "a", 900),
            Trial("b", "c", 800),
            Trial("c", None),
            Trial("c", "b", 700),
            Trial("a", "a", 1_100),
            Trial("b", "a", 100),
        ),
    )

    assert (score.right.count, score.missed.count, score.right.total) == (2, 1, 6)
    assert score.answer_ms == 1_000
    assert score.most_confused == ("b", "c", 2)
    assert score.matrix["c", None] == 1
    assert [block.count for block in score.blocks] == [1, 1]
    assert score.bits_at_least == 0.0


@given(st.integers(0, 2**32), st.integers(2, 9), st.integers(0, 60))
def test_each_cue_comes_once_in_a_block_and_none_twice_running(
    seed: int, cues: int, count: int
) -> None:
    names = [str(number) for number in range(cues)]

    found = list(order(names, count, random.Random(seed)))

    assert len(found) == count
    assert all(one != other for one, other in itertools.pairwise(found))
    for at in range(0, count - cues + 1, cues):
        assert sorted(found[at : at + cues]) == sorted(names)


def test_an_answer_counts_once_and_in_time() -> None:
    quiz = Quiz(("a", "b"))

    assert not quiz.answer("a", 0)
    quiz.cue("a", 1_000)
    quiz.cue("other", 1_100)
    assert not quiz.answer("a", 999)
    assert quiz.answer("b", 1_500)
    assert not quiz.answer("a", 1_600)
    quiz.cue("b", 10_000)
    assert not quiz.answer("b", 10_001 + ANSWER_MS_MAX)
    quiz.cue("a", 20_000)
    assert quiz.answer("a", 20_000 + ANSWER_MS_MAX)

    assert quiz.score().trials == (
        Trial("a", "b", 500),
        Trial("b"),
        Trial("a", "a", ANSWER_MS_MAX),
    )


def test_a_cue_that_the_device_did_not_take_says_nothing_about_the_person() -> None:
    quiz = Quiz(("a", "b"))
    quiz.cue("a", 0)
    quiz.answer("b", 10)
    quiz.unfelt("b")
    assert len(quiz.score().trials) == 1
    quiz.unfelt("a")

    assert quiz.score().trials == ()


def test_the_wearable_plays_the_quiz_by_its_own_clock() -> None:
    sequence, gaps = list(order(CORE, 50, random.Random(7))), [2_000, 4_000] * 25
    plan = quiz_plan(vocabulary(), sequence, gaps).plan
    found = list(plan.cues_from(0, 0))

    assert [vocab.CUES[cue] for _, _, cue in found] == sequence
    times = [at_ms for _, at_ms, _ in found]
    for before, at_ms, gap_ms in zip(times, times[1:], gaps[1:], strict=False):
        assert at_ms - before == ANSWER_MS_MAX + gap_ms
    assert not any(plan.step(number).kind == vocab.HOLD for number in range(plan.steps))


def test_a_silent_cue_is_not_asked_about() -> None:
    silent = vocabulary().__class__(patterns=((),) * len(vocab.CUES))

    with pytest.raises(InputError, match="hold_start is silent"):
        quiz_plan(silent, ["hold_start"], [2_000])


def test_a_lesson_leads_from_each_cue_to_the_most_alike() -> None:
    found = lesson_order(("a", "b", "c"), [("a", "x"), ("b", "c"), ("a", "b")])

    assert found == [*"aaabbbccc", *"bcbc", *"abab"]


def test_a_change_has_the_interval_that_is_published() -> None:
    # Newcombe 1998, table II, method 10: 56 of 70 less 48 of 80.
    change, low, high = difference(Share(48, 80), Share(56, 70))

    assert (change, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=0.0001)
    assert difference(Share(0, 0), Share(1, 1)) == (0, -1, 1)
