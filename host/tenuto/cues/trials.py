# SPDX-License-Identifier: MIT
"""Plans that play cues by themselves, to learn them and to be asked about them.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.routines.compile import CompiledPlan
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, PlanError, Step
from tenuto_core.vocab import CUES, DONE, READY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.routines.haptics import Vocabulary

AFTER_MS = 500
"""Between the end of a cue and the end of its session."""


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
