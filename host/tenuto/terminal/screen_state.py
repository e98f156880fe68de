# SPDX-License-Identifier: MIT
"""The state of the screen for one session: the view, and what happened so far. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenuto.history.summary import Summary, summarize
from tenuto.sessions import events
from tenuto.sessions.places import places
from tenuto.sessions.view import SessionView, State

if TYPE_CHECKING:
    from tenuto.sessions.events import Entry, Event, SessionKey
    from tenuto_core.plan import Step

CUES_KEPT = 5
BEATS_KEPT = 60
BEAT_FRESH_MS = 5_000
"""A heart rate older than this is shown as old; the player's heart gate uses the same limit."""


@dataclass(frozen=True, slots=True)
class Felt:
    """A cue that was felt, once or several times with no other in between.

    Attributes:
        t_ms: When in the session, the last time.
        phase: The part of the repetition that it is a cue of, None where that has no parts.
        pattern: None where it is not known.
        is_felt: False where the device did not take it.
    """

    t_ms: int
    cue: str
    phase: str | None
    pattern: tuple[tuple[int, int, int], ...] | None
    times: int = 1
    is_felt: bool = True


class ScreenState:
    """What the screen shows of one session.

    Attributes:
        key: The session.
        view: Its view.
        cues: The last cues, newest first.
        beats: The last heart rates, oldest first.
        held: The exercise of the last hold.
        link_lost_utc_ms, wait_ends_utc_ms: None where there is no such time.
    """

    def __init__(self, key: SessionKey) -> None:
        self.key = key
        self.view = SessionView()
        self.cues: deque[Felt] = deque(maxlen=CUES_KEPT)
        self.beats: deque[int] = deque(maxlen=BEATS_KEPT)
        self.held: str | None = None
        self.link_lost_utc_ms: int | None = None
        self.wait_ends_utc_ms: int | None = None
        self._events: list[Event] = []

    def apply(self, entry: Entry) -> None:  # noqa: C901 - one case an event
        """Take the session's next entry."""
        event = entry.event
        self.view.apply(event, entry.utc_ms)
        self._events.append(event)
        match event:
            case events.StepStarted():
                self.wait_ends_utc_ms = None
            case events.StepEnded():
                if event.kind == events.HOLD:
                    self.held = event.exercise
                self.wait_ends_utc_ms = None
            case events.Resumed():
                if self.wait_ends_utc_ms is not None:
                    self.wait_ends_utc_ms += event.paused_ms
            case events.Waiting():
                self.wait_ends_utc_ms = entry.utc_ms + event.max_ms
            case events.CueFired():
                self._feel(event)
            case events.Unfelt():
                self._take_back(event)
            case events.HeartBeat():
                self.beats.append(event.bpm)
            case events.LinkLost():
                self.link_lost_utc_ms = entry.utc_ms
            case events.LinkRestored():
                self.link_lost_utc_ms = None
            case _:
                pass

    @property
    def plan_step(self) -> Step | None:
        """The present step as the plan has it, where that is known."""
        plan, number = self.view.plan, self.view.step
        if plan is None or number is None or number >= plan.steps:
            return None
        return plan.step(number)

    @property
    def gate_bpm(self) -> int:
        """The heart rate that the present step waits for, 0 if none or not known."""
        step = self.plan_step
        return 0 if step is None else int(step.gate_bpm)

    @property
    def limit_bpm(self) -> int:
        """The heart limit of the present step in bpm, 0 if none or not known."""
        step = self.plan_step
        return 0 if step is None else int(step.limit_bpm)

    @property
    def is_only_limited(self) -> bool:
        """Whether the present step waits only for the heart rate to fall below its limit."""
        return bool(self.limit_bpm) and not self.gate_bpm

    def done_share(self, now_ms: int) -> float | None:
        """Return which share of the holds is done, from 0 to 1; None if it is not known."""
        view = self.view
        if not view.holds:
            return None
        if view.hold is None:
            over = view.state is State.ENDED or view.kind == events.DONE
            return 1.0 if over else None
        share = 0.0
        if view.kind == events.HOLD and view.step_duration_ms:
            share = (view.elapsed_ms(now_ms) or 0) / view.step_duration_ms
        if view.phase is not None and view.plan is not None and view.step is not None:
            parts = [n for n, place in enumerate(places(view.plan)) if place.hold == view.hold]
            holds = [n for n in parts if places(view.plan)[n].phase is not None]
            share = (sum(n < view.step for n in holds) + share) / len(holds)
        return (view.hold - 1 + share) / view.holds

    def t_ms(self, now_ms: int) -> int:
        """Session time at `now_ms` UTC; 0 before it is known to have begun."""
        started, ended = self.view.started, self.view.ended
        if ended is not None:
            return ended.t_ms
        return 0 if started is None else max(0, now_ms - started.utc_ms)

    def summary(self) -> Summary:
        """Sum up what happened so far."""
        return summarize(self._events)

    def _feel(self, event: events.CueFired) -> None:
        pattern = events.pattern_of(self.view.plan, event.cue)
        if pattern == ():
            return
        times = 1
        if self.cues and _is_of(self.cues[0], event) and self.cues[0].is_felt:
            times += self.cues.popleft().times
        self.cues.appendleft(Felt(event.t_ms, event.cue, event.phase, pattern, times))

    def _take_back(self, event: events.Unfelt) -> None:
        """Show the newest such cue as not felt; those felt before it stay."""
        for at, felt in enumerate(self.cues):
            if _is_of(felt, event) and felt.is_felt:
                self.cues[at] = replace(felt, times=1, is_felt=False)
                if felt.times > 1 and len(self.cues) < CUES_KEPT:
                    self.cues.insert(at + 1, replace(felt, times=felt.times - 1))
                return


class ScreenStates:
    """The session to show: the one that began last; entries of others are ignored."""

    def __init__(self) -> None:
        self.screen: ScreenState | None = None

    def apply(self, entry: Entry) -> ScreenState | None:
        """Take an entry; return the state if the entry belongs to it."""
        screen = self.screen
        if screen is None or screen.key != entry.session:
            begins = isinstance(entry.event, events.SessionStarted)
            if screen is not None and not begins and screen.view.state is not State.ENDED:
                return None
            if screen is not None and not begins and _is_before(entry.session, screen.key):
                return None
            screen = self.screen = ScreenState(entry.session)
        screen.apply(entry)
        return screen


def _is_of(felt: Felt, event: events.CueFired | events.Unfelt) -> bool:
    """Return whether an event is of the same cue; phases may share a pattern of their own."""
    return (felt.cue, felt.phase) == (event.cue, event.phase)


def _is_before(one: SessionKey, other: SessionKey) -> bool:
    same_log = (one.device, one.boot_id) == (other.device, other.boot_id)
    return same_log and one.seq < other.seq
