# SPDX-License-Identifier: MIT
"""The rooms of storms by their names, and one storm in one of them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.storm import sealed
from tests.storm.hosted import HostedRoom, HostedStorm
from tests.storm.mqtt import RealMqtt, StandIn
from tests.storm.rooms import MemoryRoom, ProxyRoom, RadioRoom
from tests.storm.storm import Storm

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.storm.mqtt import Mqtt
    from tests.storm.rooms import Room
    from tests.storm.weather import Weather

MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of its own
"""Where writing costs nothing: it is no power cut that is played here."""
ROOMS: dict[str, tuple[type[Storm], Callable[[], Room], Callable[[], Mqtt]]] = {
    "radio": (Storm, RadioRoom, RealMqtt),
    "broker": (Storm, MemoryRoom, RealMqtt),
    "memory": (Storm, MemoryRoom, StandIn),
    "proxies": (Storm, ProxyRoom, StandIn),
    "hosted": (HostedStorm, HostedRoom, StandIn),
}
"""All there is; without radio and board; without the broker too, which is twenty times as fast; by
ESPHome proxies, without the broker; a device that can only buzz, without the broker."""


def play(weather: Weather, room: str = "radio") -> Storm:
    """Play a weather in a fresh room; raises AssertionError for a promise that was not kept."""
    folder = Path(tempfile.mkdtemp(prefix="storm-", dir=MEMORY if MEMORY.is_dir() else None))

    async def main() -> Storm:
        kind, place, mqtt = ROOMS[room]
        storm = kind(weather, place(), mqtt(), folder)
        await storm.play()
        return storm

    try:
        return sealed.run(main(), weather.seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
