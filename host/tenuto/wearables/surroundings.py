# SPDX-License-Identifier: MIT
"""What the parts of one wearable need of the host around it, as interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from tenuto.sessions.device import named

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from tenuto.routines.exercise import Exercise
    from tenuto.sessions.device_clock import Skew
    from tenuto.sessions.events import Entry, Event, Record, SessionKey


class LinkState(StrEnum):
    """Whether a wearable is in reach."""

    UP = "up"
    DOWN = "down"


class KeptRow(Protocol):
    """A session in the history."""

    @property
    def key(self) -> SessionKey:
        """Which session it is."""
        ...

    @property
    def plan_id(self) -> str | None:
        """The id of its plan in hexadecimal, None where it is not known."""
        ...

    @property
    def started_utc_ms(self) -> int:
        """When its first known record happened, in ms since 1970."""
        ...


class KeptRecord(Protocol):
    """A record in the history."""

    @property
    def record(self) -> Record:
        """The record as the wearable wrote it."""
        ...

    @property
    def utc_ms(self) -> int:
        """When it happened, in ms since 1970."""
        ...


class KeptEvent(Protocol):
    """An event in the history that only the host noticed."""

    @property
    def event(self) -> Event:
        """What happened."""
        ...

    @property
    def utc_ms(self) -> int:
        """When it happened, in ms since 1970."""
        ...


class KeptSession(Protocol):
    """A session of which the history does not have the end."""

    @property
    def row(self) -> KeptRow:
        """What is known of it as a whole."""
        ...

    @property
    def records(self) -> Sequence[KeptRecord]:
        """Its records, in order of their numbers."""
        ...

    @property
    def host_events(self) -> Sequence[KeptEvent]:
        """What only the host noticed, in order of session time."""
        ...


class History(Protocol):
    """What is asked of the history; each method may raise StoreError."""

    async def plan(self, plan_id: str) -> bytes | None:
        """Return the bytes of a plan, None where they are not known."""
        ...

    async def describe(self, plan_id: str, exercises: Sequence[Exercise]) -> None:
        """Keep what a routine says of the exercises of a plan."""

    async def meet(self, device: str, boot_id: int, *before: str) -> None:
        """Take note of a device that was reached, and of what it may have been known by before."""

    async def last_seq(self, device: str, boot_id: int) -> int | None:
        """Return the number of the newest record of a boot, None before the first."""
        ...

    async def unfinished(self, *devices: str) -> Sequence[KeptSession]:
        """Return the sessions of devices that have no end, oldest first."""
        ...


@dataclass
class Surroundings:
    """The host around its wearables.

    Attributes:
        store: The history.
        utc_ms: Returns the UTC of now in ms since 1970.
        put: Hands an entry to all queues at once; never waits.
        has_room: Returns whether the history can take this many more entries.
        on_link: Called when the link of a wearable comes or goes; must not wait.
        rng: For jitter.
        skew: Returns what is remembered of a wearable's clock, None for nothing.
        learn: Remembers it; must not wait.
        stand_in: Returns what to know a wearable by that tells neither serial number nor address;
            see `tenuto.sessions.device`.
    """

    store: History
    utc_ms: Callable[[], float]
    put: Callable[[Entry], None]
    has_room: Callable[[int], bool]
    on_link: Callable[[str, LinkState], None]
    rng: random.Random
    skew: Callable[[str], Skew | None] = lambda _wearable: None
    learn: Callable[[str, Skew], None] = lambda _wearable, _skew: None
    stand_in: Callable[[str], str] = named
