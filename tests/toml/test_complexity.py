# SPDX-License-Identifier: MIT
"""TOML that would keep the parser busy for minutes is refused at once, with its line."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, strategies as st

from tenuto.errors import MISTAKES_TOLD_MAX, InputError
from tenuto.routines import routine
from tenuto.toml.complexity import DEPTH_MAX, KEYS_MAX, PARTS_MAX, WORD_LETTERS_MAX, excess
from tenuto.toml.tables import parse
from tests.sample_routines import CONFIG

DOTTED = ".".join("a" * 20_000)


@pytest.mark.parametrize(
    "text,line,told",
    [
        (f'name = "x"\n{DOTTED} = 1', 2, "a key of more than 8 parts; write its tables apart"),
        (f"\n\n[{DOTTED}]", 3, "a key of more than 8 parts"),
        (f"[[{DOTTED}]]", 1, "a key of more than 8 parts"),
        ("a = {" + DOTTED + " = 1}", 1, "a key of more than 8 parts"),
        ("'a' . \"b\"" + " . c" * 20_000 + " = 1", 1, "a key of more than 8 parts"),
        ("a = [\n" + "[" * 20_000, 2, "is nested too deeply, allowed are 16 levels"),
        ("a = " + "{b = " * 20_000, 1, "is nested too deeply, allowed are 16 levels"),
        ("a = " + "9" * 200_000, 1, "a key or number of more than 1000 letters"),
        ("# the number\na = 0x" + "f" * 200_000, 2, "a key or number of more than 1000 letters"),
        ("k=1\n" * 60_000, KEYS_MAX + 1, "has more than 20000 keys"),
    ],
    ids=range(10),
)
def test_what_is_too_involved_is_told_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, "a.toml")

    assert str(caught.value).startswith(f"a.toml:{line}: {told}")


def test_what_is_not_closed_is_left_to_the_parser() -> None:
    for text in ('a = """\\"""' * 20_000, "a = '" + ".b" * 50, 'a = "' + "[" * 50, "a = '''[[[["):
        with pytest.raises(InputError, match="not TOML"):
            parse(text, "a.toml")


@pytest.mark.parametrize(
    "line,meant",
    [
        ("hold_s = 2,5", "; a number has a point: 2.5"),
        ("hold_s = -0,25  # seconds", "; a number has a point: -0.25"),
        ("name = \u201cSit\u201d", '; text stands in straight quotes " and not in \u201c'),
        ("name = \u201eSit\u201c", '; text stands in straight quotes " and not in \u201e'),
        ("\u00abname\u00bb = 1", '; text stands in straight quotes " and not in \u00ab'),
        ('name = "Sit\u201d', '; text stands in straight quotes " and not in \u201d'),
        ('a = [1, 2\nname = "Sit', ""),
        ('name = "It\u2019s" x', ""),
    ],
)
def test_what_people_mean_who_write_no_toml(line: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(f"a_key = 1\n{line}\n", "a.toml")

    told = str(caught.value)
    assert told.startswith("a.toml:")
    assert told.endswith(meant or ")")


def test_dots_and_brackets_in_strings_and_comments_do_not_count() -> None:
    many = "." * 50 + "[" * 50 + "{" * 50
    text = (
        f'# {many}\na = "{many}"\nb = \'{many}\'\nc = """\n{many}"\n"""\nd = \'\'\'{many}\'\'\'\n'
    )

    assert parse(text, "a.toml")[0] == tomllib.loads(text)


def test_what_is_allowed_goes_to_the_limit() -> None:
    text = (
        ".".join("k" * PARTS_MAX)
        + " = 1\n"
        + ".".join("z" * PARTS_MAX)
        + " = 2.5\nb = "
        + "[" * DEPTH_MAX
        + "]" * DEPTH_MAX
        + "\n"
        + "c" * WORD_LETTERS_MAX
        + " = 1979-05-27T07:32:00.999\n"
    )
    assert excess(text) is None
    assert parse(text, "a.toml")[0] == tomllib.loads(text)
    for file in CONFIG.rglob("*.toml"):
        assert excess(file.read_text(encoding="utf-8")) is None


@given(st.text("ab.=[]{}\"'#\n\\ 1", max_size=60))
def test_nothing_that_is_short_is_refused(text: str) -> None:
    if text.count(".") < PARTS_MAX and text.count("[") + text.count("{") <= DEPTH_MAX:
        assert excess(text) is None


def test_of_very_many_mistakes_the_first_ones_are_told() -> None:
    with pytest.raises(InputError) as caught:
        routine.parse('name = "x"\n' + "".join(f"k{n} = 1\n" for n in range(5_000)), "a.toml")

    lines = str(caught.value).splitlines()
    assert len(lines) == MISTAKES_TOLD_MAX + 1
    assert lines[-1] == f"and {len(caught.value.mistakes) - MISTAKES_TOLD_MAX} mistakes more"


def test_a_very_long_unknown_key_is_cut_short_in_the_message() -> None:
    with pytest.raises(InputError) as caught:
        routine.parse(f'"{"k" * 100_000}" = 1', "a.toml")

    assert len(str(caught.value)) < 1_000
