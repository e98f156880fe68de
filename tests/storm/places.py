# SPDX-License-Identifier: MIT
"""The rooms of storms by their names, and one storm in one of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tests.storm import page, sealed, together, watch
from tests.storm.claims import ClaimBroker
from tests.storm.hosted import HostedRoom, HostedStorm
from tests.storm.mqtt import RealMqtt, StandIn
from tests.storm.rooms import MemoryRoom, ProxyRoom, RadioRoom
from tests.storm.shared import HouseStorm
from tests.storm.storm import Storm
from tests.storm.weather import Weather, forecast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.storm.mqtt import Mqtt
    from tests.storm.rooms import Room


class Played(Protocol):
    """A storm that was played: how many sessions, and what happened, for comparing two runs."""

    sessions: int
    trace: list[object]


@dataclass(frozen=True, slots=True)
class Place:
    """A room: what can happen there, and how it is played.

    Attributes:
        forecast: Returns the storm of a seed.
        play: Plays a storm; raises AssertionError for a promise that was not kept.
    """

    forecast: Callable[[int], Weather]
    play: Callable[[Weather], Played]


def _place(
    kind: type[Storm],
    room: Callable[[], Room],
    mqtt: Callable[[], Mqtt],
    forecast: Callable[[int], Weather] = forecast,
) -> Place:
    def storm(weather: Weather) -> Storm:
        async def main(folder: Path) -> Storm:
            storm = kind(weather, room(), mqtt(), folder)
            await storm.play()
            return storm

        return sealed.run_in_folder(main, weather.seed)

    return Place(forecast, storm)


ROOMS = {
    "radio": _place(Storm, RadioRoom, RealMqtt),
    "broker": _place(Storm, MemoryRoom, RealMqtt),
    "memory": _place(Storm, MemoryRoom, StandIn),
    "proxies": _place(Storm, ProxyRoom, StandIn),
    "hosted": _place(HostedStorm, HostedRoom, StandIn),
    "shared": _place(HouseStorm, partial(MemoryRoom, links_max=1), lambda: StandIn(ClaimBroker())),
    "watch": _place(watch.WatchStorm, watch.WatchRoom, StandIn, watch.forecast),
    "page": Place(page.forecast, page.play),
    "class": Place(together.forecast, together.play),
}
"""All there is; without radio and board; without the broker too, which is twenty times as fast; by
ESPHome proxies, without the broker; a device that can only buzz, without the broker; several hosts
that share the wearable by leases, with a broker for these only; a Bangle.js, without the broker;
browsers; a class of wearables, without radio and broker."""


def play(weather: Weather, room: str = "radio") -> Played:
    """Play a weather in a fresh room; raises AssertionError for a promise that was not kept."""
    return ROOMS[room].play(weather)
