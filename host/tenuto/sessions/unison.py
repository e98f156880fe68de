# SPDX-License-Identifier: MIT
"""A class: several wearables that play one plan in unison, and who of them is where.  Pure.

Theory of operation.  The class has an *anchor*: the moment, in ms of UTC, at which its plan's time
is 0.  A pause of the class moves the anchor, and nothing else does.  Each member has an anchor of
its own, read from what its wearable logs: when a step began, less where that step is in the plan.
The difference of the two is how far the member is behind.

All members begin at one moment by their own clocks.  A pause and its end reach each of them by a
packet, each at another moment, so afterwards they are some hundred ms apart.  Nobody can be made
faster, so the class goes by the slowest of those who came at once, and the others hold for so much
longer.  Who comes later than that, or was paused alone, joins again where an exercise begins.

Times are UTC in ms as the host's clock has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError
from tenuto_core import vocab

from . import events
from .places import places, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tenuto_core.plan import Plan

    from .events import Entry, SessionKey
    from .places import Place

ALIGN_MS = 20
"""Members are brought together from here on: two touches 34 ms apart can be told apart."""
IN_STEP_MS = 250
"""Who is no further behind or ahead is shown as in step."""
AT_ONCE_MS = 3_000
"""Whoever is told of the end of a pause within this time holds the others up."""
UNSURE_MS_MAX = 60
"""A time that is less sure holds nobody up."""
CORRECT_WITHIN_MS = 2_000
"""A correction needs so much of a hold, for its packet may be repeated."""
CORRECTION_LOST_MS = 10_000
HEART_FRESH_MS = 10_000
OVER_AFTER_MS = 5_000
"""After the end of its plan, for those who are behind a little."""
_FAILED = vocab.END_REASONS[vocab.ENDED_FAILED]
_STOPPED = vocab.END_REASONS[vocab.ENDED_STOPPED]
_RESET = vocab.SOURCES[vocab.BY_RESET]
_WAITS = (
    ("is_open", "a hold that a press ends"),
    ("self_paced", "a wait for a press"),
    ("gate_bpm", "a wait for a calmer heart"),
)
"""What no two people do at the same time.  A limit of the heart rate is not among them: it is there
for the one whose heart is too fast, who then comes later than the others."""


class Standing(StrEnum):
    """What a member does."""

    COMING = "coming"
    """It does not have its plan yet."""
    READY = "ready"
    """It begins by itself at its time."""
    PLAYING = "playing"
    WAITING = "waiting"
    PAUSED = "paused"
    ENDED = "ended"
    REFUSED = "refused"
    """It cannot take part; `problem` says why."""


ON_THE_WAY = (Standing.COMING, Standing.READY)
GOING = (Standing.PLAYING, Standing.WAITING, Standing.PAUSED)


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where somebody may join.

    Attributes:
        step: The first step that they play.
        at_ms: When it begins, from the beginning of the plan.
    """

    step: int
    at_ms: int


def check_unison(plan: Plan) -> None:
    """Check that a plan takes everybody equally long.

    Raises:
        InputError: A step of it waits for its wearer.
    """
    for step in steps(plan):
        for name, what in _WAITS:
            if getattr(step, name):
                raise InputError(
                    f"{plan.name} cannot be played by a class: "
                    f"{plan.exercise_name(step.exercise) or 'a step'} has {what}, "
                    "which takes each person another time"
                )


def entrances(plan: Plan) -> tuple[Entrance, ...]:
    """Return where a plan may be joined: its beginning, and each lead to an exercise or a set."""
    found, at_ms = [], 0
    for number, step in enumerate(steps(plan)):
        is_lead = step.kind in (vocab.READY, vocab.REST)
        if number == 0 or (is_lead and steps(plan)[number - 1].kind == vocab.HOLD):
            found.append(Entrance(number, at_ms))
        at_ms += step.duration_ms
    return tuple(found)


