# SPDX-License-Identifier: MIT
"""TOML text to frozen dataclasses, with every mistake at once and its line.

A dataclass describes its table: each field made by `key` has a rule, which reads the value, and a
text for people.  The JSON Schema is made of the same rules; see `tenuto.schema`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import tomllib
from dataclasses import MISSING, dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from tenuto.errors import InputError, Mistake

from .lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .lines import Key

T = TypeVar("T")

MAX_FILE_BYTES = 262_144
_SHOWN_CHARACTERS = 40
_LARGEST_SHOWN = 10**18


class Mistaken(ValueError):  # noqa: N818 - it is a set of remarks on one table
    """What is wrong between the keys of one table; raised by its dataclass.

    remarks: pairs of the key in the file and what is wrong and allowed.
    """

    def __init__(self, remarks: Sequence[tuple[str, str]]) -> None:
        self.remarks = tuple(remarks)
        super().__init__("; ".join(text for _, text in remarks))


class _ElementError(ValueError):
    """What is wrong with one element of a list, counted from 1."""

    def __init__(self, number: int, error: ValueError) -> None:
        self.index = number - 1
        super().__init__(f"element {number} {error}")


class Rule(Protocol):
    """How one value is read, and how the JSON Schema describes it."""

    def read(self, value: object) -> Any:  # noqa: ANN401
        """Give the value as the program uses it; raise ValueError saying what is allowed."""

    def schema(self) -> dict[str, Any]:
        """Give the JSON Schema of what `read` accepts."""


def show(value: object) -> str:
    """Give a value of a file as a person would call it, short enough for a message."""
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
    """Give a text of unknown origin for a message: in quotes, cut short, nothing unprintable."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")


def seconds(ms: int) -> str:
    """Give a duration as people write it: `8 s`, `2.35 s`."""
    return f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + " s"


def nearest(word: str, words: Sequence[str]) -> str | None:
    """Give the one of `words` that `word` was most likely meant to be, or None."""
    lowered = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower(), list(lowered), n=1)
    return lowered[found[0]] if found else None


def hint(word: str, words: Sequence[str], *, quote: str = "`") -> str:
    """Give `, did you mean ...?`, or what is allowed where nothing is near."""
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
        """Give milliseconds."""
        number = _number(value, f"a number, {self._allowed}")
        if not self.low_ms <= number * 1000 <= self.high_ms:
            raise ValueError(f"is {show(number)}, allowed is {self._allowed}")
        return round(number * 1000)

    def schema(self) -> dict[str, Any]:
        """Give the schema of a number."""
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
        """Give the number."""
        if isinstance(value, bool) or not isinstance(value, int):
            allowed = f"a whole number, {self.low} to {self.high}"
            raise ValueError(f"is {show(value)}, allowed is {allowed}")  # noqa: TRY004
        if not self.low <= value <= self.high:
            raise ValueError(f"is {show(value)}, allowed is {self.low} to {self.high}")
        return value

    def schema(self) -> dict[str, Any]:
        """Give the schema of an integer."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, value: object) -> bool:
        """Give the value."""
        if not isinstance(value, bool):
            raise ValueError(f"is {show(value)}, allowed is true or false")  # noqa: TRY004
        return value

    def schema(self) -> dict[str, Any]:
        """Give the schema of a boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]

    def read(self, value: object) -> str:
        """Give the word."""
        if not isinstance(value, str) or value not in self.options:
            allowed = ", ".join(f'"{option}"' for option in self.options)
            found = nearest(value, self.options) if isinstance(value, str) else None
            tail = f'; did you mean "{found}"?' if found else ""
            raise ValueError(f"is {show(value)}, allowed is one of {allowed}{tail}")
        return value

    def schema(self) -> dict[str, Any]:
        """Give the schema of an enumeration."""
        return {"enum": list(self.options)}


