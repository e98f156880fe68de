# SPDX-License-Identifier: MIT
"""A routine and a vocabulary, compiled to a plan.

The steps::

    ready of ready_s                    before the first hold
    hold
    switch of switch_s                  before a hold of the other side, within a set
    switch of the longer of switch_s    before another set that begins with the other side
        and rest_s
    rest of rest_s                      before a hold of the same side
    rest of change_s                    before another exercise, and before another round
    ready of GATED_READY_MS             after a rest or ready with a heart gate or a heart limit
    done                                long enough for its cue

A cue is given when the one before it is over and `CUE_GAP_MS` have passed.  Where a step is too
short for the cues that it must have, that is a mistake of the routine.  A halfway cue and a
countdown that the routine asks for must fit too; the countdown has as many of its ticks as have
room, at least one.  What nobody asked for is left out where it does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto.errors import InputError, Mistake, RefusedError
from tenuto.toml.rules import seconds
from tenuto_core import vocab
from tenuto_core.encode import as_version, encode
from tenuto_core.plan import MAX_CUES, MAX_PLAN_MS, MAX_STEPS, Plan, PlanError, Step

from . import plan_bytes
from .routine import HALFWAY_FROM_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenuto.toml.lines import Key

    from .haptics import Pattern, Vocabulary
    from .routine import Exercise, Routine

CUE_GAP_MS = 400
"""Silence after a cue, so that the next one is felt as another."""
GATED_READY_MS = 5_000
DONE_MS_MIN = 3_000
TICKS_MS = (3_000, 2_000, 1_000)

_SIDE_NUMBERS = {None: vocab.BOTH, "left": vocab.LEFT, "right": vocab.RIGHT}


@dataclass(frozen=True, slots=True)
class CompiledPlan:
    """A plan, ready to be sent.

    Attributes:
        data: Its bytes.
        plan: The same, checked and readable.
        routine: What it was made of, None where that is not known.
    """

    data: bytes = field(repr=False)
    plan: Plan = field(compare=False, repr=False)
    routine: Routine | None = field(default=None, compare=False, repr=False)

    @property
    def plan_id(self) -> bytes:
        """The first 8 bytes of the SHA-256 of its bytes."""
        return plan_bytes.id_of(self.data)

    @property
    def plan_id_hex(self) -> str:
        """The plan's id as 16 hexadecimal digits."""
        return self.plan_id.hex()

    @property
    def has_open_hold(self) -> bool:
        """Whether a hold of it lasts until a press."""
        return any(self.plan.step(number).is_open for number in range(self.plan.steps))

    def for_device(self, newest: int, *, open_holds: bool = True) -> CompiledPlan:
        """Return the same plan for a device.

        Args:
            newest: The newest version of plans that it plays.
            open_holds: Whether it plays open holds.

        Raises:
            RefusedError: It cannot play the plan in any version.
        """
        if not open_holds and self.has_open_hold:
            raise RefusedError(
                vocab.STATUSES[vocab.UNKNOWN_PLAN],
                "the firmware of the wearable is too old for this routine, which has a hold that a"
                " press ends; update it",
            )
        if self.plan.version <= newest:
            return self
        try:
            data = as_version(self.plan, newest)
        except PlanError as error:
            raise RefusedError(
                vocab.STATUSES[vocab.UNKNOWN_PLAN],
                f"the firmware of the wearable is too old for this routine ({error}); update it",
            ) from error
        return CompiledPlan(data, Plan(data), self.routine)


@dataclass(frozen=True, slots=True)
class ScoreCue:
    """A cue in the score: its name, ms from the step's start, and how it feels."""

    cue: str
    at_ms: int
    pattern: Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """A step in the score.

    Attributes:
        start_ms: From the session's start, without waits.
        side: `left`, `right` or None.
        rep, set_no: From 1, 0 where they mean nothing.
        waits: `press`, `heart` or None, for at most until `wait_max_ms` from the step's start.
    """

    number: int
    start_ms: int
    duration_ms: int
    kind: str
    exercise: str | None
    side: str | None
    rep: int
    reps: int
    set_no: int
    waits: str | None
    gate_bpm: int
    wait_max_ms: int
    cues: tuple[ScoreCue, ...]
    limit_bpm: int = 0


