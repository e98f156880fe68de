# SPDX-License-Identifier: MIT
"""The radios: what `adapter` may be, and what opens each.

A new radio is one file and one row in `RADIOS`; its file has a function

    def open_adapter(name: str, bonds: Path) -> BleAdapter

which opens nothing yet, and is imported when the first such adapter is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.links.ble import BleAdapter


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
    """

    id: str
    pattern: str
    allowed: str
    module: str
    is_system: bool = False
    extra: str | None = None


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


def open_adapter(name: str, bonds: Path) -> BleAdapter:
    """Return the adapter that `[bluetooth] adapter` names; it is opened when it is first used.

    Args:
        name: The adapter's.
        bonds: The file for bonds that the system does not keep.
    """
    adapter: BleAdapter = import_module(radio_named(name).module).open_adapter(name, bonds)
    return adapter
