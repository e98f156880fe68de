# SPDX-License-Identifier: MIT
"""A host in a storm: what `tenuto daemon` is made of, with a disk that fails on cue."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.daemon.commands import Commands, Requests
from tenuto.daemon.hub import Hub
from tenuto.daemon.sinks import HeartRate, SinkQueue
from tenuto.errors import InputError, RefusedError
from tenuto.history import LINGER_S, HistorySink, Store
from tenuto.sessions.commands import Answer, Command, Preference
from tenuto.sessions.view import SessionView
from tenuto.wearables.log_reader import RECORDS_WAITING_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.admission import Request
    from tenuto.sessions.events import Entry
    from tenuto.wearables.host_lease import HostLease
    from tenuto.wearables.supervisor import Supervisor
    from tests.storm.mqtt import Mqtt, Post
    from tests.storm.rooms import Room
    from tests.storm.weather import Weather

_T = TypeVar("_T")
BAND = "band"
ADDRESS = "C0:00:00:00:00:01"
"""Of the band, for hosts that share it."""
BOUND = 256
UTC_MS = 1_800_000_000_000


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

    asked: each command with its answer, in order.  submitted: each with the time, whatever became
    of it.  base: of its topics.  unheard: entries that its bridge had not been given when it was
    killed.  lease: of the band, where hosts share it.  taken: when another host took the band from
    this one, and how long it had been linked.
    """

    def __init__(
        self,
        name: str,
        room: Room,
        mqtt: Mqtt,
        weather: Weather,
        *,
        folder: Path,
        base: str = "tenuto",
    ) -> None:
        self.name = name
        self.base = base
        self.path = folder / f"{name}.db"
        self.asked: list[tuple[Command, Answer]] = []
        self.submitted: list[tuple[float, Command]] = []
        self.disk_full_until_s = 0.0
        self.is_up = False
        self.widest: dict[str, int] = {}
        self.maybe_supervisor: Supervisor | None = None
        self.post: Post
        self.lease: HostLease | None = None
        self.taken: list[tuple[float, float]] = []
        self._mqtt = mqtt
        self._clock_ms = [(0.0, 0.0)]
        self._told: list[Entry] = []
        self.unheard: list[Entry] = []
        self._dropped = 0
        self._room = room
        self._weather = weather
        self.rng = random.Random(f"{weather.seed}/{name}")
        self._loop = asyncio.get_running_loop()
        self._requests: set[asyncio.Task[None]] = set()

    @property
    def supervisor(self) -> Supervisor:
        """Who keeps the band, once it was started."""
        assert self.maybe_supervisor is not None
        return self.maybe_supervisor

    # --- its clock

    def utc_ms(self) -> float:
        """Give this host's wall clock."""
        return self.utc_ms_at(self._loop.time())

    def true_utc_ms(self) -> float:
        """Give what a clock shows that nobody sets."""
        return UTC_MS + self._loop.time() * 1000

    def utc_ms_at(self, at_s: float) -> float:
        """Give what its wall clock showed at a time of the loop's."""
        set_ms = next(by_ms for since_s, by_ms in reversed(self._clock_ms) if since_s <= at_s)
        return UTC_MS + at_s * 1000 + set_ms

    def set_clock(self, by_ms: float) -> None:
        """Set the wall clock by so much."""
        self._clock_ms.append((self._loop.time(), self._clock_ms[-1][1] + by_ms))

    @property
    def clock_was_set(self) -> bool:
        """Whether somebody ever did."""
        return len(self._clock_ms) > 1

    # --- its life

    def routines(self) -> list[str]:
        """Give the names of what it can play."""
        return list(self._weather.plans)

    async def _compile(self, _wearable: str, routine: str | None) -> CompiledPlan:
        if routine not in self._weather.plans:
            raise InputError(f"there is no routine {routine!r}")
        return self._weather.plans[routine]

    async def start(self) -> None:
        """Start it."""
        self.store = Store(self.path)
        await self.store.open()
        self.store._add = self._while_there_is_room(self.store._add)  # type: ignore[method-assign]
        outbox = self.store.outbox
        outbox._add = self._while_there_is_room(outbox._add)  # type: ignore[method-assign]
        self.maybe_supervisor = None
        self.screen = Collector()
        self.post = self._mqtt.post(self)
        history = HistorySink(self.store, self.post.keep)
        self.queues = [SinkQueue(history, bound=BOUND, linger_s=LINGER_S, heart=HeartRate.ALL)]
        self.queues += [
            SinkQueue(sink, bound=BOUND, heart=HeartRate.ALL)
            for sink in (*self.post.sinks, self.screen)
        ]
        for queue in self.queues:
            await queue.__aenter__()
        self.daemon = Hub(
            store=self.store,
            history=self.queues[0],
            queues=self.queues[1:],
            utc_ms=self.utc_ms,
            rng=self.rng,
            on_link=self.post.on_link,
        )
        commands = Commands(self.daemon, self._compile, *self.post.settings)

        async def carry_out(asked: Command | Preference, command_id: int) -> str:
            if isinstance(asked, Preference):
                return await commands.carry_out(asked, command_id)
            self.submitted.append((self._loop.time(), asked))
            ok, reason = False, "unreachable"
            try:
                text = await commands.carry_out(asked, command_id)
                ok, reason = True, "ok"
            except RefusedError as error:
                reason = error.reason
                raise
            except InputError:
                reason = "unknown_routine"
                raise
            finally:
                self.asked.append((asked, Answer(ok=ok, reason=reason, text="")))
            return text

        self._door = Requests(carry_out)
        self.lease = None if self.post.leases is None else self.post.leases.of(ADDRESS)
        driver = await self._room.driver(self.name, self.utc_ms)
        supervisor = self.daemon.add(BAND, None, driver, lease=self.lease)
        self.maybe_supervisor = supervisor
        if self.lease is not None:
            self.lease.on_loss = partial(self._on_loss, supervisor, self.lease.on_loss)
        self._task = asyncio.create_task(self.daemon.run(), name=f"daemon {self.name}")
        self.is_up = True

    def _on_loss(self, supervisor: Supervisor, tell: Callable[[], None]) -> None:
        if supervisor.connected.is_set():
            now_s = self._loop.time()
            self.taken.append((now_s, now_s - supervisor._up_s))
        tell()

    def _while_there_is_room(self, write: Callable[..., _T]) -> Callable[..., _T]:
        def attempt(*given: Any) -> _T:
            if self._loop.time() < self.disk_full_until_s:
                raise sqlite3.OperationalError("database or disk is full")
            return write(*given)

        return attempt

    async def stop(self, *, kill: bool) -> None:
        """End it, with or without a chance to put away what it holds."""
        if not self.is_up:
            return
        self.is_up = False
        for request in list(self._requests):
            request.cancel()
        by_mqtt = self.post.busy()
        for task in by_mqtt:
            task.cancel()
        await asyncio.gather(*self._requests, *by_mqtt, return_exceptions=True)
        if kill:
            for queue in self.queues:
                assert queue._task is not None
                queue._task.cancel()
            await self.post.kill()
        await self._end_daemon()
        if kill:
            self._note_losses()
        for queue in self.queues:
            if kill:
                queue._queue.clear()
                queue._batch.clear()
            await queue.__aexit__(None, None, None)
        self._dropped += self._dropped_now()
        self._told += self.screen.entries
        await self._room.leave(self.name)
        await self.store.close()

    async def _end_daemon(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=60)
        if not self._task.done():
            raise AssertionError(f"{self.name}: the daemon does not end")
        if not self._task.cancelled() and self._task.exception() is not None:
            raise AssertionError(f"{self.name}: the daemon died") from self._task.exception()

    def _note_losses(self) -> None:
        collector, mqtt = self.queues[-1], self.queues[1]
        self.screen.entries += [entry for _, entry in (*collector._batch, *collector._queue)]
        self.unheard += [entry for _, entry in (*mqtt._batch, *mqtt._queue)]

    # --- what it told

    def view(self) -> SessionView:
        """Give what a screen of its own would show."""
        view = SessionView()
        for entry in self.screen.entries:
            view.apply(entry.event, entry.utc_ms)
        return view

    def told(self) -> list[Entry]:
        """Give all entries of all its lives."""
        return [*self._told, *(self.screen.entries if self.is_up else [])]

    @property
    def dropped(self) -> int:
        """Events that did not get to the broker and were counted, in all its lives."""
        return self._dropped + (self._dropped_now() if self.is_up else 0)

    def _dropped_now(self) -> int:
        return self.queues[1].dropped + self.post.dropped

    # --- what it is asked

    async def submit(self, asked: Request, origin: str = "") -> Answer:
        """Ask; what is carried out is noted."""
        return await self._door.submit(asked, origin)

    def ask(self, command: Command) -> None:
        """Ask without waiting."""

        async def work() -> None:
            await self.submit(command)

        if self.is_up:
            task = asyncio.create_task(work(), name=f"ask {command.verb}")
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    def measure(self) -> None:
        """Note how full every queue is."""
        if not self.is_up:
            return
        sizes = {f"queue {queue.name}": len(queue._queue) for queue in self.queues}
        sizes |= self.post.sizes()
        sizes["records"] = self.supervisor.log.waiting
        sizes["waiting"] = len(getattr(self.supervisor._driver, "_waiting", ()))
        for name, size in sizes.items():
            self.widest[name] = max(self.widest.get(name, 0), size)


BOUNDS = {"records": RECORDS_WAITING_MAX, "waiting": 16}
