# SPDX-License-Identifier: MIT
"""The platform's own Bluetooth, by bleak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.links.ble import BleAdapter, Radio

if TYPE_CHECKING:
    from pathlib import Path


def open_adapter(name: str, _bonds: Path) -> BleAdapter:
    """Return the adapter `default`, or one such as `hci1`; see `registry`."""
    options = {} if name == "default" else {"bluez": {"adapter": name}}
    return BleAdapter(Radio(options=options), name=name)
