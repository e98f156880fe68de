# SPDX-License-Identifier: MIT
"""A host in a storm: what `tenuto daemon` is made of, with a disk and a broker that fail on cue."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from typing import TYPE_CHECKING, Any

from tenuto.commands import Answer, Command, Verb
from tenuto.daemon import Daemon
from tenuto.errors import InputError, TenutoError
from tenuto.history import HistorySink, Store
from tenuto.keeper import RECORDS_WAITING_MAX
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.bridge import Bridge
from tenuto.outlets import Outlet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tenuto.compile import CompiledPlan
    from tenuto.events import Entry
    from tests.storm.rooms import Room
    from tests.storm.weather import Weather

BAND = "band"
BOUND = 256
DAY_MS = 86_400_000
UTC_MS = 1_800_000_000_000


class Broker:
    """The bridge as a sink, to a broker that at times takes long or takes nothing."""

    name = "mqtt"

    def __init__(self, host: Host) -> None:
        self._host = host
        self.bridge = Bridge(
            BrokerAddress("127.0.0.1", 9),
            wearables=[BAND],
            submit=host.submit,
            rng=random.Random(1),
            utc_ms=host.utc_ms,
        )

    async def open(self) -> None:
        pass

    async def handle(self, entries: Sequence[Entry]) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._host.broker_dead_until_s - loop.time()))
        if loop.time() < self._host.broker_slow_until_s:
            await asyncio.sleep(0.5)
        await self.bridge.handle(entries)

    async def close(self) -> None:
        pass

    def session(self) -> Any:
        """Give what MQTT says of the present session."""
        return json.loads(self.bridge._retained[f"tenuto/{BAND}/session"])


class Collector:
    """Keeps what the screen would get."""

    name = "collector"

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def open(self) -> None:
        pass

    async def handle(self, entries: Sequence[Entry]) -> None:
        self.entries += entries

    async def close(self) -> None:
        pass


class Host:
    """One host, which may be killed and started again on the same history.

    asked: each command with its answer, in order.
    """

    def __init__(self, name: str, room: Room, weather: Weather, folder: Path) -> None:
        self.name = name
        self.path = folder / f"{name}.db"
        self.asked: list[tuple[Command, Answer]] = []
        self.broker_dead_until_s = self.broker_slow_until_s = self.disk_full_until_s = 0.0
        self.clock_ms = 0.0
        self.is_up = False
        self.widest: dict[str, int] = {}
        self._room = room
        self._weather = weather
        self._rng = random.Random(f"{weather.seed}/{name}")
        self._loop = asyncio.get_running_loop()
        self._requests: set[asyncio.Task[None]] = set()

    def utc_ms(self) -> float:
        """Give this host's wall clock."""
        return UTC_MS + self._loop.time() * 1000 + self.clock_ms

    def _compile(self, _wearable: str, routine: str | None) -> CompiledPlan:
        if routine not in self._weather.plans:
            raise InputError(f"there is no routine {routine!r}")
        return self._weather.plans[routine]

    async def start(self) -> None:
        """Start it."""
        self.store = Store(self.path)
        await self.store.open()
        keep = self.store._add

        def add(entries: Sequence[Entry]) -> None:
            if self._loop.time() < self.disk_full_until_s:
                raise sqlite3.OperationalError("database or disk is full")
            keep(entries)

        self.store._add = add  # type: ignore[method-assign]
        self.broker, self.screen = Broker(self), Collector()
        self.outlets = [
            Outlet(HistorySink(self.store), bound=BOUND),
            Outlet(self.broker, bound=BOUND),
            Outlet(self.screen, bound=BOUND),
        ]
        for outlet in self.outlets:
            await outlet.__aenter__()
        self.daemon = Daemon(
            store=self.store,
            history=self.outlets[0],
            outlets=self.outlets[1:],
            compile_routine=self._compile,
            utc_ms=self.utc_ms,
            rng=self._rng,
            on_link=lambda _name, _state: None,
        )
        self.keeper = self.daemon.add(BAND, None, await self._room.driver(self.name, self.utc_ms))
        self._task = asyncio.create_task(self.daemon.run(), name=f"daemon {self.name}")
        self.is_up = True

    async def stop(self, *, kill: bool) -> None:
        """End it, with or without a chance to put away what it holds."""
        if not self.is_up:
            return
        self.is_up = False
        for request in list(self._requests):
            request.cancel()
        by_mqtt = list(self.broker.bridge._inbox.tasks)
        for task in by_mqtt:
            task.cancel()
        await asyncio.gather(*self._requests, *by_mqtt, return_exceptions=True)
        if kill:
            for outlet in self.outlets:
                assert outlet._task is not None
                outlet._task.cancel()
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=60)
        if not self._task.done():
            raise AssertionError(f"{self.name}: the daemon does not end")
        if not self._task.cancelled() and self._task.exception() is not None:
            raise AssertionError(f"{self.name}: the daemon died") from self._task.exception()
        for outlet in self.outlets:
            if kill:
                outlet._queue.clear()
                outlet._batch.clear()
            await outlet.__aexit__(None, None, None)
        await self._room.leave(self.name)
        await self.store.close()

    async def submit(self, command: Command) -> Answer:
        """Ask and note the answer."""
        try:
            answer = await self.daemon.submit(command)
        except asyncio.CancelledError:
            # Whoever asked will never know; nor may the checks take it for refused.
            self.asked.append((command, Answer(ok=False, reason="unreachable", text="killed")))
            raise
        except TenutoError as error:
            raise AssertionError(f"submit raised {error!r}") from error
        self.asked.append((command, answer))
        return answer

    def ask(self, command: Command) -> None:
        """Ask without waiting."""

        async def work() -> None:
            await self.submit(command)

        if self.is_up:
            task = asyncio.create_task(work(), name=f"ask {command.verb}")
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    def ask_by_mqtt(self, command: Command) -> None:
        """Ask as Home Assistant does, by a message that its broker delivers twice."""
        if self.is_up:
            asked: dict[str, Any] = {"command": command.verb.value, "id": command.id}
            if command.verb is Verb.START:
                asked["routine"] = command.routine
            if command.verb is Verb.EXTEND:
                asked["by_s"] = command.by_ms // 1000
            payload = json.dumps(asked).encode()
            for _ in range(2):
                self.broker.bridge._inbox.take(BAND, "command", payload, retained=False)

    def measure(self) -> None:
        """Note how full every queue is."""
        if not self.is_up:
            return
        sizes = {f"outlet {outlet.name}": len(outlet._queue) for outlet in self.outlets}
        sizes["records"] = self.keeper._records.qsize()
        sizes["waiting"] = len(getattr(self.keeper._driver, "_waiting", ()))
        for name, size in sizes.items():
            self.widest[name] = max(self.widest.get(name, 0), size)


BOUNDS = {"records": RECORDS_WAITING_MAX, "waiting": 16}
