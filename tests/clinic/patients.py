# SPDX-License-Identifier: MIT
"""A patient of the clinic: a band with the real core, and what it ever logged."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto_core import vocab
from tenuto_core.buzzer import Motor
from tenuto_core.log import RECORD_BYTES, Log, unpack_record
from tests.core.rig import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator

LOST_SHARE = 0.02
"""Of the packets, as on a radio."""
CAUSES = (vocab.CAUSE_POWER_ON, vocab.CAUSE_WATCHDOG)


@dataclass
class Life:
    """What a band logged from one boot to the next.

    Attributes:
        records: 16 bytes each, by their numbers.
        is_over: Whether the memory that held them is gone.
    """

    boot_id: int
    records: list[bytes] = field(default_factory=list)
    is_over: bool = False

    def sessions(self) -> Iterator[tuple[int, int, str | None]]:
        """Return the first record of each session, the one after its last, and how it ended."""
        first: int | None = None
        for number, record in enumerate(self.records):
            _, kind, _, a, *_ = unpack_record(record)
            if kind == vocab.SESSION_STARTED:
                first = number
            elif kind == vocab.SESSION_ENDED and first is not None:
                yield first, number + 1, vocab.END_REASONS[a & 0xFF]
                first = None
        if first is not None:
            yield first, len(self.records), None


class _KeptLog(Log):
    """A band's log, each record of which the test has too, whatever becomes of the band."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self._life = life

    def append(self, *values: int) -> int:
        number = super().append(*values)
        if not self._life.is_over:
            start = number % self.capacity * RECORD_BYTES
            self._life.records.append(bytes(self._ring[start : start + RECORD_BYTES]))
        return number


class Patient:
    """Somebody with a band, who goes from room to room.

    Attributes:
        name: Of the person; the band is called `band-` and that.
        rooms: Where they go, by the numbers of the rooms.
        place: Where they are; None out of reach of everybody.
        lives: All boots of the band, the present one last.
    """

    def __init__(self, number: int, rooms: tuple[int, ...], seed: int) -> None:
        self.name = f"p{number:03}"
        self.rooms = rooms
        self.rng = random.Random(f"{seed}/{self.name}")
        self.place: int | None = None
        self.lives: list[Life] = []
        self.links: dict[int, InProcessLink] = {}
        self._flash = Memory()
        self._is_on = False
        self.boot(vocab.CAUSE_POWER_ON)

    @property
    def wearable(self) -> str:
        """What hosts call the band."""
        return f"band-{self.name}"

    @property
    def device(self) -> str:
        """What the band is known by in every history."""
        return f"serial:{self.name}"

    @property
    def is_playing(self) -> bool:
        """Whether a session goes on, paused or not."""
        return self._is_on and self.band.band.is_playing

    # --- the band

    def boot(self, cause: int) -> None:
        """Switch the band on; it has what is in its flash, and a new log."""
        life = Life(self.rng.getrandbits(32))
        self.lives.append(life)
        self.band = InProcessBand(
            Motor(),
            life.boot_id,
            self.wearable,
            storage=self._flash,
            cause=cause,
            log=_KeptLog(life),
        )
        self.band.band.serial = self.name.encode()
        self._is_on = True
        for link in self.links.values():
            link._band = self.band
        self.band.poke()

    def lose_power(self) -> None:
        """Let the battery be empty at this very moment: what was only in memory is gone."""
        self._is_on = False
        self.lives[-1].is_over = True
        self.cut_links()
        self.band.sleep()

    async def recover(self, after_s: float) -> None:
        """Switch the band on after a while."""
        await asyncio.sleep(after_s)
        if not self._is_on:
            self.boot(self.rng.choice(CAUSES))

    def press(self, held_ms: int) -> None:
        """Press the button."""
        if self._is_on:
            self.band.press(held_ms)

    # --- its links

    def link_of(self, room: int) -> InProcessLink:
        """Return the link by which the host of a room, which was started, reaches the band."""
        link = InProcessLink(self.band, lose=lambda *_: self.rng.random() < LOST_SHARE)
        link.reachable = False
        self.links[room] = link
        return link

    def cut_links(self) -> None:
        """Break all links at this moment."""
        for link in self.links.values():
            link.drop()

    def see(self, room: int, *, works: bool) -> None:
        """Have the link of a room be what it has to be.

        Args:
            room: Its number.
            works: Whether its host and its radio do.
        """
        link = self.links.get(room)
        if link is None:
            return
        link.reachable = works and self._is_on and self.place == room
        if not link.reachable:
            link.drop()
