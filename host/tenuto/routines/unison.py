# SPDX-License-Identifier: MIT
"""One plan for several wearables that play it in unison: cut to where one joins, and to its clock.

Pure.  A plan counts in ms of the clock that plays it, and no two crystals agree: 50 ppm are 90 ms
in half an hour, and a hundredth of a second between two people can be felt.  So each wearable gets
its steps as long as they are by its own clock.  A wearable that comes late plays the rest of the
plan, from where an exercise begins: that is a plan like any other, and the player knows no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.sessions.places import steps
from tenuto_core import vocab
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, PlanError, Step

from .compile import CompiledPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CLOCKS_PPM = 1_000
"""How far apart two clocks may be; no clock is followed that is 500 ppm off."""


def lasts_as_long(plan: Plan, other: Plan) -> bool:
    """Return whether two plans have the same steps at the same times, whatever is felt in them."""
    return _told(plan) == _told(other)


def first_step(plan: Plan | None, rest: Plan | None) -> int | None:
    """Return the step of a plan with which another plan begins that is the rest of it.

    Each may be counted by another clock, as `for_clock` does.

    Returns:
        None where it is no rest of it: a plan is none of itself.
    """
    if plan is None or rest is None or plan.name != rest.name:
        return None
    first = plan.steps - rest.steps
    if first <= 0:
        return None
    whole, other = _told(plan)[first:], _told(rest)
    is_rest = all(
        name == other_name and abs(ms - other_ms) <= 1 + max(ms, other_ms) * _CLOCKS_PPM * 1e-6
        for (name, ms), (other_name, other_ms) in zip(whole, other, strict=True)
    )
    return first if is_rest else None


def _told(plan: Plan) -> list[tuple[tuple[object, ...], int]]:
    """Return what each step of a plan is, and how long it takes."""
    return [
        (
            (
                step.kind,
                plan.exercise_name(step.exercise),
                step.side,
                step.rep,
                step.reps,
                step.set_no,
                plan.phase_name(step.phase),
            ),
            step.duration_ms,
        )
        for step in steps(plan)
    ]


def for_clock(compiled: CompiledPlan, ppm: float, first: int = 0) -> CompiledPlan:
    """Return a plan, or the rest of it, as a clock has to count it.

    Each step ends within half a ms of its time: what is rounded off does not add up.

    Args:
        compiled: The whole plan.
        ppm: How much faster than the true time the clock runs.
        first: The step to begin with.
    """
    rest = steps(compiled.plan)[first:]
    try:
        data = _encode(compiled.plan, tuple(_counted(rest, 1 + ppm * 1e-6)))
    except PlanError:
        # It runs the motor as much as is allowed, and would exceed that by a hair.
        data = _encode(compiled.plan, rest)
    return CompiledPlan(data, Plan(data), compiled.routine)


def _counted(steps: Sequence[Step], rate: float) -> Iterator[Step]:
    true_ms = begin = 0
    for step in steps:
        true_ms += step.duration_ms
        end = round(true_ms * rate)
        duration_ms, begin = max(end - begin, 1 if step.kind == vocab.HOLD else 0), end
        yield Step(
            step.kind,
            duration_ms,
            [
                (min(round(offset_ms * rate), duration_ms), from_end, cue)
                for offset_ms, from_end, cue in step.cues
            ],
            exercise=step.exercise,
            side=step.side,
            rep=step.rep,
            reps=step.reps,
            set_no=step.set_no,
            phase=step.phase,
            limit_bpm=step.limit_bpm,
            wait_max_ms=max(step.wait_max_ms, duration_ms) if step.wait_max_ms else 0,
        )


def _encode(plan: Plan, steps: Sequence[Step]) -> bytes:
    return encode(
        plan.name,
        [plan.exercise_name(number) or "" for number in range(plan.exercises)],
        tuple(steps),
        plan.patterns[: plan.cues_known],
        [plan.phase_name(number + 1) or "" for number in range(plan.phases)],
        plan.version,
    )
