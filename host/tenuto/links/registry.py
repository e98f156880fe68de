# SPDX-License-Identifier: MIT
"""The links: what `link` of a [[wearable]] may be, and what opens each.

A new link is one file and one row in `LINKS`; its file has a function

    async def open_link(place: Place, context: LinkContext) -> Link

and one that goes by Bluetooth has another, for devices that do not speak Tenuto's protocol,

    async def locate(place: Place, context: LinkContext) -> tuple[BleAdapter, str]

which returns the adapter and the device's address. The file is imported when the first such link is
opened, since some need what takes long to load.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from tenuto.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .base import Link
    from .ble_adapter import BleAdapter


class Place(Protocol):
    """Where a wearable is, as its [[wearable]] says it."""

    @property
    def id(self) -> str:
        """Its id in the configuration."""
        ...

    @property
    def address(self) -> str | None:
        """Its Bluetooth address."""
        ...

    @property
    def adapter(self) -> str | None:
        """The name of the adapter that it is reached by, None for the usual one."""
        ...

    @property
    def port(self) -> str | None:
        """Its serial port."""
        ...


class LinkContext(Protocol):
    """What links are made of, shared by all links of a process."""

    def adapter(self, name: str | None, /) -> BleAdapter:
        """Return the adapter of a name, the usual one for None; it opens at its first use."""
        ...

    def simulated(self, wearable_id: str, /) -> Awaitable[tuple[BleAdapter, str]]:
        """Return the virtual adapter, and the address of a simulated wearable in its reach."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One row of the registry.

    Attributes:
        id: What `link` says.
        needs: The keys of [[wearable]] that it needs.
        module: The module that has `open_link`.
        is_bluetooth: Whether it goes by Bluetooth, virtual or not.
        is_by_air: Whether it takes one of the few links of an adapter of this computer.
        is_cable: Whether whoever uses it holds the wearable in hand, so that keys go by it.
        is_simulated: Whether what it leads to lives in this process and leaves nothing behind.
        carries_packets: Whether packets of Tenuto's protocol go by it; if not, it has no
            `open_link`, and only models that speak the protocol of another program use it.
        is_configurable: Whether a configuration may name it; else only a program opens it.
        extra: The extra that it needs; see `tenuto.extras`.
    """

    id: str
    module: str
    needs: tuple[str, ...] = ()
    is_bluetooth: bool = False
    is_by_air: bool = False
    is_cable: bool = False
    is_simulated: bool = False
    carries_packets: bool = True
    is_configurable: bool = True
    extra: str | None = None

    async def open(self, place: Place, context: LinkContext) -> Link:
        """Return the link to a wearable; it connects later.

        Raises:
            TenutoError: It cannot be made.
        """
        if not self.carries_packets:
            raise InputError(f"wearable {place.id!r}: Tenuto's protocol does not go by {self.id!r}")
        link: Link = await import_module(self.module).open_link(place, context)
        return link

    async def locate(self, place: Place, context: LinkContext) -> tuple[BleAdapter, str]:
        """Return the adapter and the address of a device that is reached by Bluetooth.

        Raises:
            TenutoError: There is no such device, or it does not go by Bluetooth.
        """
        if not self.is_bluetooth:
            raise InputError(f"wearable {place.id!r}: the link {self.id!r} is not by Bluetooth")
        found: tuple[BleAdapter, str] = await import_module(self.module).locate(place, context)
        return found


LINKS: dict[str, LinkRow] = {
    row.id: row
    for row in (
        LinkRow(
            id="ble",
            module="tenuto.links.ble",
            needs=("address",),
            is_bluetooth=True,
            is_by_air=True,
        ),
        LinkRow(
            id="espruino",
            module="tenuto.links.espruino",
            needs=("address",),
            is_bluetooth=True,
            is_by_air=True,
        ),
        LinkRow(
            id="serial",
            module="tenuto.links.serial",
            needs=("port",),
            is_cable=True,
        ),
        LinkRow(
            id="websocket",
            module="tenuto.links.websocket",
            carries_packets=False,
            extra="intiface",
        ),
        LinkRow(
            id="simulated",
            module="tenuto.links.simulated",
            is_bluetooth=True,
            is_simulated=True,
        ),
        LinkRow(
            id="in_process",
            module="tenuto.links.in_process",
            is_simulated=True,
            is_configurable=False,
        ),
    )
}
"""All links by their ids."""

PLACE_KEYS = tuple(dict.fromkeys(key for row in LINKS.values() for key in row.needs))
"""The keys that say where a wearable is; each is for the links that need it."""
