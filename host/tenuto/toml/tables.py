# SPDX-License-Identifier: MIT
"""TOML text to frozen dataclasses, with every mistake at once and its line.

A dataclass describes its table: each field made by `key` has a rule, which reads the value, and a
text for people.  The JSON Schema is made of the same fields.

The walk over the fields is our own: a mistake must name the key in the file, what is allowed and
the line, which a general library would have to be told and asked back for each kind of mistake.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tenuto.errors import InputError, Mistake
from tenuto.files import TEXT_BYTES_MAX

from .complexity import excess
from .lines import Lines
from .rules import ElementError, cut, hint, quoted, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .lines import Key
    from .rules import Rule

T = TypeVar("T")

_NAME = r"[A-Za-z0-9_-]{1,32}"


@dataclass(frozen=True, slots=True)
class Remark:
    """A mistake before it has a line.

    Attributes:
        table: The path of the table that it is in.
        path: The path of what is wrong, or of the table.
        text: What is wrong and what is allowed.
    """

    table: Key
    path: Key
    text: str

    @classmethod
    def of(cls, name: str, text: str) -> Remark:
        """Return a remark on one key of the table that is being read."""
        return cls((), (name,), f"`{name}` {text}")

    def inside(self, *outer: str | int) -> Remark:
        """Return the same remark, seen from outside the table at the path `outer`."""
        return Remark((*outer, *self.table), (*outer, *self.path), self.text)


class TableError(ValueError):
    """All that is wrong with a table; its dataclass raises it for what contradicts itself.

    Attributes:
        remarks: What is wrong, with paths that start in the table.
    """

    def __init__(self, remarks: Sequence[Remark]) -> None:
        self.remarks = tuple(remarks)
        super().__init__("; ".join(remark.text for remark in remarks))


def key(
    rule: Rule,
    doc: str,
    *,
    name: str | None = None,
    default: Any = MISSING,  # noqa: ANN401
    shown: bool = True,
) -> Any:  # noqa: ANN401
    """Make the dataclass field of one key of a table.

    Args:
        rule: What the value may be, and how it is read.
        doc: What the key means, for people.
        name: The key in the file, where it is not the field's own name.
        default: The value of a key that is not given; without one the key is required.
        shown: Whether `repr` shows the value; not for secrets.

    Returns:
        The field.
    """
    metadata = {"rule": rule, "doc": doc, "name": name}
    return dataclasses.field(default=default, metadata=metadata, repr=shown)


def keys(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a table's dataclass by their keys in the file."""
    fields = dataclasses.fields(cls)
    return {f.metadata["name"] or f.name: f for f in fields if "rule" in f.metadata}


def read_table(table: Mapping[str, Any], cls: type[T]) -> T:
    """Read a table into its dataclass.

    Args:
        table: The table, as `tomllib` gives it.
        cls: The dataclass, whose fields `key` made; others keep their defaults.

    Returns:
        The dataclass.

    Raises:
        TableError: With all that is wrong.
    """
    known = keys(cls)
    values: dict[str, Any] = {}
    remarks: list[Remark] = []
    for name, field in known.items():
        if name in table:
            try:
                values[field.name] = field.metadata["rule"].read(table[name])
            except TableError as error:
                remarks += [remark.inside(name) for remark in error.remarks]
            except ElementError as error:
                remarks.append(Remark((), (name, error.index), f"`{name}` {error}"))
            except ValueError as error:
                remarks.append(Remark.of(name, str(error)))
        elif is_required(field):
            remarks.append(Remark((), (), f"`{name}` is missing: {field.metadata['doc']}"))
    for name in table.keys() - known.keys():
        text = f"unknown key `{cut(name)}`{hint(name, list(known))}"
        remarks.append(Remark((), (name,), text))
    if remarks:
        raise TableError(remarks)
    return cls(**values)


@dataclass(frozen=True, slots=True)
class Nested(Generic[T]):
    """A table, read into a dataclass."""

    cls: type[T]

    def read(self, value: object) -> T:
        """Return the dataclass; raise TableError with all that is wrong."""
        if not isinstance(value, dict):
            raise ValueError(f"is {show(value)}, allowed is a table")  # noqa: TRY004
        return read_table(value, self.cls)

    def schema(self) -> dict[str, Any]:
        """Return the schema of an object."""
        return table_schema(self.cls)


@dataclass(frozen=True, slots=True)
class NestedOrFalse(Nested[T]):
    """A table, or false to take back the one in the defaults."""

    def read(self, value: object) -> T | None:  # type: ignore[override]
        """Return the dataclass, or None for false."""
        if isinstance(value, bool) and not value:
            return None
        return Nested.read(self, value)

    def schema(self) -> dict[str, Any]:
        """Return the schema of an object or false."""
        return {"oneOf": [table_schema(self.cls), {"const": False}]}


