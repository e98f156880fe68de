# SPDX-License-Identifier: MIT
"""The composition root: builds everything from a configuration and runs it."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenuto.control import ControlServer, DaemonLock, find_daemon
from tenuto.errors import InputError, LinkError, LinkReason, TenutoError
from tenuto.event_loops import real_s
from tenuto.history import HistorySink, Store
from tenuto.history.completed_holds import times_held
from tenuto.links.registry import LINKS
from tenuto.mqtt.discovery import Subject
from tenuto.routines.library import Library
from tenuto.routines.progression import grown, grows, growths
from tenuto.sessions.commands import Verb
from tenuto.sessions.device import device_of
from tenuto.shipped import shipped
from tenuto.state.clocks import ClockStore
from tenuto.state.devices import DeviceIds
from tenuto.state.keys import KeyStore
from tenuto.state.settings import SettingsStore
from tenuto.wearables import registry
from tenuto.wearables.device_state import DeviceState
from tenuto.wearables.surroundings import LinkState

from .commands import MQTT, Commands
from .drivers import Drivers
from .follow import OneSession, begin, reach
from .garbage_collection import collected_between_sessions
from .hub import Hub
from .reload import changes
from .remote import play_beside
from .requests import ControlRequests
from .sinks import SINKS, SinkContext, queue_for
from .systemd import ServiceManager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from tenuto.config import Config, Wearable
    from tenuto.control import Client
    from tenuto.links.ble import BleAdapter
    from tenuto.links.radios.bluez_agent import Prompter
    from tenuto.links.scan import Found
    from tenuto.mqtt.address import BrokerAddress
    from tenuto.mqtt.bridge import Bridge
    from tenuto.mqtt.state_topics import StateTopics
    from tenuto.routines.adjust import Adjustment
    from tenuto.routines.compile import CompiledPlan
    from tenuto.routines.progression import Growth
    from tenuto.routines.routine import Routine
    from tenuto.sessions.events import SessionEnded
    from tenuto.simulator.faults import OrderedSilence
    from tenuto.simulator.person import VirtualPerson
    from tenuto.wearables.pairing import Forgotten, Paired
    from tenuto.wearables.supervisor import Supervisor

    from .sinks import Sink, SinkQueue

_log = logging.getLogger(__name__)

SESSION_MARGIN_S = 900.0
"""How long after the plan's own end a session may still go on, for pauses and lost links."""
STOP_TIMEOUT_S = 5.0
FLUSH_TIMEOUT_S = 5.0

FINISHED, FAILED, STOPPED = 0, 1, 3
"""Exit codes; 2, wrong use, is given where the mistake is found."""


