# SPDX-License-Identifier: MIT
"""Plans that play cues by themselves, to learn them and to be asked about them.  Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.routines.compile import CompiledPlan
from tenuto.routines.haptics import Vocabulary
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, PlanError, Step
from tenuto_core.vocab import ATTENTION, CUES, DONE, HOLD, READY

from .quiz import ANSWER_MS_MAX, PRESS_MS, scan_ms

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
_EXERCISE = "cue\n"
"""Of a hold that a press ends; no routine has a name with a control character."""


@lru_cache(maxsize=32)
def is_trial(plan: Plan | None) -> bool:
    """Return whether a plan only plays cues: it has no exercise that a routine could have."""
    if plan is None:
        return False
    return all(plan.exercise_name(number) == _EXERCISE for number in range(plan.exercises))


def cue_plan(vocabulary: Vocabulary, cue: str) -> CompiledPlan:
    """Return a plan that plays one cue at once, and ends.

    Raises:
        InputError: The cue is silent.
    """
    number = CUES.index(cue)
    if not vocabulary.patterns[number]:
        raise InputError(f"{cue} is silent on this wearable: there is nothing to play")
    lasts_ms = vocabulary.length_ms(number) + AFTER_MS
    return _plan(f"cue {cue}", vocabulary, [_ready(lasts_ms, [(0, number)])])


def quiz_plan(
    vocabulary: Vocabulary,
    order: Sequence[str],
    gaps_ms: Sequence[int],
    *,
    choices: int = 0,
) -> CompiledPlan:
    """Return a plan that plays the cues of a quiz, each with time for an answer and a gap.

    The wearable's own clock plays it, so the time of an answer does not contain the link's.

    Args:
        vocabulary: As the motor plays it.
        order: The names of the cues.
        gaps_ms: Before each of them.
        choices: How many names are shown in turn, of which a press chooses; 0 where no press does.

    Raises:
        InputError: A cue is silent, or there are more than a plan has room for.
    """
    steps: list[Step] = []
    for cue, gap_ms in zip(order, gaps_ms, strict=True):
        number = CUES.index(cue)
        if not vocabulary.patterns[number]:
            raise InputError(f"{cue} is silent on this wearable: leave it out of the quiz")
        if choices:
            steps += [Step(READY, gap_ms), _pressed(scan_ms(choices), [(0, number)])]
        else:
            steps.append(_ready(gap_ms + ANSWER_MS_MAX, [(gap_ms, number)]))
    return _plan("cue quiz", vocabulary, steps)


def lesson_plan(vocabulary: Vocabulary, order: Sequence[str], every_ms: int) -> CompiledPlan:
    """Return a plan that plays cues one after the other, so many ms apart.

    Raises:
        InputError: There are more than a plan has room for.
    """
    steps = [_ready(every_ms, [(every_ms // 2, CUES.index(cue))]) for cue in order]
    return _plan("cue lesson", vocabulary, steps)


def strength_plan(strength_pct: int, wait_ms: int, *, by_button: bool = False) -> CompiledPlan:
    """Return a plan of one trial of strength: a wait, then one buzz or none, and time to answer.

    Args:
        strength_pct: 0 for an empty trial.
        wait_ms: Before the buzz; where there is none, its cue comes all the same, and is silent.
        by_button: Whether a press of the wearable's own button is the answer.
    """
    pattern = ((strength_pct, STRENGTH_BUZZ_MS, 0),) if strength_pct else ()
    vocabulary = Vocabulary(patterns=(pattern,) * len(CUES))
    if by_button:
        steps = [Step(READY, wait_ms), _pressed(FELT_MS_MAX + PRESS_MS, [(0, ATTENTION)])]
    else:
        steps = [_ready(wait_ms + FELT_MS_MAX, [(wait_ms, ATTENTION)])]
    return _plan("cue strength", vocabulary, steps)


def _ready(duration_ms: int, cues: Sequence[tuple[int, int]]) -> Step:
    return Step(READY, duration_ms, [(at_ms, False, cue) for at_ms, cue in cues])


def _pressed(longest_ms: int, cues: Sequence[tuple[int, int]]) -> Step:
    """Return a step that a press ends, by the time of the wearable's own clock."""
    given = [(at_ms, False, cue) for at_ms, cue in cues]
    return Step(HOLD, longest_ms, given, exercise=0, is_open=True)


def _plan(name: str, vocabulary: Vocabulary, steps: Sequence[Step]) -> CompiledPlan:
    exercises = (_EXERCISE,) if any(step.is_open for step in steps) else ()
    try:
        data = encode(name, exercises, [*steps, Step(DONE, 0)], vocabulary.patterns)
    except PlanError as error:
        raise InputError(f"these cues cannot be played: {error}") from None
    return CompiledPlan(data, Plan(data))
