# SPDX-License-Identifier: MIT
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from tenuto.errors import InputError
from tenuto.routines.adjust import (
    AS_WRITTEN,
    HOLD_PCT,
    STRENGTH_PCT,
    Adjustment,
    adjust,
    adjust_vocabulary,
)
from tenuto.routines.compile import compile_routine, describe
from tenuto.routines.library import Library

if TYPE_CHECKING:
    from tenuto.routines.compile import ScoreRow

LIBRARY = Library()
ADJUSTMENTS = st.builds(
    Adjustment,
    strength_pct=st.integers(*STRENGTH_PCT),
    hold_pct=st.integers(*HOLD_PCT),
    halfway=st.booleans(),
    countdown=st.booleans(),
)


def score(name: str, adjustment: Adjustment) -> list[ScoreRow]:
    return describe(LIBRARY.plan(name, adjustment))


def holds_ms(rows: list[ScoreRow]) -> list[int]:
    return [row.duration_ms for row in rows if row.kind == "hold"]


def cues(rows: list[ScoreRow]) -> set[str]:
    return {cue.cue for row in rows for cue in row.cues}


def test_as_written_it_is_the_plan_that_the_file_gives() -> None:
    for name in LIBRARY.names():
        plain = compile_routine(LIBRARY.routine(name), LIBRARY.vocabulary())
        assert LIBRARY.plan(name, AS_WRITTEN) == LIBRARY.plan(name) == plain


def test_holds_get_longer_and_the_ways_to_them_do_not() -> None:
    plain, longer = (score("lower-back", Adjustment(hold_pct=pct)) for pct in (100, 150))

    assert holds_ms(plain) == [30_000] * 9
    assert holds_ms(longer) == [45_000] * 9
    assert [row.duration_ms for row in plain if row.kind != "hold"] == [
        row.duration_ms for row in longer if row.kind != "hold"
    ]


def test_sides_of_unequal_length_stay_unequal() -> None:
    from tenuto.routines.routine import parse

    routine = parse(
        'name = "r"\n[[exercise]]\nname = "a"\nsides = "each"\nleft_hold_s = 20\nhold_s = 40\n', "r"
    )
    plan = compile_routine(adjust(routine, Adjustment(hold_pct=75)), LIBRARY.vocabulary())

    assert holds_ms(describe(plan)) == [15_000, 30_000]


def test_no_hold_gets_too_short_for_its_cues() -> None:
    from tenuto.routines.routine import parse

    routine = parse(
        'name = "r"\n[[exercise]]\nname = "a"\nhold_s = 6\nhalfway = true\n'
        '[[exercise]]\nname = "b"\nhold_s = 3\n',
        "r",
    )
    plan = compile_routine(adjust(routine, Adjustment(hold_pct=50)), LIBRARY.vocabulary())

    assert holds_ms(describe(plan)) == [5_000, 3_000]


def test_cues_that_are_not_wanted_are_left_out_and_no_others() -> None:
    everything = cues(score("lower-back", AS_WRITTEN))

    assert everything >= {"halfway", "countdown", "hold_start"}
    assert cues(score("lower-back", Adjustment(halfway=False))) == everything - {"halfway"}
    assert cues(score("lower-back", Adjustment(countdown=False))) == everything - {"countdown"}


def test_strength_scales_each_pulse_within_what_a_motor_has() -> None:
    vocabulary = LIBRARY.vocabulary()

    def strengths(pct: int) -> list[list[int]]:
        adjusted = adjust_vocabulary(vocabulary, Adjustment(strength_pct=pct))
        return [[pulse[0] for pulse in pattern] for pattern in adjusted.patterns]

    for plain, half, more in zip(strengths(100), strengths(50), strengths(150), strict=True):
        assert half == [round(value / 2) for value in plain]
        assert more == [min(100, round(value * 1.5)) for value in plain]


@given(ADJUSTMENTS, st.sampled_from(LIBRARY.names()))
def test_every_shipped_routine_plays_with_every_adjustment(
    adjustment: Adjustment, name: str
) -> None:
    plan = LIBRARY.plan(name, adjustment).plan

    assert all(1 <= pulse[0] <= 100 for pattern in plan.patterns for pulse in pattern)


@pytest.mark.parametrize("wrong", [{"strength_pct": 9}, {"hold_pct": 201}, {"strength_pct": 151}])
def test_a_number_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="allowed is"):
        Adjustment(**wrong)  # type: ignore[arg-type]