class HostTime:
    """UTC, in real time by the wall clock, else by the event loop's, so that it fits a session.

    The wall clock may be set at any time: a Raspberry Pi has none of its own and begins with a
    wrong one. What happens afterwards is then told by the new time; supervisors note the step.

    speed: of the event loop's clock.  wall_s: the wall clock, in s since 1970.
    """

    def __init__(self, speed: float = 1.0, wall_s: Callable[[], float] = time.time) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._start_utc_ms = wall_s() * 1000
        self._wall_s = wall_s
        self._follows = speed == 1.0

    def utc_ms(self) -> float:
        """Give the UTC of now in ms since 1970."""
        if self._follows:
            return self._wall_s() * 1000
        return self._start_utc_ms + (self._loop.time() - self._start_s) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What holds for a whole run.

    speed: of the clock, `math.inf` for virtual time.  mqtt: whether MQTT is wanted in virtual time
    as well.  say: prints a line for a person, not on standard output.
    reread: reads the configuration again, for the daemon.
    """

    config: Config
    speed: float
    mqtt: bool
    say: Callable[[str], None]
    json: bool = False
    seed: int | None = None
    reread: Callable[[], Config] | None = None


class Host:
    """Everything of one process, built from the configuration; see `open_host`."""

    def __init__(self, setting: Setting, stack: AsyncExitStack) -> None:
        self.setting = setting
        self.config = setting.config
        self.time = HostTime(setting.speed)
        self.library = Library.of(setting.config)
        self.hub: Hub
        self.commands: Commands
        self.store: Store
        self.bridge: Bridge | None = None
        self.feed: StateTopics | None = None
        self._stack = stack
        self._rng = random.Random(setting.seed)  # noqa: S311 - jitter and simulation, no secrets
        self._queues: list[SinkQueue] = []
        self._reloading = asyncio.Lock()
        self._keys = KeyStore(_keys_file(setting.config))
        self.drivers = Drivers(
            setting.config, stack=stack, keys=self._keys, utc_ms=self.time.utc_ms, rng=self._rng
        )
        self._broker: BrokerAddress | None = None
        self.settings = SettingsStore(setting.config.state_path)
        self.broker_text = ""

    # --- building

    async def build(self, wearables: Sequence[Wearable], sinks: Sequence[Sink]) -> None:
        """Build store, queues, links and supervisors; what is entered is left by the stack."""
        config = self.config
        real = [one.id for one in wearables if not LINKS[one.link].is_simulated]
        if real and self.setting.speed != 1.0:
            raise InputError(f"only simulated wearables can be hurried by --speed, not {real[0]!r}")
        self.store = await self._stack.enter_async_context(Store(config.history_path))
        self._addresses: dict[str, str | None] = {}
        self._devices = DeviceIds(config.history_path.with_name("devices.json"))
        skews = ClockStore(config.history_path.with_name("clocks.json"))
        self._stack.callback(skews.save)
        history = queue_for(HistorySink(self.store, self._keep_messages))
        await self._stack.enter_async_context(history)
        self._broker = await self._find_broker()
        context = SinkContext(config=config, store=self.store, utc_ms=self.time.utc_ms)
        built = [row.build(context) for row in SINKS.values() if row.build is not None]
        sinks = [*sinks, *(sink for sink in built if sink is not None)]
        queues = [await self._stack.enter_async_context(queue_for(sink)) for sink in sinks]
        queues += await self._build_bridge(wearables, history)
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
            shares_heart=self._shares_heart,
        )
        self.commands = Commands(self.hub, self._plan, self.settings, self._say_settings)
        for wearable in wearables:
            await self._add(wearable)

    async def _add(self, wearable: Wearable) -> None:
        driver = await self.drivers.driver(wearable)
        self._addresses[wearable.id] = wearable.address
        supervisor = self.hub.add(
            wearable.id,
            wearable.person,
            driver,
            self.drivers.slots(wearable),
            is_simulated=LINKS[wearable.link].is_simulated,
        )
        for name, run in self.drivers.sensors(wearable, supervisor.heart.hear).items():
            supervisor.add_part(name, run)

    def _stand_in(self, wearable_id: str) -> str:
        """Return what to know a wearable by that tells neither serial number nor address."""
        address = self._addresses[wearable_id]
        return self._devices.of(wearable_id) if address is None else device_of(None, address, "")

    async def _keep_messages(self) -> None:
        if self.bridge is not None:
            await self.bridge.keep()

    async def _find_broker(self) -> BrokerAddress | None:
        mqtt = self.config.mqtt
        if mqtt.is_off or (math.isinf(self.setting.speed) and not self.setting.mqtt):
            return None
        address: BrokerAddress
        if mqtt.is_embedded:
            from tenuto.mqtt.broker import EmbeddedBroker  # noqa: PLC0415 - few need it

            broker = await self._stack.enter_async_context(EmbeddedBroker())
            address = broker.address
            self.broker_text = f"MQTT for this machine at {address}"
        else:
            configured = self.config.broker(os.environ)
            if configured is None:
                return None
            address = configured
            self.broker_text = f"MQTT by the broker at {address}"
        return address

    async def _build_bridge(
        self, wearables: Sequence[Wearable], history: SinkQueue
    ) -> list[SinkQueue]:
        if self._broker is None:
            return []
        # Here and not at the top: without MQTT none of it, nor what it stands on, is in memory.
        from tenuto.history.person_summary import PersonSummaries  # noqa: PLC0415
        from tenuto.mqtt.bridge import Bridge  # noqa: PLC0415
        from tenuto.mqtt.home_assistant import HomeAssistant  # noqa: PLC0415
        from tenuto.mqtt.state_topics import StateTopics  # noqa: PLC0415

        mqtt, settings = self.config.mqtt, self.settings
        self.bridge = Bridge(
            self._broker,
            base_topic=mqtt.base_topic,
            submit=lambda asked: self.commands.submit(asked, MQTT),
            rng=random.Random(self._rng.getrandbits(64)),  # noqa: S311
            utc_ms=self.time.utc_ms,
            table=self.store.outbox,
            home_assistant=None
            if {w.id for w in wearables} != {w.id for w in self.config.wearables}
            else HomeAssistant(
                known=settings,
                routines=self._routines,
                prefix=mqtt.discovery_prefix,
                announce=mqtt.discovery,
            ),
        )
        self.feed = StateTopics(
            self.bridge,
            settings=settings,
            summaries=PersonSummaries(self.store),
            device=self._device,
            device_id=self._device_id,
            default_routine=lambda name: self.config.routine_for(self.config.wearable(name)),
            flushed=lambda: history.flush(FLUSH_TIMEOUT_S),
            utc_ms=self.time.utc_ms,
        )
        self._tell_subjects(wearables)
        sinks: tuple[Sink, ...] = (self.bridge, self.feed)
        return [await self._stack.enter_async_context(queue_for(sink)) for sink in sinks]

    def _shares_heart(self, person: str | None) -> bool:
        found = self.config.person(person)
        return found is not None and found.publish_heart_rate

    def _tell_subjects(self, wearables: Sequence[Wearable]) -> None:
        """Tell MQTT of the wearables and of those who wear them."""
        if self.bridge is None or self.feed is None:
            return
        worn_by = {wearable.person for wearable in wearables}
        people = [
            Subject(id=person.id, name=person.name or person.id)
            for person in self.config.people
            if person.id in worn_by
        ]
        shared = {person.id for person in self.config.people if person.publish_heart_rate}
        subjects = [Subject(id=w.id, name=w.title, heart=w.person in shared) for w in wearables]
        self.bridge.set_subjects(subjects, people)
        self.feed.set_subjects([w.id for w in wearables], [person.id for person in people])
        self.bridge.announce_anew()

    def _routines(self) -> list[str]:
        return self.library.names()

    def _say_settings(self, wearable: str) -> None:
        if self.feed is not None:
            self.feed.say_settings(wearable)

    def _device_id(self, name: str) -> str | None:
        supervisor = self.hub.supervisors.get(name) if hasattr(self, "hub") else None
        return None if supervisor is None else supervisor.device

    def _device(self, name: str) -> DeviceState:
        """Give what is known of a wearable as a thing."""
        supervisor = self.hub.supervisors.get(name) if hasattr(self, "hub") else None
        return DeviceState(
            link=self.config.wearable(name).link,
            battery_pct=None if supervisor is None else supervisor.battery_pct,
            rssi_dbm=self.drivers.rssi_dbm(name),
            firmware=None if supervisor is None else supervisor.firmware,
            latest_firmware=registry.of(self.config.wearable(name)).newest_firmware(),
        )

    def compile(
        self, wearable: str, routine: Routine, adjustment: Adjustment | None = None
    ) -> CompiledPlan:
        """Compile a routine as it has grown and is liked on a wearable; raises InputError.

        adjustment: in place of what is set for the wearable.
        """
        present, _ = as_grown(self.config, wearable, routine)
        liked = self.settings.preferences(wearable).adjustment
        return self.library.compile(present, adjustment or liked)

    def _plan(self, wearable_id: str, routine: str | None) -> CompiledPlan:
        liked = self.settings.preferences(wearable_id)
        default = self.config.routine_for(self.config.wearable(wearable_id))
        return self.compile(wearable_id, self.library.routine(routine or liked.routine or default))

    def _on_link(self, wearable: str, state: LinkState) -> None:
        if self.bridge is not None:
            self.bridge.wearable_online(wearable, state is LinkState.UP)
        if self.feed is not None and wearable in self.hub.supervisors:
            self.feed.say_device(wearable)

    # --- for the commands beside it

    def control_requests(self) -> ControlRequests:
        """Give what answers them."""
        return ControlRequests(
            daemon=self.hub,
            commands=self.commands,
            store=self.store,
            flush=self.flush,
            compile_routine=self._plan,
            facts=lambda: {
                "config": _resolved(self.config),
                "history": str(self.store.path),
                "broker": self.broker_text,
                "adapter": self.setting.config.bluetooth.adapter,
            },
            adapter=self.drivers.adapter,
            prompting=_prompting,
            hands_off=self.hands_off,
            keys=self._keys,
            wearables=lambda: self.config.wearables,
        )

    @asynccontextmanager
    async def hands_off(self, concerns: Callable[[Wearable], bool]) -> AsyncIterator[None]:
        """Let go of the wearables that this concerns while inside; others may use them then."""
        names = [
            wearable.id
            for wearable in self.config.wearables
            if wearable.id in self.hub.supervisors and concerns(wearable)
        ]
        for name in names:
            await self.hub.remove(name)
        try:
            yield
        finally:
            for wearable in self.config.wearables:
                if wearable.id in names:
                    await self._add(wearable)

    @property
    def is_playing(self) -> bool:
        """Whether a session goes on on any wearable."""
        return any(supervisor.playing for supervisor in self.hub.supervisors.values())

    def describe(self) -> str:
        """Say in a line how the wearables are."""
        supervisors = self.hub.supervisors.values()
        there = [supervisor.name for supervisor in supervisors if supervisor.connected.is_set()]
        playing = [supervisor.name for supervisor in supervisors if supervisor.playing]
        plays = f"; playing: {', '.join(playing)}" if playing else ""
        return f"{len(there)} of {len(supervisors)} wearables in reach{plays}"

    async def reload(self) -> list[str]:
        """Read the configuration again and apply what can be; returns what to say about it.

        With mistakes in it everything stays as it was.
        """
        async with self._reloading:
            try:
                if self.setting.reread is None:
                    return ["this configuration cannot be read again"]
                new = self.setting.reread()
                Library.of(new).vocabulary()
            except InputError as error:
                return [*str(error).splitlines(), "so the configuration stays as it was"]
            found = changes(self.config, new)
            self.config, self.library = new, Library.of(new)
            again = {wearable.id for wearable in found.changed}
            for name in (*found.removed, *again):
                await self.hub.remove(name)
                self.drivers.forget_driver(name)
            self._tell_subjects(new.wearables)
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
            await queue.flush(FLUSH_TIMEOUT_S)

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


@asynccontextmanager
async def _prompting(adapter: BleAdapter, prompter: Prompter) -> AsyncIterator[None]:
    """Let a person answer what pairings on an adapter ask, while inside."""
    from tenuto.links.radios.adapters import with_prompter  # noqa: PLC0415

    with_prompter(adapter, prompter)
    try:
        yield
    finally:
        with_prompter(adapter, None)


def as_grown(config: Config, wearable: str, routine: Routine) -> tuple[Routine, list[Growth]]:
    """Give a routine with its holds as long as its own rules have made them, and what has grown."""
    if not grows(routine):
        return routine, []
    person = config.wearable(wearable).person
    times = times_held(config.history_path, routine.name, person)
    present = grown(routine, times)
    return present, list(growths(routine, present, times))


def _keys_file(config: Config) -> Path:
    return config.own.data / "keys.json"


@asynccontextmanager
async def open_host(
    setting: Setting, wearables: Sequence[Wearable], sinks: Sequence[Sink]
) -> AsyncIterator[Host]:
    """Build a host for these wearables with these sinks besides history and MQTT."""
    async with AsyncExitStack() as stack:
        host = Host(setting, stack)
        await host.build(wearables, sinks)
        yield host


# --- what the commands do


async def play(
    setting: Setting,
    *,
    routine: str | None,
    wearable_id: str | None,
    strength_pct: int | None = None,
    hold_pct: int | None = None,
) -> int:
    """Play one routine on one wearable and follow it to its end; returns the exit code.

    A wearable that already plays is joined.  Ctrl-C stops the session.  strength_pct, hold_pct: see
    `Adjustment`; None for what is set for the wearable.
    """
    config = setting.config
    wearable = config.wearables[0] if wearable_id is None else config.wearable(wearable_id)
    liked = SettingsStore(config.state_path).preferences(wearable.id)
    adjustment = replace(
        liked.adjustment,
        strength_pct=liked.adjustment.strength_pct if strength_pct is None else strength_pct,
        hold_pct=liked.adjustment.hold_pct if hold_pct is None else hold_pct,
    )
    name = routine or liked.routine or config.routine_for(wearable)
    score = Library.of(config).open(name)
    present, longer = as_grown(config, wearable.id, score)
    for one in longer:
        setting.say(
            f"{one.exercise}: {one.hold_ms / 1000:g} s now, {one.written_ms / 1000:g} s as written;"
            f" it was held to its end {one.times} times"
        )
    clock = HostTime(setting.speed)
    gone = asyncio.Event()
    client = await daemon_of(setting)
    # Here and not at the top: a daemon draws nothing.
    from rich.console import Console  # noqa: PLC0415

    from tenuto.terminal import choose_sink  # noqa: PLC0415

    screen = choose_sink(
        Console(),
        json=setting.json,
        now_ms=lambda: round(clock.utc_ms()),
        speed=setting.speed,
        how={exercise.name: exercise.how for exercise in score.exercises if exercise.how},
        on_gone=gone.set,
    )
    if client is not None:
        compiled = Library.of(config).compile(present, adjustment)
        is_own = name.endswith(".toml") or adjustment != liked.adjustment
        with _signals(asyncio.get_running_loop(), gone.set):
            reason = await play_beside(
                client,
                screen,
                wearable=wearable.id,
                routine=routine,
                plan=compiled if is_own else None,
                gone=gone,
                say=setting.say,
            )
        return _code(reason)
    sink = OneSession(screen)
    async with open_host(setting, [wearable], [sink]) as host:
        compiled = host.compile(wearable.id, score, adjustment)
        if host.broker_text:
            setting.say(host.broker_text)
        async with host.running():
            supervisor = host.hub.supervisors[wearable.id]
            setting.say(f"looking for the wearable {wearable.title}")
            await reach(supervisor)
            with _signals(asyncio.get_running_loop(), gone.set):
                key, lasts_ms, joined = await begin(supervisor, compiled)
                if joined:
                    setting.say(f"{supervisor.name} already plays: joining it")
                await sink.choose(key)
                ended = await _follow(supervisor, sink, lasts_ms, setting, gone)
            await host.flush()
    return _code(ended.reason)


def _code(reason: str) -> int:
    return {"finished": FINISHED, "stopped": STOPPED}.get(reason, FAILED)


async def daemon_of(setting: Setting) -> Client | None:
    """Find the daemon to ask instead of doing the work here; None if there is none.

    One that runs with another configuration is not asked, and neither is any by who wants another
    speed than the real one.
    """
    if setting.speed != 1.0:
        return None
    config = setting.config
    client = await find_daemon(os.environ, config.own.data)
    if client is None:
        return None
    told = (await client.ask("status")).get("config")
    if told == _resolved(config):
        return client
    setting.say(
        f"the daemon that runs has another configuration ({told or 'the built-in one'}), "
        "so this is done without it"
    )
    return None


def _resolved(config: Config) -> str | None:
    return None if config.file is None else str(config.file.resolve())


async def _follow(
    supervisor: Supervisor, sink: OneSession, lasts_ms: int, setting: Setting, gone: asyncio.Event
) -> SessionEnded:
    """Wait for the session's end; a signal or a closed pipe stops it first."""
    limit_s = lasts_ms / 1000 + SESSION_MARGIN_S
    wanted = asyncio.create_task(gone.wait(), name="wait for a reason to stop")
    try:
        await asyncio.wait(
            (sink.ended, wanted), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
        )
        if gone.is_set() and not sink.ended.done():
            setting.say(f"stopping {supervisor.name}")
            with suppress(TenutoError):
                await supervisor.command(Verb.STOP)
            await asyncio.wait((sink.ended,), timeout=real_s(STOP_TIMEOUT_S))
    finally:
        wanted.cancel()
    if not sink.ended.done():
        raise LinkError(
            LinkReason.LOST,
            f"{supervisor.name} is out of reach; what it plays goes on there, "
            "and the history will be completed when it is back",
        )
    return sink.ended.result()


