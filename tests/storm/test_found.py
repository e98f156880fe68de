# SPDX-License-Identifier: MIT
"""What storms have brought to light, each as short as it can be."""

from __future__ import annotations

import dataclasses

from tests.storm import together
from tests.storm.places import ROOMS, play
from tests.storm.together import Act
from tests.storm.weather import Trouble, Weather, What, forecast


def weather(*troubles: Trouble) -> Weather:
    return dataclasses.replace(forecast(1), drift_ppm=0.0, loss=0.0, troubles=troubles)


def test_a_session_cut_by_a_reset_while_the_disk_is_full_is_closed() -> None:
    play(
        weather(
            Trouble(12, What.DISK_FULL, 60),
            Trouble(15, What.COMMAND, word="start"),
            Trouble(25, What.RESET, word="POWER_ON"),
        ),
        "memory",
    )


def test_an_event_that_was_fresh_does_not_grow_old_behind_an_announcement() -> None:
    """More messages than the client sends at once waited for a slow broker."""
    play(
        weather(
            Trouble(12, What.COMMAND, word="start"),
            Trouble(15.478, What.BROKER_SLOW, 36, word="2"),
            Trouble(15.96, What.PRESS, 950),
            Trouble(16.72, What.PRESS, 80),
            Trouble(16.899, What.PRESS, 950),
            Trouble(16.987, What.MQTT, word="skip"),
            Trouble(17.969, What.PRESS, 80),
        ),
        "broker",
    )


def test_a_wearable_that_was_being_set_to_begin_is_stopped_after_a_restart() -> None:
    """Its answer was on the way when the host was killed, and it began while the host was away."""
    weather = together.forecast(5075)
    some = tuple(weather.troubles[number] for number in (0, 1, 3, 4, 7))
    assert [one.what for one in some] == [
        *(Act.CLASS, Act.DROP, Act.AWAY, Act.KILL_HOST, Act.KILL_HOST)
    ]
    play(dataclasses.replace(weather, troubles=some), "class")


def test_a_class_that_is_started_right_after_a_stop_stops_who_was_not_reached() -> None:
    weather = together.forecast(90051)
    some = tuple(weather.troubles[number] for number in (2, 4, 5, 6))
    assert [one.word for one in some] == ["start", "stop", "start", "4"]
    play(dataclasses.replace(weather, troubles=some), "class")


def test_a_host_that_is_linked_keeps_the_band_when_the_broker_comes_back() -> None:
    """Another host had claimed it as the broker went, and nobody had heard that."""
    storm = ROOMS["shared"].forecast(20139)
    some = storm.troubles[:3]
    assert [one.what for one in some] == [What.COMMAND, What.RACE, What.BROKER_RESTART]
    play(dataclasses.replace(storm, troubles=some), "shared")
