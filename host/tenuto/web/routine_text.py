# SPDX-License-Identifier: MIT
"""A routine as the text that a person edits: changed in place, with its comments.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from tenuto.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tomlkit import TOMLDocument

EXERCISES = "exercise"
KEYS = ("name", "hold_s", "sides", "reps", "sets", "rest_s", "change_s")
"""What the editor changes by its own fields; everything else is changed in the text."""


def set_value(text: str, exercise: int, path: Sequence[str | int], value: Any) -> str:  # noqa: ANN401
    """Set a key of an exercise.

    Args:
        text: The routine.
        exercise: Which one, from 0.
        path: One of `KEYS`, or `("phases", number, "s")`.
        value: None takes the key away, so that the one of `[defaults]` holds.

    Raises:
        InputError: The text is no TOML, or has no such exercise.
    """
    document = _parse(text)
    table: Any = _exercise(document, exercise)
    *way, last = path
    if way:
        try:
            for step in way:
                table = table[step]
            table[last]
        except (KeyError, IndexError, TypeError):
            raise InputError("the text has changed; look at it again") from None
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value
    return tomlkit.dumps(document)


def move(text: str, exercise: int, to: int) -> str:
    """Move an exercise to another place.

    Raises:
        InputError: See `set_value`.
    """
    document = _parse(text)
    moved = _exercise(document, exercise)
    _exercise(document, to)
    tables = document[EXERCISES]
    assert isinstance(tables, AoT)  # noqa: S101 - `_exercise` has looked
    del tables[exercise]
    tables.insert(to, moved)
    return tomlkit.dumps(document)


def add(text: str, name: str) -> str:
    """Add an exercise at the end.

    Raises:
        InputError: The text is no TOML.
    """
    document = _parse(text)
    tables = document.get(EXERCISES)
    table = tomlkit.table()
    table.add("name", name)
    if isinstance(tables, AoT):
        tables.append(table)
    else:
        document[EXERCISES] = tomlkit.aot()
        document[EXERCISES].append(table)
    return tomlkit.dumps(document)


def remove(text: str, exercise: int) -> str:
    """Take an exercise away.

    Raises:
        InputError: See `set_value`; the last one stays.
    """
    document = _parse(text)
    _exercise(document, exercise)
    tables = document[EXERCISES]
    assert isinstance(tables, AoT)  # noqa: S101 - `_exercise` has looked
    if len(tables) == 1:
        raise InputError("a routine has at least one exercise")
    del tables[exercise]
    return tomlkit.dumps(document)


def rename(text: str, name: str) -> str:
    """Set the name of the whole routine, which is that of its file.

    Raises:
        InputError: The text is no TOML.
    """
    document = _parse(text)
    document["name"] = name
    return tomlkit.dumps(document)


def _exercise(document: TOMLDocument, number: int) -> Any:  # noqa: ANN401
    tables = document.get(EXERCISES)
    if not isinstance(tables, AoT) or not 0 <= number < len(tables):
        raise InputError(f"the text has no exercise {number + 1}")
    return tables[number]


def _parse(text: str) -> TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise InputError(f"the routine is no TOML: {error}") from error