@asynccontextmanager
async def _own_adapter(
    setting: Setting, prompter: Prompter | None, name: str | None = None
) -> AsyncIterator[BleAdapter]:
    """Open an adapter, the usual one for None, for a command that works without a daemon."""
    from tenuto.links.radios.adapters import open_adapter  # noqa: PLC0415 - bleak takes its time

    config = setting.config
    name = name or config.bluetooth.adapter
    adapter = open_adapter(name, config.own.data / "bonds.json", prompter)
    try:
        yield adapter
    finally:
        await adapter.close()


async def listen(setting: Setting, seconds: float) -> AsyncIterator[list[Found]]:
    """Give the devices that are heard on the radio, as something new is known of them.

    Raises:
        LinkError: the radio cannot be used.
    """
    from tenuto.links.listen import heard  # noqa: PLC0415 - bleak takes its time
    from tenuto.links.scan import Found  # noqa: PLC0415

    client = await daemon_of(setting)
    if client is None:
        async with _own_adapter(setting, None) as adapter:
            async for found in heard(adapter, seconds):
                yield found
        return
    async with client.talk("scan", seconds=seconds) as talk:
        async for item in talk:
            yield [Found.from_json(one) for one in item["found"]]


async def pair_with(setting: Setting, text: str, prompter: Prompter) -> Paired:
    """Pair with a wearable, by its id or its address; `prompter` answers what the pairing asks.

    Raises:
        InputError: the wearable has no Bluetooth.
        LinkError: it did not work.
    """
    from tenuto.wearables.pairing import over_air, pair_over_air  # noqa: PLC0415 - few need it

    target = over_air(setting.config.wearables, text)
    client = await daemon_of(setting)
    if client is None:
        keys = KeyStore(_keys_file(setting.config))
        async with _own_adapter(setting, prompter, target.adapter) as adapter:
            return await pair_over_air(target, adapter, keys, prompter.show)
    return await _paired_by(client, prompter, "pair", address=text)


