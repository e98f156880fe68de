# SPDX-License-Identifier: MIT
"""The simulated parts, and who wears them."""

from __future__ import annotations

import asyncio
import math
import statistics

import pytest

from tenuto import event_loops
from tenuto.simulator import Battery, Button, Edge, HeartSensor, Motor, Press, VirtualPerson
from tenuto.simulator.clock import BoardClock


class Wakes:
    """Counts how often the main loop was woken."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


def edges(motor: Motor) -> list[tuple[float, bool, int]]:
    return [(round(e.t_ms, 6), e.on, e.strength_pct) for e in motor.edges]


async def test_the_motor_stops_by_itself_and_records_every_edge() -> None:
    motor = Motor(BoardClock())
    await asyncio.sleep(1)
    motor.on(80, 250)
    await asyncio.sleep(1)
    assert edges(motor) == [(1000, True, 80), (1250, False, 0)]
    assert not motor.is_on


async def test_a_new_buzz_replaces_the_old_one_and_off_is_at_once() -> None:
    motor = Motor(BoardClock())
    motor.on(80, 1000)
    await asyncio.sleep(0.5)
    motor.on(40, 1000)
    await asyncio.sleep(0.7)
    motor.off()
    motor.off()
    await asyncio.sleep(5)
    assert edges(motor) == [(0, True, 80), (500, True, 40), (1200, False, 0)]


async def test_a_buzz_is_as_long_as_the_boards_clock_says() -> None:
    motor = Motor(BoardClock(drift_ppm=10_000))
    start_s = asyncio.get_running_loop().time()
    motor.on(100, 1010)
    await asyncio.sleep(2)
    assert motor.edges[1].t_ms == pytest.approx(1010)
    assert motor.edges[1].loop_s - start_s == pytest.approx(1.0)
    assert Edge(1, on=True, strength_pct=5, loop_s=1) == Edge(1, on=True, strength_pct=5, loop_s=2)


@pytest.mark.parametrize("strength_pct, on_ms", [(0, 100), (101, 100), (-1, 100), (50, 0)])
async def test_a_senseless_buzz_is_refused_and_changes_nothing(
    strength_pct: int, on_ms: int
) -> None:
    motor = Motor(BoardClock())
    motor.on(50, 100)
    with pytest.raises(ValueError, match="must be"):
        motor.on(strength_pct, on_ms)
    await asyncio.sleep(1)
    assert edges(motor) == [(0, True, 50), (100, False, 0)]


async def test_the_heart_sensor_gives_the_newest_rate_and_all_intervals_once() -> None:
    wakes = Wakes()
    heart = HeartSensor(wakes)
    assert heart.read() is None
    heart.beat(60, rr=(1024,))
    heart.beat(61, rr=(1000,))
    assert heart.read() == (61, True, (1024, 1000))
    assert heart.read() is None
    heart.beat(61, contact=False)
    assert heart.read() == (61, False, ())
    assert wakes.count == 3


async def test_the_button_gives_its_edges_once_with_the_boards_time() -> None:
    wakes = Wakes()
    button = Button(BoardClock(), wakes)
    button.press(300, after_ms=1000)
    await asyncio.sleep(2)
    assert button.read() == [(True, 1000), (False, 1300)]
    assert button.read() == []
    assert wakes.count == 2


async def test_too_many_edges_leave_the_newest() -> None:
    button = Button(BoardClock(), Wakes())
    for _ in range(100):
        button.press(10)
        await asyncio.sleep(0.02)
    kept = button.read()
    assert len(kept) == 32
    assert kept[-1] == (False, 1990)


async def test_the_battery_is_as_full_as_it_is_told() -> None:
    wakes = Wakes()
    battery = Battery(wakes)
    battery.set_level(41.6)
    assert battery.percent() == 42
    with pytest.raises(ValueError, match="0 to 100"):
        battery.set_level(101)
    assert battery.percent() == 42
    assert wakes.count == 1


async def worn(person: VirtualPerson, seconds: float) -> list[tuple[int, bool, tuple[int, ...]]]:
    beats: list[tuple[int, bool, tuple[int, ...]]] = []
    heart: HeartSensor

    def wake() -> None:
        beat = heart.read()
        assert beat is not None
        beats.append(beat)

    heart = HeartSensor(wake)
    person.put_on(heart, Button(BoardClock(), Wakes()))
    await asyncio.sleep(seconds)
    person.take_off()
    await asyncio.sleep(60)
    return beats


async def test_a_heart_calms_down_after_a_run() -> None:
    beats = await worn(VirtualPerson(resting_bpm=60, start_bpm=140, recovery_s=60), 600)
    assert beats[0][0] > 135
    assert beats[-1][0] == 60
    rates = [bpm for bpm, _, _ in beats]
    assert rates == sorted(rates, reverse=True)


async def test_a_heart_rises_in_an_effort() -> None:
    person = VirtualPerson(resting_bpm=60, effort_bpm=30)
    asyncio.get_running_loop().call_later(60, person.exert, 1.0)
    beats = await worn(person, 180)
    assert beats[30][0] == 60
    assert beats[-1][0] > 85


async def test_intervals_between_beats_vary_and_fit_the_rate() -> None:
    beats = await worn(VirtualPerson(resting_bpm=60), 600)
    intervals = [rr for _, _, rrs in beats for rr in rrs]
    assert statistics.mean(intervals) == pytest.approx(1024, rel=0.02)
    assert 10 < statistics.stdev(intervals) < 100


def test_two_people_of_one_seed_have_the_same_heart() -> None:
    async def live(seed: int) -> list[tuple[int, bool, tuple[int, ...]]]:
        return await worn(VirtualPerson(seed=seed, start_bpm=120), 60)

    lives = [event_loops.run(live(seed), speed=math.inf) for seed in (4, 4, 5)]
    assert lives[0] == lives[1]
    assert lives[0] != lives[2]


async def test_a_person_presses_when_planned() -> None:
    button = Button(BoardClock(), Wakes())
    person = VirtualPerson(presses=[Press(2.0), Press(5.0, duration_ms=1500)])
    person.put_on(HeartSensor(Wakes()), button)
    await asyncio.sleep(10)
    person.take_off()
    assert button.read() == [(True, 2000), (False, 2080), (True, 5000), (False, 6500)]


@pytest.mark.parametrize("wrong", [{"resting_bpm": 10}, {"start_bpm": 300}, {"recovery_s": 0}])
def test_an_impossible_heart_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        VirtualPerson(**wrong)  # type: ignore[arg-type]
