# SPDX-License-Identifier: MIT
"""The vocabulary on motors that can do less than the one it was written for."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import InputError
from tenuto.routines import haptics
from tenuto.routines.feel import DISPENSABLE, Feel, fit, silenced
from tenuto.routines.haptics import alike
from tenuto_core import vocab
from tests.sample_routines import vocabulary

if TYPE_CHECKING:
    from tenuto.routines.haptics import Pattern

ON_OFF = Feel(title="tag", strengths=1, pulse_ms_min=150, gap_ms=200)
COUNTS = Feel(
    title="watch", strengths=1, pulse_ms_min=35, pulse_ms_max=35, gap_ms=565, pulses_max=5
)


def felt(feel: Feel) -> dict[str, Pattern]:
    return dict(zip(vocab.CUES, fit(vocabulary(), feel).patterns, strict=True))


@pytest.mark.parametrize("feel", [ON_OFF, COUNTS], ids=lambda feel: feel.title)
def test_what_is_felt_can_be_told_apart_and_the_motor_can_do_it(feel: Feel) -> None:
    patterns = felt(feel)
    for one, other in itertools.combinations([p for p in patterns.values() if p], 2):
        assert not alike(one, other)
    for cue, pattern in patterns.items():
        assert pattern or cue in DISPENSABLE
        assert len(pattern) <= feel.pulses_max
        for strength_pct, on_ms, _ in pattern:
            assert strength_pct == 100
            assert feel.pulse_ms_min <= on_ms <= feel.pulse_ms_max
        assert all(off_ms >= feel.gap_ms for _, _, off_ms in pattern[:-1])


def test_a_touch_that_is_only_lighter_is_silent_where_there_is_one_strength() -> None:
    assert silenced(vocabulary(), fit(vocabulary(), ON_OFF)) == ["halfway", "mark"]
    assert silenced(vocabulary(), fit(vocabulary(), replace(ON_OFF, strengths=20))) == []


def test_a_side_never_changes_without_a_cue_of_its_own() -> None:
    for feel in (ON_OFF, COUNTS):
        assert felt(feel)["switch_sides"]


def test_strengths_are_rounded_up_to_those_that_there_are() -> None:
    wanted = ((60, 200, 0),)
    assert Feel(title="", strengths=20).pattern(wanted)[0][0] == 60
    assert Feel(title="", strengths=2).pattern(wanted)[0][0] == 100
    assert Feel(title="", strengths=3).pattern(((1, 200, 0),))[0][0] == 33


def test_counts_come_from_the_file_and_else_from_the_pattern() -> None:
    own = haptics.parse("[hold_end]\non_off_ms = [200]\ncount = 3", "own.toml", vocabulary())
    with pytest.raises(InputError) as refused:
        fit(own, COUNTS)
    assert "hold_end and switch_sides feel alike on a watch" in str(refused.value)
    assert "own.toml" in str(refused.value)
    assert "`count`" in str(refused.value)
    silent = haptics.parse("[switch_sides]\non_off_ms = []", "own.toml", vocabulary())
    assert fit(silent, COUNTS).pattern(vocab.SWITCH_SIDES) == ()
    written = "\n".join(f"[{cue}]\non_off_ms = [200]" for cue in vocab.CUES)
    assert haptics.parse(written, "bare.toml").counts == (None,) * len(vocab.CUES)


def test_cues_that_must_be_told_apart_and_feel_alike_are_refused() -> None:
    text = "[hold_start]\non_off_ms = [500]\nstrength_pct = 50\n[hold_end]\non_off_ms = [500]"
    own = haptics.parse(text, "own.toml", vocabulary())
    fit(own, replace(ON_OFF, strengths=100))
    with pytest.raises(InputError, match=r"hold_start and hold_end feel alike on a tag"):
        fit(own, ON_OFF)


def test_what_the_motor_cannot_play_is_refused_with_what_it_can() -> None:
    with pytest.raises(InputError, match=r"attention has 5 buzzes, a watch plays at most 4"):
        fit(vocabulary(), replace(COUNTS, pulses_max=4))
    with pytest.raises(InputError, match=r"attention takes \d+ ms on a watch"):
        fit(vocabulary(), replace(COUNTS, gap_ms=2_000))
