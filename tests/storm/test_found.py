# SPDX-License-Identifier: MIT
"""What storms have brought to light, each as short as it can be."""

from __future__ import annotations

import dataclasses

from tests.storm.storm import play
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
