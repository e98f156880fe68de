# SPDX-License-Identifier: MIT
"""One exercise of a routine file: what it may set, and what that means for its repetitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.toml.rules import Choice, Flag, ListOf, Seconds, Text, Whole, seconds, show
from tenuto.toml.tables import NestedOrFalse, Remark, TableError, Tables, key
from tenuto_core.plan import GATE_BPM, MAX_NAME_BYTES

from . import muscles
from .haptics import PatternRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .haptics import Pattern

STRETCH, STRENGTH = "stretch", "strength"
KINDS = (STRETCH, STRENGTH, "breathing", "balance", "mobility")
SIDES = ("together", "each", "left_first", "right_first", "alternating", "left", "right")
COUNTDOWNS = ("off", "start", "end", "both")

HALFWAY_FROM_MS = 20_000
"""Holds at least this long have a halfway cue unless the file says otherwise."""
OPEN = "open"
REPS_MAX = 100

_HOLD = Seconds(1_000, 1_800_000)
_PAUSE = Seconds(1_000, 600_000)
_WAIT = Seconds(5_000, 3_600_000)
_GATE_LOW_BPM, _GATE_HIGH_BPM = GATE_BPM
_WORD, _PATTERN = Text(MAX_NAME_BYTES), PatternRule()
_LONG_TEXT_BYTES = 4_000
_LINK_BYTES = 300
_PHASES_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartGate:
    """A rest that lasts until the heart is calm enough."""

    below_bpm: int = key(
        Whole(_GATE_LOW_BPM, _GATE_HIGH_BPM),
        "Go on as soon as the heart rate is below this.",
    )
    max_ms: int = key(
        _WAIT,
        "Go on after this time in any case, counted from the beginning of the rest.",
        default=120_000,
        name="max_s",
    )
    each_set: bool = key(
        Flag(),
        "Whether to rest so before each further set too: at least its rest, then until the heart"
        " is calm.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartLimit:
    """A heart rate at which the next exercise is held back."""

    bpm: int = key(
        Whole(_GATE_LOW_BPM, _GATE_HIGH_BPM),
        "Hold the exercise back, and say so on the wrist, while the heart rate is this or more.",
    )
    max_ms: int = key(
        _WAIT,
        "End the session if it is still so after this time, counted from the beginning of the rest;"
        " with a heart_gate beside it the time of that one counts.",
        default=300_000,
        name="max_s",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progression:
    """A rule by which a hold grows as it is mastered; only where somebody wrote it."""

    add_ms: int = key(Seconds(1_000, 60_000), "How much longer the hold becomes.", name="add_s")
    every: int = key(
        Whole(1, 100),
        "After so many sessions in which the exercise was held to its end, each time.",
    )
    max_ms: int = key(_HOLD, "It grows no longer than this.", name="max_s")


@dataclass(frozen=True, slots=True)
class _CueRule:
    """A cue by its name, or a pattern of one's own."""

    def read(self, value: object) -> str | Pattern:
        if isinstance(value, str):
            return _WORD.read(value)
        if isinstance(value, list):
            return _PATTERN.read(value)
        raise ValueError(
            f"is {show(value)}, allowed is the name of a cue, or buzz, pause, buzz in ms in [ ]"
        )

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [_WORD.schema(), _PATTERN.list_schema()]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of one repetition; it has one cue, at its beginning."""

    name: str = key(Text(MAX_NAME_BYTES), "What is done in it, such as stretch, press, in, out.")
    duration_ms: int = key(Seconds(500, 600_000), "How long it lasts.", name="s")
    cue: str | Pattern | None = key(
        _CueRule(),
        "What is felt when it begins: the name of a cue, or buzz, pause, buzz in milliseconds, []"
        " for nothing; if not said, hold_start in the first phase and next_phase in the others.",
        default=None,
    )


@dataclass(frozen=True, slots=True)
class _OneOrEach:
    """One value for all repetitions or sets, or a list with one for each."""

    one: Seconds | Whole
    count_max: int
    word: str | None = None
    """A word that stands for None."""

    def read(self, value: object) -> Any:  # noqa: ANN401
        if value == self.word and self.word is not None:
            return None
        if isinstance(value, list):
            if not value:
                raise ValueError("is an empty list, allowed is at least one number")
            return ListOf(self.one, self.count_max).read(value)
        try:
            return self.one.read(value)
        except ValueError as error:
            if isinstance(value, str) and self.word is not None:
                raise ValueError(f'{error}, a list of them, or "{self.word}"') from None
            raise

    def schema(self) -> dict[str, Any]:
        each = ListOf(self.one, self.count_max).schema() | {"minItems": 1}
        words = [] if self.word is None else [{"const": self.word}]
        return {"oneOf": [self.one.schema(), each, *words]}


@dataclass(frozen=True, slots=True)
class _OrZero:
    """A value, or 0 for none."""

    rule: Seconds

    def read(self, value: object) -> int:
        is_zero = isinstance(value, int | float) and not isinstance(value, bool) and value == 0
        return 0 if is_zero else self.rule.read(value)

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [self.rule.schema(), {"const": 0}]}


@dataclass(frozen=True, slots=True)
class _OrFalse:
    """A value, or false to take back the one in the defaults."""

    rule: Seconds

    def read(self, value: object) -> int | None:
        return None if value is False else self.rule.read(value)

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [self.rule.schema(), {"const": False}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `[defaults]` may set for all exercises, and each exercise for itself."""

    kind: str = key(Choice(KINDS), "What sort of exercise it is.", default=STRETCH)
    sides: str = key(
        Choice(SIDES),
        "Both sides together; or each in turn, all repetitions of one side and then the other:"
        " each (left first), left_first, right_first; or alternating, changing sides after each"
        " repetition; or one side only: left, right.",
        default="together",
    )
    hold_ms: int | tuple[int, ...] | None = key(
        _OneOrEach(_HOLD, REPS_MAX, OPEN),
        "How long to hold; a list has a time for each repetition; open is as long as you can: a"
        " press ends the hold.",
        default=30_000,
        name="hold_s",
    )
    hold_max_ms: int = key(
        Seconds(5_000, 1_800_000),
        "An open hold ends by itself after this time.",
        default=120_000,
        name="hold_max_s",
    )
    left_hold_ms: int | tuple[int, ...] | None = key(
        _OneOrEach(_HOLD, REPS_MAX),
        "How long to hold on the left, if not hold_s.",
        default=None,
        name="left_hold_s",
    )
    right_hold_ms: int | tuple[int, ...] | None = key(
        _OneOrEach(_HOLD, REPS_MAX),
        "How long to hold on the right, if not hold_s.",
        default=None,
        name="right_hold_s",
    )
    reps: int | tuple[int, ...] | None = key(
        _OneOrEach(Whole(1, REPS_MAX), 20),
        "Repetitions, of each side; a list has a number for each set; if not said, 1, or as many"
        " as hold_s has times.",
        default=None,
    )
    sets: int | None = key(
        Whole(1, 20),
        "How many times all repetitions are done; if not said, 1, or as many as reps has numbers.",
        default=None,
    )
    rest_ms: int = key(
        _OrZero(_PAUSE),
        "Rest between repetitions of a side, and between sets; where the sides change between two"
        " sets, at least the time to switch sides.  0 for none, in an exercise with phases.",
        default=8_000,
        name="rest_s",
    )
    set_rest_ms: int | None = key(
        _PAUSE, "Rest between sets, if not rest_s.", default=None, name="set_rest_s"
    )
    change_ms: int = key(
        _PAUSE, "Time to get into position before the exercise.", default=8_000, name="change_s"
    )
    switch_ms: int | None = key(
        _PAUSE, "Time to switch sides, if not change_s.", default=None, name="switch_s"
    )
    halfway: bool | None = key(
        Flag(),
        "Whether to buzz in the middle of a hold; if not said, in holds of"
        f" {seconds(HALFWAY_FROM_MS)} and more that have no other marks.",
        default=None,
    )
    mark_every_ms: int | None = key(
        _OrFalse(Seconds(2_000, 900_000)),
        "Buzz each time that so much of a hold is over; false for no such marks.",
        default=None,
        name="mark_every_s",
    )
    countdown: str | None = key(
        Choice(COUNTDOWNS),
        "Ticks at 3, 2 and 1 s before a hold starts, before it ends, both, or off: as many of them"
        " as have room after the other cues, at least one; if not said, before a hold starts, where"
        " there is room.  A self-paced hold starts without ticks.",
        default=None,
    )
    self_paced: bool = key(
        Flag(),
        "Whether each hold waits for a press on the wearable's button to start.",
        default=False,
    )
    self_paced_max_ms: int = key(
        _WAIT,
        "End the session without a press after this time, from the beginning of the change.",
        default=600_000,
        name="self_paced_max_s",
    )
    heart_gate: HeartGate | None = key(
        NestedOrFalse(HeartGate),
        "Rest before the exercise until the heart rate is low enough; false for no such rest.",
        default=None,
    )
    heart_limit: HeartLimit | None = key(
        NestedOrFalse(HeartLimit),
        "Hold the exercise back while the heart is known to be too fast; false for no such limit.",
        default=None,
    )
    progression: Progression | None = key(
        NestedOrFalse(Progression),
        "Let the hold grow by a rule; false for none.",
        default=None,
    )

    @property
    def is_open(self) -> bool:
        """Whether a press ends the holds."""
        return self.hold_ms is None

    @property
    def waits_for_wearer(self) -> bool:
        """Whether it takes each person another time; see `tenuto.sessions.unison.check_unison`."""
        return self.is_open or self.self_paced or self.heart_gate is not None

    @property
    def set_reps(self) -> tuple[int, ...]:
        """How many repetitions each set has."""
        reps = self.reps
        if isinstance(reps, tuple):
            return reps
        if reps is None:
            reps = max(len(times) for times in self._times()) if self._times() else 1
        return (reps,) * (self.sets or 1)

    def _times(self) -> list[tuple[int, ...]]:
        """Return the lists of times that differ from repetition to repetition."""
        held = (self.hold_ms, self.left_hold_ms, self.right_hold_ms)
        return [times for times in held if isinstance(times, tuple)]

    def side_hold_ms(self, side: str | None, rep: int = 1) -> int:
        """Return how long to hold, at most so long for an open hold.

        Args:
            side: `left`, `right` or, for both sides together, None.
            rep: The repetition, counted from 1.
        """
        own_ms = {"left": self.left_hold_ms, "right": self.right_hold_ms}.get(side or "")
        held_ms = self.hold_ms if own_ms is None else own_ms
        if isinstance(held_ms, tuple):
            return held_ms[rep - 1]
        return self.hold_max_ms if held_ms is None else held_ms

    @property
    def longest_hold_ms(self) -> int:
        """The longest of the times of `hold_s`; the most that an open hold may take."""
        held_ms = self.hold_ms
        if isinstance(held_ms, tuple):
            return max(held_ms)
        return self.hold_max_ms if held_ms is None else held_ms

    def with_holds(self, change: Callable[[int], int]) -> dict[str, Any]:
        """Return the fields for `replace` that change the time of each hold that has one."""

        def changed(held_ms: int | tuple[int, ...] | None) -> int | tuple[int, ...] | None:
            if isinstance(held_ms, tuple):
                return tuple(map(change, held_ms))
            return None if held_ms is None else change(held_ms)

        names = ("hold_ms", "left_hold_ms", "right_hold_ms")
        return {name: changed(getattr(self, name)) for name in names}

    def counts_down_to(self, moment: str) -> bool:
        """Return whether ticks lead to the `start` or the `end` of a hold."""
        return (self.countdown or "start") in (moment, "both")

    @property
    def side_order(self) -> tuple[str | None, ...]:
        """The sides in the order in which they are held: one None where both are together."""
        if self.sides == "together":
            return (None,)
        if self.sides in ("left", "right"):
            return (self.sides,)
        return ("right", "left") if self.sides == "right_first" else ("left", "right")

    @property
    def side_switch_ms(self) -> int:
        """How long it takes to switch sides."""
        return self.change_ms if self.switch_ms is None else self.switch_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise(Settings):
    """One exercise."""

    name: str = key(Text(MAX_NAME_BYTES), f"What it is called, at most {MAX_NAME_BYTES} bytes.")
    how: str = key(Text(_LONG_TEXT_BYTES, lines=True, empty=True), "How to do it.", default="")
    link: str = key(
        Text(
            _LINK_BYTES,
            pattern=r"https?://[^\s/]+(/\S*)?",
            allowed="a web address that begins with https:// or http://",
        ),
        "A page or a picture that shows it.",
        default="",
    )
    muscles: tuple[str, ...] = key(
        muscles.Muscles(ListOf(Text(MAX_NAME_BYTES), 12)),
        "The muscles that it works on.",
        default=(),
    )
    phases: tuple[Phase, ...] = key(
        Tables(Phase, "phases", 1, _PHASES_MAX),
        "The parts of each repetition, without a pause between them, in place of hold_s.",
        default=(),
    )
    circuit: str = key(
        Text(MAX_NAME_BYTES), "The circuit to which it belongs, see [circuit.NAME].", default=""
    )

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        found = (*self._contradictions(), *self._wrong_counts())
        remarks = [Remark.of(name, text) for name, text in found]
        if remarks:
            raise TableError(remarks)

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        sided = {"left_hold_s": self.left_hold_ms, "right_hold_s": self.right_hold_ms}
        given = [name for name, ms in sided.items() if ms is not None]
        for name in given:
            if name.split("_")[0] not in self.side_order:
                wrong = f"needs its side, but `sides` is {self.sides!r}"
                yield name, f"{wrong}; allowed with any that has it"
            elif self.is_open:
                yield name, f'does not go with `hold_s = "{OPEN}"`; allowed with a number'
        if not self.rest_ms and not self.phases:
            yield "rest_s", "is 0, allowed is 1 to 600 seconds; 0 goes only with `phases`"
        if self.phases:
            yield from self._beside_phases()
        elif self.is_open:
            yield from self._beside_open()

    def _wrong_counts(self) -> Iterator[tuple[str, str]]:
        if isinstance(self.reps, tuple) and self.sets not in (None, len(self.reps)):
            count = f"has {len(self.reps)} numbers, but `sets` is {self.sets}"
            yield "reps", f"{count}; allowed is a number for each set, or no `sets`"
        most = max(self.set_reps)
        for times in self._times():
            if len(times) != most:
                text = f"has {len(times)} times for {most} repetitions; allowed is one for each"
                held = {"hold_s": self.hold_ms, "left_hold_s": self.left_hold_ms}
                names = (name for name, own in held.items() if own == times)
                yield next(names, "right_hold_s"), text

    def _beside_phases(self) -> Iterator[tuple[str, str]]:
        why = "does not go with `phases`, which have one cue each, at their beginning"
        if self.is_open:
            yield "hold_s", "does not go with `phases`, which have their own times; leave one out"
        if self.halfway:
            yield "halfway", f"{why}; leave it out, or add a phase"
        if self.mark_every_ms is not None:
            yield "mark_every_s", f"{why}; leave it out, or add phases"
        if self.counts_down_to("end"):
            yield "countdown", f'{why}; allowed is "start" or "off"'
        if self.progression is not None:
            yield "progression", "does not go with `phases`; allowed with `hold_s`"

    def _beside_open(self) -> Iterator[tuple[str, str]]:
        why = f'does not go with `hold_s = "{OPEN}"`, whose end is not known'
        if self.halfway:
            yield "halfway", f"{why}; take `mark_every_s`"
        if self.counts_down_to("end"):
            yield "countdown", f'{why}; allowed is "start" or "off"'
        if self.progression is not None:
            yield "progression", f"{why}; allowed with a number"

    @property
    def rep_ms(self) -> int:
        """How long all phases of a repetition last, 0 without phases."""
        return sum(phase.duration_ms for phase in self.phases)

    def held_ms(self, side: str | None) -> int:
        """Return how long all its holds on a side are; an open hold counts for nothing."""
        if self.is_open:
            return 0
        return sum(
            self.rep_ms or self.side_hold_ms(side, rep)
            for reps in self.set_reps
            for rep in range(1, reps + 1)
        )