@dataclass(frozen=True, slots=True)
class Text:
    """A text without control characters.

    bytes_max: of its UTF-8 form.  lines: whether it may have several lines.  pattern: a regular
    expression that all of it must match, with `allowed` as its meaning for people.
    secret: never repeat the value in a message.
    """

    bytes_max: int
    lines: bool = False
    empty: bool = False
    pattern: str | None = None
    allowed: str = ""
    secret: bool = False

    def read(self, value: object) -> str:
        """Give the text, without blanks at its ends."""
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
        """Give the schema of a string; it counts characters, where `read` counts bytes."""
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
        """Give the elements."""
        if not isinstance(value, list):
            raise ValueError(f"is {show(value)}, allowed is a list in [ ]")  # noqa: TRY004
        if len(value) > self.count_max:
            raise ValueError(f"has {len(value)} elements, allowed is at most {self.count_max}")
        return tuple(_read_element(self.rule, number, item) for number, item in enumerate(value, 1))

    def schema(self) -> dict[str, Any]:
        """Give the schema of an array."""
        return {"type": "array", "items": self.rule.schema(), "maxItems": self.count_max}


def _read_element(rule: Rule, number: int, item: object) -> Any:  # noqa: ANN401
    try:
        return rule.read(item)
    except ValueError as error:
        raise _ElementError(number, error) from None


@dataclass(frozen=True, slots=True)
class Nested(Generic[T]):
    """A table, read into a dataclass."""

    cls: type[T]

    def read(self, value: object) -> T:
        """Give the dataclass; raises cattrs' validation error with all that is wrong."""
        if not isinstance(value, dict):
            raise ValueError(f"is {show(value)}, allowed is a table")  # noqa: TRY004
        return structure(value, self.cls)

    def schema(self) -> dict[str, Any]:
        """Give the schema of an object."""
        return table_schema(self.cls)


@dataclass(frozen=True, slots=True)
class NestedOrFalse(Nested[T]):
    """A table, or false to take back the one in the defaults."""

    def read(self, value: object) -> T | None:  # type: ignore[override]
        """Give the dataclass, or None for false."""
        if isinstance(value, bool) and not value:
            return None
        return Nested.read(self, value)

    def schema(self) -> dict[str, Any]:
        """Give the schema of an object or false."""
        return {"oneOf": [table_schema(self.cls), {"const": False}]}


@dataclass(frozen=True, slots=True)
class Tables(Generic[T]):
    """An array of tables, `[[name]]`, each read into a dataclass."""

    cls: type[T]
    name: str
    low: int
    high: int

    def read(self, value: object) -> tuple[T, ...]:
        """Give the dataclasses; raises cattrs' validation error with all that is wrong."""
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ValueError(f"is {show(value)}, allowed are tables, each begun by [[{self.name}]]")
        if not self.low <= len(value) <= self.high:
            raise ValueError(f"has {len(value)} tables, allowed is {self.low} to {self.high}")
        return tuple(_CONVERTER.structure(value, list[self.cls]))  # type: ignore[name-defined]

    def schema(self) -> dict[str, Any]:
        """Give the schema of an array of objects."""
        items = table_schema(self.cls)
        return {"type": "array", "items": items, "minItems": self.low, "maxItems": self.high}


def key(name: str, rule: Rule, doc: str, *, default: Any = MISSING) -> Any:  # noqa: ANN401
    """Make the dataclass field of one key of a table.

    name: the key in the file.  doc: what it means, for people.  default: without one the key is
    required.
    """
    return dataclasses.field(default=default, metadata={"key": name, "rule": rule, "doc": doc})


