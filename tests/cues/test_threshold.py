# SPDX-License-Identifier: MIT
from __future__ import annotations

import math
import random
from statistics import mean

import pytest

from tenuto.cues.threshold import MOVING, RESTING, TRIALS, Estimate, Threshold, empty_trials
from tenuto.simulator.perception import Perceiver

PEOPLE = 1_000


def measured(person: Perceiver, rng: random.Random) -> Threshold:
    threshold = Threshold()
    for is_empty in empty_trials(TRIALS, rng):
        strength_pct = 0 if is_empty else threshold.next_pct
        threshold.take(strength_pct, felt=rng.random() < person.feels(strength_pct))
    return threshold


def test_one_of_each_five_trials_is_empty() -> None:
    found = list(empty_trials(30, random.Random(3)))

    assert [sum(found[at : at + 5]) for at in range(0, 30, 5)] == [1] * 6


def test_the_error_is_what_is_said_and_the_advice_makes_nobody_worse() -> None:
    rng = random.Random(30)
    errors, covered, shown, least = [], 0, 0, 0.0
    for _ in range(PEOPLE):
        person = Perceiver.some(rng)
        found = measured(person, rng).estimate()
        if found is None:
            continue
        shown += 1
        errors.append(math.log(found.pct / person.threshold_pct))
        covered += found.low_pct <= person.threshold_pct <= found.high_pct
        advised = found.advised_pct(RESTING)
        least = min(least, person.feels(advised or 100) - person.feels(100))

    # Whoever follows the advice feels as much as at full strength, but for one cue in twenty.
    assert least >= -0.05
    assert shown >= 0.95 * PEOPLE
    assert math.sqrt(mean(error**2 for error in errors)) == pytest.approx(0.10, abs=0.02)
    assert covered / shown >= 0.93


def test_who_feels_what_is_not_there_has_no_threshold() -> None:
    threshold = Threshold()
    for strength_pct, felt in ((20, True), (0, True), (0, False), (0, False), (0, True)):
        threshold.take(strength_pct, felt=felt)

    assert not threshold.is_reliable
    assert threshold.estimate() is None


def test_who_feels_nothing_is_told_that_the_motor_is_too_weak() -> None:
    threshold = Threshold()
    for _ in range(TRIALS):
        threshold.take(threshold.next_pct, felt=False)
    found = threshold.estimate()

    assert found is not None
    assert found.pct > 100
    assert found.advised_pct(RESTING) is None


def test_the_advice_is_never_above_the_motor() -> None:
    assert Estimate(25.0, 20.0, 30.0).advised_pct(RESTING) == 60
    assert Estimate(25.0, 20.0, 30.0).advised_pct(MOVING) == 90
    assert Estimate(25.0, 20.0, 34.0).advised_pct(MOVING) is None