async def pair_on_cable(
    setting: Setting, text: str | None, prompter: Prompter, *, only: bool = False
) -> Paired:
    """Give a key to the band on a cable.

    text: its port or its id in the configuration; None for the only one.  only: see
    `pair_by_cable`.

    Raises:
        InputError: there are several, or it is another one than the one that is meant.
        LinkError: it did not work.
    """
    from tenuto.wearables.pairing import by_cable, pair_by_cable  # noqa: PLC0415 - few need it

    target = by_cable(setting.config.wearables, text)
    client = await daemon_of(setting)
    if client is None:
        store = KeyStore(_keys_file(setting.config))
        return await pair_by_cable(target, store, prompter.show, only=only)
    return await _paired_by(client, prompter, "pair_by_cable", port=text, only=only)


async def _paired_by(
    client: Client, prompter: Prompter, request: str, **arguments: str | bool | None
) -> Paired:
    """Have the daemon pair."""
    from tenuto.wearables.pairing import Paired  # noqa: PLC0415 - few need it

    async with client.talk(request, **arguments) as talk:
        async for item in talk:
            if "show" in item:
                prompter.show(str(item["show"]))
            if "ask" in item:
                await talk.say(answer=await prompter.ask(str(item["ask"])))
        return Paired(**talk.result)


