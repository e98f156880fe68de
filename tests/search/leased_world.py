# SPDX-License-Identifier: MIT
"""The small world of two hosts that share the band by a lease.

The band takes one link. One claim, on its way to the broker or from there to a host, is lost or
comes late, and one thing crashes: the band, the broker, or a host, which is there again soon or
after much longer than a claim lasts. The messages between the hosts and the band are left alone:
they have a world of their own.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from tenuto.sessions.commands import Verb
from tenuto.sessions.lease import ANSWER_S, BROKER_S, LASTS_S, RENEW_S
from tests.search.choices import CRASH, MESSAGE
from tests.search.small_world import AWAY_S, FIRST, SECOND, Act, ChoosingRoom, SmallWorld
from tests.storm.claims import WAY_S, ClaimBroker
from tests.storm.mqtt import StandIn
from tests.storm.shared import CONNECT_S, SharedStorm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.search.choices import Choices
    from tests.storm.hosts import Host

LATE_S = 4.0
"""So late that what was said after it has come."""
DEAD_S = 2 * LASTS_S
OUTAGE_S = 3 * BROKER_S
"""Of the broker: its hosts connect without it."""

PLAYS = {
    "shared: plays through": (),
    "shared: the second stops": (Act(3.2, SECOND),),
    "shared: one after the other": (
        Act(3.2, FIRST),
        Act(6.0, SECOND, Verb.START),
        Act(9.0, FIRST),
    ),
}
"""What people do, as in `small_world`."""


class LeasedWorld(SharedStorm, SmallWorld):
    """Plays one world."""

    names = (FIRST, SECOND)

    def __init__(self, acts: Sequence[Act], choices: Choices, folder: Path) -> None:
        claims = ClaimBroker(self._takes_s, self._may_crash)
        room = ChoosingRoom(choices, links_max=1, loses_packets=False)
        super().__init__(acts, choices, folder, room=room, mqtt=StandIn(claims))
        self._claims = claims
        self._alone_since_s = math.inf

    # --- what may go wrong

    def _takes_s(self, way: str) -> Sequence[float]:
        what = self.choices.choose(MESSAGE, way, ("", "lost", "late"))
        return {"": (WAY_S,), "lost": (), "late": (LATE_S,)}[what]

    def _may_crash(self, name: str, way: str) -> None:
        if self.room.is_mute(name):
            return
        what = self.choices.choose(CRASH, way, ("", "crash", "dies", "broker forgets"))
        if what == "broker forgets":
            self._later(what, self._restart_broker())
        elif what:
            self._on_host_crash(name, DEAD_S if what == "dies" else AWAY_S)

    def _on_host_crash(self, name: str, away_s: float = AWAY_S) -> None:
        self._claims.cut(name)
        super()._on_host_crash(name, away_s)

    async def _restart_broker(self) -> None:
        await self._claims.stop(forgets=True)
        await asyncio.sleep(OUTAGE_S)
        self._claims.start()

    # --- the promises

    def _is_linked(self, host: Host) -> bool:  # noqa: ARG002 - see `_meet`
        return True

    @property
    def _wrong(self) -> set[str]:
        return {wrong.what for wrong in self.happened}

    @property
    def together_s(self) -> float:
        """For how long two hosts may have the band by claim."""
        late_s = LATE_S if "late" in self._wrong else 0.0
        # Whoever did not hear of it hears of it with the next beat.
        return super().together_s + late_s + (RENEW_S if "lost" in self._wrong else 0.0)

    @property
    def stop_s(self) -> float:
        """How long a stop may take: it may need the band from the other host first."""
        return super().stop_s + (ANSWER_S if {"late", "lost"} & self._wrong else 0.0)

    def _look(self, now_s: float) -> None:
        is_cared_for = any(host.is_up and host.supervisor.connected.is_set() for host in self.hosts)
        self._alone_since_s = math.inf if is_cared_for else min(self._alone_since_s, now_s)
        alone_s = now_s - self._alone_since_s
        assert alone_s <= self._alone_s, f"nobody has the band for {alone_s:.1f} s"

    @property
    def _alone_s(self) -> float:
        return LASTS_S + CONNECT_S + self.together_s
