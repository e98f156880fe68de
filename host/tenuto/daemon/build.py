# SPDX-License-Identifier: MIT
"""The composition root: builds everything from a configuration and runs it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError, TenutoError
from tenuto.event_loops import HostTime, real_s
from tenuto.history import HistorySink, Store
from tenuto.links.registry import LINKS
from tenuto.sessions.commands import CLASS
from tenuto.sessions.device import device_of
from tenuto.state.class_store import ClassStore
from tenuto.state.clocks import ClockStore
from tenuto.state.devices import DeviceIds
from tenuto.state.keys import KeyStore
from tenuto.state.settings import SettingsStore
from tenuto.wearables import registry
from tenuto.wearables.kept_routines import KeptRoutines

from .classes import Classes
from .commands import Commands
from .drivers import Drivers
from .fleet_service import FleetService
from .hub import Hub
from .mqtt_service import MqttService
from .outlines import OutlineMaker
from .page_service import PageService
from .plans import as_grown, compile_for_all
from .reload import changes
from .sinks import SINKS, SinkContext, queue_for
from .user_files import UserFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from tenuto.config import Config, Wearable
    from tenuto.cues.measuring import Measuring
    from tenuto.mqtt.address import BrokerAddress
    from tenuto.routines.adjust import Adjustment
    from tenuto.routines.compile import CompiledPlan
    from tenuto.routines.library import Library
    from tenuto.routines.routine import Routine
    from tenuto.wearables.supervisor import Supervisor
    from tenuto.wearables.surroundings import LinkState

    from .sinks import Sink, SinkQueue

_log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What holds for a whole run.

    Attributes:
        speed: Speed of the clock, `math.inf` for virtual time.
        mqtt: Whether MQTT is wanted in virtual time as well.
        say: Prints a line for a person, not on standard output.
        page: Whether the page is served.
        reread: Reads the configuration again, for the daemon.
        restart: Ends the daemon so that a service manager starts it again; None without one.
        wall_s: The wall clock, in s since 1970.
        broker: The broker, where more is known of it than its address in the configuration.
    """

    config: Config
    speed: float
    mqtt: bool
    say: Callable[[str], None]
    page: bool = False
    json: bool = False
    seed: int | None = None
    reread: Callable[[], Config] | None = None
    restart: Callable[[], None] | None = None
    wall_s: Callable[[], float] = time.time
    broker: BrokerAddress | None = None


