# SPDX-License-Identifier: MIT
from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from tenuto.toml.lines import Lines
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenuto.toml.lines import Key

# Every number in it is that of its line.
NUMBERED = '''\
a = 1
"quoted.key" = 2
'literal "key"' = 3
dotted . "b" . c = 4   # a comment = 99
dotted.d = 5
inline = { x = 6, y = { z = 6 }, list = [6, 6] }
list = [
  8, 8,
  # [comment]
  10,
  [11, 11], # ]
  { p = 12, q = [
    13] },
]

text = """ [not.a.table]
x = 99 \\""" still text
""""
after_text = 19
literal = \'\'\'
[[no]] = 99 \'\'\'\'
after_literal = 22
escaped = "\\"] # = \\\\" # 99
after_escaped = 24

[table]
x = 27
[table.sub."a b"]
x = 29
[ "table" . other ]
x = 31

[[things]]
x = 34
[things.inner]
x = 36
[[things.parts]]
x = 38
[[things.parts]]
x = 40
[[things]]
[[things.parts]]
x = 43
deep.x = 44
[late.implicit.table]
x = 46
when = 2026-11-24T07:00:00Z
"\\u0061\\U00000062\\t" = 48
'''


def leaves(value: Any, path: Key = ()) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


NUMBERS = [(p, v) for p, v in leaves(tomllib.loads(NUMBERED)) if isinstance(v, int)]


@pytest.mark.parametrize("path,line", NUMBERS)
def test_every_form_of_key_is_found_on_its_line(path: Key, line: int) -> None:
    assert Lines(NUMBERED).line(path) == line


def test_windows_line_ends_count_once() -> None:
    lines = Lines(NUMBERED.replace("\n", "\r\n"))

    assert [lines.line(path) for path, _ in NUMBERS] == [line for _, line in NUMBERS]


@pytest.mark.parametrize(
    "path,line",
    [
        (("table",), 26),
        (("table", "missing"), 26),
        (("things", 0), 33),
        (("things", 1), 41),
        (("things", 1, "missing"), 41),
        (("things", 0, "parts", 1), 39),
        (("things", 0, "inner", "missing", 7, "deeper"), 35),
        (("inline", "y", "missing"), 6),
        (("list", 99), 7),
        (("late",), 45),
        (("nowhere",), 1),
        ((), 1),
    ],
)
def test_what_is_not_there_is_on_the_nearest_line_around_it(path: Key, line: int) -> None:
    assert Lines(NUMBERED).line(path) == line


@pytest.mark.parametrize("file", sorted((ROOT / "config").rglob("*.toml")), ids=lambda p: p.name)
def test_each_key_of_the_shipped_files_is_on_the_line_that_is_named(file: Any) -> None:
    text = file.read_text(encoding="utf-8")
    lines = Lines(text)

    for path, _ in leaves(tomllib.loads(text)):
        name = next(part for part in reversed(path) if isinstance(part, str))
        line = text.splitlines()[lines.line(path) - 1]
        assert re.search(rf"(^|[{{,]\s*){re.escape(name)}\s*=", line), line


KEYS = st.text("ab.\"'\\ \té=#[]", min_size=0, max_size=4)


@given(st.lists(st.tuples(KEYS, st.integers(0, 3)), unique_by=lambda pair: pair[0], max_size=8))
def test_any_key_is_found(pairs: list[tuple[str, int]]) -> None:
    text, expected = "", {}
    for name, blank_lines in pairs:
        text += "\n" * blank_lines
        expected[name] = text.count("\n") + 1
        escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
        text += f'"{escaped}" = [\n 1, # "\n]\n'
    assert tomllib.loads(text).keys() == expected.keys()

    lines = Lines(text)

    assert {name: lines.line((name,)) for name in expected} == expected
