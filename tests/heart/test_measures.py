# SPDX-License-Identifier: MIT
from __future__ import annotations

import math

import pytest

from tenuto.sessions.heart import (
    BEATS_MIN,
    FRESH_MS,
    Rate,
    Sample,
    Zones,
    max_bpm_at,
    rate,
    recovery,
    thinned,
    unbroken,
    variability,
)
from tenuto_core.player import BEAT_FRESH_MS


def each_second(*beats: int) -> list[Sample]:
    return [Sample(1_000 * second, bpm) for second, bpm in enumerate(beats)]


def stream(intervals: list[float]) -> list[tuple[int, tuple[float, ...]]]:
    """Intervals as a strap tells them, each when it is over."""
    t_ms = 0.0
    packets: list[tuple[int, tuple[float, ...]]] = []
    for interval in intervals:
        t_ms += interval
        packets.append((round(t_ms), (interval,)))
    return packets


# --- the picture


def test_a_picture_keeps_each_peak_and_loses_what_nobody_would_see() -> None:
    beats = [70] * 300
    beats[100:103] = [90, 140, 91]
    beats[200:203] = [69, 45, 69]
    (line,) = unbroken(each_second(*beats))
    thin = thinned(line, 10_000)

    assert len(thin) < 20
    assert {(100 + 1, 140), (200 + 1, 45)} <= {(one.t_ms // 1000, one.bpm) for one in thin}
    assert (thin[0], thin[-1]) == (line[0], line[-1])


def test_where_no_rate_was_known_the_line_breaks() -> None:
    first, gap, last = each_second(60, 61), FRESH_MS + 1, Sample(FRESH_MS + 1_001, 62)

    assert unbroken([*first, last]) == [first, [last]]
    assert len(unbroken([*first, last._replace(t_ms=gap)])) == 1


# --- the rate


def test_a_rate_counts_for_as_long_as_it_holds() -> None:
    """A watch that tells only changes: 60 for 3 s, then 90 for 1 s."""
    told = [Sample(0, 60), Sample(3_000, 90)]

    assert rate(told, 4_000) == Rate(mean_bpm=67.5, min_bpm=60, max_bpm=90, known_ms=4_000)


def test_silence_counts_for_nothing() -> None:
    told = [Sample(0, 60), Sample(60_000, 110)]

    assert rate(told, 65_000) == Rate(mean_bpm=85, min_bpm=60, max_bpm=110, known_ms=10_000)


def test_the_wearable_and_the_measures_take_a_rate_for_known_as_long() -> None:
    assert BEAT_FRESH_MS == FRESH_MS


def test_nothing_comes_of_nothing() -> None:
    assert rate([], 1_000) is None
    assert recovery([]) is None
    assert variability([]) is None
    assert variability([(0, ())]) is None
    assert Zones(200).times_ms([], 1_000) == (0,) * 6


def test_a_lone_beat_at_the_very_end_is_a_rate() -> None:
    assert rate([Sample(1_000, 60)], 1_000) == Rate(60, 60, 60, 0)


# --- zones


def test_zones_are_shares_of_the_highest_rate() -> None:
    zones = Zones(max_bpm=200)

    assert zones.from_bpm == (100, 120, 140, 160, 180)
    assert zones.times_ms(each_second(99, 100, 119, 120, 140, 160, 180, 210), 8_000) == (
        1_000,
        2_000,
        1_000,
        1_000,
        1_000,
        2_000,
    )


def test_zones_of_the_reserve_where_the_resting_rate_is_known() -> None:
    assert Zones(max_bpm=190, rest_bpm=60).from_bpm == (125, 138, 151, 164, 177)


def test_the_highest_rate_by_age() -> None:
    assert (max_bpm_at(20), max_bpm_at(40), max_bpm_at(60)) == (194, 180, 166)


# --- recovery


def test_recovery_is_the_fall_of_the_first_minute() -> None:
    falling = each_second(*range(150, 60, -1))

    found = recovery(falling)
    assert found is not None
    assert found.peak_bpm == 150
    assert found.drop_bpm == pytest.approx(60, abs=1)


def test_a_sensor_that_wakes_up_late_or_falls_silent_gives_no_recovery() -> None:
    falling = each_second(*range(150, 60, -1))

    assert recovery(falling[11:]) is None
    assert recovery(falling[:50]) is None
    assert recovery(falling, from_ms=40_000) is None


def test_recovery_from_a_later_moment() -> None:
    told = [Sample(s.t_ms + 40_000, s.bpm) for s in each_second(*range(150, 60, -1))]

    assert recovery(told, from_ms=40_000) == recovery(each_second(*range(150, 60, -1)))


# --- variability


def calm() -> list[float]:
    return [round(900 + 40 * math.sin(i / 4) + 15 * math.cos(i * 1.7), 1) for i in range(64)]


def falling() -> list[float]:
    return [round(480 + 3.5 * i + 12 * math.sin(i * 0.9), 1) for i in range(120)]


def measured() -> list[float]:
    once = "812.5 857.4 861.3 884.8 902.3 875.0 868.2 850.6 843.8 861.3 890.6 915.0 921.9 899.4"
    return [float(interval) for interval in once.split()] * 4


@pytest.mark.parametrize(
    "intervals,rmssd_ms,sdnn_ms",
    [
        (calm(), 17.124701364560984, 29.69353635373322),
        (falling(), 8.190130358798791, 121.71865571250524),
        (measured(), 29.56031430513183, 29.14989920011085),
    ],
    ids=["calm", "falling", "measured"],
)
def test_rmssd_and_sdnn_are_those_of_neurokit2(
    intervals: list[float], rmssd_ms: float, sdnn_ms: float
) -> None:
    """The numbers are what `hrv_time` of neurokit2 0.2.13 gives for the same RRI and RRI_Time."""
    found = variability(stream(intervals))

    assert found is not None
    assert (found.beats, found.artefact_pct) == (len(intervals), 0)
    assert found.rmssd_ms == pytest.approx(rmssd_ms, rel=1e-9)
    assert found.sdnn_ms == pytest.approx(sdnn_ms, rel=1e-9)


def test_an_extra_beat_and_a_missed_one_leave_the_result_as_it_was() -> None:
    intervals = [900.0 + 10 * (-1) ** i for i in range(80)]
    clean = variability(stream(intervals))
    intervals[20:22] = [500.0, 1_310.0]  # an early beat and the pause after it
    intervals[50] = 1_780.0  # two beats taken for one
    found = variability(stream(intervals))

    assert clean is not None
    assert found is not None
    assert (found.beats, found.artefact_pct) == (77, 3.75)
    assert found.rmssd_ms == pytest.approx(clean.rmssd_ms, rel=0.01)
    assert found.sdnn_ms == pytest.approx(clean.sdnn_ms, rel=0.05)


def test_intervals_on_both_sides_of_a_gap_are_no_neighbours() -> None:
    slow, fast = stream([1_000.0] * 40), stream([750.0] * 40)
    later = [(t_ms + 100_000, intervals) for t_ms, intervals in fast]
    found = variability([*slow, *later])

    assert found is not None
    assert (found.rmssd_ms, found.beats) == (0, 80)


def test_several_intervals_in_a_packet_are_as_good_as_one_each() -> None:
    intervals = calm()
    one_each = stream(intervals)
    in_fours = [
        (one_each[i + 3][0], tuple(intervals[i : i + 4])) for i in range(0, len(intervals), 4)
    ]

    assert variability(in_fours) == variability(one_each)


def test_too_few_or_too_bad_intervals_give_no_number_but_say_how_many() -> None:
    few = variability(stream([900.0] * (BEATS_MIN - 1)))
    assert few is not None
    assert (few.rmssd_ms, few.sdnn_ms, few.beats) == (None, None, BEATS_MIN - 1)

    noisy = variability(stream([900.0, 910.0, 905.0, 1_300.0] * 20))
    assert noisy is not None
    assert (noisy.rmssd_ms, noisy.artefact_pct) == (None, 25)
