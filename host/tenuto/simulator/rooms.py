# SPDX-License-Identifier: MIT
"""Where things are in a simulated house, and people who walk about in it.

The house is a row of rooms, one after the other; a place is a number, 0 the middle of the first
room and 1 that of the next. Walls swallow a signal: what is in the next room is not heard any more.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

from .radio import DEAF_DBM

if TYPE_CHECKING:
    from .radio import Radio

NEAR_DBM = -50.0
PER_ROOM_DB = 45.0
STEP_S = 0.25
"""How often the signal changes while somebody walks."""


def room_name(number: int) -> str:
    """Return the name of a room, `room-a` for the first one."""
    return f"room-{chr(ord('a') + number)}"


def proxy_key(seed: int, name: str) -> str:
    """Return the encryption key of the simulated proxy of a name, the same for the same seed."""
    return base64.b64encode(hashlib.sha256(f"{seed} {name}".encode()).digest()).decode()


class House:
    """The places of what stays where it is (proxies) and of what is carried about (wearables).

    Args:
        radio: Whose signals follow the places.

    Attributes:
        rooms: The places that have names.
    """

    def __init__(self, radio: Radio) -> None:
        self.rooms: dict[str, float] = {}
        self._radio = radio
        self._fixed: dict[str, float] = {}
        self._weak_db: dict[str, float] = {}
        self._carried: dict[str, float] = {}

    def fix(self, address: str, place: float, *, weak_db: float = 0.0) -> None:
        """Put something where it stays.

        Args:
            address: Of its radio.
            place: Where.
            weak_db: How much its antenna swallows besides.
        """
        self._fixed[address], self._weak_db[address] = place, weak_db
        for carried in self._carried:
            self._hear(address, carried)

    def put(self, address: str, place: float) -> None:
        """Bring something to a place at once."""
        self._carried[address] = place
        for fixed in self._fixed:
            self._hear(fixed, address)

    def place(self, address: str) -> float:
        """Return where something is that is carried about, the first room if it was put nowhere."""
        return self._carried.get(address, 0.0)

    def room(self, address: str) -> str | None:
        """Return the name of the room that something is in or nearest to; None without rooms."""
        place = self.place(address)
        return min(self.rooms, key=lambda name: abs(self.rooms[name] - place), default=None)

    async def walk(self, address: str, place: float, duration_s: float) -> None:
        """Carry something to a place, evenly in so much time."""
        begin = self.place(address)
        steps = max(1, round(duration_s / STEP_S))
        for step in range(1, steps + 1):
            await asyncio.sleep(duration_s / steps)
            self.put(address, begin + (place - begin) * step / steps)

    def _hear(self, fixed: str, carried: str) -> None:
        distance = abs(self._fixed[fixed] - self._carried[carried])
        dbm = NEAR_DBM - PER_ROOM_DB * distance - self._weak_db[fixed]
        self._radio.set_signal(fixed, carried, max(dbm, DEAF_DBM))
