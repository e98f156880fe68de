# SPDX-License-Identifier: MIT
"""Plans that play cues by themselves, to learn them and to be asked about them.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.routines.compile import CompiledPlan
from tenuto.routines.haptics import Vocabulary
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, PlanError, Step
from tenuto_core.vocab import ATTENTION, CUES, DONE, READY

from .quiz import ANSWER_MS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

AFTER_MS = 500
"""Between the end of a cue and the end of its session."""

STRENGTH_BUZZ_MS = 300
FELT_MS_MAX = 2_000
"""From a buzz to the press of somebody who felt it."""
LESSON_EVERY_MS = 4_000
TRIALS_MAX = 250
"""So many steps a plan has room for."""


def cue_plan(vocabulary: Vocabulary, cue: str) -> CompiledPlan:
    """Return a plan that plays one cue at once, and ends.

    It has no hold, so it counts for no streak and no week.

    Raises:
        InputError: The cue is silent.
    """
    number = CUES.index(cue)
    if not vocabulary.patterns[number]:
        raise InputError(f"{cue} is silent on this wearable: there is nothing to play")
    lasts_ms = vocabulary.length_ms(number) + AFTER_MS
    return _plan(f"cue {cue}", vocabulary, [(lasts_ms, [(0, number)])])


def quiz_plan(vocabulary: Vocabulary, order: Sequence[str], gaps_ms: Sequence[int]) -> CompiledPlan:
    """Return a plan that plays the cues of a quiz, each with time for an answer and a gap.

    The wearable's own clock plays it, so the time of an answer does not contain the link's.

    Args:
        vocabulary: As the motor plays it.
        order: The names of the cues.
        gaps_ms: Before each of them.

    Raises:
        InputError: A cue is silent, or there are more than a plan has room for.
    """
    steps = []
    for cue, gap_ms in zip(order, gaps_ms, strict=True):
        number = CUES.index(cue)
        if not vocabulary.patterns[number]:
            raise InputError(f"{cue} is silent on this wearable: leave it out of the quiz")
        steps.append((gap_ms + ANSWER_MS_MAX, [(gap_ms, number)]))
    return _plan("cue quiz", vocabulary, steps)


def lesson_plan(vocabulary: Vocabulary, order: Sequence[str], every_ms: int) -> CompiledPlan:
    """Return a plan that plays cues one after the other, so many ms apart.

    Raises:
        InputError: There are more than a plan has room for.
    """
    steps = [(every_ms, [(every_ms // 2, CUES.index(cue))]) for cue in order]
    return _plan("cue lesson", vocabulary, steps)


def strength_plan(strength_pct: int, wait_ms: int) -> CompiledPlan:
    """Return a plan of one trial of strength: a wait, then one buzz or none, and time to answer.

    Args:
        strength_pct: 0 for an empty trial.
        wait_ms: Before the buzz.
    """
    pattern = ((strength_pct, STRENGTH_BUZZ_MS, 0),) if strength_pct else ()
    vocabulary = Vocabulary(patterns=(pattern,) * len(CUES))
    cues = [(wait_ms, ATTENTION)] if strength_pct else []
    return _plan("cue strength", vocabulary, [(wait_ms + FELT_MS_MAX, cues)])


def _plan(
    name: str, vocabulary: Vocabulary, steps: Sequence[tuple[int, list[tuple[int, int]]]]
) -> CompiledPlan:
    made = [
        Step(READY, duration_ms, [(at_ms, False, cue) for at_ms, cue in cues])
        for duration_ms, cues in steps
    ]
    try:
        data = encode(name, (), [*made, Step(DONE, 0)], vocabulary.patterns)
    except PlanError as error:
        raise InputError(f"these cues cannot be played: {error}") from None
    return CompiledPlan(data, Plan(data))
