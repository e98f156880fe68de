# SPDX-License-Identifier: MIT
"""Rooms with simulated ESPHome Bluetooth proxies, for programs that connect through such."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from tenuto.errors import InputError
from tenuto.extras import needed
from tenuto.simulator.rooms import proxy_key, room_name

from .worlds import LiveWorld

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path
    from types import TracebackType

    from tenuto.simulator.person import VirtualPerson

    from .devices import Band, Device

HOST = "127.0.0.1"
ROOMS_MAX = 26


class ProxyHouse(LiveWorld):
    """A live world of rooms in a row, each with an ESPHome proxy that hears no other room.

    The proxies are called `room-a`, `room-b` and so on, and speak ESPHome's native API by TCP, with
    encryption. Whatever is added is in the first room until it is carried to another one.

    Args:
        rooms: How many.
        slots: How many connections each proxy carries.
        seed: See `LiveWorld`.
        speed: See `LiveWorld`.

    Attributes:
        ports: Where each proxy listens on this machine, by its name.
        keys: The encryption key of each, by its name.

    Raises:
        InputError: The packages of the extra `esphome` are missing.
    """

    def __init__(
        self, *, rooms: int = 2, slots: int = 3, seed: int = 0, speed: float = 1.0
    ) -> None:
        if not 1 <= rooms <= ROOMS_MAX:
            raise ValueError(f"a house has 1 to {ROOMS_MAX} rooms, not {rooms!r}")
        with needed("esphome", "A simulated proxy"):
            import tenuto.simulator.proxy  # noqa: F401, PLC0415 - an extra
        super().__init__(seed=seed, speed=speed)
        self.ports: dict[str, int] = {}
        names = [room_name(number) for number in range(rooms)]
        self.keys = {name: proxy_key(seed, name) for name in names}
        self._slots = slots
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        super().__enter__()
        self.run(self._hang_up())
        return self

    async def _hang_up(self) -> None:
        for number, (name, key) in enumerate(self.keys.items()):
            proxy = await self.world.add_proxy(name, number, slots=self._slots, key=key)
            server = await proxy.listen(HOST, 0)
            self._servers.append(server)
            self.ports[name] = server.sockets[0].getsockname()[1]

    @property
    def adapter(self) -> str:
        """The proxies as `[bluetooth] adapter` of Tenuto's configuration takes them."""
        return "esphome:" + ",".join(f"{HOST}:{port}" for port in self.ports.values())

    def write_keys(self, path: Path) -> None:
        """Write the file for `[bluetooth] proxy_keys` of Tenuto's configuration."""
        lines = [
            f'"{HOST}:{port}" = {json.dumps(self.keys[name])}' for name, port in self.ports.items()
        ]
        path.touch(mode=0o600)
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")

    # --- people walk about

    async def new_band(
        self,
        name: str = "band",
        *,
        firmware: Path | None = None,
        person: VirtualPerson | None = None,
        drift_ppm: float | None = None,
    ) -> Band:
        """Put a band into the first room; see `SimulatedWorld.new_band`."""
        band = await super().new_band(name, firmware=firmware, person=person, drift_ppm=drift_ppm)
        self.world.house.put(band.address, 0.0)
        return band

    async def new_device(self, model: str, name: str | None = None) -> Device:
        """Put a device into the first room; see `SimulatedWorld.new_device`."""
        device = await super().new_device(model, name)
        self.world.house.put(device.address, 0.0)
        return device

    def walk(self, device: Device, room: str, *, duration_s: float = 3.0) -> None:
        """Carry a device into another room, and return when it is there.

        Raises:
            InputError: There is no such room.
        """
        place = self.world.house.rooms.get(room)
        if place is None:
            raise InputError(f"there is no room {room!r}, only: {', '.join(self.keys)}")
        self.run(self.world.house.walk(device.address, place, duration_s))

    # --- and proxies fail

    def unplug(self, room: str) -> None:
        """Cut the power of a proxy: who is connected hears nothing more."""
        self.run(self.world.proxies[room].unplug())

    def plug_in(self, room: str) -> None:
        """Give a proxy its power again; it keeps its bonds."""
        self.run(self.world.proxies[room].boot())

    async def end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take no more programs, and end what is in it."""
        for server in self._servers:
            server.close()
        await super().end(kind, error, trace)
