# SPDX-License-Identifier: MIT
"""Where a storm takes place: a wearable, what it is worn on, and the air between it and hosts.

`RadioRoom` is everything there is: bleak, a virtual radio, the firmware on a virtual board.
`ProxyRoom` has ESPHome proxies in the place of the host's radio, and a wearer who walks about.
`MemoryRoom` leaves out the radio and the board, and so plays ten times as many storms.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.links.radios.adapters import radio_of
from tenuto.sessions.events import Record
from tenuto.shipped import shipped
from tenuto.simulator import VirtualPerson, World
from tenuto.state.keys import BandKeys, KeyStore
from tenuto.wearables.band import BandDriver
from tenuto_core.buzzer import Motor
from tenuto_core.log import RECORD_BYTES, unpack_record
from tests.proxies.rig import proxies_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.links.radios.bumble import BumbleAdapter
    from tenuto.wearables.base import Driver
    from tenuto_core.band import Band
    from tenuto_core.log import Log
    from tests.storm.weather import Weather


LISTENS_S = 10.0
"""How long a host listens for a wearable, which is not heard while it is linked to another one."""
ADVERTISES_S = 0.3
"""How often it is heard when it is not."""


@dataclass
class Life:
    """What a wearable did from one start to the next.

    edges: (ms of its clock, strength in %; 0 is off).  records: of its log, as far as it held them.
    """

    boot_id: int
    edges: list[tuple[float, int]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


def records_of(log: Log) -> list[Record]:
    """Give all records that a log still holds."""
    found: list[Record] = []
    while log.first + len(found) < log.next:
        first = log.first + len(found)
        data = log.read(first, log.capacity)
        found += [
            Record(first + index, *unpack_record(data, index * RECORD_BYTES))
            for index in range(len(data) // RECORD_BYTES)
        ]
    return found


class Room(Protocol):
    """What a storm needs."""

    past: list[Life]

    async def open(self, weather: Weather) -> None: ...
    async def close(self) -> None: ...
    async def driver(self, host: str, utc_ms: Callable[[], float]) -> Driver: ...
    async def leave(self, host: str) -> None: ...
    def band(self) -> Band: ...
    def present(self) -> Life: ...
    def press(self, held_ms: float) -> None: ...
    def silence(self, duration_s: float) -> None: ...
    def drop(self) -> None: ...
    def set_loss(self, share: float) -> None: ...
    def calm_down(self) -> None: ...
    def set_battery(self, percent: float) -> None: ...
    async def reset(self, reason: str) -> None: ...
    def complaints(self) -> list[str]: ...


class RadioRoom:
    """The whole stack."""

    def __init__(self) -> None:
        self.past: list[Life] = []
        self._stack = AsyncExitStack()
        self._adapters: dict[str, BumbleAdapter] = {}
        self._links: dict[str, BleAdapter] = {}
        self._keys: dict[str, BandKeys] = {}
        self._first_edge = 0

    async def open(self, weather: Weather) -> None:
        """Furnish it."""
        self._world = await self._stack.enter_async_context(
            World(weather.seed, loss=weather.loss, advertising_loss=weather.loss / 2)
        )
        self._wearable = await self._world.add_wearable(
            "band",
            firmware_dir=shipped("firmware"),
            person=VirtualPerson(seed=weather.seed, start_bpm=110),
            drift_ppm=weather.drift_ppm,
        )

    async def close(self) -> None:
        """End everything; raises FirmwareError if the firmware crashed."""
        await self._stack.aclose()

    async def driver(self, host: str, utc_ms: Callable[[], float]) -> BandDriver:
        """Give the driver of a host that was started."""
        if host not in self._adapters:
            self._adapters[host] = await self._world.adapter(host)
        self._links[host] = BleAdapter(radio_of(self._adapters[host]), name=host)
        keys = self._keys.setdefault(host, KeyStore(None).of(host))
        link = BleLink(self._links[host], self._wearable.address)
        return BandDriver(link, keys=keys, utc_ms=utc_ms)

    async def leave(self, host: str) -> None:
        """Let go of what a host had."""

    def band(self) -> Band:
        """Give the core of the wearable."""
        band: Band = self._wearable.app.band
        return band

    def present(self) -> Life:
        """Give what it did since it was started last, on the clock of its log."""
        board = self._wearable.board
        ahead_ms = board.ticks_ms() - self._wearable.app._clock.now()
        edges = self._wearable.motor.edges[self._first_edge :]
        return Life(
            self.band().boot_id,
            [(edge.t_ms - ahead_ms, edge.strength_pct if edge.on else 0) for edge in edges],
            records_of(self.band().log),
        )

    def press(self, held_ms: float) -> None:
        """Press the button."""
        self._wearable.button.press(held_ms)

    def silence(self, duration_s: float) -> None:
        """Take the wearable off the air."""
        self._world.radio.silence(self._wearable.address, duration_s)

    def drop(self) -> None:
        """Break its links at this very moment."""
        self._world.radio.drop(self._wearable.address)

    def set_loss(self, share: float) -> None:
        """Lose this share of all transmissions."""
        self._world.radio.loss = share
        self._world.radio.advertising_loss = share / 2

    def calm_down(self) -> None:
        """Put the air in order."""
        self.set_loss(0.0)

    def set_battery(self, percent: float) -> None:
        """Charge or discharge it."""
        self._wearable.battery.set_level(percent)

    async def reset(self, reason: str) -> None:
        """Start the wearable anew."""
        self._wearable.motor.off()
        self.past.append(self.present())
        self._first_edge = len(self._wearable.motor.edges)
        self._wearable.board.reset_reason = reason
        await self._wearable.reset()

    def complaints(self) -> list[str]:
        """Give what went wrong inside."""
        board = self._wearable.board
        blocked = [f"blocked: {call}" for call in board.bleio.adapter.blocking_calls]
        return [*blocked, *(repr(error) for error in board.task_errors)]


class ProxyRoom(RadioRoom):
    """The whole stack by ESPHome proxies, and a wearer who walks about between them.

    Each host has proxies of its own, since a proxy serves one; one in each room of the house, at
    times one that is started anew, hears badly, or loses slots.
    """

    ROOMS = 3
    WALKS_MAX = 40

    async def open(self, weather: Weather) -> None:
        """Furnish it."""
        await super().open(weather)
        self._chance = random.Random(f"walks {weather.seed}")
        self._lanes: dict[str, BleAdapter] = {}
        self._world.house.put(self._wearable.address, 0.0)
        self._is_calm = asyncio.Event()
        self._walking = asyncio.create_task(self._walk_about(), name="walk about")

    async def _walk_about(self) -> None:
        for _ in range(self.WALKS_MAX):
            # Everybody comes home in the end: each promise holds where something is in reach.
            place = 0.0 if self._is_calm.is_set() else self._chance.uniform(0, self.ROOMS - 1)
            walking_s = self._chance.uniform(1, 15)
            await self._world.house.walk(self._wearable.address, place, walking_s)
            if self._is_calm.is_set():
                break
            proxy = self._chance.choice(list(self._world.proxies.values()) or [None])
            what = self._chance.random()
            if proxy is not None and what < 0.15:
                await proxy.reboot(self._chance.uniform(2, 20))
            elif proxy is not None and what < 0.3:
                proxy.faults.fails_connects = not proxy.faults.fails_connects
            elif proxy is not None and what < 0.4:
                proxy.faults.ignores_connects = not proxy.faults.ignores_connects
            elif proxy is not None and what < 0.6:
                proxy.faults.leaks_slots = not proxy.faults.leaks_slots
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(0, 30)):
                    await self._is_calm.wait()
        for proxy in self._world.proxies.values():
            proxy.faults.clear()
            await proxy.boot()

    async def close(self) -> None:
        """End everything."""
        self._walking.cancel()
        await asyncio.gather(self._walking, return_exceptions=True)
        for host in list(self._lanes):
            await self.leave(host)
        await super().close()

    async def driver(self, host: str, utc_ms: Callable[[], float]) -> BandDriver:
        """Give the driver of a host that was started."""
        names = [f"{host.replace(' ', '-')}-{number}" for number in range(self.ROOMS)]
        for number, name in enumerate(names):
            if name not in self._world.proxies:
                # The last one hears badly, so that what it connects to is lost again and again.
                weak_db = 25.0 if number == self.ROOMS - 1 else 0.0
                await self._world.add_proxy(name, number, weak_db=weak_db)
        self._lanes[host] = adapter = proxies_of(self._world, names)
        keys = self._keys.setdefault(host, KeyStore(None).of(host))
        return BandDriver(BleLink(adapter, self._wearable.address), keys=keys, utc_ms=utc_ms)

    async def leave(self, host: str) -> None:
        """Let go of what a host had."""
        adapter = self._lanes.pop(host, None)
        if adapter is not None:
            await adapter.close()

    def calm_down(self) -> None:
        """Put everything in order; the wearer goes home and stays there."""
        super().calm_down()
        self._is_calm.set()


class _Motor(Motor):
    """Ends each pulse by itself, as the real ones must, and notes each edge."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.now_ms: Callable[[], float] = lambda: 0.0
        self.edges: list[tuple[float, int]] = []

    def on(self, strength_pct: int, on_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.edges.append((self.now_ms(), strength_pct))
        self._timer = self._loop.call_later(on_ms / 1000, self.off)

    def off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.edges.append((self.now_ms(), 0))


class MemoryLink(InProcessLink):
    """A link to a band that may take only so many at a time."""

    links_max: int | None = None

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """See `Link`."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + LISTENS_S
        await self.disconnect()
        while self._is_full(0):
            if loop.time() >= until_s:
                raise LinkError(LinkReason.NOT_FOUND, f"{self.name} is linked and not heard")
            await asyncio.sleep(ADVERTISES_S)
        await super().connect(on_packet, on_lost)
        if self._is_full(1):
            await self.disconnect()
            raise LinkError(LinkReason.LOST, f"{self.name} was linked at once to another host")

    def _is_full(self, own: int) -> bool:
        return self.links_max is not None and len(self._band.links) - own >= self.links_max


class MemoryRoom:
    """The host, and the core of the wearable.

    links_max: how many hosts may be linked to the wearable at a time, None for all.
    """

    def __init__(self, links_max: int | None = None) -> None:
        self.links_max = links_max
        self.past: list[Life] = []
        self._links: dict[str, InProcessLink] = {}
        self._loss = 0.0
        self._silence: asyncio.TimerHandle | None = None
        self._is_silent = False

    async def open(self, weather: Weather) -> None:
        """Furnish it."""
        self._rng = random.Random(f"{weather.seed}/air")
        self._loss = weather.loss
        self._boots = 0
        self._boot()

    def _boot(self, **parts: Any) -> None:
        self._boots += 1
        self._motor = _Motor()
        self._band = InProcessBand(self._motor, boot_id=self._boots, name="band", **parts)
        start_s = asyncio.get_running_loop().time()
        loop = asyncio.get_running_loop()
        self._motor.now_ms = lambda: (loop.time() - start_s) * 1000

    async def close(self) -> None:
        """End everything."""
        for link in self._links.values():
            await link.disconnect()
        if self._band._timer is not None:
            self._band._timer.cancel()

    def _lose(self, _direction: str, _packet: bytes) -> bool:
        return self._is_silent or self._rng.random() < self._loss

    async def driver(self, host: str, utc_ms: Callable[[], float]) -> BandDriver:
        """Give the driver of a host that was started."""
        link = MemoryLink(self._band, lose=self._lose)
        link.links_max = self.links_max
        link.reachable = not self._is_silent
        self._links[host] = link
        return BandDriver(link, utc_ms=utc_ms)

    async def leave(self, host: str) -> None:
        """Let go of what a host had."""
        await self._links.pop(host).disconnect()

    def band(self) -> Band:
        """Give the core of the wearable."""
        return self._band.band

    def present(self) -> Life:
        """Give what it did since it was started last."""
        return Life(self.band().boot_id, list(self._motor.edges), records_of(self.band().log))

    def press(self, held_ms: float) -> None:
        """Press the button."""
        self._band.press(round(held_ms))

    def silence(self, duration_s: float) -> None:
        """Take the wearable off the air; links break after 4 s."""
        self._hush(True)
        loop = asyncio.get_running_loop()
        if self._silence is not None:
            self._silence.cancel()
        self._silence = loop.call_later(duration_s, self._hush, False)
        if duration_s >= 4:
            loop.call_later(4, self.drop)

    def _hush(self, is_silent: bool) -> None:
        self._is_silent = is_silent
        for link in self._links.values():
            link.reachable = not is_silent

    def part(self, host: str) -> None:
        """Take the wearable out of reach of one host."""
        if host in self._links:
            self._links[host].reachable = False
            self._links[host].drop()

    def join(self, host: str) -> None:
        """Bring it back into reach of that host."""
        if host in self._links:
            self._links[host].reachable = not self._is_silent

    def drop(self) -> None:
        """Break its links at this very moment."""
        for link in self._links.values():
            link.drop()

    def set_loss(self, share: float) -> None:
        """Lose this share of all packets."""
        self._loss = share

    def calm_down(self) -> None:
        """Put the links in order."""
        self.set_loss(0.0)

    def set_battery(self, percent: float) -> None:
        """Charge or discharge it."""
        self._band.band.battery_pct = round(percent)

    async def reset(self, reason: str) -> None:  # noqa: ARG002 - it forgets everything in any case
        """Start the wearable anew."""
        self._motor.off()
        self.past.append(self.present())
        self.drop()
        if self._band._timer is not None:
            self._band._timer.cancel()
        self._boot()
        for link in self._links.values():
            link._band = self._band

    def complaints(self) -> list[str]:
        """Give what went wrong inside."""
        return []