def ready_in_ms(waiting: int, links: int | None, each_ms: int) -> int:
    """Return how long it takes until the last of a class has its plan.

    Args:
        waiting: How many have no link yet.
        links: How many links the adapter carries at once, None where it has room for all.
        each_ms: How long one takes from asking for the link to letting go of it.
    """
    if not waiting:
        return 0
    side_by_side = waiting if links is None else max(1, min(links, waiting))
    # Connections are made one after the other, which takes half of the whole.
    return each_ms + max(each_ms * waiting // side_by_side, each_ms * waiting // 2)


@dataclass(slots=True)
class Member:
    """One wearable of a class.

    Attributes:
        first: The step of the plan that its own plan begins with.
        plan_id: The id of its own plan as hexadecimal digits, empty as long as it has none.
        begins_utc_ms: When its own plan begins.
        session: Its session, None before it began.
        anchor_utc_ms: See above; None before its first step.
        own_pace: Whether it paused, skipped or held longer alone: then it is not brought back
            before somebody asks for that.
        was_reset: Whether a reset paused it.
        has_old: Whether what it played before is still to be stopped.
        step: The step of the whole plan.
        reason: How its session ended.
        problem: Why it is not ready or cannot take part, for a person.
        bpm: The newest heart rate, for those who share theirs.
        correction: By how many ms it was told to hold longer, and when.
        unsure_ms: How far off its anchor may be.
    """

    wearable: str
    person: str | None
    standing: Standing = Standing.COMING
    first: int = 0
    plan_id: str = ""
    begins_utc_ms: int | None = None
    session: SessionKey | None = None
    anchor_utc_ms: int | None = None
    own_pace: bool = False
    was_reset: bool = False
    has_old: bool = False
    step: int | None = None
    step_ends_utc_ms: int = 0
    paused_utc_ms: int | None = None
    reason: str = ""
    problem: str = ""
    bpm: int | None = None
    bpm_utc_ms: int = 0
    correction: tuple[int, int] | None = None
    unsure_ms: int = 0

    @property
    def is_done(self) -> bool:
        """Whether it takes no part any more; one whose session broke off comes back."""
        is_ended = self.standing is Standing.ENDED and self.reason != _FAILED
        return is_ended or self.standing is Standing.REFUSED

    def set_to(self, first: int, plan_id: str, begins_utc_ms: int) -> None:
        """Take note that it begins at a moment by itself."""
        self.standing, self.problem, self.reason = Standing.READY, "", ""
        self.first, self.plan_id, self.begins_utc_ms = first, plan_id, begins_utc_ms

    def leave(self) -> None:
        """Forget the session that it plays: it gets another plan."""
        self.has_old = self.has_old or self.standing in GOING
        self.standing, self.plan_id, self.session = Standing.COMING, "", None
        self.anchor_utc_ms = self.step = self.paused_utc_ms = self.correction = None
        self.own_pace = self.was_reset = False
        self.reason = self.problem = ""

    def call_off(self) -> None:
        """Take note that it is not to begin any more."""
        if self.standing in ON_THE_WAY:
            self.standing, self.reason, self.problem = Standing.ENDED, _STOPPED, ""

    def refuse(self, why: str) -> None:
        """Take note that it cannot take part."""
        self.standing, self.problem = Standing.REFUSED, why


@dataclass(slots=True)
class Unison:
    """One playing of a plan by a class.

    Args:
        plan: The whole plan, by a clock that is right.
        members: By the ids of their wearables.
        anchor_utc_ms: When it begins.

    Attributes:
        paused_utc_ms: Since when the class is paused, None while it is not.
        is_stopped: Whether somebody stopped it.
        pauses: From when to when it was paused.
    """

    plan: Plan
    members: dict[str, Member]
    anchor_utc_ms: int
    paused_utc_ms: int | None = None
    is_stopped: bool = False
    _offsets: list[int] = field(default_factory=list)
    pauses: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Add up where the steps begin."""
        at_ms = 0
        for step in steps(self.plan):
            self._offsets.append(at_ms)
            at_ms += step.duration_ms

    @classmethod
    def of(cls, plan: Plan, persons: Mapping[str, str | None], begins_utc_ms: int) -> Unison:
        """Return a class that is about to begin.

        Args:
            persons: Who wears each wearable, by its id.

        Raises:
            InputError: A step of the plan waits for its wearer.
        """
        check_unison(plan)
        members = {wearable: Member(wearable, person) for wearable, person in persons.items()}
        return cls(plan, members, begins_utc_ms)

    # --- the class as a whole

    @property
    def ends_utc_ms(self) -> int:
        """When the plan is over, if it is not paused any more."""
        duration_ms: int = self.plan.duration_ms
        return self.anchor_utc_ms + duration_ms

    def has_begun(self, now_utc_ms: float) -> bool:
        """Return whether its time has come."""
        return now_utc_ms >= self.anchor_utc_ms

    def is_over(self, now_utc_ms: float) -> bool:
        """Return whether nobody plays any more, or only those who are far behind."""
        if self.is_stopped:
            return True
        if self.paused_utc_ms is not None:
            return False
        if all(member.is_done for member in self.members.values()):
            return True
        return now_utc_ms > self.ends_utc_ms + OVER_AFTER_MS

    def place(self, now_utc_ms: float) -> Place | None:
        """Return where the class is in its plan, None before and after it."""
        at_ms = (self.paused_utc_ms or now_utc_ms) - self.anchor_utc_ms
        begun = [number for number, offset_ms in enumerate(self._offsets) if offset_ms <= at_ms]
        is_in_it = bool(begun) and at_ms < self.plan.duration_ms
        return places(self.plan)[begun[-1]] if is_in_it else None

    def entrance(self, now_utc_ms: float, ahead_ms: int) -> Entrance | None:
        """Return the next place to join that is so far ahead, None where there is none left."""
        from_ms = now_utc_ms + ahead_ms - self.anchor_utc_ms
        return next((one for one in entrances(self.plan) if one.at_ms >= from_ms), None)

    def pause(self, now_utc_ms: int) -> None:
        """Note that the class is paused from now on."""
        if self.paused_utc_ms is None:
            self.paused_utc_ms = now_utc_ms

    def resume(self, now_utc_ms: int) -> None:
        """Note that it goes on."""
        if self.paused_utc_ms is not None:
            self.pauses.append((self.paused_utc_ms, now_utc_ms))
            self.anchor_utc_ms += now_utc_ms - self.paused_utc_ms
            self.paused_utc_ms = None

    def _was_paused(self, utc_ms: int) -> bool:
        """Return whether the class as a whole was paused then, or was just told to be."""
        since = self.paused_utc_ms
        spans = [*self.pauses, *([] if since is None else [(since, utc_ms)])]
        return any(first - ALIGN_MS <= utc_ms <= last + AT_ONCE_MS for first, last in spans)

    # --- its members

    def behind_ms(self, member: Member, now_utc_ms: float) -> int | None:
        """Return how far a member is behind the class, below 0 for ahead; None if not known."""
        if member.anchor_utc_ms is None or member.standing not in GOING:
            return None
        behind: int = member.anchor_utc_ms - self.anchor_utc_ms
        if member.paused_utc_ms is not None:
            behind += round(now_utc_ms) - member.paused_utc_ms
        if self.paused_utc_ms is not None:
            behind -= round(now_utc_ms) - self.paused_utc_ms
        return behind

    def exercise_of(self, member: Member) -> str | None:
        """Return what a member does, None where it does nothing."""
        return None if member.step is None else places(self.plan)[member.step].exercise

    def is_in_step(self, member: Member, now_utc_ms: float) -> bool:
        """Return whether a member is where the class is."""
        behind_ms = self.behind_ms(member, now_utc_ms)
        return behind_ms is not None and abs(behind_ms) <= IN_STEP_MS

    def to_bring(self, now_utc_ms: float) -> list[Member]:
        """Return those who are to be brought to where the class is, without being asked.

        Those whom a reset paused or ended, and those who were told too late that it goes on.
        """
        if self.paused_utc_ms is not None or self.is_over(now_utc_ms):
            return []
        return [one for one in self.members.values() if self._has_lost_step(one, now_utc_ms)]

    def _has_lost_step(self, member: Member, now_utc_ms: float) -> bool:
        if member.standing is Standing.ENDED:
            return member.reason == _FAILED
        behind_ms = self.behind_ms(member, now_utc_ms)
        if member.own_pace or behind_ms is None:
            return False
        is_late = member.standing is Standing.PLAYING and behind_ms > AT_ONCE_MS
        return member.was_reset or is_late

    def corrections(self, now_utc_ms: int, reached: Collection[str]) -> list[tuple[str, int]]:
        """Return who has to hold longer, and by how many ms, for all to be in step again.

        Args:
            reached: Those who can be told.
        """
        if self.paused_utc_ms is not None or self.is_stopped:
            return []
        group = [
            one
            for one in self.members.values()
            if one.standing is Standing.PLAYING
            and not one.own_pace
            and not one.was_reset
            and one.anchor_utc_ms is not None
            and abs(one.anchor_utc_ms - self.anchor_utc_ms) <= AT_ONCE_MS
        ]
        sure = [one.anchor_utc_ms or 0 for one in group if one.unsure_ms <= UNSURE_MS_MAX]
        slowest = max(sure, default=self.anchor_utc_ms)
        if slowest - self.anchor_utc_ms >= ALIGN_MS:
            self.anchor_utc_ms = slowest
        told = []
        for member in group:
            by_ms = self.anchor_utc_ms - (member.anchor_utc_ms or 0)
            if (
                by_ms >= ALIGN_MS
                and member.wearable in reached
                and self._can_hold(member, now_utc_ms)
            ):
                member.correction = by_ms, now_utc_ms
                told.append((member.wearable, by_ms))
        return told

    def _can_hold(self, member: Member, now_utc_ms: int) -> bool:
        is_hold = member.step is not None and steps(self.plan)[member.step].kind == vocab.HOLD
        pending = member.correction
        is_free = pending is None or now_utc_ms - pending[1] > CORRECTION_LOST_MS
        return is_hold and is_free and member.step_ends_utc_ms - now_utc_ms >= CORRECT_WITHIN_MS

    def apply(self, entry: Entry) -> None:
        """Take what a wearable has logged; what is not of its session here is passed over."""
        member, event = self.members.get(entry.wearable), entry.event
        if member is None or entry.replayed:
            return
        if isinstance(event, events.SessionStarted):
            is_other_boot = (
                member.session is not None and member.session.boot_id != entry.session.boot_id
            )
            if event.plan_id == member.plan_id and (member.session is None or is_other_boot):
                member.session, member.standing = entry.session, Standing.PLAYING
                member.anchor_utc_ms = member.paused_utc_ms = None
            return
        follow = _FOLLOW.get(type(event))
        if entry.session == member.session and follow is not None:
            follow(self, member, event, entry)

    def _step_started(self, member: Member, event: events.StepStarted, entry: Entry) -> None:
        number = min(member.first + event.step, len(self._offsets) - 1)
        member.step, member.standing = number, Standing.PLAYING
        member.anchor_utc_ms = entry.utc_ms - self._offsets[number]
        member.step_ends_utc_ms = entry.utc_ms + event.duration_ms
        member.unsure_ms = entry.uncertainty_ms or 0
        member.correction = None

    def _waiting(self, member: Member, _event: events.Waiting, _entry: Entry) -> None:
        member.standing = Standing.WAITING

    def _paused(self, member: Member, event: events.Paused, entry: Entry) -> None:
        member.standing, member.paused_utc_ms = Standing.PAUSED, entry.utc_ms
        if event.source == _RESET:
            member.was_reset = True
        elif not self._was_paused(entry.utc_ms):
            member.own_pace = True

    def _resumed(self, member: Member, event: events.Resumed, _entry: Entry) -> None:
        member.standing, member.paused_utc_ms = Standing.PLAYING, None
        member.was_reset = False
        if self.paused_utc_ms is not None:
            member.own_pace = True  # the others still wait
        self._delay(member, event.paused_ms)

    def _extended(self, member: Member, event: events.Extended, _entry: Entry) -> None:
        if member.correction is None or member.correction[0] != event.by_ms:
            member.own_pace = True
        member.correction = None
        self._delay(member, event.by_ms)

    def _moved(
        self, member: Member, _event: events.Skipped | events.WentBack, _entry: Entry
    ) -> None:
        member.own_pace, member.paused_utc_ms = True, None

    def _heart(self, member: Member, event: events.HeartBeat, entry: Entry) -> None:
        member.bpm, member.bpm_utc_ms = event.bpm, entry.utc_ms

    def _ended(self, member: Member, event: events.SessionEnded, _entry: Entry) -> None:
        member.standing, member.reason = Standing.ENDED, event.reason
        member.paused_utc_ms = member.step = None

    @staticmethod
    def _delay(member: Member, by_ms: int) -> None:
        if member.anchor_utc_ms is not None:
            member.anchor_utc_ms += by_ms
        member.step_ends_utc_ms += by_ms


_FOLLOW: dict[type[events.Event], Callable[[Unison, Member, Any, Entry], None]] = {
    events.StepStarted: Unison._step_started,  # noqa: SLF001 - the class's own table
    events.Waiting: Unison._waiting,  # noqa: SLF001
    events.Paused: Unison._paused,  # noqa: SLF001
    events.Resumed: Unison._resumed,  # noqa: SLF001
    events.Extended: Unison._extended,  # noqa: SLF001
    events.Skipped: Unison._moved,  # noqa: SLF001
    events.WentBack: Unison._moved,  # noqa: SLF001
    events.HeartBeat: Unison._heart,  # noqa: SLF001
    events.SessionEnded: Unison._ended,  # noqa: SLF001
}
