# SPDX-License-Identifier: MIT
"""A routine and a vocabulary, compiled to a plan.

The steps::

    ready of ready_s                    before the first hold
    hold                                or one for each phase, without a pause between them
    switch of switch_s                  before a hold of the other side, within a set
    switch of the longer of switch_s    before another set that begins with the other side
        and set_rest_s or rest_s
    rest of rest_s                      before a hold of the same side; none where it is 0
    rest of set_rest_s or rest_s        before another set that begins with the same side
    rest of change_s                    before another exercise, and before another round
    rest of the circuit's rest_s        before another round of a circuit, if it says one
    ready of GATED_READY_MS             after a rest or ready with a heart gate or a heart limit
    done                                long enough for its cue

A cue is given when the one before it is over and `CUE_GAP_MS` have passed.  Where a step is too
short for the cues that it must have, that is a mistake of the routine.  A halfway cue and a
countdown that the routine asks for must fit too; the countdown has as many of its ticks as have
room, at least one.  What nobody asked for is left out where it does not fit, and so is a mark that
falls together with halfway or comes too near to the end of its hold.

A plan knows as many cues as it needs, at least those of version 1, so that a routine that uses no
newer one has the same bytes for ever.  Patterns that only this routine has are cues from
`vocab.OWN_CUES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto.errors import InputError, Mistake, RefusedError
from tenuto.sessions import places
from tenuto.toml.rules import seconds
from tenuto_core import vocab
from tenuto_core.encode import as_version, cues_of, encode
from tenuto_core.limits import MINUTE_MS, ON_MS_MAX, fullest_minute, on_ms
from tenuto_core.plan import (
    CUES_V1,
    MAX_CUES,
    MAX_PHASES,
    MAX_PLAN_MS,
    MAX_STEP_CUES,
    MAX_STEPS,
    Plan,
    PlanError,
    Step,
    pattern_ms,
)

from . import plan_bytes
from .exercise import HALFWAY_FROM_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenuto.toml.lines import Key

    from .exercise import Exercise, Phase
    from .haptics import Pattern, Vocabulary
    from .routine import Routine

CUE_GAP_MS = 400
"""Silence after a cue, so that the next one is felt as another."""
GATED_READY_MS = 5_000
DONE_MS_MIN = 3_000
TICKS_MS = (3_000, 2_000, 1_000)
LET_GO_MS = 5_000
"""An open hold may be let go so early and the plan still keeps the budget of the motor."""
_OTHER_CUES_MAX = 2 + 1 + len(TICKS_MS)
"""What a hold may have besides its marks: start and end, halfway, ticks."""

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
                "the wearable cannot play this routine, which has a hold that a press ends: its"
                " firmware is too old, then update it, or it has no button",
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
        rep, set_no: From 1, 0 where they mean nothing; reps and sets: of how many.
        phase: The name of the part of the repetition.
        is_open: Whether a press ends it before its time is over.
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
    sets: int
    phase: str | None
    is_open: bool
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
    for number, (step, place) in enumerate(
        zip(places.steps(plan), places.places(plan), strict=True)
    ):
        waits = vocab.WAITS[vocab.WAIT_HEART] if step.gate_bpm else None
        cues = tuple(
            ScoreCue(
                vocab.cue_name(cue),
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
                kind=place.kind,
                exercise=place.exercise,
                side=place.side,
                rep=place.rep,
                reps=place.reps,
                set_no=place.set_no,
                sets=place.sets,
                phase=place.phase,
                is_open=place.is_open,
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
    compiler = _Compiler(routine, vocabulary)
    steps, mistakes = compiler.run()
    patterns = compiler.patterns
    if not mistakes:
        mistakes = _limit_mistakes(routine, steps) or _motor_mistakes(routine, steps, patterns)
    if mistakes:
        raise InputError(sorted(set(mistakes)))
    names = [exercise.name for exercise in routine.shown_exercises]
    phases = compiler.phases
    if routine.private_name:
        phases = [f"part {number}" for number in range(1, len(phases) + 1)]
    elif routine.title and routine.title != routine.name:
        phases = [*phases, routine.title]
    try:
        data = encode(routine.shown_name, names, steps, patterns, phases)
        return CompiledPlan(data, Plan(data), routine)
    except PlanError as error:
        raise InputError([routine.mistake((), f"cannot be made into a plan: {error}")]) from None


@dataclass(frozen=True, slots=True)
class _Lead:
    """The step that leads to a hold.

    Attributes:
        kind: `READY`, `SWITCH` or `REST`.
        path: Where the routine says how long it takes.
        duration_ms: How long.
        cue: At its beginning.
        is_gated: Whether the heart has a say.
    """

    kind: int
    path: Key
    duration_ms: int
    cue: int | None = None
    is_gated: bool = False

    @property
    def key(self) -> str:
        return str(self.path[-1])


@dataclass(frozen=True, slots=True)
class _Hold:
    """A repetition to come, with the way that leads to it."""

    index: int
    """Of its exercise."""
    exercise: Exercise
    side: str | None
    rep: int
    reps: int
    set_no: int
    lead: _Lead | None
    """None where it follows without a pause."""

    def path(self, *keys: str | int) -> Key:
        return ("exercise", self.index, *keys)


def _set_of_holds(exercise: Exercise, reps: int) -> list[tuple[str | None, int]]:
    """Return side and repetition of each hold of one set, in order."""
    numbers = range(1, reps + 1)
    if exercise.sides == "alternating":
        return [(side, rep) for rep in numbers for side in exercise.side_order]
    return [(side, rep) for side in exercise.side_order for rep in numbers]


def _holds(routine: Routine) -> Iterator[_Hold]:
    for index, change in _exercises(routine):
        exercise = routine.exercises[index]
        side_before = None
        for set_no, reps in enumerate(exercise.set_reps, 1):
            for number, (side, rep) in enumerate(_set_of_holds(exercise, reps)):
                lead: _Lead | None = change
                if set_no > 1 or number:
                    lead = _lead(index, exercise, switch=side != side_before, is_set=number == 0)
                yield _Hold(index, exercise, side, rep, reps, set_no, lead)
                side_before = side


def _exercises(routine: Routine) -> Iterator[tuple[int, _Lead]]:
    """Return each exercise that is done, by its number, with the way that leads to it."""
    first = True
    for _ in range(routine.rounds):
        for circuit, numbers in routine.groups:
            for turn in range(circuit.rounds):
                for index in numbers:
                    exercise = routine.exercises[index]
                    path: Key = ("exercise", index, "change_s")
                    duration_ms, kind, cue = exercise.change_ms, vocab.REST, vocab.NEXT_EXERCISE
                    if first:
                        path, duration_ms = ("ready_s",), routine.ready_ms
                        kind, cue = vocab.READY, vocab.GET_READY
                    elif turn and index == numbers[0] and circuit.rest_ms is not None:
                        path = ("circuit", exercise.circuit, "rest_s")
                        duration_ms = circuit.rest_ms
                    first = False
                    yield index, _Lead(kind, path, duration_ms, cue, is_gated=True)


def _lead(index: int, exercise: Exercise, *, switch: bool, is_set: bool) -> _Lead | None:
    """Return the way to a hold from another one of the same exercise, None for none."""
    name, duration_ms = "rest_s", exercise.rest_ms
    if is_set and exercise.set_rest_ms is not None:
        name, duration_ms = "set_rest_s", exercise.set_rest_ms
    kind, cue = vocab.REST, None
    if switch:
        kind, cue = vocab.SWITCH, vocab.SWITCH_SIDES
        if not (is_set and duration_ms >= exercise.side_switch_ms):
            name = "change_s" if exercise.switch_ms is None else "switch_s"
            duration_ms = exercise.side_switch_ms
    elif not duration_ms:
        return None
    gate = exercise.heart_gate
    is_gated = is_set and gate is not None and gate.each_set
    return _Lead(kind, ("exercise", index, name), duration_ms, cue, is_gated=is_gated)


def _check_size(routine: Routine) -> None:
    """Raise InputError before a plan far beyond its limit is made."""
    holds = sum(
        routine.rounds * circuit.rounds * sum(exercise.set_reps) * len(exercise.side_order)
        for circuit, numbers in routine.groups
        for exercise in (routine.exercises[number] for number in numbers)
    )
    steps = 1
    if holds <= MAX_STEPS:
        for hold in _holds(routine):
            asks_heart = hold.lead is not None and _asks_heart(hold.exercise, hold.lead)
            steps += (hold.lead is not None) + asks_heart + max(1, len(hold.exercise.phases))
    if holds > MAX_STEPS or steps > MAX_STEPS:
        many = f"{steps} steps ({holds} holds)" if holds <= MAX_STEPS else f"{holds} holds"
        text = (
            f"the routine has {many}, allowed are {MAX_STEPS} steps;"
            " take fewer rounds, exercises, sets, reps or phases"
        )
        raise InputError([routine.mistake((), text)])


def _asks_heart(exercise: Exercise, lead: _Lead) -> bool:
    return lead.is_gated and (exercise.heart_gate is not None or exercise.heart_limit is not None)


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


def _motor_mistakes(
    routine: Routine, steps: Sequence[Step], patterns: Sequence[Pattern]
) -> list[Mistake]:
    """Tell where the motor would run for too long in a minute, and by which cues."""
    early = tuple(map(_let_go, steps))
    most_ms, number = fullest_minute(cues_of(early), tuple(patterns))
    if most_ms <= ON_MS_MAX:
        return []
    end_ms = sum(step.duration_ms for step in early[: number + 1])
    by_cue: dict[str, int] = {}
    for _, at_ms, cue in cues_of(early)(0, 0):
        if end_ms - MINUTE_MS < at_ms <= end_ms:
            name = "its own patterns" if cue in vocab.OWN_CUES else vocab.cue_name(cue)
            by_cue[name] = by_cue.get(name, 0) + on_ms(patterns[cue])
    longest = sorted(by_cue, key=lambda name: -by_cue[name])[:2]
    what = " and ".join(f"{name} {seconds(by_cue[name])}" for name in longest)
    text = (
        f"the motor would run for {seconds(most_ms)} in a minute, allowed are"
        f" {seconds(ON_MS_MAX)} (most by {what}); take longer times, fewer ticks or marks, or"
        " shorter patterns by [cues]"
    )
    exercise = steps[number].exercise
    path: Key = ("exercise", exercise) if exercise != vocab.NO_EXERCISE else ()
    return [routine.mistake(path, text)]


def _let_go(step: Step) -> Step:
    """Return the step as it is where an open hold is let go early."""
    if not step.is_open or step.duration_ms <= LET_GO_MS:
        return step
    cues = [cue for cue in step.cues if cue[1] or cue[0] <= LET_GO_MS]
    return Step(step.kind, LET_GO_MS, cues, exercise=step.exercise)


class _Compiler:
    """One pass over the holds of a routine."""

    def __init__(self, routine: Routine, vocabulary: Vocabulary) -> None:
        self._routine = routine
        own = dict(routine.cues)
        self._known = [
            own.get(name, pattern)
            for name, pattern in zip(vocab.CUES, vocabulary.patterns, strict=True)
        ]
        self._named = {name: pattern for name, pattern in own.items() if name not in vocab.CUES}
        self._own: list[Pattern] = []
        self._steps: list[Step] = []
        self._mistakes: list[Mistake] = []
        self._busy_ms = 0
        """How long the last cue of the step before keeps the beginning of the next one busy."""
        self.phases: list[str] = []

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The pattern of each cue that the plan knows."""
        if self._own:
            silent: list[Pattern] = [()] * (vocab.OWN_CUES[0] - len(self._known))
            return (*self._known, *silent, *self._own)
        used = max(cue for step in self._steps for _, _, cue in step.cues)
        return tuple(self._known[: max(CUES_V1, used + 1)])

    def run(self) -> tuple[list[Step], list[Mistake]]:
        holds = list(_holds(self._routine))
        for number, hold in enumerate(holds):
            following = holds[number + 1] if number + 1 < len(holds) else None
            goes_on = following is not None and following.lead is None
            if hold.lead is not None:
                self._add_lead(hold, hold.lead)
            if hold.exercise.phases:
                self._add_phases(hold, goes_on=goes_on)
            else:
                self._add_hold(hold)
            self._busy_ms = 0 if goes_on else self._taken_ms(vocab.HOLD_END)
        needs_ms = self._busy_ms + pattern_ms(self._known[vocab.FINISHED])
        duration_ms = max(DONE_MS_MIN, -(-needs_ms // 1_000) * 1_000)
        self._steps.append(Step(vocab.DONE, duration_ms, [(self._busy_ms, False, vocab.FINISHED)]))
        return self._steps, self._mistakes

    def _taken_ms(self, cue: int) -> int:
        """Return how long nothing else may be felt from the beginning of a cue."""
        own = cue - vocab.OWN_CUES[0]
        length_ms: int = pattern_ms(self._own[own] if own >= 0 else self._known[cue])
        return length_ms + CUE_GAP_MS if length_ms else 0

    def _add_lead(self, hold: _Hold, lead: _Lead) -> None:
        """Add the step that leads to a hold, or the two of them where the heart has a say."""
        exercise = hold.exercise
        asks_heart = _asks_heart(exercise, lead)
        if asks_heart:
            gate, limit = exercise.heart_gate, exercise.heart_limit
            cues, _ = self._lead_cues(lead)
            longest_ms, name = 0, "heart_gate"
            if gate is not None:
                longest_ms = gate.max_ms
            elif limit is not None:
                longest_ms, name = limit.max_ms, "heart_limit"
            self._check_wait(hold, (name, "max_s"), longest_ms, lead)
            self._add(
                hold,
                lead.kind,
                lead.duration_ms,
                cues,
                gate_bpm=0 if gate is None else gate.below_bpm,
                limit_bpm=0 if limit is None else limit.bpm,
                wait_max_ms=longest_ms,
            )
            lead = _Lead(vocab.READY, ("ready_s",), GATED_READY_MS, vocab.GET_READY)
        cues, free_ms = self._lead_cues(lead)
        if exercise.self_paced:
            longest_ms = exercise.self_paced_max_ms
            self._check_wait(hold, ("self_paced_max_s",), longest_ms, lead)
            self._add(
                hold, lead.kind, lead.duration_ms, cues, self_paced=True, wait_max_ms=longest_ms
            )
        else:
            if exercise.counts_down_to("start"):
                cues += self._ticks(hold, f"`{lead.key}`", free_ms, lead.duration_ms)
            self._add(hold, lead.kind, lead.duration_ms, cues)

    def _lead_cues(self, lead: _Lead) -> tuple[list[tuple[int, bool, int]], int]:
        """Return the cue at the beginning of a step, and from when on others may be felt."""
        cue, duration_ms = lead.cue, lead.duration_ms
        at_ms, self._busy_ms = self._busy_ms, 0
        needs_ms = at_ms + (0 if cue is None else self._taken_ms(cue))
        if needs_ms > duration_ms:
            felt = ["hold_end"] if at_ms else []
            felt += [] if cue is None else [vocab.CUES[cue]]
            text = (
                f"`{lead.key}` is {seconds(duration_ms)}, but {' and '.join(felt)} need"
                f" {seconds(needs_ms)} to be felt; allowed is that or more, or a shorter pattern"
            )
            self._complain(lead.path, text)
            return [], needs_ms
        return [] if cue is None else [(at_ms, False, cue)], needs_ms

    def _check_wait(self, hold: _Hold, keys: tuple[str, ...], longest_ms: int, lead: _Lead) -> None:
        if longest_ms < lead.duration_ms:
            text = (
                f"`{'.'.join(keys)}` is {seconds(longest_ms)}, allowed is at least"
                f" `{lead.key}`, here {seconds(lead.duration_ms)}"
            )
            self._complain(hold.path(*keys), text)

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
            self._complain(hold.path("countdown"), text)
        return ticks

    def _add_hold(self, hold: _Hold) -> None:
        exercise = hold.exercise
        duration_ms = exercise.side_hold_ms(hold.side, hold.rep)
        free_ms = self._taken_ms(vocab.HOLD_START)
        if free_ms > duration_ms:
            text = (
                f"a hold of {seconds(duration_ms)} is too short for the hold_start cue, which needs"
                f" {seconds(free_ms)} to be felt; allowed is that or more, or a shorter pattern"
            )
            self._complain(hold.path(_hold_key(hold)), text)
        middle = self._halfway(hold, duration_ms, free_ms)
        middle = sorted(middle + self._marks(hold, duration_ms, free_ms, middle))
        if middle:
            at_ms, _, cue = middle[-1]
            free_ms = at_ms + self._taken_ms(cue)
        cues = [(0, False, vocab.HOLD_START), *middle]
        if exercise.counts_down_to("end"):
            cues += self._ticks(hold, "a hold", free_ms, duration_ms)
        cues.append((0, True, vocab.HOLD_END))
        self._add(hold, vocab.HOLD, duration_ms, cues, is_open=exercise.is_open)

    def _halfway(self, hold: _Hold, duration_ms: int, free_ms: int) -> list[tuple[int, bool, int]]:
        exercise = hold.exercise
        half_ms = duration_ms // 2
        wanted = exercise.halfway
        if wanted is None:
            marked = exercise.is_open or exercise.mark_every_ms is not None
            wanted = duration_ms >= HALFWAY_FROM_MS and not marked
        fits = half_ms >= free_ms and half_ms + self._taken_ms(vocab.HALFWAY) <= duration_ms
        if wanted and fits:
            return [(half_ms, False, vocab.HALFWAY)]
        if exercise.halfway:
            text = (
                f"a hold of {seconds(duration_ms)} is too short for a halfway cue;"
                " allowed is `halfway = false` or a longer hold"
            )
            self._complain(hold.path("halfway"), text)
        return []

    def _marks(
        self,
        hold: _Hold,
        duration_ms: int,
        free_ms: int,
        halfway: list[tuple[int, bool, int]],
    ) -> list[tuple[int, bool, int]]:
        """Return the marks of a hold, those that would be felt with another cue left out."""
        every_ms = hold.exercise.mark_every_ms
        if every_ms is None:
            return []
        path, taken_ms = hold.path("mark_every_s"), self._taken_ms(vocab.MARK)
        longest_ms = hold.exercise.longest_hold_ms
        text = ""
        if every_ms >= max(longest_ms, duration_ms):
            text = f"but a hold of {seconds(longest_ms)} is over by then; allowed is less"
        elif every_ms < max(taken_ms, free_ms):
            needs = seconds(max(taken_ms, free_ms))
            text = f"but the cues need {needs} to be felt; allowed is that or more"
        elif (duration_ms - 1) // every_ms > MAX_STEP_CUES - _OTHER_CUES_MAX:
            most = MAX_STEP_CUES - _OTHER_CUES_MAX
            text = f"too often for a hold of {seconds(duration_ms)}; allowed are {most} marks"
        if text:
            self._complain(path, f"`mark_every_s` is {seconds(every_ms)}, {text}")
            return []
        return [
            (at_ms, False, vocab.MARK)
            for at_ms in range(every_ms, duration_ms - taken_ms + 1, every_ms)
            if not any(
                at_ms < half_ms + self._taken_ms(cue) and half_ms < at_ms + taken_ms
                for half_ms, _, cue in halfway
            )
        ]

    def _add_phases(self, hold: _Hold, *, goes_on: bool) -> None:
        """Add a step for each phase.

        Args:
            goes_on: Whether the next repetition follows without a pause.
        """
        phases = hold.exercise.phases
        for number, phase in enumerate(phases):
            cue = self._phase_cue(phase, number)
            taken_ms = 0 if cue is None else self._taken_ms(cue)
            if taken_ms > phase.duration_ms:
                text = (
                    f"phase {phase.name!r}: `s` is {seconds(phase.duration_ms)}, but its cue needs"
                    f" {seconds(taken_ms)} to be felt; allowed is that or more, or a shorter"
                    " pattern, such as `cue = [120]`"
                )
                self._complain(hold.path("phases", number, "s"), text)
            cues = [] if cue is None else [(0, False, cue)]
            if number == len(phases) - 1 and not goes_on:
                cues.append((0, True, vocab.HOLD_END))
            self._add(
                hold, vocab.HOLD, phase.duration_ms, cues, phase=self._phase_number(hold, phase)
            )

    def _phase_number(self, hold: _Hold, phase: Phase) -> int:
        if phase.name not in self.phases:
            self.phases.append(phase.name)
            if len(self.phases) == MAX_PHASES:  # one name is for the title
                text = f"more than {MAX_PHASES - 1} phases have names of their own"
                self._complain(hold.path("phases"), text)
        return min(self.phases.index(phase.name) + 1, MAX_PHASES)

    def _phase_cue(self, phase: Phase, number: int) -> int | None:
        """Return what is felt when a phase begins, None for nothing."""
        cue = phase.cue
        if cue is None:
            # Where next_phase cannot be told from other cues, it is silent, see `feel`.
            is_told = number and self._known[vocab.NEXT_PHASE]
            return vocab.NEXT_PHASE if is_told else vocab.HOLD_START
        if isinstance(cue, str):
            if cue in vocab.CUES:
                return vocab.CUES.index(cue)
            cue = self._named[cue]
        if not cue:
            return None
        if cue not in self._own:
            if len(self._own) == len(vocab.OWN_CUES):
                text = f"the routine has more than {len(vocab.OWN_CUES)} patterns of its own"
                self._complain((), text)
                return None
            self._own.append(cue)
        return vocab.OWN_CUES[self._own.index(cue)]

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
        phase: int = 0,
        is_open: bool = False,
    ) -> None:
        self._steps.append(
            Step(
                kind,
                duration_ms,
                cues,
                exercise=hold.index,
                side=_SIDE_NUMBERS[hold.side],
                rep=hold.rep,
                reps=hold.reps,
                set_no=hold.set_no,
                self_paced=self_paced,
                gate_bpm=gate_bpm,
                limit_bpm=limit_bpm,
                wait_max_ms=wait_max_ms,
                phase=phase,
                is_open=is_open,
            )
        )

    def _complain(self, path: Key, text: str) -> None:
        self._mistakes.append(self._routine.mistake(path, text))


def _hold_key(hold: _Hold) -> str:
    exercise = hold.exercise
    if hold.side == "left" and exercise.left_hold_ms is not None:
        return "left_hold_s"
    if hold.side == "right" and exercise.right_hold_ms is not None:
        return "right_hold_s"
    return "hold_s"
