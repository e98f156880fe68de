# SPDX-License-Identifier: MIT
"""What a session looks like now: the one reading of the events for the screen and for MQTT.

Pure. What is not known is None, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tenuto.sessions import events

from .places import holds_in, places, steps

if TYPE_CHECKING:
    from tenuto_core.plan import Plan


class State(StrEnum):
    """What the session does."""

    IDLE = "idle"
    """No session was seen yet."""
    PLAYING = "playing"
    """A step runs."""
    WAITING = "waiting"
    """A step's time is over and it waits for the wearer or for their heart."""
    PAUSED = "paused"
    """It was paused and stands still."""
    ENDED = "ended"
    """It is over; `reason` says how."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time on both clocks: ms since the session began, and ms since 1970 in UTC."""

    t_ms: int
    utc_ms: int

    def later(self, by_ms: int) -> Moment:
        """Return the moment `by_ms` after this one."""
        return Moment(self.t_ms + by_ms, self.utc_ms + by_ms)


@dataclass(slots=True)
class SessionView:
    """The present of the session of one wearable; `apply` moves it on.

    With the link gone these are the last words that came; `step_ends` and `session_ends` are None
    then, for the wearer may have paused.
    """

    state: State = State.IDLE
    routine: str | None = None
    title: str | None = None
    """What people are shown for the routine."""
    plan_id: str | None = None
    started: Moment | None = None
    """When the session began."""
    step: int | None = None
    """Counted from 0."""
    steps: int | None = None
    """How many the plan has."""
    kind: str | None = None
    """One of `vocab.STEP_KINDS`."""
    exercise: str | None = None
    """The exercise that is held, or that this step leads to."""
    side: str | None = None
    """`left`, `right`, or None for both and for not known."""
    rep: int | None = None
    """Counted from 1."""
    reps: int | None = None
    """Of how many in this set and side."""
    set_no: int | None = None
    """Counted from 1."""
    sets: int | None = None
    """Of how many."""
    phase: str | None = None
    """The part of the repetition, None where it has no parts."""
    is_open: bool = False
    """Whether the step is a hold that a press ends; `step_duration_ms` is its longest time then."""
    hold: int | None = None
    """Which of the plan's holds this step is or leads to, counted from 1; the phases of one
    repetition are one hold."""
    holds: int | None = None
    """Of how many."""
    next_exercise: str | None = None
    """The exercise of the hold that comes after this one."""
    next_side: str | None = None
    waits_for: str | None = None
    """`press` or `heart` while the session waits."""
    step_started: Moment | None = None
    step_duration_ms: int | None = None
    """With its extensions, without its pauses."""
    paused: Moment | None = None
    """When the pause began that goes on."""
    last_cue: str | None = None
    last_cue_at: Moment | None = None
    cues: int = 0
    """How many were due so far, silent ones left out where the plan is known."""
    unfelt: int = 0
    """How many of them the device did not take."""
    bpm: int | None = None
    bpm_at: Moment | None = None
    link_ok: bool = True
    """False from `link_lost` to `link_restored`."""
    reason: str | None = None
    """One of `vocab.END_REASONS` once it has ended."""
    ended: Moment | None = None
    records_lost: int = 0
    """Records of this session that the host could not get."""

    _plan: Plan | None = None
    _step_end: Moment | None = None
    """When the step's time is over if nobody intervenes, pauses so far included."""
    _rest_ms: int | None = None
    """From the end of this step to the end of the session; None if not known."""

    @property
    def plan(self) -> Plan | None:
        """The plan that is played, where the host knows it."""
        return self._plan

    @property
    def step_ends(self) -> Moment | None:
        """When this step ends, if nobody intervenes; None while that is open."""
        runs = self.state is State.PLAYING and self.link_ok
        if not runs or self.step is None or self._waits_in(self.step):
            return None
        return self._step_end

    @property
    def session_ends(self) -> Moment | None:
        """When the session ends, if nobody intervenes.

        None while that is open: paused, waiting, link lost, plan not known, or a step that is
        still to come waits for the wearer or for their heart.
        """
        step_ends = self.step_ends
        if step_ends is None or self._rest_ms is None:
            return None
        return step_ends.later(self._rest_ms)

    def elapsed_ms(self, now_utc_ms: int) -> int | None:
        """Time over in this step, without pauses, at most `step_duration_ms`.

        None while that is open: no step runs, link lost, or records lost since the step began.
        """
        if self._step_end is None or self.step_duration_ms is None or not self.link_ok:
            return None
        until_utc_ms = now_utc_ms if self.paused is None else self.paused.utc_ms
        elapsed_ms = self.step_duration_ms - (self._step_end.utc_ms - until_utc_ms)
        return min(max(0, elapsed_ms), self.step_duration_ms)

    def left_ms(self, now_utc_ms: int) -> int | None:
        """Time left in this step, if nobody intervenes; see `elapsed_ms`.

        None in an open hold, where that is for the wearer to say.
        """
        elapsed_ms = self.elapsed_ms(now_utc_ms)
        if elapsed_ms is None or self.step_duration_ms is None or self.is_open:
            return None
        return self.step_duration_ms - elapsed_ms

    def apply(self, event: events.Event, utc_ms: int) -> None:  # noqa: C901, PLR0912 - one case an event
        """Take the next event of the session, or the first one of the next session.

        Args:
            utc_ms: When it happened, in ms since 1970.
        """
        now = Moment(event.t_ms, utc_ms)
        match event:
            case events.SessionStarted():
                self._start(event, now)
            case events.StepStarted():
                self._start_step(event, now)
            case events.CueFired():
                self.last_cue, self.last_cue_at = event.cue, now
                self.cues += events.pattern_of(self._plan, event.cue) != ()
            case events.Unfelt():
                self.unfelt += 1
            case events.Paused():
                self.state = State.PAUSED
                self.paused = now
            case events.Resumed():
                self.state = State.WAITING if self.waits_for else State.PLAYING
                self.paused = None
                self._shift_end(event.paused_ms)
            case events.Extended():
                self.step_duration_ms = event.duration_ms
                self._shift_end(event.by_ms)
            case events.Waiting():
                self.state = State.WAITING
                self.waits_for = event.waits_for
            case events.HeartBeat():
                self.bpm, self.bpm_at = event.bpm, now
            case events.LinkLost():
                self.link_ok = False
            case events.LinkRestored():
                self.link_ok = True
            case events.RecordsLost():
                self.records_lost += event.count
                self._step_end = None  # a pause may be among them
            case events.SessionEnded():
                self._end(event, now)
            case _:  # step_ended, skipped, went_back: the step that follows says it all
                pass

    def _start(self, event: events.SessionStarted, now: Moment) -> None:
        fresh = SessionView(
            state=State.PLAYING,
            routine=event.routine,
            title=event.routine if event.plan is None else event.plan.title or event.routine,
            plan_id=event.plan_id,
            started=now,
            link_ok=self.link_ok,
            _plan=event.plan,
        )
        if event.plan is not None:
            fresh.steps = event.plan.steps
            fresh.holds = holds_in(event.plan)
        self._become(fresh)

    def _start_step(self, event: events.StepStarted, now: Moment) -> None:
        self.state = State.PLAYING
        self.waits_for = None
        self.paused = None
        self.step = event.step
        self.kind = event.kind
        self.exercise = event.exercise
        self.side = event.side
        self.rep = event.rep or None
        self.step_started = now
        self.step_duration_ms = event.duration_ms
        self._step_end = now.later(event.duration_ms)
        self.reps, self.set_no, self.sets = (
            event.reps or None,
            event.set_no or None,
            event.sets or None,
        )
        self.phase = event.phase
        self.is_open = False
        self.hold = self.next_exercise = self.next_side = self._rest_ms = None
        if self._plan is not None and event.step < self._plan.steps:
            self._look_ahead(self._plan, event.step)

    def _look_ahead(self, plan: Plan, present: int) -> None:
        known = places(plan)
        self.hold, self.is_open = known[present].hold, known[present].is_open
        for place in known[present + 1 :]:
            if place.hold is not None and place.hold != self.hold:
                self.next_exercise, self.next_side = place.exercise, place.side
                break
        if not any(self._waits_in(number) for number in range(present, len(known))):
            self._rest_ms = sum(step.duration_ms for step in steps(plan)[present + 1 :])

    def _end(self, event: events.SessionEnded, now: Moment) -> None:
        self._become(
            SessionView(
                state=State.ENDED,
                routine=self.routine,
                title=self.title,
                plan_id=self.plan_id,
                started=self.started,
                steps=self.steps,
                holds=self.holds,
                last_cue=self.last_cue,
                last_cue_at=self.last_cue_at,
                cues=self.cues,
                unfelt=self.unfelt,
                bpm=self.bpm,
                bpm_at=self.bpm_at,
                link_ok=self.link_ok,
                reason=event.reason,
                ended=now,
                records_lost=self.records_lost,
                _plan=self._plan,
            )
        )

    def _become(self, other: SessionView) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def _shift_end(self, by_ms: int) -> None:
        if self._step_end is not None:
            self._step_end = self._step_end.later(by_ms)

    def _waits_in(self, number: int) -> bool:
        """Return whether a step has no end of its own, as far as the plan is known."""
        if self._plan is None or number >= self._plan.steps:
            return False
        step = steps(self._plan)[number]
        return bool(step.self_paced or step.gate_bpm or step.is_open)
