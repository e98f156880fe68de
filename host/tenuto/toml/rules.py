# SPDX-License-Identifier: MIT
"""Rules: what one value of a TOML file may be, and the words that say so to people.

The JSON Schema is made of the same rules; see `tenuto.routines.schema`.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN_CHARACTERS = 40
_LARGEST_SHOWN = 10**18


class ElementError(ValueError):
    """What is wrong with one element of a list, counted from 1."""

    def __init__(self, number: int, error: ValueError) -> None:
        self.index = number - 1
        super().__init__(f"element {number} {error}")


class Rule(Protocol):
    """How one value is read, and how the JSON Schema describes it."""

    def read(self, value: object) -> Any:  # noqa: ANN401
        """Return the value as the program uses it; raise ValueError saying what is allowed."""

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `read` accepts."""


def show(value: object) -> str:
    """Return a value of a file as a person would call it, short enough for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) > _LARGEST_SHOWN:
        return "a very large number"
    if isinstance(value, int | float):
        return f"{value}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, date | datetime | time):
        return "a date or time"
    return "a list" if isinstance(value, list) else "a table"


def quoted(text: str) -> str:
    """Return a text of unknown origin for a message: in quotes, cut short, nothing unprintable."""
    return repr(cut(text))


def cut(text: str) -> str:
    """Return a text short enough for a message."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def seconds(ms: int) -> str:
    """Return a duration as people write it: `8 s`, `2.35 s`."""
    return f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + " s"


def nearest(word: str, words: Sequence[str]) -> str | None:
    """Return the one of `words` that `word` was most likely meant to be, or None."""
    lowered = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower(), list(lowered), n=1)
    return lowered[found[0]] if found else None


def hint(word: str, words: Sequence[str], *, quote: str = "`") -> str:
    """Return `, did you mean ...?`, or what is allowed where nothing is near."""
    found = nearest(word, words)
    if found is not None:
        return f", did you mean {quote}{found}{quote}?"
    return f", allowed: {', '.join(words)}" if words else ""


def _number(value: object, what: str) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"is {show(value)}, allowed is {what}")


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration in seconds, read as whole milliseconds."""

    low_ms: int
    high_ms: int

    @property
    def _allowed(self) -> str:
        return f"{self.low_ms / 1000:g} to {self.high_ms / 1000:g} seconds"

    def read(self, value: object) -> int:
        """Return milliseconds."""
        number = _number(value, f"a number, {self._allowed}")
        if not self.low_ms <= number * 1000 <= self.high_ms:
            raise ValueError(f"is {show(number)}, allowed is {self._allowed}")
        return round(number * 1000)

    def schema(self) -> dict[str, Any]:
        """Return the schema of a number."""
        return {
            "type": "number",
            "minimum": _short(self.low_ms / 1000),
            "maximum": _short(self.high_ms / 1000),
        }


def _short(number: float) -> int | float:
    return int(number) if number == int(number) else number


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    low: int
    high: int

    def read(self, value: object) -> int:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int):
            allowed = f"a whole number, {self.low} to {self.high}"
            raise ValueError(f"is {show(value)}, allowed is {allowed}")  # noqa: TRY004
        if not self.low <= value <= self.high:
            raise ValueError(f"is {show(value)}, allowed is {self.low} to {self.high}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the schema of an integer."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, value: object) -> bool:
        """Return the value."""
        if not isinstance(value, bool):
            raise ValueError(f"is {show(value)}, allowed is true or false")  # noqa: TRY004
        return value

    def schema(self) -> dict[str, Any]:
        """Return the schema of a boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]

    def read(self, value: object) -> str:
        """Return the word."""
        if not isinstance(value, str) or value not in self.options:
            allowed = ", ".join(f'"{option}"' for option in self.options)
            found = nearest(value, self.options) if isinstance(value, str) else None
            tail = f'; did you mean "{found}"?' if found else ""
            raise ValueError(f"is {show(value)}, allowed is one of {allowed}{tail}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the schema of an enumeration."""
        return {"enum": list(self.options)}


@dataclass(frozen=True, slots=True)
class Text:
    """A text without control characters.

    Attributes:
        bytes_max: Of its UTF-8 form.
        lines: Whether it may have several lines.
        empty: Whether it may be empty.
        pattern: A regular expression that all of it must match.
        allowed: What the pattern means, for people.
        secret: Whether messages must not repeat the value.
    """

    bytes_max: int
    lines: bool = False
    empty: bool = False
    pattern: str | None = None
    allowed: str = ""
    secret: bool = False

    def read(self, value: object) -> str:
        """Return the text, without blanks at its ends."""
        if not isinstance(value, str):
            raise ValueError(f"is {show(value)}, allowed is text in quotes")  # noqa: TRY004
        text = value.strip()
        shown = "not valid" if self.secret else show(value)
        size = len(text.encode())
        if not text and not self.empty:
            raise ValueError("is empty, a text is needed")
        if size > self.bytes_max:
            raise ValueError(
                f"is {size} bytes long in UTF-8, allowed is at most {self.bytes_max} bytes"
            )
        plain = text.replace("\n", " ").replace("\t", " ") if self.lines else text
        if not plain.isprintable():
            raise ValueError("has characters that cannot be printed; allowed is plain text")
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            raise ValueError(f"is {shown}, allowed is {self.allowed}")
        return text

    def schema(self) -> dict[str, Any]:
        """Return the schema of a string; it counts characters, where `read` counts bytes."""
        schema: dict[str, Any] = {"type": "string", "maxLength": self.bytes_max}
        if not self.empty:
            schema["minLength"] = 1
        if self.pattern is not None:
            schema["pattern"] = f"^(?:{self.pattern})$"
        return schema


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, each element read by one rule."""

    rule: Rule
    count_max: int

    def read(self, value: object) -> tuple[Any, ...]:
        """Return the elements."""
        if not isinstance(value, list):
            raise ValueError(f"is {show(value)}, allowed is a list in [ ]")  # noqa: TRY004
        if len(value) > self.count_max:
            raise ValueError(f"has {len(value)} elements, allowed is at most {self.count_max}")
        return tuple(_read_element(self.rule, number, item) for number, item in enumerate(value, 1))

    def schema(self) -> dict[str, Any]:
        """Return the schema of an array."""
        return {"type": "array", "items": self.rule.schema(), "maxItems": self.count_max}


def _read_element(rule: Rule, number: int, item: object) -> Any:  # noqa: ANN401
    try:
        return rule.read(item)
    except ValueError as error:
        raise ElementError(number, error) from None
