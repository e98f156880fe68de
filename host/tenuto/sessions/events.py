# SPDX-License-Identifier: MIT
"""What happened in a session: the only thing that history, MQTT and the screen consume.

Every event has `t_ms`, milliseconds on the wearable's clock since the session began, and `seq`,
its number in the wearable's log; what the host itself notices (a lost link) has `seq` None.
An `Entry` is an event with its address: which wearable, which person, which session.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from tenuto_core import vocab

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenuto_core.plan import Plan

RECORD_SEQ_MAX = 0xFFFFFFFF
"""The highest number that a record of a wearable's log can have."""
HOLD, DONE = vocab.STEP_KINDS[vocab.HOLD], vocab.STEP_KINDS[vocab.DONE]
"""Kinds of steps that others ask for by name."""
COMPLETE = vocab.STEP_OUTCOMES[vocab.STEP_COMPLETE]
SKIPPED = vocab.STEP_OUTCOMES[vocab.STEP_SKIPPED]
CUT = vocab.STEP_OUTCOMES[vocab.STEP_CUT]
"""How a step may end."""
FINISHED = vocab.END_REASONS[vocab.ENDED_FINISHED]
"""How a session ends that ran to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events."""

    name: ClassVar[str] = ""
    t_ms: int
    seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(Event):
    """A plan began to play."""

    name: ClassVar[str] = "session_started"
    routine: str
    plan_id: str
    """16 hexadecimal digits."""
    source: str
    """Who started it: one of `vocab.SOURCES`."""
    plan: Plan | None = field(default=None, repr=False, compare=False)
    """The plan itself where the host knows it; not part of the JSON form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent(Event):
    """What `StepStarted` and `StepEnded` have in common."""

    step: int
    """Counted from 0."""
    kind: str
    """One of `vocab.STEP_KINDS`."""
    exercise: str | None
    """The exercise that is held, or that this step leads to; None at the end."""
    side: str | None
    """`left`, `right` or None."""
    rep: int
    """Counted from 1 within the exercise's side; 0 where it means nothing."""
    duration_ms: int
    """As planned, with the extensions so far; the longest time of an open hold."""
    reps: int = 0
    """How many repetitions there are in this set and side; 0 where that is not known."""
    set_no: int = 0
    """Counted from 1; 0 where it means nothing."""
    sets: int = 0
    """How many sets the exercise has; 0 where that is not known."""
    phase: str | None = None
    """The part of the repetition, None where it has no parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(StepEvent):
    """A step began."""

    name: ClassVar[str] = "step_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded(StepEvent):
    """A step ended."""

    name: ClassVar[str] = "step_ended"
    elapsed_ms: int
    """Time spent in the step without pauses."""
    outcome: str
    """One of `vocab.STEP_OUTCOMES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CueFired(Event):
    """A cue was given to the motor; an `Unfelt` right after it takes that back."""

    name: ClassVar[str] = "cue"
    cue: str
    """One of `vocab.CUES`, or a pattern that only this plan has, see `vocab.cue_name`."""
    late_ms: int
    """How much later than planned, on the wearable's own clock."""
    phase: str | None = None
    """The part of the repetition that it is a cue of, None where that has no parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfelt(Event):
    """A cue that was due a moment before was not felt: the device did not take it.

    Only of a device that can do no more than buzz; the host plays for it.
    """

    name: ClassVar[str] = "unfelt"
    cue: str
    phase: str | None = None
    """See `CueFired` for both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """The session was paused; `source` says by whom."""

    name: ClassVar[str] = "paused"
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The session went on after a pause of `paused_ms`."""

    name: ClassVar[str] = "resumed"
    source: str
    paused_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(Event):
    """The rest of the present step was skipped."""

    name: ClassVar[str] = "skipped"
    source: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WentBack(Event):
    """The session went back to step `to_step`, to do a hold again."""

    name: ClassVar[str] = "went_back"
    source: str
    step: int
    to_step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(Event):
    """The present hold was made longer by `by_ms`."""

    name: ClassVar[str] = "extended"
    source: str
    step: int
    by_ms: int
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Event):
    """The step's time is over and the session waits, at most `max_ms` from now."""

    name: ClassVar[str] = "waiting"
    waits_for: str
    """`press` or `heart`."""
    max_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld(Event):
    """Something that is in no plan was not felt, because the motor had run for too long."""

    name: ClassVar[str] = "withheld"
    what: str
    """A cue, or `alert`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartBeat(Event):
    """A heart rate, with the RR intervals in ms that came with it (may be none)."""

    name: ClassVar[str] = "heart"
    bpm: int
    rr_ms: tuple[float, ...] = ()
    sensor: str = "own"
    """`own` for the wearable's own sensor, `strap` for one whose beats the host handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartSensor(Event):
    """The beats of the `strap` come from this sensor from here on, or it has fallen silent."""

    name: ClassVar[str] = "heart_sensor"
    sensor: str
    """Its name or address."""
    kind: str | None
    """`ecg` or `optical`, None where that is not known."""
    is_heard: bool = True
    """False once no beat came for a while."""


def pattern_of(plan: Plan | None, cue: str) -> tuple[tuple[int, int, int], ...] | None:
    """Return how a cue feels in a plan: empty for a silent one, None where that is not known."""
    number = vocab.cue_number(cue)
    if plan is None or number is None:
        return None
    return plan.patterns[number] if number < len(plan.patterns) else None


EVENTS_OF_THE_HEART: frozenset[type[Event]] = frozenset({HeartBeat, HeartSensor})
"""What is private unless its person lets it go out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLost(Event):
    """The host no longer hears the wearable; the session goes on there."""

    name: ClassVar[str] = "link_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRestored(Event):
    """The host hears the wearable again."""

    name: ClassVar[str] = "link_restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsLost(Event):
    """`count` records were overwritten on the wearable before the host could read them."""

    name: ClassVar[str] = "records_lost"
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WearableRestarted(Event):
    """The wearable has begun anew: its battery was empty, or it was reset."""

    name: ClassVar[str] = "wearable_restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Event):
    """The host's wall clock was set; from here on UTC is `by_ms` later than it would have been."""

    name: ClassVar[str] = "clock_stepped"
    by_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """The session is over."""

    name: ClassVar[str] = "session_ended"
    reason: str
    """One of `vocab.END_REASONS`."""
    source: str
    """Who ended it: one of `vocab.SOURCES`."""


@dataclass(frozen=True, slots=True, order=True)
class SessionKey:
    """Which session: a device, its boot, and the log number of its `session_started`.

    Attributes:
        device: What tells the device from all others on every host; see `tenuto.sessions.device`.
        boot_id: Of the boot in which it began.
        seq: Of its first record.
    """

    device: str
    boot_id: int
    seq: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the wearable's log, as it travels; see `tenuto_core.log`."""

    seq: int
    at_ms: int
    kind: int
    step: int
    a: int
    b: int
    c: int


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with its address; what the queues carry.

    Attributes:
        wearable: What the configuration calls the device.
        person: From the configuration, or None.
        utc_ms: When it happened, milliseconds since 1970, as well as the host knows.
        uncertainty_ms: How far from the truth `utc_ms` may be by what the host knows of the
            wearable's clock, None where it does not know; the host's own clock is taken for right.
        record: The log record behind it, None for what the host noticed.
        replayed: It comes from the history, so that whoever starts in mid-session knows its
            beginning.
        is_simulated: Whether the device is a simulated one, whose sessions count for nobody.
        is_trial: Whether cues are tried, learned or asked about: no session to keep or to tell of.
    """

    session: SessionKey
    wearable: str
    person: str | None
    event: Event
    utc_ms: int
    record: Record | None = None
    replayed: bool = False
    uncertainty_ms: int | None = None
    is_simulated: bool = False
    is_trial: bool = False


_HIDDEN = frozenset({"plan", "seq"})


def to_json(event: Event) -> dict[str, Any]:
    """Return the JSON object of an event: `event`, `t_ms`, then its own fields."""
    own = {f.name: getattr(event, f.name) for f in fields(event) if f.name not in _HIDDEN}
    return {"event": event.name, "t_ms": own.pop("t_ms")} | own


_KINDS: dict[str, type[Event]] = {
    kind.name: kind
    for kind in tuple(globals().values())
    if isinstance(kind, type) and issubclass(kind, Event) and kind.name
}


def from_json(data: Mapping[str, Any]) -> Event:
    """Make an event from its JSON form; its number is not part of that and stays None.

    Raises:
        KeyError: there is no such event.
        TypeError, ValueError: it is no object, or has not the fields of its event.
    """
    given = dict(data)
    kind = _KINDS[given.pop("event")]
    own: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    event = kind(**own)
    for f in fields(event):
        value = getattr(event, f.name)
        if f.name not in _HIDDEN and not _FITS[str(f.type)](value):
            raise TypeError(f"`{f.name}` of {event.name} is {value!r}")
    return event


def _is_whole(value: object) -> bool:
    return type(value) is int and abs(value) < 1 << 63


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_FITS: dict[str, Callable[[Any], bool]] = {
    # by how the fields above are declared
    "int": _is_whole,
    "str": _is_text,
    "str | None": lambda value: value is None or _is_text(value),
    "bool": lambda value: isinstance(value, bool),
    "tuple[float, ...]": lambda value: (
        isinstance(value, tuple)
        and all(_is_whole(one) or (type(one) is float and math.isfinite(one)) for one in value)
    ),
}
