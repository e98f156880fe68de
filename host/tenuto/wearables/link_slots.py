# SPDX-License-Identifier: MIT
"""Shares the links of an adapter among more wearables than it carries at once.

Adapters carry some 5 to 20 links.  A wearable that plays alone can do without its link for a while:
it releases its slot, and what it logs meanwhile is read when it has a slot again.
ESPHome's proxies carry three each, and are shared by all the wearables near each: `LaneSlot`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tenuto.links.ble import BleAdapter
    from tenuto.links.lanes import Lanes

_log = logging.getLogger(__name__)

IDLE_HOLD_S = 15.0
PLAYING_HOLD_S = 60.0
"""How long a wearable keeps its slot at least while others wait."""
ROUND_S = 45.0
"""On lanes, everybody who waits has a link once in so long, as far as that can be done."""
VISIT_S, HOLD_S_MIN = 2.5, 0.5
"""What it takes to connect, and to hand over what was logged."""


class Slots(Protocol):
    """What a supervisor asks of the links that it shares with others."""

    @property
    def is_full(self) -> bool:
        """Whether `acquire` would wait now."""
        ...

    @property
    def waiting(self) -> int:
        """How many others wait for what this one has."""
        ...

    @property
    def place(self) -> str:
        """What carries no more links, for messages."""
        ...

    async def acquire(self) -> None:
        """Wait for a slot; each is to be released by `release`."""

    def release(self) -> None:
        """Release a slot; the one that has waited longest gets it."""

    def lower_limit(self) -> None:
        """Note that a link was refused although there was a slot."""

    def hold_s(self, *, playing: bool) -> float:
        """Return how long it may keep its slot while others wait."""
        ...


def _least_hold_s(*, playing: bool) -> float:
    return PLAYING_HOLD_S if playing else IDLE_HOLD_S


class LinkSlots:
    """The slots for links on one adapter, acquired in the order of asking.

    Args:
        adapter: its name, for messages.
        limit: how many links it carries at once, None until it says that it is full.

    Attributes:
        held: how many slots are acquired: of those that have a link or try to get one.
    """

    def __init__(self, adapter: str, limit: int | None = None) -> None:
        self.adapter = adapter
        self.limit = limit
        self.held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._waiting)

    @property
    def place(self) -> str:
        """What carries no more links; see `Slots`."""
        return f"the adapter carries {self.limit} at once"

    def hold_s(self, *, playing: bool) -> float:
        """Return how long a slot may be kept while others wait; see `Slots`."""
        return _least_hold_s(playing=playing)

    @property
    def is_full(self) -> bool:
        """Whether `acquire` would wait now."""
        return bool(self._waiting) or (self.limit is not None and self.held >= self.limit)

    def lower_limit(self) -> None:
        """Note that the adapter has refused a link to a wearable that holds a slot."""
        carried = max(1, self.held - 1)
        if self.limit is None or carried < self.limit:
            self.limit = carried
            _log.warning(
                "adapter=%s carries no more than %d links at once; the wearables share them",
                self.adapter,
                carried,
            )

    async def acquire(self) -> None:
        """Wait for a slot; each is to be released by `release`."""
        if not self.is_full:
            self.held += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.release()  # it came just now
            elif place in self._waiting:
                self._waiting.remove(place)
            raise

    def release(self) -> None:
        """Release a slot; the one that has waited longest gets it."""
        self.held -= 1
        while self._waiting and (self.limit is None or self.held < self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.held += 1
                place.set_result(None)


class LaneSlot:
    """The slot of one wearable on a radio with lanes, which see to the order themselves.

    Args:
        adapter: The radio's.
        address: The wearable's.
    """

    def __init__(self, adapter: BleAdapter, address: str) -> None:
        self._adapter = adapter
        self._address = address
        self._lanes: Lanes | None = None

    @property
    def is_full(self) -> bool:
        """Whether `acquire` would wait now."""
        return self._lanes is not None and self._lanes.is_full(self._address)

    @property
    def waiting(self) -> int:
        """How many others wait for the lane that this one is on."""
        return 0 if self._lanes is None else self._lanes.waiting(self._address)

    @property
    def place(self) -> str:
        """What carries no more links; see `Slots`."""
        return "the proxies near it carry no more at once"

    async def acquire(self) -> None:
        """Wait for a slot on a lane that reaches the wearable.

        Raises:
            LinkError: The radio cannot be opened.
        """
        self._lanes = (await self._adapter.radio()).lanes
        if self._lanes is not None:
            await self._lanes.reserve(self._address)

    def release(self) -> None:
        """Release a slot that was not used; one that was used is free when its link has ended."""
        if self._lanes is not None:
            self._lanes.release(self._address)

    def lower_limit(self) -> None:
        """Do nothing: each lane tells its limit."""

    def hold_s(self, *, playing: bool) -> float:
        """Return how long a slot may be kept, the shorter the more wait for it; see `Slots`."""
        if self._lanes is None:
            return _least_hold_s(playing=playing)
        slots = self._lanes.slots(self._address)
        share_s = ROUND_S * slots / (slots + self.waiting) - VISIT_S
        return min(_least_hold_s(playing=playing), max(HOLD_S_MIN, share_s))