def describe(compiled: CompiledPlan) -> list[ScoreRow]:
    """Return the score: each step with its time and its cues."""
    plan = compiled.plan
    rows = []
    start_ms = 0
    for number in range(plan.steps):
        step = plan.step(number)
        waits = vocab.WAITS[vocab.WAIT_HEART] if step.gate_bpm else None
        cues = tuple(
            ScoreCue(
                vocab.CUES[cue],
                step.duration_ms - offset_ms if from_end else offset_ms,
                plan.patterns[cue],
            )
            for offset_ms, from_end, cue in step.cues
        )
        rows.append(
            ScoreRow(
                number=number,
                start_ms=start_ms,
                duration_ms=step.duration_ms,
                kind=vocab.STEP_KINDS[step.kind],
                exercise=plan.exercise_name(step.exercise),
                side=vocab.SIDES[step.side],
                rep=step.rep,
                reps=step.reps,
                set_no=step.set_no,
                waits=vocab.WAITS[vocab.WAIT_PRESS] if step.self_paced else waits,
                gate_bpm=step.gate_bpm,
                wait_max_ms=step.wait_max_ms,
                cues=cues,
                limit_bpm=step.limit_bpm,
            )
        )
        start_ms += step.duration_ms
    return rows


def compile_routine(routine: Routine, vocabulary: Vocabulary) -> CompiledPlan:
    """Return the plan of a routine.

    Raises:
        InputError: With all that does not fit: cues into their steps, and the plan into the limits
            of `tenuto_core.plan`.
    """
    _check_size(routine)
    steps, mistakes = _Compiler(routine, vocabulary).run()
    if not mistakes:
        mistakes = _limit_mistakes(routine, steps)
    if mistakes:
        raise InputError(sorted(set(mistakes)))
    names = [exercise.name for exercise in routine.exercises]
    try:
        data = encode(routine.name, names, steps, vocabulary.patterns)
        return CompiledPlan(data, Plan(data), routine)
    except PlanError as error:
        raise InputError([routine.mistake((), f"cannot be made into a plan: {error}")]) from None


@dataclass(frozen=True, slots=True)
class _Hold:
    """A hold to come, with the way that leads to it."""

    index: int
    """Of its exercise."""
    exercise: Exercise
    side: str | None
    rep: int
    set_no: int
    lead: int
    """`READY` before the first of all, `SWITCH` or `REST`."""
    is_change: bool
    """Whether another exercise, or another round, begins with it."""
    is_set: bool
    """Whether another set of the same exercise begins with it."""


def _set_of_holds(exercise: Exercise) -> list[tuple[str | None, int]]:
    """Return side and repetition of each hold of one set, in order."""
    reps = range(1, exercise.reps + 1)
    if exercise.sides == "alternating":
        return [(side, rep) for rep in reps for side in exercise.side_order]
    return [(side, rep) for side in exercise.side_order for rep in reps]


def _holds(routine: Routine) -> Iterator[_Hold]:
    first = True
    for _ in range(routine.rounds):
        for index, exercise in enumerate(routine.exercises):
            is_change, side_before = True, None
            for set_no in range(1, exercise.sets + 1):
                for number, (side, rep) in enumerate(_set_of_holds(exercise)):
                    is_switch = not is_change and side != side_before
                    is_set = not is_change and number == 0
                    lead = vocab.SWITCH if is_switch else vocab.REST
                    lead = vocab.READY if first else lead
                    yield _Hold(index, exercise, side, rep, set_no, lead, is_change, is_set)
                    first, is_change, side_before = False, False, side


def _check_size(routine: Routine) -> None:
    """Raise InputError before a plan far beyond its limit is made."""
    holds = routine.rounds * sum(
        exercise.sets * exercise.reps * len(exercise.side_order) for exercise in routine.exercises
    )
    gated = routine.rounds * sum(
        e.heart_gate is not None or e.heart_limit is not None for e in routine.exercises
    )
    steps = 2 * holds + gated + 1
    if steps > MAX_STEPS:
        text = (
            f"the routine has {steps} steps ({holds} holds), allowed are {MAX_STEPS};"
            " take fewer rounds, exercises, sets or reps"
        )
        raise InputError([routine.mistake((), text)])


def _limit_mistakes(routine: Routine, steps: list[Step]) -> list[Mistake]:
    total_ms = sum(step.duration_ms for step in steps)
    cues = sum(len(step.cues) for step in steps)
    mistakes = []
    if total_ms > MAX_PLAN_MS:
        text = f"the routine lasts {total_ms / 60_000:.0f} min, allowed are {MAX_PLAN_MS // 60_000}"
        mistakes.append(routine.mistake((), text))
    if cues > MAX_CUES:
        text = f"the routine has {cues} cues, allowed are {MAX_CUES}; take fewer holds or ticks"
        mistakes.append(routine.mistake((), text))
    return mistakes