async def forget_wearable(setting: Setting, text: str) -> Forgotten:
    """Forget the bond with a wearable and its key, by its id or its address.

    Raises:
        LinkError: it did not work.
    """
    from tenuto.wearables.pairing import Forgotten, any_of, forget  # noqa: PLC0415 - few need it

    client = await daemon_of(setting)
    if client is not None:
        return Forgotten(**await client.ask("forget", address=text))
    target = any_of(setting.config.wearables, text)
    async with _own_adapter(setting, None, target.adapter) as adapter:
        return await forget(target, adapter, KeyStore(_keys_file(setting.config)))


@contextmanager
def _signals(
    loop: asyncio.AbstractEventLoop,
    on_end: Callable[[], object],
    on_reload: Callable[[], object] | None = None,
) -> Iterator[None]:
    """Call back on Ctrl-C and on a polite end, where the platform lets the loop see them."""
    callbacks = {signal.SIGINT: on_end, signal.SIGTERM: on_end}
    if on_reload is not None and hasattr(signal, "SIGHUP"):
        callbacks[signal.SIGHUP] = on_reload
    taken = []
    for number, callback in callbacks.items():
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, callback)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


async def serve(setting: Setting) -> int:
    """Keep all wearables and carry out commands until Ctrl-C or SIGTERM; returns the exit code.

    What plays on a wearable goes on playing there.
    """
    asked, again = asyncio.Event(), asyncio.Event()
    manager = ServiceManager(os.environ)
    with DaemonLock(setting.config.own.data):
        async with open_host(setting, setting.config.wearables, []) as host:
            setting.say(host.broker_text or "MQTT is off")
            async with (
                host.running(),
                collected_between_sessions(lambda: host.is_playing),
                ControlServer(
                    os.environ, setting.config.own.data, host.control_requests().handlers()
                ) as door,
                manager.watched(host.describe),
            ):
                if door.path is None:
                    setting.say("commands beside the daemon cannot ask it on this system")
                setting.say(f"keeping {', '.join(host.hub.supervisors)}; Ctrl-C ends")
                with _signals(asyncio.get_running_loop(), asked.set, again.set):
                    manager.ready()
                    await _serve_until(asked, again, host, manager)
            setting.say("going; what plays on a wearable goes on there")
    return FINISHED


