# SPDX-License-Identifier: MIT
"""What a session came to: from its records, by way of the events, to a few numbers.  Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from heapq import merge
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.routines import plan_bytes
from tenuto.routines.unison import first_step
from tenuto.sessions import events, heart
from tenuto.sessions.places import ends_hold, holds_in
from tenuto.sessions.tracker import UNKNOWN_ROUTINE, Tracker, plan_id_of
from tenuto_core import vocab

from .sittings import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenuto.sessions.events import Event
    from tenuto_core.plan import Plan

    from .rows import StoredSession

_E = TypeVar("_E", bound=events.Event)


@dataclass(frozen=True, slots=True)
class Held:
    """How long something was held in all: an exercise on one side (or None)."""

    exercise: str
    side: str | None
    held_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A session in a few numbers; None is for what is not known.

    Attributes:
        holds_planned: Holds of the plan.
        holds_completed, holds_skipped, holds_cut: Holds that ran to their end, that were skipped,
            and that the end of the session cut short; a hold that was done again counts each time.
        held: In the order in which they were first done, pauses left out.
        bpm_mean: Over the time in which a rate was known.
        recovery: Recovery of the first minute.
        variability: Only of intervals from electrodes.
        cues: How many were due, silent ones left out.
        unfelt: How many of them the device did not take.
        late_p99_ms, late_max_ms: Of the cues, on the wearable's own clock.
        duration_ms: From the start to the end, or to the last event so far.
    """

    routine: str | None
    reason: str | None
    source: str | None
    duration_ms: int
    holds_planned: int | None
    holds_completed: int
    holds_skipped: int
    holds_cut: int
    held: tuple[Held, ...]
    pauses: int
    paused_ms: int
    bpm_mean: float | None
    bpm_min: int | None
    bpm_max: int | None
    recovery: heart.Recovery | None
    variability: heart.Variability | None
    cues: int
    unfelt: int
    late_p99_ms: int | None
    late_max_ms: int | None
    records_lost: int
    links_lost: int

    @property
    def held_ms(self) -> int:
        """Time held in all."""
        return sum(item.held_ms for item in self.held)


def replay(session: StoredSession) -> list[tuple[Event, int]]:
    """Return the events of a stored session with their time in ms since 1970, in order.

    Those of a sitting are as if it were one session, which stood still between its parts. A plan
    that is damaged, or that a newer Tenuto made, counts as not known.
    """
    happened = _replay(session)
    plan = plan_bytes.known(session.row.plan_id, session.plan)
    for part in session.parts:
        begins_ms = part.row.started_utc_ms - session.row.started_utc_ms
        first = first_step(plan, plan_bytes.known(part.row.plan_id, part.plan))
        happened = joined(happened, _replay(part), begins_ms, first or 0)
    return happened


def _replay(session: StoredSession) -> list[tuple[Event, int]]:
    plan = plan_bytes.known(session.row.plan_id, session.plan)
    plan_id = bytes.fromhex(session.row.plan_id or "")
    for stored in session.records:
        if stored.record.seq == session.row.key.seq:
            plan_id = plan_id_of(stored.record)
    tracker = Tracker(session.row.key, plan, plan_id)
    logged = [
        (event, stored.utc_ms)
        for stored in session.records
        for event in tracker.feed(stored.record)
    ]
    noticed = [
        (item.event, item.utc_ms)
        for item in session.host_events
        if not _is_in(tracker, logged, item.event)
    ]
    return list(merge(logged, noticed, key=lambda pair: pair[0].t_ms))


