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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.commands import Verb
from tenuto.compile import compile_routine
from tenuto.daemon import Daemon
from tenuto.errors import InputError, LinkError, LinkReason, TenutoError
from tenuto.events import SessionEnded, SessionKey
from tenuto.history import HistorySink, Store
from tenuto.keeper import LinkState
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.broker import EmbeddedBroker
from tenuto.outlets import Outlet
from tenuto.resources import Library, shipped
from tenuto.terminal import choose_sink
from tenuto.wearables.band import BandDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from rich.console import Console

    from tenuto.commands import Answer, Command
    from tenuto.compile import CompiledPlan
    from tenuto.config import Config, Wearable
    from tenuto.events import Entry
    from tenuto.keeper import Keeper
    from tenuto.links.ble import BleAdapter
    from tenuto.mqtt.address import BrokerAddress
    from tenuto.outlets import Sink
    from tenuto.routine import Routine
    from tenuto.simulator.person import VirtualPerson
    from tenuto.simulator.world import World

_log = logging.getLogger(__name__)

REACH_TIMEOUT_S = 60.0
SESSION_MARGIN_S = 900.0
"""How long after the plan's own end a session may still go on, for pauses and lost links."""
STOP_TIMEOUT_S = 5.0
FLUSH_TIMEOUT_S = 5.0
ENTRIES_HELD_MAX = 2048
HISTORY_BOUND = 4096

FINISHED, FAILED, STOPPED = 0, 1, 3
"""Exit codes; 2, wrong use, is given where the mistake is found."""


