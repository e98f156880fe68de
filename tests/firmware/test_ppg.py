# SPDX-License-Identifier: MIT
"""Beats out of synthetic skin: right where the signal is clean, silent where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.ppg import SAMPLE_MS, BeatDetector
from tenuto.simulator.chips import Skin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SETTLED_S = 13


def rates(
    skin: Skin, duration_s: float, before: Callable[[float], None] = lambda _t_s: None
) -> Iterator[tuple[float, int]]:
    """Each rate that is told, with its time."""
    detector = BeatDetector()
    for number in range(int(duration_s * 1000 / SAMPLE_MS)):
        t_s = number * SAMPLE_MS / 1000
        before(t_s)
        if detector.add(max(0, min(0x3FFFF, round(skin.light(t_s))))) and detector.bpm:
            yield t_s, detector.bpm


@pytest.mark.parametrize("bpm", range(45, 181, 9))
@pytest.mark.parametrize("perfusion_pct", [0.5, 1, 2, 6])
def test_a_clean_pulse_is_within_3_of_the_truth_and_soon(bpm: int, perfusion_pct: float) -> None:
    told = list(rates(Skin(bpm, perfusion_pct=perfusion_pct, seed=bpm), 30))

    assert max(abs(found - bpm) for _, found in told) <= 3
    assert told[0][0] < SETTLED_S
    assert len(told) > 0.8 * (30 - SETTLED_S) * bpm / 60


@pytest.mark.parametrize("noise", [30, 60, 120])
def test_noise_costs_no_exactness(noise: float) -> None:
    told = list(rates(Skin(70, noise=noise, seed=1), 60))

    assert len(told) > 40
    assert max(abs(found - 70) for _, found in told) <= 3


def test_a_falling_rate_is_followed() -> None:
    """The minutes after a run, which the heart gate waits for."""

    def truth(t_s: float) -> float:
        return 150 - 0.6 * t_s

    told = list(rates(Skin(truth, seed=2), 100))

    assert max(abs(found - truth(t_s)) for t_s, found in told) <= 4
    assert len(told) > 120


@pytest.mark.parametrize("seed", range(5))
def test_a_moving_wrist_is_told_no_rate(seed: int) -> None:
    skin = Skin(80, seed=seed)
    skin.moves = True

    assert list(rates(skin, 30)) == []


def test_after_a_movement_the_rate_comes_back() -> None:
    skin = Skin(80)

    def move(t_s: float) -> None:
        skin.moves = 20 <= t_s < 25

    told = [t_s for t_s, _ in rates(skin, 50, move)]

    assert [t_s for t_s in told if 20.5 < t_s < 28] == []
    assert any(28 < t_s < 38 for t_s in told)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [12, 60, 200])
def test_something_warm_without_a_pulse_has_no_rate(seed: int, noise: float) -> None:
    told = list(rates(Skin(0, perfusion_pct=0, noise=noise, seed=seed), 120))

    assert len(told) <= 1, "noise may look like eight even beats once in minutes, not more often"


def test_open_air_is_no_contact_and_no_rate() -> None:
    skin = Skin(70)
    skin.is_there = False

    assert list(rates(skin, 30)) == []


def test_nothing_is_told_of_before_the_strap_was_off() -> None:
    """The old rate must not come out again with the first beat after the strap is back."""
    skin = Skin(70)

    def lift(t_s: float) -> None:
        skin.is_there = not 20 <= t_s < 21

    told = [t_s for t_s, _ in rates(skin, 40, lift)]

    assert [t_s for t_s in told if 20 <= t_s < 25] == []
    assert any(t_s > 25 for t_s in told)


def test_lost_samples_break_the_chain() -> None:
    skin, detector = Skin(60), BeatDetector()
    for number in range(1500):
        detector.add(round(skin.light(number / 50)))
    assert detector.bpm == 60
    detector.gap()
    assert detector.bpm is None
