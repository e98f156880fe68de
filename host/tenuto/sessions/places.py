# SPDX-License-Identifier: MIT
"""Where in its routine a step is, by the names of the plan.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from tenuto_core import vocab

if TYPE_CHECKING:
    from tenuto_core.plan import Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a step is, or for a step that leads to a hold, what that hold is.

    Attributes:
        kind: One of `vocab.STEP_KINDS`.
        side: `left`, `right` or None.
        rep, reps: Which repetition of how many in its set and side, from 1; 0 where there is none.
        set_no, sets: Which set of how many.
        phase: The name of the part of the repetition, None where it has no parts.
        hold: Which repetition of the whole plan, counted from 1; None when all are over.
    """

    kind: str = "unknown"
    exercise: str | None = None
    side: str | None = None
    rep: int = 0
    reps: int = 0
    set_no: int = 0
    sets: int = 0
    phase: str | None = None
    is_open: bool = False
    hold: int | None = None


UNKNOWN = Place()


class Counted(Protocol):
    """What has repetitions and sets: a place, an event, a view."""

    @property
    def side(self) -> str | None:
        """`left`, `right` or None."""

    @property
    def rep(self) -> int | None:
        """Counted from 1."""

    @property
    def reps(self) -> int | None:
        """Of how many."""

    @property
    def set_no(self) -> int | None:
        """Counted from 1."""

    @property
    def sets(self) -> int | None:
        """Of how many."""


def count_words(counted: Counted) -> list[str]:
    """Return which set, side and repetition it is, such as `set 2 of 3`, `left`, `1 of 6`.

    What there is only one of is left out.
    """
    words = []
    if counted.set_no and (counted.sets or 0) > 1:
        words.append(f"set {counted.set_no} of {counted.sets}")
    if counted.side:
        words.append(counted.side)
    if counted.rep and (counted.reps or 0) > 1:
        words.append(f"{counted.rep} of {counted.reps}")
    return words


@lru_cache(maxsize=32)
def steps(plan: Plan) -> tuple[Step, ...]:
    """Return the steps of a plan; reading them out of its bytes takes longer than all the rest."""
    return tuple(map(plan.step, range(plan.steps)))


@lru_cache(maxsize=32)
def places(plan: Plan) -> tuple[Place, ...]:
    """Return the place of each step."""
    sets: dict[int, int] = {}
    for step in steps(plan):
        sets[step.exercise] = max(sets.get(step.exercise, 0), step.set_no)
    found = []
    hold, is_hold = 0, False
    last = max((n for n, step in enumerate(steps(plan)) if step.kind == vocab.HOLD), default=-1)
    for number, step in enumerate(steps(plan)):
        # A lead belongs to the hold that it leads to, as do all phases of it.
        was_hold, is_hold = is_hold, step.kind == vocab.HOLD
        if (number == 0 or was_hold) and plan.follows(number) < 2:
            hold += 1
        found.append(
            Place(
                kind=vocab.STEP_KINDS[step.kind],
                exercise=plan.exercise_name(step.exercise),
                side=vocab.SIDES[step.side],
                rep=step.rep,
                reps=step.reps,
                set_no=step.set_no,
                sets=sets[step.exercise],
                phase=plan.phase_name(step.phase),
                is_open=step.is_open,
                hold=hold if number <= last else None,
            )
        )
    return tuple(found)


def holds_in(plan: Plan) -> int:
    """Return how many holds a plan has; the phases of a repetition are one."""
    return max((place.hold or 0 for place in places(plan)), default=0)


def ends_hold(plan: Plan, number: int) -> bool:
    """Return whether a hold is over with step `number`: whether it is the last of its phases."""
    known = places(plan)
    following = number + 1
    return following >= len(known) or known[following].hold != known[number].hold