def keys(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """Give the fields of a table's dataclass by their keys in the file."""
    return {f.metadata["key"]: f for f in dataclasses.fields(cls) if "key" in f.metadata}


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Tell whether a key must be given."""
    return field.default is MISSING and field.default_factory is MISSING


def table_schema(cls: type) -> dict[str, Any]:
    """Give the JSON Schema of a table."""
    properties: dict[str, Any] = {}
    for name, field in keys(cls).items():
        properties[name] = {"description": field.metadata["doc"]} | field.metadata["rule"].schema()
    required = [name for name, field in keys(cls).items() if is_required(field)]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _make_hook(cls: type[T], converter: Converter) -> Callable[[Any, Any], T]:
    overrides = {f.name: override(omit=True) for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name, field in keys(cls).items():
        read = field.metadata["rule"].read
        overrides[field.name] = override(rename=name, struct_hook=_untyped(read))
    return make_dict_structure_fn(cls, converter, **overrides)  # type: ignore[arg-type]


def _untyped(read: Callable[[object], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: read(value)


_CONVERTER = Converter(detailed_validation=True, forbid_extra_keys=True)
_CONVERTER.register_structure_hook_factory(dataclasses.is_dataclass, _make_hook)


def structure(table: Mapping[str, Any], cls: type[T]) -> T:
    """Read a table into its dataclass; raises cattrs' validation error with all that is wrong."""
    return _CONVERTER.structure(table, cls)


@dataclass(frozen=True, slots=True)
class Remark:
    """A mistake before it has a line.

    table: the path of the table that it is in.  path: of what is wrong, or of the table.
    text: what is wrong and what is allowed.
    """

    table: Key
    path: Key
    text: str


def _attribute_key(cls: type, attribute: str) -> str:
    field = next(f for f in dataclasses.fields(cls) if f.name == attribute)
    return str(field.metadata.get("key", attribute))


def _remarks(error: Exception, path: Key, cls: type | None) -> Iterator[Remark]:
    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            yield from _remarks(inner, (*path, *_step(inner, error.cl)), error.cl)
    elif isinstance(error, ForbiddenExtraKeysError):
        for name in sorted(error.extra_fields):
            text = f"unknown key `{name}`{hint(name, list(keys(error.cl)))}"
            yield Remark(path, (*path, name), text)
    elif isinstance(error, Mistaken):
        for name, text in error.remarks:
            yield Remark(path, (*path, name), f"`{name}` {text}")
    elif isinstance(error, KeyError):
        name, table = str(path[-1]), path[:-1]
        yield Remark(table, table, f"`{name}` is missing: {_doc(cls, name)}")
    else:
        at = (*path, error.index) if isinstance(error, _ElementError) else path
        yield Remark(path[:-1], at, f"`{path[-1]}` {error}")


def _doc(cls: type | None, name: str) -> str:
    return str(keys(cls)[name].metadata["doc"]) if cls is not None else ""


def _step(error: Exception, cls: type) -> Key:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, IterableValidationNote):
            return (note.index,)
        if isinstance(note, AttributeValidationNote):
            return (_attribute_key(cls, note.name),)
    return ()


def remarks(error: Exception) -> list[Remark]:
    """Give all that a validation error of `structure` holds, each with its path."""
    return list(_remarks(error, (), None))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where a value came from: a file's name as the user gave it, and its lines."""

    file: str
    lines: Lines | None = None

    def has(self, path: Key) -> bool:
        """Tell whether the file has something at `path`."""
        return self.lines is not None and self.lines.has(path)

    def line(self, path: Key) -> int:
        """Give the line of `path` or of the nearest around it, 0 where nothing is known."""
        return self.lines.line(path) if self.lines else 0

    def mistake(self, path: Key, text: str) -> Mistake:
        """Give the mistake at `path`, on its line where there is one."""
        return Mistake(self.file, self.line(path), text)


def parse(data: str | bytes, file: str) -> tuple[dict[str, Any], Source]:
    """Give the tables of a TOML text and where their values stand.

    Raises InputError if it is too large, not UTF-8 or not TOML.
    """
    size = len(data)
    if size > MAX_FILE_BYTES:
        raise InputError(
            [Mistake(file, 0, f"is {size} bytes long, allowed is at most {MAX_FILE_BYTES}")]
        )
    text = _decode(data, file) if isinstance(data, bytes) else data
    text = text.replace("\r\n", "\n")
    try:
        return tomllib.loads(text), Source(file, Lines(text))
    except RecursionError:
        raise InputError([Mistake(file, 0, "is nested too deeply")]) from None
    except ValueError as error:
        raise InputError([_syntax_mistake(error, text, file)]) from None


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        text = f"byte {error.start + 1} is not UTF-8; save the file in the encoding UTF-8"
        raise InputError([Mistake(file, line, text)]) from None


def _syntax_mistake(error: ValueError, text: str, file: str) -> Mistake:
    message = str(error)
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if place is None:
        return Mistake(file, 0, f"not TOML: {message}")
    line = int(place[1]) if place[1] else text.rstrip("\n").count("\n") + 1
    column = re.search(r"column \d+", place[0])
    where = f" ({column[0]})" if column else " (at the end of the file)"
    return Mistake(file, line, f"not TOML: {message[: place.start()]}{where}")


def read_bytes(path: Path) -> bytes:
    """Give the bytes of a file, at most one more than may be parsed; InputError if it cannot."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError([Mistake(str(path), 0, f"cannot be read: {error.strerror}")]) from None