class Host:
    """Everything of one process, built from the configuration; see `open_host`."""

    def __init__(self, setting: Setting, stack: AsyncExitStack) -> None:
        self.setting = setting
        self.config = setting.config
        self.time = HostTime(setting.speed, setting.wall_s)
        self.files = UserFiles(setting.config)
        self.hub: Hub
        self.classes: Classes
        self.commands: Commands
        self.store: Store
        self.history: SinkQueue
        self._stack = stack
        self._rng = random.Random(setting.seed)  # noqa: S311 - jitter and simulation, no secrets
        self._queues: list[SinkQueue] = []
        self._reloading = asyncio.Lock()
        self.keys = KeyStore(
            setting.config.own.data / "keys.json", shared=setting.config.shared_key
        )
        self.drivers = Drivers(
            setting.config, stack=stack, keys=self.keys, utc_ms=self.time.utc_ms, rng=self._rng
        )
        self.measurings: dict[str, Measuring] = {}
        self.settings = SettingsStore(setting.config.state_path)
        self.mqtt = MqttService(self)
        self.page = PageService(self)
        self.fleet = FleetService(self)

    @property
    def supervisors(self) -> Mapping[str, Supervisor]:
        """The supervisors by the names of their wearables; none before `build`."""
        return self.hub.supervisors if hasattr(self, "hub") else {}

    @property
    def library(self) -> Library:
        """The routines and the vocabulary of the present configuration."""
        return self.files.library

    # --- building

    async def build(self, wearables: Sequence[Wearable], sinks: Sequence[Sink]) -> None:
        """Build store, queues, links and supervisors; what is entered is left by the stack.

        Raises:
            TenutoError: A wearable does not fit the speed, or a part of it cannot be opened.
        """
        config = self.config
        real = [one.id for one in wearables if not LINKS[one.link].is_simulated]
        if real and self.setting.speed != 1.0:
            raise InputError(f"only simulated wearables can be hurried by --speed, not {real[0]!r}")
        self.store = await self._stack.enter_async_context(Store(config.history_path))
        self._addresses: dict[str, str | None] = {}
        self._devices = DeviceIds(config.history_path.with_name("devices.json"))
        skews = ClockStore(config.history_path.with_name("clocks.json"))
        self._stack.callback(skews.save)
        outlines = OutlineMaker(self.store, lambda: self.hub.is_playing)
        history = queue_for(HistorySink(self.store, self.mqtt.keep, outlines.look))
        await self._stack.enter_async_context(history)
        await self.fleet.open(self._stack, self._rng)
        await self.mqtt.find_broker(self._stack)
        context = SinkContext(config=config, store=self.store, utc_ms=self.time.utc_ms)
        built = [row.build(context) for row in SINKS.values() if row.build is not None]
        sinks = [*sinks, *(sink for sink in built if sink is not None)]
        queues = [await self._stack.enter_async_context(queue_for(sink)) for sink in sinks]
        queues += [
            await self._stack.enter_async_context(queue_for(sink))
            for sink in self.mqtt.sinks(wearables, history, self._rng)
        ]
        self._stack.push_async_callback(self.mqtt.close)
        self.history = history
        self._queues = [history, *queues]
        self.hub = Hub(
            store=self.store,
            history=history,
            queues=queues,
            utc_ms=self.time.utc_ms,
            rng=self._rng,
            on_link=self._on_link,
            skews=skews,
            stand_in=self._stand_in,
            shares_heart=lambda person: self.config.shares_heart_rate(person),  # noqa: PLW0108 - a reload brings another
        )
        self.classes = Classes(
            self.hub,
            self.plans,
            utc_ms=self.time.utc_ms,
            on_change=self.mqtt.say_class,
            store=ClassStore(config.history_path.with_name("class.json")),
        )
        self._stack.push_async_callback(self.classes.close)
        await self._stack.enter_async_context(outlines.running())
        self.commands = Commands(
            self.hub, self.plan, self.settings, self.mqtt.say_settings, self.classes
        )
        for wearable in wearables:
            try:
                await self._add(wearable)
            except TenutoError as error:
                if len(wearables) == 1:
                    raise
                self.setting.say(f"wearable {wearable.id!r} cannot be kept: {error}")

    async def _add(self, wearable: Wearable) -> None:
        driver = await self.drivers.driver(wearable)
        self._addresses[wearable.id] = wearable.address
        supervisor = self.hub.add(
            wearable.id,
            wearable.person,
            driver,
            self.drivers.slots(wearable),
            lease=self.mqtt.lease(wearable),
            is_simulated=LINKS[wearable.link].is_simulated,
        )
        if wearable.routines:
            kept = KeptRoutines(
                supervisor, wearable.routines, lambda name: self.plan(wearable.id, name)
            )
            supervisor.add_part("routines", kept.run)
        for name, sensor in self.drivers.sensors(wearable, supervisor.heart.hear).items():
            supervisor.add_sensor(name, sensor)

    def _on_link(self, wearable: str, state: LinkState) -> None:
        self.mqtt.on_link(wearable, state)
        self.page.on_link(wearable, state)

    def on_prescribed(self) -> None:
        """Have everything that shows what is due look again."""
        self.mqtt.refresh()
        self.page.refresh()

    def _stand_in(self, wearable_id: str) -> str:
        """Return what to know a wearable by that tells neither serial number nor address."""
        address = self._addresses[wearable_id]
        return self._devices.of(wearable_id) if address is None else device_of(None, address, "")

    def compile(
        self, wearable: str, routine: Routine, adjustment: Adjustment | None = None
    ) -> CompiledPlan:
        """Compile a routine as it has grown and is liked on a wearable.

        Args:
            adjustment: In place of what is set for the wearable.

        Raises:
            InputError: It does not exist, or has mistakes.
        """
        present, _ = as_grown(self.config, wearable, routine)
        liked = self.settings.preferences(wearable).adjustment
        feel = registry.feel(self.config.wearable(wearable))
        return self.library.compile(present, adjustment or liked, feel)

    async def plan(self, wearable_id: str, routine: str | None) -> CompiledPlan:
        """Compile a routine by its name, for None the usual one there.

        Raises:
            InputError: It does not exist, cannot be read, or has mistakes.
        """
        liked = self.settings.preferences(wearable_id)
        default = self.config.routine_for(self.config.wearable(wearable_id))
        name = routine or liked.routine or default

        return await self.files.read(lambda: self.compile(wearable_id, self.library.routine(name)))

    def class_routine(self, first: str) -> str:
        """Return what a bare start of a class begins: what is set, else the first one's default.

        Args:
            first: The first wearable of the class.
        """
        chosen = self.settings.preferences(CLASS).routine
        return chosen or self.config.routine_for(self.config.wearable(first))

    async def plans(
        self, routine: str | None, wearable_ids: Sequence[str]
    ) -> dict[str, CompiledPlan]:
        """Compile a routine for several wearables, with the times that it is written with.

        Args:
            routine: Its name, None for the usual one; see `class_routine`.

        Raises:
            InputError: It does not exist, cannot be read, or has mistakes.
        """
        name = routine or self.class_routine(wearable_ids[0])
        liked = {one: self.settings.preferences(one).adjustment for one in wearable_ids}
        return await self.files.read(
            lambda: compile_for_all(self.config, self.library, name, liked)
        )

    # --- for operations

    def facts(self) -> dict[str, Any]:
        """Return where this host has what it works with, for its status."""
        return {
            "config": resolved(self.config),
            "history": str(self.store.path),
            "broker": self.mqtt.text,
            "asked_ago_s": self.mqtt.asked_ago_s,
            "adapter": self.setting.config.bluetooth.adapter,
            "is_daemon": self.setting.reread is not None,
        }

    @asynccontextmanager
    async def hands_off(self, concerns: Callable[[Wearable], bool]) -> AsyncIterator[None]:
        """Let go of the wearables that this concerns while inside, for others of this computer."""
        those = [
            wearable
            for wearable in self.config.wearables
            if wearable.id in self.supervisors and concerns(wearable)
        ]
        names = [wearable.id for wearable in those]
        with ExitStack() as kept:
            for wearable in those:
                lease = self.mqtt.lease(wearable)
                if lease is not None:
                    kept.enter_context(lease.kept())
            for name in names:
                await self.hub.remove(name)
            try:
                yield
            finally:
                kept.close()
                for wearable in self.config.wearables:
                    if wearable.id in names:
                        await self._add(wearable)

    async def reload(self) -> list[str]:
        """Read the configuration again and apply what can be.

        With mistakes in it everything stays as it was.

        Returns:
            What to say about it.
        """
        async with self._reloading:
            try:
                if self.setting.reread is None:
                    return ["this configuration cannot be read again"]
                new = await self.files.reread(self.setting.reread)
            except InputError as error:
                return [*str(error).splitlines(), "so the configuration stays as it was"]
            found = changes(self.config, new)
            self.config = new
            again = {wearable.id for wearable in found.changed}
            for name in (*found.removed, *again):
                await self.hub.remove(name)
                self.drivers.forget_driver(name)
            self.mqtt.tell_subjects(new.wearables)
            lines = found.lines()
            for wearable in new.wearables:
                if wearable.id not in self.hub.supervisors:
                    try:
                        await self._add(wearable)
                    except TenutoError as error:  # the others are kept all the same
                        lines.append(f"wearable {wearable.id!r} cannot be kept: {error}")
            return lines

    # --- running

    async def flush(self) -> None:
        """Wait, within bounds, until all sinks have what happened so far."""
        for queue in self._queues:
            await queue.flush()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the wearables while inside."""
        task = asyncio.create_task(self.hub.run(), name="daemon")
        body = asyncio.current_task()

        def over(ended: asyncio.Task[None]) -> None:
            if not ended.cancelled() and body is not None:
                body.cancel()  # only a fault of ours ends the daemon

        task.add_done_callback(over)
        try:
            yield
        except asyncio.CancelledError:
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise task.exception() from None  # type: ignore[misc]  # it is not None
            raise
        finally:
            was_running = not task.done()
            task.remove_done_callback(over)
            task.cancel()
            ended, _ = await asyncio.wait({task}, timeout=real_s(STOP_TIMEOUT_S))
            if was_running and ended and not task.cancelled() and task.exception() is not None:
                # On Python 3.11 an error that comes with a cancellation takes its place.
                _log.error("a fault of Tenuto's own, on leaving", exc_info=task.exception())


def resolved(config: Config) -> str | None:
    """Return the configuration's file in full, None for the built-in one."""
    return None if config.file is None else str(config.file.resolve())


@asynccontextmanager
async def open_host(
    setting: Setting, wearables: Sequence[Wearable], sinks: Sequence[Sink]
) -> AsyncIterator[Host]:
    """Build a host for these wearables with these sinks besides history and MQTT."""
    async with AsyncExitStack() as stack:
        host = Host(setting, stack)
        await host.build(wearables, sinks)
        yield host
