# SPDX-License-Identifier: MIT
"""Simulated people are like people, and the quiz says of them what is true."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import mean
from typing import TYPE_CHECKING

import pytest

from tenuto.cues.lint import propose_set
from tenuto.cues.quiz import CORE, Quiz, order
from tenuto.cues.scores import bits
from tenuto.routines.feel import Feel, fit
from tenuto.routines.haptics import PatternRule
from tenuto.simulator.perception import Perceiver
from tenuto_core.vocab import CUES
from tests.sample_routines import vocabulary

if TYPE_CHECKING:
    from tenuto.routines.haptics import Pattern

PEOPLE = 1_000
PATTERNS = {cue: vocabulary().patterns[CUES.index(cue)] for cue in CORE}


def right(person: Perceiver, trials: int = 0) -> float:
    return mean(person.takes_for(cue, PATTERNS, trials)[cue] for cue in CORE)


def people(count: int) -> list[Perceiver]:
    rng = random.Random(20)
    return [Perceiver.some(rng) for _ in range(count)]


def test_they_tell_five_cues_apart_as_people_do() -> None:
    # Published: 82 % without practice, 91 % after 60 trials.
    everybody = people(PEOPLE)

    assert mean(map(right, everybody)) == pytest.approx(0.82, abs=0.02)
    assert mean(right(person, 60) for person in everybody) == pytest.approx(0.91, abs=0.02)
    assert mean(right(person.moving()) for person in everybody) < mean(map(right, everybody))


def test_the_quiz_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered, bounded = random.Random(50), 0, 0
    for person in people(PEOPLE):
        quiz, now_ms = Quiz(CORE), 0
        for cue in order(CORE, 50, rng):
            quiz.cue(cue, now_ms)
            answer, took_ms = person.answer(cue, PATTERNS, rng)
            if answer is not None:
                quiz.answer(answer, now_ms + took_ms)
            now_ms += 10_000
        score, truth = quiz.score(), right(person)
        low, high = score.right.interval
        covered += low <= truth <= high
        bounded += score.bits_at_least <= bits(truth, len(CORE))

    assert 0.93 <= covered / PEOPLE <= 0.97
    assert bounded / PEOPLE >= 0.95


@pytest.mark.parametrize("threshold_pct", [10.0, 60.0])
def test_a_threshold_is_where_most_is_felt(threshold_pct: float) -> None:
    person = replace(Perceiver(), threshold_pct=threshold_pct, lapse=0.0, false_alarm=0.0)

    assert person.feels(0) == 0
    assert person.feels(threshold_pct) == pytest.approx(0.632, abs=0.001)
    assert person.feels(3 * threshold_pct) > 0.99


def test_a_cue_too_weak_for_somebody_is_missed_not_confused() -> None:
    numb = replace(Perceiver(), threshold_pct=1_000.0, false_alarm=0.0)

    assert sum(numb.takes_for("hold_end", PATTERNS).values()) < 0.01


def test_proposed_cues_beat_the_shipped_ones_on_a_weak_motor() -> None:
    # For people who confuse by the distance that the proposal goes by; others, the quiz measures.
    tag = Feel(title="tag", strengths=1, pulse_ms_min=100, gap_ms=200)
    shipped = fit(vocabulary(), tag)
    present = {cue: shipped.patterns[CUES.index(cue)] for cue in CORE}
    proposed = {
        str(number): tag.pattern(PatternRule().read(list(on_off_ms)))
        for number, on_off_ms in enumerate(propose_set(len(CORE), tag))
    }

    def information(person: Perceiver, patterns: dict[str, Pattern]) -> float:
        share = mean(person.takes_for(cue, patterns)[cue] for cue in patterns)
        return bits(share, len(patterns))

    gains = [information(one, proposed) - information(one, present) for one in people(200)]
    assert mean(gains) >= 0.2
    assert min(gains) >= 0