@dataclass(frozen=True, slots=True)
class Tables(Generic[T]):
    """An array of tables, `[[name]]`, each read into a dataclass."""

    cls: type[T]
    name: str
    low: int
    high: int

    def read(self, value: object) -> tuple[T, ...]:
        """Return the dataclasses; raise TableError with all that is wrong."""
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ValueError(f"is {show(value)}, allowed are tables, each begun by [[{self.name}]]")
        if not self.low <= len(value) <= self.high:
            raise ValueError(f"has {len(value)} tables, allowed is {self.low} to {self.high}")
        tables: list[T] = []
        remarks: list[Remark] = []
        for index, item in enumerate(value):
            try:
                tables.append(read_table(item, self.cls))
            except TableError as error:
                remarks += [remark.inside(index) for remark in error.remarks]
        if remarks:
            raise TableError(remarks)
        return tuple(tables)

    def schema(self) -> dict[str, Any]:
        """Return the schema of an array of objects."""
        items = table_schema(self.cls)
        return {"type": "array", "items": items, "minItems": self.low, "maxItems": self.high}


@dataclass(frozen=True, slots=True)
class Named:
    """A table whose keys are names that people choose, with a value of one rule for each."""

    rule: Rule
    count_max: int

    def read(self, value: object) -> tuple[tuple[str, Any], ...]:
        """Return each name with its value; raise TableError with all that is wrong."""
        if not isinstance(value, dict):
            raise ValueError(f"is {show(value)}, allowed is a table")  # noqa: TRY004
        if len(value) > self.count_max:
            raise ValueError(f"has {len(value)} names, allowed is at most {self.count_max}")
        found: list[tuple[str, Any]] = []
        remarks: list[Remark] = []
        for name, item in value.items():
            if not re.fullmatch(_NAME, name):
                text = f"allowed is a name of letters, digits, - and _, not {quoted(name)}"
                remarks.append(Remark((), (name,), text))
                continue
            try:
                found.append((name, self.rule.read(item)))
            except TableError as error:
                remarks += [remark.inside(name) for remark in error.remarks]
            except ValueError as error:
                remarks.append(Remark.of(name, str(error)))
        if remarks:
            raise TableError(remarks)
        return tuple(found)

    def schema(self) -> dict[str, Any]:
        """Return the schema of an object."""
        return {
            "type": "object",
            "additionalProperties": self.rule.schema(),
            "propertyNames": {"pattern": f"^{_NAME}$"},
            "maxProperties": self.count_max,
        }


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Return whether a key must be given."""
    return field.default is MISSING and field.default_factory is MISSING


def table_schema(cls: type) -> dict[str, Any]:
    """Return the JSON Schema of a table."""
    properties: dict[str, Any] = {}
    for name, field in keys(cls).items():
        properties[name] = {"description": field.metadata["doc"]} | field.metadata["rule"].schema()
    required = [name for name, field in keys(cls).items() if is_required(field)]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where a value came from: a file's name as the user gave it, and its lines."""

    file: str
    lines: Lines | None = None

    def has(self, path: Key) -> bool:
        """Return whether the file has something at `path`."""
        return self.lines is not None and self.lines.has(path)

    def line(self, path: Key) -> int:
        """Return the line of `path` or of the nearest around it, 0 where nothing is known."""
        return self.lines.line(path) if self.lines else 0

    def mistake(self, path: Key, text: str) -> Mistake:
        """Return the mistake at `path`, on its line where there is one."""
        return Mistake(self.file, self.line(path), text)


def parse(data: str | bytes, file: str) -> tuple[dict[str, Any], Source]:
    """Return the tables of a TOML text and where their values stand.

    Raises:
        InputError: If it is too large, too deep, not UTF-8 or not TOML.
    """
    size = len(data)
    if size > TEXT_BYTES_MAX:
        raise InputError(
            [Mistake(file, 0, f"is {size} bytes long, allowed is at most {TEXT_BYTES_MAX}")]
        )
    text = _decode(data, file) if isinstance(data, bytes) else data
    text = text.replace("\r\n", "\n")
    found = excess(text)
    if found is not None:
        raise InputError([Mistake(file, found.line, found.text)])
    try:
        return tomllib.loads(text), Source(file, Lines(text))
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
    meant = _meant(text.split("\n")[line - 1])
    return Mistake(file, line, f"not TOML: {message[: place.start()]}{where}{meant}")


_DECIMAL_COMMA = re.compile(r"=\s*([+-]?\d+),(\d+)\s*(?:#.*)?$")
_CURLY_QUOTES = "[\u2018-\u201f\u00ab\u00bb\u2039\u203a]"
_CURLY = re.compile(rf"(?:^|[=\[,{{(])\s*({_CURLY_QUOTES})")


def _meant(line: str) -> str:
    """Return what people mean who write a line that is no TOML, as far as it is known."""
    number = _DECIMAL_COMMA.search(line)
    if number is not None:
        return f"; a number has a point: {number[1]}.{number[2]}"
    quote = _CURLY.search(line)
    if quote is None and line.count('"') % 2:  # one end of a text is straight
        quote = re.search(f"({_CURLY_QUOTES})", line)
    if quote is not None:
        return f'; text stands in straight quotes " and not in {quote[1]}'
    return ""
