# SPDX-License-Identifier: MIT
"""The radios: what `adapter` may be, and what opens each.

A new radio is one file and one row in `RADIOS`; its file has a function

    def open_adapter(name: str, files: RadioFiles) -> BleAdapter

which opens nothing yet, and is imported when the first such adapter is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.links.ble_adapter import BleAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioFiles:
    """The files that radios have in this user's folders.

    Attributes:
        bonds: Of bonds that the system does not keep.
        adapters: The names of all adapters that are configured, which share the files; those of
            wearables first, in the order of the configuration.
        proxy_keys: With the encryption keys of ESPHome proxies, None if none is configured.
    """

    bonds: Path
    adapters: tuple[str, ...] = ()
    proxy_keys: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioRow:
    """One row of the registry.

    Attributes:
        id: A word for it.
        pattern: A regular expression that all of its adapters' names match.
        allowed: What `pattern` means, for people.
        module: The module that has `open_adapter`.
        is_system: Whether the operating system owns it, and with it the bonds.
        extra: The extra that it needs; see `tenuto.extras`.
        has_lanes: Whether it reaches devices by several ways, which have their own slots for links;
            see `links.lanes`.
    """

    id: str
    pattern: str
    allowed: str
    module: str
    is_system: bool = False
    extra: str | None = None
    has_lanes: bool = False


_PROXY = r"(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[1-9]\d{0,4})?"

RADIOS: dict[str, RadioRow] = {
    row.id: row
    for row in (
        RadioRow(
            id="platform",
            pattern=r"default|hci\d{1,3}",
            allowed='"default", "hci0" or another number',
            module="tenuto.links.radios.platform",
            is_system=True,
        ),
        RadioRow(
            id="bumble",
            pattern=r"bumble:\S+",
            allowed='"bumble:" and a transport of bumble',
            module="tenuto.links.radios.bumble_transport",
        ),
        RadioRow(
            id="esphome",
            pattern=rf"esphome:{_PROXY}(?:,{_PROXY}){{0,31}}",
            allowed='"esphome:" and up to 32 addresses of Bluetooth proxies, separated by commas',
            module="tenuto.links.radios.esphome",
            extra="esphome",
            has_lanes=True,
        ),
    )
}
"""All radios by their ids."""


def name_pattern() -> str:
    """Return the regular expression of the names of all adapters."""
    return "|".join(row.pattern for row in RADIOS.values())


def names_allowed() -> str:
    """Return, for people, what names adapters have."""
    *others, last = (row.allowed for row in RADIOS.values())
    return f"{', '.join(others)}, or {last}"


def radio_named(name: str) -> RadioRow:
    """Return the row of the radio that has an adapter of this name.

    Raises:
        ValueError: None has.
    """
    for row in RADIOS.values():
        if re.fullmatch(row.pattern, name):
            return row
    raise ValueError(f"is {name!r}, allowed is {names_allowed()}")


def open_adapter(name: str, files: RadioFiles) -> BleAdapter:
    """Return the adapter that `[bluetooth] adapter` names; it is opened when it is first used.

    Args:
        name: The adapter's.
        files: Of this user.
    """
    adapter: BleAdapter = import_module(radio_named(name).module).open_adapter(name, files)
    return adapter
