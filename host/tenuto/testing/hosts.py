# SPDX-License-Identifier: MIT
"""A whole Tenuto with a simulated band, for the tests of what stands behind its MQTT topics."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from tenuto import config
from tenuto.daemon.build import Setting, open_host
from tenuto.errors import InputError

from .worlds import LiveWorld

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from .brokers import Broker
    from .devices import Band

CONNECTED_WITHIN_S = 120.0
PAIRED_S = 3.0
"""A band that lets a host in says so by its motor."""


class SimulatedHost(LiveWorld):
    """What `tenuto daemon` does, in this process: one simulated band, its history, MQTT.

    Args:
        folder: For its history and all that it keeps.
        broker: The broker that it publishes on.
        configuration: More lines of its `tenuto.toml`, such as `mqtt.prefix = "other"`.
        speed: How fast its clock runs: 20 plays a session of 6 minutes in 18 s.
        seed: Of everything random.

    Attributes:
        band: Its wearable, which is called `band` in the topics too.
    """

    band: Band

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        *,
        configuration: str = "",
        speed: float = 20.0,
        seed: int = 0,
    ) -> None:
        super().__init__(seed=seed, speed=speed)
        text = (
            f'history.path = "history.db"\nmqtt.url = "{broker.url}"\n{configuration}\n'
            '[[wearable]]\nid = "band"\nlink = "simulated"\n'
        )
        parsed = config.parse(text, str(folder / "tenuto.toml"))
        self._config = replace(parsed, own=config.Folders(folder, folder))
        self._broker = broker
        self._seed = seed
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.run(self._open(), timeout_s=CONNECTED_WITHIN_S)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        self.band = self._band(self.world.wearables["band"])
        self.band.clear()
        return self

    async def _open(self) -> None:
        setting = Setting(
            config=self._config,
            speed=self._speed,
            mqtt=True,
            say=lambda _: None,
            seed=self._seed,
            broker=self._broker.address,
        )
        host = await self._stack.enter_async_context(open_host(setting, self._config.wearables, []))
        await self._stack.enter_async_context(host.running())
        await host.hub.supervisors["band"].connected.wait()
        await asyncio.sleep(PAIRED_S)
        bridge = host.mqtt.bridge
        if bridge is not None:
            await self.wait_until(lambda: bridge.connected, timeout_s=CONNECTED_WITHIN_S)
        if host.drivers.world is None:
            raise InputError("the configuration of a simulated host has no simulated wearable")
        self.world = host.drivers.world

    async def end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it as `tenuto daemon` ends."""
        await self._stack.__aexit__(kind, error, trace)
