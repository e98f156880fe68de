# SPDX-License-Identifier: MIT
"""The search leaves out nothing, and a short form of it; `make search` is all of it."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
from typing import TYPE_CHECKING

import pytest

from tests.search.__main__ import search
from tests.search.choices import BUDGET, CRASH, MESSAGE, Choices, Deviation, branches, following
from tests.search.small_world import CAUSES
from tests.search.worlds import PLAYS, play

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCHED = ("the second stops", "both skip", "shared: the second stops")
"""Every single fault there; both hosts ask for something."""
DRAWN = 60
RARITY = 40


def _worlds(
    toy: Callable[[Choices], object], path: list[int] | None, fixed: int = 0
) -> list[tuple[Deviation, ...]]:
    found = []
    while path is not None:
        choices = Choices(path=path)
        choices.is_open = True
        toy(choices)
        found.append(tuple(choices.happened))
        path = following(choices.made, fixed)
    return found


def _toy(choices: Choices) -> None:
    """Two crashes of two kinds may come between three messages; a crash adds a message."""
    for number in range(3):
        choices.choose(MESSAGE, f"message {number}", ("", "lost", "twice"))
        if number < 2 and choices.choose(CRASH, f"crash {number}", ("", "power", "watchdog")):
            choices.choose(MESSAGE, "hello", ("", "lost", "twice"))


def test_each_world_is_played_once() -> None:
    messages = [None, *((f"message {n}", what) for n in range(3) for what in ("lost", "twice"))]
    crashes = [None, *((f"crash {n}", what) for n in range(2) for what in CAUSES)]
    expected = set(itertools.product(messages, crashes))
    expected |= {
        (("hello", what), crash) for what in ("lost", "twice") for crash in crashes if crash
    }

    def of(happened: tuple[Deviation, ...]) -> tuple[object, object]:
        found = [(wrong.where, wrong.what) for wrong in happened]
        message = next((one for one in found if one[1] in ("lost", "twice")), None)
        return message, next((one for one in found if one != message), None)

    worlds = _worlds(_toy, [])
    assert len(worlds) == len(expected)
    assert {of(world) for world in worlds} == expected


def test_the_parts_of_the_search_are_the_whole() -> None:
    calm = Choices()
    calm.is_open = True
    _toy(calm)
    parts = [_worlds(_toy, path, len(path)) for path in branches(calm.made)]
    together = [(), *itertools.chain(*parts)]
    whole = _worlds(_toy, [])
    assert len(together) == len(whole)
    assert set(together) == set(whole)


def test_what_went_wrong_is_enough_to_play_a_world_again() -> None:
    rng = random.Random(3)
    drawn = Choices(rng=rng, rarity=RARITY)
    world = play("one pauses, the other resumes", drawn)
    assert drawn.happened
    again = Choices(script=drawn.happened)
    assert play("one pauses, the other resumes", again).trace == world.trace
    assert again.made == drawn.made


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHED)
def test_no_single_fault_breaks_a_promise(name: str) -> None:
    calm = Choices()
    play(name, calm)
    for path in branches(calm.made):
        choices = Choices(path=path)
        try:
            play(name, choices)
        except AssertionError as error:
            error.add_note(f"{name}: {choices.happened}")
            raise


@pytest.mark.slow
def test_no_message_and_crash_together_break_a_promise() -> None:
    seed = random.randrange(1 << 30)  # of pytest-randomly's seed, which pytest prints
    rng = random.Random(seed)
    both = 0
    for _ in range(DRAWN):
        name = rng.choice(tuple(PLAYS))
        choices = Choices(rng=rng, rarity=RARITY)
        try:
            play(name, choices)
        except AssertionError as error:
            error.add_note(f"{name}: {choices.happened}")
            raise
        both += len(choices.happened) == sum(BUDGET.values())
    # A search in which all is well proves nothing.
    assert both >= DRAWN // 4


def test_the_search_says_what_it_takes_to_see_a_failure_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.search.small_world.REPEATED_S", 1.0)  # sooner than anything repeats
    name = "the second stops"
    broken = Deviation("second sends command", 1, "lost")
    found = search(name, _path_to(name, broken), 1 << 20, BUDGET, math.inf)
    (what, (happened,)) = found.broken.popitem()
    assert what.startswith(f"{name}: AssertionError: stopped after")
    assert happened == [broken]
    with pytest.raises(AssertionError, match="stopped after"):
        play(name, Choices(happened))


def _path_to(name: str, wrong: Deviation) -> list[int]:
    choices = Choices([wrong])
    with contextlib.suppress(AssertionError):
        play(name, choices)
    return [number for number, _ in choices.made]
