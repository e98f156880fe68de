# SPDX-License-Identifier: MIT
from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tenuto.errors import InputError
from tenuto.routines import haptics
from tenuto.routines.haptics import Vocabulary, draw
from tenuto_core import vocab
from tenuto_core.plan import pattern_ms
from tests.sample_routines import CONFIG, vocabulary

ONE = ((100, 500, 0),)
PULSES = st.tuples(st.integers(1, 100), st.integers(20, 1_000), st.integers(0, 500))


def mistakes(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        haptics.parse(text, "h.toml", vocabulary())
    return [str(mistake) for mistake in caught.value.mistakes]


def test_the_shipped_cues_have_the_counts_and_lengths_that_their_names_promise() -> None:
    def rhythm(cue: int) -> str:
        return "".join("L" if on_ms >= 450 else "s" for _, on_ms, _ in vocabulary().pattern(cue))

    assert {vocab.CUES[cue]: rhythm(cue) for cue in range(len(vocab.CUES))} == {
        "get_ready": "sL",
        "countdown": "s",
        "hold_start": "L",
        "halfway": "s",
        "hold_end": "sss",
        "switch_sides": "ss",
        "next_exercise": "Ls",
        "finished": "LL",
        "attention": "sssss",
        "next_phase": "ssL",
        "mark": "ss",
    }
    lightest = min(vocabulary().patterns, key=lambda p: max(strength for strength, _, _ in p))
    assert lightest == vocabulary().pattern(vocab.HALFWAY)


def test_every_shipped_cue_says_how_it_feels() -> None:
    assert all(vocabulary().feels_like)


def test_strength_may_be_one_for_all_or_one_for_each() -> None:
    text = (
        "[halfway]\non_off_ms = [100, 80, 200]\nstrength_pct = [30, 70]\n[finished]\non_off_ms = []"
    )

    found = haptics.parse(text, "h.toml", vocabulary())

    assert found.pattern(vocab.HALFWAY) == ((30, 100, 80), (70, 200, 0))
    assert found.pattern(vocab.FINISHED) == ()
    assert found.length_ms(vocab.HALFWAY) == 380
    assert found.pattern(vocab.HOLD_END) == vocabulary().pattern(vocab.HOLD_END)


def test_all_mistakes_come_at_once() -> None:
    text = (
        "[hold_strat]\non_off_ms = [1]\n"
        "[countdown]\non_off_ms = [100, 80]\n"
        "[halfway]\non_off_ms = [19, 80, 1001]\n"
        "[finished]\non_off_ms = [1000, 500, 1000, 501]\nstrength_pct = [1, 2, 3]\n"
        "[attention]\non_of_ms = [100]\nstrength_pct = 101\nfeels_like = 1\n"
        "[hold_end]\non_off_ms = [100, true]\n"
    )

    found = mistakes(text)

    expected = [
        (1, r"unknown cue \[hold_strat\], did you mean hold_start\?"),
        (4, r"\[countdown\]: `on_off_ms` ends with a pause, allowed is an odd count"),
        (6, r"\[halfway\]: `on_off_ms` has buzz 1 of 19 ms, allowed is 20 to 1000 ms"),
        (6, r"\[halfway\]: `on_off_ms` has buzz 2 of 1001 ms"),
        (8, r"\[finished\]: `on_off_ms` ends with a pause"),
        (8, r"\[finished\]: `on_off_ms` is 3001 ms long in all, allowed is at most 3000"),
        (9, r"\[finished\]: `strength_pct` has 3 strengths for 2 buzzes, allowed is one for each"),
        (10, r"\[attention\]: `on_off_ms` is missing"),
        (11, r"\[attention\]: unknown key `on_of_ms`, did you mean `on_off_ms`\?"),
        (12, r"\[attention\]: `strength_pct` is 101, allowed is 1 to 100"),
        (13, r"\[attention\]: `feels_like` is 1, allowed is text in quotes"),
        (15, r"\[hold_end\]: `on_off_ms` element 2 is true, allowed is a whole number, 0 to 3000"),
    ]
    assert len(found) == len(expected)
    for mistake, (line, text) in zip(found, expected, strict=True):
        assert re.match(rf"h\.toml:{line}: {text}", mistake)


def test_without_others_to_fall_back_on_all_cues_must_be_there() -> None:
    with pytest.raises(InputError) as caught:
        haptics.parse("[countdown]\non_off_ms = [100]\n", "h.toml")

    assert len(caught.value.mistakes) == len(vocab.CUES) - 1


@pytest.mark.parametrize(
    "patterns",
    [
        (ONE,) * (len(vocab.CUES) - 1),
        (ONE,) * (len(vocab.CUES) - 1) + (((101, 500, 0),),),
        (ONE,) * (len(vocab.CUES) - 1) + (((100, 500, 0),) * 17,),
    ],
)
def test_a_vocabulary_out_of_the_limits_of_a_plan_is_not_made(patterns: Any) -> None:
    with pytest.raises(InputError):
        Vocabulary(patterns=patterns)


def test_a_drawing_is_to_scale() -> None:
    assert draw(((100, 500, 100), (1, 100, 200), (100, 200, 0)), 100) == "▇▇▇▇▇ ▁  ▇▇"
    assert draw(((100, 500, 200), (50, 100, 0)), 50, blocks="ab") == "b" * 10 + " " * 4 + "aa"
    assert draw(()) == ""


@given(st.lists(PULSES, max_size=6), st.integers(50, 100))
def test_a_drawing_shows_each_buzz_at_its_length(pulses: Any, ms_per_cell: int) -> None:
    pattern = tuple(pulses)

    drawn = draw(pattern, ms_per_cell)

    assert len(drawn.split()) <= len(pattern)
    assert abs(len(drawn) - pattern_ms(pattern) / ms_per_cell) <= 2 * len(pattern)
    assert drawn == drawn.strip()


def test_the_shipped_file_is_told_by_its_name() -> None:
    assert vocabulary().file == str(CONFIG / "haptics.toml")
