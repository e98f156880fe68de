# SPDX-License-Identifier: MIT
"""What a broker and the way to it can do, each at a known moment of a session.

`play` checks all that is promised, so these are weathers and nothing more.
"""

from __future__ import annotations

import dataclasses

import pytest

from tests.storm.places import play
from tests.storm.weather import Trouble, Weather, What, forecast

STARTED = Trouble(15, What.COMMAND, word="start")
"""The bridge is connected from second 12 on: it finds out first that amqtt speaks no MQTT 5."""


def weather(*troubles: Trouble) -> Weather:
    ordered = tuple(sorted(troubles, key=lambda trouble: trouble.at_s))
    return dataclasses.replace(forecast(1), drift_ppm=0.0, loss=0.0, troubles=ordered)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_connection_is_cut_in_the_middle_of_any_packet(way: str) -> None:
    for packets in (0, 1, 2, 3, 5, 8, 13, 21, 34):
        share = packets % 4 / 4
        play(weather(STARTED, Trouble(15.5, What.BROKER_CUT, packets + share, way)), "broker")


@pytest.mark.slow
@pytest.mark.parametrize("packets", range(12, 36, 3))
def test_what_waited_through_an_outage_comes_in_order_though_its_way_is_cut_again(
    packets: int,
) -> None:
    play(
        weather(
            STARTED,
            Trouble(15.5, What.BROKER_DEAD, 40, "refuses"),
            # More to tell than may be on its way at once.
            *(Trouble(16 + number, What.PRESS, 80) for number in range(20)),
            Trouble(50, What.BROKER_SLOW, 40, "0.2"),
            Trouble(55.5, What.BROKER_CUT, packets + 0.5, "up"),
        ),
        "broker",
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["refuses", "silent", "vanishes"])
@pytest.mark.parametrize("for_s", [0.2, 20.0, 65.0])
def test_a_broker_is_away_while_somebody_plays(kind: str, for_s: float) -> None:
    play(weather(STARTED, Trouble(20, What.BROKER_DEAD, for_s, kind)), "broker")


def test_a_connection_that_leads_nowhere_is_noticed_though_nothing_is_to_be_said() -> None:
    play(weather(Trouble(40, What.BROKER_DEAD, 0.2, "vanishes")), "broker")


def test_the_last_will_of_a_connection_that_is_long_replaced_is_put_right() -> None:
    play(weather(STARTED, Trouble(20, What.BROKER_CUT, 0.5, "down, told late")), "broker")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["keeps", "forgets"])
@pytest.mark.parametrize("for_s", [0.5, 40.0])
def test_a_broker_is_started_anew(kind: str, for_s: float) -> None:
    play(
        weather(
            STARTED,
            Trouble(16, What.SETTING, 80, "strength"),
            Trouble(20, What.BROKER_RESTART, for_s, kind),
        ),
        "broker",
    )


@pytest.mark.parametrize("end", ["kill", "end"])
def test_what_is_set_outlives_the_host(end: str) -> None:
    setting = Trouble(16, What.SETTING, 80, "strength")
    play(weather(STARTED, setting, Trouble(20, What.KILL_HOST, 2, end)), "broker")


def test_what_is_asked_while_the_way_is_broken_is_gone() -> None:
    play(
        weather(
            STARTED,
            Trouble(16, What.BROKER_DEAD, 10, "refuses"),
            Trouble(18, What.MQTT, word="stop"),
            Trouble(20, What.MQTT, word="skip"),
        ),
        "broker",
    )


def test_what_was_left_at_the_broker_is_not_obeyed_by_who_comes_later() -> None:
    left = Trouble(14, What.LEFT)
    play(weather(left, Trouble(15, What.KILL_HOST, 0.5, "kill"), STARTED), "broker")
    play(weather(Trouble(12, What.KILL_HOST, 2, "end"), left), "broker")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "end"])
@pytest.mark.parametrize("full_s", [0.0, 15.0])
def test_a_host_ends_while_the_broker_is_away_and_events_wait(end: str, full_s: float) -> None:
    play(
        weather(
            STARTED,
            Trouble(16, What.BROKER_DEAD, 50, "refuses"),
            Trouble(20, What.DISK_FULL, full_s),
            Trouble(30, What.KILL_HOST, 10, end),
            Trouble(41, What.DISK_FULL, full_s),
        ),
        "broker",
    )


@pytest.mark.slow
@pytest.mark.parametrize("base", ["same base", "own base"])
@pytest.mark.parametrize("end", ["kill", "end"])
def test_a_second_tenuto_comes_and_is_killed(base: str, end: str) -> None:
    play(
        weather(
            STARTED,
            Trouble(17, What.RIVAL, 60, base),
            Trouble(25, What.MQTT, word="pause"),
            Trouble(40, What.KILL_HOST, 10, end),
            Trouble(55, What.MQTT, word="resume"),
        ),
        "broker",
    )


def test_the_clock_is_set_back_by_a_day_while_events_wait() -> None:
    play(
        weather(
            STARTED,
            Trouble(16, What.BROKER_DEAD, 40, "refuses"),
            Trouble(45, What.CLOCK_STEP, -86_400_000.0),
        ),
        "broker",
    )
