# SPDX-License-Identifier: MIT
"""Patterns on the motor."""

from __future__ import annotations

from tenuto_core.buzzer import Buzzer
from tests.core.rig import OFF, Motor

PATTERN = ((80, 200, 100), (60, 50, 0), (40, 30, 70))


class Bench:
    def __init__(self) -> None:
        self.motor = Motor()
        self.buzzer = Buzzer(self.motor)
        self.motor.now_ms = 0

    def play(self, pattern: tuple[tuple[int, int, int], ...], now_ms: int) -> None:
        self.motor.now_ms = now_ms
        self.buzzer.play(pattern, now_ms)

    def advance(self, now_ms: int) -> None:
        self.motor.now_ms = now_ms
        self.buzzer.advance(now_ms)

    def stop(self, now_ms: int) -> None:
        self.motor.now_ms = now_ms
        self.buzzer.stop(now_ms)

    def run_out(self) -> None:
        while self.buzzer.due_ms is not None:
            self.advance(self.buzzer.due_ms)


def test_a_pattern_is_played_pulse_by_pulse() -> None:
    bench = Bench()
    bench.play(PATTERN, 1_000)

    bench.run_out()

    assert bench.motor.edges == [
        (1_000, 80),
        (1_200, OFF),
        (1_300, 60),
        (1_350, OFF),
        (1_350, 40),
        (1_380, OFF),
    ]


def test_a_new_pattern_takes_the_place_of_the_old_one() -> None:
    bench = Bench()
    bench.play(PATTERN, 0)
    bench.play(((99, 20, 0),), 50)

    bench.run_out()

    assert bench.motor.edges == [(0, 80), (50, OFF), (50, 99), (70, OFF)]


def test_a_new_pattern_in_a_pause_of_the_old_one() -> None:
    bench = Bench()
    bench.play(PATTERN, 0)
    bench.advance(200)
    bench.play(((99, 20, 0),), 250)

    bench.run_out()

    assert bench.motor.edges == [(0, 80), (200, OFF), (250, 99), (270, OFF)]


def test_stop_is_at_once_and_for_good() -> None:
    bench = Bench()
    bench.play(PATTERN, 0)

    bench.stop(10)

    assert bench.buzzer.due_ms is None
    bench.advance(5_000)
    assert bench.motor.edges == [(0, 80), (10, OFF)]
    bench.play(((99, 20, 0),), 6_000)
    assert bench.motor.edges[-1] == (6_000, 99)


def test_an_empty_pattern_is_silence() -> None:
    bench = Bench()

    bench.play((), 0)

    assert bench.buzzer.due_ms is None
    assert bench.motor.edges == []


def test_a_late_owner_never_makes_a_pulse_longer() -> None:
    bench = Bench()
    bench.play(PATTERN, 0)

    for now_ms in (500, 510, 900):
        bench.advance(now_ms)
    bench.run_out()

    # Late pulses are not put off any further: each begins as soon as it may.
    assert bench.motor.edges == [(0, 80), (200, OFF), (500, 60), (550, OFF), (900, 40), (930, OFF)]
    assert [(pct, on_ms, felt_ms) for _, pct, on_ms, felt_ms in bench.motor.pulses] == [
        (80, 200, 200),
        (60, 50, 50),
        (40, 30, 30),
    ]


def test_the_motor_is_told_to_stop_even_if_it_should_have_by_itself() -> None:
    class Stuck(Motor):
        """Its own brake is broken."""

        def settle(self) -> None:
            pass

    motor = Stuck()
    buzzer = Buzzer(motor)
    buzzer.play(((50, 100, 0),), 0)
    motor.now_ms = 100
    buzzer.advance(100)

    assert motor.edges[-1] == (100, OFF)
