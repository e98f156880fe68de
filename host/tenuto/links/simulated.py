# SPDX-License-Identifier: MIT
"""A link to a simulated wearable in this process, over the virtual radio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ble import BleLink

if TYPE_CHECKING:
    from .ble_adapter import BleAdapter
    from .registry import LinkContext, Place


async def locate(place: Place, context: LinkContext) -> tuple[BleAdapter, str]:
    """Return the virtual adapter and the wearable's address; it is made if it does not exist."""
    return await context.simulated(place.id)


async def open_link(place: Place, context: LinkContext) -> BleLink:
    """Return the link to the Tenuto service of the wearable; see `registry`."""
    return BleLink(*await locate(place, context))
