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
from typing import TYPE_CHECKING

from tests.storm.claims import WAY_S
from tests.storm.storm import Storm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.storm.hosts import Host

LOOK_S = 0.1
CONNECT_S = 5.0
"""What it takes to connect to the band, and to read its log, when all is well."""


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
        having = [host for host in self.hosts if host.supervisor.connected.is_set()]
        assert len(having) == 1, f"connected are {[host.name for host in having]}"
        await self._stop_what_plays(having[0])
        await asyncio.sleep(CONNECT_S)
        for host in reversed(self.hosts):
            supervisor = host.supervisor
            with supervisor.wanted(), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    await supervisor.connected.wait()
            assert supervisor.connected.is_set(), f"{host.name} was not given the band"
            await asyncio.sleep(CONNECT_S)
        await super()._meet()

    # --- what is promised of the leases

    def _is_in_use(self, host: Host) -> bool:  # noqa: ARG002 - each has read the log in the end
        return True

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


def has_by_claim(host: Host) -> bool:
    """Return whether a host has the lease of the band, and not for want of a broker."""
    lease = host.lease
    return host.is_up and lease is not None and lease.may_connect and lease._lease.is_claimed
