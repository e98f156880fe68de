# SPDX-License-Identifier: MIT
"""The platform's own Bluetooth, by bleak."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tenuto.links.ble_adapter import BleAdapter, Radio

if TYPE_CHECKING:
    from .registry import RadioFiles


def open_adapter(name: str, _files: RadioFiles) -> BleAdapter:
    """Return the adapter `default`, or one such as `hci1`; see `registry`."""
    options = {} if name == "default" else {"bluez": {"adapter": name}}

    async def open_radio() -> Radio:
        if sys.platform != "linux":
            return Radio(options=options)
        from .bluez_watch import BlueZWatch  # noqa: PLC0415 - D-Bus is Linux's

        watch = await BlueZWatch.begin()
        return Radio(options=options, lost=watch.lost, close=watch.close)

    return BleAdapter(open_radio, name=name)
