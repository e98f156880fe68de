# SPDX-License-Identifier: MIT
"""Storms around one band that several hosts share: they agree by leases on which of them has it.

What is promised, beside all that is in every storm: two hosts do not have the band by claim for
longer than a message takes; when its holder dies another host has it in time; and in the end one
host has it, and whichever is asked gets it and tells all that the band has logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from typing import TYPE_CHECKING

from tests.storm.claims import WAY_S
from tests.storm.mqtt import StandIn
from tests.storm.rooms import MemoryRoom
from tests.storm.storm import Storm
from tests.storm.weather import What

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.storm.hosts import Host
    from tests.storm.mqtt import Mqtt
    from tests.storm.rooms import Room
    from tests.storm.weather import Trouble, Weather

LOOK_S = 0.1
SETTLED_S = 10.0
"""After so long the other hosts have heard that one is linked."""
CONNECT_S = 5.0
"""What it takes to connect to the band, and to read its log, when all is well."""


ASKED_S = 30.0
"""Within this a host that was asked takes the band, or not at all."""


class SharedStorm(Storm):
    """Plays a storm among hosts that share the band."""

    names: Sequence[str] = ("first", "second", "third")
    _is_calm = False

    async def _start_others(self) -> None:
        for name in self.names[1:]:
            await self._add_host(name, name)
        self._later("watch", self._watch())

    async def _calm_down(self) -> None:
        self._is_calm = True
        await super()._calm_down()

    async def _meet(self) -> None:
        """Have each host take the band from the one before, and read its log."""
        hosts = [host for host in self.hosts if host.is_up]
        having = [host for host in hosts if host.supervisor.connected.is_set()]
        assert len(having) == 1, f"connected are {[host.name for host in having]}"
        self._check_taken()
        await self._stop_what_plays(having[0])
        await asyncio.sleep(CONNECT_S)
        for host in reversed(hosts):
            supervisor = host.supervisor
            with supervisor.wanted(), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    await supervisor.connected.wait()
            assert supervisor.connected.is_set(), f"{host.name} was not given the band"
            await asyncio.sleep(CONNECT_S)
        await super()._meet()

    # --- what is promised of the leases

    def _is_in_use(self, host: Host) -> bool:
        return host.is_up  # each of them has read the log in the end

    @property
    def together_s(self) -> float:
        """For how long two hosts may have the band by claim."""
        return 2 * WAY_S

    async def _watch(self) -> None:
        since_s = math.inf
        while not (self._is_calm and len(self._helpers) == 1):
            await asyncio.sleep(LOOK_S)
            now_s = self._loop.time()
            having = [host.name for host in self.hosts if has_by_claim(host)]
            since_s = min(since_s, now_s) if len(having) > 1 else math.inf
            assert now_s - since_s <= self.together_s + LOOK_S, f"{having} have the band"
            self._look(now_s)

    def _look(self, now_s: float) -> None:
        """See what else is promised at each moment."""

    def _check_taken(self) -> None:
        """See that nobody who was linked lost the band to a host that was not asked."""
        for host in self.hosts:
            others = [other for other in self.hosts if other is not host]
            asked = [at_s for other in others for at_s, _ in other.submitted]
            for at_s, linked_s in host.taken:
                is_asked = any(at_s - ASKED_S <= asked_s <= at_s for asked_s in asked)
                assert is_asked or linked_s < SETTLED_S, (
                    f"{host.name} lost the band at {at_s:.1f} s, which nobody wanted"
                )


def has_by_claim(host: Host) -> bool:
    """Return whether a host has the lease of the band, and not for want of a broker."""
    lease = host.lease
    return host.is_up and lease is not None and lease.may_connect and lease._lease.is_claimed


class HouseStorm(SharedStorm):
    """Troubles befall one host of the house or another, and its way to the broker."""

    def __init__(self, weather: Weather, room: Room, mqtt: Mqtt, folder: Path) -> None:
        super().__init__(weather, room, mqtt, folder)
        assert isinstance(mqtt, StandIn)
        assert mqtt.claims is not None
        self._claims = mqtt.claims
        self._claims.takes_s = self._takes_s
        self._rng = random.Random(f"house {weather.seed}")
        self._way_s = self._slowest_s = WAY_S
        self._present: Host | None = None

    def _takes_s(self, _way: str) -> Sequence[float]:
        return (self._rng.uniform(WAY_S, self._way_s),)

    @property
    def together_s(self) -> float:
        """For how long two hosts may have the band by claim."""
        return 2 * self._slowest_s

    @property
    def host(self) -> Host:
        """The one that people are at."""
        return self._present or self.hosts[0]

    async def _go_through(self) -> None:
        await super()._go_through()
        self._present = None

    async def _happen(self, trouble: Trouble) -> None:
        self._present = host = self._rng.choice(self.hosts)
        what, for_s = trouble.what, trouble.value
        if what is What.KILL_HOST:
            self._later("kill", self._kill(host, for_s, kill=trouble.word == "kill"))
        elif what is What.SILENCE and self._rng.random() < 0.7:
            self._later("walk", self._walk_away(host, for_s))
        elif what in (What.BROKER_DEAD, What.BROKER_CUT):
            await self._claims.disconnect(host.name)
            self._later("line", self._after(for_s, lambda: self._claims.connect(host.name)))
        elif what is What.BROKER_RESTART:
            await self._claims.stop(forgets=trouble.word == "forgets")
            self._later("broker", self._after(for_s, self._claims.start))
        elif what is What.BROKER_SLOW:
            self._way_s = float(trouble.word)
            self._slowest_s = max(self._slowest_s, self._way_s)
            self._later("hurry", self._after(for_s, self._hurry))
        else:
            await super()._happen(trouble)

    async def _after(self, for_s: float, do: Callable[[], None]) -> None:
        await asyncio.sleep(for_s)
        do()

    def _hurry(self) -> None:
        self._way_s = WAY_S

    async def _kill(self, host: Host, away_s: float, *, kill: bool) -> None:
        if host.is_up and host.name in self.names:
            await host.stop(kill=kill)
            await asyncio.sleep(away_s)
            await host.start()

    async def _walk_away(self, host: Host, for_s: float) -> None:
        assert isinstance(self.room, MemoryRoom)
        self.room.part(host.name)
        await asyncio.sleep(for_s)
        self.room.join(host.name)
