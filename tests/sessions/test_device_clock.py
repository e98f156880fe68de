# SPDX-License-Identifier: MIT
"""The clock of a wearable seen from the host: the bounds hold, and the skew is found."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tenuto.sessions.device_clock import (
    SKEW_PPM_MAX,
    WINDOW_MS,
    DeviceClock,
    Probe,
    Skew,
    find_beat,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MODULUS = 1 << 32
POLL_MS = 21
SESSION_MS = 342_000


class Radio:
    """Connection events, a board that polls, a clock that is wrong: the delays of a real link."""

    def __init__(
        self,
        rng: random.Random,
        ppm: float,
        interval_ms: float,
        loss: float = 0.0,
        device_ms: float = 5e5,
    ) -> None:
        self.rng = rng
        self.rate = 1 + ppm * 1e-6
        self.interval_ms = interval_ms
        self.loss = loss
        self.boot_ms = -device_ms
        self.anchor_ms = rng.uniform(0, interval_ms)
        self.clock = DeviceClock()

    def device(self, host_ms: float) -> float:
        return (host_ms - self.boot_ms) * self.rate

    def unwrapped(self, stamp: int, near_ms: float) -> float:
        """A stamp without its wrap, by the time that it is near to."""
        near = self.device(near_ms)
        return near + (stamp - near + MODULUS / 2) % MODULUS - MODULUS / 2

    def host(self, device_ms: float) -> float:
        return self.boot_ms + device_ms / self.rate

    def event(self, after_ms: float) -> float:
        """When the next packet goes through."""
        n = math.floor((after_ms - self.anchor_ms) / self.interval_ms) + 1
        while self.rng.random() < self.loss:
            n += 1
        return self.anchor_ms + n * self.interval_ms

    def poll(self, after_ms: float) -> float:
        return after_ms + self.rng.uniform(0, POLL_MS)

    def probe(self, at_ms: float, times: int) -> float:
        """Ask for the clock so many times in a row; gives when that is over."""
        answers = []
        for _ in range(times):
            before_ms = at_ms + self.rng.uniform(0, 60)
            read_ms = self.poll(self.event(before_ms))
            at_ms = self.event(read_ms)
            answers.append(Probe(self.stamp(read_ms), before_ms, at_ms))
        self.clock.probes(answers)
        return at_ms

    def stamp(self, host_ms: float) -> int:
        return math.floor(self.device(host_ms)) % MODULUS

    def record(self, at_ms: float) -> tuple[int, float]:
        """Log something and hear of it; gives the stamp and the true time of it."""
        made_ms = self.poll(at_ms)
        stamp = self.stamp(made_ms)
        self.clock.heard(stamp, self.event(made_ms))
        return stamp, made_ms

    def session(self, start_ms: float = 1000.0) -> bool:
        """Connect, play, with a beat a second; whether each time stamp was told honestly."""
        self.probe(start_ms, 8)
        now_ms, probe_ms, honest = start_ms + 1000, start_ms + 60_000, True
        while now_ms < start_ms + SESSION_MS:
            now_ms += self.rng.gauss(900, 40)
            if now_ms >= probe_ms:
                self.probe(probe_ms, 4)
                probe_ms += 60_000
            stamp, true_ms = self.record(now_ms)
            moment = self.clock.host(stamp)
            honest &= abs(moment.ms - true_ms) <= moment.uncertainty_ms
        return honest


def radio(seed: int, loss: float = 0.0) -> tuple[Radio, float]:
    rng = random.Random(seed)
    ppm = rng.choice((-50.0, 50.0))
    return Radio(rng, ppm, rng.uniform(30, 50), loss), ppm


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_the_truth_is_within_the_uncertainty_and_the_skew_within_5_ppm(loss: float) -> None:
    honest, found, sure, uncertainty_ms = 0, 0, 0, []
    for seed in range(100):
        air, ppm = radio(seed, loss)
        honest += air.session()
        skew = air.clock.skew
        found += abs(skew.ppm - ppm) <= 5
        sure += abs(skew.ppm - ppm) <= 2 * skew.sigma_ppm
        uncertainty_ms.append(air.clock.host(air.record(SESSION_MS)[0]).uncertainty_ms)
    assert honest >= 95
    assert sure >= 95, "it is surer of the skew than it may be"
    assert found >= (95 if not loss else 85)
    # Half an interval is what an exchange over such a link leaves open; more would be a waste.
    assert sum(uncertainty_ms) / 100 < 20


def test_a_time_stamp_is_dated_far_better_than_an_interval_allows() -> None:
    late_ms = []
    for seed in range(40):
        air, _ = radio(seed, 0.1)
        air.session()
        stamp, true_ms = air.record(SESSION_MS + 3000)
        late_ms.append(air.clock.host(stamp).ms - true_ms)
    middle_ms = sorted(late_ms)[20]
    assert sum(abs(late - middle_ms) <= 3 for late in late_ms) >= 32, late_ms


def test_questions_in_a_row_tell_the_time_by_the_beat_of_their_answers() -> None:
    off_ms = []
    for seed in range(40):
        rng = random.Random(seed)
        air = Radio(rng, 0.0, 1.25 * rng.randint(24, 40), 0.1)
        air.probe(1000, 16)
        stamp, true_ms = air.device(4000), 4000
        off_ms.append(air.clock.host(math.floor(stamp) % MODULUS).ms - true_ms)
    middle_ms = sorted(off_ms)[20]
    assert sum(abs(off - middle_ms) <= 3 for off in off_ms) >= 34, off_ms


def exchanges(after_ms: list[float], lasting_ms: float = 60.0) -> list[Probe]:
    return [Probe(0, one - lasting_ms, one) for one in after_ms]


def test_times_without_a_beat_have_none() -> None:
    rng = random.Random(1)
    assert find_beat(exchanges([rng.uniform(0, 3000) for _ in range(16)])) is None
    assert find_beat(exchanges([1000.0, 1040.0, 1120.0])) is None, "too few"
    times_ms = [500 + 37.5 * number for number in (0, 2, 3, 7, 11, 12, 20, 21)]
    assert find_beat(exchanges(times_ms)) == pytest.approx((37.5, 500))


def test_a_beat_is_not_taken_for_one_half_as_fast_by_chance() -> None:
    times_ms = [500 + 37.5 * number for number in (0, 2, 4, 8, 12, 14, 20, 22)]
    assert find_beat(exchanges(times_ms)) == pytest.approx((37.5, 500))


def test_a_longer_interval_is_not_taken_for_a_slow_clock() -> None:
    """A wearable at rest asks for a longer interval, and each answer takes one."""
    sure = 0
    for seed in range(40):
        air, ppm = radio(seed)
        air.interval_ms = 15
        air.probe(1000, 8)
        air.interval_ms = 100
        for minute in range(1, 30):
            # The event after an answer is an interval away, and so is the next question's.
            air.probe(60_000 * minute + air.rng.uniform(0, 100), 1)
        skew = air.clock.skew
        sure += abs(skew.ppm - ppm) <= 2 * skew.sigma_ppm <= 40
    assert sure >= 36


def test_the_skew_is_kept_for_the_next_boot() -> None:
    better = 0
    for seed in range(20):
        air, ppm = radio(seed)
        air.session()
        again = Radio(air.rng, ppm, air.interval_ms)
        again.clock = DeviceClock(air.clock.remember())
        again.probe(1000, 8)
        fresh = Radio(random.Random(seed), ppm, air.interval_ms)
        fresh.probe(1000, 8)
        hour_ms = 3_600_000
        known, new = (
            each.clock.host(math.floor(each.device(hour_ms))).ms - hour_ms
            for each in (again, fresh)
        )
        better += abs(known) < abs(new)
        assert abs(known) < 5e-6 * hour_ms * 3
    assert better >= 18


HOUR_MS = 3_600_000
CLASSES, HISTORIES = 3, 120


@dataclass
class Begun:
    """How far from its time a wearable begins, the error of its skew, and what was claimed."""

    off_ms: float
    uncertainty_ms: float
    skew_ppm: float
    sigma_ppm: float

    @property
    def end_ms(self) -> float:
        """How far off it is after half an hour alone."""
        return self.off_ms + self.skew_ppm * HOUR_MS / 2 * 1e-6


def lessons(seed: int) -> list[Begun]:
    """Classes of one wearable that shares its link with others, and is alone in each of them."""
    rng = random.Random(seed)
    ppm = rng.uniform(-50, 50)
    air = Radio(rng, ppm, 1.25 * rng.randint(24, 40), 0.1, rng.uniform(1e4, 1e7))
    begun: list[Begun] = []

    def connect(at_ms: float, times: int) -> float:
        air.anchor_ms = at_ms + rng.uniform(0, air.interval_ms)
        return air.probe(at_ms, times)

    connect(1000, 8)
    now_ms = 1000 + rng.uniform(5e3, 2e5)
    for _ in range(CLASSES):
        now_ms = air.probe(connect(now_ms, 8) + rng.uniform(300, 1500), 32)
        start_ms = now_ms + rng.uniform(2e3, 1e5)
        stamp = air.clock.device_ms(start_ms)
        moment, skew = air.clock.host(stamp), air.clock.skew
        off_ms = air.host(air.unwrapped(stamp, start_ms) + 0.5) - start_ms
        claimed = moment.uncertainty_ms + abs(moment.ms - start_ms)
        begun.append(Begun(off_ms, claimed, skew.ppm - ppm, skew.sigma_ppm))
        now_ms += HOUR_MS / 2 + rng.uniform(0, 2e5)
        connect(now_ms, 8)
        for age_ms in (400, 150, 60, 20, 3):  # what it has logged comes late
            air.clock.heard(air.stamp(now_ms + 500 - age_ms), air.event(now_ms + 500))
        for _ in range(8):
            now_ms += rng.uniform(1.5e5, 2.5e5)
            connect(now_ms, 8)
        now_ms += rng.uniform(1e4, 1e5)
    return begun


def test_a_class_is_in_step_after_half_an_hour_alone_once_the_clocks_were_learned() -> None:
    told = [lessons(seed) for seed in range(HISTORIES)]
    for one in (one for each in told for one in each):
        assert abs(one.off_ms) <= one.uncertainty_ms, "the truth is outside of its bounds"
    for number in range(1, CLASSES):
        those = [each[number] for each in told]
        middle_ms = statistics.median(one.end_ms for one in those)
        off_ms = sorted(abs(one.end_ms - middle_ms) for one in those)
        assert off_ms[round(0.97 * HISTORIES)] <= 5, (number, off_ms[-8:])
        sure = sum(abs(one.skew_ppm) <= 2 * one.sigma_ppm for one in those)
        assert sure >= 0.95 * HISTORIES, "it is surer of the skew than it may be"


def test_an_answer_that_was_slow_changes_nothing() -> None:
    air, _ = radio(1)
    air.session()
    stamp, _ = air.record(SESSION_MS + 5000)
    before = air.clock.host(stamp)
    air.clock.heard((stamp - 100_000) % MODULUS, SESSION_MS + 9e5)
    air.clock.probe(Probe(stamp, air.host(stamp) - 5000, air.host(stamp) + 5000))
    after = air.clock.host(stamp)
    assert (after.ms, after.uncertainty_ms) == (before.ms, before.uncertainty_ms)


def test_the_wearables_counter_wraps() -> None:
    rng = random.Random(3)
    air = Radio(rng, 50, 40, device_ms=MODULUS - 100_000.0)
    assert air.session()
    assert air.device(SESSION_MS) > MODULUS
    stamp = (MODULUS - 50_000) % MODULUS
    moment = air.clock.host(stamp)
    assert abs(moment.ms - air.host(stamp)) <= moment.uncertainty_ms, "before the wrap"


@pytest.mark.parametrize("by_ms", [-60_000.0, 60_000.0])
def test_a_clock_that_jumps_is_noticed_and_only_the_skew_is_kept(by_ms: float) -> None:
    air, ppm = radio(4)
    air.session()
    air.boot_ms += by_ms
    air.probe(SESSION_MS + 100_000, 8)
    assert air.clock.steps == 1
    stamp, true_ms = air.record(SESSION_MS + 105_000)
    moment = air.clock.host(stamp)
    assert abs(moment.ms - true_ms) <= moment.uncertainty_ms < 60
    assert abs(air.clock.skew.ppm - ppm) < 10


def test_a_crystal_that_warms_up_is_followed_for_days() -> None:
    air, _ = radio(5)
    now_ms = 1000.0
    air.probe(now_ms, 8)
    wrong = total = 0
    rates: list[Callable[[float], float]] = [lambda h: 20 + 4 * math.sin(h / 1.4e7)]
    while now_ms < 2 * 86_400_000:
        now_ms += 60_000
        read_at = air.device(now_ms)
        air.rate = 1 + rates[0](now_ms) * 1e-6
        air.boot_ms = now_ms - read_at / air.rate  # the reading itself does not jump
        air.probe(now_ms, 1)
        stamp, true_ms = air.record(now_ms + 5000)
        moment = air.clock.host(stamp)
        total += 1
        wrong += abs(moment.ms - true_ms) > moment.uncertainty_ms
        assert moment.uncertainty_ms < 60
    assert wrong < total / 50
    assert now_ms > 50 * WINDOW_MS


def test_the_way_back_gives_the_same_time() -> None:
    air, _ = radio(6)
    air.session()
    for stamp, _ in (air.record(SESSION_MS + k * 1000) for k in range(10)):
        assert air.clock.device_ms(air.clock.host(stamp).ms) in (stamp, stamp + 1, stamp - 1)


def test_what_nobody_asked_is_not_known() -> None:
    clock = DeviceClock(Skew(12, 3))
    clock.heard(5, 1e6)
    assert not clock.is_known
    assert clock.skew == Skew(12, 3)
    with pytest.raises(ValueError, match="not asked"):
        clock.host(5)
    with pytest.raises(ValueError, match="not asked"):
        clock.device_ms(5)


def test_a_remembered_nonsense_does_no_harm() -> None:
    air, ppm = radio(7)
    air.clock = DeviceClock(Skew(-SKEW_PPM_MAX, 1.0))
    for number in range(3):
        air.session(1000 + number * 400_000)
    assert abs(air.clock.skew.ppm - ppm) < 10


def test_a_wearable_that_tells_any_time_is_no_clock_faster_than_one_can_be() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)
    for _ in range(20):
        clock, host_ms = DeviceClock(), 0.0
        for _ in range(30):
            host_ms += rng.choice([0.0, 30.0, 1e5, 2e6, 2e9])
            answer_ms = rng.choice([0.0, 45.0, 500.0])
            if rng.random() < 0.4:
                probes = [
                    Probe(rng.randrange(MODULUS), host_ms, host_ms + answer_ms)
                    for _ in range(rng.choice([1, 8]))
                ]
                clock.probes(probes)
            else:
                first_ms = rng.randrange(MODULUS)
                for number in range(40):
                    clock.heard((first_ms + number) % MODULUS, host_ms)
            skew = clock.skew
            assert abs(skew.ppm) <= SKEW_PPM_MAX * (1 + 1e-9)
            assert 0 <= skew.sigma_ppm < math.inf