class HostTime:
    """UTC that follows the event loop's clock, so that it fits a session at any speed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._start_utc_ms = time.time() * 1000

    def utc_ms(self) -> float:
        """Give the UTC of now in ms since 1970."""
        return self._start_utc_ms + (self._loop.time() - self._start_s) * 1000


class OneSession:
    """Lets the entries of one session through to a sink, and tells when it has ended.

    Until `choose` says which, entries are held back: a wearable may first hand over sessions that
    it played alone.
    """

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self.ended: asyncio.Future[SessionEnded] = asyncio.get_running_loop().create_future()
        self._sink = sink
        self._key: SessionKey | None = None
        self._held: list[Entry] = []

    async def open(self) -> None:
        """Open the sink."""
        await self._sink.open()

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Pass on what belongs to the session."""
        if self._key is None:
            self._held = [*self._held, *entries][-ENTRIES_HELD_MAX:]
            return
        await self._pass_on(entries)

    async def choose(self, key: SessionKey) -> None:
        """Say which session; what was held back of it comes first."""
        held, self._held = self._held, []
        self._key = key
        await self._pass_on(held)

    async def _pass_on(self, entries: Sequence[Entry]) -> None:
        mine = [entry for entry in entries if entry.session == self._key]
        if mine:
            await self._sink.handle(mine)
        for entry in mine:
            if isinstance(entry.event, SessionEnded) and not self.ended.done():
                self.ended.set_result(entry.event)

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What holds for a whole run.

    speed: of the clock, `math.inf` for virtual time.  mqtt: whether MQTT is wanted in virtual time
    as well.  console: standard output.  say: prints a line for a person, not on standard output.
    """

    config: Config
    speed: float
    mqtt: bool
    console: Console
    say: Callable[[str], None]
    json: bool = False
    seed: int | None = None


class Host:
    """Everything of one process, built from the configuration; see `open_host`."""

    def __init__(self, setting: Setting, stack: AsyncExitStack) -> None:
        self.setting = setting
        self.config = setting.config
        self.time = HostTime()
        self.library = Library.of(setting.config)
        self.daemon: Daemon
        self.store: Store
        self.bridge: Bridge | None = None
        self._stack = stack
        self._rng = random.Random(setting.seed)  # noqa: S311 - jitter and simulation, no secrets
        self._adapters: dict[str, BleAdapter] = {}
        self._world: World | None = None
        self._outlets: list[Outlet] = []
        self.broker_text = ""

    # --- building

    async def build(self, wearables: Sequence[Wearable], sinks: Sequence[Sink]) -> None:
        """Build store, outlets, links and keepers; what is entered is left by the stack."""
        config = self.config
        real = [wearable.id for wearable in wearables if wearable.link != "simulated"]
        if real and self.setting.speed != 1.0:
            raise InputError(f"only simulated wearables can be hurried by --speed, not {real[0]!r}")
        self.store = await self._stack.enter_async_context(Store(config.history_path))
        history = Outlet(HistorySink(self.store), bound=HISTORY_BOUND)
        await self._stack.enter_async_context(history)
        self.bridge = await self._build_bridge(wearables)
        others = [*sinks, *([] if self.bridge is None else [self.bridge])]
        outlets = [await self._stack.enter_async_context(Outlet(sink)) for sink in others]
        self._outlets = [history, *outlets]
        self.daemon = Daemon(
            store=self.store,
            history=history,
            outlets=outlets,
            compile_routine=self._plan,
            utc_ms=self.time.utc_ms,
            rng=self._rng,
            on_link=self._on_link,
        )
        for wearable in wearables:
            self.daemon.add(wearable.id, wearable.person, await self._build_driver(wearable))

    async def _build_bridge(self, wearables: Sequence[Wearable]) -> Bridge | None:
        mqtt = self.config.mqtt
        if mqtt.is_off or (math.isinf(self.setting.speed) and not self.setting.mqtt):
            return None
        address: BrokerAddress
        if mqtt.is_embedded:
            broker = await self._stack.enter_async_context(EmbeddedBroker())
            address = broker.address
            self.broker_text = f"MQTT for this machine at {address}"
        else:
            configured = self.config.broker(os.environ)
            if configured is None:
                return None
            address = configured
            self.broker_text = f"MQTT by the broker at {address}"
        shared = {person.id for person in self.config.people if person.publish_heart_rate}
        return Bridge(
            address,
            base_topic=mqtt.base_topic,
            wearables=[wearable.id for wearable in wearables],
            heart=[wearable.id for wearable in wearables if wearable.person in shared],
            submit=self._submit,
            rng=random.Random(self._rng.getrandbits(64)),  # noqa: S311
        )

    async def _build_driver(self, wearable: Wearable) -> BandDriver:
        # Here and not at the top: bleak and bumble take half a second to import.
        from tenuto.links.ble import BleAdapter, BleLink  # noqa: PLC0415
        from tenuto.links.open import radio_of  # noqa: PLC0415

        if wearable.link == "serial":
            raise InputError(
                f'wearable {wearable.id!r}: the link by cable is not there yet; use link = "ble"'
            )
        if wearable.link == "simulated":
            from tenuto.simulator.world import World  # noqa: PLC0415

            if self._world is None:
                world = World(seed=self._rng.getrandbits(32))
                self._world = await self._stack.enter_async_context(world)
                adapter = BleAdapter(radio_of(await world.adapter()), name="simulated")
                self._stack.push_async_callback(adapter.close)
                self._adapters["simulated"] = adapter
            simulated = await self._world.add_wearable(
                wearable.id,
                firmware_dir=shipped("firmware"),
                person=_person("after-run", self._rng.getrandbits(32)),
            )
            return BandDriver(BleLink(self._adapters["simulated"], simulated.address))
        name = self.config.bluetooth.adapter
        if name not in self._adapters:
            self._adapters[name] = self._open_adapter(name)
        return BandDriver(BleLink(self._adapters[name], wearable.address))

    def _open_adapter(self, name: str) -> BleAdapter:
        from tenuto.links.open import open_adapter  # noqa: PLC0415

        adapter = open_adapter(name, self.config.own.data / "bonds.json")
        self._stack.push_async_callback(adapter.close)
        return adapter

    def compile(self, routine: Routine) -> CompiledPlan:
        """Compile a routine with the vocabulary of the configuration; raises InputError."""
        return compile_routine(routine, self.library.vocabulary())

    def _plan(self, wearable_id: str, routine: str | None) -> CompiledPlan:
        name = routine or self.config.routine_for(self.config.wearable(wearable_id))
        return self.library.plan(name)

    async def _submit(self, command: Command) -> Answer:
        return await self.daemon.submit(command)

    def _on_link(self, wearable: str, state: LinkState) -> None:
        if self.bridge is not None:
            self.bridge.wearable_online(wearable, state is LinkState.UP)

    # --- running

    async def flush(self) -> None:
        """Wait, within bounds, until all sinks have what happened so far."""
        for outlet in self._outlets:
            await outlet.flush(FLUSH_TIMEOUT_S)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the wearables while inside."""
        task = asyncio.create_task(self.daemon.run(), name="daemon")
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
            task.remove_done_callback(over)
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_TIMEOUT_S)


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


async def play(setting: Setting, *, routine: str | None, wearable_id: str | None) -> int:
    """Play one routine on one wearable and follow it to its end; returns the exit code.

    A wearable that already plays is joined.  Ctrl-C stops the session.
    """
    config = setting.config
    wearable = config.wearables[0] if wearable_id is None else config.wearable(wearable_id)
    name = routine or config.routine_for(wearable)
    score = Library.of(config).open(name)
    clock = HostTime()
    gone = asyncio.Event()
    sink = OneSession(
        choose_sink(
            setting.console,
            json=setting.json,
            now_ms=lambda: round(clock.utc_ms()),
            speed=setting.speed,
            how={exercise.name: exercise.how for exercise in score.exercises if exercise.how},
            on_gone=gone.set,
        )
    )
    async with open_host(setting, [wearable], [sink]) as host:
        compiled = host.compile(score)
        if host.broker_text:
            setting.say(host.broker_text)
        async with host.running():
            keeper = host.daemon.keepers[wearable.id]
            await _reach(keeper, setting)
            key, lasts_ms = await _begin(keeper, compiled, setting)
            await sink.choose(key)
            ended = await _follow(keeper, sink, lasts_ms, setting, gone)
            await host.flush()
    return {"finished": FINISHED, "stopped": STOPPED}.get(ended.reason, FAILED)