async def _serve_until(
    asked: asyncio.Event, again: asyncio.Event, host: Host, manager: ServiceManager
) -> None:
    """Wait for the end; read the configuration again whenever that is wanted."""
    while not asked.is_set():
        waiting = {
            asyncio.create_task(event.wait(), name="wait for a signal") for event in (asked, again)
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if again.is_set():
            again.clear()
            manager.reloading()
            for line in await host.reload():
                host.setting.say(line)
            manager.ready()
    manager.stopping()


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What `simulate` makes.

    host, port: where it listens; port 0 for any.  count: of wearables.  person: `calm`, `after-run`
    or `nobody`.  loss: share of lost packets, 0 to below 1.  interval_ms: what connections begin
    with, None for what hosts ask for.  drift_ppm: of the wearables' clocks.  serial: whether each
    has a pseudo terminal besides.
    """

    host: str
    port: int
    count: int = 1
    person: str = "after-run"
    seed: int = 0
    loss: float = 0.0
    interval_ms: float | None = None
    drift_ppm: float = 0.0
    silences: tuple[OrderedSilence, ...] = ()
    serial: bool = False


async def simulate(wanted: Simulation, say: Callable[[str], None]) -> int:
    """Run simulated wearables and offer controllers in reach of them, until Ctrl-C or SIGTERM."""
    from tenuto.simulator.server import listen  # noqa: PLC0415
    from tenuto.simulator.world import World  # noqa: PLC0415

    asked = asyncio.Event()
    async with (
        World(seed=wanted.seed, loss=wanted.loss, forced_interval_ms=wanted.interval_ms) as world,
        AsyncExitStack() as stack,
    ):
        for number in range(1, wanted.count + 1):
            wearable = await world.add_wearable(
                f"band-{number}",
                firmware_dir=shipped("firmware"),
                person=_person(wanted.person, wanted.seed + number),
                drift_ppm=wanted.drift_ppm,
            )
            say(f"{wearable.id} is at {wearable.address}")
            if wanted.serial:
                pty = await stack.enter_async_context(wearable.cable.pty())
                say(f'{wearable.id} has a cable: port = "{pty.path}"')
        try:
            server = await listen(world.radio, wanted.host, wanted.port)
        except OSError as error:
            where = f"{wanted.host}:{wanted.port}"
            raise InputError(f"cannot listen at {where}: {error}") from None
        stack.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        for silence in wanted.silences:
            world.radio.silence(None, silence.duration_s, after_s=silence.after_s)
        say(f'in reach of adapter = "bumble:tcp-client:{wanted.host}:{port}"; Ctrl-C ends')
        with _signals(asyncio.get_running_loop(), asked.set):
            await asked.wait()
    return FINISHED


def _person(kind: str, seed: int) -> VirtualPerson | None:
    from tenuto.simulator.person import VirtualPerson  # noqa: PLC0415

    if kind == "nobody":
        return None
    return VirtualPerson(seed=seed, start_bpm=128.0 if kind == "after-run" else None)
