# SPDX-License-Identifier: MIT
"""A session told: what was held when, what was felt, and where it stood still.  Pure.

An outline is what reports on many sessions need of each, without the single heart beats; it is
small enough to be kept beside the records, see `outlines`. An account is the same in full: exports,
the report on one session and the score in the terminal read it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, NamedTuple

from tenuto.sessions import events, heart
from tenuto.sessions.places import count_words, places

from .summary import Summary, electrode_intervals, length_ms, replay, samples, summarize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenuto.routines.exercise import Exercise
    from tenuto.sessions.events import Event
    from tenuto_core.plan import Plan

    from .rows import ExerciseNote, SessionRow, StoredSession


CURVE_COLUMNS = 300
"""The heart rate of an outline is as fine as a picture that has so many columns for a session."""


class Phase(NamedTuple):
    """One step as it was gone through; times in ms since the session began.

    Attributes:
        number: Number of the step in the plan.
        reps, sets: Of how many in its set and side, and in the exercise; 0 where not known.
        phase: The part of the repetition, None where it has no parts.
        held_ms: Time in it without pauses.
        outcome: One of `vocab.STEP_OUTCOMES`, None while it is not known to have ended.
        is_open: Whether it is an open hold.
        rate: The heart rate in it, of holds; None where none was known.
    """

    number: int
    kind: str
    exercise: str | None
    side: str | None
    rep: int
    from_ms: int
    to_ms: int
    planned_ms: int
    held_ms: int
    outcome: str | None
    reps: int = 0
    set_no: int = 0
    sets: int = 0
    phase: str | None = None
    is_open: bool = False
    rate: heart.Rate | None = None

    @property
    def is_hold(self) -> bool:
        """Whether it is a hold."""
        return self.kind == events.HOLD

    @property
    def place(self) -> str:
        """The exercise with set, side and repetition, for people."""
        name = self.exercise or "an exercise whose name is not known"
        words = ", ".join([name, *count_words(self)])
        return f"{words}: {self.phase}" if self.phase else words


class Span(NamedTuple):
    """A stretch of time, ms since the session began."""

    from_ms: int
    to_ms: int


class Cue(NamedTuple):
    """A cue as it was felt."""

    t_ms: int
    cue: str
    late_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A session as reports on many of them tell it.

    Attributes:
        exercises: What is known of each exercise, by its name.
        plan_title: What the plan calls itself; None where it says nothing, or is not known.
        away: While the link was lost.
        cues: Those that were felt, as far as that is known.
        curve: The heart rate in unbroken lines, as fine as `CURVE_COLUMNS` show it.
        artefacts: When intervals came that count for nothing; None where no intervals are known to
            come from electrodes.
    """

    row: SessionRow
    exercises: Mapping[str, ExerciseNote | Exercise]
    plan_title: str | None
    summary: Summary
    phases: tuple[Phase, ...]
    pauses: tuple[Span, ...]
    away: tuple[Span, ...]
    cues: tuple[Cue, ...]
    curve: tuple[tuple[heart.Sample, ...], ...]
    artefacts: tuple[int, ...] | None

    @property
    def duration_ms(self) -> int:
        """From the start to the end, or to the last event so far."""
        return self.summary.duration_ms

    @property
    def holds(self) -> tuple[Phase, ...]:
        """The holds, one that was done again each time."""
        return tuple(phase for phase in self.phases if phase.is_hold)

    @property
    def title(self) -> str:
        """What people call the routine: its title, or its name where the plan has none."""
        name = self.row.routine or self.summary.routine
        return self.plan_title or name or "a routine whose name is not known"

    @property
    def exercise_names(self) -> tuple[str | None, ...]:
        """The exercises in the order in which they were first held; None for one not known."""
        return tuple(dict.fromkeys(hold.exercise for hold in self.holds))

    def paused_ms(self, span: Phase | Span) -> int:
        """Return how long a part of the session was paused."""
        return sum(
            max(0, min(pause.to_ms, span.to_ms) - max(pause.from_ms, span.from_ms))
            for pause in self.pauses
        )

    def utc_ms(self, t_ms: int) -> int:
        """Return the moment of a session time, ms since 1970."""
        return self.row.started_utc_ms + t_ms

    def kind(self, hold: Phase) -> str | None:
        """Return the kind of a hold's exercise, one of `routine.KINDS`; None if not known."""
        note = self.exercises.get(hold.exercise or "")
        return None if note is None else note.kind

    def muscles(self, hold: Phase) -> tuple[str, ...]:
        """Return the muscles that a hold is for, as far as they are known."""
        note = self.exercises.get(hold.exercise or "")
        return () if note is None else note.muscles

    def muscle_ms(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Return for how long each muscle was held, left and right, by the kind of exercise.

        A hold of both sides counts for both.
        """
        total: dict[str, dict[str, tuple[int, int]]] = {}
        for hold in self.holds:
            left_ms = 0 if hold.side == "right" else hold.held_ms
            right_ms = 0 if hold.side == "left" else hold.held_ms
            for muscle in self.muscles(hold):
                of_kind = total.setdefault(self.kind(hold) or "", {})
                before = of_kind.get(muscle, (0, 0))
                of_kind[muscle] = (before[0] + left_ms, before[1] + right_ms)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Outline):
    """A session told in full.

    Attributes:
        happened: The events with their time in ms since 1970.
        waits: While it waited for a press or for the heart.
        intervals: RR in ms that are known to come from electrodes, with the time they came at.
    """

    plan: Plan | None
    happened: tuple[tuple[Event, int], ...]
    waits: tuple[Span, ...]
    samples: tuple[heart.Sample, ...]
    intervals: tuple[tuple[int, tuple[float, ...]], ...]

    def rate(self, span: Phase | Span) -> heart.Rate | None:
        """Return the heart rate during a part of the session; None where none was known."""
        return _rate(self.samples, span)

    @property
    def outline(self) -> Outline:
        """The same without what only an account has."""
        return Outline(**{field.name: getattr(self, field.name) for field in fields(Outline)})


def with_known(outline: Outline, known: Mapping[str, Exercise]) -> Outline:
    """Return an outline with exercises by their names, for what the history does not know."""
    return replace(outline, exercises={**known, **outline.exercises})


def account(
    session: StoredSession, known: Mapping[str, ExerciseNote | Exercise] | None = None
) -> Account:
    """Tell a stored session.

    Args:
        known: Exercises by their names, for what the history itself does not know.
    """
    happened = replay(session)
    told = [event for event, _ in happened]
    end_ms = length_ms(told)
    started = next((e for e in told if isinstance(e, events.SessionStarted)), None)
    plan = started.plan if started else None
    beats = tuple(samples(told))
    intervals = tuple(electrode_intervals(told))
    column_ms = max(1.0, end_ms / CURVE_COLUMNS)
    return Account(
        row=session.row,
        plan=plan,
        plan_title=None if plan is None else plan.title,
        happened=tuple(happened),
        summary=summarize(told),
        phases=tuple(_told_more(phase, plan, beats) for phase in _phases(told, end_ms)),
        pauses=_spans(told, events.Paused, (events.Resumed,), end_ms),
        waits=_spans(told, events.Waiting, (events.StepEnded, events.Paused), end_ms),
        away=_spans(told, events.LinkLost, (events.LinkRestored,), end_ms),
        cues=_cues(told),
        curve=tuple(tuple(heart.thinned(line, column_ms)) for line in heart.unbroken(beats)),
        artefacts=tuple(
            one.t_ms for run in heart.runs(intervals) for one in run if not one.is_sound
        )
        if intervals
        else None,
        samples=beats,
        intervals=intervals,
        exercises={**(known or {}), **{note.name: note for note in session.exercises}},
    )


def _told_more(phase: Phase, plan: Plan | None, beats: Sequence[heart.Sample]) -> Phase:
    """Return a hold with what the plan and the heart tell of it."""
    if not phase.is_hold:
        return phase
    is_open = plan is not None and places(plan)[phase.number].is_open
    return phase._replace(is_open=is_open, rate=_rate(beats, phase))


def _rate(beats: Sequence[heart.Sample], span: Phase | Span) -> heart.Rate | None:
    first, last = (bisect_left(beats, t_ms, key=_when) for t_ms in (span.from_ms, span.to_ms))
    return heart.rate(beats[first:last], span.to_ms)


def _when(sample: heart.Sample) -> int:
    return sample.t_ms


def _cues(told: Sequence[Event]) -> tuple[Cue, ...]:
    cues: list[Cue] = []
    for event in told:
        if isinstance(event, events.CueFired):
            cues.append(Cue(event.t_ms, event.cue, event.late_ms))
        elif isinstance(event, events.Unfelt):
            at = next((at for at in reversed(range(len(cues))) if cues[at].cue == event.cue), None)
            if at is not None:
                del cues[at]
    return tuple(cues)


def _phases(told: Sequence[Event], end_ms: int) -> list[Phase]:
    phases: list[Phase] = []
    begun: events.StepStarted | None = None
    for event in told:
        if isinstance(event, events.StepStarted):
            if begun is not None:  # its end is among the records that were lost
                phases.append(_phase(begun, event.t_ms, None))
            begun = event
        elif isinstance(event, events.StepEnded):
            if begun is None or begun.step != event.step:
                phases.append(_phase(event, event.t_ms, event))
            else:
                phases.append(_phase(begun, event.t_ms, event))
            begun = None
    if begun is not None:
        phases.append(_phase(begun, end_ms, None))
    return phases


def _phase(begun: events.StepEvent, to_ms: int, ended: events.StepEnded | None) -> Phase:
    from_ms = begun.t_ms
    if begun is ended:  # its beginning was lost
        from_ms = max(0, to_ms - ended.elapsed_ms)
    return Phase(
        number=begun.step,
        kind=begun.kind,
        exercise=begun.exercise,
        side=begun.side,
        rep=begun.rep,
        from_ms=from_ms,
        to_ms=to_ms,
        planned_ms=ended.duration_ms if ended else begun.duration_ms,
        held_ms=ended.elapsed_ms if ended else 0,
        outcome=ended.outcome if ended else None,
        reps=begun.reps,
        set_no=begun.set_no,
        sets=begun.sets,
        phase=begun.phase,
    )


def _spans(
    told: Sequence[Event],
    begins: type[Event],
    ends: tuple[type[Event], ...],
    end_ms: int,
) -> tuple[Span, ...]:
    spans: list[Span] = []
    from_ms: int | None = None
    for event in told:
        if isinstance(event, begins):
            from_ms = event.t_ms if from_ms is None else from_ms
        elif from_ms is not None and isinstance(event, (*ends, events.SessionEnded)):
            spans.append(Span(from_ms, event.t_ms))
            from_ms = None
        if isinstance(event, events.SessionEnded):
            break  # what the host noticed afterwards is not of the session
    if from_ms is not None:
        spans.append(Span(from_ms, end_ms))
    return tuple(spans)
