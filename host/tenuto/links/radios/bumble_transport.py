# SPDX-License-Identifier: MIT
"""A controller behind a transport of bumble: a microcontroller as the radio, a simulated room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.lazy_imports import load_when_used

from .adapters import radio_of

if TYPE_CHECKING:
    from tenuto.links.ble_adapter import Radio

    from .registry import RadioFiles

_PREFIX = "bumble:"


def open_adapter(name: str, files: RadioFiles) -> BleAdapter:
    """Return the adapter `bumble:` and a transport; see `registry`."""

    async def open_radio() -> Radio:
        # Ten megabytes that only pairing and private addresses need.
        load_when_used("bumble.crypto")
        from .bumble import BumbleAdapter  # noqa: PLC0415 - takes half a second

        others = [one.removeprefix(_PREFIX) for one in files.adapters if one.startswith(_PREFIX)]
        transport = name.removeprefix(_PREFIX)
        return radio_of(
            await BumbleAdapter.open_transport(transport, files.bonds, configured=others)
        )

    return BleAdapter(open_radio, name=name)
