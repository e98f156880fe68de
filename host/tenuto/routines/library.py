# SPDX-License-Identifier: MIT
"""What comes with Tenuto, and what the user has put beside it: routines and the vocabulary."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.files import read_input, write_private
from tenuto.routines import haptics, routine
from tenuto.shipped import shipped
from tenuto.toml import rules

from .adjust import AS_WRITTEN, adjust, adjust_patterns, adjust_vocabulary
from .compile import compile_routine
from .feel import fit
from .sharing import shared, unshared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenuto.config import Config

    from .adjust import Adjustment
    from .compile import CompiledPlan
    from .exercise import Exercise
    from .feel import Feel
    from .haptics import Vocabulary
    from .routine import Routine


# A room that starts at one word reads the same files for each of its bands. What they hold decides,
# so that an edited file counts at once; mistakes are found anew each time.
_parse_routine = lru_cache(maxsize=128)(routine.parse)
_parse_vocabulary = lru_cache(maxsize=8)(haptics.parse)
_FILE_NAME = re.compile("[a-z0-9_][a-z0-9_-]{0,31}")
_compile = lru_cache(maxsize=32)(compile_routine)


@dataclass(frozen=True, slots=True)
class Received:
    """A routine that came as a word, checked and not yet stored.

    Attributes:
        routine: The routine.
        compiled: What it would play.
        data: The file's bytes.
        path: The file that it would become.
        is_there: That file is this routine already.
        is_taken: That file is another routine.
        hides_shipped: It would come before a routine that Tenuto brings along.
    """

    routine: Routine
    compiled: CompiledPlan
    data: bytes
    path: Path
    is_there: bool
    is_taken: bool
    hides_shipped: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """The routines that there are at one moment.

    Attributes:
        labels: What people are shown for each routine, by its name.
        class_labels: Those of the routines that a class can play.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    class_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Library:
    """The routines and the vocabulary that a configuration gives access to.

    Attributes:
        routines_folder: The user's own routines, which come before shipped ones of the same name;
            need not exist.
        haptics_file: The user's own vocabulary; cues that it leaves out are the shipped ones; None
            for the shipped one alone.
    """

    routines_folder: Path | None = None
    haptics_file: Path | None = None

    @classmethod
    def of(cls, config: Config) -> Library:
        """Return the library of a configuration."""
        return cls(config.routines_folder, config.haptics_file)

    def _paths(self) -> dict[str, Path]:
        folders = [shipped("config") / "routines"]
        if self.routines_folder is not None:
            folders.append(self.routines_folder)
        return {
            path.stem: path
            for folder in folders
            for path in folder.glob("*.toml")
            if not path.name.startswith(".")
        }

    def names(self) -> list[str]:
        """Return the names of all routines, sorted; they may be wrong inside."""
        return sorted(self._paths())

    def path(self, name: str) -> Path:
        """Return the file of a routine.

        A name is looked up among those that are there and never becomes a path itself, so that it
        may come from anywhere.

        Raises:
            InputError: If no routine has this name.
        """
        paths = self._paths()
        if name not in paths:
            known = sorted(paths)
            found = rules.nearest(name, known)
            tail = f"did you mean {found}?" if found else f"there are {', '.join(known)}"
            raise InputError(f"there is no routine {rules.quoted(name)}; {tail}")
        return paths[name]

    def labels(self) -> dict[str, str]:
        """Return what people are shown for each routine: its title, by its name.

        A private name stands for all that tells what a routine is.  A routine that is wrong inside
        keeps its name.
        """
        return dict(self.offer().labels)

    def offer(self) -> Offer:
        """Return which routines there are; see `labels`."""
        labels: dict[str, str] = {}
        of_class: dict[str, str] = {}
        for name in self.names():
            label, is_for_class = name, False
            with suppress(InputError):
                found = self._read(name)
                label = found.shown_title
                is_for_class = not any(one.waits_for_wearer for one in found.exercises)
            labels[name] = label if label not in labels.values() else f"{label} ({name})"
            if is_for_class:
                of_class[name] = labels[name]
        return Offer(labels, of_class)

    def name_of(self, word: str) -> str:
        """Return the name of a routine by its name or by what people are shown for it.

        A word that is neither comes back as it is.
        """
        if word in self._paths():
            return word
        return name_among(self.labels(), word) or word

    def parse(self, name: str, text: str | bytes, file: str) -> Routine:
        """Read the text of a routine.

        Args:
            name: What it has to be called.
            text: The file's text.
            file: Its name in messages.

        Raises:
            InputError: If it is wrong, or is called otherwise.
        """
        return as_file_is_called(_parse_routine(text, file), name)

    def routine(self, name: str) -> Routine:
        """Read a routine by its name, or by its title.

        Raises:
            InputError: If there is none, or if it is wrong.
        """
        return self._read(self.name_of(name))

    def _read(self, name: str) -> Routine:
        path = self.path(name)
        return self.parse(name, read_input(path), str(path))

    def exercises(self) -> dict[str, Exercise]:
        """Return the exercises of all routines that can be read, by their names.

        Of two that are called the same, one whose muscles are known.
        """
        found: dict[str, Exercise] = {}
        for name in self.names():
            with suppress(InputError):
                for exercise in self.routine(name).exercises:
                    if exercise.muscles or exercise.name not in found:
                        found[exercise.name] = exercise
        return found

    def open(self, name_or_file: str) -> Routine:
        """Read a routine by its name, or from a path that ends in `.toml`; for the command line.

        Raises:
            InputError: If it is not there, or if it is wrong.
        """
        if name_or_file.endswith(".toml"):
            return routine.load(Path(name_or_file))
        return self.routine(name_or_file)

    def save(self, name: str, text: str) -> Path:
        """Write a routine into the user's own folder, if it can be played.

        Args:
            name: Its name, and the file's.
            text: The file's text.

        Returns:
            The file.

        Raises:
            InputError: It is wrong, is called otherwise, or cannot be written; then what was there
                before still is.
        """
        path = self._own_path(name)
        self.compile(self.parse(name, text, str(path)))
        return _written(path, text)

    def share(self, name_or_file: str) -> str:
        """Return the word for a routine; see `sharing.shared`.

        Raises:
            InputError: If it is not there, or if it is wrong.
        """
        found = self.open(name_or_file)
        self.compile(found)
        path = Path(name_or_file) if name_or_file.endswith(".toml") else self.path(found.name)
        return shared(read_input(path))

    def receive(self, word: str) -> Received:
        """Check a routine that somebody shared; nothing is stored.

        Raises:
            InputError: It is no such word, or not a routine that can be played.
        """
        data = unshared(word)
        found = routine.parse(data, "the shared routine")
        path = self._own_path(found.name)
        compiled = self.compile(found)
        is_mine = path.exists()
        is_there = is_mine and read_input(path) == data
        return Received(
            found,
            compiled,
            data,
            path,
            is_there=is_there,
            is_taken=is_mine and not is_there,
            hides_shipped=not is_mine and found.name in self.names(),
        )

    def store(self, received: Received, *, replace: bool = False) -> Path:
        """Write a routine that was received into the user's own folder.

        Args:
            received: What `receive` returned.
            replace: Take the place of another routine of the same name.

        Raises:
            InputError: There is another one, or it cannot be written.
        """
        if received.is_taken and not replace:
            raise InputError(f"you have another routine of that name, {received.path}")
        return _written(received.path, received.data)

    def _own_path(self, name: str) -> Path:
        if self.routines_folder is None:
            raise InputError("there is no folder for routines of your own")
        if not _FILE_NAME.fullmatch(name):
            raise InputError(
                f"{rules.quoted(name)} is no name for a routine's file: allowed are 1 to 32 of "
                "a-z, 0-9, _ and -, the first one not -"
            )
        return self.routines_folder / f"{name}.toml"

    def vocabulary(self) -> Vocabulary:
        """Read the vocabulary.

        Raises:
            InputError: If it is wrong.
        """
        base = _vocabulary(shipped("config") / "haptics.toml", None)
        return base if self.haptics_file is None else _vocabulary(self.haptics_file, base)

    def plan(
        self, name: str, adjustment: Adjustment = AS_WRITTEN, feel: Feel | None = None
    ) -> CompiledPlan:
        """Compile a routine by its name; see `compile`.

        Raises:
            InputError: If it is not there, or is wrong.
        """
        return self.compile(self.routine(name), adjustment, feel)

    def compile(
        self, found: Routine, adjustment: Adjustment = AS_WRITTEN, feel: Feel | None = None
    ) -> CompiledPlan:
        """Compile a routine with the vocabulary.

        Args:
            found: The routine.
            adjustment: How the person likes it.
            feel: What the motor of the device can do, None for one that plays every pattern as it
                is written.

        Raises:
            InputError: If they do not fit.
        """
        vocabulary = adjust_vocabulary(self.vocabulary(), adjustment)
        found = adjust_patterns(adjust(found, adjustment), adjustment)
        if feel is not None:
            vocabulary = fit(vocabulary, feel)
            found = found.with_patterns(feel.pattern)
        return _compile(found, vocabulary)


def name_among(labels: Mapping[str, str], word: str) -> str | None:
    """Return the name of the routine that is called so.

    Args:
        labels: What people are shown for each routine, by its name.
        word: One of either.
    """
    if word in labels:
        return word
    return next((name for name, label in labels.items() if label == word), None)


def _written(path: Path, content: str | bytes) -> Path:
    try:
        write_private(path, content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return path


def as_file_is_called(found: Routine, name: str) -> Routine:
    """Return a routine that has the name by which its file is found.

    Raises:
        InputError: If it has another one.
    """
    if found.name != name:
        text = f"`name` is {found.name!r}, allowed is the file's own name, {name!r}"
        raise InputError([found.mistake(("name",), text)])
    return found


def _vocabulary(path: Path, base: Vocabulary | None) -> Vocabulary:
    return _parse_vocabulary(read_input(path), str(path), base)