class _Compiler:
    """One pass over the holds of a routine."""

    def __init__(self, routine: Routine, vocabulary: Vocabulary) -> None:
        self._routine = routine
        self._vocabulary = vocabulary
        self._steps: list[Step] = []
        self._mistakes: list[Mistake] = []
        self._busy_ms = 0
        """How long the last cue of the step before keeps the beginning of the next one busy."""

    def run(self) -> tuple[list[Step], list[Mistake]]:
        for hold in _holds(self._routine):
            self._add_lead(hold)
            self._add_hold(hold)
        needs_ms = self._busy_ms + self._vocabulary.length_ms(vocab.FINISHED)
        duration_ms = max(DONE_MS_MIN, -(-needs_ms // 1_000) * 1_000)
        self._steps.append(Step(vocab.DONE, duration_ms, [(self._busy_ms, False, vocab.FINISHED)]))
        return self._steps, self._mistakes

    def _taken_ms(self, cue: int) -> int:
        """Return how long nothing else may be felt from the beginning of a cue."""
        length_ms = self._vocabulary.length_ms(cue)
        return length_ms + CUE_GAP_MS if length_ms else 0

    def _add_lead(self, hold: _Hold) -> None:
        """Add the step that leads to a hold, or the two of them where the heart has a say."""
        exercise = hold.exercise
        key, duration_ms = _lead_time(hold, self._routine)
        cue = _lead_cue(hold)
        gate = exercise.heart_gate if hold.is_change else None
        limit = exercise.heart_limit if hold.is_change else None
        asks_heart = gate is not None or limit is not None
        if asks_heart:
            cues, _ = self._lead_cues(hold, key, duration_ms, cue)
            longest_ms, name = 0, "heart_gate"
            if gate is not None:
                longest_ms = gate.max_ms
            elif limit is not None:
                longest_ms, name = limit.max_ms, "heart_limit"
            self._check_wait(hold, (name, "max_s"), longest_ms, key, duration_ms)
            self._add(
                hold,
                hold.lead,
                duration_ms,
                cues,
                gate_bpm=0 if gate is None else gate.below_bpm,
                limit_bpm=0 if limit is None else limit.bpm,
                wait_max_ms=longest_ms,
            )
            key, duration_ms, cue = "ready_s", GATED_READY_MS, vocab.GET_READY
        kind = vocab.READY if asks_heart else hold.lead
        cues, free_ms = self._lead_cues(hold, key, duration_ms, cue)
        if exercise.self_paced:
            longest_ms = exercise.self_paced_max_ms
            self._check_wait(hold, ("self_paced_max_s",), longest_ms, key, duration_ms)
            self._add(hold, kind, duration_ms, cues, self_paced=True, wait_max_ms=longest_ms)
        else:
            if exercise.counts_down_to("start"):
                cues += self._ticks(hold, f"`{key}`", free_ms, duration_ms)
            self._add(hold, kind, duration_ms, cues)
        self._busy_ms = 0

    def _lead_cues(
        self, hold: _Hold, key: str, duration_ms: int, cue: int | None
    ) -> tuple[list[tuple[int, bool, int]], int]:
        """Return the cue at the beginning of a step, and from when on others may be felt."""
        at_ms, self._busy_ms = self._busy_ms, 0
        needs_ms = at_ms + (0 if cue is None else self._taken_ms(cue))
        if needs_ms > duration_ms:
            felt = ["hold_end"] if at_ms else []
            felt += [] if cue is None else [vocab.CUES[cue]]
            text = (
                f"`{key}` is {seconds(duration_ms)}, but {' and '.join(felt)} need"
                f" {seconds(needs_ms)} to be felt; allowed is that or more, or a shorter pattern"
            )
            self._complain(hold, (key,), text)
            return [], needs_ms
        return [] if cue is None else [(at_ms, False, cue)], needs_ms

    def _check_wait(
        self, hold: _Hold, keys: Key, longest_ms: int, lead_key: str, duration_ms: int
    ) -> None:
        if longest_ms < duration_ms:
            text = (
                f"`{'.'.join(map(str, keys))}` is {seconds(longest_ms)}, allowed is at least"
                f" `{lead_key}`, here {seconds(duration_ms)}"
            )
            self._complain(hold, keys, text)

    def _ticks(
        self, hold: _Hold, what: str, free_ms: int, duration_ms: int
    ) -> list[tuple[int, bool, int]]:
        """Return those ticks before the step's end that have room from `free_ms` on.

        That there is room for none is a mistake where the routine asks for a countdown, unless the
        step is too short for the cues before it, which has been told.
        """
        ticks = []
        tick_ms = self._taken_ms(vocab.COUNTDOWN)
        over_ms = free_ms
        for before_end_ms in TICKS_MS:
            at_ms = duration_ms - before_end_ms
            if at_ms >= over_ms and tick_ms <= before_end_ms:
                ticks.append((before_end_ms, True, vocab.COUNTDOWN))
                over_ms = at_ms + tick_ms
        if not ticks and hold.exercise.countdown is not None and free_ms <= duration_ms:
            last_ms = next((ms for ms in reversed(TICKS_MS) if ms >= tick_ms), None)
            longer = "" if last_ms is None else f"{seconds(free_ms + last_ms)} or more, "
            text = (
                f"{what} is {seconds(duration_ms)}, too short for a tick of the countdown after its"
                f' other cues; allowed is {longer}a shorter pattern, or `countdown = "off"`'
            )
            self._complain(hold, ("countdown",), text)
        return ticks

    def _add_hold(self, hold: _Hold) -> None:
        exercise = hold.exercise
        duration_ms = exercise.side_hold_ms(hold.side)
        free_ms = self._taken_ms(vocab.HOLD_START)
        if free_ms > duration_ms:
            text = (
                f"a hold of {seconds(duration_ms)} is too short for the hold_start cue, which needs"
                f" {seconds(free_ms)} to be felt; allowed is that or more, or a shorter pattern"
            )
            self._complain(hold, (_hold_key(hold),), text)
        cues = [(0, False, vocab.HOLD_START)]
        half_ms = duration_ms // 2
        over_ms = half_ms + self._taken_ms(vocab.HALFWAY)
        wanted = exercise.halfway
        if wanted is None:
            wanted = duration_ms >= HALFWAY_FROM_MS
        if wanted and half_ms >= free_ms and over_ms <= duration_ms:
            cues.append((half_ms, False, vocab.HALFWAY))
            free_ms = over_ms
        elif exercise.halfway:
            text = (
                f"a hold of {seconds(duration_ms)} is too short for a halfway cue;"
                " allowed is `halfway = false` or a longer hold"
            )
            self._complain(hold, ("halfway",), text)
        if exercise.counts_down_to("end"):
            cues += self._ticks(hold, "a hold", free_ms, duration_ms)
        cues.append((0, True, vocab.HOLD_END))
        self._add(hold, vocab.HOLD, duration_ms, cues)
        self._busy_ms = self._taken_ms(vocab.HOLD_END)

    def _add(
        self,
        hold: _Hold,
        kind: int,
        duration_ms: int,
        cues: list[tuple[int, bool, int]],
        *,
        self_paced: bool = False,
        gate_bpm: int = 0,
        limit_bpm: int = 0,
        wait_max_ms: int = 0,
    ) -> None:
        self._steps.append(
            Step(
                kind,
                duration_ms,
                cues,
                exercise=hold.index,
                side=_SIDE_NUMBERS[hold.side],
                rep=hold.rep,
                reps=hold.exercise.reps,
                set_no=hold.set_no,
                self_paced=self_paced,
                gate_bpm=gate_bpm,
                limit_bpm=limit_bpm,
                wait_max_ms=wait_max_ms,
            )
        )

    def _complain(self, hold: _Hold, keys: Key, text: str) -> None:
        path = keys if keys == ("ready_s",) else ("exercise", hold.index, *keys)
        self._mistakes.append(self._routine.mistake(path, text))


def _lead_time(hold: _Hold, routine: Routine) -> tuple[str, int]:
    """Return the key that says how long the way to a hold takes, and its ms."""
    exercise = hold.exercise
    if hold.lead == vocab.READY:
        return "ready_s", routine.ready_ms
    if hold.lead == vocab.SWITCH:
        if hold.is_set and exercise.rest_ms >= exercise.side_switch_ms:
            return "rest_s", exercise.rest_ms
        name = "change_s" if exercise.switch_ms is None else "switch_s"
        return name, exercise.side_switch_ms
    if hold.is_change:
        return "change_s", exercise.change_ms
    return "rest_s", exercise.rest_ms


def _lead_cue(hold: _Hold) -> int | None:
    if hold.lead == vocab.READY:
        return vocab.GET_READY
    if hold.lead == vocab.SWITCH:
        return vocab.SWITCH_SIDES
    return vocab.NEXT_EXERCISE if hold.is_change else None


def _hold_key(hold: _Hold) -> str:
    exercise = hold.exercise
    if hold.side == "left" and exercise.left_hold_ms is not None:
        return "left_hold_s"
    if hold.side == "right" and exercise.right_hold_ms is not None:
        return "right_hold_s"
    return "hold_s"
