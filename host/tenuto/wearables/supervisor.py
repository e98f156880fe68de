# SPDX-License-Identifier: MIT
"""Keeps one wearable connected, and runs what uses the link.

Whatever fails here or in a part is logged, backed off and tried again; it never ends another
wearable or the daemon.
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from tenuto.errors import UNTRUSTED, LinkError, LinkReason, RefusedError, StoreError
from tenuto.event_loops import first_of
from tenuto.retry import STABLE_S, Backoff, describe_failure, is_cancelled, run_for_ever
from tenuto.sessions.device import device_of
from tenuto.sessions.lease import Use
from tenuto_core.device_requests import NO_PLAN_ID

from .command_sender import CommandSender
from .heart_relay import HeartRelay
from .log_reader import LogReader
from .surroundings import LinkState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.commands import Verb
    from tenuto.sessions.events import SessionKey
    from tenuto.sessions.tracker import Tracker

    from .base import Driver, Identity, Sensor, Status
    from .host_lease import HostLease
    from .link_slots import Slots
    from .surroundings import Surroundings

_log = logging.getLogger(__name__)

SILENCE_S = 60.0
"""A band that has said nothing for so long is asked whether it is there: BlueZ was seen to call a
link connected for ever after its D-Bus had broken."""
PROBES = 8
"""Questions for the clock with each new link; with fewer their beat is not found."""
PROBES_PLAYING, PROBES_IDLE = 4, 1
"""And then each `PROBE_EVERY_S`."""
PROBE_EVERY_S = 60.0
LOST_PAUSE_S = 0.1
"""After a link that was well: the wearable has to be heard again first in any case."""
WANTED_PAUSE_S = 1.0
"""The longest pause between attempts to reach one that somebody waits for."""
SLOTS_LOOK_S = 5.0
"""How often it looks whether others wait for the link."""
TAKE_OVER_S = 15.0
"""How long a request waits for a wearable that another host lets go, and keeps its lease."""


class SupervisorState(StrEnum):
    """What a supervisor does."""

    IDLE = "idle"
    """It does not run."""
    REACHING = "reaching"
    """It looks for the wearable, connects, takes up the log."""
    UP = "up"
    """The wearable is in reach and its log is followed."""
    WAITING = "waiting"
    """It failed, see `problem`, and tries again after the back-off."""


class Supervisor:
    """Keeps the wearable `name` by its driver until `run` is cancelled.

    Args:
        name: The wearable's.
        person: Who wears it, None for nobody known.
        driver: Reaches it.
        surroundings: The host.
        slots: Of the adapter that it shares with others, None where there is room for all.
        lease: Of a wearable that other hosts have too, None where this host is alone.

    Attributes:
        state: What it does at the moment.
        is_simulated: Whether it is a simulated one.
        connected: Set while it is in reach and its log is followed.
        problem: Why it was not reached last time, None when all is well.
        battery_pct: When last asked, or None.
        present: The session that goes on, by the wearable's own word when last asked.
        log: Reads the wearable's log.
        commands: Sends what is asked of the wearable.
        sensors: Those worn with it, by the ids of their models.
        heart: Passes on the beats of its wearer's sensor.
    """

    def __init__(
        self,
        name: str,
        person: str | None,
        driver: Driver,
        surroundings: Surroundings,
        slots: Slots | None = None,
        *,
        lease: HostLease | None = None,
        is_simulated: bool = False,
    ) -> None:
        self.name = name
        self.person = person
        self.is_simulated = is_simulated
        self.state = SupervisorState.IDLE
        self.connected = asyncio.Event()
        self.problem: LinkError | None = None
        self.battery_pct: int | None = None
        self.present: SessionKey | None = None
        self.log = LogReader(name, person, driver, surroundings, is_simulated=is_simulated)
        self.commands = CommandSender(name, driver, self.log, surroundings.store, self._reached)
        self.heart = HeartRelay(driver, self.log, is_connected=self.connected.is_set)
        self.sensors: dict[str, Sensor] = {}
        self._driver = driver
        self._tell_link = surroundings.on_link
        self._stand_in = surroundings.stand_in
        self._rng = surroundings.rng
        self._identity: Identity | None = None
        self.slots = slots
        self._has_slot = False
        self._lease = lease
        self._asking_until_s = -math.inf
        self._wanting = 0
        self._look = asyncio.Event()
        if lease is not None:
            lease.on_loss, lease.read_use = self._look.set, self._use
            self.log.on_read = lease.tell_use
        self._up_s = math.inf
        self._said: set[LinkReason] = set()
        self._parts: dict[str, Callable[[], Awaitable[None]]] = {
            "log": self.log.run,
            "heart": self.heart.run,
        }

    @property
    def tracker(self) -> Tracker | None:
        """The present session, or the last one; None before the first."""
        return self.log.tracker

    @property
    def playing(self) -> bool:
        """Whether a session goes on, as far as the log has told."""
        return self.log.playing

    @property
    def is_idle(self) -> bool:
        """Whether it has said that it plays nothing, and the log tells of no session either."""
        return self._identity is not None and self.present is None and not self.log.playing

    @property
    def device(self) -> str | None:
        """What it is known by in the history, None as long as it was not reached."""
        return None if self._identity is None else self._identity.device

    @property
    def firmware(self) -> str | None:
        """The version of the wearable's firmware, None as long as it has not told."""
        return None if self._identity is None else self._identity.firmware

    def add_part(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run one thing more as long as this runs, before `run`."""
        self._parts[name] = run

    def add_sensor(self, name: str, sensor: Sensor) -> None:
        """Keep a sensor as well, as long as this runs; before `run`."""
        self.sensors[name] = sensor
        self.add_part(name, lambda: self._keep_sensor(name, sensor))

    # --- the life of the link

    async def run(self) -> None:
        """Reach the wearable again and again, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for part, work in self._parts.items():
                    name = f"{part} {self.name}"
                    group.create_task(run_for_ever(work, name, Backoff(self._rng)), name=name)
                await self._keep_connected()
        finally:
            self.state = SupervisorState.IDLE
            if self._lease is not None:
                self._lease.release()
            with self._failures_logged():
                await self._driver.close()

    async def _keep_connected(self) -> None:
        backoff, loop = Backoff(self._rng), asyncio.get_running_loop()
        while True:
            self.state, self._up_s = SupervisorState.REACHING, math.inf
            try:
                with self._failures_logged():
                    await self._connect_once()
            finally:
                self.state = SupervisorState.WAITING
                try:
                    with self._failures_logged():
                        await self._detach()
                finally:
                    self._release_slot()
                    self._release_lease()
            lasted_s = loop.time() - self._up_s
            backoff.reset_if_stable(lasted_s)
            await self._pause(LOST_PAUSE_S if lasted_s >= STABLE_S else backoff.next_s())

    async def _pause(self, pause_s: float) -> None:
        """Wait before the next attempt, not for long while it is wanted."""
        self._look.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(pause_s, WANTED_PAUSE_S) if self._wanting else pause_s):
                await self._look.wait()

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Have the next link that is free while inside, and keep it.

        Where another host has the wearable and plays nothing on it, it is taken from that host.
        """
        self._wanting += 1
        holder = None if self._lease is None else self._lease.holder
        if self._lease is not None and holder is not None and holder.use is not Use.PLAYING:
            self._ask(self._lease)
        self._look.set()
        if self.slots is not None:
            self.slots.look()
        try:
            yield
        finally:
            self._wanting -= 1
            self._look.set()

    @contextmanager
    def _failures_logged(self) -> Iterator[None]:
        """Log what fails inside, of whatever kind; only a cancellation of this task passes."""
        try:
            yield
        except LinkError as error:
            if error.reason is LinkReason.FULL and self.slots is not None:
                self.slots.lower_limit()
            self._say(error)
        except (StoreError, TimeoutError) as error:
            _log.error("wearable=%s %s", self.name, str(error) or "an answer took too long")
        except RefusedError as error:
            _log.warning("wearable=%s %s", self.name, error)
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            self._say_unexpected(error)
        except Exception as error:  # noqa: BLE001 - it must not end the other wearables
            self._say_unexpected(error)

    async def _connect_once(self) -> None:
        """Connect, and stay connected until the link is lost or others need it."""
        lost = asyncio.Event()
        await self._wait_for_lease()
        await self._acquire_slot()
        await self._acquire_lease()
        await self._attach(lost)
        self.state, self._up_s = SupervisorState.UP, asyncio.get_running_loop().time()
        if self.slots is not None:
            self.slots.looks.add(self._look)
        try:
            await self._stay(lost)
        finally:
            if self.slots is not None:
                self.slots.looks.discard(self._look)
        if lost.is_set():
            self.problem = LinkError(LinkReason.LOST, f"{self.name} is out of reach")
        else:
            self.problem = self._is_held() or self._waits_for_slot()

    async def _acquire_slot(self) -> None:
        if self.slots is None:
            return
        if self.slots.is_full:
            self._say(self._waits_for_slot())
        await self.slots.acquire(lambda: self._wanting > 0)
        self._has_slot = True

    def _release_slot(self) -> None:
        if self.slots is not None and self._has_slot:
            self._has_slot = False
            self.slots.release()

    def _waits_for_slot(self) -> LinkError:
        place = "" if self.slots is None else f": {self.slots.place}"
        return LinkError(LinkReason.FULL, f"{self.name} waits for a link{place}")

    async def _wait_for_lease(self) -> None:
        """Wait until no other host has the wearable, or a user here has asked for it."""
        lease = self._lease
        while lease is not None and not lease.is_free:
            held = self._is_held()
            if held is not None:
                self._say(held)
            await lease.change()

    async def _acquire_lease(self) -> None:
        if self._lease is not None and not await self._lease.acquire():
            raise self._is_held() or LinkError(
                LinkReason.HELD, f"another host was quicker to claim {self.name}"
            )

    def _ask(self, lease: HostLease) -> None:
        lease.ask()
        self._asking_until_s = asyncio.get_running_loop().time() + TAKE_OVER_S

    def _release_lease(self) -> None:
        if self._lease is None:
            return
        # A session that is played here goes on without the link, and is nobody else's.
        plays_here = self._driver.hosts_player and self.playing
        # An attempt may fail while the other host lets go; that one would be quicker to claim it.
        is_asking = self._wanting and asyncio.get_running_loop().time() < self._asking_until_s
        if not plays_here and not is_asking:
            self._lease.release()

    def _is_held(self) -> LinkError | None:
        """Return who else has the wearable, None for nobody."""
        holder = None if self._lease is None else self._lease.holder
        if holder is None:
            return None
        does = ", which plays on it" if holder.use is Use.PLAYING else ""
        return LinkError(LinkReason.HELD, f"{self.name} is held by the host {holder.host}{does}")

    def _is_lease_lost(self) -> bool:
        return self._lease is not None and not self._lease.may_connect

    def _use(self) -> Use:
        """Return what this host does with the wearable, for the other hosts."""
        if self.playing and (self.connected.is_set() or self._driver.hosts_player):
            return Use.PLAYING
        return Use.LINKED if self.connected.is_set() else Use.TRYING

    async def _take_over(self, *, gently: bool) -> None:
        """Get the wearable from another host, where that is what stands in the way.

        Args:
            gently: Whether a session that it plays is left alone. Where the other host plays it,
                it always is: without its link it would wait.

        Raises:
            LinkError: It was not reached in time.
            RefusedError: The other host plays a session on it.
        """
        lease = self._lease
        if lease is None or self.connected.is_set() or (holder := lease.holder) is None:
            return
        if holder.use is Use.PLAYING and (gently or self._driver.hosts_player):
            raise RefusedError(
                "already_playing", f"{self.name} plays a session of the host {holder.host}"
            )
        self._ask(lease)
        try:
            with self.wanted():
                async with asyncio.timeout(TAKE_OVER_S):
                    await self.connected.wait()
        except TimeoutError:
            raise self.problem or LinkError(
                LinkReason.TIMEOUT, f"{self.name} was not taken over from {holder.host} in time"
            ) from None

    def _is_slot_due(self) -> bool:
        """Return whether others wait, and this one has had its time and told what it had to."""
        if self.slots is None or not self.slots.waiting or self.log.waiting or self._wanting:
            return False
        hold_s = self.slots.hold_s(playing=self.playing)
        return asyncio.get_running_loop().time() - self._up_s >= hold_s

    def _look_s(self) -> float:
        """Return after how long it looks anew whether the slot is due."""
        if self.slots is None:
            return math.inf
        return min(SLOTS_LOOK_S, self.slots.hold_s(playing=self.playing))

    async def _stay(self, lost: asyncio.Event) -> None:
        """Wait until the link is lost or others need it.

        Raises:
            LinkError: The link only seems to be there.
        """
        loop = asyncio.get_running_loop()
        probe_s = loop.time() + PROBE_EVERY_S
        while True:
            self._look.clear()
            if lost.is_set() or self._is_lease_lost() or self._is_slot_due():
                return
            if loop.time() >= probe_s:
                await self.log.clock.probe(PROBES_PLAYING if self.playing else PROBES_IDLE)
                probe_s = loop.time() + PROBE_EVERY_S
            silent_s = loop.time() - self._driver.heard_s
            if silent_s >= SILENCE_S:
                self._take(await self._driver.status())
                silent_s = 0.0
            with suppress(TimeoutError):
                wait_s = min(probe_s - loop.time(), SILENCE_S - silent_s, self._look_s())
                async with asyncio.timeout(wait_s):
                    await self._look.wait()

    async def _attach(self, lost: asyncio.Event) -> None:
        def on_lost() -> None:
            lost.set()
            self._look.set()

        told = await self._driver.connect(on_lost)
        stand_in = self._stand_in(self.name)
        identity = replace(told, device=device_of(told.serial, told.address, stand_in))
        await self.log.meet(identity)
        self._identity = identity
        await self.log.clock.probe(PROBES)
        status = await self._driver.status()
        self._take(status)
        self.log.plans.present_id = status.plan_id or NO_PLAN_ID
        await self.log.follow(status)
        if lost.is_set():
            raise LinkError(LinkReason.LOST, f"{self.name} was lost at once")
        self.problem = None
        self._said.clear()
        self.connected.set()
        self._tell_use()
        self._tell(LinkState.UP)
        self.log.link_restored()
        _log.info("wearable=%s connected", self.name)
        await self.commands.deliver()

    async def _keep_sensor(self, name: str, sensor: Sensor) -> None:
        """Keep a sensor, but while another host is connected to the wearable it is worn with."""
        lease = self._lease
        if lease is None:
            await sensor.run()
            return
        while True:
            while lease.is_elsewhere:
                await lease.change()

            async def wait_until_elsewhere() -> None:
                while not lease.is_elsewhere:
                    await lease.change()

            await first_of(
                {
                    f"{name} of {self.name}": sensor.run(),
                    f"lease of {self.name}": wait_until_elsewhere(),
                }
            )

    def _tell_use(self) -> None:
        if self._lease is not None:
            self._lease.tell_use()

    def _take(self, status: Status) -> None:
        self.battery_pct, self.present = status.battery_pct, None
        if self._identity is not None and status.playing and status.session is not None:
            self.present = self._identity.session(status.session)

    async def _detach(self) -> None:
        was_connected = self.connected.is_set()
        self.connected.clear()
        if was_connected:
            self._tell(LinkState.DOWN)
            self.log.link_lost()
            _log.info("wearable=%s link lost", self.name)
        await self._driver.disconnect()

    def _tell(self, state: LinkState) -> None:
        """Tell of the link; who is told must not end it."""
        try:
            self._tell_link(self.name, state)
        except Exception as error:  # noqa: BLE001 - as said
            _log.error(
                "wearable=%s link=%s was not told: %s", self.name, state, describe_failure(error)
            )

    def _say(self, error: LinkError) -> None:
        """Log a failure to connect, each kind of it once until it is connected."""
        if error.reason not in self._said:
            self._said.add(error.reason)
            level = logging.WARNING if error.reason in UNTRUSTED else logging.INFO
            then = "waiting" if error.reason is LinkReason.HELD else "trying again"
            _log.log(level, "wearable=%s reason=%s %s; %s", self.name, error.reason, error, then)
        self.problem = error

    def _say_unexpected(self, error: BaseException) -> None:
        what = describe_failure(error)
        _log.error("wearable=%s failed and is tried again: %s", self.name, what)
        self.problem = LinkError(
            LinkReason.PROTOCOL, f"an error inside Tenuto at {self.name}: {what}"
        )

    def _reached(self) -> Identity:
        is_here = self.connected.is_set() or self._driver.hosts_player
        if not is_here or self._identity is None:
            raise self.problem or LinkError(LinkReason.LOST, f"{self.name} is out of reach")
        return self._identity

    # --- what is asked of it, see `CommandSender`

    async def start(self, compiled: CompiledPlan, command_id: int | None = None) -> SessionKey:
        """Upload a plan and begin it; see `CommandSender.start`."""
        await self._take_over(gently=True)
        session = await self.commands.start(compiled, command_id)
        self._tell_use()
        return session

    async def start_at(
        self, make: Callable[[float], CompiledPlan], at_ms: float
    ) -> tuple[CompiledPlan, bool]:
        """Upload a plan and have it begun at a moment; see `CommandSender.start_at`."""
        return await self.commands.start_at(make, at_ms)

    async def keep(self, plans: Sequence[CompiledPlan]) -> int:
        """Put plans onto the wearable that it does not keep yet; see `CommandSender.keep`."""
        return await self.commands.keep(plans)

    async def command(self, verb: Verb, arg: int = 0, command_id: int | None = None) -> None:
        """Have the wearable obey a command; see `CommandSender.command`."""
        with suppress(LinkError):  # then it waits for the link, if it is one that can
            await self._take_over(gently=False)
        await self.commands.command(verb, arg, command_id)

    async def toggle(self, command_id: int | None = None) -> Verb:
        """Pause what plays or resume what is paused; see `CommandSender.toggle`."""
        await self._take_over(gently=False)
        return await self.commands.toggle(command_id)

    async def alert(self) -> None:
        """Have the wearable felt; see `CommandSender.alert`."""
        await self._take_over(gently=True)
        await self.commands.alert()

    async def present_session(self) -> SessionKey | None:
        """Return the session that it plays now; see `CommandSender.present_session`."""
        return await self.commands.present_session()
