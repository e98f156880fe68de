# SPDX-License-Identifier: MIT
"""The clock of a wearable seen from the host: the bounds hold, and the skew is found."""

from __future__ import annotations

import math
import random
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

    def probe(self, at_ms: float, times: int) -> None:
        for _ in range(times):
            before_ms = at_ms + self.rng.uniform(0, 60)
            read_ms = self.poll(self.event(before_ms))
            at_ms = self.event(read_ms)
            stamp = math.floor(self.device(read_ms)) % MODULUS
            self.clock.probe(Probe(stamp, before_ms, at_ms))

    def record(self, at_ms: float) -> tuple[int, float]:
        """Log something and hear of it; gives the stamp and the true time of it."""
        made_ms = self.poll(at_ms)
        stamp = math.floor(self.device(made_ms)) % MODULUS
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
        probes: list[Probe] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(air.clock, "probe", probes.append)
            air.probe(1000, 16)
        air.clock.probes(probes)
        stamp, true_ms = air.device(4000), 4000
        off_ms.append(air.clock.host(math.floor(stamp) % MODULUS).ms - true_ms)
    middle_ms = sorted(off_ms)[20]
    assert sum(abs(off - middle_ms) <= 3 for off in off_ms) >= 34, off_ms


def test_times_without_a_beat_have_none() -> None:
    rng = random.Random(1)
    assert find_beat([rng.uniform(0, 3000) for _ in range(16)]) is None
    assert find_beat([1000.0, 1040.0, 1120.0]) is None, "too few"
    times_ms = [500 + 37.5 * number for number in (0, 2, 3, 7, 11, 12, 20, 21)]
    found = find_beat(times_ms)
    assert found is not None
    assert found == pytest.approx((37.5, 500))


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
        sure += abs(skew.ppm - ppm) <= 2 * skew.sigma_ppm <= 30
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
