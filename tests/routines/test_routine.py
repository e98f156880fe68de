# SPDX-License-Identifier: MIT
from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tenuto.errors import InputError, Mistake
from tenuto.files import TEXT_BYTES_MAX
from tenuto.routines import routine
from tenuto.routines.exercise import Exercise, HeartGate
from tests.conftest import ROOT
from tests.sample_routines import ROUTINES, SHIPPED, write

GOLDEN = ROOT / "tests" / "golden"
SMALL = {"name": "small", "exercise": [{"name": "one"}]}


def parse(**keys: Any) -> routine.Routine:
    return routine.parse(write(SMALL | keys), "small.toml")


def exercise(**keys: Any) -> Exercise:
    return parse(exercise=[{"name": "one"} | keys]).exercises[0]


def mistakes(text: str | bytes) -> list[str]:
    with pytest.raises(InputError) as caught:
        routine.parse(text, "a.toml")
    return [str(mistake) for mistake in caught.value.mistakes]


def test_all_mistakes_come_at_once_each_on_its_line() -> None:
    text = (GOLDEN / "many-mistakes.toml").read_text(encoding="utf-8")
    expected = {
        number: [part.strip() for part in line.split("# <-", 1)[1].split("<-")]
        for number, line in enumerate(text.splitlines(), 1)
        if "# <-" in line
    }

    with pytest.raises(InputError) as caught:
        routine.parse(text, "many.toml")

    found: dict[int, str] = {}
    for mistake in caught.value.mistakes:
        assert str(mistake) == f"many.toml:{mistake.line}: {mistake.text}"
        found[mistake.line] = found.get(mistake.line, "") + "\n" + mistake.text
    # A key that is missing at the top has no line but the first.
    expected[2].remove("`name` is missing")
    assert "`name` is missing" in found.pop(1)
    assert sorted(found) == sorted(expected)
    for line, parts in expected.items():
        for part in parts:
            assert part in found[line]


def test_the_built_in_defaults() -> None:
    found = parse()

    assert (found.rounds, found.ready_ms, found.description) == (1, 5_000, "")
    one = found.exercises[0]
    assert (one.kind, one.sides, one.set_reps) == ("stretch", "together", (1,))
    assert (one.hold_ms, one.change_ms, one.side_switch_ms) == (30_000, 8_000, 8_000)
    assert (one.self_paced, one.self_paced_max_ms) == (False, 600_000)
    assert (one.halfway, one.countdown, one.heart_gate, one.muscles) == (None, None, None, ())


def test_an_exercise_takes_the_defaults_and_may_set_everything_otherwise() -> None:
    gate = {"below_bpm": 100}
    defaults = {"hold_s": 20, "reps": 2, "halfway": False, "heart_gate": gate, "switch_s": 4}
    other = {"name": "two", "hold_s": 12.5, "reps": 3, "halfway": True, "heart_gate": False}

    one, two = parse(defaults=defaults, exercise=[{"name": "one"}, other]).exercises

    assert (one.hold_ms, one.reps, one.halfway) == (20_000, 2, False)
    assert one.heart_gate == HeartGate(below_bpm=100, max_ms=120_000)
    assert (two.hold_ms, two.reps, two.halfway, two.heart_gate) == (12_500, 3, True, None)
    assert (one.side_switch_ms, one.change_ms) == (4_000, 8_000)


def test_sides_may_be_held_for_different_times() -> None:
    one = exercise(sides="each", hold_s=20, right_hold_s=40)

    assert [one.side_hold_ms(side) for side in ("left", "right")] == [20_000, 40_000]


def test_an_own_hold_time_goes_before_the_default_of_a_side() -> None:
    defaults = {"sides": "each", "left_hold_s": 40}

    one = parse(defaults=defaults, exercise=[{"name": "one", "hold_s": 10}]).exercises[0]
    two = parse(defaults=defaults, exercise=[{"name": "two", "sides": "together"}]).exercises[0]

    assert one.side_hold_ms("left") == 10_000
    assert two.side_hold_ms(None) == 30_000


def test_two_exercises_may_have_the_same_name() -> None:
    found = parse(exercise=[{"name": "plank"}, {"name": "plank", "hold_s": 10}])

    assert [e.hold_ms for e in found.exercises] == [30_000, 10_000]


def test_milliseconds_are_kept() -> None:
    assert exercise(hold_s=1.234).hold_ms == 1_234
    assert exercise(hold_s=2.0005).hold_ms in (2_000, 2_001)


# What the documentation promises: the least, the most, and a step beyond.
BOUNDS = [
    ("hold_s", 1, 1800, 0.001),
    ("rest_s", 1, 600, 0.001),
    ("change_s", 1, 600, 0.001),
    ("switch_s", 1, 600, 0.001),
    ("self_paced_max_s", 5, 3600, 0.001),
    ("reps", 1, 100, 1),
    ("sets", 1, 20, 1),
]


@pytest.mark.parametrize("name,low,high,beyond", BOUNDS)
def test_a_value_at_its_bound_is_taken_and_beyond_it_is_refused(
    name: str, low: float, high: float, beyond: float
) -> None:
    exercise(**{name: low})
    exercise(**{name: high})
    for value in (low - beyond, high + beyond, -1, 10**400):
        text = write(SMALL | {"exercise": [{"name": "one", name: value}]})
        assert re.search(rf"`{name}` .*allowed is .*{low} to {high}", "\n".join(mistakes(text)))


