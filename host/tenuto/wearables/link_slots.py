# SPDX-License-Identifier: MIT
"""Shares the links of an adapter among more wearables than it carries at once.

Adapters carry some 5 to 20 links.  A wearable that plays alone can do without its link for a while:
it releases its slot, and what it logs meanwhile is read when it has a slot again.
ESPHome's proxies carry three each, and are shared by all the wearables near each: `LaneSlot`.

Where somebody waits for a wearable, as for a whole class that is to begin, it is wanted: it gets
the next slot that is free, keeps it meanwhile, and those that are not wanted make room at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.links.lanes import Lanes

_log = logging.getLogger(__name__)

IDLE_HOLD_S = 15.0
PLAYING_HOLD_S = 60.0
"""How long a wearable keeps its slot at least while others wait."""
WANTED_HOLD_S = 1.0
"""The same while wearables wait that are wanted."""
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

    @property
    def limit(self) -> int | None:
        """How many links there are at once, as far as that is known."""
        ...

    @property
    def looks(self) -> set[asyncio.Event]:
        """What `look` sets."""
        ...

    def look(self) -> None:
        """Have those with a slot look whether to make room: a wearable has become wanted."""

    async def acquire(self, is_wanted: Callable[[], bool]) -> None:
        """Wait for a slot; each is to be released by `release`.

        Args:
            is_wanted: Returns whether somebody waits for this wearable just now.
        """

    def release(self) -> None:
        """Release a slot; of those that are wanted, or else of all, the longest waiting gets it."""

    def lower_limit(self) -> None:
        """Note that a link was refused although there was a slot."""

    def hold_s(self, *, playing: bool) -> float:
        """Return how long it may keep its slot while others wait."""
        ...


def _least_hold_s(*, playing: bool) -> float:
    return PLAYING_HOLD_S if playing else IDLE_HOLD_S


@dataclass(eq=False, slots=True)
class _Place:
    """A place in the queue."""

    is_wanted: Callable[[], bool]
    turn: asyncio.Future[None]


def _never() -> bool:
    return False


class LinkSlots:
    """The slots for links on one adapter, acquired in the order of asking.

    Args:
        adapter: Its name, for messages.
        limit: How many links it carries at once, None until it says that it is full.

    Attributes:
        held: How many slots are acquired: of those that have a link or try to get one.
        looks: See `Slots`.
    """

    def __init__(self, adapter: str, limit: int | None = None) -> None:
        self.adapter = adapter
        self.limit = limit
        self.held = 0
        self.looks: set[asyncio.Event] = set()
        self._waiting: deque[_Place] = deque()

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
        if any(place.is_wanted() for place in self._waiting):
            return WANTED_HOLD_S
        return _least_hold_s(playing=playing)

    def look(self) -> None:
        """Have those with a slot look whether to make room; see `Slots`."""
        for look in self.looks:
            look.set()

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

    async def acquire(self, is_wanted: Callable[[], bool] = _never) -> None:
        """Wait for a slot; see `Slots`."""
        if not self.is_full:
            self.held += 1
            return
        place = _Place(is_wanted, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        if is_wanted():
            self.look()
        try:
            await place.turn
        except asyncio.CancelledError:
            if place.turn.done() and not place.turn.cancelled():
                self.release()  # it came just now
            elif place in self._waiting:
                self._waiting.remove(place)
            raise

    def release(self) -> None:
        """Release a slot; see `Slots`."""
        self.held -= 1
        while self._waiting and (self.limit is None or self.held < self.limit):
            place = next((one for one in self._waiting if one.is_wanted()), self._waiting[0])
            self._waiting.remove(place)
            if not place.turn.done():
                self.held += 1
                place.turn.set_result(None)


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
        self.looks: set[asyncio.Event] = set()

    @property
    def limit(self) -> int | None:
        """How many links the lane carries; see `Slots`."""
        return None if self._lanes is None else self._lanes.slots(self._address)

    def look(self) -> None:
        """Do nothing: the more wait for a lane, the sooner each makes room."""

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

    async def acquire(self, is_wanted: Callable[[], bool] = _never) -> None:  # noqa: ARG002 - see `look`
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