async def _reach(keeper: Keeper, setting: Setting) -> None:
    setting.say(f"looking for {keeper.name}")
    try:
        async with asyncio.timeout(REACH_TIMEOUT_S):
            await keeper.connected.wait()
    except TimeoutError:
        raise keeper.problem or LinkError(
            LinkReason.NOT_FOUND, f"{keeper.name} did not answer in {REACH_TIMEOUT_S:.0f} s"
        ) from None


async def _begin(
    keeper: Keeper, compiled: CompiledPlan, setting: Setting
) -> tuple[SessionKey, int]:
    """Start the plan, or join what plays; returns the session and how long it may still last."""
    playing = await keeper.present_session()
    if playing is None:
        return await keeper.start(compiled), compiled.plan.duration_ms
    setting.say(f"{keeper.name} already plays: joining it")
    plan = keeper.tracker.plan if keeper.tracker is not None else None
    return playing, compiled.plan.duration_ms if plan is None else plan.duration_ms


async def _follow(
    keeper: Keeper, sink: OneSession, lasts_ms: int, setting: Setting, gone: asyncio.Event
) -> SessionEnded:
    """Wait for the session's end; a signal or a closed pipe stops it first."""
    limit_s = lasts_ms / 1000 + SESSION_MARGIN_S
    with _signals(asyncio.get_running_loop(), gone.set):
        wanted = asyncio.create_task(gone.wait(), name="wait for a reason to stop")
        try:
            await asyncio.wait(
                (asyncio.ensure_future(sink.ended), wanted),
                timeout=limit_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if gone.is_set() and not sink.ended.done():
                setting.say(f"stopping {keeper.name}")
                with suppress(TenutoError):
                    await keeper.command(Verb.STOP)
                await asyncio.wait((sink.ended,), timeout=STOP_TIMEOUT_S)
        finally:
            wanted.cancel()
    if not sink.ended.done():
        raise LinkError(
            LinkReason.LOST,
            f"{keeper.name} is out of reach; what it plays goes on there, "
            "and the history will be completed when it is back",
        )
    return sink.ended.result()


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> Iterator[None]:
    """Call back on Ctrl-C and on a polite end, where the platform lets the loop see them."""
    taken = []
    for number in (signal.SIGINT, signal.SIGTERM):
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
    asked = asyncio.Event()
    async with open_host(setting, setting.config.wearables, []) as host:
        setting.say(host.broker_text or "MQTT is off")
        setting.say(f"keeping {', '.join(host.daemon.keepers)}; Ctrl-C ends")
        with _signals(asyncio.get_running_loop(), asked.set):
            async with host.running():
                await asked.wait()
        setting.say("going; what plays on a wearable goes on there")
    return FINISHED


async def simulate(
    host: str,
    port: int,
    *,
    count: int,
    person: str,
    seed: int,
    loss: float,
    say: Callable[[str], None],
) -> int:
    """Run simulated wearables and offer controllers in reach of them, until Ctrl-C or SIGTERM.

    person: `calm`, `after-run` or `nobody`.  loss: share of lost packets, 0 to below 1.
    """
    from tenuto.simulator.listen import listen  # noqa: PLC0415
    from tenuto.simulator.world import World  # noqa: PLC0415

    asked = asyncio.Event()
    async with World(seed=seed, loss=loss) as world:
        for number in range(1, count + 1):
            wearable = await world.add_wearable(
                f"band-{number}",
                firmware_dir=shipped("firmware"),
                person=_person(person, seed + number),
            )
            say(f"{wearable.id} is at {wearable.address}")
        try:
            server = await listen(world.radio, host, port)
        except OSError as error:
            raise InputError(f"cannot listen at {host}:{port}: {error}") from None
        port = server.sockets[0].getsockname()[1]
        say(f'in reach of adapter = "bumble:tcp-client:{host}:{port}"; Ctrl-C ends')
        with _signals(asyncio.get_running_loop(), asked.set):
            await asked.wait()
        server.close()
    return FINISHED


def _person(kind: str, seed: int) -> VirtualPerson | None:
    from tenuto.simulator.person import VirtualPerson  # noqa: PLC0415

    if kind == "nobody":
        return None
    return VirtualPerson(seed=seed, start_bpm=128.0 if kind == "after-run" else None)
