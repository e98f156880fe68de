# SPDX-License-Identifier: MIT
"""Routines: an ordered list of exercises, read from a TOML file that people edit.

An exercise takes what it does not set from `[defaults]`, and what is not there from this module.
Two exercises may have the same name, such as a plank at the beginning and one at the end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError, Mistake
from tenuto.files import read_input
from tenuto.toml import tables
from tenuto.toml.rules import Choice, Flag, ListOf, Seconds, Text, Whole, seconds
from tenuto.toml.tables import Nested, NestedOrFalse, Remark, TableError, Tables, key
from tenuto_core.plan import GATE_BPM, MAX_EXERCISES, MAX_NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenuto.toml.lines import Key

STRETCH, STRENGTH = "stretch", "strength"
KINDS = (STRETCH, STRENGTH)
SIDES = ("together", "each", "left_first", "right_first", "alternating")
COUNTDOWNS = ("off", "start", "end", "both")

HALFWAY_FROM_MS = 20_000
"""Holds at least this long have a halfway cue unless the file says otherwise."""

_HOLD = Seconds(1_000, 1_800_000)
_PAUSE = Seconds(1_000, 600_000)
_WAIT = Seconds(5_000, 3_600_000)
_GATE_LOW_BPM, _GATE_HIGH_BPM = GATE_BPM
_LONG_TEXT_BYTES = 4_000
_SHORT_TEXT_BYTES = 500


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `[defaults]` may set for all exercises, and each exercise for itself."""

    kind: str = key(Choice(KINDS), "Whether it is a stretch or a strength hold.", default="stretch")
    sides: str = key(
        Choice(SIDES),
        "Both sides together; or each in turn, all repetitions of one side and then the other:"
        " each (left first), left_first, right_first; or alternating, changing sides after each"
        " repetition.",
        default="together",
    )
    hold_ms: int = key(_HOLD, "How long to hold.", default=30_000, name="hold_s")
    left_hold_ms: int | None = key(
        _HOLD, "How long to hold on the left, if not hold_s.", default=None, name="left_hold_s"
    )
    right_hold_ms: int | None = key(
        _HOLD, "How long to hold on the right, if not hold_s.", default=None, name="right_hold_s"
    )
    reps: int = key(Whole(1, 50), "Repetitions, of each side.", default=1)
    sets: int = key(Whole(1, 20), "How many times all repetitions are done.", default=1)
    rest_ms: int = key(
        _PAUSE,
        "Rest between repetitions of a side, and between sets; where the sides change between two"
        " sets, at least the time to switch sides.",
        default=8_000,
        name="rest_s",
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
        f" {seconds(HALFWAY_FROM_MS)} and more.",
        default=None,
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

    def side_hold_ms(self, side: str | None) -> int:
        """Return how long to hold on `left`, on `right` or, for None, with both sides together."""
        own_ms = {"left": self.left_hold_ms, "right": self.right_hold_ms}
        return own_ms.get(side or "") or self.hold_ms

    def counts_down_to(self, moment: str) -> bool:
        """Return whether ticks lead to the `start` or the `end` of a hold."""
        return (self.countdown or "start") in (moment, "both")

    @property
    def side_order(self) -> tuple[str | None, ...]:
        """The sides in the order in which they are held: one None where both are together."""
        if self.sides == "together":
            return (None,)
        return ("right", "left") if self.sides == "right_first" else ("left", "right")

    @property
    def side_switch_ms(self) -> int:
        """How long it takes to switch sides."""
        return self.change_ms if self.switch_ms is None else self.switch_ms


_BUILT_IN = Settings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise(Settings):
    """One stretch or one strength hold."""

    name: str = key(Text(MAX_NAME_BYTES), f"What it is called, at most {MAX_NAME_BYTES} bytes.")
    how: str = key(Text(_LONG_TEXT_BYTES, lines=True, empty=True), "How to do it.", default="")
    muscles: tuple[str, ...] = key(
        ListOf(Text(MAX_NAME_BYTES), 12), "The muscles that it works on.", default=()
    )

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.sides == "together":
            sided = {"left_hold_s": self.left_hold_ms, "right_hold_s": self.right_hold_ms}
            wrong = "needs sides, but `sides` is 'together'; allowed with any other"
            remarks = [Remark.of(name, wrong) for name, ms in sided.items() if ms is not None]
            if remarks:
                raise TableError(remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A checked routine.

    Attributes:
        origin: Where it was read, for messages; it does not count in comparisons.
    """

    name: str = key(Text(MAX_NAME_BYTES), "The file's name without `.toml`.")
    description: str = key(
        Text(_SHORT_TEXT_BYTES, empty=True), "What it is, in one line.", default=""
    )
    source: str = key(
        Text(_LONG_TEXT_BYTES, lines=True, empty=True),
        "Where the exercises come from.",
        default="",
    )
    safety: str = key(
        Text(_LONG_TEXT_BYTES, lines=True, empty=True),
        "A note that is shown before the routine starts.",
        default="",
    )
    rounds: int = key(Whole(1, 10), "How often the whole list is done.", default=1)
    ready_ms: int = key(
        Seconds(1_000, 300_000),
        "Time to get ready before the first hold.",
        default=5_000,
        name="ready_s",
    )
    defaults: Settings = key(
        Nested(Settings),
        "What all exercises have in common; an exercise may set it otherwise.",
        default=_BUILT_IN,
    )
    exercises: tuple[Exercise, ...] = key(
        Tables(Exercise, "exercise", 1, MAX_EXERCISES),
        "The exercises, in the order in which they are done.",
        name="exercise",
    )
    origin: tables.Source = field(default=tables.Source("routine"), compare=False, repr=False)

    def held_ms(self) -> dict[str, tuple[int, int]]:
        """Return for how long each muscle is held, left and right, in the order of the file.

        An exercise with both sides together counts for both.
        """
        total: dict[str, tuple[int, int]] = {}
        for exercise in self.exercises:
            times = self.rounds * exercise.sets * exercise.reps
            sides = ("left", "right") if None not in exercise.side_order else (None, None)
            left_ms, right_ms = (times * exercise.side_hold_ms(side) for side in sides)
            for muscle in dict.fromkeys(exercise.muscles):
                before = total.get(muscle, (0, 0))
                total[muscle] = (before[0] + left_ms, before[1] + right_ms)
        return total

    def mistake(self, path: Key, text: str) -> Mistake:
        """Return a mistake at a path of the file, such as `("exercise", 0, "change_s")`.

        A key that the exercise does not set is looked for in `[defaults]`.
        """
        called = _called([exercise.name for exercise in self.exercises])
        return _mistake(self.origin, called, path[:2], path, text)


def parse(data: str | bytes, file: str) -> Routine:
    """Return the routine of a TOML text.

    Args:
        data: The text.
        file: Its name in messages.

    Raises:
        InputError: With all mistakes at once.
    """
    raw, origin = tables.parse(data, file)
    try:
        routine = tables.read_table(_merge(raw), Routine)
    except TableError as error:
        called = _called(_raw_names(raw))
        mistakes = [
            _mistake(origin, called, remark.table, remark.path, remark.text + _belongs(remark.path))
            for remark in error.remarks
        ]
        raise InputError(sorted(mistakes)) from None
    return replace(routine, origin=origin)


def load(path: Path) -> Routine:
    """Read a routine file.

    Raises:
        InputError: If it cannot be read or is wrong.
    """
    return parse(read_input(path), str(path))


def _merge(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return each exercise the good defaults that it does not set; bad ones have their own line."""
    merged = dict(raw)
    defaults, exercises = raw.get("defaults"), raw.get("exercise")
    if not isinstance(defaults, dict) or not isinstance(exercises, list):
        return merged
    usable = _good_part(defaults)
    merged["exercise"] = []
    for own in exercises:
        if not isinstance(own, dict):
            merged["exercise"].append(own)
            continue
        given = {name: value for name, value in usable.items() if name not in own}
        if "hold_s" in own or (usable | own).get("sides", "together") == "together":
            given = {name: given[name] for name in given if name not in _SIDED}
        merged["exercise"].append(given | own)
    return merged


def _good_part(defaults: Mapping[str, Any]) -> dict[str, Any]:
    try:
        tables.read_table(defaults, Settings)
    except TableError as error:
        bad = {remark.path[0] for remark in error.remarks}
        return {name: value for name, value in defaults.items() if name not in bad}
    return dict(defaults)


_SIDED = ("left_hold_s", "right_hold_s")


def _raw_names(raw: Mapping[str, Any]) -> list[str]:
    exercises = raw.get("exercise")
    if not isinstance(exercises, list):
        return []
    names = [e.get("name") if isinstance(e, dict) else None for e in exercises]
    return [n.strip() if isinstance(n, str) and n.isprintable() else "" for n in names]


def _called(names: list[str]) -> list[str]:
    """Return what a message calls each exercise."""
    count = Counter(names)
    called = []
    for number, name in enumerate(names, 1):
        if not name or len(name.encode()) > MAX_NAME_BYTES:
            called.append(f"exercise {number}: ")
        elif count[name] > 1:
            called.append(f"exercise '{name}' (number {number}): ")
        else:
            called.append(f"exercise '{name}': ")
    return called


def _mistake(origin: tables.Source, called: list[str], table: Key, path: Key, text: str) -> Mistake:
    """Return the mistake with its table in words, on the line of the default where that is it."""
    match table:
        case ("exercise", int(index), *inner):
            prefix = called[index]
            default = ("defaults", *path[2:])
            if not origin.has(path[:3]) and len(path) > 2 and origin.has(default[:2]):
                path = default
        case ("defaults", *inner):
            prefix = "[defaults]: "
        case _:
            prefix, inner = "", []
    prefix += "".join(f"{name}: " for name in inner)
    return origin.mistake(path, prefix + text)


def _belongs(path: Key) -> str:
    """Return the place where a key belongs that is known, but not here."""
    if not path:
        return ""
    name = str(path[-1])
    top, exercise = tables.keys(Routine), tables.keys(Exercise)
    if len(path) == 1 and name not in top and name in exercise:
        return "; it belongs under [[exercise]] or [defaults]"
    if (
        len(path) > 1
        and path[0] in ("defaults", "exercise")
        and name in top.keys() - exercise.keys()
    ):
        return "; it belongs at the top of the file, before the first [table]"
    return ""
