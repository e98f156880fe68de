# SPDX-License-Identifier: MIT
"""What can be done to a simulated device from outside: by its wearer, its battery, the room."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.wearables.gestures import make_gesture
from tenuto.wearables.model import Capability

from .person import VirtualPerson
from .world import SimulatedWearable

if TYPE_CHECKING:
    from tenuto.wearables.model import SimulatedDevice

    from .hardware import EdgeLog
    from .intiface import SimulatedIntiface
    from .radio import Radio, Silence
    from .rooms import House

BPM = (30, 220)
BATTERY_PCT = (0, 100)


class Controls(ABC):
    """One simulated device in somebody's hands.

    Each method that the device has no part for raises `InputError` and does nothing.

    Args:
        name: What people call it.
        parts: The device.
        can: What its model can do.
    """

    def __init__(
        self, name: str, parts: SimulatedDevice | SimulatedIntiface, can: Capability
    ) -> None:
        self.name = name
        self._parts = parts
        self._can = can

    @property
    @abstractmethod
    def address(self) -> str | None:
        """Its Bluetooth address, None where it has none."""

    @property
    def motor(self) -> EdgeLog:
        """Its motor."""
        return self._parts.motor

    def gesture(self, gesture: str, *, after_ms: float = 0.0) -> None:
        """Make one of `gestures.GESTURES` on its button."""
        self._need(Capability.BUTTON, "a button")
        make_gesture(self._parts.button, gesture, after_ms=after_ms)

    def press(self, held_ms: float, *, after_ms: float = 0.0) -> None:
        """Press its button for so long, beginning `after_ms` from now."""
        self._need(Capability.BUTTON, "a button")
        self._parts.button.press(held_ms, after_ms=after_ms)

    @abstractmethod
    def walk_away(self) -> None:
        """Take it out of reach, until `walk_back`."""

    @abstractmethod
    def walk_back(self) -> None:
        """Bring it into reach again."""

    def walk_to(self, room: str, duration_s: float) -> None:
        """Carry it to another room, in so much time.

        Raises:
            InputError: There is no such room.
        """
        del duration_s
        raise InputError(f"{room!r} is nowhere to walk to: allowed is away or back")

    @property
    def room(self) -> str | None:
        """The room that it is in, None where there are none."""
        return None

    @property
    @abstractmethod
    def is_in_reach(self) -> bool:
        """Whether anybody can hear it."""

    @abstractmethod
    async def reset(self) -> None:
        """Cut its power and switch it on again."""

    def heart(self, bpm: float | None) -> None:
        """Give its wearer a steady heart of so many beats a minute, or take it off with None.

        Raises:
            InputError: It has no sensor.
        """
        del bpm
        raise InputError(f"{self.name} has not got a heart rate sensor")

    def battery(self, level_pct: float) -> None:
        """Fill or empty its battery.

        Raises:
            InputError: Its battery cannot be set.
        """
        del level_pct
        raise InputError(f"the battery of {self.name} cannot be set")

    def silence(self, duration_s: float, *, after_s: float = 0.0) -> Silence:
        """Keep the device and everybody from hearing each other for a while.

        Raises:
            InputError: It has no radio.
        """
        del duration_s, after_s
        raise InputError(f"{self.name} is not on the air")

    def _need(self, capability: Capability, what: str) -> None:
        if capability not in self._can:
            raise InputError(f"{self.name} has not got {what}")


class RadioControls(Controls):
    """A device that is met by Bluetooth; see `Controls`.

    Args:
        name: What people call it.
        device: The device.
        radio: The air that it is on.
        can: What its model can do.
        house: Where its wearer walks about, None for one room.
    """

    def __init__(
        self,
        name: str,
        device: SimulatedDevice,
        radio: Radio,
        can: Capability,
        house: House | None = None,
    ) -> None:
        super().__init__(name, device, can)
        self._device = device
        self._radio = radio
        self._house = house
        self._away: Silence | None = None
        self._walk: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Its Bluetooth address."""
        return self._device.address

    def heart(self, bpm: float | None) -> None:
        """Give its wearer a steady heart of so many beats a minute, or take it off with None.

        Raises:
            InputError: Not within `BPM`.
        """
        self._need(Capability.HEART, "a heart rate sensor")
        if bpm is not None and not BPM[0] <= bpm <= BPM[1]:
            raise InputError(f"{bpm:g} is no heart rate: allowed is {BPM[0]} to {BPM[1]}")
        device = self._device
        if device.person is not None:
            device.person.take_off()
        device.person = None
        if bpm is not None:
            device.person = VirtualPerson(resting_bpm=bpm, rr_variation=0.0)
            device.person.put_on(device.heart, device.button)

    def battery(self, level_pct: float) -> None:
        """Fill or empty its battery.

        Raises:
            InputError: Not within `BATTERY_PCT`.
        """
        if not isinstance(self._device, SimulatedWearable):
            raise InputError(f"the battery of {self.name} cannot be set")
        if not BATTERY_PCT[0] <= level_pct <= BATTERY_PCT[1]:
            raise InputError(f"{level_pct:g} is no charge: allowed is 0 to 100")
        self._device.battery.set_level(level_pct)

    def silence(self, duration_s: float, *, after_s: float = 0.0) -> Silence:
        """Keep the device and everybody from hearing each other for a while.

        Raises:
            InputError: It has no radio.
        """
        return self._radio.silence(self._device.address, duration_s, after_s=after_s)

    def walk_away(self) -> None:
        """Take it out of reach, until `walk_back`."""
        if self._away is None:
            self._away = self._radio.silence(self._device.address)

    def walk_back(self) -> None:
        """Bring it into reach again."""
        if self._away is not None:
            self._away.end()
            self._away = None

    def walk_to(self, room: str, duration_s: float) -> None:
        """Carry it to another room, in so much time; a walk that goes on ends where it is.

        Raises:
            InputError: There is no such room.
        """
        rooms = {} if self._house is None else self._house.rooms
        if self._house is None or room not in rooms:
            known = ("away", "back", *rooms)
            raise InputError(f"{room!r} is nowhere to walk to: allowed is {' or '.join(known)}")
        if self._walk is not None:
            self._walk.cancel()
        self._walk = asyncio.create_task(
            self._house.walk(self.address, rooms[room], duration_s), name=f"walk {self.name}"
        )

    @property
    def room(self) -> str | None:
        """The room that it is in, None where there are none."""
        return None if self._house is None else self._house.room(self.address)

    @property
    def is_in_reach(self) -> bool:
        """Whether anybody can hear it."""
        return not self._radio.is_silent(self._device.address)

    async def reset(self) -> None:
        """Cut its power and boot it again; memory and links are lost, flash is not."""
        await self._device.stop()
        await self._device.boot()


class ServerControls(Controls):
    """A device behind a server that programs meet by TCP; see `Controls`."""

    def __init__(self, name: str, server: SimulatedIntiface) -> None:
        super().__init__(name, server, Capability.STRENGTH)
        self._server = server

    @property
    def address(self) -> None:
        """None: it is not on the air."""
        return

    def walk_away(self) -> None:
        """Take it out of the server's reach."""
        self._server.set_there(is_there=False)

    def walk_back(self) -> None:
        """Bring it into the server's reach again."""
        self._server.set_there(is_there=True)

    @property
    def is_in_reach(self) -> bool:
        """Whether the server has it."""
        return self._server.is_there

    async def reset(self) -> None:
        """End all connections, as a server that is started again."""
        self._server.drop()