@pytest.mark.parametrize("name", [name for name, *_ in BOUNDS])
@pytest.mark.parametrize("value", ["true", '"30"', "nan", "-inf", "[]", "{}", "07:00:00"])
def test_what_is_not_a_number_is_refused(name: str, value: str) -> None:
    text = f'name = "a"\n[[exercise]]\nname = "one"\n{name} = {value}\n'

    (mistake,) = mistakes(text)

    assert mistake.startswith(f"a.toml:4: exercise 'one': `{name}` ")


@pytest.mark.parametrize("name,low,high", [("rounds", 1, 10), ("ready_s", 1, 300)])
def test_the_bounds_of_the_routine(name: str, low: int, high: int) -> None:
    parse(**{name: low})
    parse(**{name: high})
    for value in (low - 1, high + 1):
        with pytest.raises(InputError, match=f"{low} to {high}"):
            parse(**{name: value})


@pytest.mark.parametrize("count", [0, 65])
def test_there_are_1_to_64_exercises(count: int) -> None:
    with pytest.raises(InputError, match=f"has {count} tables, allowed is 1 to 64"):
        routine.parse('name = "a"\nexercise = [' + '{name = "x"},' * count + "]", "a.toml")


def test_a_name_has_at_most_48_bytes_and_nothing_unprintable() -> None:
    assert exercise(name="é" * 24).name == "é" * 24
    for name in ("é" * 24 + "x", "", "  ", "a\nb", "a\u001b[31m"):
        with pytest.raises(InputError):
            exercise(name=name)


def test_the_message_tells_where_a_key_belongs() -> None:
    top = mistakes('name = "a"\nhold_s = 3\n[[exercise]]\nname = "one"\n')
    inner = mistakes('name = "a"\n[[exercise]]\nname = "one"\nrounds = 3\n')

    assert "belongs under [[exercise]] or [defaults]" in top[0]
    assert "belongs at the top of the file" in inner[0]


@pytest.mark.parametrize(
    "text,line",
    [
        ("name = \n", 1),
        ("name = 'a'\n\n[[exercise]\n", 3),
        ("name = 'a'\nname = 'b'\n", 2),
        ("a = '''\nb\n\n", 2),
    ],
)
def test_bad_syntax_is_told_with_its_line(text: str, line: int) -> None:
    assert re.match(rf"a\.toml:{line}: not TOML: ", mistakes(text)[0])


def test_bad_files_are_refused_with_a_reason() -> None:
    assert mistakes(b"name = 'a'\n# \xe9t\xe9\n")[0].startswith("a.toml:2: byte 14 is not UTF-8")
    assert "allowed is at most" in mistakes("#" * (TEXT_BYTES_MAX + 1))[0]
    assert "nested too deeply" in mistakes("a = " + "[" * 5_000)[0]
    assert "a very large number" in "".join(mistakes("name = 0x" + "f" * 900))


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read() -> None:
    text = b"\xef\xbb\xbf" + write(SMALL).replace("\n", "\r\n").encode()

    assert routine.parse(text, "a.toml") == parse()


def test_a_file_that_is_not_there(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        routine.load(tmp_path / "no.toml")


def test_how_long_each_muscle_is_held() -> None:
    exercises = [
        {"name": "a", "muscles": ["hip", "back"], "hold_s": 10, "reps": 2},
        {"name": "b", "muscles": ["hip"], "sides": "each", "left_hold_s": 30, "right_hold_s": 40},
    ]

    found = parse(rounds=2, exercise=exercises)

    assert found.held_ms() == {"hip": (100_000, 120_000), "back": (40_000, 40_000)}


@given(ROUTINES)
def test_any_sound_routine_is_read_as_it_was_written(written: dict[str, Any]) -> None:
    found = routine.parse(write(written), "any.toml")

    assert found.name == written["name"]
    for own, read in zip(written["exercise"], found.exercises, strict=True):
        for name, value in (written.get("defaults", {}) | own).items():
            if name in ("reps", "sets", "sides", "countdown", "halfway", "self_paced"):
                assert getattr(read, name) == value
            elif name in ("hold_s", "rest_s", "change_s"):
                assert getattr(read, name.replace("_s", "_ms")) == round(value * 1000)


TABLES = b"[[exercise]]\n|[defaults]\n|[exercise.x]\n|exercise = 3\n|heart_gate = 1\n"
SIGNS = b"[|]]|=|{|}|.|#|\"|'''|\n|\\|\x00|\xff||hold_s|true|nan|-1|1e999|0x|99999999999999999999"
PIECES = st.sampled_from((TABLES + b"|" + SIGNS).split(b"|"))
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES | st.binary(max_size=3)),
    min_size=1,
    max_size=4,
)


@given(st.sampled_from(SHIPPED), EDITS)
def test_a_corrupted_file_gives_mistakes_and_nothing_worse(
    file: Any, edits: list[tuple[float, int, bytes]]
) -> None:
    data = file.read_bytes()
    for place, cut, piece in edits:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + cut :]

    found: tuple[Mistake, ...] = ()
    try:
        routine.parse(data, "corrupt.toml")
    except InputError as error:
        found = error.mistakes or (Mistake("", -1, "an error without a mistake"),)

    for mistake in found:
        assert 0 <= mistake.line <= data.count(b"\n") + 1
        assert mistake.text.isprintable()
