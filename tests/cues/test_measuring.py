# SPDX-License-Identifier: MIT
"""What counts in a quiz and in a measurement of strength, by what a wearable tells."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tenuto.cues.measuring import AskedQuiz, AskedStrength, Measuring
from tenuto.sessions.events import CueFired, Entry, SessionEnded, SessionKey, Unfelt
from tests.sample_routines import vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenuto.sessions.events import Event

TWO = ("hold_start", "hold_end")
UTC_MS = 1_800_000_000_000


def tell(measuring: Measuring, *events: Event) -> None:
    for event in events:
        key = SessionKey("serial:1", 1, 1)
        measuring.take(Entry(key, "wrist", "ada", event, UTC_MS + event.t_ms))


def buzz(t_ms: int, cue: str = "hold_end") -> CueFired:
    return CueFired(t_ms=t_ms, cue=cue, late_ms=0)


def ended(t_ms: int, reason: str = "stopped") -> SessionEnded:
    return SessionEnded(t_ms=t_ms, reason=reason, source="host")


@pytest.fixture
def quiz() -> AskedQuiz:
    return AskedQuiz(TWO, vocabulary(), 4, random.Random(1))


def right_and_all(quiz: AskedQuiz) -> tuple[int, int]:
    result = quiz.result()
    return (0, 0) if result is None else (result.score.right.count, result.score.right.total)


def test_a_quiz_counts_the_first_answer_to_what_was_felt(quiz: AskedQuiz) -> None:
    tell(quiz, buzz(1_000))
    assert quiz.answer(1, UTC_MS + 1_900)
    assert not quiz.answer(0, UTC_MS + 2_000)
    tell(quiz, buzz(9_000), Unfelt(t_ms=9_010, cue="hold_end"))
    assert right_and_all(quiz) == (1, 1)


def test_the_cue_at_which_a_quiz_was_ended_says_nothing(quiz: AskedQuiz) -> None:
    tell(quiz, buzz(1_000))
    quiz.answer(1, UTC_MS + 1_900)
    tell(quiz, buzz(9_000), ended(9_300))
    assert right_and_all(quiz) == (1, 1)


def test_the_last_cue_of_a_whole_quiz_was_missed_if_nobody_answered(quiz: AskedQuiz) -> None:
    tell(quiz, buzz(1_000), ended(1_500, "finished"))
    assert right_and_all(quiz) == (0, 1)


def test_keys_do_not_answer_where_the_button_does() -> None:
    quiz = AskedQuiz(TWO, vocabulary(), 4, random.Random(1), by_button=True)
    tell(quiz, buzz(1_000))
    assert not any(quiz.answer(1, at_ms) for at_ms in (1_900, UTC_MS + 1_900))


def _trials(strength: AskedStrength) -> Iterator[None]:
    """Yield once for each trial, in the midst of it."""
    for _ in strength.plans():
        yield


def test_what_was_pressed_before_the_buzz_is_no_answer_to_it() -> None:
    strength = AskedStrength(random.Random(1))
    trials = _trials(strength)
    next(trials)
    assert not strength.answer(0, UTC_MS)
    strength._is_felt = True  # as by a press of the button in the time before
    tell(strength, buzz(3_000))
    next(trials)
    tell(strength, buzz(3_000))
    assert strength.answer(0, UTC_MS + 3_400)
    assert not strength.answer(0, UTC_MS + 3_500)
    next(trials)
    result = strength.result()
    assert result is not None
    assert [felt for _, felt in result.trials] == [False, True]


def test_a_buzz_that_the_device_did_not_take_is_tried_again() -> None:
    strength = AskedStrength(random.Random(1))
    trials = _trials(strength)
    next(trials)
    asked_pct = strength.strength_pct
    tell(strength, buzz(3_000), Unfelt(t_ms=3_010, cue="hold_end"))
    next(trials)
    assert (strength.count, strength.strength_pct) == (0, asked_pct)
