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
from tenuto.toml.rules import Seconds, Text, Whole, hint
from tenuto.toml.tables import Named, Nested, Remark, TableError, Tables, key
from tenuto_core.plan import MAX_EXERCISES, MAX_NAME_BYTES
from tenuto_core.vocab import CUES

from .exercise import Exercise, Settings
from .haptics import PatternRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tenuto.toml.lines import Key

    from .haptics import Pattern

_LONG_TEXT_BYTES = 4_000
_SHORT_TEXT_BYTES = 500
_OWN_CUES_MAX = 32
_CIRCUITS_MAX = 16

_BUILT_IN = Settings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """Exercises that follow one another, done several times in turn."""

    rounds: int = key(Whole(1, 20), "How often its exercises are done in turn.")
    rest_ms: int | None = key(
        Seconds(1_000, 600_000),
        "Rest between its rounds, if not the time to change to its first exercise.",
        default=None,
        name="rest_s",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A checked routine.

    Attributes:
        origin: Where it was read, for messages; it does not count in comparisons.
    """

    name: str = key(Text(MAX_NAME_BYTES), "The file's name without `.toml`.")
    title: str = key(
        Text(MAX_NAME_BYTES, empty=True),
        "What people call it; if not said, its name.",
        default="",
    )
    private_name: str = key(
        Text(MAX_NAME_BYTES, empty=True),
        "What stands for it on screens, on the wearable, in MQTT and in reports; its exercises have"
        " numbers there.",
        default="",
    )
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
    cues: tuple[tuple[str, Pattern], ...] = key(
        Named(PatternRule(), _OWN_CUES_MAX),
        "How cues feel in this routine: those of the vocabulary, or further ones for its phases.",
        default=(),
    )
    circuits: tuple[tuple[str, Circuit], ...] = key(
        Named(Nested(Circuit), _CIRCUITS_MAX),
        "Circuits by their names; the exercises that belong to one say so.",
        default=(),
        name="circuit",
    )
    exercises: tuple[Exercise, ...] = key(
        Tables(Exercise, "exercise", 1, MAX_EXERCISES),
        "The exercises, in the order in which they are done.",
        name="exercise",
    )
    origin: tables.Source = field(default=tables.Source("routine"), compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        remarks = [*self._wrong_cues(), *self._wrong_circuits()]
        if remarks:
            raise TableError(remarks)

    def _wrong_cues(self) -> Iterator[Remark]:
        known = (*CUES, *(name for name, _ in self.cues))
        for index, exercise in enumerate(self.exercises):
            for number, phase in enumerate(exercise.phases):
                if isinstance(phase.cue, str) and phase.cue not in known:
                    table = ("exercise", index, "phases", number)
                    text = f"`cue` is {phase.cue!r}{hint(phase.cue, known, quote='')}"
                    yield Remark(table, (*table, "cue"), f"{text}; or a pattern in [ ]")

    def _wrong_circuits(self) -> Iterator[Remark]:
        defined = dict(self.circuits)
        over: set[str] = set()
        before = ""
        for index, exercise in enumerate(self.exercises):
            name, path = exercise.circuit, ("exercise", index, "circuit")
            if name and name not in defined:
                text = (
                    f"`circuit` is {name!r}, which is not there; add [circuit.{name}] with `rounds`"
                )
                yield Remark(path[:2], path, text)
            elif name and name != before and name in over:
                text = f"`circuit` {name!r} is interrupted; its exercises must follow one another"
                yield Remark(path[:2], path, text)
            before = name
            over.add(name)
        for name in defined:
            if name not in over:
                text = f'no exercise has `circuit = "{name}"`; add it to those that belong to it'
                yield Remark(("circuit", name), ("circuit", name), text)

    @property
    def shown_name(self) -> str:
        """What it is called in a plan, and so wherever a plan is shown."""
        return self.private_name or self.name

    @property
    def shown_title(self) -> str:
        """What people are shown."""
        return self.private_name or self.title or self.name

    @property
    def shown_exercises(self) -> tuple[Exercise, ...]:
        """The exercises as they are called in a plan; under a private name they have numbers."""
        if not self.private_name:
            return self.exercises
        return tuple(
            replace(exercise, name=f"exercise {number}", how="", link="", muscles=())
            for number, exercise in enumerate(self.exercises, 1)
        )

    @property
    def groups(self) -> tuple[tuple[Circuit, tuple[int, ...]], ...]:
        """The exercises by their numbers, those of one circuit together with it."""
        circuits = dict(self.circuits)
        groups: list[tuple[str, list[int]]] = []
        for index, exercise in enumerate(self.exercises):
            if exercise.circuit and groups and groups[-1][0] == exercise.circuit:
                groups[-1][1].append(index)
            else:
                groups.append((exercise.circuit, [index]))
        once = Circuit(rounds=1)
        return tuple((circuits.get(name, once), tuple(numbers)) for name, numbers in groups)

    def with_patterns(self, change: Callable[[Pattern], Pattern]) -> Routine:
        """Return the routine with each pattern of its own changed."""
        exercises = tuple(
            replace(
                exercise,
                phases=tuple(
                    replace(phase, cue=change(phase.cue)) if isinstance(phase.cue, tuple) else phase
                    for phase in exercise.phases
                ),
            )
            for exercise in self.exercises
        )
        cues = tuple((name, change(pattern)) for name, pattern in self.cues)
        return replace(self, cues=cues, exercises=exercises)

    def held_ms(self) -> dict[str, tuple[int, int]]:
        """Return for how long each muscle is held, left and right, in the order of the file.

        An exercise with both sides together counts for both; open holds count for nothing.
        """
        total: dict[str, tuple[int, int]] = {}
        for circuit, numbers in self.groups:
            for exercise in (self.exercises[number] for number in numbers):
                times = self.rounds * circuit.rounds
                sides = exercise.side_order
                left_ms, right_ms = (
                    times * exercise.held_ms(side) if side in sides or None in sides else 0
                    for side in ("left", "right")
                )
                for muscle in exercise.muscles:
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
    remarks = list(_two_times(raw))
    try:
        routine = tables.read_table(_merge(raw), Routine)
    except TableError as error:
        remarks += error.remarks
    if remarks:
        called = _called(_raw_names(raw))
        mistakes = [
            _mistake(origin, called, remark.table, remark.path, remark.text + _belongs(remark.path))
            for remark in remarks
        ]
        raise InputError(sorted(mistakes))
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
        if "phases" in own:
            given = {name: given[name] for name in given if name not in _NOT_FOR_PHASES}
        sides = (usable | own).get("sides", "together")
        if "hold_s" in own or sides == "together":
            given = {name: given[name] for name in given if name not in _SIDED}
        elif sides in ("left", "right"):
            other = "right" if sides == "left" else "left"
            given.pop(f"{other}_hold_s", None)
        merged["exercise"].append(given | own)
    return merged


def _two_times(raw: Mapping[str, Any]) -> Iterator[Remark]:
    """Tell of exercises with phases that say besides how long to hold."""
    exercises = raw.get("exercise")
    for index, own in enumerate(exercises if isinstance(exercises, list) else ()):
        if isinstance(own, dict) and "phases" in own:
            for name in _HOLDS:
                if name in own:
                    text = f"`{name}` does not go with `phases`, which have their own times"
                    yield Remark(("exercise", index), ("exercise", index, name), text)


def _good_part(defaults: Mapping[str, Any]) -> dict[str, Any]:
    try:
        tables.read_table(defaults, Settings)
    except TableError as error:
        bad = {remark.path[0] for remark in error.remarks}
        return {name: value for name, value in defaults.items() if name not in bad}
    return dict(defaults)


_SIDED = ("left_hold_s", "right_hold_s")
_HOLDS = ("hold_s", "hold_max_s", *_SIDED)
_NOT_FOR_PHASES = (*_HOLDS, "halfway", "mark_every_s", "countdown", "progression")


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
        case ("circuit" | "cues" as outer, str(name), *inner):
            prefix = f"[{outer}.{name}]: "
        case ("circuit" | "cues" as outer,):
            prefix, inner = f"[{outer}]: ", []
        case _:
            prefix, inner = "", []
    for part in inner:
        # "phases: 2: " counts like people do.
        prefix = f"{prefix[:-2]} {part + 1}: " if isinstance(part, int) else f"{prefix}{part}: "
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