def summarize(happened: Iterable[Event]) -> Summary:
    """Sum up the events of one session, all or those so far, in order."""
    all_events = list(happened)
    by_kind: dict[type[Event], list[Any]] = {}
    for event in all_events:
        by_kind.setdefault(type(event), []).append(event)

    def of(kind: type[_E]) -> list[_E]:
        return by_kind.get(kind, [])

    started = next(iter(of(events.SessionStarted)), None)
    ended = next(reversed(of(events.SessionEnded)), None)
    holds = [e for e in of(events.StepEnded) if e.kind == events.HOLD]
    duration_ms = length_ms(all_events)
    beats = samples(all_events)
    rate = heart.rate(beats, duration_ms)
    plan = started.plan if started else None
    outcomes = Counter(hold.outcome for hold in holds if _counts(hold, plan))
    due = [cue for cue in of(events.CueFired) if events.pattern_of(plan, cue.cue) != ()]
    late = sorted(cue.late_ms for cue in due)
    known = started is not None and started.routine != UNKNOWN_ROUTINE
    return Summary(
        routine=started.routine if started and known else None,
        reason=ended.reason if ended else None,
        source=ended.source if ended else None,
        duration_ms=duration_ms,
        holds_planned=None if plan is None else holds_in(plan),
        holds_completed=outcomes[events.COMPLETE],
        holds_skipped=outcomes[events.SKIPPED],
        holds_cut=outcomes[events.CUT],
        held=_held(holds),
        pauses=len(of(events.Paused)),
        paused_ms=sum(e.paused_ms for e in of(events.Resumed)),
        bpm_mean=rate.mean_bpm if rate else None,
        bpm_min=rate.min_bpm if rate else None,
        bpm_max=rate.max_bpm if rate else None,
        recovery=heart.recovery(beats),
        variability=heart.variability(electrode_intervals(all_events)),
        cues=len(late),
        unfelt=len(of(events.Unfelt)),
        # The smallest lateness that at least 99 of 100 cues keep.
        late_p99_ms=late[math.ceil(0.99 * len(late)) - 1] if late else None,
        late_max_ms=late[-1] if late else None,
        records_lost=sum(e.count for e in of(events.RecordsLost)),
        links_lost=len(of(events.LinkLost)),
    )


def length_ms(happened: Sequence[Event]) -> int:
    """Return how long a session lasted, or lasts so far, in ms.

    What the host itself notices, such as a link that comes back after the end, makes no session
    longer; it counts only where nothing of the wearable's own is known.
    """
    ends = [e.t_ms for e in happened if isinstance(e, events.SessionEnded)]
    logged = [e.t_ms for e in happened if e.seq is not None]
    return ends[-1] if ends else max(logged or [e.t_ms for e in happened], default=0)


def samples(happened: Iterable[Event]) -> list[heart.Sample]:
    """Return the heart rates among events, in their order."""
    return [heart.Sample(e.t_ms, e.bpm) for e in happened if isinstance(e, events.HeartBeat)]


def electrode_intervals(happened: Iterable[Event]) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Yield the intervals among events that are known to come from electrodes, with their times.

    Those of a sensor that works by light, or of one that nobody knows, are left out.
    """
    kind: str | None = None
    for event in happened:
        if isinstance(event, events.HeartSensor):
            kind = event.kind
        elif isinstance(event, events.HeartBeat) and (event.sensor, kind) == ("strap", heart.ECG):
            yield event.t_ms, event.rr_ms


def _is_in(tracker: Tracker, logged: list[tuple[Event, int]], noticed: Event) -> bool:
    """Return whether the log itself says what the host noted: a gap in it, or its end."""
    if isinstance(noticed, events.SessionEnded):
        return tracker.ended
    return isinstance(noticed, events.RecordsLost) and any(event == noticed for event, _ in logged)


def _held(holds: list[events.StepEnded]) -> tuple[Held, ...]:
    total: dict[tuple[str, str | None], int] = {}
    for hold in holds:
        if hold.exercise is not None:
            place = (hold.exercise, hold.side)
            total[place] = total.get(place, 0) + hold.elapsed_ms
    return tuple(Held(exercise, side, ms) for (exercise, side), ms in total.items())


def _counts(hold: events.StepEnded, plan: Plan | None) -> bool:
    """Return whether a hold is one of its own, and not a phase of one that goes on."""
    complete = vocab.STEP_OUTCOMES[vocab.STEP_COMPLETE]
    return hold.outcome != complete or plan is None or ends_hold(plan, hold.step)
