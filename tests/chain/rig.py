# SPDX-License-Identifier: MIT
"""The whole chain in one process: host, bleak, virtual radio, firmware, person."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tenuto.config import Config, History, Mqtt
from tenuto.daemon.build import Host, Setting, open_host
from tests.daemon.rig import Collector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tenuto.simulator.world import SimulatedWearable, World


class Chain:
    """A host with one simulated wearable."""

    def __init__(self, host: Host, seen: Collector) -> None:
        self.host = host
        self.seen = seen

    @property
    def world(self) -> World:
        assert self.host.drivers.world is not None
        return self.host.drivers.world

    @property
    def wearable(self) -> SimulatedWearable:
        return self.world.wearables["simulated"]


@asynccontextmanager
async def chain(path: Path, seed: int = 0) -> AsyncIterator[Chain]:
    """Everything that `tenuto run` builds, with a collector in place of the screen."""
    seen = Collector()
    setting = Setting(
        config=Config(mqtt=Mqtt(url="off"), history=History(path=path)),
        speed=math.inf,
        mqtt=False,
        say=lambda _text: None,
        seed=seed,
    )
    async with open_host(setting, setting.config.wearables, [seen]) as host, host.running():
        yield Chain(host, seen)
